//! Who belongs to whom, kept up to date change by change, so that no model looks through everything. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{ids, reading};
use crate::cluster::store::{Key, Store};

/// A Service's selector and the pods that it selects.
#[derive(Debug, Default)]
struct Selected {
    selector: Map<String, Value>,
    pods: BTreeSet<Key>,
}

#[derive(Debug, Default)]
pub struct Index {
    /// Everything that is there, by its uid.
    uids: BTreeMap<String, Key>,
    /// Who names this uid as an owner.
    children: BTreeMap<String, BTreeSet<Key>>,
    /// Pods that nobody controls.
    free_pods: BTreeSet<Key>,
    services: BTreeMap<Key, Selected>,
    pods_on: BTreeMap<String, BTreeSet<Key>>,
    /// Pods that have not ended, by namespace.
    pods_in: BTreeMap<String, usize>,
}

impl Index {
    /// Takes in one change.
    pub fn apply(&mut self, store: &Store, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let same = |field: &str| match (before, after) {
            (Some(before), Some(after)) => before["metadata"][field] == after["metadata"][field],
            _ => false,
        };
        if !same("uid") || !same("ownerReferences") {
            self.forget_owners(key, before);
            self.learn_owners(key, after);
        }
        match &*key.resource {
            "pods" => {
                self.apply_pod(key, before, after);
                if !same("labels") {
                    self.place_pod(key, after);
                }
            }
            "services" => self.apply_service(store, key, before, after),
            _ => {}
        }
    }

    fn forget_owners(&mut self, key: &Key, before: Option<&Value>) {
        let Some(before) = before else { return };
        self.uids.remove(reading::uid(before));
        for owner in reading::owners(before) {
            let uid = owner["uid"].as_str().unwrap_or_default();
            if let Some(children) = self.children.get_mut(uid) {
                children.remove(key);
                if children.is_empty() {
                    self.children.remove(uid);
                }
            }
        }
    }

    fn learn_owners(&mut self, key: &Key, after: Option<&Value>) {
        let Some(after) = after else { return };
        self.uids.insert(reading::uid(after).to_owned(), key.clone());
        for owner in reading::owners(after) {
            let uid = owner["uid"].as_str().unwrap_or_default();
            self.children
                .entry(uid.to_owned())
                .or_default()
                .insert(key.clone());
        }
    }

    fn apply_pod(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        match after.filter(|pod| reading::controller(pod).is_none()) {
            Some(_) => drop(self.free_pods.insert(key.clone())),
            None => drop(self.free_pods.remove(key)),
        }
        let counts = |pod: Option<&Value>| pod.is_some_and(|pod| !reading::ended(pod));
        let count = self.pods_in.entry(key.namespace.clone()).or_default();
        match (counts(before), counts(after)) {
            (false, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            _ => {}
        }
        let (old, new) = (node(before).to_owned(), node(after));
        if old == new {
            return;
        }
        if let Some(pods) = self.pods_on.get_mut(&old) {
            pods.remove(key);
        }
        if !new.is_empty() {
            self.pods_on
                .entry(new.to_owned())
                .or_default()
                .insert(key.clone());
        }
    }

    /// Puts a pod among those of the Services that select it, and of no others.
    fn place_pod(&mut self, key: &Key, pod: Option<&Value>) {
        let first = Key::new(ids::services(), &key.namespace, "");
        let here = self.services.range_mut(first..);
        for (_, service) in here.take_while(|(service, _)| service.namespace == key.namespace) {
            if pod.is_some_and(|pod| selects(&service.selector, pod)) {
                service.pods.insert(key.clone());
            } else {
                service.pods.remove(key);
            }
        }
    }

    fn apply_service(&mut self, store: &Store, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        let Some(after) = after else {
            self.services.remove(key);
            return;
        };
        let selector = &after["spec"]["selector"];
        if self.services.contains_key(key) && before.is_some_and(|old| old["spec"]["selector"] == *selector) {
            return;
        }
        let selector = selector.as_object().cloned().unwrap_or_default();
        let pods = store.list(ids::pods(), Some(&key.namespace));
        let pods = pods
            .filter(|(_, pod)| selects(&selector, pod))
            .map(|(key, _)| key.clone())
            .collect();
        self.services.insert(key.clone(), Selected { selector, pods });
    }

    pub fn by_uid(&self, uid: &str) -> Option<&Key> {
        self.uids.get(uid)
    }

    /// Those who name this uid as an owner.
    pub fn children(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.children.get(uid).into_iter().flatten()
    }

    /// Pods of this namespace that nobody controls.
    pub fn free_pods<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Key> {
        let first = Key::new(ids::pods(), namespace, "");
        self.free_pods
            .range(first..)
            .take_while(move |key| key.namespace == namespace)
    }

    /// The Services that select this pod.
    pub fn services_of(&self, pod: &Key) -> Vec<Key> {
        let first = Key::new(ids::services(), &pod.namespace, "");
        let here = self
            .services
            .range(first..)
            .take_while(|(key, _)| key.namespace == pod.namespace);
        here.filter(|(_, service)| service.pods.contains(pod))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The pods that this Service selects.
    pub fn selected(&self, service: &Key) -> impl Iterator<Item = &Key> {
        self.services
            .get(service)
            .into_iter()
            .flat_map(|service| &service.pods)
    }

    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Key> {
        self.pods_on.get(node).into_iter().flatten()
    }

    pub fn count_on(&self, node: &str) -> usize {
        self.pods_on.get(node).map_or(0, BTreeSet::len)
    }

    pub fn count_in(&self, namespace: &str) -> usize {
        self.pods_in.get(namespace).copied().unwrap_or(0)
    }
}

fn node(pod: Option<&Value>) -> &str {
    pod.and_then(|pod| pod["spec"]["nodeName"].as_str())
        .unwrap_or_default()
}

/// Whether a Service with this selector selects the pod. One without any selects none.
fn selects(selector: &Map<String, Value>, pod: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}
