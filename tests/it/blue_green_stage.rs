//! What the tests of blue-green updates share: a Rollout `web` at version v1, people who act, and what can be seen.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::api::rollout_status::RolloutStatus;
use serin::base::object::Kind;

pub const HASH: &str = "rollouts-pod-template-hash";

pub fn manifest(strategy: &Value) -> Value {
    let mut whole = json!({"activeService": "active", "previewService": "preview"});
    serin::base::json::merge_apply(&mut whole, strategy);
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1"),
        "strategy": {"blueGreen": whole}}})
}

pub fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

/// The Services and the template that the Rollouts here name, and nothing else yet.
pub fn surroundings() -> World {
    let mut world = World::new();
    world.patient = true;
    for name in ["active", "preview"] {
        let service = json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}});
        world.put(Kind::Service, service);
    }
    let metric = json!({"name": "errors", "interval": "60s", "count": 10, "successCondition": "result[0] < 0.005",
        "provider": {"prometheus": {"address": "http://prometheus", "query": "errors"}}});
    let errors = json!({"metadata": {"name": "errors"}, "spec": {"metrics": [metric]}});
    world.put(Kind::AnalysisTemplate, errors);
    world
}

/// Healthy at version v1.
pub fn world(strategy: Value) -> World {
    let mut world = surroundings();
    world.put(Kind::Rollout, manifest(&strategy));
    world.laws.push(users_reach_pods);
    run_for(&mut world, 5);
    assert_eq!(
        world.rollout().status.phase,
        "Healthy",
        "{:#?}",
        world.rollout().status
    );
    world
}

/// The active Service leads to a version with a pod.
pub fn users_reach_pods(world: &World) {
    let hash = led_to(world, "active");
    let ready = |set: &serin::plan::ReplicaSet| set.hash() == hash && set.available > 0;
    let lives = hash.is_empty() || world.rollout().spec.replicas == Some(0);
    assert!(
        lives || world.replica_sets().iter().any(ready),
        "active leads to {hash}, which has no pod"
    );
}

pub fn led_to(world: &World, service: &str) -> String {
    let Some(service) = world.objects.get(&(Kind::Service, service.to_owned())) else {
        return String::new();
    };
    service["spec"]["selector"][HASH]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The image tag of the version that a Service leads to.
pub fn led_to_tag(world: &World, service: &str) -> &'static str {
    let hash = Some(led_to(world, service));
    ["v1", "v2", "v3", "bad"]
        .into_iter()
        .find(|tag| world.hash_of(tag) == hash)
        .unwrap_or("none")
}

pub fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::hours(3), |world| {
        world.now >= until
    });
}

pub fn change(world: &mut World, patch: &Value) {
    let status = patch.get("status").is_some();
    world.patch(Kind::Rollout, "web", patch, status);
    run_for(world, 5);
}

pub fn release(world: &mut World, tag: &str) {
    change(world, &json!({"spec": {"template": template(tag)}}));
}

pub fn promote(world: &mut World) {
    change(world, &json!({"status": {"pauseConditions": null}}));
}

pub fn status(world: &World) -> RolloutStatus {
    world.rollout().status
}

pub fn size(world: &World, tag: &str) -> i32 {
    let hash = world.hash_of(tag).unwrap();
    let sets = world.replica_sets();
    sets.iter()
        .find(|set| set.hash() == hash)
        .unwrap()
        .replicas_desired
}

/// The newest run before (`pre`) or after (`post`) the switch.
pub fn run_named(world: &World, part: &str) -> Option<String> {
    let names = world
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Kind::AnalysisRun);
    names
        .map(|(_, name)| name.clone())
        .rfind(|name| name.contains(&format!("-{part}")))
}

pub fn end_run(world: &mut World, part: &str, phase: &str) {
    let name = run_named(world, part).unwrap();
    let verdict = json!({"status": {"phase": phase, "message": "so it is"}});
    world.patch(Kind::AnalysisRun, &name, &verdict, false);
    run_for(world, 5);
}

pub fn analysis() -> Value {
    json!({"templates": [{"templateName": "errors"}]})
}

pub fn at_rest(world: &mut World) {
    let writes = world.writes.len();
    run_for(world, 1_800);
    assert_eq!(world.writes.len(), writes, "{:#?}", world.writes.last());
}
