//! The laws of traffic behind NGINX, Istio and AWS load balancers: the share of a version is read where each of them has it.

use super::super::Facts;
use super::super::stage::{A, Stage, owner, rollout};
use serde_json::{Value, json};

/// A Rollout whose canary has these members besides; null takes one away.
fn routed(canary: Value) -> Value {
    let mut rollout = rollout();
    let patch = json!({"spec": {"strategy": {"canary": canary}}});
    crate::base::json::merge_apply(&mut rollout, &patch);
    rollout
}

fn nginx(canary: i64) -> Value {
    let annotations = json!({"n/canary": "true", "n/canary-weight": canary.to_string()});
    let path = json!({"path": "/", "backend": {"service": {"name": "web-canary"}}});
    json!({"metadata": {"annotations": annotations, "ownerReferences": owner()},
        "spec": {"rules": [{"host": "x", "http": {"paths": [path]}}]}})
}

fn behind_nginx() -> Stage {
    let routing = json!({"plugins": null, "nginx": {"stableIngress": "edge"}});
    let rollout = routed(json!({"trafficRouting": routing}));
    Stage::behind(
        Facts::default(),
        rollout,
        &[("ingresses", "web-edge-canary", nginx(0))],
    )
}

fn mesh(subsets: bool, canary: i64) -> Value {
    let to = |name: &str, weight: i64| match subsets {
        true => json!({"destination": {"host": "web", "subset": name}, "weight": weight}),
        false => json!({"destination": {"host": format!("web-{name}")}, "weight": weight}),
    };
    json!({"spec": {"http": [{"route": [to("stable", 100 - canary), to("canary", canary)]}]}})
}

fn behind_hosts() -> Stage {
    let routing = json!({"plugins": null, "istio": {"virtualService": {"name": "vs"}}});
    let rollout = routed(json!({"trafficRouting": routing}));
    Stage::behind(
        Facts::default(),
        rollout,
        &[("virtualservices", "vs", mesh(false, 0))],
    )
}

fn behind_subsets() -> Stage {
    let rule = json!({"name": "dr", "canarySubsetName": "canary", "stableSubsetName": "stable"});
    let routing =
        json!({"plugins": null, "istio": {"virtualService": {"name": "vs"}, "destinationRule": rule}});
    let rollout = routed(json!({"canaryService": null, "stableService": null, "trafficRouting": routing}));
    let subset =
        |name: &str, hash: &str| json!({"name": name, "labels": {"rollouts-pod-template-hash": hash}});
    let subsets = json!([subset("stable", "old"), subset("canary", "new")]);
    let objects = [
        ("virtualservices", "vs", mesh(true, 0)),
        (
            "destinationrules",
            "dr",
            json!({"spec": {"host": "web", "subsets": subsets}}),
        ),
    ];
    Stage::behind(Facts::default(), rollout, &objects)
}

/// The Services of the stage are a pair whose ping is stable.
fn balanced(canary: i64) -> Value {
    let groups = json!([{"ServiceName": "web-canary", "Weight": canary}, {"ServiceName": "web-stable", "Weight": 100 - canary}]);
    let action = json!({"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}).to_string();
    json!({"metadata": {"annotations": {"alb/actions.root": action}}})
}

fn behind_a_load_balancer() -> Stage {
    let routing =
        json!({"plugins": null, "alb": {"ingress": "edge", "rootService": "root", "servicePort": 80}});
    let pair = json!({"pingService": "web-stable", "pongService": "web-canary"});
    let mut rollout = routed(
        json!({"canaryService": null, "stableService": null, "pingPong": pair, "trafficRouting": routing}),
    );
    rollout["status"]["canary"]["stablePingPong"] = json!("ping");
    Stage::behind(Facts::default(), rollout, &[("ingresses", "edge", balanced(0))])
}

/// A stage, and the write that gives the canary 20 %.
type Way = (fn() -> Stage, (&'static str, &'static str), Value);

fn ways() -> [Way; 4] {
    [
        (behind_nginx, ("ingresses", "web-edge-canary"), nginx(20)),
        (behind_hosts, ("virtualservices", "vs"), mesh(false, 20)),
        (behind_subsets, ("virtualservices", "vs"), mesh(true, 20)),
        (behind_a_load_balancer, ("ingresses", "edge"), balanced(20)),
    ]
}

#[test]
fn s1_weight_on_a_version_without_pods_is_seen_behind_every_router() {
    for (stage, (plural, name), write) in ways() {
        let mut dead = stage();
        dead.available("new", 0)
            .pass(5)
            .patch(A, plural, name, write.clone());
        dead.breaks("S1", &["version new rose from 0 % to 20 %", name]);
        let mut alive = stage();
        alive.patch(A, plural, name, write);
        for law in ["S1", "S2", "S7", "S8", "T7"] {
            alive.keeps(law);
        }
    }
}

#[test]
fn s3_traffic_that_an_abort_leaves_is_seen_behind_every_router() {
    for (stage, (plural, name), write) in ways() {
        let mut stage = stage();
        stage.patch(A, plural, name, write);
        stage.status("ann", json!({"abort": true}));
        stage.pass(60).log("still there");
        stage.breaks("S3", &["version new still gets 20 % of the traffic"]);
    }
}

#[test]
fn t7_weights_sum_to_the_whole_behind_every_router() {
    for (stage, (plural, name), mut write) in ways().into_iter().skip(1).take(2) {
        write["spec"]["http"][0]["route"][1]["weight"] = json!(50);
        let mut stage = stage();
        stage.patch(A, plural, name, write);
        stage.breaks("T7", &["canary 50 and stable 80 do not sum to 100"]);
    }
}

#[test]
fn s7_the_weight_of_a_subset_that_leads_elsewhere_is_seen() {
    let mut stage = behind_subsets();
    let subset = |name: &str| json!({"name": name, "labels": {"rollouts-pod-template-hash": "old"}});
    let subsets = json!([subset("stable"), subset("canary")]);
    stage.patch(
        "ann",
        "destinationrules",
        "dr",
        json!({"spec": {"subsets": subsets}}),
    );
    stage.pass(5).patch(A, "virtualservices", "vs", mesh(true, 20));
    stage.breaks("S7", &["its Service shop/dr/canary selects version \"old\""]);
}
