//! What a Rollout needs beside itself, and where users enter: finds it among the objects, or makes it and says so.

use crate::api::rollout::Rollout;
use crate::api::strategy::CanaryStrategy;
use crate::route::gateway_api;
use crate::simulate::manifests::label;
use crate::simulate::rehearsal::given::Set;
use crate::simulate::rehearsal::routers;
use crate::simulate::traffic::Entry;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `simulated`, as Secrets keep it.
const SIMULATED: &str = "c2ltdWxhdGVk";

/// The namespace of an object that may name none.
pub fn namespace(named: &str) -> &str {
    match named {
        "" => "default",
        named => named,
    }
}

pub(super) fn has(objects: &[Value], kind: &str, in_namespace: &str, name: &str) -> bool {
    objects.iter().any(|object| {
        let meta = &object["metadata"];
        object["kind"] == kind
            && meta["name"] == name
            && namespace(meta["namespace"].as_str().unwrap_or_default()) == in_namespace
    })
}

/// Adds what is missing, each with a note.
pub fn complete(set: &mut Set, rollout: &Rollout) {
    let here = namespace(&rollout.metadata.namespace);
    let mut added = Vec::new();
    if let Some(canary) = &rollout.spec.strategy.canary {
        for name in [&canary.stable_service, &canary.canary_service] {
            if !name.is_empty() && !has(&set.objects, "Service", here, name) {
                added.push(service(rollout, here, name));
            }
        }
        added.extend(routes(&set.objects, here, canary));
    }
    let (services, made) = routers::missing(&set.objects, rollout);
    added.extend(made);
    let services = services.iter().map(String::as_str).chain(switched(rollout));
    for name in services {
        let known = has(&set.objects, "Service", here, name) || has(&added, "Service", here, name);
        if !name.is_empty() && !known {
            added.push(service(rollout, here, name));
        }
    }
    if let (Entry::Service(name), _) = entry(rollout, &set.objects)
        && !has(&set.objects, "Service", here, &name)
    {
        added.push(service(rollout, here, &name));
    }
    added.extend(secrets(&set.objects));
    for object in added {
        set.notes.push(format!(
            "added: {}: the Rollout needs it, and it is not among the manifests",
            label(&object)
        ));
        set.objects.push(object);
    }
    let named = |object: &Value| object["metadata"]["namespace"].as_str().map(str::to_owned);
    let spaces: BTreeSet<String> = set.objects.iter().filter_map(named).collect();
    for space in spaces
        .iter()
        .filter(|name| *name != "default" && *name != "kube-system")
    {
        let exists = set
            .objects
            .iter()
            .any(|object| object["kind"] == "Namespace" && object["metadata"]["name"] == *space);
        if !exists {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
            set.objects.insert(0, object);
        }
    }
    // The Rollout comes last, so that everything it names is there before it.
    set.objects.sort_by_key(|object| object["kind"] == "Rollout");
}

/// The active and the preview Service.
fn switched(rollout: &Rollout) -> impl Iterator<Item = &str> {
    let strategy = rollout.spec.strategy.blue_green.iter();
    strategy.flat_map(|strategy| {
        let preview = strategy.preview_service.as_deref().unwrap_or_default();
        [strategy.active_service.as_str(), preview]
    })
}

fn service(rollout: &Rollout, namespace: &str, name: &str) -> Value {
    let labels = rollout
        .spec
        .selector
        .as_ref()
        .map(|selector| json!(selector.match_labels));
    let template = rollout.spec.template.as_ref().unwrap_or(&Value::Null);
    let port = &template["spec"]["containers"][0]["ports"][0]["containerPort"];
    let port = port.as_i64().unwrap_or(80);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": port}]}})
}

/// The HTTPRoutes that the Rollout drives and nobody gave.
fn routes(objects: &[Value], here: &str, canary: &CanaryStrategy) -> Vec<Value> {
    let config = canary.traffic_routing.as_ref().and_then(gateway_api::config);
    let Some(Ok(config)) = config else {
        return Vec::new();
    };
    let missing = gateway_api::routes(&config, here);
    let missing = missing
        .iter()
        .filter(|key| !has(objects, "HTTPRoute", &key.namespace, &key.name));
    missing
        .map(|key| {
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": key.name, "namespace": key.namespace},
                "spec": {"rules": [{"backendRefs": [
                    {"name": canary.stable_service, "port": 80, "weight": 100},
                    {"name": canary.canary_service, "port": 80, "weight": 0}]}]}})
        })
        .collect()
}

/// Secrets that templates take arguments from: with a value that stands for any.
fn secrets(objects: &[Value]) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    for template in objects
        .iter()
        .filter(|object| object["kind"] == "AnalysisTemplate")
    {
        let space = namespace(template["metadata"]["namespace"].as_str().unwrap_or_default());
        for arg in template["spec"]["args"].as_array().into_iter().flatten() {
            let from = &arg["valueFrom"]["secretKeyRef"];
            let (Some(name), Some(key)) = (from["name"].as_str(), from["key"].as_str()) else {
                continue;
            };
            if has(objects, "Secret", space, name) {
                continue;
            }
            match made
                .iter_mut()
                .find(|one| one["metadata"]["name"] == name && one["metadata"]["namespace"] == space)
            {
                Some(secret) => secret["data"][key] = SIMULATED.into(),
                None => made.push(json!({"apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": name, "namespace": space}, "data": {key: SIMULATED}})),
            }
        }
    }
    made
}

/// Where users enter, with its namespace: by the first route, VirtualService or Ingress that the Rollout drives, or by its active Service; else by the Service that selects its pods and is
/// neither the stable nor the canary one; else by a Service of the Rollout's name.
pub fn entry(rollout: &Rollout, objects: &[Value]) -> (Entry, String) {
    let space = namespace(&rollout.metadata.namespace);
    let canary = rollout.spec.strategy.canary.as_ref();
    let config = canary
        .and_then(|canary| canary.traffic_routing.as_ref())
        .and_then(gateway_api::config);
    if let Some(Ok(config)) = config
        && let Some(key) = gateway_api::routes(&config, space).into_iter().next()
    {
        return (Entry::Route(key.name), key.namespace);
    }
    if let Some(by_router) = routers::entry(rollout) {
        return by_router;
    }
    if let Some(active) = switched(rollout).next() {
        return (Entry::Service(active.to_owned()), space.to_owned());
    }
    let labels = rollout
        .spec
        .template
        .as_ref()
        .map(|template| template["metadata"]["labels"].clone());
    let labels = labels.unwrap_or_default();
    let roles = canary.map(|canary| [canary.stable_service.as_str(), canary.canary_service.as_str()]);
    let selects = |object: &&Value| {
        let selector = object["spec"]["selector"].as_object();
        let ours = selector.is_some_and(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        });
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let here = namespace(object["metadata"]["namespace"].as_str().unwrap_or_default()) == space;
        object["kind"] == "Service" && here && ours && !roles.is_some_and(|roles| roles.contains(&name))
    };
    let found = objects
        .iter()
        .find(selects)
        .and_then(|object| object["metadata"]["name"].as_str());
    let name = found.unwrap_or(&rollout.metadata.name);
    (Entry::Service(name.to_owned()), space.to_owned())
}
