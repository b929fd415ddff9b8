//! Traffic, capacity, aborts, gates, order, fencing, quiet.

use super::super::stage::{A, B, Stage, owner};
use crate::cluster::request::Verb;
use crate::simulate::record::ReplicaEvent;
use serde_json::json;

#[test]
fn s1_weight_on_a_version_without_pods_is_seen() {
    let mut stage = Stage::new();
    stage.available("new", 0).pass(5).weight(20);
    stage.breaks(
        "S1",
        &[
            "version new rose from 0 % to 20 %",
            "web-new (wants 1, available 0)",
            "rollout shop/web",
        ],
    );
    let mut stage = Stage::new();
    // Within the lag of the caches the controller could not know.
    stage.available("new", 0).pass(1).weight(20);
    stage.keeps("S1");
}

#[test]
fn s1_a_dead_version_is_left_within_the_reaction_time() {
    let mut stage = Stage::new();
    stage.weight(20).available("new", 0).pass(61).log("still there");
    stage.breaks("S1", &["gets 20 % of the traffic and has no available pod"]);
    let mut stage = Stage::new();
    stage
        .weight(20)
        .available("new", 0)
        .fault("A13", "begins")
        .pass(300)
        .log("the API server was away");
    stage.keeps("S1");
}

#[test]
fn s1_when_no_version_has_pods_the_weight_may_stay_or_go() {
    let mut stage = Stage::new();
    stage.available("new", 0).available("old", 0).pass(5).weight(20);
    stage.keeps("S1");
}

#[test]
fn s1_a_service_without_endpoints_gets_no_weight() {
    let slice = |service: &str, ready: bool| {
        json!({"metadata": {"labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"conditions": {"ready": ready}}]})
    };
    let check = |ready: bool| {
        let mut stage = Stage::new();
        stage.world("endpointslices", "web-stable-x", slice("web-stable", true));
        stage
            .world("endpointslices", "web-canary-x", slice("web-canary", ready))
            .pass(5)
            .weight(20);
        stage
    };
    check(false).breaks(
        "S1",
        &["Service web-canary of shop/web gets traffic but has had no ready endpoint"],
    );
    check(true).keeps("S1");
}

#[test]
fn s2_a_share_takes_its_pods() {
    let mut stage = Stage::new();
    stage.size(A, "new", 2).weight(80);
    stage.breaks(
        "S2",
        &[
            "version new rose from 0 % to 80 %",
            "takes 2 of 4 pods at least (maxUnavailable 1)",
            "only 1 were available",
        ],
    );
    let mut stage = Stage::new();
    stage.size(A, "new", 2).available("new", 2).weight(80);
    stage.keeps("S2");
}

#[test]
fn s3_an_abort_is_final() {
    let mut stage = Stage::new();
    stage.status(A, json!({"abort": true})).weight(20);
    stage.breaks(
        "S3",
        &["was aborted 500 ms ago, yet the share of its version new rose from 0 % to 20 %"],
    );
    let mut stage = Stage::new();
    stage.status(A, json!({"abort": true})).size(A, "new", 2);
    stage.breaks("S3", &["ReplicaSet shop/web-new from 1 to 2"]);
    let mut stage = Stage::new();
    // A person's abort may cross the controller's last write.
    stage.status("ann", json!({"abort": true})).weight(20);
    stage.keeps("S3");
    let mut stage = Stage::new();
    stage
        .status(A, json!({"abort": true}))
        .status("ann", json!({"abort": false}))
        .pass(9)
        .weight(20);
    stage.keeps("S3");
}

#[test]
fn s3_traffic_leaves_an_aborted_version() {
    let mut stage = Stage::new();
    stage
        .weight(20)
        .status("ann", json!({"abort": true}))
        .pass(11)
        .log("nothing done");
    stage.breaks("S3", &["the update is aborted, but version new still gets 20 %"]);
    let mut stage = Stage::new();
    stage
        .weight(20)
        .status("ann", json!({"abort": true}))
        .pass(5)
        .weight(0)
        .pass(60)
        .log("done");
    stage.keeps("S3");
}

fn promote(stage: &mut Stage) {
    stage.status(
        A,
        json!({"stableRS": "new", "currentStepIndex": 4, "phase": "Healthy", "message": ""}),
    );
}

fn with_run(phase: &str, terminate: bool) -> Stage {
    let mut stage = Stage::new();
    stage.size(A, "new", 4).available("new", 4);
    let run = json!({"metadata": {
        "labels": {"rollouts-pod-template-hash": "new", "step-index": "3", "rollout-type": "Step"},
        "annotations": {"rollout.argoproj.io/revision": "2"}, "ownerReferences": owner()},
        "spec": {"terminate": terminate}, "status": {"phase": "Running"}});
    stage.request(A, Verb::Create, "analysisruns", "web-new-2-3", run);
    stage.patch(
        A,
        "analysisruns",
        "web-new-2-3",
        json!({"status": {"phase": phase}}),
    );
    stage.status(A, json!({"currentStepIndex": 3}));
    stage
}

#[test]
fn s4_a_version_becomes_stable_only_by_a_success() {
    for (phase, terminate) in [("Running", false), ("Failed", false), ("Successful", true)] {
        let mut stage = with_run(phase, terminate);
        promote(&mut stage);
        stage.breaks(
            "S4",
            &[
                "version new became stable instead of old",
                "no analysis run of its step 3 was successful",
                "web-new-2-3",
            ],
        );
    }
    let mut stage = with_run("Successful", false);
    promote(&mut stage);
    stage.keeps("S4");
}

#[test]
fn s4_a_person_may_skip_and_promote_in_full() {
    let mut stage = with_run("Running", false);
    stage.status("ann", json!({"currentStepIndex": 4}));
    promote(&mut stage);
    stage.keeps("S4");
    let mut stage = with_run("Failed", false);
    stage.status("ann", json!({"promoteFull": true}));
    promote(&mut stage);
    stage.keeps("S4");
}

#[test]
fn s4_not_every_pod_is_there() {
    let mut stage = with_run("Successful", false);
    stage.available("new", 3).pass(5);
    promote(&mut stage);
    stage.breaks("S4", &["only 3 of 4 pods of it were available"]);
}

#[test]
fn s7_pods_go_after_the_traffic() {
    let mut stage = Stage::new();
    stage.size(A, "old", 3);
    stage.breaks(
        "S7",
        &[
            "web-old went from 4 to 3 pods while its version old still gets 100 %",
            "takes 4 of 4",
        ],
    );
    let mut stage = Stage::new();
    stage
        .weight(20)
        .status(A, json!({"abort": true}))
        .weight(0)
        .pass(30)
        .size(A, "new", 0);
    stage.keeps("S7");
    // What a person does is a person's business.
    let mut stage = Stage::new();
    stage.size("ann", "old", 0);
    stage.keeps("S7");
}

#[test]
fn s7_traffic_comes_after_all_of_its_pods() {
    let mut stage = Stage::new();
    // Within maxUnavailable, so S2 has nothing against it.
    stage.size(A, "new", 2).weight(50);
    stage.breaks(
        "S7",
        &["the new version new rose from 0 % to 50 %, which takes 2 of 4 pods, but only 1 were available"],
    );
    stage.keeps("S2");
    // What was given once may be given back.
    let mut stage = Stage::new();
    stage
        .size(A, "new", 2)
        .available("new", 2)
        .weight(50)
        .available("new", 1)
        .pass(5);
    stage
        .patch(
            "ann",
            "httproutes",
            "web",
            json!({"spec": super::super::stage::route(0)["spec"]}),
        )
        .pass(20)
        .weight(50);
    stage.keeps("S7");
}

#[test]
fn s7_the_service_selects_the_version_before_it_gets_weight() {
    let select = |hash: &str| json!({"spec": {"selector": {"rollouts-pod-template-hash": hash}}});
    let mut stage = Stage::new();
    stage
        .patch(A, "services", "web-canary", select("old"))
        .pass(5)
        .weight(20);
    stage.breaks(
        "S7",
        &["rose from 0 to 20, but its Service shop/web-canary selects version \"old\""],
    );
    let mut stage = Stage::new();
    stage.patch(A, "services", "web-canary", select("old")).pass(5);
    stage.patch(A, "services", "web-canary", select("new")).weight(20);
    stage.keeps("S7");
}

#[test]
fn s7_the_reason_is_durable_before_the_traffic_moves() {
    let mut stage = Stage::new();
    stage
        .weight(20)
        .pass(30)
        .status(A, json!({"currentStepIndex": 1}))
        .pass(30)
        .weight(0);
    stage.breaks("S7", &["fell from 20 % to 0 %, but it has pods, the update is not aborted, and its step asks for weight 20"]);
    let mut stage = Stage::new();
    stage
        .weight(20)
        .pass(30)
        .status(A, json!({"currentStepIndex": 1}))
        .pass(30);
    stage.status(A, json!({"abort": true})).weight(0);
    stage.keeps("S7");
}

#[test]
fn s7_a_service_takes_traffic_away_as_a_weight_does() {
    let select = json!({"spec": {"selector": {"rollouts-pod-template-hash": "old"}}});
    let mut stage = Stage::new();
    stage
        .weight(20)
        .pass(30)
        .status(A, json!({"currentStepIndex": 1}))
        .pass(30)
        .patch(A, "services", "web-canary", select);
    stage.breaks(
        "S7",
        &["patched services shop/web-canary", "fell from 20 % to 0 %"],
    );
}

#[test]
fn s9_every_write_is_guarded() {
    let mut stage = Stage::new();
    stage.request(
        A,
        Verb::Patch,
        "rollouts",
        "web",
        json!({"metadata": {"uid": "uid-web"}, "status": {"phase": "Paused"}}),
    );
    stage.breaks("S9", &["serin-a patched rollouts shop/web", "no resourceVersion"]);
    let mut stage = Stage::new();
    stage.request(
        A,
        Verb::Delete,
        "replicasets",
        "web-old",
        json!({"preconditions": {"resourceVersion": "3"}}),
    );
    stage.breaks("S9", &["deleted replicasets shop/web-old", "no uid"]);
    let mut stage = Stage::new();
    stage.request(
        A,
        Verb::Create,
        "analysisruns",
        "x",
        json!({"metadata": {"generateName": "x-"}}),
    );
    stage.breaks("S9", &["name is made up"]);
    let mut stage = Stage::new();
    stage.status(A, json!({"phase": "Paused"})).request(
        "ann",
        Verb::Patch,
        "rollouts",
        "web",
        json!({"spec": {"paused": true}}),
    );
    stage.keeps("S9");
}

#[test]
fn s9_only_the_leader_writes() {
    let check = |writer: &str| {
        let mut stage = Stage::new();
        stage.replica(B, ReplicaEvent::Started);
        for holder in [A, B] {
            stage.request(holder, Verb::Update, "leases", "lock",
                json!({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": format!("{holder}_x")}}));
            stage.pass(20);
        }
        stage.status(writer, json!({"phase": "Paused", "message": "x"}));
        stage
    };
    check(A).breaks(
        "S9",
        &["serin-a patched rollouts shop/web succeeded, but serin-b has been leading for 20s"],
    );
    check(B).keeps("S9");
}

#[test]
fn s12_a_world_at_rest_is_left_alone() {
    let check = |seconds: i64| {
        let mut stage = Stage::new();
        stage.status(
            A,
            json!({"phase": "Degraded", "message": "RolloutAborted", "abort": true}),
        );
        stage.pass(seconds).status(A, json!({"message": "again"}));
        stage
    };
    check(700).breaks(
        "S12",
        &[
            "serin-a patched rollouts shop/web",
            "nothing has happened for 11m",
        ],
    );
    check(500).keeps("S12");
}

#[test]
fn s12_nothing_is_written_over_and_over() {
    let mut stage = Stage::new();
    for pods in 0..400 {
        stage.now -= chrono::TimeDelta::milliseconds(450);
        stage.status(A, json!({"replicas": pods}));
    }
    stage.breaks("S12", &["writes within a minute", "rollouts shop/web"]);
    let mut stage = Stage::new();
    for pods in 0..400 {
        stage.status(A, json!({"replicas": pods}));
    }
    stage.keeps("S12");
}

/// The Rollout of the stage, switched instead: the active Service `web-stable` leads to `old`, and `new` has all its pods.
fn switched(strategy: serde_json::Value) -> Stage {
    let mut stage = Stage::new();
    let mut blue_green = json!({"activeService": "web-stable", "previewService": "web-canary"});
    crate::base::json::merge_apply(&mut blue_green, &strategy);
    let spec = json!({"strategy": {"canary": null, "blueGreen": blue_green}});
    stage.world(
        "rollouts",
        "web",
        json!({"spec": spec, "status": {"observedGeneration": "3"}}),
    );
    stage.world("replicasets", "web-new", json!({"spec": {"replicas": 4}}));
    stage.available("new", 4).pass(60);
    stage
}

fn lead_to(version: &str) -> serde_json::Value {
    json!({"spec": {"selector": {"rollouts-pod-template-hash": version}}})
}

fn judged(stage: &mut Stage, kind: &str, phase: &str) {
    let labels = json!({"rollouts-pod-template-hash": "new", "rollout-type": kind});
    let run = json!({"metadata": {"labels": labels, "ownerReferences": owner()}, "status": {"phase": phase}});
    stage.world("analysisruns", &format!("web-{kind}"), run).pass(10);
}

#[test]
fn s4_the_users_go_to_a_version_only_with_its_analysis_before_the_switch() {
    let asked = json!({"prePromotionAnalysis": {"templates": []}});
    let check = |phase: Option<&str>| {
        let mut stage = switched(asked.clone());
        if let Some(phase) = phase {
            judged(&mut stage, "PrePromotion", phase);
        }
        stage.patch(A, "services", "web-stable", lead_to("new"));
        stage
    };
    check(None).breaks(
        "S4",
        &["the users went to version new, but no PrePromotion analysis run"],
    );
    check(Some("Running")).breaks("S4", &["web-PrePromotion (Running)"]);
    check(Some("Successful")).keeps("S4");
    let mut stage = switched(json!({}));
    stage.patch(A, "services", "web-stable", lead_to("new"));
    stage.keeps("S4");
}

#[test]
fn s4_a_switched_version_becomes_stable_only_with_the_users_and_its_analysis_after_the_switch() {
    let check = |led: bool, phase: &str, abort: bool| {
        let mut stage = switched(json!({"postPromotionAnalysis": {"templates": []}}));
        if led {
            stage.patch(A, "services", "web-stable", lead_to("new"));
        }
        judged(&mut stage, "PostPromotion", phase);
        stage.status(A, json!({"abort": abort})).pass(10);
        stage.status(A, json!({"stableRS": "new", "abort": abort}));
        stage
    };
    check(true, "Successful", false).keeps("S4");
    check(false, "Successful", false).breaks("S4", &["Service web-stable does not lead to it"]);
    check(true, "Failed", false).breaks("S4", &["no PostPromotion analysis run of it was successful"]);
    check(true, "Successful", true).breaks("S4", &["the update is aborted"]);
}

#[test]
fn s7_the_users_go_to_a_version_only_with_all_its_pods() {
    let mut stage = switched(json!({}));
    stage.available("new", 3).pass(10);
    stage.patch(A, "services", "web-stable", lead_to("new"));
    stage.breaks("S7", &["takes 4 of 4 pods, but only 3 were available"]);
}
