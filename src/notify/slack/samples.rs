//! Updates to tell about, for tests: one service on its way to a new version, in several situations.

use crate::api::analysis_run::AnalysisRun;
use crate::api::strategy::CanaryStep;
use crate::base::object::Key;
use crate::plan::{Announcement, Moment};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

pub fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

fn run(value: Value) -> AnalysisRun {
    serde_json::from_value(value).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

/// Version 1.5.0 of `payments/checkout` at 5 % of the requests, two minutes after it started.
pub fn update(moment: Moment) -> Announcement {
    let steps: Vec<CanaryStep> = serde_json::from_value(json!([
        {"setWeight": 5},
        {"analysis": {"templates": [{"templateName": "error-rate"}, {"templateName": "p99"}]}},
        {"setWeight": 50},
        {"pause": {"duration": "10m"}},
        {"setCanaryScale": {"matchTrafficWeight": true}},
        {"pause": {}},
    ]))
    .unwrap();
    Announcement {
        moment,
        rollout: Key::new("payments", "checkout"),
        rollout_uid: "5f2a1c6e-0001".into(),
        pod_hash: "6c54bd5869".into(),
        revision: 7,
        at: at("12:02:05"),
        since: Some(at("12:00:00")),
        images_old: pairs(&[("app", "registry.example.com:5000/checkout:v1.4.2")]),
        images_new: pairs(&[("app", "registry.example.com:5000/checkout:v1.5.0")]),
        weight: 5,
        weight_max: 100,
        weight_is_pods: false,
        switch: None,
        step: Some((1, 6)),
        steps,
        channel: None,
        runs: Vec::new(),
    }
}

fn measurement(time: &str, value: &str, phase: &str) -> Value {
    json!({"phase": phase, "value": value, "startedAt": at(time).to_rfc3339(), "finishedAt": at(time).to_rfc3339()})
}

fn metric(name: &str, condition: &str) -> Value {
    json!({"name": name, "interval": "1m", "count": 10, "successCondition": condition})
}

/// The step's run: the error rate was good once and then was not.
pub fn failed_run() -> AnalysisRun {
    run(json!({
        "metadata": {"name": "checkout-6c54bd5869-7-1", "labels": {"rollout-type": "Step", "step-index": "1"}},
        "spec": {"metrics": [
            metric("p99-ms", "len(result) > 0 && result[0] < 500"),
            metric("error-rate", "result[0] < 0.005"),
            metric("error-rate-stable", ""),
        ]},
        "status": {
            "phase": "Failed",
            "message": "Metric \"error-rate\" assessed Failed due to failed (1) > failureLimit (0)",
            "startedAt": at("12:00:10").to_rfc3339(),
            "completedAt": at("12:02:04").to_rfc3339(),
            "metricResults": [
                {"name": "p99-ms", "phase": "Successful", "count": 3, "successful": 3, "measurements": [
                    measurement("12:00:10", "[212.8731]", "Successful"),
                    measurement("12:02:03", "[213.4567]", "Successful")]},
                {"name": "error-rate", "phase": "Failed", "count": 3, "successful": 2, "failed": 1, "measurements": [
                    measurement("12:00:10", "[]", "Successful"),
                    measurement("12:01:10", "[0.0008]", "Successful"),
                    measurement("12:02:03", "[0.0312]", "Failed")]},
                {"name": "error-rate-stable", "phase": "Successful", "dryRun": true, "count": 3, "measurements": [
                    measurement("12:02:03", "[0.00079]", "Successful")]},
            ],
        },
    }))
}

/// A background run without an end, still good.
pub fn background_run() -> AnalysisRun {
    run(json!({
        "metadata": {"name": "checkout-6c54bd5869-7", "labels": {"rollout-type": "Background"}},
        "spec": {"metrics": [{"name": "saturation-percent", "interval": "30s", "failureCondition": "result[0] >= 80"}]},
        "status": {
            "phase": "Running",
            "startedAt": at("12:00:05").to_rfc3339(),
            "metricResults": [{"name": "saturation-percent", "phase": "Running", "count": 1, "measurements": [
                measurement("12:01:35", "[41]", "Successful")]}],
        },
    }))
}

/// The step's run when everything was good to the end.
pub fn good_run() -> AnalysisRun {
    let mut run = failed_run();
    run.status.phase = "Successful".into();
    run.status.message = String::new();
    run.status.completed_at = Some(crate::base::gotime::Time::new(at("12:10:10")));
    let error_rate = &mut run.status.metric_results[1];
    error_rate.phase = "Successful".into();
    error_rate.failed = None;
    error_rate.measurements.pop();
    run
}

/// A run that never got an answer from Prometheus.
pub fn erroneous_run() -> AnalysisRun {
    let mut run = failed_run();
    run.status.phase = "Error".into();
    run.status.message =
        "Metric \"error-rate\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4)"
            .into();
    let error_rate = &mut run.status.metric_results[1];
    error_rate.phase = "Error".into();
    (error_rate.count, error_rate.failed, error_rate.error) = (None, None, Some(5));
    for measurement in &mut error_rate.measurements {
        measurement.phase = "Error".into();
        measurement.value = String::new();
        measurement.message =
            "prometheus:9090 refused the connection: start it, or mend the metric's address".into();
    }
    run
}

/// An update whose every text tries to be more than text, with more of everything than fits.
pub fn hostile(moment: Moment) -> Announcement {
    let evil = "<!channel> @here <@U123> `code` *bold*\n```\nfake & line";
    let many = "x<y&z>`".repeat(400);
    let mut what = update(moment);
    what.images_new = (0..40)
        .map(|n| (format!("{evil}{n}"), format!("repo/{evil}:{many}")))
        .collect();
    what.steps = vec![what.steps[1].clone(); 300];
    for step in &mut what.steps {
        step.analysis.as_mut().unwrap().templates[0].template_name = many.clone();
    }
    let mut run = failed_run();
    run.metadata.name = evil.into();
    run.status.message = many.clone();
    let (metric, result) = (run.spec.metrics[1].clone(), run.status.metric_results[1].clone());
    for n in 0..200 {
        let name = format!("{evil}{n}");
        run.spec.metrics.push(crate::api::analysis::Metric {
            name: name.clone(),
            success_condition: Some(many.clone()),
            ..metric.clone()
        });
        run.status
            .metric_results
            .push(crate::api::analysis_run::MetricResult {
                name,
                ..result.clone()
            });
    }
    for result in &mut run.status.metric_results {
        for measurement in &mut result.measurements {
            (measurement.value, measurement.message) = (many.clone(), evil.into());
        }
    }
    what.runs = vec![run.clone(), background_run(), run];
    what.at += TimeDelta::minutes(8);
    what
}
