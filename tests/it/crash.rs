//! The controller dies after every single write of a story, is away for a moment or for a while, and comes back knowing nothing: the
//! end must be that of the undisturbed story, made by as many creations and deletions.

use crate::world::World;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::{Action, Verb};
use std::collections::BTreeMap;

/// What people do, and when.
pub type Story = fn(&mut World);

pub type Law = fn(&World);

/// How it all ended, without what each run has its own of; and how often what was created or deleted.
#[derive(Debug, PartialEq)]
struct End {
    objects: BTreeMap<String, Value>,
    writes: BTreeMap<String, usize>,
}

fn live(build: &dyn Fn() -> World, story: Story, crash: Option<(usize, TimeDelta)>) -> (World, End) {
    let mut world = build();
    world.patient = true;
    world.crash = crash;
    until(&mut world, |world| world.rollout().status.phase == "Healthy");
    story(&mut world);
    world.run(TimeDelta::seconds(120), TimeDelta::hours(2), |_| false);
    let end = end(&world);
    (world, end)
}

/// Services, a route and a template for whoever needs them, and the Rollout.
fn furnished(manifest: &Value, law: Option<Law>) -> World {
    let mut world = World::new();
    for name in ["web-canary", "web-stable", "active", "preview"] {
        world.put(
            Kind::Service,
            json!({"metadata": {"name": name}, "spec": {"selector": {"app": "web"}}}),
        );
    }
    world.put(Kind::HttpRoute, json!({"metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": [
        {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}}));
    let metric = json!({"name": "errors", "interval": "60s", "count": 10, "successCondition": "result[0] < 0.005",
        "provider": {"prometheus": {"address": "http://prometheus", "query": "errors"}}});
    world.put(
        Kind::AnalysisTemplate,
        json!({"metadata": {"name": "errors"}, "spec": {"metrics": [metric]}}),
    );
    world.put(Kind::Rollout, manifest.clone());
    world.laws.push(traffic_reaches_ready_pods);
    world.laws.extend(law);
    world
}

pub fn until(world: &mut World, done: impl Fn(&World) -> bool) {
    world.run(TimeDelta::hours(1), TimeDelta::hours(2), &done);
    assert!(done(world), "{:#?}", world.rollout().status);
}

/// Every Service with weight that selects a version at all selects one with an available pod.
fn traffic_reaches_ready_pods(world: &World) {
    let sets = world.replica_sets();
    let backends = world
        .get(Kind::HttpRoute, "web")
        .pointer("/spec/rules/0/backendRefs");
    for backend in backends.unwrap().as_array().unwrap() {
        let service = world.get(Kind::Service, backend["name"].as_str().unwrap());
        let hash = service["spec"]["selector"]["rollouts-pod-template-hash"].as_str();
        let Some(hash) = hash.filter(|_| backend["weight"] != 0) else {
            continue;
        };
        let ready = sets.iter().any(|set| set.hash() == hash && set.available > 0);
        assert!(ready, "{backend} leads to {hash}, which has no ready pod");
    }
}

fn end(world: &World) -> End {
    let mut objects = BTreeMap::new();
    for ((kind, name), object) in &world.objects {
        let mut object = object.clone();
        mask(&mut object);
        objects.insert(format!("{kind:?} {name}"), object);
    }
    let mut writes = BTreeMap::new();
    for action in &world.writes {
        if matches!(action.verb, Verb::Create | Verb::Delete) {
            *writes
                .entry(format!("{:?} {:?} {}", action.verb, action.kind, action.key))
                .or_default() += 1;
        }
    }
    End { objects, writes }
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for own in [
                "uid",
                "resourceVersion",
                "generation",
                "observedGeneration",
                "totalManualPauseDurationSeconds",
            ] {
                members.remove(own);
            }
            if let Some(Value::Array(conditions)) = members.get_mut("conditions") {
                conditions.sort_by_key(|one| one["type"].to_string());
            }
            members.values_mut().for_each(mask);
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => "a time".clone_into(text),
        _ => {}
    }
}

/// Lives the story with a crash after each of its writes but the first `known`, always back at once and now and then after a while.
fn check(build: &dyn Fn() -> World, story: Story, known: usize) {
    let (undisturbed, expected) = live(build, story, None);
    for number in known + 1..=undisturbed.writes.len() {
        let away = [TimeDelta::zero(), TimeDelta::seconds(45)];
        for away in away.into_iter().take(1 + usize::from(number % 3 == 0)) {
            let (world, end) = live(build, story, Some((number, away)));
            let last = &world.writes[number - 1];
            assert!(
                end == expected,
                "away for {away} after write {number}, {:?} {:?} {}:\n{}",
                last.verb,
                last.kind,
                last.body,
                difference(&expected, &end)
            );
        }
    }
}

fn difference(expected: &End, end: &End) -> String {
    let mut text = String::new();
    let both = expected.objects.keys().chain(end.objects.keys());
    for name in both.collect::<std::collections::BTreeSet<_>>() {
        let (want, got) = (expected.objects.get(name), end.objects.get(name));
        if want != got {
            text += &format!(
                "{name}\n  expected {}\n  got      {}\n",
                want.map(Value::to_string).unwrap_or_default(),
                got.map(Value::to_string).unwrap_or_default()
            );
        }
    }
    if expected.writes != end.writes {
        text += &format!("expected {:?}\ngot      {:?}", expected.writes, end.writes);
    }
    text
}

fn routed(steps: Value) -> Value {
    rollout(json!({
        "canaryService": "web-canary", "stableService": "web-stable", "steps": steps,
        "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "ns"}}}}))
}

fn basic(steps: Value) -> Value {
    rollout(json!({"steps": steps}))
}

fn rollout(canary: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1"),
        "revisionHistoryLimit": 1, "strategy": {"canary": canary}}})
}

fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

pub fn change(world: &mut World, patch: Value) {
    let status = patch.get("status").is_some();
    world.patch(Kind::Rollout, "web", &patch, status);
}

pub fn release(world: &mut World, tag: &str) {
    change(world, json!({"spec": {"template": template(tag)}}));
}

/// Waits for a pause at this step, and ends it.
fn promote(world: &mut World, step: i32) {
    until(world, |world| paused_at(world, step));
    change(world, json!({"status": {"pauseConditions": null}}));
}

fn paused_at(world: &World, step: i32) -> bool {
    let status = world.rollout().status;
    status.current_step_index == Some(step) && !status.pause_conditions.is_empty()
}

/// Waits for an open run that the Rollout knows of, and ends it like that. Runs are measured by the controller itself, so none ends
/// while it is away.
fn judge(world: &mut World, phase: &str) {
    let open = |world: &World| {
        let known = world.rollout().status.canary.current_step_analysis_run_status?;
        let run = world.objects.get(&(Kind::AnalysisRun, known.name.clone()))?;
        run["status"]["phase"].is_null().then_some(known.name)
    };
    until(world, |world| open(world).is_some());
    let name = open(world).unwrap();
    let verdict = json!({"status": {"phase": phase, "message": "so it is"}});
    world.patch(Kind::AnalysisRun, &name, &verdict, false);
}

pub fn healthy(world: &mut World) {
    until(world, |world| {
        let status = world.rollout().status;
        status.phase == "Healthy" && status.stable_rs == status.current_pod_hash
    });
}

fn steps() -> Value {
    json!([{"setWeight": 25}, {"pause": {"duration": "10s"}}, {"analysis": {"templates": [{"templateName": "errors"}]}},
        {"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {"duration": 5}}])
}

fn good_release(world: &mut World) {
    release(world, "v2");
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn two_good_releases(world: &mut World) {
    good_release(world);
    release(world, "v3");
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn failed_analysis_and_a_better_release(world: &mut World) {
    release(world, "v2");
    judge(world, "Failed");
    until(world, |world| world.rollout().status.abort);
    world.run(TimeDelta::seconds(60), TimeDelta::hours(1), |_| false);
    release(world, "v3");
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn inconclusive_and_resumed(world: &mut World) {
    release(world, "v2");
    judge(world, "Inconclusive");
    promote(world, 2);
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn aborted_and_retried_by_hand(world: &mut World) {
    release(world, "v2");
    judge(world, "Successful");
    until(world, |world| paused_at(world, 4));
    change(world, json!({"status": {"abort": true}}));
    until(world, |world| world.rollout().status.phase == "Degraded");
    world.run(TimeDelta::seconds(60), TimeDelta::hours(1), |_| false);
    change(world, json!({"status": {"abort": false}}));
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn promoted_in_full(world: &mut World) {
    release(world, "v2");
    until(world, |world| paused_at(world, 1));
    change(world, json!({"status": {"promoteFull": true}}));
    healthy(world);
}

fn rolled_back_in_mid_canary(world: &mut World) {
    release(world, "v2");
    judge(world, "Successful");
    until(world, |world| paused_at(world, 4));
    release(world, "v1");
    healthy(world);
}

fn replaced_in_mid_canary(world: &mut World) {
    release(world, "v2");
    judge(world, "Successful");
    until(world, |world| paused_at(world, 4));
    release(world, "v3");
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

fn resized_in_mid_canary(world: &mut World) {
    release(world, "v2");
    until(world, |world| paused_at(world, 1));
    change(world, json!({"spec": {"replicas": 7}}));
    judge(world, "Successful");
    promote(world, 4);
    healthy(world);
}

const STORIES: [(&str, Story); 9] = [
    ("good", good_release),
    ("two good", two_good_releases),
    ("failed analysis", failed_analysis_and_a_better_release),
    ("inconclusive", inconclusive_and_resumed),
    ("aborted and retried", aborted_and_retried_by_hand),
    ("promoted in full", promoted_in_full),
    ("rolled back", rolled_back_in_mid_canary),
    ("replaced", replaced_in_mid_canary),
    ("resized", resized_in_mid_canary),
];

/// All stories at once: each has a world of its own. What a story has in common with an earlier one is lived there.
fn check_all(manifest: &Value) {
    check_stories(manifest, &STORIES, None);
}

/// Like [`check_all`] with other stories, and a law that must hold after every write.
pub fn check_stories(manifest: &Value, stories: &[(&'static str, Story)], law: Option<Law>) {
    check_built(&|| furnished(manifest, law), stories);
}

/// The same of a world that somebody else furnishes.
pub fn check_built(build: &(dyn Fn() -> World + Sync), stories: &[(&'static str, Story)]) {
    let undisturbed = stories.iter();
    let lives: Vec<_> = undisturbed
        .map(|(_, story)| live(build, *story, None).0.writes)
        .collect();
    let common = |one: &[Action], other: &[Action]| {
        let same = |(one, other): &(&Action, &Action)| {
            (one.verb, one.kind, &one.key) == (other.verb, other.kind, &other.key)
        };
        one.iter().zip(other).take_while(same).count()
    };
    let known = |at: usize| {
        lives[..at]
            .iter()
            .map(|earlier| common(earlier, &lives[at]))
            .max()
    };
    std::thread::scope(|scope| {
        let stories = stories.iter().enumerate();
        let start = |(at, (name, story)): (usize, &(&'static str, Story))| {
            let (known, story) = (known(at).unwrap_or(0), *story);
            (*name, scope.spawn(move || check(build, story, known)))
        };
        for (name, thread) in stories.map(start).collect::<Vec<_>>() {
            assert!(thread.join().is_ok(), "the story of {name}");
        }
    });
}

#[test]
fn a_crash_after_any_write_of_a_routed_canary_changes_nothing_in_the_end() {
    check_all(&routed(steps()));
}

#[test]
fn a_crash_after_any_write_of_a_canary_without_router_changes_nothing_in_the_end() {
    check_all(&basic(steps()));
}

/// The mark of a promotion lasts only until the next status: a size that has to be put right must not cost it.
#[test]
fn a_promotion_is_not_lost_when_sizes_change_in_the_same_moment() {
    let drift = |world: &mut World| {
        release(world, "v2");
        judge(world, "Successful");
        until(world, |world| paused_at(world, 4));
        let canary = world.hash_of("v2").unwrap();
        let more = json!({"spec": {"replicas": 3}});
        world.patch(Kind::ReplicaSet, &format!("web-{canary}"), &more, false);
        change(world, json!({"status": {"pauseConditions": null}}));
        until(world, |world| {
            !paused_at(world, 4) || !world.rollout().status.controller_pause
        });
        healthy(world);
    };
    live(&|| furnished(&routed(steps()), None), drift, None);
}

/// Resuming is a person's word about that analysis, and about no pause that comes later.
#[test]
fn an_inconclusive_analysis_does_not_end_a_pause_for_a_person() {
    let mut manifest = routed(json!([{"setWeight": 25}, {"pause": {}}]));
    manifest["spec"]["strategy"]["canary"]["analysis"] = json!({"templates": [{"templateName": "errors"}]});
    let story = |world: &mut World| {
        release(world, "v2");
        let known = |world: &World| {
            let known = world
                .rollout()
                .status
                .canary
                .current_background_analysis_run_status;
            known.map(|run| run.name)
        };
        until(world, |world| known(world).is_some());
        let name = known(world).unwrap();
        let verdict = json!({"status": {"phase": "Inconclusive"}});
        world.patch(Kind::AnalysisRun, &name, &verdict, false);
        until(world, |world| !world.rollout().status.pause_conditions.is_empty());
        world.run(TimeDelta::seconds(60), TimeDelta::hours(1), |_| false);
        let status = world.rollout().status;
        assert_eq!(status.phase, "Paused");
        assert!(status.current_step_index.unwrap() < 2, "{status:#?}");
    };
    live(&|| furnished(&manifest, None), story, None);
}
