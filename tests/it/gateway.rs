//! A canary behind a Gateway API route, lived through on the small world. After every write and every change of pods the route and
//! the Services are checked as they are: no weight may lead to pods that cannot carry it.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::{Announcement, Moment, ReplicaSet, Verb};

pub fn manifest(steps: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 4,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template("v1"),
        "strategy": {"canary": {
            "canaryService": "web-canary", "stableService": "web-stable", "steps": steps,
            "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "ns"}}}}}}})
}

pub fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

pub fn world(steps: Value) -> World {
    let mut world = World::new();
    for name in ["web-canary", "web-stable"] {
        world.put(
            Kind::Service,
            json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}}),
        );
    }
    world.put(Kind::HttpRoute, json!({"metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": [
        {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}}));
    world.put(Kind::Rollout, manifest(steps));
    world.laws.push(traffic_reaches_ready_pods);
    settle(&mut world);
    assert_eq!(phase(&world), "Healthy");
    world
}

/// Every Service with weight that selects a version at all selects one with an available pod.
fn traffic_reaches_ready_pods(world: &World) {
    let sets = world.replica_sets();
    for backend in world
        .get(Kind::HttpRoute, "web")
        .pointer("/spec/rules/0/backendRefs")
        .unwrap()
        .as_array()
        .unwrap()
    {
        if backend["weight"] == 0 {
            continue;
        }
        let service = world.get(Kind::Service, backend["name"].as_str().unwrap());
        let Some(hash) = service["spec"]["selector"]["rollouts-pod-template-hash"].as_str() else {
            continue;
        };
        let ready = sets.iter().any(|set| set.hash() == hash && set.available > 0);
        assert!(
            ready,
            "{backend} leads to {hash}, which has no ready pod: {sets:#?}"
        );
    }
}

/// No weight of a later step, below that of the step before, is on the route before the status says that this step is reached.
fn the_reason_is_stored(world: &World) {
    let index = world.rollout().status.current_step_index;
    let fallen = world.hash_of("v2").is_some() && canary_weight(world) == 10;
    assert!(!fallen || index.is_none_or(|index| index >= 1), "{index:?}");
}

#[test]
fn a_step_that_lowers_the_weight_is_stored_before_the_traffic_falls() {
    let mut world = world(json!([{"setWeight": 50}, {"setWeight": 10}, {"pause": {}}]));
    world.laws.push(the_reason_is_stored);
    release(&mut world, "v2");
    settle(&mut world);
    assert_eq!((phase(&world).as_str(), canary_weight(&world)), ("Paused", 10));
}

/// What somebody does to the world.
type Act = fn(&mut World);

pub fn settle(world: &mut World) {
    world.run(TimeDelta::seconds(1), TimeDelta::seconds(300), |_| false);
}

pub fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::seconds(600), |world| {
        world.now >= until
    });
}

pub fn release(world: &mut World, tag: &str) {
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": template(tag)}}),
        false,
    );
}

pub fn phase(world: &World) -> String {
    world.rollout().status.phase
}

pub fn canary_weight(world: &World) -> i64 {
    let refs = world
        .get(Kind::HttpRoute, "web")
        .pointer("/spec/rules/0/backendRefs")
        .unwrap();
    refs[1]["weight"].as_i64().unwrap()
}

pub fn of(world: &World, tag: &str) -> ReplicaSet {
    let hash = world.hash_of(tag).unwrap();
    world
        .replica_sets()
        .into_iter()
        .find(|set| set.hash() == hash)
        .unwrap()
}

#[test]
fn what_a_new_rollout_names_may_come_a_moment_after_it() {
    let mut world = World::new();
    world.put(Kind::Rollout, manifest(json!([{"setWeight": 5}])));
    run_for(&mut world, 1);
    assert_eq!((phase(&world).as_str(), world.writes.len()), ("", 0));
    run_for(&mut world, 5);
    let status = world.rollout().status;
    assert_eq!(status.phase, "Degraded");
    assert!(
        status.message.contains("service \"web-stable\" not found"),
        "{}",
        status.message
    );
}

#[test]
fn a_good_release_is_promoted_weight_by_weight() {
    let mut world =
        world(json!([{"setWeight": 5}, {"pause": {"duration": 10}}, {"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 5);
    assert_eq!((canary_weight(&world), of(&world, "v2").replicas_desired), (5, 1));
    run_for(&mut world, 10);
    assert_eq!(
        (canary_weight(&world), of(&world, "v2").replicas_desired),
        (50, 2)
    );
    assert_eq!(phase(&world), "Paused");
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    run_for(&mut world, 5);
    assert_eq!((canary_weight(&world), phase(&world).as_str()), (0, "Healthy"));
    let promoted = |told: &&Announcement| matches!(told.moment, Moment::Promoted(_));
    let promoted: Vec<_> = world
        .announced
        .iter()
        .filter(promoted)
        .map(|told| told.weight)
        .collect();
    assert_eq!(promoted, [100], "people are told of the weight that it has now");
    assert_eq!(
        of(&world, "v1").replicas_desired,
        4,
        "the old version stays for scaleDownDelaySeconds"
    );
    run_for(&mut world, 40);
    assert_eq!(
        (
            of(&world, "v1").replicas_desired,
            of(&world, "v2").replicas_desired
        ),
        (0, 4)
    );
    assert_eq!(phase(&world), "Healthy");
}

#[test]
fn abort_sends_all_traffic_to_stable_and_scales_the_canary_down_after_its_delay() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    assert_eq!(canary_weight(&world), 50);
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 1);
    assert_eq!((canary_weight(&world), phase(&world).as_str()), (0, "Degraded"));
    assert_eq!(
        of(&world, "v2").replicas_desired,
        2,
        "kept for abortScaleDownDelaySeconds"
    );
    run_for(&mut world, 40);
    assert_eq!(
        (
            of(&world, "v2").replicas_desired,
            of(&world, "v1").replicas_desired
        ),
        (0, 4)
    );
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": false}}), true);
    run_for(&mut world, 3);
    assert_eq!(
        (canary_weight(&world), phase(&world).as_str()),
        (50, "Paused"),
        "a retry starts over"
    );
}

#[test]
fn a_version_that_never_becomes_ready_never_gets_traffic() {
    let mut world = world(json!([{"setWeight": 20}, {"pause": {"duration": 1}}]));
    release(&mut world, "bad");
    run_for(&mut world, 30);
    assert_eq!(canary_weight(&world), 0);
    assert_eq!(world.rollout().status.current_step_index, Some(0));
}

#[test]
fn a_weight_that_somebody_changed_is_put_back() {
    let mut world = world(json!([{"setWeight": 20}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    let mut route = world.get(Kind::HttpRoute, "web").clone();
    route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(90);
    world.patch(Kind::HttpRoute, "web", &json!({"spec": route["spec"]}), false);
    settle(&mut world);
    assert_eq!(canary_weight(&world), 20);
}

#[test]
fn back_to_stable_in_mid_canary_skips_the_steps() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    release(&mut world, "v1");
    run_for(&mut world, 60);
    assert_eq!((canary_weight(&world), phase(&world).as_str()), (0, "Healthy"));
    assert_eq!(
        (
            of(&world, "v2").replicas_desired,
            of(&world, "v1").replicas_desired
        ),
        (0, 4)
    );
}

#[test]
fn a_newer_version_in_mid_canary_starts_over() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    release(&mut world, "v3");
    run_for(&mut world, 60);
    assert_eq!((canary_weight(&world), phase(&world).as_str()), (50, "Paused"));
    assert_eq!(
        (
            of(&world, "v2").replicas_desired,
            of(&world, "v3").replicas_desired
        ),
        (0, 2)
    );
}

fn step(world: &World) -> Option<i32> {
    world.rollout().status.current_step_index
}

fn minutes(number: i64) -> TimeDelta {
    TimeDelta::minutes(number)
}

fn set_canary_weight(world: &mut World, weight: i64) {
    let mut spec = world.get(Kind::HttpRoute, "web")["spec"].clone();
    spec["rules"][0]["backendRefs"][1]["weight"] = json!(weight);
    world.patch(Kind::HttpRoute, "web", &json!({"spec": spec}), false);
}

#[test]
fn a_step_is_complete_only_when_the_route_was_seen_with_its_weight() {
    let mut world = world(json!([{"setWeight": 20}, {"pause": {}}]));
    release(&mut world, "v2");
    for _ in 0..2 {
        world.pass_until(minutes(5), |world| canary_weight(world) == 20);
        assert_eq!(step(&world), Some(0), "the write alone completes nothing");
        set_canary_weight(&mut world, 0);
    }
    world.pass_until(minutes(5), |world| canary_weight(world) == 20);
    settle(&mut world);
    assert_eq!(step(&world), Some(1));
}

#[test]
fn a_step_is_not_complete_while_its_weight_is_taken_away() {
    let mut world = world(json!([{"setWeight": 20}, {"pause": {}}]));
    release(&mut world, "v2");
    world.pass_until(minutes(5), |world| canary_weight(world) == 20);
    let elsewhere = json!({"spec": {"selector": {"rollouts-pod-template-hash": world.hash_of("v1")}}});
    world.patch(Kind::Service, "web-canary", &elsewhere, false);
    world.pass();
    assert_eq!((canary_weight(&world), step(&world)), (0, Some(0)));
}

#[test]
fn a_version_is_promoted_only_when_the_route_was_seen_with_all_the_traffic() {
    let mut world = world(json!([{"setWeight": 20}]));
    release(&mut world, "v2");
    world.pass_until(minutes(5), |world| canary_weight(world) == 100);
    let stable = world.hash_of("v1").unwrap();
    assert_eq!(
        world.rollout().status.stable_rs,
        stable,
        "the write alone promotes nothing"
    );
    settle(&mut world);
    assert_eq!(Some(world.rollout().status.stable_rs), world.hash_of("v2"));
}

/// One pass writes the route, the next one the status: waiting for the route costs no write.
#[test]
fn waiting_for_the_route_costs_one_pass_and_no_write() {
    let mut world = world(json!([{"setWeight": 20}, {"pause": {}}]));
    release(&mut world, "v2");
    world.pass_until(minutes(5), |world| canary_weight(world) == 20);
    let before = world.writes.len();
    assert_eq!(world.writes[before - 1].kind, Kind::HttpRoute);
    settle(&mut world);
    let after: Vec<_> = world.writes[before..].iter().map(|write| write.verb).collect();
    assert_eq!(
        (after, phase(&world).as_str()),
        (vec![Verb::PatchStatus], "Paused")
    );
    let told = |event: &&(String, String)| event.0 == "TrafficWeightUpdated" && event.1.ends_with("to 20");
    assert_eq!(world.published.iter().filter(told).count(), 1);
}

/// Whatever a person, a newer version or a rollback does in the middle of a canary: the canary Service changes its version only while
/// no traffic is led to it.
#[test]
fn the_canary_service_changes_hands_only_without_traffic() {
    let abort =
        |world: &mut World| world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    let back = |world: &mut World| release(world, "v1");
    let newer = |world: &mut World| release(world, "v3");
    let stories: [(&str, Act); 3] = [("abort", abort), ("rollback", back), ("newer", newer)];
    for (name, act) in stories {
        let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
        release(&mut world, "v2");
        settle(&mut world);
        assert_eq!((canary_weight(&world), phase(&world).as_str()), (50, "Paused"));
        let before = world.writes.len();
        act(&mut world);
        settle(&mut world);
        let kinds: Vec<_> = world.writes[before..].iter().map(|write| write.kind).collect();
        let first = |wanted: Kind| kinds.iter().position(|kind| *kind == wanted);
        assert!(
            first(Kind::HttpRoute) < first(Kind::Service),
            "{name}: the route first: {kinds:?}"
        );
        let canary = world.get(Kind::Service, "web-canary");
        let tag = if name == "newer" { "v3" } else { "v1" };
        assert_eq!(
            canary["spec"]["selector"]["rollouts-pod-template-hash"].as_str(),
            world.hash_of(tag).as_deref(),
            "{name}"
        );
    }
}

fn selected(world: &World, service: &str) -> Option<String> {
    let service = world.get(Kind::Service, service);
    let hash = &service["spec"]["selector"]["rollouts-pod-template-hash"];
    hash.as_str().map(str::to_owned)
}

/// The manifest, the Services, the template: whatever is wrong with a Rollout, an abort does not wait for the mend.
#[test]
fn an_abort_leads_back_to_stable_although_the_rollout_is_invalid() {
    let bad_step = |world: &mut World| {
        let steps = json!([{"setWeight": 500}]);
        let spec = json!({"strategy": {"canary": {"steps": steps}}});
        world.patch(Kind::Rollout, "web", &json!({"spec": spec}), false);
    };
    let bad_template = |world: &mut World| {
        let template = json!({"metadata": {"labels": {"app": "other"}}});
        world.patch(
            Kind::Rollout,
            "web",
            &json!({"spec": {"template": template}}),
            false,
        );
    };
    let no_stable_service = |world: &mut World| {
        world.objects.remove(&(Kind::Service, "web-stable".into()));
        let looked_at = json!({"metadata": {"annotations": {"looked": "at"}}});
        world.patch(Kind::Rollout, "web", &looked_at, false);
    };
    let wrongs: [(&str, Act); 3] = [
        ("steps", bad_step),
        ("template", bad_template),
        ("stable Service", no_stable_service),
    ];
    for (name, wrong) in wrongs {
        let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
        release(&mut world, "v2");
        settle(&mut world);
        world.laws.clear();
        wrong(&mut world);
        settle(&mut world);
        assert_eq!(
            (canary_weight(&world), phase(&world).as_str()),
            (50, "Degraded"),
            "{name}"
        );
        world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
        settle(&mut world);
        assert_eq!(canary_weight(&world), 0, "{name}");
        assert_eq!(selected(&world, "web-canary"), world.hash_of("v1"), "{name}");
        let status = world.rollout().status;
        assert!(
            status.message.starts_with("InvalidSpec: "),
            "{name}: {}",
            status.message
        );
        assert_eq!(status.canary.weights.unwrap().canary.weight, 0, "{name}");
        let aborted = world.published.iter().filter(|event| event.0 == "RolloutAborted");
        assert_eq!(aborted.count(), 1, "{name}");
    }
}

#[test]
fn a_service_that_the_rollout_does_not_name_any_more_is_let_go() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    world.put(
        Kind::Service,
        json!({"metadata": {"name": "other"}, "spec": {"selector": {"app": "web"}}}),
    );
    let mut rules = world.get(Kind::HttpRoute, "web")["spec"]["rules"].clone();
    rules[0]["backendRefs"][0]["name"] = json!("other");
    world.patch(Kind::HttpRoute, "web", &json!({"spec": {"rules": rules}}), false);
    let strategy = json!({"strategy": {"canary": {"stableService": "other"}}});
    world.patch(Kind::Rollout, "web", &json!({"spec": strategy}), false);
    settle(&mut world);
    let let_go = world.get(Kind::Service, "web-stable");
    assert_eq!(let_go["spec"]["selector"], json!({"app": "web"}));
    assert_eq!(let_go["metadata"]["annotations"], json!({}));
    assert_eq!(selected(&world, "other"), world.hash_of("v1"));
}

/// A route that is gone says nothing about its weights: then the Service leads back.
#[test]
fn an_abort_leads_the_canary_service_back_when_the_route_is_gone() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    settle(&mut world);
    world.laws.clear();
    world.objects.remove(&(Kind::HttpRoute, "web".into()));
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    settle(&mut world);
    assert_eq!(selected(&world, "web-canary"), world.hash_of("v1"));
}

#[test]
fn a_route_without_both_services_is_named_before_anything_moves() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    let broken = json!({"spec": {"rules": [{"backendRefs": [{"name": "web-stable", "port": 80}]}]}});
    world.laws.clear();
    world.patch(Kind::HttpRoute, "web", &broken, false);
    release(&mut world, "v2");
    settle(&mut world);
    let status = world.rollout().status;
    assert_eq!(status.phase, "Degraded");
    assert!(
        status
            .message
            .contains("HTTPRoute \"ns/web\" has no rule whose backendRefs name both"),
        "{}",
        status.message
    );
    assert_eq!(world.hash_of("v2"), None);
}
