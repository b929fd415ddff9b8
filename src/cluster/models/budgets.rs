//! The disruption controller: how many pods of a budget may be evicted. The eviction itself is the server's.
//!
//! Absent: Events, and owners of owners other than of ReplicaSets when a percentage is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::pods::status::set_condition;
use super::{Models, Task, ids, reading};
use crate::cluster::select::label_selector_matches;
use crate::cluster::store::Key;
use crate::cluster::world::World;

/// An evicted pod that is still there after this was not deleted after all.
const DISRUPTION_WITHIN: TimeDelta = TimeDelta::minutes(2);

impl Models {
    /// The budgets over a pod hear of its change.
    pub(super) fn enqueue_budgets(&mut self, world: &World, key: &Key, pod: &Value, now: DateTime<Utc>) {
        for (budget_key, budget) in world.store.list(ids::budgets(), Some(&key.namespace)) {
            if label_selector_matches(&budget["spec"]["selector"], &pod["metadata"]["labels"]) {
                self.later(Task::Budget(budget_key.clone()), self.settings.budgets, now);
            }
        }
    }

    pub(super) fn sync_budget(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        if self.switches.budgets_paused {
            return;
        }
        let Some(budget) = world.store.get(key).cloned() else {
            return;
        };
        let selector = &budget["spec"]["selector"];
        let here = world.store.list(ids::pods(), Some(&key.namespace));
        let pods: Vec<&Arc<Value>> = here
            .map(|(_, pod)| pod)
            .filter(|pod| !selector.is_null() && label_selector_matches(selector, &pod["metadata"]["labels"]))
            .collect();
        let disrupted = disrupted(&budget, &pods, now);
        let healthy = pods.iter().filter(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            reading::active(pod) && reading::ready_since(pod).is_some() && !disrupted.contains_key(name)
        });
        let healthy = i64::try_from(healthy.count()).unwrap_or(0);
        let (expected, desired) = self.expectation(world, &budget["spec"], &pods);
        let allowed = if expected > 0 {
            (healthy - desired).max(0)
        } else {
            0
        };
        let mut status = json!({
            "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
            "disruptionsAllowed": allowed,
        });
        if let Some(generation) = budget["metadata"]["generation"].as_i64() {
            status["observedGeneration"] = generation.into();
        }
        if let Some(conditions) = budget["status"].get("conditions") {
            status["conditions"] = conditions.clone();
        }
        if !disrupted.is_empty() {
            status["disruptedPods"] = disrupted.into();
            self.agenda
                .add(Task::Budget(key.clone()), now + DISRUPTION_WITHIN);
        }
        let known = reading::condition(&budget, "DisruptionAllowed");
        let condition = condition(known, allowed > 0, &budget["metadata"]["generation"], now);
        set_condition(&mut status, &condition);
        self.write_status(world, key, status);
    }

    /// How many pods there should be, and how many of them must be healthy.
    fn expectation(&self, world: &World, spec: &Value, pods: &[&Arc<Value>]) -> (i64, i64) {
        let count = i64::try_from(pods.len()).unwrap_or(0);
        let least = &spec["minAvailable"];
        if let Some(least) = least.as_i64() {
            return (count, least);
        }
        let scale = self.scale_of(world, pods);
        let share = |value: &Value| {
            let percent = value
                .as_str()
                .and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
            // Both are rounded up.
            value
                .as_i64()
                .unwrap_or_else(|| (scale * percent.unwrap_or(0) + 99) / 100)
        };
        if !least.is_null() {
            return (scale, share(least));
        }
        if spec["maxUnavailable"].is_null() {
            return (count, count);
        }
        (scale, (scale - share(&spec["maxUnavailable"])).max(0))
    }

    /// The sum of the sizes that the controllers of the pods want; that of a ReplicaSet with a controller is that
    /// of the controller.
    fn scale_of(&self, world: &World, pods: &[&Arc<Value>]) -> i64 {
        let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
        for pod in pods {
            let owner = reading::controller(pod).and_then(|uid| self.index.by_uid(uid));
            let Some((key, object)) = owner.and_then(|key| Some((key, world.store.get(key)?))) else {
                sizes.insert(reading::uid(pod).to_owned(), 1);
                continue;
            };
            let above = reading::controller(object).and_then(|uid| self.index.by_uid(uid));
            let (key, object) = above
                .and_then(|key| Some((key, world.store.get(key)?)))
                .unwrap_or((key, object));
            let resource = world.catalog.by_id(&key.resource);
            let path = resource.and_then(|resource| Some(resource.scale.as_ref()?.spec.as_str()));
            let size = path.and_then(|path| object.pointer(path)?.as_i64()).unwrap_or(1);
            sizes.insert(reading::uid(object).to_owned(), size);
        }
        sizes.values().sum()
    }
}

/// Pods whose eviction was allowed and that are not being deleted yet.
fn disrupted(budget: &Value, pods: &[&Arc<Value>], now: DateTime<Utc>) -> Map<String, Value> {
    let noted = budget["status"]["disruptedPods"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let is_pending = |name: &str, since: &Value| {
        let fresh = reading::time(since).is_some_and(|since| now < since + DISRUPTION_WITHIN);
        let pod = pods.iter().find(|pod| pod["metadata"]["name"] == name);
        fresh && pod.is_some_and(|pod| !reading::deleting(pod))
    };
    noted
        .into_iter()
        .filter(|(name, since)| is_pending(name, since))
        .collect()
}

fn condition(known: Option<&Value>, allowed: bool, generation: &Value, now: DateTime<Utc>) -> Value {
    let (holds, reason) = if allowed {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    let same = known.filter(|one| one["status"] == holds);
    let since = same.map_or_else(|| reading::stamp(now), |one| one["lastTransitionTime"].clone());
    json!({"type": "DisruptionAllowed", "status": holds, "reason": reason, "message": "",
        "observedGeneration": generation, "lastTransitionTime": since})
}
