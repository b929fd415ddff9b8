//! Rest, failover, backstops, visible trouble, the twin.

use super::super::stage::{A, B, Stage};
use super::super::{End, Facts, Twin};
use super::{QUERY, create_run, measured, vector};
use crate::cluster::request::Verb;
use crate::simulate::record::ReplicaEvent;
use serde_json::json;

#[test]
fn l1_after_the_last_fault_a_rollout_comes_to_rest() {
    let stage = |seconds: i64, phase: &str| {
        let mut stage = Stage::new();
        stage.status(
            A,
            json!({"phase": phase, "message": "waiting for all steps to complete"}),
        );
        let healed = stage.now;
        stage.pass(seconds).end(Some(healed));
        stage
    };
    stage(7200, "Progressing").breaks(
        "L1",
        &["rollout shop/web is Progressing (\"waiting for all steps to complete\") at step Some(0)"],
    );
    // Its steps may take longer than the run went on.
    stage(900, "Progressing").keeps("L1");
    stage(7200, "Degraded").keeps("L1");
}

fn two(stage: &mut Stage) {
    stage.replica(B, ReplicaEvent::Started);
    lead(stage, A);
    stage.pass(60);
}

fn lead(stage: &mut Stage, who: &str) {
    let lease = json!({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": format!("{who}_x")}});
    stage.request(who, Verb::Update, "leases", "lock", lease);
}

#[test]
fn l3_the_lead_passes_on() {
    let stage = |how: ReplicaEvent, seconds: i64| {
        let mut stage = Stage::new();
        two(&mut stage);
        stage.replica(A, how).pass(seconds);
        lead(&mut stage, B);
        stage
    };
    stage(ReplicaEvent::Crashed, 19).breaks("L3", &["serin-a is gone for 19s, and serin-b does not lead"]);
    stage(ReplicaEvent::Crashed, 16).keeps("L3");
    stage(ReplicaEvent::Stopped, 4).breaks("L3", &["serin-a is gone"]);
    stage(ReplicaEvent::Stopped, 2).keeps("L3");
    // With nobody to stand by there is nobody to lead.
    let mut stage = Stage::new();
    lead(&mut stage, A);
    stage.replica(A, ReplicaEvent::Crashed).pass(60).log("alone");
    stage.keeps("L3");
}

#[test]
fn l4_a_change_is_seen_without_its_event() {
    let stage = |fault: Option<&'static str>, seconds: i64| {
        let mut stage = Stage::new();
        if let Some(fault) = fault {
            stage.fault(fault, "begins");
        }
        stage
            .pass(60)
            .world("rollouts", "web", json!({"spec": {"replicas": 5}}))
            .pass(seconds)
            .log("unseen");
        stage
    };
    stage(None, 62).breaks("L4", &["its spec has generation 3, the status speaks of \"2\""]);
    stage(None, 58).keeps("L4");
    stage(Some("B11"), 310).breaks("L4", &["generation 3"]);
    stage(Some("B11"), 250).keeps("L4");
    stage(Some("A13"), 900).keeps("L4");
}

#[test]
fn l4_nothing_is_owed_to_what_is_foreign_or_unreadable() {
    let poisoned = || {
        Stage::with(Facts {
            poisoned: vec!["shop/web".into()],
            ..Facts::default()
        })
    };
    let foreign = || {
        Stage::with(Facts {
            instance_id: "blue".into(),
            ..Facts::default()
        })
    };
    for mut stage in [poisoned(), foreign()] {
        stage
            .world("rollouts", "web", json!({"spec": {"replicas": 5}}))
            .pass(900)
            .log("unseen");
        stage.keeps("L4");
        let healed = stage.now;
        stage.pass(9000).end(Some(healed));
        stage.keeps("L1");
    }
    let mut stage = foreign();
    stage.size(A, "new", 2);
    stage.breaks("S8", &["it is controlled by Rollout with uid uid-web"]);
}

#[test]
fn l5_a_silent_provider_is_said() {
    let stage = || {
        let mut stage = Stage::new();
        create_run(&mut stage, "web-new-2-3", "3");
        stage.asked(QUERY, Err("connection refused"));
        stage
    };
    let mut silent = stage();
    silent.pass(156).log("nothing in its status");
    silent.breaks(
        "L5",
        &[
            "metric errors of run shop/web-new-2-3 has got no answer",
            "connection refused",
        ],
    );
    let mut said = stage();
    measured(&mut said, "web-new-2-3", "Error", "");
    said.pass(300).log("said");
    said.keeps("L5");
    let mut answered = stage();
    answered
        .pass(10)
        .asked(QUERY, Ok(&vector("0.01")))
        .pass(300)
        .log("answered");
    answered.keeps("L5");
}

#[test]
fn l5_an_update_that_does_not_get_on_is_said() {
    let mut stage = Stage::new();
    stage.status(
        A,
        json!({"message": "updated replicas are still becoming available"}),
    );
    stage.pass(662).log("still Progressing");
    stage.breaks(
        "L5",
        &["is Progressing (\"updated replicas are still becoming available\") and nothing has moved for 12m17s"],
    );
    let mut stage = Stage::new();
    stage.status(A, json!({"message": "x"})).pass(500);
    stage
        .status(
            A,
            json!({"phase": "Degraded", "message": "ProgressDeadlineExceeded: x"}),
        )
        .pass(900)
        .log("said");
    stage.keeps("L5");
}

fn end_with(stage: &mut Stage, twin: &Twin) {
    let end = End {
        at: stage.now,
        store: &stage.store,
        healed_at: None,
        twin: Some(twin),
    };
    stage.broken.extend(stage.laws.end(&end));
}

#[test]
fn d1_the_world_ends_as_without_faults() {
    let mut calm = Stage::new();
    calm.weight(20);
    let twin = calm.laws.twin(&calm.store, 0);
    let mut same = Stage::new();
    same.pass(77).weight(20);
    end_with(&mut same, &twin);
    same.keeps("D1");
    let mut other = Stage::new();
    other.weight(50);
    end_with(&mut other, &twin);
    other.breaks("D1", &["httproutes.gateway.networking.k8s.io shop/web differs at .spec.rules[0].backendRefs[0].weight: 50 instead of 80"]);
    let mut more = Stage::new();
    more.weight(20);
    create_run(&mut more, "web-new-2-3", "3");
    end_with(&mut more, &twin);
    more.breaks(
        "D1",
        &["analysisruns.argoproj.io shop/web-new-2-3 is there; without faults it is not"],
    );
}

#[test]
fn d2_faults_cost_few_writes() {
    let mut calm = Stage::new();
    calm.weight(20);
    let twin = calm.laws.twin(&calm.store, 1);
    let mut busy = Stage::new();
    busy.weight(50).weight(0).weight(20);
    end_with(&mut busy, &twin);
    busy.breaks(
        "D2",
        &["3 times Patch httproutes; without faults 1, and 1 more are allowed"],
    );
    let mut fine = Stage::new();
    fine.weight(50).weight(20);
    end_with(&mut fine, &twin);
    fine.keeps("D2");
}
