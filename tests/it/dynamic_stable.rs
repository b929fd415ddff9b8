//! `dynamicStableScale`: stable shrinks while the canary grows, and no weight ever leads to pods that cannot carry it, on the way there
//! and on every way back.

use crate::gateway::{canary_weight, of, phase, release, run_for, settle, template};
use crate::world::World;
use serde_json::{Value, json};
use serin::base::object::Kind;

const REPLICAS: i64 = 10;

fn manifest(more: &Value) -> Value {
    let mut canary = json!({"canaryService": "web-canary", "stableService": "web-stable", "dynamicStableScale": true,
        "steps": [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}],
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "ns"}}}});
    serin::base::json::merge_apply(&mut canary, more);
    json!({"metadata": {"name": "web"}, "spec": {"replicas": REPLICAS, "template": template("v1"),
        "selector": {"matchLabels": {"app": "web"}}, "strategy": {"canary": canary}}})
}

/// Healthy at v1, watched.
fn world(more: Value) -> World {
    let mut world = World::new();
    for name in ["web-canary", "web-stable"] {
        let service = json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}});
        world.put(Kind::Service, service);
    }
    world.put(Kind::HttpRoute, json!({"metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": [
        {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}}));
    world.put(Kind::Rollout, manifest(&more));
    settle(&mut world);
    assert_eq!(phase(&world), "Healthy");
    world.laws.push(pods_carry_their_weight);
    world
}

/// The available pods that a Service's version has, and the part of the traffic that it gets, in percent.
fn share(world: &World, backend: &Value) -> (i64, i64) {
    let service = world.get(Kind::Service, backend["name"].as_str().unwrap());
    let hash = service["spec"]["selector"]["rollouts-pod-template-hash"]
        .as_str()
        .unwrap_or_default();
    let sets = world.replica_sets();
    let set = sets.iter().find(|set| set.hash() == hash);
    let available = set.map_or(REPLICAS, |set| set.available.into());
    (available, backend["weight"].as_i64().unwrap())
}

fn pods_carry_their_weight(world: &World) {
    let backends = world.get(Kind::HttpRoute, "web")["spec"]["rules"][0]["backendRefs"].clone();
    for backend in backends.as_array().unwrap() {
        let (available, weight) = share(world, backend);
        assert!(
            available >= weight * REPLICAS / 100,
            "{backend} has {available} pods: {:#?}",
            world.rollout().status
        );
    }
}

fn sizes(world: &World) -> (i32, i32, i64) {
    let size = |tag| of(world, tag).replicas_desired;
    (size("v1"), size("v2"), canary_weight(world))
}

fn status(world: &mut World, status: &Value) {
    world.patch(Kind::Rollout, "web", &json!({"status": status}), true);
    settle(world);
}

fn at_half(more: Value) -> World {
    let mut world = world(more);
    release(&mut world, "v2");
    settle(&mut world);
    assert_eq!(sizes(&world), (9, 1, 10));
    status(&mut world, &json!({"pauseConditions": null}));
    assert_eq!(sizes(&world), (5, 5, 50));
    world
}

/// The weights that the route was given since `from`.
fn weights(world: &World, from: usize) -> Vec<i64> {
    let routes = world.writes[from..]
        .iter()
        .filter(|action| action.kind == Kind::HttpRoute);
    routes
        .map(|action| {
            let weight = action.body.pointer("/spec/rules/0/backendRefs/1/weight");
            weight.and_then(Value::as_i64).unwrap()
        })
        .collect()
}

#[test]
fn stable_shrinks_as_the_canary_grows_and_is_gone_at_the_promotion() {
    let mut world = at_half(json!({}));
    status(&mut world, &json!({"pauseConditions": null}));
    assert_eq!(phase(&world), "Healthy");
    assert_eq!(sizes(&world), (0, 10, 0));
}

#[test]
fn an_abort_gives_stable_its_pods_before_its_traffic() {
    let mut world = at_half(json!({}));
    let from = world.writes.len();
    status(&mut world, &json!({"abort": true}));
    assert_eq!(phase(&world), "Degraded");
    assert_eq!(sizes(&world), (10, 0, 0));
    assert_eq!(weights(&world, from), [10, 0]);
}

#[test]
fn an_abort_with_a_delay_of_its_own_keeps_the_canary_for_that_long() {
    let mut world = at_half(json!({"abortScaleDownDelaySeconds": 60}));
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 20);
    assert_eq!(sizes(&world), (10, 5, 0));
    run_for(&mut world, 70);
    assert_eq!(sizes(&world), (10, 0, 0));
}

#[test]
fn the_way_back_to_stable_waits_for_its_pods_and_then_is_done() {
    let mut world = at_half(json!({}));
    release(&mut world, "v1");
    settle(&mut world);
    assert_eq!(phase(&world), "Healthy");
    assert_eq!(sizes(&world), (10, 0, 0));
    let weights = world.rollout().status.canary.weights.unwrap();
    assert_eq!(weights.canary.pod_template_hash, weights.stable.pod_template_hash);
}

#[test]
fn a_full_promotion_moves_traffic_with_the_pods() {
    let mut world = at_half(json!({}));
    status(&mut world, &json!({"promoteFull": true}));
    assert_eq!(phase(&world), "Healthy");
    assert_eq!(sizes(&world), (0, 10, 0));
}

#[test]
fn an_aborted_canary_without_pods_keeps_no_traffic() {
    let mut world = at_half(json!({}));
    world.laws.clear();
    let canary = of(&world, "v2");
    let lost = json!({"status": {"availableReplicas": 0, "readyReplicas": 0}});
    world.patch(Kind::ReplicaSet, canary.name(), &lost, false);
    let from = world.writes.len();
    status(&mut world, &json!({"abort": true}));
    assert_eq!(
        weights(&world, from)[0],
        0,
        "nobody is sent to pods that are gone"
    );
    assert_eq!(sizes(&world), (10, 0, 0));
}

#[test]
fn a_newer_version_sends_everything_back_first() {
    let mut world = at_half(json!({}));
    world.laws.clear();
    release(&mut world, "v3");
    settle(&mut world);
    assert_eq!(of(&world, "v2").replicas_desired, 0);
    assert_eq!(
        (
            of(&world, "v1").replicas_desired,
            of(&world, "v3").replicas_desired
        ),
        (9, 1)
    );
    assert_eq!(canary_weight(&world), 10);
}

#[test]
fn a_smaller_weight_in_a_later_step_gives_stable_its_pods_first() {
    let steps = json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}, {"setWeight": 20}, {"pause": {}}]);
    let mut world = at_half(json!({"steps": steps}));
    status(&mut world, &json!({"pauseConditions": null}));
    assert_eq!(sizes(&world), (8, 2, 20));
}

#[test]
fn a_wrong_manifest_does_not_keep_an_abort_from_leading_back() {
    let mut world = at_half(json!({}));
    let wrong = json!({"spec": {"progressDeadlineSeconds": -1}, "status": {"abort": true}});
    world.patch(Kind::Rollout, "web", &wrong, false);
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    settle(&mut world);
    assert_eq!((sizes(&world).0, canary_weight(&world)), (10, 0));
}
