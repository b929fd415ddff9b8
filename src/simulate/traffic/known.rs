//! What the traffic knows of the cluster: routers, endpoints and pods, read from changes of the store. Decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Entry;
use super::ingress::Ingress;
use super::mesh::{self, Labels};
use super::split::{Rules, ready_pods, rules, service_of};
use crate::cluster::store::{Change, Key, Store};

const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
const INGRESSES: &str = "ingresses.networking.k8s.io";
const VIRTUAL_SERVICES: &str = "virtualservices.networking.istio.io";
const DESTINATION_RULES: &str = "destinationrules.networking.istio.io";
const SLICES: &str = "endpointslices.discovery.k8s.io";
const PODS: &str = "pods";
const ALL: [&str; 6] = [
    ROUTES,
    INGRESSES,
    VIRTUAL_SERVICES,
    DESTINATION_RULES,
    SLICES,
    PODS,
];

/// A pod as far as traffic is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub rollouts_hash: String,
    pub deployment_hash: String,
    pub labels: Labels,
    pub tag: String,
    /// The last start of its containers.
    pub since: DateTime<Utc>,
    pub restarts: i64,
    /// It was deleted, and some endpoints may still name it.
    pub gone: bool,
}

impl Pod {
    /// The pod-template hash, whoever made the pod.
    pub fn hash(&self) -> &str {
        if self.rollouts_hash.is_empty() {
            &self.deployment_hash
        } else {
            &self.rollouts_hash
        }
    }
}

/// What a change means for the counters of the pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Flows must be planned anew.
    Flows,
    /// So, and the containers of this pod count from zero again.
    Restarted,
    /// So, and this pod reports nothing any more.
    Gone,
}

type Name = (String, String);

#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    routes: BTreeMap<Name, Rules>,
    ingresses: BTreeMap<Name, Ingress>,
    virtual_services: BTreeMap<Name, Rules>,
    /// The subsets of each DestinationRule.
    subsets: BTreeMap<Name, Vec<(String, Labels)>>,
    slices: BTreeMap<Name, (String, Vec<String>)>,
    pods: BTreeMap<Name, Pod>,
}

impl Known {
    /// Everything that is in the store now.
    pub fn of(store: &Store, now: DateTime<Utc>) -> Self {
        let mut known = Self::default();
        for resource in ALL {
            for (key, object) in store.list(&Arc::from(resource), None) {
                known.apply(key, Some(object), now);
            }
        }
        known
    }

    pub fn concerns(change: &Change) -> bool {
        ALL.contains(&&*change.key.resource)
    }

    /// Takes in what an object has become; none if it is gone.
    pub fn apply(&mut self, key: &Key, object: Option<&Arc<Value>>, now: DateTime<Utc>) -> Effect {
        let name = (key.namespace.clone(), key.name.clone());
        match &*key.resource {
            ROUTES => put(&mut self.routes, name, object.map(|object| rules(object))),
            INGRESSES => {
                let read = object.map(|object| Ingress::read(object));
                put(&mut self.ingresses, name, read)
            }
            VIRTUAL_SERVICES => {
                let read = object.map(|object| mesh::rules(object));
                put(&mut self.virtual_services, name, read)
            }
            DESTINATION_RULES => {
                let read = object.map(|object| mesh::subsets(object));
                put(&mut self.subsets, name, read)
            }
            SLICES => {
                let read = |object: &Arc<Value>| {
                    let service = service_of(object).unwrap_or_default().to_owned();
                    (service, ready_pods(object))
                };
                put(&mut self.slices, name, object.map(read))
            }
            PODS => {
                let pod = object.map(|object| read_pod(object, self.pods.get(&name), now));
                self.apply_pod(name, pod)
            }
            _ => Effect::None,
        }
    }

    fn apply_pod(&mut self, name: Name, pod: Option<Pod>) -> Effect {
        let before = self.pods.get_mut(&name);
        match (before, pod) {
            (None, None) => Effect::None,
            (Some(before), None) => {
                before.gone = true;
                Effect::Gone
            }
            (Some(before), Some(pod)) if !before.gone => {
                if *before == pod {
                    return Effect::None;
                }
                let restarted = pod.restarts > before.restarts;
                *before = pod;
                if restarted {
                    Effect::Restarted
                } else {
                    Effect::Flows
                }
            }
            (_, Some(pod)) => {
                self.pods.insert(name, pod);
                Effect::Flows
            }
        }
    }

    /// Where requests go that enter here; nowhere if there is no such route.
    pub fn rules(&self, namespace: &str, entry: &Entry) -> Rules {
        let of = |name: &String| (namespace.to_owned(), name.clone());
        let found = match entry {
            Entry::Route(name) => self.routes.get(&of(name)).cloned(),
            Entry::VirtualService(name) => self.virtual_services.get(&of(name)).cloned(),
            Entry::Ingress(name) => self.ingresses.get(&of(name)).map(|primary| {
                let others = here(&self.ingresses, namespace);
                primary.rules(others.map(|(_, ingress)| ingress))
            }),
            Entry::Service(name) => Some(Rules::from([BTreeMap::from([(name.clone(), 1)])])),
        };
        found.unwrap_or_default()
    }

    /// The ready pods of every Service and every subset in a namespace, each pod once.
    pub fn ready(&self, namespace: &str) -> BTreeMap<String, Vec<String>> {
        let mut ready: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (_, (service, pods)) in here(&self.slices, namespace) {
            let all = ready.entry(service.clone()).or_default();
            all.extend(pods.iter().cloned());
            all.sort();
            all.dedup();
        }
        for (target, labels) in here(&self.subsets, namespace).flat_map(|(_, subsets)| subsets) {
            let narrowed = |pod: &&String| {
                let pod = self.pod(namespace, pod);
                pod.is_some_and(|pod| {
                    labels
                        .iter()
                        .all(|(name, value)| pod.labels.get(name) == Some(value))
                })
            };
            let pods = ready.get(mesh::service(target));
            let pods = pods.map(|pods| pods.iter().filter(narrowed).cloned().collect());
            ready.insert(target.clone(), pods.unwrap_or_default());
        }
        ready
    }

    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.pods.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// Forgets the pods that are gone and that no endpoint names.
    pub fn forget_gone(&mut self) {
        if !self.pods.values().any(|pod| pod.gone) {
            return;
        }
        let slices = &self.slices;
        let named = |(namespace, pod): &Name| {
            slices
                .iter()
                .any(|((of, _), (_, pods))| of == namespace && pods.contains(pod))
        };
        self.pods.retain(|name, pod| !pod.gone || named(name));
    }
}

/// The objects of one namespace.
fn here<'a, T>(
    map: &'a BTreeMap<Name, T>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Name, &'a T)> + Clone {
    let from = map.range((namespace.to_owned(), String::new())..);
    from.take_while(move |((of, _), _)| of == namespace)
}

fn put<T: PartialEq>(map: &mut BTreeMap<Name, T>, name: Name, value: Option<T>) -> Effect {
    if map.get(&name) == value.as_ref() {
        return Effect::None;
    }
    match value {
        Some(value) => drop(map.insert(name, value)),
        None => drop(map.remove(&name)),
    }
    Effect::Flows
}

fn read_pod(pod: &Value, before: Option<&Pod>, now: DateTime<Utc>) -> Pod {
    let labels = &pod["metadata"]["labels"];
    let label = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
    let containers = list(&pod["spec"]["containers"]);
    let tags: Vec<&str> = containers
        .iter()
        .filter_map(|one| Some(image_tag(one["image"].as_str()?)))
        .collect();
    let statuses = list(&pod["status"]["containerStatuses"]);
    let started = statuses
        .iter()
        .filter_map(|one| time(&one["state"]["running"]["startedAt"]));
    Pod {
        rollouts_hash: label("rollouts-pod-template-hash"),
        deployment_hash: label("pod-template-hash"),
        labels: mesh::labels(labels),
        tag: tags.join("+"),
        since: started
            .max()
            .or_else(|| time(&pod["metadata"]["creationTimestamp"]))
            .or(before.map(|before| before.since))
            .unwrap_or(now),
        restarts: statuses
            .iter()
            .filter_map(|one| one["restartCount"].as_i64())
            .sum(),
        gone: false,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(time.to_utc())
}

/// The tag of an image reference; empty if it has none.
fn image_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split_once(':').map_or("", |(_, tag)| tag)
}
