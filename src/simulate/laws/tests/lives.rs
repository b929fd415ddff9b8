//! Whole lives, as a careful controller writes them: no law is broken.

use super::super::stage::{A, Stage};
use super::{QUERY, create_run, go_on, measured, pause, vector};
use serde_json::json;

fn select(stage: &mut Stage, service: &str, hash: &str) {
    let patch = json!({"spec": {"selector": {"rollouts-pod-template-hash": hash}},
        "metadata": {"annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}}});
    stage.patch(A, "services", service, patch);
}

/// Up to the analysis at half of the traffic.
fn half_way() -> Stage {
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    stage.pass(60);
    go_on(&mut stage, 2);
    stage.size(A, "new", 2).pass(3).available("new", 2).weight(50);
    create_run(&mut stage, "web-new-2-3", "3");
    stage.status(
        A,
        json!({"currentStepIndex": 3, "canary": {"currentStepAnalysisRunStatus": {"name": "web-new-2-3"}}}),
    );
    stage
}

fn nothing_broken(stage: &Stage) {
    assert!(stage.broken.is_empty(), "{:#?}", stage.broken);
}

#[test]
fn a_good_release_breaks_no_law() {
    let mut stage = half_way();
    stage.asked(QUERY, Ok(&vector("0.01")));
    measured(&mut stage, "web-new-2-3", "Successful", "[0.01]");
    go_on(&mut stage, 4);
    stage.size(A, "new", 4).pass(3).available("new", 4).world(
        "replicasets",
        "web-new",
        json!({"status": {"replicas": 4}}),
    );
    stage.weight(100);
    stage.status(A, json!({"stableRS": "new", "phase": "Healthy", "message": ""}));
    select(&mut stage, "web-stable", "new");
    stage.weight(0);
    let deadline = json!({"metadata": {"annotations": {"scale-down-deadline": super::stamp(&stage)}}});
    stage
        .patch(A, "replicasets", "web-old", deadline)
        .pass(30)
        .size(A, "old", 0);
    stage.world(
        "replicasets",
        "web-old",
        json!({"status": {"replicas": 0, "availableReplicas": 0}}),
    );
    let healed = stage.now;
    stage.pass(7200).end(Some(healed));
    nothing_broken(&stage);
}

#[test]
fn a_failed_release_breaks_no_law() {
    let mut stage = half_way();
    stage.asked(QUERY, Ok(&vector("0.2")));
    measured(&mut stage, "web-new-2-3", "Failed", "[0.2]");
    stage.status(A, json!({"abort": true, "currentStepIndex": 0, "phase": "Degraded", "message": "RolloutAborted: errors"}));
    select(&mut stage, "web-canary", "old");
    stage.weight(0).pass(30).size(A, "new", 0);
    stage.world(
        "replicasets",
        "web-new",
        json!({"status": {"replicas": 0, "availableReplicas": 0}}),
    );
    let healed = stage.now;
    stage.pass(7200).end(Some(healed));
    nothing_broken(&stage);
    // A person tries again: everything is done anew.
    stage
        .status("ann", json!({"abort": false}))
        .pass(1)
        .size(A, "new", 1);
    go_on(&mut stage, 0);
    stage.world(
        "replicasets",
        "web-new",
        json!({"status": {"replicas": 1, "availableReplicas": 1}}),
    );
    select(&mut stage, "web-canary", "new");
    stage.weight(20);
    pause(&mut stage, 1);
    nothing_broken(&stage);
}

#[test]
fn a_crash_between_two_writes_breaks_no_law() {
    use crate::simulate::record::ReplicaEvent;
    let mut stage = Stage::new();
    stage.replica("serin-b", ReplicaEvent::Started).pass(60);
    stage.weight(20).replica(A, ReplicaEvent::Crashed).pass(17);
    let start = super::stamp(&stage);
    let pauses = json!([{"reason": "CanaryPauseStep", "startTime": start}]);
    stage.status(
        "serin-b",
        json!({"currentStepIndex": 1, "pauseConditions": pauses, "controllerPause": true,
        "phase": "Paused", "message": "CanaryPauseStep"}),
    );
    stage.pass(62).log("late, but it just became leader").pass(1);
    go_on(&mut stage, 2);
    nothing_broken(&stage);
}
