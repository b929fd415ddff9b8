//! Every small world of a canary without a router: all sizes, budgets and weights. In each, the update must arrive, and on the way
//! never have more pods than the surge allows nor fewer available ones than `maxUnavailable` allows.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::json;
use serin::base::object::Kind;

#[test]
fn every_small_canary_arrives_within_its_budget() {
    let mut lived = 0;
    for replicas in 1..=5 {
        for (surge, unavailable) in [(0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 2), (5, 0), (0, 5)] {
            for weights in [vec![20], vec![50, 80], vec![100], vec![90, 10], vec![1, 99]] {
                live(replicas, surge, unavailable.min(replicas), &weights);
                lived += 1;
            }
        }
    }
    assert_eq!(lived, 200);
}

fn live(replicas: i32, surge: i32, unavailable: i32, weights: &[i32]) {
    let steps: Vec<_> = weights
        .iter()
        .flat_map(|weight| [json!({"setWeight": weight}), json!({"pause": {"duration": 1}})])
        .collect();
    let template = |tag: &str| json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": format!("web:{tag}")}]}});
    let mut world = World::new();
    world.put(
        Kind::Rollout,
        json!({"metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1"),
        "strategy": {"canary": {"steps": steps, "maxSurge": surge, "maxUnavailable": unavailable}}}}),
    );
    let arrived = |world: &World, tag: &str| {
        let status = world.rollout().status;
        status.phase == "Healthy" && world.hash_of(tag).is_some_and(|hash| hash == status.stable_rs)
    };
    let limit = TimeDelta::seconds(120);
    world.run(limit, limit, |world| arrived(world, "v1"));
    world.laws.push(within_budget);
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": template("v2")}}),
        false,
    );
    world.run(limit, limit, |world| arrived(world, "v2"));
    let stable: i32 = world.replica_sets().iter().map(|set| set.replicas_desired).sum();
    assert_eq!(stable, replicas, "{weights:?} {surge} {unavailable}");
}

/// The budget law. A Rollout of one pod without surge may lose it for a moment: there is no other way.
fn within_budget(world: &World) {
    let spec = world.rollout().spec;
    let canary = spec.strategy.canary.unwrap();
    let number =
        |value: Option<serin::base::percent::IntOrString>| value.and_then(|value| value.as_int()).unwrap();
    let (surge, unavailable) = (number(canary.max_surge), number(canary.max_unavailable));
    let sets = world.replica_sets();
    let (desired, available): (i32, i32) = sets.iter().fold((0, 0), |(d, a), set| {
        (
            d + set.replicas_desired,
            a + set.available.min(set.replicas_desired),
        )
    });
    let replicas = spec.replicas.unwrap();
    assert!(
        desired <= replicas + surge,
        "{desired} pods, at most {replicas} + {surge}: {sets:#?}"
    );
    assert!(
        available >= replicas - unavailable,
        "{available} available of {replicas}, {unavailable} may be missing: {sets:#?}"
    );
}
