//! `restartAt`: which pods are evicted when, and when the restart is done.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::Verb;

fn manifest(strategy: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "shop/web:v1"}]}},
        "strategy": strategy}})
}

/// Healthy, with its four pods.
fn world(strategy: Value) -> World {
    let mut world = World::new();
    let service = json!({"metadata": {"name": "active"}, "spec": {"selector": {"app": "web"}}});
    world.put(Kind::Service, service);
    world.put(Kind::Rollout, manifest(strategy));
    run_for(&mut world, 5);
    for name in ["a", "b", "c", "d"] {
        pod(&mut world, name, true);
    }
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.phase, "Healthy");
    world
}

fn canary() -> Value {
    json!({"canary": {}})
}

fn pod(world: &mut World, name: &str, ready: bool) {
    let set = world.replica_sets().remove(0);
    let mut metadata = set.template_json()["metadata"].take();
    metadata["name"] = json!(name);
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set.name(),
        "uid": set.metadata.uid, "controller": true}]);
    let status = if ready { "True" } else { "False" };
    let condition = json!({"type": "Ready", "status": status, "lastTransitionTime": world.now});
    world.put(
        Kind::Pod,
        json!({"metadata": metadata, "status": {"conditions": [condition]}}),
    );
}

fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::seconds(600), |world| {
        world.now >= until
    });
}

fn restart(world: &mut World) {
    let patch = json!({"spec": {"restartAt": world.now}});
    world.patch(Kind::Rollout, "web", &patch, false);
    run_for(world, 2);
}

fn evicted(world: &World) -> Vec<String> {
    let evictions = world.writes.iter().filter(|action| action.verb == Verb::Evict);
    evictions.map(|action| action.key.name.clone()).collect()
}

/// What is on its way out is gone, and a new pod is there in its place.
fn replace(world: &mut World) {
    let going = |object: &Value| !object["metadata"]["deletionTimestamp"].is_null();
    let pods = world
        .objects
        .iter()
        .filter(|((kind, _), object)| *kind == Kind::Pod && going(object));
    let names: Vec<String> = pods.map(|((_, name), _)| name.clone()).collect();
    for name in names {
        world.objects.remove(&(Kind::Pod, name.clone()));
        pod(world, &format!("{name}-new"), true);
    }
}

#[test]
fn pods_are_replaced_as_many_at_a_time_as_may_be_unavailable() {
    let check = |strategy: Value, want: &[&str]| {
        let mut world = world(strategy);
        restart(&mut world);
        assert_eq!(evicted(&world), want);
        let status = world.rollout().status;
        assert_eq!(
            (status.phase.as_str(), status.message.as_str()),
            ("Progressing", "rollout is restarting")
        );
        run_for(&mut world, 200);
        assert_eq!(evicted(&world), want, "none before those are replaced");
    };
    check(canary(), &["a"]);
    check(json!({"canary": {"maxUnavailable": 2}}), &["a", "b"]);
    check(json!({"canary": {"maxUnavailable": 0, "maxSurge": 1}}), &["a"]);
    check(json!({"blueGreen": {"activeService": "active"}}), &["a"]);
    check(
        json!({"blueGreen": {"activeService": "active", "maxUnavailable": "50%"}}),
        &["a", "b"],
    );
}

#[test]
fn a_restart_is_done_when_no_pod_is_older_and_nothing_else_moved() {
    let mut world = world(canary());
    restart(&mut world);
    for _ in 0..4 {
        assert_eq!(world.rollout().status.restarted_at, None);
        replace(&mut world);
        run_for(&mut world, 40);
    }
    assert_eq!(evicted(&world), ["a", "b", "c", "d"]);
    let rollout = world.rollout();
    assert_eq!(rollout.status.restarted_at, rollout.spec.restart_at);
    assert_eq!(rollout.status.phase, "Healthy");
    assert_eq!(world.replica_sets().len(), 1);
    run_for(&mut world, 500);
    assert_eq!(evicted(&world).len(), 4, "once");
}

#[test]
fn a_restart_in_the_future_waits_for_its_time() {
    let mut world = world(canary());
    let patch = json!({"spec": {"restartAt": world.now + TimeDelta::seconds(100)}});
    world.patch(Kind::Rollout, "web", &patch, false);
    run_for(&mut world, 99);
    assert_eq!(evicted(&world), [] as [&str; 0]);
    assert_eq!(world.rollout().status.phase, "Healthy");
    run_for(&mut world, 3);
    assert_eq!(evicted(&world), ["a"]);
}

#[test]
fn a_pod_that_serves_nobody_is_replaced_without_waiting_for_the_others() {
    let mut world = world(canary());
    world.objects.remove(&(Kind::Pod, "a".to_owned()));
    pod(&mut world, "z", false);
    run_for(&mut world, 2);
    restart(&mut world);
    // Three are available and must stay so: only the one that is not may go.
    assert_eq!(evicted(&world), ["z"]);
}

#[test]
fn a_restart_that_cannot_go_on_is_tried_again_without_haste() {
    let mut world = world(canary());
    restart(&mut world);
    let refused = json!({"metadata": {"deletionTimestamp": null}});
    let before = evicted(&world).len();
    for _ in 0..4 {
        world.patch(Kind::Pod, "a", &refused, false);
        run_for(&mut world, 60);
    }
    let tries = evicted(&world).len() - before;
    assert!((4..=24).contains(&tries), "{tries} in four minutes");
}

#[test]
fn a_new_version_makes_a_restart_needless() {
    let mut world = world(canary());
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "shop/web:v2"}]}});
    let patch = json!({"spec": {"restartAt": world.now, "template": template}});
    world.patch(Kind::Rollout, "web", &patch, false);
    run_for(&mut world, 30);
    assert_eq!(evicted(&world), [] as [&str; 0]);
    let rollout = world.rollout();
    assert_eq!(rollout.status.restarted_at, rollout.spec.restart_at);
}

#[test]
fn a_restart_waits_until_the_pods_that_a_smaller_size_takes_away_have_gone() {
    let mut world = world(canary());
    let patch = json!({"spec": {"replicas": 2, "restartAt": world.now}});
    world.patch(Kind::Rollout, "web", &patch, false);
    run_for(&mut world, 60);
    assert!(evicted(&world).is_empty(), "all four pods are there still");
    for name in ["c", "d"] {
        world.objects.remove(&(Kind::Pod, name.to_owned()));
    }
    run_for(&mut world, 60);
    assert_eq!(evicted(&world), ["a"]);
}
