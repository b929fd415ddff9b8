//! Recorded lives of rollouts under the peer, lived again: every moment must be equal.

use serde_json::{Map, Value, json};
use serin::api::phase::client_phase;
use serin::api::rollout::Rollout;
use serin::base::names::label;
use serin::base::object::Kind;
use serin::simulate::people::{Hand, id};
use serin::simulate::world::{Setup, World, run};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Lives that need what this version does not carry out yet.
const NOT_YET: [&str; 0] = [];

/// Places of conditions in their list that differ on purpose. Readers find them by type; a condition moves to the end whenever its
/// status changes, and these change more often with the peer than is worth a write:
/// - `Available`: while an old pod is gone and its new one is not there yet, mostly for a fraction of a second, the peer writes
///   False and then True. We tell a dip of availability that lasts.
/// - `Paused` of a finished rollout that is paused by hand: the peer writes `Progressing` once more before it.
const UNORDERED: [&str; 2] = ["Available", "Paused"];

/// Differences on purpose: the life, a text that the difference contains, and the reason.
const ON_PURPOSE: [(&str, &str, &str); 1] = [(
    "canary-deadline-abort",
    "has timed out progressing.",
    "an abort always says why, also in the status message",
)];

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

fn check_lives(prefix: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/argo/rollouts");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if !name.starts_with(prefix) || NOT_YET.contains(&name) {
            continue;
        }
        let life: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let outcome = std::panic::catch_unwind(|| live(&life));
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

fn live(life: &Value) -> Vec<String> {
    let mut setup = Setup::new(1);
    // The recorded world has no nodes: see `replica_sets_report`.
    setup.models = None;
    let objects = life["objects"].as_array().unwrap().iter();
    setup.objects = objects
        .map(by_prometheus)
        .chain([life["rollout"].clone()])
        .collect();
    let played = run(async {
        let world = World::begin(setup);
        tokio::spawn(replica_sets_report(world.hand.clone()));
        let mut differences = Vec::new();
        let mut moments = life["moments"].as_array().unwrap().iter();
        for action in life["do"].as_array().unwrap() {
            let (verb, argument) = action.as_object().unwrap().iter().next().unwrap();
            if !act(&world, verb, argument).await {
                continue;
            }
            let moment = moments.next().unwrap();
            let (want, got) = (expected(moment), seen(&world, life));
            let mut paths = Vec::new();
            compare("", &want, &got, &mut paths);
            let after = moment["after"].as_str().unwrap();
            differences.extend(paths.into_iter().map(|path| format!("after {after}: {path}")));
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
    if ours * 2 > theirs {
        differences.push(format!(
            "{ours} requests where the peer makes {theirs}: {:?}",
            outcome.tally.requests
        ));
    }
    differences
}

/// Every kind is listed once when the controller starts; what the peer did then was not recorded.
const STARTUP_LISTS: u64 = 10;

/// The recorded world asked a stub, at `/v/NUMBER`, over HTTP; here Prometheus gives the same number.
fn by_prometheus(object: &Value) -> Value {
    let mut object = object.clone();
    for metric in object["spec"]["metrics"].as_array_mut().into_iter().flatten() {
        let url = metric["provider"]["web"]["url"].as_str().unwrap_or_default();
        let number = url.rsplit('/').next().unwrap_or_default();
        let query = format!("vector({number})");
        metric["provider"] =
            json!({"prometheus": {"address": "http://prometheus.monitoring:9090", "query": query}});
        metric["successCondition"] = json!("result[0] == 1");
    }
    object
}

/// ReplicaSets report their pods available 250 ms after each change of size, except those of an image named `bad…`.
async fn replica_sets_report(hand: Hand) {
    let sets = id(Kind::ReplicaSet);
    let mut changed = hand.cluster.subscribe();
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        changed.catch_up();
        for set in hand.list(&sets, None) {
            let name = set["metadata"]["name"].as_str().unwrap().to_owned();
            if set["spec"]["replicas"] == set["status"]["replicas"]
                && set["metadata"]["generation"] == set["status"]["observedGeneration"]
            {
                due.remove(&name);
                continue;
            }
            let at = *due
                .entry(name.clone())
                .or_insert_with(|| Instant::now() + Duration::from_millis(250));
            if at > Instant::now() {
                continue;
            }
            let size = &set["spec"]["replicas"];
            let image = set["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap();
            let available = if image.contains(":bad") {
                json!(0)
            } else {
                size.clone()
            };
            let status = json!({"replicas": size, "fullyLabeledReplicas": size, "readyReplicas": available,
                "availableReplicas": available, "observedGeneration": set["metadata"]["generation"]});
            let namespace = set["metadata"]["namespace"].as_str().unwrap();
            hand.patch(
                "replicasets",
                (&sets, namespace, &name, "status"),
                &json!({"status": status}),
            )
            .unwrap();
        }
        let next = due
            .values()
            .min()
            .copied()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            () = sleep_until(next) => {}
        }
    }
}

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
    let change = if argument["full"] == true {
        json!({"promoteFull": true})
    } else if argument["skipAllSteps"] == true {
        json!({"currentStepIndex": steps})
    } else if argument["skipCurrentStep"] == true {
        json!({"currentStepIndex": next})
    } else if status.pause_conditions.is_empty() {
        json!({"pauseConditions": null, "currentStepIndex": next})
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
    // Runs ask somebody else here; what the Rollout says of them is compared.
    moment.as_object_mut().unwrap().remove("analysisruns");
    // The peer rewrites the whole object and so bumps the generation; only its being observed matters.
    moment["status"]["observedGeneration"] = json!("{generation}");
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
    mask(moment, life["hashes"].as_object().unwrap())
}

fn mask(value: Value, hashes: &Map<String, Value>) -> Value {
    let mut text = value.to_string();
    for (version, hash) in hashes {
        text = text.replace(hash.as_str().unwrap(), &format!("{{{version}}}"));
    }
    let times = regex::Regex::new(r#""\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ""#).unwrap();
    let text = times.replace_all(&text, "\"{time}\"");
    serde_json::from_str(&text).unwrap()
}

fn compare(path: &str, want: &Value, got: &Value, differences: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let mut names: Vec<&String> = want.keys().chain(got.keys()).collect();
            names.sort();
            names.dedup();
            let absent = Value::Null;
            for name in names {
                let (want, got) = (
                    want.get(name).unwrap_or(&absent),
                    got.get(name).unwrap_or(&absent),
                );
                compare(&format!("{path}/{name}"), want, got, differences);
            }
        }
        _ if path == "/status/conditions" && in_order(want) != in_order(got) => {
            differences.push(format!(
                "conditions:\n    want {}\n    got  {}",
                conditions(want),
                conditions(got)
            ));
        }
        _ if path == "/status/conditions" => {}
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (want, got)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path}/{index}"), want, got, differences);
            }
        }
        _ if want != got => differences.push(format!("{path}: want {want}, got {got}")),
        _ => {}
    }
}

/// The conditions in order, those of [`UNORDERED`] last.
fn in_order(list: &Value) -> Vec<Value> {
    let mut all = list.as_array().cloned().unwrap_or_default();
    all.sort_by_key(|condition| {
        let place = UNORDERED.iter().position(|name| condition["type"] == *name);
        place.map_or(0, |place| place + 1)
    });
    all
}

fn conditions(list: &Value) -> String {
    let text = |c: &Value, member: &str| c[member].as_str().unwrap_or_default().to_owned();
    let each = list.as_array().unwrap().iter();
    let each = each.map(|c| {
        format!(
            "{}={} {} ({})",
            text(c, "type"),
            text(c, "status"),
            text(c, "reason"),
            text(c, "message")
        )
    });
    each.collect::<Vec<_>>().join(" | ")
}
