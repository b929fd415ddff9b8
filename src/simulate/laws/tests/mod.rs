//! For every law a history that breaks it and a near miss that does not; and whole lives that break none.

mod lately;
mod liveness;
mod lives;
mod objects;
mod safety;
mod steps;

use super::stage::{A, Stage};
use crate::cluster::request::Verb;
use chrono::SecondsFormat;
use serde_json::{Value, json};

pub fn stamp(stage: &Stage) -> String {
    stage.now.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The controller begins the pause of a step.
pub fn pause(stage: &mut Stage, index: i64) {
    let start = stamp(stage);
    let pauses = json!([{"reason": "CanaryPauseStep", "startTime": start}]);
    let status = json!({"currentStepIndex": index, "pauseConditions": pauses, "controllerPause": true,
        "phase": "Paused", "message": "CanaryPauseStep"});
    stage.status(A, status);
}

/// The controller moves on.
pub fn go_on(stage: &mut Stage, index: i64) {
    let status = json!({"currentStepIndex": index, "pauseConditions": null, "controllerPause": null,
        "phase": "Progressing", "message": "waiting for all steps to complete"});
    stage.status(A, status);
}

/// An analysis run of a step, with one metric that asks for `errors{web}`.
pub fn run(step: &str) -> Value {
    let metric = json!({"name": "errors", "interval": "60s", "successCondition": "result[0] < 0.05",
        "provider": {"prometheus": {"query": "errors{{{args.service}}}"}}});
    json!({
        "metadata": {
            "labels": {"rollouts-pod-template-hash": "new", "step-index": step, "rollout-type": "Step"},
            "annotations": {"rollout.argoproj.io/revision": "2"}, "ownerReferences": super::stage::owner()
        },
        "spec": {"metrics": [metric], "args": [{"name": "service", "value": "web"}]}
    })
}

pub const QUERY: &str = "errors{web}";

/// An answer of Prometheus with one number.
pub fn vector(value: &str) -> String {
    json!({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, value]}]}})
        .to_string()
}

pub fn create_run(stage: &mut Stage, name: &str, step: &str) {
    stage.request(A, Verb::Create, "analysisruns", name, run(step));
}

/// The controller stores a measurement.
pub fn measured(stage: &mut Stage, name: &str, phase: &str, value: &str) {
    let at = stamp(stage);
    let count = i64::from(phase == "Successful");
    let measurement =
        json!({"phase": phase, "value": value, "startedAt": at, "finishedAt": at, "message": "m"});
    let result = json!({"name": "errors", "phase": phase, "count": 1, "successful": count, "measurements": [measurement]});
    stage.patch(
        A,
        "analysisruns",
        name,
        json!({"status": {"phase": phase, "metricResults": [result]}}),
    );
}
