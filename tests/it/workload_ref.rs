//! Rollouts that take their pod template from another object.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::{ReplicaSet, Verb};

fn rollout(reference: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "workloadRef": reference,
        "strategy": {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": [{"setWeight": 50}, {"pause": {}}]}}}})
}

fn reference(scale_down: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "scaleDown": scale_down})
}

fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

fn deployment(tag: &str) -> Value {
    json!({"metadata": {"name": "shop"}, "spec": {"replicas": 4, "template": template(tag),
        "selector": {"matchLabels": {"app": "web"}}}})
}

fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::seconds(600), |world| {
        world.now >= until
    });
}

fn world(reference: Value, workload: (Kind, Value)) -> World {
    let mut world = World::new();
    world.put(workload.0, workload.1);
    world.put(Kind::Rollout, rollout(reference));
    run_for(&mut world, 10);
    world
}

fn of(world: &World, tag: &str) -> Option<ReplicaSet> {
    let mut sets = world.replica_sets().into_iter();
    sets.find(|set| set.template.contains(&format!("shop/web:{tag}")))
}

fn phase(world: &World) -> (String, String) {
    let status = world.rollout().status;
    (status.phase, status.message)
}

fn size(world: &World) -> i64 {
    world.get(Kind::Deployment, "shop")["spec"]["replicas"]
        .as_i64()
        .unwrap()
}

fn sizes(world: &World) -> Vec<i64> {
    let writes = world
        .writes
        .iter()
        .filter(|action| action.kind == Kind::Deployment);
    writes
        .map(|action| {
            assert_eq!(action.verb, Verb::Replace, "nothing but its size is written");
            action.body["spec"]["replicas"].as_i64().unwrap()
        })
        .collect()
}

#[test]
fn the_template_and_the_selector_come_from_the_deployment_and_are_never_written_back() {
    let world = world(reference("never"), (Kind::Deployment, deployment("v1")));
    assert_eq!(phase(&world), ("Healthy".into(), String::new()));
    let set = of(&world, "v1").unwrap();
    assert_eq!(set.available, 4);
    let raw = world.get(Kind::Rollout, "web");
    assert_eq!(
        (&raw["spec"]["template"], &raw["spec"]["selector"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        raw["metadata"]["annotations"]["rollout.argoproj.io/workload-generation"],
        "1"
    );
    assert_eq!(raw["status"]["workloadObservedGeneration"], "1");
    assert_eq!(raw["status"]["selector"], "app=web");
    assert_eq!(sizes(&world), [] as [i64; 0]);
}

#[test]
fn a_referenced_template_has_the_hash_that_it_would_have_in_the_rollout() {
    let referenced = world(reference("never"), (Kind::Deployment, deployment("v1")));
    let mut own = rollout(Value::Null);
    own["spec"]["template"] = template("v1");
    own["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    let mut world = World::new();
    world.put(Kind::Rollout, own);
    run_for(&mut world, 10);
    assert_eq!(
        of(&referenced, "v1").unwrap().name(),
        of(&world, "v1").unwrap().name()
    );
}

#[test]
fn a_change_of_the_deployment_is_a_release_and_one_beside_its_template_is_none() {
    let mut world = world(reference("never"), (Kind::Deployment, deployment("v1")));
    world.patch(Kind::Deployment, "shop", &json!({"spec": {"replicas": 2}}), false);
    run_for(&mut world, 5);
    assert_eq!(world.replica_sets().len(), 1);
    assert_eq!(world.rollout().status.workload_observed_generation, "2");
    world.patch(
        Kind::Deployment,
        "shop",
        &json!({"spec": {"template": template("v2")}}),
        false,
    );
    run_for(&mut world, 5);
    assert_eq!(phase(&world), ("Paused".into(), "CanaryPauseStep".into()));
    assert_eq!(world.rollout().status.workload_observed_generation, "3");
    assert_eq!(of(&world, "v2").unwrap().available, 2);
}

#[test]
fn what_does_not_exist_yet_is_waited_for() {
    let mut world = World::new();
    world.put(Kind::Rollout, rollout(reference("never")));
    run_for(&mut world, 10);
    let (phase_now, message) = phase(&world);
    assert_eq!(phase_now, "Degraded");
    assert!(
        message.contains("spec.workloadRef: Deployment \"shop\" not found"),
        "{message}"
    );
    assert!(world.replica_sets().is_empty());
    world.put(Kind::Deployment, deployment("v1"));
    run_for(&mut world, 10);
    assert_eq!(phase(&world).0, "Healthy");
}

#[test]
fn a_deployment_that_is_gone_leaves_the_pods_alone() {
    let mut world = world(reference("never"), (Kind::Deployment, deployment("v1")));
    world.objects.remove(&(Kind::Deployment, "shop".to_owned()));
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"metadata": {"labels": {"touched": "yes"}}}),
        false,
    );
    run_for(&mut world, 10);
    assert_eq!(phase(&world).0, "Degraded");
    assert_eq!(of(&world, "v1").unwrap().available, 4);
}

#[test]
fn onsuccess_takes_the_old_pods_away_once_the_rollout_is_healthy() {
    let mut world = World::new();
    world.put(Kind::Deployment, deployment("bad1"));
    world.put(Kind::Rollout, rollout(reference("onsuccess")));
    run_for(&mut world, 30);
    assert_eq!(size(&world), 4, "no pod of the Rollout is ready");

    let mut world = self::world(reference("onsuccess"), (Kind::Deployment, deployment("v1")));
    run_for(&mut world, 10);
    assert_eq!((phase(&world).0.as_str(), sizes(&world)), ("Healthy", vec![0]));
    assert_eq!(world.rollout().status.workload_observed_generation, "2");
    assert_eq!(world.replica_sets().len(), 1);
}

#[test]
fn progressively_the_deployment_gives_up_as_many_pods_as_the_rollout_has_available() {
    let mut world = World::new();
    world.put(Kind::Deployment, deployment("v1"));
    world.laws.push(|world| {
        let own: i32 = world.replica_sets().iter().map(|set| set.available).sum();
        let left = i32::try_from(size(world)).unwrap();
        assert!(
            own + left >= 4,
            "{own} pods of the Rollout and {left} of the Deployment"
        );
    });
    world.put(Kind::Rollout, rollout(reference("progressively")));
    run_for(&mut world, 30);
    assert_eq!((phase(&world).0.as_str(), size(&world)), ("Healthy", 0));
    assert!(sizes(&world).is_sorted_by(|a, b| a > b), "{:?}", sizes(&world));
}

#[test]
fn a_pod_template_needs_a_selector_beside_it() {
    let reference = json!({"apiVersion": "v1", "kind": "PodTemplate", "name": "shop"});
    let object = json!({"metadata": {"name": "shop"}, "template": template("v1")});
    let mut world = world(reference, (Kind::PodTemplate, object));
    let message = phase(&world).1;
    assert!(
        message.contains("a PodTemplate has no selector: write spec.selector"),
        "{message}"
    );
    let selector = json!({"spec": {"selector": {"matchLabels": {"app": "web"}}}});
    world.patch(Kind::Rollout, "web", &selector, false);
    run_for(&mut world, 10);
    assert_eq!(phase(&world).0, "Healthy");
    assert_eq!(of(&world, "v1").unwrap().available, 4);
}

#[test]
fn a_plain_replica_set_can_be_referred_to() {
    let reference =
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop", "scaleDown": "progressively"});
    let world = world(reference, (Kind::PlainReplicaSet, deployment("v1")));
    assert_eq!(phase(&world).0, "Healthy");
    assert_eq!(of(&world, "v1").unwrap().available, 4);
}

#[test]
fn references_that_make_no_sense_are_named() {
    let check = |reference: Value, want: &str| {
        let world = world(reference, (Kind::Deployment, deployment("v1")));
        let message = phase(&world).1;
        assert!(message.contains(want), "{message}");
    };
    let kind = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop"});
    check(
        kind,
        "spec.workloadRef: workload of type apps/v1/StatefulSet is not supported",
    );
    check(
        reference("soon"),
        "spec.workloadRef.scaleDown: \"soon\" is none of never, onsuccess and progressively",
    );
    let mut both = rollout(reference("never"));
    both["spec"]["template"] = template("v1");
    let mut world = World::new();
    world.put(Kind::Deployment, deployment("v1"));
    world.put(Kind::Rollout, both);
    run_for(&mut world, 10);
    assert!(
        phase(&world)
            .1
            .contains("template must be empty for workload reference rollout")
    );
}

#[test]
fn a_reference_that_is_given_up_takes_its_marks_along() {
    let mut world = world(reference("never"), (Kind::Deployment, deployment("v1")));
    let own = json!({"spec": {"workloadRef": null, "template": template("v1"), "selector": {"matchLabels": {"app": "web"}}}});
    world.patch(Kind::Rollout, "web", &own, false);
    run_for(&mut world, 10);
    let raw = world.get(Kind::Rollout, "web");
    let mark = &raw["metadata"]["annotations"]["rollout.argoproj.io/workload-generation"];
    assert_eq!(
        (mark, &raw["status"]["workloadObservedGeneration"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (phase(&world).0.as_str(), world.replica_sets().len()),
        ("Healthy", 1)
    );
}
