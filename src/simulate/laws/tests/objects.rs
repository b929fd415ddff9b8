//! Ownership, history, truth, secrets, bounds, schemas, messages, fights, the arithmetic of pods and weights.

use super::super::Facts;
use super::super::stage::{A, Stage, set};
use super::create_run;
use crate::cluster::request::Verb;
use crate::simulate::record::{Requested, What};
use serde_json::{Value, json};

#[test]
fn s8_what_belongs_to_others_stays_as_it_is() {
    let mut stage = Stage::new();
    let mut foreign = set("x", 2);
    foreign["metadata"]["ownerReferences"] =
        json!([{"kind": "Deployment", "name": "d", "uid": "uid-d", "controller": true}]);
    stage.world("replicasets", "foreign", foreign);
    stage.patch(A, "replicasets", "foreign", json!({"spec": {"replicas": 0}}));
    stage.breaks(
        "S8",
        &[
            "serin-a patched replicasets shop/foreign",
            "controlled by Deployment with uid uid-d",
        ],
    );
    let mut stage = Stage::new();
    stage.patch(
        A,
        "services",
        "other",
        json!({"spec": {"selector": {"rollouts-pod-template-hash": "new"}}}),
    );
    stage.breaks("S8", &["no Rollout names this Service"]);
    let mut stage = Stage::new();
    stage.patch(A, "rollouts", "web", json!({"spec": {"replicas": 9}}));
    stage.breaks("S8", &["it changed what is not its own at /spec"]);
    let mut stage = Stage::new();
    stage.patch(
        A,
        "replicasets",
        "web-new",
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
    );
    stage.breaks("S8", &["it changed /spec/selector, which is fixed"]);
}

#[test]
fn s8_only_its_own_weights_change_in_a_route() {
    let with = |other: i64, path: &str| {
        json!({"spec": {"rules": [
            {"backendRefs": [{"name": "web-stable", "weight": 80}, {"name": "web-canary", "weight": 20}]},
            {"matches": [{"path": path}], "backendRefs": [{"name": "web-stable", "weight": other}]}
        ]}})
    };
    let stage = |changed: Value| {
        let mut stage = Stage::new();
        stage.world("httproutes", "web", with(1, "/admin"));
        stage.patch(A, "httproutes", "web", changed);
        stage
    };
    stage(with(0, "/admin")).breaks("S8", &["at /spec/rules"]);
    stage(with(1, "/")).breaks("S8", &["at /spec/rules", "/admin"]);
    stage(with(1, "/admin")).keeps("S8");
}

#[test]
fn s11_people_are_told_once() {
    let mut stage = Stage::new();
    stage
        .pass(60)
        .slack("u/1", "aborted")
        .pass(5)
        .slack("u/1", "aborted");
    stage.breaks(
        "S11",
        &["\"aborted\" (id u/1): it was told before, and nothing was in the way"],
    );
    let mut stage = Stage::new();
    stage
        .slack("u/1", "aborted")
        .fault("G4", "bites")
        .pass(5)
        .slack("u/1", "aborted")
        .slack("u/2", "promoted");
    stage.keeps("S11");
    stage.slack("u/1", "aborted");
    stage.breaks("S11", &["it was told before, and nothing was in the way of that"]);
}

#[test]
fn s13_a_fight_is_not_escalated() {
    let stage = |seconds: i64| {
        let mut stage = Stage::new();
        for _ in 0..5 {
            stage.weight(20).pass(seconds);
            stage.patch(
                "flux",
                "httproutes",
                "web",
                json!({"spec": super::super::stage::route(0)["spec"]}),
            );
        }
        stage
    };
    stage(2).breaks(
        "S13",
        &["serin-a patched httproutes shop/web again after 3s, although somebody else undid it 3 times"],
    );
    stage(15).keeps("S13");
}

#[test]
fn s14_needed_versions_are_not_forgotten() {
    let guard = |stage: &Stage, name: &str| {
        let meta = stage.get("replicasets", name)["metadata"].clone();
        json!({"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}})
    };
    let delete = |stage: &mut Stage, name: &str| {
        let body = guard(stage, name);
        stage.request(A, Verb::Delete, "replicasets", name, body);
    };
    let mut stage = Stage::new();
    delete(&mut stage, "web-old");
    stage.breaks("S14", &["deleted replicasets shop/web-old: it has pods"]);
    let mut stage = Stage::new();
    stage.world(
        "replicasets",
        "web-old",
        json!({"spec": {"replicas": 0}, "status": {"replicas": 0, "availableReplicas": 0}}),
    );
    delete(&mut stage, "web-old");
    stage.breaks("S14", &["old is the stable version of rollout shop/web"]);
    let mut stage = Stage::new();
    stage.world("replicasets", "web-older", set("older", 0));
    delete(&mut stage, "web-older");
    stage.keeps("S14");
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    stage.status(
        A,
        json!({"canary": {"currentStepAnalysisRunStatus": {"name": "web-new-2-3"}}}),
    );
    stage.request(
        A,
        Verb::Delete,
        "analysisruns",
        "web-new-2-3",
        json!({"preconditions": {"uid": "u", "resourceVersion": "1"}}),
    );
    stage.breaks("S14", &["it is open (\"\") and rollout shop/web waits for it"]);
}

#[test]
fn s15_healthy_means_converged() {
    let healthy = json!({"phase": "Healthy", "message": ""});
    let mut stage = Stage::new();
    stage.status(A, healthy.clone());
    stage.breaks(
        "S15",
        &["phase Healthy, but stable is \"old\" and the current version \"new\""],
    );
    let promoted = || {
        let mut stage = Stage::new();
        stage.status("ann", json!({"promoteFull": true}));
        stage.size(A, "new", 4).world(
            "replicasets",
            "web-new",
            json!({"status": {"replicas": 4, "availableReplicas": 4}}),
        );
        stage.weight(100).status(
            A,
            json!({"stableRS": "new", "promoteFull": null, "currentStepIndex": 4}),
        );
        stage.world(
            "replicasets",
            "web-old",
            json!({"spec": {"replicas": 0}, "status": {"replicas": 0, "availableReplicas": 0}}),
        );
        stage
    };
    let mut stage = promoted();
    stage.available("new", 3).pass(5).status(A, healthy.clone());
    stage.breaks("S15", &["3 of 4 pods were available"]);
    let mut stage = promoted();
    stage
        .status(A, healthy.clone())
        .available("new", 2)
        .pass(61)
        .log("still called so");
    stage.breaks("S15", &["it is called Healthy with pods missing of 4"]);
    let mut stage = promoted();
    stage.pass(61).log("nothing written");
    stage.breaks("S15", &["everything is as wanted, but it is called Progressing"]);
    let mut stage = promoted();
    stage.status(A, healthy).pass(600).log("fine");
    stage.keeps("S15");
}

#[test]
fn s15_what_is_not_healthy_says_why() {
    let mut stage = Stage::new();
    stage.status(A, json!({"phase": "Degraded", "message": null}));
    stage.breaks("S15", &["phase Degraded, but no message says why"]);
    let mut stage = Stage::new();
    stage.status(
        A,
        json!({"abort": true, "message": "more replicas need to be updated"}),
    );
    stage.breaks("S15", &["phase Progressing, but the update is aborted"]);
}

#[test]
fn s16_secrets_stay_where_they_are() {
    let stage = || {
        Stage::with(Facts {
            secrets: vec!["hunter2".into()],
            ..Facts::default()
        })
    };
    let mut one = stage();
    one.status(A, json!({"message": "401 for token hunter2"}));
    one.breaks("S16", &["planted secret 0 is in its body at /status/message"]);
    let mut one = stage();
    one.log("password=hunter2");
    one.breaks("S16", &["serin-a logged planted secret 0"]);
    let mut one = stage();
    one.slack("u/1", "the token is hunter2");
    one.breaks("S16", &["in message u/1"]);
    let mut one = stage();
    one.request(
        "ann",
        Verb::Create,
        "secrets",
        "s",
        json!({"stringData": {"token": "hunter2"}}),
    )
    .log("nothing");
    one.keeps("S16");
    assert!(
        one.broken
            .iter()
            .all(|broken| !broken.to_string().contains("hunter2"))
    );
}

#[test]
fn s18_everything_has_a_size() {
    let mut stage = Stage::new();
    stage.status(A, json!({"message": "x".repeat(2000)}));
    stage.breaks("S18", &["status.message has 2000 characters, at most 1024"]);
    let mut stage = Stage::new();
    create_run(&mut stage, "r", "3");
    let many: Vec<Value> = (0..11)
        .map(|_| json!({"phase": "Error", "message": "m"}))
        .collect();
    stage.patch(
        A,
        "analysisruns",
        "r",
        json!({"status": {"metricResults": [{"name": "errors", "measurements": many}]}}),
    );
    stage.breaks("S18", &["metric errors keeps 11 measurements, at most 10"]);
    let mut stage = Stage::new();
    stage.status(A, json!({"message": "x".repeat(1024)}));
    stage.keeps("S18");
}

#[test]
fn s20_what_is_written_is_stored() {
    let stage = |stored: Value, code: u16| {
        let mut stage = Stage::new();
        stage.pass(60);
        let version = stage.store.version();
        let mut object = stage.get("rollouts", "web");
        let meta = json!({"uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"]});
        crate::base::json::merge_apply(&mut object, &json!({"status": stored}));
        stage.put("rollouts", "web", object);
        let request = Requested {
            caller: A.into(),
            verb: Verb::Patch,
            resource: "rollouts.argoproj.io".into(),
            namespace: "shop".into(),
            name: "web".into(),
            subresource: "status".into(),
            body: json!({"metadata": meta, "status": {"message": "m", "ours": {"a": 1}, "abort": null}}),
            code,
            changes: stage.store.changes_after(version),
        };
        stage.tell(What::Request(Box::new(request)));
        stage
    };
    stage(json!({"message": "m"}), 200).breaks(
        "S20",
        &["patched rollouts/status shop/web (answer 200): .status.ours was dropped"],
    );
    stage(json!({"message": "m", "ours": {"a": 1}}), 200).keeps("S20");
    stage(json!({"message": "m", "ours": {"a": 1}, "abort": true}), 200)
        .breaks("S20", &[".status.abort should be gone"]);
    stage(json!({}), 422).breaks("S20", &["refuses it as invalid"]);
}

/// The stage without a router, with maxSurge 1 and maxUnavailable 1.
fn basic() -> Stage {
    let mut stage = Stage::new();
    let canary = json!({"trafficRouting": null, "maxSurge": 1, "maxUnavailable": 1});
    stage.world(
        "rollouts",
        "web",
        json!({"spec": {"strategy": {"canary": canary}}}),
    );
    stage.status(A, json!({"observedGeneration": "3"})).pass(10);
    stage
}

#[test]
fn t6_pods_stay_within_the_budget() {
    let mut stage = basic();
    stage.size(A, "new", 2);
    stage.breaks(
        "T6",
        &["web-new from 1 to 2, which makes 6 pods of 4 + 1 (maxSurge)"],
    );
    let mut stage = basic();
    stage.available("new", 0).pass(10).size(A, "old", 2);
    stage.breaks(
        "T6",
        &["web-old from 4 to 2, which leaves 2 available of 4 - 1 (maxUnavailable)"],
    );
    let mut stage = basic();
    stage.size(A, "old", 3).pass(10).size(A, "new", 2);
    stage.keeps("T6");
    // Pods that are not available may go at any time.
    let mut stage = basic();
    stage.available("old", 2).pass(10).size(A, "old", 2);
    stage.keeps("T6");
}

#[test]
fn t7_weights_sum_to_the_whole() {
    let both = |canary: i64, stable: i64| {
        json!({"spec": {"rules": [{"backendRefs": [
            {"name": "web-stable", "port": 80, "weight": stable}, {"name": "web-canary", "port": 80, "weight": canary}]}]}})
    };
    let mut stage = Stage::new();
    stage.patch(A, "httproutes", "web", both(20, 100));
    stage.breaks("T7", &["canary 20 and stable 100 do not sum to 100"]);
    let mut stage = Stage::new();
    stage
        .patch(A, "httproutes", "web", both(20, 80))
        .patch("ann", "httproutes", "web", both(1, 1));
    stage.keeps("T7");
}

#[test]
fn h0_a_change_that_no_record_tells_is_found() {
    let mut stage = Stage::new();
    stage.put("services", "web-canary", super::super::stage::service("old"));
    stage.weight(20);
    stage.breaks("H0", &["1 changes were told by no record"]);
}
