//! Switches for what goes wrong in and around the cluster. They can be thrown at any time, from anywhere; the models
//! look at them whenever they do something. Nothing here does anything.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::Value;
use tokio::sync::watch;

use super::pods::Behaviour;
use super::reading;

/// Which pods a fault is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    All,
    /// Some container's image contains this.
    Image(String),
    /// A label of the pod (and so of its template) has this value.
    Label(String, String),
    /// The name of the owner that controls it, such as that of a ReplicaSet.
    Owner(String),
    /// The name of the pod.
    Name(String),
    Namespace(String),
    /// The share of these pods, from 0 to 1, chosen by their uids and the salt.
    Share(Box<Which>, f64, u64),
    /// All of these at once.
    Both(Box<Which>, Box<Which>),
}

impl Which {
    pub fn matches(&self, pod: &Value) -> bool {
        let meta = &pod["metadata"];
        match self {
            Self::All => true,
            Self::Image(part) => reading::list(&pod["spec"]["containers"]).iter().any(|one| {
                one["image"]
                    .as_str()
                    .is_some_and(|image| image.contains(part.as_str()))
            }),
            Self::Label(key, value) => meta["labels"].get(key).and_then(Value::as_str) == Some(value),
            Self::Owner(name) => reading::owners(pod)
                .iter()
                .any(|one| one["controller"] == true && one["name"] == name.as_str()),
            Self::Name(name) => meta["name"] == name.as_str(),
            Self::Namespace(name) => meta["namespace"] == name.as_str(),
            Self::Share(which, share, salt) => {
                which.matches(pod) && fraction(reading::uid(pod), *salt) < *share
            }
            Self::Both(one, other) => one.matches(pod) && other.matches(pod),
        }
    }

    fn any(rules: &[Self], pod: &Value) -> bool {
        rules.iter().any(|rule| rule.matches(pod))
    }
}

/// A number from 0 up to 1 that belongs to this uid.
fn fraction(uid: &str, salt: u64) -> f64 {
    let hash = uid.bytes().fold(salt, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    crate::base::seed::Seed::new(hash).next_fraction()
}

/// What happens once to the pods that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Their node is not heard of any more: they are not ready, and nothing changes about them until [`Strike::Heal`].
    NotReady,
    Heal,
    /// The kubelet ends them for lack of memory or disk: phase `Failed`, reason `Evicted`.
    Evict,
    /// Deleted by request, with their grace period.
    Delete,
    /// Gone at once, as when their node is removed.
    Vanish,
    /// All containers crash once and are started again.
    Restart,
}

/// The positions of all switches. By default nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Switches {
    /// What pods do whatever their image says; of several that fit, the first counts.
    pub behaviours: Vec<(Which, Behaviour)>,
    /// Containers of these start so much later; of several, the first counts.
    pub slow_start: Vec<(Which, TimeDelta)>,
    /// These never go once they are being deleted.
    pub stuck_terminating: Vec<Which>,
    /// The kubelets do nothing about these: no start, no change of status, no end.
    pub kubelet_frozen: Vec<Which>,
    /// Nodes that are cut off. Their pods are not ready after a while and deleted after a longer one.
    pub lost_nodes: BTreeSet<String>,
    pub scheduler_paused: bool,
    pub replica_sets_paused: bool,
    pub endpoint_slices_paused: bool,
    /// Added to the delay of endpoint slices.
    pub endpoint_slices_slower_by: TimeDelta,
    /// No more pods than this in one namespace.
    pub pods_max: Option<usize>,
    pub collector_paused: bool,
    pub jobs_paused: bool,
    pub budgets_paused: bool,
    pub autoscalers_paused: bool,
    /// Autoscalers want so many replicas more at every other look, as long as their bounds allow.
    pub autoscalers_flap_by: i64,
    pub namespaces_paused: bool,
}

impl Switches {
    pub fn behaviour(&self, pod: &Value) -> Option<&Behaviour> {
        let found = self.behaviours.iter().find(|(which, _)| which.matches(pod));
        found.map(|(_, behaviour)| behaviour)
    }

    pub fn starts_later_by(&self, pod: &Value) -> TimeDelta {
        let found = self.slow_start.iter().find(|(which, _)| which.matches(pod));
        found.map_or(TimeDelta::zero(), |(_, time)| *time)
    }

    pub fn is_stuck(&self, pod: &Value) -> bool {
        Which::any(&self.stuck_terminating, pod)
    }

    /// Whether no kubelet tends this pod.
    pub fn is_frozen(&self, pod: &Value) -> bool {
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        Which::any(&self.kubelet_frozen, pod) || self.lost_nodes.contains(node)
    }
}

#[derive(Debug, Default)]
struct Inner {
    switches: Arc<Switches>,
    strikes: Vec<(Which, Strike)>,
}

/// The handle to the switches. Clones share them.
#[derive(Clone, Debug)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            inner: Arc::default(),
            changed: Arc::new(watch::channel(0).0),
        }
    }
}

impl Faults {
    /// Throws switches.
    pub fn change(&self, work: impl FnOnce(&mut Switches)) {
        self.with(|inner| work(Arc::make_mut(&mut inner.switches)));
    }

    /// Does something once to the pods that are there at the next step.
    pub fn strike(&self, which: Which, strike: Strike) {
        self.with(|inner| inner.strikes.push((which, strike)));
    }

    /// Everything as it was in the beginning. What was struck stays so.
    pub fn clear(&self) {
        self.change(|switches| *switches = Switches::default());
    }

    pub fn switches(&self) -> Arc<Switches> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&inner.switches)
    }

    fn with(&self, work: impl FnOnce(&mut Inner)) {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_modify(|count| *count += 1);
    }

    /// How often anything was changed.
    pub(super) fn count(&self) -> u64 {
        *self.changed.borrow()
    }

    pub(super) fn take_strikes(&self) -> Vec<(Which, Strike)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut inner.strikes)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
