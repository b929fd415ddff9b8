//! Decoding and encoding loses nothing: objects that Argo Rollouts wrote, and objects with every field of the schema.

use super::{schema, walk};
use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::crd::Variant;
use crate::api::experiment::Experiment;
use crate::api::rollout::Rollout;
use crate::api::strategy::{CanaryStep, CanaryStrategy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

fn again<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let decoded: T =
        serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error} in {object}"));
    serde_json::to_value(decoded).expect("plain data")
}

fn again_as(kind: &str, object: &Value) -> Value {
    match kind {
        "Rollout" => again::<Rollout>(object),
        "AnalysisTemplate" => again::<AnalysisTemplate>(object),
        "AnalysisRun" => again::<AnalysisRun>(object),
        "Experiment" => again::<Experiment>(object),
        other => panic!("no type for {other}"),
    }
}

/// What is in `before` and, but for values that mean the same as absence, not in `after`.
fn lost(path: &str, before: &Value, after: &Value, losses: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(fields), _) => {
            for (name, value) in fields {
                let empty = matches!(value, Value::Bool(false)) || *value == json!("") || *value == json!([]);
                if !(empty && after[name].is_null()) {
                    lost(&format!("{path}.{name}"), value, &after[name], losses);
                }
            }
            if !after.is_object() {
                losses.push(path.to_owned());
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                lost(&format!("{path}[{index}]"), item, other, losses);
            }
        }
        _ if before != after => losses.push(format!("{path}: {before} became {after}")),
        _ => {}
    }
}

/// One object for each combination of fields that the peer was seen to write or take.
#[test]
fn objects_of_argo_rollouts_survive() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/argo/objects.jsonl");
    let text = fs::read_to_string(path).expect("the recorded objects");
    let mut count = 0;
    for line in text.lines() {
        let mut object: Value = serde_json::from_str(line).expect("JSON");
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        object.as_object_mut().expect("an object").remove("kind");
        let mut losses = Vec::new();
        lost(&kind, &object, &again_as(&kind, &object), &mut losses);
        assert_eq!(losses, Vec::<String>::new(), "{line}");
        count += 1;
    }
    assert!(count > 90, "{count} objects");
}

#[test]
fn every_field_of_the_schema_survives() {
    let check = |kind: &str, file: &str| {
        let mut object = sample(schema(Variant::Slim, file), false);
        for envelope in ["apiVersion", "kind"] {
            object.as_object_mut().expect("an object").remove(envelope);
        }
        object["metadata"] = json!({"name": "sample"});
        assert_eq!(again_as(kind, &object), object, "{kind}");
    };
    check("Rollout", "rollout.yaml");
    check("AnalysisTemplate", "analysis-template.yaml");
    check("AnalysisRun", "analysis-run.yaml");
    check("Experiment", "experiment.yaml");
}

/// A value with everything that the schema has; texts where there is a choice of `text`.
fn sample(schema: &Value, text: bool) -> Value {
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => json!("2026-11-21T08:00:00Z"),
        (Some("string"), _) => json!("text"),
        (Some("boolean"), _) => json!(true),
        (Some("integer"), Some("int64")) => json!(4_000_000_000_i64),
        (Some("integer"), _) => json!(7),
        (Some("array"), _) => json!([sample(&schema["items"], false), sample(&schema["items"], true)]),
        (Some("object"), _) => sample_object(schema, text),
        _ if schema["x-kubernetes-int-or-string"] == true && text => json!("25%"),
        _ if schema["x-kubernetes-int-or-string"] == true => json!(25),
        _ => json!([{"any": [1, "thing"]}]),
    }
}

fn sample_object(schema: &Value, text: bool) -> Value {
    if !schema["additionalProperties"].is_null() {
        return json!({"key": sample(&schema["additionalProperties"], text)});
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == true && schema["properties"].is_null() {
        return json!({"any": {"thing": [1, {"deep": "er"}]}});
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    let fields: Map<String, Value> = properties
        .map(|(name, child)| (name.clone(), sample(child, text)))
        .collect();
    Value::Object(fields)
}

#[test]
fn the_sample_reaches_every_leaf() {
    let mut leaves = 0;
    walk("rollout", schema(Variant::Slim, "rollout.yaml"), &mut |_, _| {
        leaves += 1;
    });
    assert!(leaves > 400, "{leaves}");
}

#[test]
fn empty_objects_with_a_meaning_survive() {
    let check = |step: Value| assert_eq!(again::<CanaryStep>(&step), step);
    check(json!({"pause": {}}));
    check(json!({"setCanaryScale": {"weight": 0}}));
    check(json!({"setCanaryScale": {"replicas": 0}}));
    check(json!({"setWeight": 0}));
    check(json!({"setMirrorRoute": {"name": "m", "match": [{}]}}));
    check(json!({"setMirrorRoute": {"name": "m", "percentage": 0}}));
    check(json!({"setHeaderRoute": {"name": "h", "match": [{"headerName": "x", "headerValue": {}}]}}));
    check(
        json!({"experiment": {"templates": [{"name": "a", "specRef": "stable", "service": {}, "selector": {}}]}}),
    );
    check(json!({"analysis": {"analysisRunMetadata": {}}}));
    for affinity in ["requiredDuringSchedulingIgnoredDuringExecution", "unset"] {
        let canary = match affinity {
            "unset" => json!({"antiAffinity": {}}),
            set => json!({"antiAffinity": {set: {}}}),
        };
        assert_eq!(again::<CanaryStrategy>(&canary), canary);
    }
}

#[test]
fn observed_generations_are_text() {
    let object = json!({"status": {"observedGeneration": "12", "workloadObservedGeneration": "3"}});
    let status = &again::<Rollout>(&object)["status"];
    assert_eq!(
        (
            &status["observedGeneration"],
            &status["workloadObservedGeneration"]
        ),
        (&json!("12"), &json!("3"))
    );
    assert!(serde_json::from_value::<Rollout>(json!({"status": {"observedGeneration": 12}})).is_err());
}
