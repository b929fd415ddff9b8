//! What becomes of a Rollout whose strategy, or an option of it, is changed in the middle of its life.

use crate::gateway::{canary_weight, of, phase, release, run_for, settle};
use crate::world::World;
use serde_json::{Value, json};
use serin::base::object::Kind;

const HASH: &str = "rollouts-pod-template-hash";

fn change(world: &mut World, spec: &Value) {
    world.patch(Kind::Rollout, "web", &json!({"spec": spec}), false);
    settle(world);
}

fn selected(world: &World, service: &str) -> Value {
    world.get(Kind::Service, service)["spec"]["selector"][HASH].clone()
}

fn steps() -> Value {
    json!([{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}])
}

/// Behind a route, and paused at its first weight.
fn in_mid_canary() -> World {
    let mut world = crate::gateway::world(steps());
    release(&mut world, "v2");
    settle(&mut world);
    assert_eq!((phase(&world).as_str(), canary_weight(&world)), ("Paused", 25));
    world
}

#[test]
fn a_blue_green_update_that_becomes_a_canary_starts_over_and_stable_stays_stable() {
    let mut world = World::new();
    for name in ["active", "preview"] {
        let service = json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}});
        world.put(Kind::Service, service);
    }
    let blue_green =
        json!({"activeService": "active", "previewService": "preview", "autoPromotionEnabled": false});
    world.put(
        Kind::Rollout,
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}},
            "template": crate::gateway::template("v1"), "strategy": {"blueGreen": blue_green}}}),
    );
    settle(&mut world);
    release(&mut world, "v2");
    settle(&mut world);
    assert_eq!(phase(&world), "Paused");
    let stable = of(&world, "v1").hash().to_owned();
    change(
        &mut world,
        &json!({"strategy": {"blueGreen": null, "canary": {"steps": steps()}}}),
    );
    let status = world.rollout().status;
    assert_eq!(
        (status.stable_rs.as_str(), status.current_step_index),
        (stable.as_str(), Some(1))
    );
    assert_eq!(status.blue_green, Default::default());
    assert_eq!(
        (
            of(&world, "v1").replicas_desired,
            of(&world, "v2").replicas_desired
        ),
        (3, 1)
    );
    // Nobody names them any more: they select by their own labels again.
    assert_eq!(
        (selected(&world, "active"), selected(&world, "preview")),
        (Value::Null, Value::Null)
    );
}

#[test]
fn a_canary_that_becomes_blue_green_grows_no_further_while_its_service_leads_to_all() {
    let mut world = World::new();
    let service = json!({"metadata": {"name": "active"}, "spec": {"selector": {"app": "web"}}});
    world.put(Kind::Service, service);
    world.put(
        Kind::Rollout,
        json!({"metadata": {"name": "web"}, "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}},
            "template": crate::gateway::template("v1"), "strategy": {"canary": {"steps": steps()}}}}),
    );
    settle(&mut world);
    release(&mut world, "v2");
    settle(&mut world);
    assert_eq!(of(&world, "v2").replicas_desired, 1);
    let before = world.writes.len();
    let blue_green = json!({"activeService": "active", "autoPromotionEnabled": false});
    change(
        &mut world,
        &json!({"strategy": {"canary": null, "blueGreen": blue_green}}),
    );
    let (stable, new) = (of(&world, "v1"), of(&world, "v2"));
    assert_eq!((stable.replicas_desired, new.replicas_desired), (4, 4));
    assert_eq!(
        (phase(&world).as_str(), selected(&world, "active")),
        ("Paused", json!(stable.hash()))
    );
    let writes = &world.writes[before..];
    let narrowed = writes.iter().position(|action| action.kind == Kind::Service);
    let grown = writes.iter().position(|action| {
        action.key.name == new.name() && action.body.pointer("/spec/replicas") == Some(&json!(4))
    });
    assert!(narrowed.is_some() && narrowed < grown, "{writes:#?}");
}

#[test]
fn dynamic_stable_scale_that_is_switched_off_in_the_middle_gives_stable_its_pods_back() {
    let mut world = in_mid_canary();
    change(
        &mut world,
        &json!({"strategy": {"canary": {"dynamicStableScale": true}}}),
    );
    assert_eq!(of(&world, "v1").replicas_desired, 3);
    change(
        &mut world,
        &json!({"strategy": {"canary": {"dynamicStableScale": null}}}),
    );
    assert_eq!(
        (of(&world, "v1").replicas_desired, canary_weight(&world)),
        (4, 25)
    );
    assert_eq!(phase(&world), "Paused");
}

#[test]
fn metadata_that_comes_in_the_middle_is_worn_by_both_versions() {
    let mut world = in_mid_canary();
    change(
        &mut world,
        &json!({"strategy": {"canary": {"canaryMetadata": {"labels": {"role": "canary"}},
            "stableMetadata": {"labels": {"role": "stable"}}}}}),
    );
    let role = |world: &World, tag: &str| of(world, tag).template_json()["metadata"]["labels"]["role"].take();
    assert_eq!(
        (role(&world, "v1"), role(&world, "v2")),
        (json!("stable"), json!("canary"))
    );
    assert_eq!((phase(&world).as_str(), canary_weight(&world)), ("Paused", 25));
    change(
        &mut world,
        &json!({"strategy": {"canary": {"canaryMetadata": null, "stableMetadata": null}}}),
    );
    assert_eq!(
        (role(&world, "v1"), role(&world, "v2")),
        (Value::Null, Value::Null)
    );
    assert_eq!(world.replica_sets().len(), 2);
}

#[test]
fn every_option_at_once_goes_through_a_release_an_abort_and_a_release() {
    let mut world = crate::gateway::world(steps());
    let now = world.now;
    change(
        &mut world,
        &json!({"restartAt": now, "strategy": {"canary": {"dynamicStableScale": true,
            "canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}},
            "antiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}}}),
    );
    release(&mut world, "v2");
    settle(&mut world);
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    settle(&mut world);
    assert_eq!((phase(&world).as_str(), canary_weight(&world)), ("Degraded", 0));
    release(&mut world, "v3");
    settle(&mut world);
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"promoteFull": true}}),
        true,
    );
    run_for(&mut world, 200);
    assert_eq!(phase(&world), "Healthy");
    let set = of(&world, "v3");
    assert_eq!(set.template_json()["metadata"]["labels"]["role"], "stable");
    assert_eq!((set.replicas_desired, canary_weight(&world)), (4, 0));
    let rollout = world.rollout();
    assert_eq!(rollout.status.restarted_at, rollout.spec.restart_at);
}
