//! Recorded lives of rollouts under the peer, lived again: every moment must be equal.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use serin::api::phase::client_phase;
use serin::base::object::Kind;
use std::path::Path;

/// Lives that need what this version does not carry out yet.
const NOT_YET: [&str; 1] = ["canary-metadata"];

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/argo/rollouts");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if !name.starts_with("canary-") || NOT_YET.contains(&name) {
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
    let mut world = World::new();
    for object in life["objects"].as_array().unwrap() {
        if object["kind"] == "Service" {
            world.put(Kind::Service, object.clone());
        }
    }
    world.put(Kind::Rollout, life["rollout"].clone());
    let mut moments = life["moments"].as_array().unwrap().iter();
    let mut differences = Vec::new();
    for action in life["do"].as_array().unwrap() {
        let (verb, argument) = action.as_object().unwrap().iter().next().unwrap();
        if !act(&mut world, verb, argument) {
            continue;
        }
        let moment = moments.next().unwrap();
        let (mut want, mut got) = (expected(moment), seen(&world, life));
        sort_conditions(&mut want);
        sort_conditions(&mut got);
        let mut paths = Vec::new();
        compare("", &want, &got, &mut paths);
        let after = moment["after"].as_str().unwrap();
        differences.extend(paths.into_iter().map(|path| format!("after {after}: {path}")));
    }
    differences
}

/// Does one thing of a life; returns whether a moment was recorded after it.
fn act(world: &mut World, verb: &str, argument: &Value) -> bool {
    let (second, minute) = (TimeDelta::seconds(1), TimeDelta::seconds(90));
    match verb {
        "set-image" => {
            let mut rollout = world.get(Kind::Rollout, "web").clone();
            rollout["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!(format!("app:{}", argument.as_str().unwrap()));
            world.patch(Kind::Rollout, "web", &json!({"spec": rollout["spec"]}), false);
        }
        "scale" => world.patch(
            Kind::Rollout,
            "web",
            &json!({"spec": {"replicas": argument}}),
            false,
        ),
        "patch" => world.patch(Kind::Rollout, "web", argument, false),
        "abort" => world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true),
        "retry" => world.patch(Kind::Rollout, "web", &json!({"status": {"abort": false}}), true),
        "promote" => promote(world, argument),
        "sleep" => {
            let length = serin::base::gotime::parse_duration(argument.as_str().unwrap()).unwrap();
            let until = world.now + length;
            world.run(length, minute, |world| world.now >= until);
        }
        "settle" => {
            world.run(second, minute, |_| false);
            return true;
        }
        "wait" => {
            world.run(minute, minute, |world| reached(world, argument));
            world.run(second, minute, |_| false);
            return true;
        }
        other => panic!("unknown action {other}"),
    }
    false
}

fn promote(world: &mut World, argument: &Value) {
    let rollout = world.rollout();
    let (status, steps) = (
        &rollout.status,
        rollout.spec.strategy.canary.as_ref().unwrap().steps.len(),
    );
    let next = status.current_step_index.unwrap_or(0) + 1;
    let patch = if argument["full"] == true {
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
    world.patch(Kind::Rollout, "web", &json!({"status": patch}), true);
}

fn reached(world: &World, wanted: &Value) -> bool {
    let rollout = world.rollout();
    let phase = client_phase(&rollout, world.now).0;
    let phase_is = wanted["phase"].as_str().is_none_or(|wanted| wanted == phase);
    let step_is = wanted["step"]
        .as_i64()
        .is_none_or(|step| rollout.status.current_step_index == Some(step as i32));
    let stable_is = wanted["stable"].as_str().is_none_or(|tag| {
        world
            .hash_of(tag)
            .is_some_and(|hash| hash == rollout.status.stable_rs)
    });
    phase_is && step_is && stable_is
}

fn expected(moment: &Value) -> Value {
    let mut moment = moment.clone();
    moment.as_object_mut().unwrap().remove("after");
    // The peer rewrites the whole object and so bumps the generation; only its being observed matters.
    moment["status"]["observedGeneration"] = json!("{generation}");
    moment
}

fn seen(world: &World, life: &Value) -> Value {
    let rollout = world.rollout();
    let (phase, message) = client_phase(&rollout, world.now);
    let object = world.get(Kind::Rollout, "web");
    let mut sets = world.replica_sets();
    sets.sort_by_key(|set| set.metadata.revision());
    let sets: Vec<Value> = sets
        .iter()
        .map(|set| {
            let template = set.template_json();
            json!({"name": set.name(), "hash": set.hash(), "replicas": set.replicas_desired, "available": set.available,
                "annotations": set.metadata.annotations, "templateLabels": template["metadata"]["labels"],
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
    let services: Vec<Value> = services(world);
    if !services.is_empty() {
        moment["services"] = json!(services);
    }
    mask(moment, life["hashes"].as_object().unwrap())
}

fn services(world: &World) -> Vec<Value> {
    let all = world
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::Service);
    all.map(|((_, name), object)| {
        json!({"name": name, "annotations": object["metadata"]["annotations"], "selector": object["spec"]["selector"]})
    })
    .collect()
}

/// The order of conditions depends on which intermediate counts a controller happened to see; here only their content counts.
fn sort_conditions(moment: &mut Value) {
    if let Some(list) = moment["status"]["conditions"].as_array_mut() {
        list.sort_by_key(|condition| condition["type"].as_str().unwrap().to_owned());
    }
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
        _ if path == "/status/conditions" && want != got => {
            differences.push(format!(
                "conditions:\n    want {}\n    got  {}",
                conditions(want),
                conditions(got)
            ));
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (want, got)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path}/{index}"), want, got, differences);
            }
        }
        _ if want != got => differences.push(format!("{path}: want {want}, got {got}")),
        _ => {}
    }
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
