//! Recorded lives of rollouts under the peer, lived again: every moment must be equal.

mod compare;
mod events;
mod left;
mod stub;
mod take_over;

use compare::{compare, mask};
use serde_json::{Value, json};
use serin::api::phase::client_phase;
use serin::api::rollout::Rollout;
use serin::base::names::label;
use serin::base::object::Kind;
use serin::simulate::people::id;
use serin::simulate::world::{Setup, World, run};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stub::{Stub, replica_sets_report, with_stub};

/// Places of conditions in their list that differ on purpose. Readers find them by type; a condition moves to the end whenever its
/// status changes, and these change more often with the peer than is worth a write:
/// - `Available`: while an old pod is gone and its new one is not there yet, mostly for a fraction of a second, the peer writes
///   False and then True. We tell a dip of availability that lasts.
/// - `Paused` of a finished rollout that is paused by hand: the peer writes `Progressing` once more before it.
const UNORDERED: [&str; 2] = ["Available", "Paused"];

/// Differences on purpose: the life, a text that the difference contains, and the reason.
const ON_PURPOSE: [(&str, &str, &str); 2] = [
    (
        "canary-deadline-abort",
        "has timed out progressing.",
        "an abort always says why, also in the status message",
    ),
    (
        "analysis-abort",
        "/analysisruns/0/status/metricResults/0/",
        "how many measurements fit into three seconds was not recorded to the millisecond",
    ),
];

/// Moments that were recorded when a delay had ended or nearly so, because the peer was not quiet before: compared once the sizes are
/// those recorded.
/// One waits for us: a Rollout that was just created may name what is created in the same moment.
const LATE: [(&str, usize); 5] = [
    ("analysis-missing-template", 0),
    ("nginx-analysis-fail", 1),
    ("nginx-abort", 3),
    ("nginx-abort-default", 3),
    ("nginx-promote", 3),
];

/// Moments that were recorded between two passes of the peer, with one of two sizes written.
const BETWEEN: [(&str, usize); 1] = [("nginx-scale-paused", 3)];

/// Lives whose delay ends while a moment is taken, when a controller has started on the one before.
const NOT_TAKEN_OVER: [&str; 1] = ["bluegreen-auto"];

fn on_purpose(life: &str, difference: &str) -> bool {
    ON_PURPOSE
        .iter()
        .any(|(name, text, _)| *name == life && difference.contains(text))
}

#[test]
fn recorded_canary_lives_have_equal_moments() {
    check_lives("canary-");
}

#[test]
fn recorded_blue_green_lives_have_equal_moments() {
    check_lives("bluegreen-");
}

#[test]
fn recorded_nginx_lives_have_equal_moments() {
    check_lives("nginx-");
}

#[test]
fn recorded_istio_lives_have_equal_moments() {
    check_lives("istio-");
}

#[test]
fn the_recorded_life_of_a_load_balancer_has_equal_moments() {
    check_lives("alb-");
}

#[test]
fn recorded_lives_with_analysis_have_equal_moments() {
    check_lives("analysis-");
}

/// Each life again, and after every moment somebody else's status is taken over by a controller that has just started.
#[test]
fn what_argo_rollouts_left_at_any_moment_is_taken_over() {
    for prefix in ["canary-", "bluegreen-", "nginx-", "istio-", "alb-", "analysis-"] {
        check(prefix, Way::TakenOver);
    }
}

/// Who lives a life.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Alone,
    /// The peer, moment by moment.
    TakenOver,
}

fn check_lives(prefix: &str) {
    check(prefix, Way::Alone);
}

fn check(prefix: &str, way: Way) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/argo/rollouts");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let left_out = way == Way::TakenOver && NOT_TAKEN_OVER.contains(&name);
        if !name.starts_with(prefix) || left_out {
            continue;
        }
        let life: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let outcome = std::panic::catch_unwind(|| live(&life, way));
        match outcome {
            Ok(differences) => {
                let unwanted = differences
                    .into_iter()
                    .filter(|difference| !on_purpose(name, difference));
                wrong.extend(unwanted.map(|difference| format!("{name}: {difference}")));
            }
            Err(_) => wrong.push(format!("{name}: panicked")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn live(life: &Value, way: Way) -> Vec<String> {
    let mut setup = Setup::new(1);
    // The recorded world has no nodes: see `replica_sets_report`.
    setup.models = None;
    let objects = life["objects"].as_array().unwrap().iter();
    setup.objects = objects.map(with_stub).chain([life["rollout"].clone()]).collect();
    setup.faults = vec![Box::new(Stub::default())];
    let played = run(async {
        let world = World::begin(setup);
        tokio::spawn(replica_sets_report(world.hand.clone()));
        let mut differences = Vec::new();
        let mut moments = life["moments"].as_array().unwrap().iter().enumerate();
        for action in life["do"].as_array().unwrap() {
            let (verb, argument) = action.as_object().unwrap().iter().next().unwrap();
            if !act(&world, verb, argument).await {
                continue;
            }
            let (index, moment) = moments.next().unwrap();
            differences.extend(at_moment(&world, life, index, moment, way).await);
        }
        (differences, world.end())
    });
    let (mut differences, outcome) = played;
    let ours: u64 = outcome
        .tally
        .requests
        .iter()
        .filter(|((verb, _), _)| verb != "Watch")
        .map(|(_, count)| count)
        .sum();
    let ours = ours - STARTUP_LISTS;
    let theirs: u64 = life["requests"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    if way == Way::Alone {
        differences.extend(left::unknown(&outcome.store));
        differences.extend(events::differences(life, &outcome.store));
    }
    if std::env::var("SERIN_LIVES").is_ok() {
        println!("{}: {ours} requests where the peer makes {theirs}", life["name"]);
    }
    // A status, an Event and a message to people are never too many.
    if way == Way::Alone && ours * 2 > theirs.max(6) {
        differences.push(format!(
            "{ours} requests where the peer makes {theirs}: {:?}",
            outcome.tally.requests
        ));
    }
    differences
}

/// What is not as recorded at a moment.
async fn at_moment(world: &World, life: &Value, index: usize, moment: &Value, way: Way) -> Vec<String> {
    let name = life["name"].as_str().unwrap();
    if BETWEEN.contains(&(name, index)) {
        return Vec::new();
    }
    let is_late = LATE.contains(&(name, index));
    if is_late {
        late(world, life, moment).await;
    }
    let mut paths = Vec::new();
    compare("", &expected(moment), &seen(world, life), &mut paths);
    let after = moment["after"].as_str().unwrap();
    let mut differences: Vec<String> = paths
        .into_iter()
        .map(|path| format!("after {after}: {path}"))
        .collect();
    if way == Way::TakenOver && !is_late {
        let wrong = take_over::hand_over(world, life, moment).await;
        differences.extend(
            wrong
                .into_iter()
                .map(|path| format!("taken over after {after}: {path}")),
        );
    }
    differences
}

/// Waits for the recorded sizes; until all is quiet, too, when it was.
async fn late(world: &World, life: &Value, moment: &Value) {
    let sizes = |sets: &Value| -> Vec<[Value; 2]> {
        let sets = sets.as_array().unwrap().iter();
        sets.map(|set| [set["replicas"].clone(), set["available"].clone()])
            .collect()
    };
    let wanted = sizes(&expected(moment)["replicaSets"]);
    let limit = Duration::from_secs(60);
    world
        .until(limit, |_| {
            let seen = seen(world, life);
            sizes(&seen["replicaSets"]) == wanted && seen["phase"] == moment["phase"]
        })
        .await;
    if wanted.iter().all(|[replicas, available]| replicas == available) {
        settle(world).await;
    }
}

/// Every kind is listed once when the controller starts; what the peer did then was not recorded.
const STARTUP_LISTS: u64 = 10;

fn place(world: &World) -> (String, String) {
    let rollouts = world.hand.list(&id(Kind::Rollout), None);
    let meta = &rollouts[0]["metadata"];
    (
        meta["namespace"].as_str().unwrap().to_owned(),
        meta["name"].as_str().unwrap().to_owned(),
    )
}

fn patch(world: &World, subresource: &str, patch: &Value) {
    let (namespace, name) = place(world);
    world
        .hand
        .patch(
            "person",
            (&id(Kind::Rollout), &namespace, &name, subresource),
            patch,
        )
        .unwrap();
}

fn object(world: &World) -> Arc<Value> {
    world.hand.list(&id(Kind::Rollout), None)[0].clone()
}

fn rollout(world: &World) -> Rollout {
    serde_json::from_value(Value::clone(&object(world))).unwrap()
}

/// Until nothing has changed for a second.
async fn settle(world: &World) {
    let version = || world.hand.cluster.world().store.version();
    let (mut last, mut quiet) = (version(), Duration::ZERO);
    while quiet < Duration::from_secs(1) {
        let part = Duration::from_millis(50);
        world.wait(part).await;
        quiet = if version() == last {
            quiet + part
        } else {
            Duration::ZERO
        };
        last = version();
    }
}

/// Does one thing of a life; returns whether a moment was recorded after it.
async fn act(world: &World, verb: &str, argument: &Value) -> bool {
    match verb {
        "set-image" => {
            let mut containers = object(world)["spec"]["template"]["spec"]["containers"].clone();
            containers[0]["image"] = json!(format!("app:{}", argument.as_str().unwrap()));
            patch(
                world,
                "",
                &json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            );
        }
        "scale" => patch(world, "", &json!({"spec": {"replicas": argument}})),
        "patch" => patch(world, "", argument),
        "abort" => patch(world, "status", &json!({"status": {"abort": true}})),
        "retry" => patch(world, "status", &json!({"status": {"abort": false}})),
        "promote" => promote(world, argument),
        "sleep" => {
            let length = serin::base::gotime::parse_duration(argument.as_str().unwrap()).unwrap();
            world.wait(length.to_std().unwrap()).await;
        }
        "settle" => {
            settle(world).await;
            return true;
        }
        "wait" => {
            world
                .until(Duration::from_secs(60), |_| reached(world, argument))
                .await;
            settle(world).await;
            return true;
        }
        other => panic!("unknown action {other}"),
    }
    false
}

fn promote(world: &World, argument: &Value) {
    let rollout = rollout(world);
    let (status, strategy) = (&rollout.status, &rollout.spec.strategy);
    let Some(canary) = &strategy.canary else {
        return patch(world, "status", &json!({"status": {"pauseConditions": null}}));
    };
    let steps = canary.steps.len();
    let next = status.current_step_index.unwrap_or(0) + 1;
    let run = status.canary.current_step_analysis_run_status.as_ref();
    let inconclusive = run.is_some_and(|run| run.status == "Inconclusive");
    let change = if argument["full"] == true {
        json!({"promoteFull": true})
    } else if argument["skipAllSteps"] == true {
        json!({"currentStepIndex": steps})
    } else if argument["skipCurrentStep"] == true {
        json!({"currentStepIndex": next})
    } else if status.pause_conditions.is_empty() {
        json!({"pauseConditions": null, "currentStepIndex": next})
    } else if inconclusive && status.controller_pause {
        json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": next})
    } else {
        json!({"pauseConditions": null})
    };
    patch(world, "status", &json!({"status": change}));
}

fn reached(world: &World, wanted: &Value) -> bool {
    let rollout = rollout(world);
    let phase = client_phase(&rollout, world.clock.now()).0;
    let phase_is = wanted["phase"].as_str().is_none_or(|wanted| wanted == phase);
    let step_is = wanted["step"]
        .as_i64()
        .is_none_or(|step| rollout.status.current_step_index == Some(step as i32));
    let stable_is = wanted["stable"].as_str().is_none_or(|tag| {
        let image = format!("app:{tag}");
        world.hand.list(&id(Kind::ReplicaSet), None).iter().any(|set| {
            set["spec"]["template"]["spec"]["containers"][0]["image"] == image.as_str()
                && set["metadata"]["labels"][label::POD_HASH] == rollout.status.stable_rs.as_str()
        })
    });
    phase_is && step_is && stable_is
}

fn expected(moment: &Value) -> Value {
    let mut moment = moment.clone();
    moment.as_object_mut().unwrap().remove("after");
    // The peer writes empty members of structures that nobody filled in.
    for run in moment["analysisruns"].as_array_mut().into_iter().flatten() {
        for metric in run["spec"]["metrics"].as_array_mut().into_iter().flatten() {
            let web = metric["provider"]["web"].as_object_mut().unwrap();
            web.remove("authentication");
        }
    }
    // The peer rewrites the whole object and so bumps the generation; only its being observed matters.
    moment["status"]["observedGeneration"] = json!("{generation}");
    if moment["replicaSets"].is_null() {
        moment["replicaSets"] = json!([]);
    }
    moment
}

fn seen(world: &World, life: &Value) -> Value {
    let (phase, message) = client_phase(&rollout(world), world.clock.now());
    let object = object(world);
    let mut sets = world.hand.list(&id(Kind::ReplicaSet), None);
    let revision = |set: &Value| {
        let text = set["metadata"]["annotations"]["rollout.argoproj.io/revision"].as_str();
        text.and_then(|text| text.parse::<i64>().ok())
    };
    sets.sort_by_key(|set| revision(set));
    let sets: Vec<Value> = sets
        .iter()
        .map(|set| {
            let template = &set["spec"]["template"];
            json!({"name": set["metadata"]["name"], "hash": set["metadata"]["labels"][label::POD_HASH],
                "replicas": set["spec"]["replicas"], "available": set["status"]["availableReplicas"].as_i64().unwrap_or(0),
                "annotations": set["metadata"]["annotations"], "templateLabels": template["metadata"]["labels"],
                "templateAnnotations": template["metadata"].get("annotations").filter(|annotations| **annotations != json!({})),
                "image": template["spec"]["containers"][0]["image"]})
        })
        .collect();
    let mut moment = json!({"phase": phase, "message": message, "specReplicas": object["spec"]["replicas"],
        "rolloutAnnotations": object["metadata"]["annotations"], "status": object["status"], "replicaSets": sets});
    // Recorded with a version of the peer that did not keep it yet.
    if let Some(status) = moment["status"].as_object_mut() {
        status.remove("duration");
    }
    if moment["status"]["observedGeneration"] == json!(object["metadata"]["generation"].to_string()) {
        moment["status"]["observedGeneration"] = json!("{generation}");
    }
    let services = world.hand.list("services", None);
    if !services.is_empty() {
        let shown = services.iter().map(|object| {
            // An API server leaves out a map that became empty.
            let annotations = &object["metadata"]["annotations"];
            let annotations = if *annotations == json!({}) { &Value::Null } else { annotations };
            json!({"name": object["metadata"]["name"], "annotations": annotations, "selector": object["spec"]["selector"]})
        });
        moment["services"] = shown.collect();
    }
    // Named as they were recorded.
    for (kind, name) in [
        (Kind::Ingress, "ingresss"),
        (Kind::VirtualService, "virtualservices"),
        (Kind::DestinationRule, "destinationrules"),
    ] {
        let objects = world.hand.list(&id(kind), None);
        let shown = objects.iter().map(|object| {
            json!({"name": object["metadata"]["name"], "annotations": object["metadata"]["annotations"], "spec": object["spec"]})
        });
        if !objects.is_empty() {
            moment[name] = shown.collect();
        }
    }
    let runs = world.hand.list(&id(Kind::AnalysisRun), None);
    if !runs.is_empty() {
        let shown = runs.iter().map(|run| {
            json!({"name": run["metadata"]["name"], "labels": run["metadata"]["labels"],
                "annotations": run["metadata"]["annotations"], "spec": run["spec"], "status": run["status"]})
        });
        moment["analysisruns"] = shown.collect();
    }
    mask(moment, life["hashes"].as_object().unwrap())
}
