//! A canary behind a route that its Gateways refuse: nothing is served, so nothing is believed.

use crate::gateway::{canary_weight, release, run_for, world};
use crate::world::World;
use serde_json::json;
use serin::base::object::Kind;

#[test]
fn a_weight_on_a_route_that_every_gateway_refuses_completes_no_step() {
    let mut world = world(json!([{"setWeight": 50}, {"pause": {}}]));
    let answer = |world: &mut World, status: &str| {
        let condition =
            json!({"type": "Accepted", "status": status, "reason": "NotAllowedByListeners", "message": "no"});
        let parents = json!([{"parentRef": {"name": "edge"}, "conditions": [condition]}]);
        world.patch(
            Kind::HttpRoute,
            "web",
            &json!({"status": {"parents": parents}}),
            false,
        );
    };
    answer(&mut world, "False");
    release(&mut world, "v2");
    run_for(&mut world, 20);
    let status = world.rollout().status;
    assert_eq!((canary_weight(&world), status.current_step_index), (50, Some(0)));
    let refused = |condition: &&serin::api::rollout_status::Condition| condition.type_ == "RouteRefused";
    let refused = status.conditions.iter().find(refused).unwrap();
    assert!(
        refused.message.contains("HTTPRoute \"ns/web\" is not served"),
        "{}",
        refused.message
    );
    let told = world.events.iter().filter(|(reason, _)| reason == "RouteRefused");
    assert_eq!(told.count(), 1, "once");
    answer(&mut world, "True");
    run_for(&mut world, 5);
    let status = world.rollout().status;
    assert_eq!(
        (status.current_step_index, status.phase.as_str()),
        (Some(1), "Paused")
    );
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.type_ != "RouteRefused")
    );
    answer(&mut world, "False");
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 1);
    assert_eq!(canary_weight(&world), 0, "an abort waits for nobody");
}
