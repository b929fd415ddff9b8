//! What built-in objects must say, as far as controllers can get it wrong: names, counts, selectors, ports, and the
//! fields that never change. Everything else of the API server's validation is absent.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::catalog::Resource;
use super::failure::Cause;
use super::select::label_selector_matches;

static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static LABEL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$").ok());

fn fits(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// Rules of metadata, for all resources.
pub fn metadata(object: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        found.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if !fits(&SUBDOMAIN, name) || name.len() > 253 {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with \
            an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        found.push(Cause::invalid("metadata.name", json!(name), why));
    }
    for value in meta["labels"]
        .as_object()
        .into_iter()
        .flat_map(|labels| labels.values())
    {
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            found.push(Cause::invalid(
                "metadata.labels",
                value,
                "must be no more than 63 bytes",
            ));
        } else if !fits(&LABEL, text) {
            let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
            found.push(Cause::invalid("metadata.labels", value, why));
        }
    }
    found
}

/// Rules of metadata between an object and the one that it replaces.
pub fn metadata_change(old: &Value, new: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        let (before, after) = (&old["metadata"][field], &new["metadata"][field]);
        if before != after && !before.is_null() {
            let cause = Cause::invalid(format!("metadata.{field}"), after, "field is immutable");
            // The server checks metadata twice, and says so.
            found.extend([cause.clone(), cause]);
        }
    }
    let list = |object: &Value| {
        object["metadata"]["finalizers"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    if old["metadata"]["deletionTimestamp"].is_string() {
        let before = list(old);
        let added: Vec<String> = list(new)
            .into_iter()
            .filter(|one| !before.contains(one))
            .filter_map(|one| one.as_str().map(|one| format!("\"{one}\"")))
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            found.push(Cause::forbidden("metadata.finalizers", &why));
        }
    }
    found
}

/// Rules of built-in kinds.
pub fn builtin(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    match &*resource.id {
        "replicasets.apps" | "deployments.apps" => workload(object, old),
        "pods" => pod(object, old),
        "services" => service(object, old),
        _ => Vec::new(),
    }
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
    if selector.is_null() {
        found.push(Cause::required("spec.selector", ""));
    } else if empty("matchLabels") && empty("matchExpressions") {
        found.push(Cause::invalid(
            "spec.selector",
            selector,
            "empty selector is invalid for deployment",
        ));
    } else if !label_selector_matches(selector, labels) {
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
                "must be between 1 and 65535, inclusive",
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
