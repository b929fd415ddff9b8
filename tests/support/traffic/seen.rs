//! What the traffic model knows of the cluster: routes, `EndpointSlices` and pods, followed by plain watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::task::JoinSet;

use super::super::pods::model::image_tag;
use super::ledger::{Became, Key, Ledger};
use super::split::{Rules, ready_pods, rules, service_of};
use super::{Flow, lock};

/// After a failed watch: the CRD may not be there yet, or the API server is away.
const RETRY: Duration = Duration::from_millis(300);

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Route,
    Slice,
    Pod,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Route => ApiResource::from_gvk(&GroupVersionKind::gvk(
                "gateway.networking.k8s.io",
                "v1",
                "HTTPRoute",
            )),
            Self::Slice => ApiResource::erase::<EndpointSlice>(&()),
            Self::Pod => ApiResource::erase::<Pod>(&()),
        }
    }
}

/// A pod as far as traffic is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSeen {
    pub rollouts_hash: String,
    pub deployment_hash: String,
    pub tag: String,
}

/// The newest state of each object, and the history of those that matter for safety.
#[derive(Debug, Default)]
pub struct Seen {
    routes: BTreeMap<Key, Rules>,
    slices: BTreeMap<Key, (String, Vec<String>)>,
    pods: BTreeMap<Key, PodSeen>,
    pub(super) ledger: Ledger,
}

/// Follows all three kinds into `flow`.
pub fn follow(tasks: &mut JoinSet<()>, client: &Client, flow: &Arc<Mutex<Flow>>) {
    for kind in [Kind::Route, Kind::Slice, Kind::Pod] {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
        tasks.spawn(follow_one(kind, api, flow.clone()));
    }
}

async fn follow_one(kind: Kind, api: Api<DynamicObject>, flow: Arc<Mutex<Flow>>) {
    let mut stream = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    let mut listed = BTreeSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(key(&object));
                lock(&flow).seen.apply(kind, &object);
            }
            Ok(Event::Apply(object)) => lock(&flow).seen.apply(kind, &object),
            Ok(Event::InitDone) => lock(&flow).seen.keep_only(kind, &listed),
            Ok(Event::Delete(object)) => {
                let mut flow = lock(&flow);
                flow.seen.delete(kind, &object);
                if kind == Kind::Pod {
                    // A pod that is gone reports nothing any more.
                    let (namespace, name) = key(&object);
                    flow.served
                        .retain(|(in_namespace, _, pod), _| (in_namespace, pod) != (&namespace, &name));
                }
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// The revision that the cluster is at.
pub async fn present_revision(client: &Client, namespace: &str) -> Result<u64> {
    let list = list(client, namespace, Kind::Slice).await?;
    list.metadata
        .resource_version
        .unwrap_or_default()
        .parse()
        .context("resource versions are not numbers")
}

/// The present routes and slices of a namespace, read from etcd and not from a watch.
pub async fn list_present(client: &Client, namespace: &str) -> Result<Vec<(Kind, DynamicObject)>> {
    let mut all = Vec::new();
    for kind in [Kind::Route, Kind::Slice] {
        match list(client, namespace, kind).await {
            Ok(list) => all.extend(list.items.into_iter().map(|object| (kind, object))),
            // Without the CRD there are no routes.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(all)
}

async fn list(
    client: &Client,
    namespace: &str,
    kind: Kind,
) -> kube::Result<kube::api::ObjectList<DynamicObject>> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource());
    api.list(&ListParams::default()).await
}

fn key(object: &DynamicObject) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn revision(object: &DynamicObject) -> Option<u64> {
    object.metadata.resource_version.as_deref()?.parse().ok()
}

impl Seen {
    /// The rules of a route; none if it does not exist.
    pub fn rules(&self, namespace: &str, route: &str) -> Rules {
        self.routes
            .get(&(namespace.to_owned(), route.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// The ready pods of every Service in a namespace.
    pub fn ready(&self, namespace: &str) -> BTreeMap<String, Vec<String>> {
        let mut ready: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ((_, _), (service, pods)) in self.slices.iter().filter(|(key, _)| key.0 == namespace) {
            ready
                .entry(service.clone())
                .or_default()
                .extend(pods.iter().cloned());
        }
        ready
    }

    /// The pod-template hash of a pod, whoever made it.
    pub fn hash(&self, namespace: &str, pod: &str) -> String {
        let pod = self.pod(namespace, pod);
        if pod.rollouts_hash.is_empty() {
            pod.deployment_hash
        } else {
            pod.rollouts_hash
        }
    }

    pub fn pod(&self, namespace: &str, pod: &str) -> PodSeen {
        self.pods
            .get(&(namespace.to_owned(), pod.to_owned()))
            .cloned()
            .unwrap_or_default()
    }

    /// Takes listed objects into the history.
    pub(super) fn note_all(&mut self, objects: Vec<(Kind, DynamicObject)>) {
        for (kind, object) in objects {
            self.note(kind, &object);
        }
    }

    fn apply(&mut self, kind: Kind, object: &DynamicObject) {
        self.note(kind, object);
        let value = as_value(object);
        match kind {
            Kind::Route => drop(self.routes.insert(key(object), rules(&value))),
            Kind::Slice => {
                let service = service_of(&value).unwrap_or_default().to_owned();
                self.slices.insert(key(object), (service, ready_pods(&value)));
            }
            Kind::Pod => drop(self.pods.insert(key(object), pod_seen(&value))),
        }
    }

    fn note(&mut self, kind: Kind, object: &DynamicObject) {
        let Some(revision) = revision(object) else { return };
        let value = as_value(object);
        let became = match kind {
            Kind::Pod => return,
            Kind::Route => Became::Route(rules(&value)),
            Kind::Slice => Became::Endpoints {
                service: service_of(&value).unwrap_or_default().to_owned(),
                ready: ready_pods(&value).len(),
            },
        };
        self.ledger.note(revision, key(object), became);
    }

    fn delete(&mut self, kind: Kind, object: &DynamicObject) {
        let gone = match kind {
            Kind::Route => self.routes.remove(&key(object)).map(|_| Became::RouteGone),
            Kind::Slice => self.slices.remove(&key(object)).map(|_| Became::EndpointsGone),
            Kind::Pod => self.pods.remove(&key(object)).and(None),
        };
        if let (Some(became), Some(revision)) = (gone, revision(object)) {
            self.ledger.note(revision, key(object), became);
        }
    }

    fn keep_only(&mut self, kind: Kind, listed: &BTreeSet<Key>) {
        match kind {
            Kind::Route => self.routes.retain(|key, _| listed.contains(key)),
            Kind::Slice => self.slices.retain(|key, _| listed.contains(key)),
            Kind::Pod => self.pods.retain(|key, _| listed.contains(key)),
        }
    }
}

fn as_value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn pod_seen(pod: &Value) -> PodSeen {
    let label = |name: &str| {
        pod["metadata"]["labels"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let containers = pod["spec"]["containers"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let tags: Vec<&str> = containers
        .iter()
        .filter_map(|one| Some(image_tag(one["image"].as_str()?)))
        .collect();
    PodSeen {
        rollouts_hash: label("rollouts-pod-template-hash"),
        deployment_hash: label("pod-template-hash"),
        tag: tags.join("+"),
    }
}
