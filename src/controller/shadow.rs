//! Shadow mode: beside a controller that leads, look at the same objects, decide, and only say what would be written. Nothing is written,
//! measured or sent to Slack, and nobody's Lease is touched.
//!
//! While the other controller works, what it is about to write is said here too, and is gone a moment later. What stays is a difference
//! between the two.

use crate::base::object::Key;
use crate::controller::caches::Kick;
use crate::controller::metrics::Metrics;
use crate::plan::{Action, Plan, Verb};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Characters of a write's body that are logged.
const BODY_CHARS_MAX: usize = 400;

/// What was said last of each object.
pub struct Shadow {
    said: Mutex<BTreeMap<Kick, Vec<String>>>,
    metrics: Arc<Metrics>,
}

impl Shadow {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            said: Mutex::default(),
            metrics,
        }
    }

    /// Says what this plan would write, when that is not what was said before. Returns the new lines.
    pub fn say(&self, subject: &Kick, plan: &Plan) -> Vec<String> {
        let (kind, key) = subject.object();
        self.count(key, plan.actions.len());
        let lines: Vec<String> = plan.actions.iter().map(line).collect();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.entry(subject.clone()).or_default();
        if *before == lines {
            return Vec::new();
        }
        before.clone_from(&lines);
        drop(said);
        match lines.is_empty() {
            true => {
                tracing::info!(kind = kind.name(), object = %key, "shadow: nothing would be written any more");
            }
            false => lines
                .iter()
                .for_each(|line| tracing::info!(kind = kind.name(), object = %key, "shadow: would {line}")),
        }
        lines
    }

    pub fn forget(&self, subject: &Kick) {
        let (_, key) = subject.object();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.remove(subject);
        // An error means that there was no such series.
        let _ = self
            .metrics
            .shadow_writes
            .remove_label_values(&[key.namespace.as_str(), key.name.as_str()]);
    }

    fn count(&self, key: &Key, writes: usize) {
        let labels = [key.namespace.as_str(), key.name.as_str()];
        let writes = i64::try_from(writes).unwrap_or(i64::MAX);
        self.metrics.shadow_writes.with_label_values(&labels).set(writes);
    }
}

fn line(action: &Action) -> String {
    let verb = match action.verb {
        Verb::Create => "create",
        Verb::Patch => "patch",
        Verb::PatchStatus => "patch the status of",
        Verb::Replace => "update",
        Verb::Evict => "evict",
        Verb::Delete => "delete",
    };
    let body: String = action.body.to_string().chars().take(BODY_CHARS_MAX).collect();
    format!("{verb} {} {}: {body}", action.kind.name(), action.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::object::Kind;
    use crate::plan::Guard;
    use serde_json::json;

    fn plan(replicas: &[i64]) -> Plan {
        let write = |replicas: &i64| Action {
            verb: Verb::Patch,
            kind: Kind::ReplicaSet,
            key: Key::new("shop", "web-1"),
            guard: Guard::Absent,
            body: json!({"spec": {"replicas": replicas}}),
        };
        Plan {
            actions: replicas.iter().map(write).collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn a_difference_is_said_once_and_its_end_too() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let shadow = Shadow::new(Arc::clone(&metrics));
        let web = Kick::Rollout(Key::new("shop", "web"));
        let gauge = || {
            let labels = metrics.shadow_writes.with_label_values(&["shop", "web"]);
            labels.get()
        };
        let said = shadow.say(&web, &plan(&[3]));
        assert_eq!(said, ["patch ReplicaSet shop/web-1: {\"spec\":{\"replicas\":3}}"]);
        assert!(shadow.say(&web, &plan(&[3])).is_empty(), "not again");
        assert_eq!(gauge(), 1);
        assert_eq!(shadow.say(&web, &plan(&[4])).len(), 1);
        assert!(shadow.say(&web, &plan(&[])).is_empty());
        assert_eq!(gauge(), 0);
    }
}
