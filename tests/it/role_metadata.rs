//! What pods wear in their role, and how it changes without a restart.

use crate::world::{NAMESPACE, World};
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::{ReplicaSet, Verb};

const HASH: &str = "rollouts-pod-template-hash";
const WORN: &str = "rollout.argoproj.io/ephemeral-metadata";

fn canary() -> Value {
    json!({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}],
        "canaryMetadata": {"labels": {"role": "canary", "only": "canary"}, "annotations": {"watched": "yes"}},
        "stableMetadata": {"labels": {"role": "stable"}}}})
}

fn manifest(strategy: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 5, "selector": {"matchLabels": {"app": "web"}},
        "template": template("v1"), "strategy": strategy}})
}

fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

fn world(strategy: Value) -> World {
    let mut world = World::new();
    for name in ["active", "preview"] {
        let service = json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}});
        world.put(Kind::Service, service);
    }
    world.put(Kind::Rollout, manifest(strategy));
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.phase, "Healthy");
    world
}

fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::seconds(600), |world| {
        world.now >= until
    });
}

fn change(world: &mut World, patch: &Value) {
    world.patch(Kind::Rollout, "web", patch, false);
    run_for(world, 5);
}

fn release(world: &mut World, tag: &str) {
    change(world, &json!({"spec": {"template": template(tag)}}));
}

fn promote(world: &mut World) {
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    run_for(world, 60);
    assert_eq!(world.rollout().status.phase, "Healthy");
}

fn of(world: &World, tag: &str) -> ReplicaSet {
    let sets = world.replica_sets().into_iter();
    let mut found = sets.filter(|set| set.template.contains(&format!("shop/web:{tag}")));
    found.next().unwrap()
}

fn labels(world: &World, tag: &str) -> Value {
    let mut labels = of(world, tag).template_json()["metadata"]["labels"].take();
    labels.as_object_mut().unwrap().remove(HASH);
    labels
}

/// A pod of the version, dressed as its template is now and with a label of somebody else.
fn pod(world: &mut World, name: &str, tag: &str) {
    let set = of(world, tag);
    let mut metadata = set.template_json()["metadata"].take();
    metadata["name"] = json!(name);
    metadata["labels"]["mesh"] = json!("joined");
    metadata["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set.name(),
        "uid": set.metadata.uid, "controller": true}]);
    world.put(Kind::Pod, json!({"metadata": metadata}));
}

fn pod_labels(world: &World, name: &str) -> Value {
    let mut labels = world.get(Kind::Pod, name)["metadata"]["labels"].clone();
    labels.as_object_mut().unwrap().remove(HASH);
    labels
}

fn writes_of_pods(world: &World) -> usize {
    let pods = world.writes.iter().filter(|action| action.kind == Kind::Pod);
    pods.inspect(|action| assert_eq!(action.verb, Verb::Replace))
        .count()
}

#[test]
fn versions_wear_their_role_from_the_first_pod_on() {
    let mut world = world(canary());
    assert_eq!(labels(&world, "v1"), json!({"app": "web", "role": "stable"}));
    release(&mut world, "v2");
    let worn = json!({"app": "web", "role": "canary", "only": "canary"});
    assert_eq!(labels(&world, "v2"), worn);
    let annotations = &of(&world, "v2").template_json()["metadata"]["annotations"];
    assert_eq!(*annotations, json!({"watched": "yes"}));
    assert_eq!(labels(&world, "v1"), json!({"app": "web", "role": "stable"}));
    assert_eq!(writes_of_pods(&world), 0);
}

#[test]
fn a_promotion_swaps_the_roles_of_living_pods_and_keeps_the_labels_of_others() {
    let mut world = world(canary());
    release(&mut world, "v2");
    pod(&mut world, "web-2-a", "v2");
    pod(&mut world, "web-2-b", "v2");
    promote(&mut world);
    for name in ["web-2-a", "web-2-b"] {
        let worn = json!({"app": "web", "role": "stable", "mesh": "joined"});
        assert_eq!(pod_labels(&world, name), worn);
        assert_eq!(world.get(Kind::Pod, name)["metadata"]["annotations"], json!({}));
    }
    assert_eq!(writes_of_pods(&world), 2, "one write for each pod");
    let set = of(&world, "v2");
    assert_eq!(
        set.metadata.annotation(WORN),
        Some(r#"{"labels":{"role":"stable"}}"#)
    );
    assert_eq!(of(&world, "v1").metadata.annotation(WORN), None);
    assert_eq!(labels(&world, "v1"), json!({"app": "web"}));
}

#[test]
fn pods_are_edited_once_their_replica_set_makes_no_more_of_the_old_kind() {
    let mut world = world(canary());
    release(&mut world, "v2");
    pod(&mut world, "web-2-a", "v2");
    promote(&mut world);
    let set_at = |text: &str| {
        let writes = world.writes.iter();
        let mut sets = writes.enumerate().filter(|(_, action)| {
            let worn = action.body["metadata"]["annotations"][WORN]
                .as_str()
                .unwrap_or_default();
            action.kind == Kind::ReplicaSet && action.verb == Verb::Patch && worn.contains(text)
        });
        sets.next_back().unwrap().0
    };
    let pod_at = world
        .writes
        .iter()
        .position(|action| action.kind == Kind::Pod)
        .unwrap();
    assert!(set_at("pending") < pod_at, "the template first, for pods to come");
    assert!(
        pod_at < set_at(r#"{"labels":{"role":"stable"}}"#),
        "done when the pods are"
    );
}

#[test]
fn a_crash_after_any_write_leaves_no_pod_in_its_old_role() {
    for at in 1..=40 {
        let mut world = world(canary());
        release(&mut world, "v2");
        pod(&mut world, "web-2-a", "v2");
        pod(&mut world, "web-2-b", "v2");
        world.crash = Some((world.writes.len() + at, TimeDelta::seconds(20)));
        promote(&mut world);
        for name in ["web-2-a", "web-2-b"] {
            let worn = json!({"app": "web", "role": "stable", "mesh": "joined"});
            assert_eq!(pod_labels(&world, name), worn, "crash after write {at}");
        }
        let set = of(&world, "v2");
        assert_eq!(
            set.metadata.annotation(WORN),
            Some(r#"{"labels":{"role":"stable"}}"#)
        );
    }
}

#[test]
fn metadata_that_is_no_longer_asked_for_is_taken_off_and_the_template_stays_recognised() {
    let mut world = world(canary());
    pod(&mut world, "web-1-a", "v1");
    change(
        &mut world,
        &json!({"spec": {"strategy": {"canary": {"stableMetadata": null}}}}),
    );
    assert_eq!(
        pod_labels(&world, "web-1-a"),
        json!({"app": "web", "mesh": "joined"})
    );
    assert_eq!(labels(&world, "v1"), json!({"app": "web"}));
    assert_eq!(world.replica_sets().len(), 1);
    assert_eq!(world.rollout().status.phase, "Healthy");
}

#[test]
fn a_pod_of_somebody_else_with_the_same_hash_is_left_alone() {
    let mut world = world(canary());
    release(&mut world, "v2");
    pod(&mut world, "web-2-a", "v2");
    let stranger = json!({"metadata": {"ownerReferences": [{"uid": "somebody"}]}});
    world.patch(Kind::Pod, "web-2-a", &stranger, false);
    promote(&mut world);
    assert_eq!(writes_of_pods(&world), 0);
}

#[test]
fn preview_and_active_metadata_swap_at_the_switch() {
    let mut world = world(
        json!({"blueGreen": {"activeService": "active", "previewService": "preview",
        "autoPromotionEnabled": false, "scaleDownDelaySeconds": 600,
        "previewMetadata": {"labels": {"role": "preview"}}, "activeMetadata": {"labels": {"role": "active"}}}}),
    );
    assert_eq!(labels(&world, "v1"), json!({"app": "web", "role": "active"}));
    pod(&mut world, "web-1-a", "v1");
    release(&mut world, "v2");
    pod(&mut world, "web-2-a", "v2");
    assert_eq!(labels(&world, "v2"), json!({"app": "web", "role": "preview"}));
    promote(&mut world);
    let worn = json!({"app": "web", "role": "active", "mesh": "joined"});
    assert_eq!(pod_labels(&world, "web-2-a"), worn);
    // The old version still runs within its delay, and is nothing any more.
    assert_eq!(
        pod_labels(&world, "web-1-a"),
        json!({"app": "web", "mesh": "joined"})
    );
}

#[test]
fn a_role_must_not_change_how_pods_are_selected() {
    let mut world = World::new();
    let strategy = json!({"canary": {"canaryMetadata": {"labels": {"app": "canary", "fine": "yes"}}}});
    world.put(Kind::Rollout, manifest(strategy));
    run_for(&mut world, 5);
    let message = world.rollout().status.message;
    assert!(
        message.contains("spec.strategy.canary.canaryMetadata.labels"),
        "{message}"
    );
    assert!(
        message.contains(r#"the label "app" is how the pods are selected"#),
        "{message}"
    );
    assert_eq!(world.rollout().metadata.namespace, NAMESPACE);
}
