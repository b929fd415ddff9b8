//! Rules of built-in kinds.

use serde_json::{Value, json};

use crate::cluster::catalog::Resource;
use crate::cluster::failure::Cause;
use crate::cluster::select::label_selector_matches;

const OUT_OF_RANGE: &str = "must be between 1 and 65535, inclusive";
const IMMUTABLE: &str = "field is immutable when `immutable` is set";

/// What is wrong with an object; `old` is the one that it replaces.
pub fn builtin(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match &*resource.id {
        "replicasets.apps" | "deployments.apps" => workload(object, old),
        "pods" => pod(object, old),
        "services" => service(object, old),
        "configmaps" => sealed(object, old),
        "secrets" => {
            let mut found = sealed(object, old);
            if let Some(old) = old
                && old["type"] != object["type"]
            {
                found.push(Cause::invalid("type", &object["type"], "field is immutable"));
            }
            found
        }
        "leases.coordination.k8s.io" => lease(object),
        _ => Vec::new(),
    }
}

/// What is wrong with a status that is written.
pub fn status(resource: &Resource, object: &Value) -> Vec<Cause> {
    if &*resource.id != "replicasets.apps" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let status = &object["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    for field in [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
    ] {
        if count(field) < 0 {
            let why = "must be greater than or equal to 0";
            found.push(Cause::invalid(format!("status.{field}"), count(field), why));
        }
    }
    for (field, limit, why) in [
        (
            "fullyLabeledReplicas",
            "replicas",
            "cannot be greater than status.replicas",
        ),
        (
            "readyReplicas",
            "replicas",
            "cannot be greater than status.replicas",
        ),
        (
            "availableReplicas",
            "replicas",
            "cannot be greater than status.replicas",
        ),
        (
            "availableReplicas",
            "readyReplicas",
            "cannot be greater than readyReplicas",
        ),
    ] {
        if count(field) > count(limit) {
            found.push(Cause::invalid(format!("status.{field}"), count(field), why));
        }
    }
    found
}

/// What is immutable stays so, and as it is.
fn sealed(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let Some(old) = old.filter(|old| old["immutable"] == true) else {
        return Vec::new();
    };
    let fields = ["immutable", "data", "binaryData"];
    let changed = fields.iter().filter(|field| old[**field] != object[**field]);
    changed.map(|field| Cause::forbidden(*field, IMMUTABLE)).collect()
}

fn lease(object: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    for (field, least, why) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        if let Some(number) = object["spec"][field].as_i64().filter(|&number| number < least) {
            found.push(Cause::invalid(format!("spec.{field}"), number, why));
        }
    }
    found
}

fn workload(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    let spec = &object["spec"];
    for field in ["replicas", "minReadySeconds"] {
        if spec[field].as_i64().is_some_and(|count| count < 0) {
            found.push(Cause::invalid(
                format!("spec.{field}"),
                &spec[field],
                "must be greater than or equal to 0",
            ));
        }
    }
    let selector = &spec["selector"];
    let empty = |field: &str| {
        selector[field].as_object().is_none_or(serde_json::Map::is_empty)
            && selector[field].as_array().is_none_or(Vec::is_empty)
    };
    let labels = &spec["template"]["metadata"]["labels"];
    // One that says nothing and none at all are the same to our types; the server distinguishes them by its words.
    let nothing = empty("matchLabels") && empty("matchExpressions");
    if nothing {
        found.push(Cause::required("spec.selector", ""));
    }
    if nothing || !label_selector_matches(selector, labels) {
        let shown = if labels.is_null() {
            "null".to_owned()
        } else {
            labels.to_string()
        };
        found.push(Cause::invalid(
            "spec.template.metadata.labels",
            shown,
            "`selector` does not match template `labels`",
        ));
    }
    containers(&spec["template"]["spec"], "spec.template.spec", &mut found);
    if let Some(old) = old
        && old["spec"]["selector"] != *selector
    {
        found.push(Cause::invalid("spec.selector", selector, "field is immutable"));
    }
    found
}

fn containers(spec: &Value, path: &str, found: &mut Vec<Cause>) {
    let list = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        found.push(Cause::required(format!("{path}.containers"), ""));
    }
    for (at, one) in list.iter().enumerate() {
        for field in ["name", "image"] {
            if one[field].as_str().is_none_or(str::is_empty) {
                found.push(Cause::required(format!("{path}.containers[{at}].{field}"), ""));
            }
        }
        if list[..at].iter().any(|other| other["name"] == one["name"]) {
            found.push(Cause::duplicate(
                format!("{path}.containers[{at}].name"),
                &one["name"],
            ));
        }
    }
}

fn pod(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    containers(&object["spec"], "spec", &mut found);
    let Some(old) = old else {
        return found;
    };
    let fixed = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
        ] {
            spec[field] = Value::Null;
        }
        for list in ["containers", "initContainers"] {
            for one in spec[list].as_array_mut().into_iter().flatten() {
                one["image"] = Value::Null;
            }
        }
        spec
    };
    if fixed(old) != fixed(object) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
            `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
            (allow it to be set to 1 if it was previously negative)";
        found.push(Cause::forbidden("spec", why));
    }
    found
}

fn service(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
        found.push(Cause::required("spec.ports", ""));
    }
    for (at, port) in ports.iter().enumerate() {
        if ports.len() > 1 && port["name"].as_str().is_none_or(str::is_empty) {
            found.push(Cause::required(format!("spec.ports[{at}].name"), ""));
        }
        if !port["port"]
            .as_i64()
            .is_some_and(|number| (1..=65535).contains(&number))
        {
            found.push(Cause::invalid(
                format!("spec.ports[{at}].port"),
                &port["port"],
                OUT_OF_RANGE,
            ));
        }
        let target = &port["targetPort"];
        if target
            .as_i64()
            .is_some_and(|number| !(1..=65535).contains(&number))
        {
            found.push(Cause::invalid(
                format!("spec.ports[{at}].targetPort"),
                target,
                OUT_OF_RANGE,
            ));
        }
    }
    if let Some(old) = old
        && old["spec"]["clusterIP"] != spec["clusterIP"]
        && old["spec"]["clusterIP"].as_str().is_some_and(|ip| !ip.is_empty())
        && spec["type"] != "ExternalName"
    {
        let shown = json!([spec["clusterIP"]]);
        found.push(Cause::invalid(
            "spec.clusterIPs[0]",
            shown,
            "may not change once set",
        ));
    }
    found
}
