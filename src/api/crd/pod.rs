//! The schemas of pod templates and Jobs inside our kinds: Kubernetes' own types, with what Argo Rollouts' resources do to them.
//!
//! Descriptions are left out (`kubectl explain pod.spec` has them, and with them the document would be too large for `kubectl
//! apply`). Quantities and volumes stay as the user wrote them. Lists that Kubernetes merges by key do so here too.

use super::structural::{PRESERVE, each_child, schema_of};
use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value, json};

/// Lists that are maps: the property and the keys that name an element.
const LIST_KEYS: [(&str, &[&str]); 14] = [
    ("claims", &["name"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("evictionResponders", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ports", &["containerPort", "protocol"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
];

/// Objects that are replaced whole when two appliers disagree.
const ATOMIC: [&str; 9] = [
    "configMapKeyRef",
    "fieldRef",
    "fileKeyRef",
    "labelSelector",
    "namespaceSelector",
    "nodeSelector",
    "resourceFieldRef",
    "secretKeyRef",
    "selector",
];

/// What the API server fills in, by property and path from there. Kubernetes does so for pods and Argo Rollouts' definitions for
/// templates, so the pod-template hash depends on it; and a key of a list must have a value.
const DEFAULTS: [(&str, &str, &str); 3] = [
    ("ports", "/items/properties/protocol", "TCP"),
    ("imagePullSecrets", "/items/properties/name", ""),
    ("grpc", "/properties/service", ""),
];

/// The schema of a pod template, typed down to the last field.
pub(super) fn template() -> Value {
    let mut schema = schema_of::<PodTemplateSpec>();
    adapt("template", &mut schema);
    schema
}

/// The schema of a Job's spec, its pod template included.
pub(super) fn job_spec() -> Value {
    let mut schema = schema_of::<JobSpec>();
    adapt("spec", &mut schema);
    schema
}

/// Applies the rules of this file to the schema of the property `name` and everything below it.
fn adapt(name: &str, schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("description");
    match name {
        "metadata" => *object = metadata(),
        "volumes" => {
            object.insert("items".into(), json!({PRESERVE: true}));
        }
        "resources" => keep_quantities(object),
        _ => {}
    }
    merge_rules(name, object);
    each_child(object, &mut |child_name, child| adapt(child_name, child));
    fill_in(name, schema);
}

/// Labels and annotations; everything else of a template's metadata is dropped.
fn metadata() -> Map<String, Value> {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let mut object = Map::new();
    object.insert("type".into(), "object".into());
    object.insert(
        "properties".into(),
        json!({"annotations": texts, "labels": texts}),
    );
    object
}

/// Quantities come in many spellings (`0.001`, `'0.001'`, `1m`): none may be lost, and a wrong one is the pod's problem.
fn keep_quantities(resources: &mut Map<String, Value>) {
    if let Some(Value::Object(properties)) = resources.get_mut("properties") {
        for field in ["limits", "requests"] {
            properties.insert(field.into(), json!({PRESERVE: true}));
        }
    }
}

fn merge_rules(name: &str, object: &mut Map<String, Value>) {
    let keys = LIST_KEYS.iter().find(|(list, _)| *list == name);
    if let (Some((_, keys)), true) = (keys, has_type(object, "array")) {
        object.insert("x-kubernetes-list-type".into(), "map".into());
        object.insert("x-kubernetes-list-map-keys".into(), json!(keys));
    }
    if ATOMIC.contains(&name) && has_type(object, "object") {
        object.insert("x-kubernetes-map-type".into(), "atomic".into());
    }
}

fn has_type(object: &Map<String, Value>, type_: &str) -> bool {
    object.get("type").is_some_and(|found| found == type_)
}

fn fill_in(name: &str, schema: &mut Value) {
    for (_, path, default) in DEFAULTS.iter().filter(|(property, ..)| *property == name) {
        if let Some(field) = schema.pointer_mut(path) {
            field["default"] = (*default).into();
        }
    }
}
