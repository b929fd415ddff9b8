//! The ReplicaSet controller: as many pods as wanted, of its own and of nobody else's.
//!
//! Real: adoption and release by labels, creation in batches that double and stop at the first refusal, the order in
//! which surplus pods go, the status with `minReadySeconds`, and `ReplicaFailure`. Absent: events, and a limit of
//! requests per second.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Models, Task, ids, reading, writes};
use crate::cluster::models::pods::status::set_condition;
use crate::cluster::select::label_selector_matches;
use crate::cluster::store::Key;
use crate::cluster::world::World;

/// The most pods made or deleted at once.
const BURST: usize = 500;
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

type Pod = (Key, Arc<Value>);

impl Models {
    /// A pod that nobody controls concerns every set that selects it.
    pub(super) fn enqueue_adopters(&mut self, world: &World, pod_key: &Key, pod: &Value, now: DateTime<Utc>) {
        let sets = world.store.list(ids::replica_sets(), Some(&pod_key.namespace));
        for (key, set) in sets {
            if label_selector_matches(&set["spec"]["selector"], &pod["metadata"]["labels"]) {
                self.later(Task::ReplicaSet(key.clone()), self.settings.replica_sets, now);
            }
        }
    }

    pub(super) fn sync_replica_set(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        if self.switches.replica_sets_paused {
            return;
        }
        let Some(set) = world.store.get(key).cloned() else {
            self.refusals.remove(key);
            return;
        };
        let pods = self.claim(world, key, &set);
        let (active, rest): (Vec<Pod>, Vec<Pod>) =
            pods.into_iter().partition(|(_, pod)| reading::active(pod));
        let trouble = if reading::deleting(&set) {
            None
        } else {
            self.scale_set(world, key, &set, &active, now)
        };
        match &trouble {
            Some(_) => {
                let wait = self.after_refusal(key);
                self.agenda.add(Task::ReplicaSet(key.clone()), now + wait);
            }
            None => drop(self.refusals.remove(key)),
        }
        let terminating = rest
            .iter()
            .filter(|(_, pod)| reading::deleting(pod) && !reading::ended(pod));
        let status = status(&set, &active, terminating.count(), trouble.as_deref(), now);
        self.write_status(world, key, status);
        if let Some(next) = next_available(&set, &active, now) {
            self.agenda.add(Task::ReplicaSet(key.clone()), next);
        }
    }

    /// The pods of a set: those it controls, without those that it no longer selects, with those that it adopts.
    fn claim(&mut self, world: &mut World, key: &Key, set: &Value) -> Vec<Pod> {
        let (uid, selector) = (reading::uid(set), &set["spec"]["selector"]);
        let own = self
            .index
            .children(uid)
            .filter(|child| &*child.resource == "pods");
        let free = self
            .index
            .free_pods(&key.namespace)
            .filter(|_| !reading::deleting(set));
        let candidates: Vec<Pod> = own
            .chain(free)
            .filter_map(|child| Some((child.clone(), Arc::clone(world.store.get(child)?))))
            .collect();
        let mut pods = Vec::new();
        for (pod_key, pod) in candidates {
            let controller = reading::controller(&pod);
            let selected = label_selector_matches(selector, &pod["metadata"]["labels"]);
            if controller == Some(uid) {
                if selected {
                    pods.push((pod_key, pod));
                } else if !reading::deleting(&pod) {
                    release(world, &pod_key, &pod, uid);
                }
            } else if controller.is_none() && selected && reading::active(&pod) {
                adopt(world, &pod_key, &pod, set);
                if let Some(pod) = world.store.get(&pod_key) {
                    let pod = Arc::clone(pod);
                    pods.push((pod_key, pod));
                }
            }
        }
        pods
    }

    /// Makes or deletes pods; an error in words if one could not be made.
    fn scale_set(
        &mut self,
        world: &mut World,
        key: &Key,
        set: &Value,
        active: &[Pod],
        now: DateTime<Utc>,
    ) -> Option<String> {
        let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
        if active.len() > wanted {
            let surplus = (active.len() - wanted).min(BURST);
            for (pod, _) in self
                .in_order_of_deletion(world, set, active, now)
                .into_iter()
                .take(surplus)
            {
                writes::delete(world, &pod, &Value::Null);
            }
            return None;
        }
        let mut missing = (wanted - active.len()).min(BURST);
        let mut batch = 1;
        while missing > 0 {
            let mut refused = None;
            for _ in 0..batch.min(missing) {
                let pod = pod_of(set, &set["spec"]["template"], "apps/v1", "ReplicaSet");
                if let Err(why) = self.create_pod(world, &key.namespace, pod, now) {
                    refused.get_or_insert(why);
                }
            }
            if refused.is_some() {
                return refused;
            }
            missing -= batch.min(missing);
            batch *= 2;
        }
        None
    }

    /// Creates a pod, if the quota of its namespace allows it.
    pub(super) fn create_pod(
        &mut self,
        world: &mut World,
        namespace: &str,
        mut pod: Value,
        now: DateTime<Utc>,
    ) -> Result<Key, String> {
        let used = self.index.count_in(namespace);
        if let Some(max) = self.switches.pods_max.filter(|&max| used >= max) {
            let base = pod["metadata"]["generateName"].as_str().unwrap_or_default();
            let name = world.generated_name(base);
            return Err(format!(
                "pods \"{name}\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods={used}, limited: pods={max}"
            ));
        }
        let Some(resource) = world.catalog.by_id("pods").cloned() else {
            return Err("pods are not served".to_owned());
        };
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        let key = writes::create(world, &resource, namespace, pod)?;
        self.observe(world, now);
        Ok(key)
    }

    fn in_order_of_deletion(
        &self,
        world: &World,
        set: &Value,
        active: &[Pod],
        now: DateTime<Utc>,
    ) -> Vec<Pod> {
        let crowds = self.crowds(world, set);
        let mut ranked: Vec<(Rank, &Pod)> = active
            .iter()
            .map(|one| (Rank::of(&one.1, &crowds, now), one))
            .collect();
        ranked.sort_by(|(a, _), (b, _)| a.compare(b));
        ranked.into_iter().map(|(_, one)| one.clone()).collect()
    }

    /// How many active pods of this set, and of its siblings under the same owner, each node has.
    fn crowds(&self, world: &World, set: &Value) -> BTreeMap<String, usize> {
        let own = reading::uid(set).to_owned();
        let siblings = reading::controller(set)
            .into_iter()
            .flat_map(|owner| self.index.children(owner));
        let siblings = siblings.filter(|key| &*key.resource == "replicasets.apps");
        let others = siblings
            .filter_map(|key| Some(reading::uid(world.store.get(key)?).to_owned()))
            .filter(|uid| *uid != own);
        let mut crowds = BTreeMap::new();
        for uid in others.chain([own.clone()]) {
            for pod in self.index.children(&uid).filter_map(|key| world.store.get(key)) {
                if reading::active(pod) {
                    *crowds.entry(node(pod).to_owned()).or_default() += 1;
                }
            }
        }
        crowds
    }
}

fn node(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// A pod from a template, controlled by `owner`.
pub fn pod_of(owner: &Value, template: &Value, api_version: &str, kind: &str) -> Value {
    let name = owner["metadata"]["name"].as_str().unwrap_or_default();
    let mut metadata =
        json!({"generateName": format!("{name}-"), "ownerReferences": [reference(owner, api_version, kind)]});
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

fn reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

fn adopt(world: &mut World, key: &Key, pod: &Value, set: &Value) {
    let mut pod = pod.clone();
    let mut owners = reading::owners(&pod).to_vec();
    owners.push(reference(set, "apps/v1", "ReplicaSet"));
    pod["metadata"]["ownerReferences"] = owners.into();
    writes::replace(world, key, pod);
}

fn release(world: &mut World, key: &Key, pod: &Value, uid: &str) {
    let mut pod = pod.clone();
    writes::drop_owners(&mut pod, |owner| owner == uid);
    writes::replace(world, key, pod);
}

/// What decides whether a pod goes before another.
#[derive(Debug)]
struct Rank {
    bound: bool,
    phase: u8,
    ready: bool,
    cost: i64,
    crowd: usize,
    ready_for: Option<i64>,
    restarts: i64,
    age: i64,
    uid: String,
}

impl Rank {
    fn of(pod: &Value, crowds: &BTreeMap<String, usize>, now: DateTime<Utc>) -> Self {
        let cost = pod["metadata"]["annotations"][DELETION_COST].as_str();
        let since = reading::ready_since(pod);
        let created = reading::time(&pod["metadata"]["creationTimestamp"]);
        Self {
            bound: !node(pod).is_empty(),
            phase: match pod["status"]["phase"].as_str() {
                Some("Running") => 2,
                Some("Unknown") => 1,
                _ => 0,
            },
            ready: since.is_some(),
            cost: cost.and_then(|cost| cost.parse().ok()).unwrap_or(0),
            crowd: crowds.get(node(pod)).copied().unwrap_or(0),
            ready_for: since.map(|since| magnitude(now - since)),
            restarts: reading::restarts(pod),
            age: created.map_or(-1, |created| magnitude(now - created)),
            uid: reading::uid(pod).to_owned(),
        }
    }

    /// Less means deleted earlier. Times are compared by magnitude only, so that equally old pods go in no
    /// particular order: that of their uids.
    fn compare(&self, other: &Self) -> Ordering {
        (self.bound, self.phase, self.ready, self.cost)
            .cmp(&(other.bound, other.phase, other.ready, other.cost))
            .then(other.crowd.cmp(&self.crowd))
            .then(self.ready_for.cmp(&other.ready_for))
            .then(other.restarts.cmp(&self.restarts))
            .then(self.age.cmp(&other.age))
            .then_with(|| self.uid.cmp(&other.uid))
    }
}

/// The power of two of a time in nanoseconds; -1 for none.
fn magnitude(time: TimeDelta) -> i64 {
    match time.num_nanoseconds() {
        Some(nanos) if nanos > 0 => i64::from(nanos.ilog2()),
        Some(_) => -1,
        None => i64::MAX,
    }
}

/// Since when a pod counts as available; none if it is not ready.
fn available_at(set: &Value, pod: &Value) -> Option<DateTime<Utc>> {
    let seconds = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    Some(reading::ready_since(pod)? + TimeDelta::seconds(seconds))
}

/// When the next pod will be available though nothing changes.
fn next_available(set: &Value, active: &[Pod], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let times = active.iter().filter_map(|(_, pod)| available_at(set, pod));
    times.filter(|&at| at > now).min()
}

fn status(
    set: &Value,
    active: &[Pod],
    terminating: usize,
    trouble: Option<&str>,
    now: DateTime<Utc>,
) -> Value {
    let labels = set["spec"]["template"]["metadata"]["labels"].as_object();
    let labelled = |pod: &Value| {
        let own = &pod["metadata"]["labels"];
        labels.is_none_or(|labels| labels.iter().all(|(key, value)| own.get(key) == Some(value)))
    };
    let count = |counts: &dyn Fn(&Value) -> bool| active.iter().filter(|(_, pod)| counts(pod)).count();
    let mut status = json!({"replicas": active.len(), "terminatingReplicas": terminating});
    if let Some(generation) = set["metadata"]["generation"].as_i64() {
        status["observedGeneration"] = generation.into();
    }
    // Counts of zero are left out.
    for (field, count) in [
        ("fullyLabeledReplicas", count(&labelled)),
        ("readyReplicas", count(&|pod| reading::ready_since(pod).is_some())),
        (
            "availableReplicas",
            count(&|pod| available_at(set, pod).is_some_and(|at| at <= now)),
        ),
    ] {
        if count > 0 {
            status[field] = count.into();
        }
    }
    let known = reading::condition(set, "ReplicaFailure");
    let mut others: Vec<Value> = reading::list(&set["status"]["conditions"]).to_vec();
    others.retain(|one| one["type"] != "ReplicaFailure");
    if !others.is_empty() {
        status["conditions"] = others.into();
    }
    if let Some(why) = trouble {
        let fresh = json!({
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why,
            "lastTransitionTime": reading::stamp(now),
        });
        set_condition(&mut status, known.unwrap_or(&fresh));
    }
    status
}
