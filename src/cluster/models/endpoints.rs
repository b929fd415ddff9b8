//! The EndpointSlice controller: one slice per Service, with every pod that it selects and whether it may be sent
//! requests. Absent: more than one slice per Service, other families of addresses, topology hints, Services without
//! a selector.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Models, Task, ids, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Whether the change of a pod can change an endpoint.
pub fn concerned(before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return true;
    };
    let ready = |pod| reading::ready_since(pod).is_some();
    before["metadata"]["labels"] != after["metadata"]["labels"]
        || before["status"]["podIP"] != after["status"]["podIP"]
        || before["spec"]["nodeName"] != after["spec"]["nodeName"]
        || ready(before) != ready(after)
        || reading::deleting(before) != reading::deleting(after)
        || reading::ended(before) != reading::ended(after)
        || reading::uid(before) != reading::uid(after)
}

impl Models {
    pub(super) fn later_endpoints(&mut self, service: Key, now: DateTime<Utc>) {
        let slower = self.switches.endpoint_slices_slower_by;
        self.later(
            Task::Endpoints(service),
            self.settings.endpoint_slices,
            now + slower,
        );
    }

    /// A Service changed, or a slice of one was deleted.
    pub(super) fn enqueue_service(
        &mut self,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
        now: DateTime<Utc>,
    ) {
        if key.resource == *ids::services() {
            self.later_endpoints(key.clone(), now);
        } else if after.is_none()
            && let Some(name) = before.and_then(|slice| slice["metadata"]["labels"][SERVICE_NAME].as_str())
        {
            self.later_endpoints(Key::new(ids::services(), &key.namespace, name), now);
        }
    }

    pub(super) fn sync_endpoints(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        if self.switches.endpoint_slices_paused {
            return;
        }
        let Some(service) = world.store.get(key).cloned() else {
            return;
        };
        let selects = service["spec"]["selector"]
            .as_object()
            .is_some_and(|selector| !selector.is_empty());
        if !selects || service["spec"]["type"] == "ExternalName" || reading::deleting(&service) {
            return;
        }
        let pods: Vec<&Value> = self
            .index
            .selected(key)
            .filter_map(|pod| Some(&**world.store.get(pod)?))
            .collect();
        let early = service["spec"]["publishNotReadyAddresses"] == true;
        let endpoints: Vec<Value> = pods.iter().filter_map(|pod| endpoint(pod, early)).collect();
        let ports = ports(&service, pods.first().copied());
        let slice = self.slice_of(world, key, reading::uid(&service));
        let Some(slice) = slice else {
            self.make_slice(world, key, &service, endpoints.into(), ports, now);
            return;
        };
        let Some(known) = world.store.get(&slice) else {
            return;
        };
        let endpoints = Value::from(endpoints);
        if known["endpoints"] == endpoints && known["ports"] == ports {
            return;
        }
        let mut new = Value::clone(known);
        new["endpoints"] = endpoints;
        new["ports"] = ports;
        new["metadata"]["annotations"][TRIGGER_TIME] = reading::stamp(now);
        writes::replace(world, &slice, new);
    }

    /// The slice of a Service that this controller made.
    fn slice_of(&self, world: &World, service: &Key, uid: &str) -> Option<Key> {
        let children = self.index.children(uid);
        let mut slices = children.filter(|key| key.resource == *ids::endpoint_slices());
        let ours = |key: &&Key| {
            let slice = world.store.get(key);
            slice.is_some_and(|slice| {
                let labels = &slice["metadata"]["labels"];
                labels[SERVICE_NAME] == service.name.as_str()
                    && labels[MANAGED_BY] == CONTROLLER
                    && !reading::deleting(slice)
            })
        };
        slices.find(ours).cloned()
    }

    fn make_slice(
        &mut self,
        world: &mut World,
        key: &Key,
        service: &Value,
        endpoints: Value,
        ports: Value,
        now: DateTime<Utc>,
    ) {
        let Some(resource) = world.catalog.by_id(ids::endpoint_slices()).cloned() else {
            return;
        };
        let owner = json!({
            "apiVersion": "v1", "kind": "Service", "name": key.name, "uid": reading::uid(service),
            "controller": true, "blockOwnerDeletion": true,
        });
        let mut labels = service["metadata"]["labels"].clone();
        labels[SERVICE_NAME] = key.name.as_str().into();
        labels[MANAGED_BY] = CONTROLLER.into();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "generateName": format!("{}-", key.name), "labels": labels, "ownerReferences": [owner],
                "annotations": {TRIGGER_TIME: reading::stamp(now)},
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        if writes::create(world, &resource, &key.namespace, slice).is_err() {
            let wait = self.after_refusal(key);
            self.agenda.add(Task::Endpoints(key.clone()), now + wait);
        }
    }
}

/// A pod as an endpoint; none as long as it has no address, or has none any more.
fn endpoint(pod: &Value, early: bool) -> Option<Value> {
    let address = pod["status"]["podIP"].as_str()?;
    if reading::ended(pod) {
        return None;
    }
    let (serving, terminating) = (
        early || reading::ready_since(pod).is_some(),
        reading::deleting(pod),
    );
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {"ready": early || (serving && !terminating), "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        },
    });
    if let Some(node) = pod["spec"]["nodeName"].as_str() {
        endpoint["nodeName"] = node.into();
    }
    Some(endpoint)
}

/// The ports of a Service as its pods serve them; names are looked up in the first pod.
fn ports(service: &Value, pod: Option<&Value>) -> Value {
    let named = |name: &str| {
        let containers = pod.map_or(&[][..], |pod| reading::list(&pod["spec"]["containers"]));
        let mut ports = containers.iter().flat_map(|one| reading::list(&one["ports"]));
        ports.find(|port| port["name"] == name)?["containerPort"].as_i64()
    };
    let port = |port: &Value| {
        let target = &port["targetPort"];
        let number = target.as_i64().or_else(|| named(target.as_str()?))?;
        let name = port["name"].as_str().unwrap_or_default();
        let mut out =
            json!({"name": name, "port": number, "protocol": port["protocol"].as_str().unwrap_or("TCP")});
        if let Some(protocol) = port["appProtocol"].as_str() {
            out["appProtocol"] = protocol.into();
        }
        Some(out)
    };
    reading::list(&service["spec"]["ports"])
        .iter()
        .filter_map(port)
        .collect()
}
