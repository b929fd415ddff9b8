//! Near misses: what the controller could not know yet, and what does nobody any harm. Each beside the history that does.

use super::super::stage::{A, Stage, owner};
use crate::cluster::request::Verb;
use serde_json::{Value, json};

/// Blue-green: the active Service leads to `old`, and `new` has all its pods.
fn switched(strategy: &Value) -> Stage {
    let mut stage = Stage::new();
    let mut blue_green = json!({"activeService": "web-stable", "previewService": "web-canary"});
    crate::base::json::merge_apply(&mut blue_green, strategy);
    let spec = json!({"strategy": {"canary": null, "blueGreen": blue_green}});
    let status = json!({"observedGeneration": "3"});
    stage.world("rollouts", "web", json!({"spec": spec, "status": status}));
    stage.world("replicasets", "web-new", json!({"spec": {"replicas": 4}}));
    stage.available("new", 4).pass(60);
    stage
}

fn replicas(stage: &mut Stage, replicas: i64) {
    stage.world("rollouts", "web", json!({"spec": {"replicas": replicas}}));
}

fn lead(stage: &mut Stage, service: &str, version: &str) {
    let selector = json!({"rollouts-pod-template-hash": version});
    stage.patch(A, "services", service, json!({"spec": {"selector": selector}}));
}

#[test]
fn s1_where_no_pods_are_asked_for_nobody_is_led_to_dead_ones() {
    let check = |asked: i64| {
        let mut stage = switched(&json!({}));
        replicas(&mut stage, asked);
        stage.available("new", 0).pass(10);
        lead(&mut stage, "web-stable", "new");
        stage
    };
    check(4).breaks("S1", &["version new rose from 0 % to 100 %"]);
    check(0).keeps("S1");
}

#[test]
fn s2_replicas_of_a_moment_ago_need_no_pods_yet() {
    let check = |seconds: i64| {
        let mut stage = switched(&json!({}));
        replicas(&mut stage, 8);
        stage.pass(seconds);
        lead(&mut stage, "web-stable", "new");
        stage
    };
    check(10).breaks("S2", &["of 8 pods at least", "only 4 were available"]);
    check(0).keeps("S2");
}

#[test]
fn s2_all_traffic_may_go_to_the_version_that_has_more_pods() {
    let check = |old: i64| {
        let mut stage = switched(&json!({}));
        replicas(&mut stage, 8);
        stage.available("old", old).pass(10);
        lead(&mut stage, "web-stable", "new");
        stage
    };
    check(4).breaks("S2", &["only 4 were available"]);
    check(3).keeps("S2");
}

#[test]
fn s4_a_version_that_has_lost_its_predecessor_needs_no_analysis() {
    let mut stage = switched(&json!({"prePromotionAnalysis": {"templates": []}}));
    let gone = json!({"metadata": {"deletionTimestamp": "2026-01-05T10:00:00Z"}});
    stage.world("replicasets", "web-old", gone).pass(10);
    lead(&mut stage, "web-stable", "new");
    stage.keeps("S4");
}

#[test]
fn s8_a_service_that_was_named_a_moment_ago_may_still_be_led() {
    let check = |seconds: i64| {
        let mut stage = Stage::new();
        let named = json!({"spec": {"strategy": {"canary": {"canaryService": "another"}}}});
        stage.world("rollouts", "web", named).pass(seconds);
        lead(&mut stage, "web-canary", "old");
        stage
    };
    check(10).breaks("S8", &["no Rollout names this Service"]);
    check(0).keeps("S8");
}

#[test]
fn s14_a_version_that_somebody_led_users_to_a_moment_ago_may_be_forgotten() {
    let check = |seconds: i64| {
        let mut stage = Stage::new();
        stage.world("replicasets", "web-former", super::super::stage::set("former", 0));
        stage.pass(60);
        let selector = json!({"spec": {"selector": {"rollouts-pod-template-hash": "former"}}});
        stage.world("services", "web-stable", selector).pass(seconds);
        stage.request(A, Verb::Delete, "replicasets", "web-former", json!({}));
        stage
    };
    check(10).breaks("S14", &["former gets 100 % of the traffic"]);
    check(0).keeps("S14");
}

#[test]
fn s15_pods_of_any_replica_set_of_the_version_count() {
    let mut stage = Stage::new();
    let mut twin = super::super::stage::set("new", 0);
    twin["metadata"]["ownerReferences"] = owner();
    stage.world("replicasets", "a-twin", twin);
    stage.world("replicasets", "web-new", json!({"spec": {"replicas": 4}}));
    stage.available("new", 4).pass(10);
    stage.weight(100);
    let status = json!({"stableRS": "new", "currentStepIndex": 4, "phase": "Healthy", "message": ""});
    stage.status(A, status).pass(120).log("at rest");
    stage.keeps("S15");
}

#[test]
fn t8_what_failed_before_a_retry_closes_no_step_of_it() {
    let check = |retried: bool| {
        let mut stage = Stage::new();
        let labels = json!({"rollouts-pod-template-hash": "new", "rollout-type": "Background"});
        let run = json!({"metadata": {"labels": labels, "ownerReferences": owner()}, "status": {"phase": "Running"}});
        stage.world("analysisruns", "web-new-2", run);
        let named = json!({"currentBackgroundAnalysisRunStatus": {"name": "web-new-2", "status": "Running"}});
        stage.weight(20).status(A, json!({"canary": named})).pass(10);
        stage
            .world(
                "analysisruns",
                "web-new-2",
                json!({"status": {"phase": "Failed"}}),
            )
            .pass(10);
        if retried {
            stage
                .status(A, json!({"abort": true, "currentStepIndex": 0}))
                .weight(0)
                .pass(10);
            stage.world("rollouts", "web", json!({"status": {"abort": null}}));
            stage.weight(20).pass(10);
        }
        stage.status(A, json!({"currentStepIndex": 1}));
        stage
    };
    check(false).breaks("T8", &["the background run shop/web-new-2 had ended in Failed"]);
    check(true).keeps("T8");
}

#[test]
fn l5_a_late_verdict_is_where_an_update_gets_on() {
    let check = |over: bool| {
        let mut stage = switched(&json!({"postPromotionAnalysis": {"templates": []}}));
        stage.status(A, json!({"message": "waiting for analysis to complete"}));
        let labels = json!({"rollouts-pod-template-hash": "new", "rollout-type": "PostPromotion"});
        let run = json!({"metadata": {"labels": labels, "ownerReferences": owner()}, "status": {"phase": "Running"}});
        stage.world("analysisruns", "web-post", run).pass(900);
        if over {
            stage.world(
                "analysisruns",
                "web-post",
                json!({"status": {"phase": "Successful"}}),
            );
        }
        stage
    };
    let mut late = check(true);
    late.log("the verdict is there").keeps("L5");
    late.pass(900)
        .log("and nothing came of it")
        .breaks("L5", &["nothing has moved for"]);
}
