//! What holds when people change their minds, and when the stable version is not what it should be.

use crate::gateway::{canary_weight, of, phase, release, run_for, world};
use serde_json::{Value, json};
use serin::base::object::Kind;

fn status(world: &mut crate::world::World, status: &Value) {
    world.patch(Kind::Rollout, "web", &json!({"status": status}), true);
    run_for(world, 5);
}

#[test]
fn an_abort_goes_before_an_earlier_promotion() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    status(&mut world, &json!({"promoteFull": true, "abort": true}));
    let rollout = world.rollout();
    assert_eq!((canary_weight(&world), phase(&world).as_str()), (0, "Degraded"));
    assert_eq!(rollout.status.stable_rs, of(&world, "v1").hash());
    assert!(rollout.status.abort && !rollout.status.promote_full);
}

#[test]
fn a_promotion_goes_before_an_earlier_abort() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    run_for(&mut world, 3);
    status(&mut world, &json!({"abort": true}));
    assert_eq!(phase(&world), "Degraded");
    status(&mut world, &json!({"promoteFull": true}));
    assert_eq!(phase(&world), "Healthy");
    assert_eq!(world.rollout().status.stable_rs, of(&world, "v2").hash());
}

#[test]
fn a_stable_version_that_is_down_does_not_hold_up_the_weight_of_the_version_that_mends_it() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    // Its share of the traffic finds nobody, whatever the controller does.
    world.laws.clear();
    let stable = of(&world, "v1").name().to_owned();
    let down = json!({"status": {"availableReplicas": 0, "readyReplicas": 0}});
    world.patch(Kind::ReplicaSet, &stable, &down, false);
    release(&mut world, "v2");
    run_for(&mut world, 5);
    assert_eq!(canary_weight(&world), 50, "{:#?}", world.rollout().status);
}
