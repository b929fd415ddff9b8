//! A pod as decisions see it, on the few occasions when they look at single pods: to change what it wears, or to replace it.

use crate::base::gotime::Time;
use crate::base::object::Meta;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// The fields of a pod that decisions read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pod {
    pub metadata: Meta,
    /// Since when it has been ready; `None` while it is not.
    pub ready_since: Option<Time>,
}

impl Pod {
    /// Reads a pod as the API server sends it. `Err` names the field that cannot be read.
    pub fn from_json(mut object: Value) -> Result<Self, String> {
        let metadata =
            serde_json::from_value(object["metadata"].take()).map_err(|e| format!("metadata: {e}"))?;
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready");
        let since = ready.filter(|condition| condition["status"] == "True");
        Ok(Self {
            metadata,
            ready_since: since.and_then(|condition| Time::parse(condition["lastTransitionTime"].as_str()?)),
        })
    }

    /// Whether it counts as available: ready for `min_ready_seconds`, and not on its way out.
    pub fn available(&self, now: DateTime<Utc>, min_ready_seconds: i32) -> bool {
        let wait = TimeDelta::seconds(min_ready_seconds.max(0).into());
        !self.metadata.deleting() && self.ready_since.is_some_and(|since| since.get() + wait <= now)
    }
}
