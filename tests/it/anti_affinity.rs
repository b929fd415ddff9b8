//! `antiAffinity`: new pods keep off the nodes of the stable version.

use crate::gateway::{run_for, template};
use crate::world::World;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::ReplicaSet;

const HASH: &str = "rollouts-pod-template-hash";

fn world(strategy: Value) -> World {
    let mut world = World::new();
    let service = json!({"metadata": {"name": "active"}, "spec": {"selector": {"app": "web"}}});
    world.put(Kind::Service, service);
    world.put(
        Kind::Rollout,
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}},
            "template": template("v1"), "strategy": strategy}}),
    );
    run_for(&mut world, 5);
    world
}

fn canary(anti_affinity: Value) -> Value {
    json!({"canary": {"steps": [{"setWeight": 25}, {"pause": {}}], "antiAffinity": anti_affinity}})
}

fn release(world: &mut World, template: Value) {
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": template}}),
        false,
    );
    run_for(world, 5);
}

fn of(world: &World, tag: &str) -> ReplicaSet {
    let mut sets = world.replica_sets().into_iter();
    sets.find(|set| set.template.contains(&format!("shop/web:{tag}")))
        .unwrap()
}

fn anti_affinity(world: &World, tag: &str) -> Value {
    of(world, tag).template_json()["spec"]["affinity"]["podAntiAffinity"].take()
}

fn term(hash: &str) -> Value {
    json!({"labelSelector": {"matchExpressions": [{"key": HASH, "operator": "In", "values": [hash]}]},
        "namespaces": ["ns"], "topologyKey": "kubernetes.io/hostname"})
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

#[test]
fn a_new_version_keeps_off_the_nodes_of_stable_and_the_first_one_off_none() {
    let strategies = [
        canary(json!({REQUIRED: {}})),
        json!({"blueGreen": {"activeService": "active", "autoPromotionEnabled": false, "antiAffinity": {REQUIRED: {}}}}),
    ];
    for strategy in strategies {
        let mut world = world(strategy);
        assert_eq!(anti_affinity(&world, "v1"), Value::Null);
        release(&mut world, template("v2"));
        let want = json!({REQUIRED: [term(of(&world, "v1").hash())]});
        assert_eq!(anti_affinity(&world, "v2"), want);
    }
}

#[test]
fn a_wish_stands_beside_the_terms_of_the_user() {
    let mut world = world(canary(json!({PREFERRED: {"weight": 7}})));
    let mut own = template("v2");
    let others = json!({"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}});
    own["spec"]["affinity"]["podAntiAffinity"] = json!({PREFERRED: [others]});
    release(&mut world, own);
    let terms = anti_affinity(&world, "v2")[PREFERRED].take();
    let ours = json!({"weight": 7, "podAffinityTerm": term(of(&world, "v1").hash())});
    assert_eq!((terms.as_array().unwrap().len(), &terms[1]), (2, &ours));
    assert_eq!(terms[0]["weight"], 1);
}

#[test]
fn the_term_is_no_part_of_the_hash_and_stays_after_the_promotion() {
    let mut with = world(canary(json!({REQUIRED: {}})));
    release(&mut with, template("v2"));
    let mut without = world(canary(Value::Null));
    release(&mut without, template("v2"));
    assert_eq!(of(&with, "v2").hash(), of(&without, "v2").hash());
    with.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    run_for(&mut with, 60);
    assert_eq!(with.rollout().status.phase, "Healthy");
    assert_eq!(
        anti_affinity(&with, "v2"),
        json!({REQUIRED: [term(of(&with, "v1").hash())]})
    );
    assert_eq!(with.replica_sets().len(), 2);
}

#[test]
fn a_version_with_the_term_is_recognised_by_its_template() {
    let mut world = world(canary(json!({REQUIRED: {}})));
    release(&mut world, template("v2"));
    // Another controller made it, under a hash of its own.
    let set = of(&world, "v2");
    let foreign = json!({"metadata": {"labels": {HASH: "foreign"}},
        "spec": {"template": {"metadata": {"labels": {HASH: "foreign"}}}}});
    world.patch(Kind::ReplicaSet, set.name(), &foreign, false);
    run_for(&mut world, 5);
    assert_eq!(world.replica_sets().len(), 2);
    assert_eq!(world.rollout().status.current_pod_hash, "foreign");
}
