//! Requests of users, as arithmetic: loads enter by routes or Services, flow by weight to ready pods, and are answered as each
//! version answers. Knows the objects that carry requests and nothing of Rollouts; has no clock but the times it is given.

pub mod answers;
pub mod counter;
mod flow;
mod ingress;
mod known;
pub mod ledger;
mod mesh;
pub mod profile;
pub mod rate;
pub mod split;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use self::answers::Override;
use self::counter::Counter;
use self::flow::Plan;
use self::known::{Effect, Known};
use self::rate::Rate;
use super::record::Served;
use crate::cluster::store::{Change, Store};

/// Where a load enters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// An `HTTPRoute`: by its weights.
    Route(String),
    /// An Ingress, and the canary Ingress beside it or the actions in its annotations.
    Ingress(String),
    /// A VirtualService: by its weights, by host or by subset.
    VirtualService(String),
    /// A Service: evenly over its ready endpoints, as without any router.
    Service(String),
}

impl Entry {
    /// As people name it: `HTTPRoute shop`.
    pub fn told(&self) -> String {
        let kind = match self {
            Self::Route(_) => "HTTPRoute",
            Self::Ingress(_) => "Ingress",
            Self::VirtualService(_) => "VirtualService",
            Self::Service(_) => "Service",
        };
        format!("{kind} {}", self.name())
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Route(name) | Self::Ingress(name) | Self::VirtualService(name) | Self::Service(name) => {
                name
            }
        }
    }
}

/// A stream of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub namespace: String,
    pub entry: Entry,
    pub rate: Rate,
}

/// All traffic of a cluster. It flows by the routes and endpoints as they were known while the time passed: between two calls of
/// [`Traffic::advance`] nothing changes but what [`Traffic::note`] tells.
#[derive(Clone, Debug)]
pub struct Traffic {
    at: DateTime<Utc>,
    known: Known,
    /// The version of the store that is known, if any is.
    version: Option<u64>,
    loads: BTreeMap<u64, Load>,
    loads_ever: u64,
    overrides: Vec<Override>,
    counters: BTreeMap<u64, Counter>,
    counters_ever: u64,
    by_pod: BTreeMap<(String, String, String), u64>,
    refused: BTreeMap<(String, String), f64>,
    plan: Option<Plan>,
}

impl Traffic {
    /// Without any load. Nothing flows before `at`.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self {
            at,
            known: Known::default(),
            version: None,
            loads: BTreeMap::new(),
            loads_ever: 0,
            overrides: Vec::new(),
            counters: BTreeMap::new(),
            counters_ever: 0,
            by_pod: BTreeMap::new(),
            refused: BTreeMap::new(),
            plan: None,
        }
    }

    /// Until when requests have flowed.
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Adds a stream of requests from now on; the answer names it. Now is the time of the last [`Traffic::advance`], here and in
    /// the other calls that change what flows.
    pub fn add(&mut self, load: Load) -> u64 {
        self.loads_ever += 1;
        self.loads.insert(self.loads_ever, load);
        self.plan = None;
        self.loads_ever
    }

    pub fn remove(&mut self, load: u64) {
        self.loads.remove(&load);
        self.plan = None;
    }

    pub fn set_rate(&mut self, load: u64, rate: Rate) {
        if let Some(load) = self.loads.get_mut(&load) {
            load.rate = rate;
        }
    }

    pub fn loads(&self) -> impl Iterator<Item = (u64, &Load)> {
        self.loads.iter().map(|(id, load)| (*id, load))
    }

    /// Answers that differ from what the image tags say. A later one wins over the earlier ones.
    pub fn answer(&mut self, answers: Override) {
        self.overrides.push(answers);
        self.plan = None;
    }

    /// Lets everyone answer by image tag again.
    pub fn answer_by_tag(&mut self) {
        self.overrides.clear();
        self.plan = None;
    }

    /// Whether a change can make requests flow otherwise than before.
    pub fn concerns(change: &Change) -> bool {
        Known::concerns(change)
    }

    /// Takes in a change that was made at the time of the last [`Traffic::advance`], so that what flows from there on flows by it.
    /// Changes that are not noted are found at the end of the next [`Traffic::advance`].
    pub fn note(&mut self, change: &Change) {
        if self.version.is_some_and(|version| change.version <= version) {
            return;
        }
        // With a gap the others are found, and this one again, in their order.
        if self.version.is_some_and(|version| change.version == version + 1) {
            self.version = Some(change.version);
        }
        self.take(change);
    }

    fn take(&mut self, change: &Change) {
        if !Known::concerns(change) {
            return;
        }
        let effect = self.known.apply(&change.key, change.after.as_ref(), self.at);
        let (namespace, pod) = (&change.key.namespace, &change.key.name);
        match effect {
            Effect::None => return,
            Effect::Flows => {}
            Effect::Restarted => {
                for counter in self.counters.values_mut() {
                    if counter.namespace == *namespace && counter.pod == *pod {
                        counter.restart();
                    }
                }
            }
            Effect::Gone => {
                self.counters
                    .retain(|_, counter| counter.namespace != *namespace || counter.pod != *pod);
                self.by_pod
                    .retain(|(of, _, name), _| of != namespace || name != pod);
            }
        }
        self.plan = None;
    }

    /// Reads the whole store again, for one that has been put back to an older state.
    pub fn forget(&mut self) {
        self.version = None;
    }

    /// Lets requests flow until `to`, by what was known, and then looks at the store: what it says holds from `to` on. So call it
    /// at each time at which something changed, after the change; or before, and then [`Traffic::note`] the change.
    ///
    /// The answer has one entry for each load and pod, and for each Service that could not take its share. Requests that nobody
    /// took, and those sent to a pod that is gone, are errors.
    pub fn advance(&mut self, store: &Store, to: DateTime<Utc>) -> Vec<Served> {
        if self.version.is_none() {
            self.learn(store);
        }
        let served = if to > self.at { self.flow(to) } else { Vec::new() };
        self.learn(store);
        served
    }

    fn learn(&mut self, store: &Store) {
        let Some(version) = self.version.filter(|version| *version <= store.version()) else {
            return self.learn_all(store);
        };
        if version == store.version() {
            return;
        }
        let Some(changes) = store.since(version) else {
            return self.learn_all(store);
        };
        for change in changes {
            self.take(change);
        }
        self.version = Some(store.version());
    }

    fn learn_all(&mut self, store: &Store) {
        self.known = Known::of(store, self.at);
        self.version = Some(store.version());
        let known = &self.known;
        self.counters
            .retain(|_, counter| known.pod(&counter.namespace, &counter.pod).is_some());
        self.by_pod
            .retain(|(namespace, _, pod), _| known.pod(namespace, pod).is_some());
        self.plan = None;
    }

    /// What the pods have counted, in the order in which they took their first requests.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.counters.values()
    }

    /// Requests that nobody took, by namespace and Service.
    pub fn refused(&self) -> &BTreeMap<(String, String), f64> {
        &self.refused
    }
}
