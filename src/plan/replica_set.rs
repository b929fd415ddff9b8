//! A ReplicaSet as decisions see it: flat and small, the pod template kept as the text it came in.

use crate::base::gotime::Time;
use crate::base::names::{annotation, label};
use crate::base::object::Meta;
use serde_json::Value;

/// The fields of a ReplicaSet that decisions read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaSet {
    pub metadata: Meta,
    /// `spec.replicas`; absent on the wire means 1.
    pub replicas_desired: i32,
    pub min_ready_seconds: i32,
    /// `spec.template` as JSON text.
    pub template: String,
    /// `status.*`; absent on the wire means 0.
    pub replicas: i32,
    pub ready: i32,
    pub available: i32,
    pub observed_generation: i64,
    /// Message of a true `ReplicaFailure` condition.
    pub failure: Option<Failure>,
}

/// A true `ReplicaFailure` condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    pub reason: String,
    pub message: String,
    pub last_transition_time: Option<Time>,
}

impl ReplicaSet {
    /// Reads a ReplicaSet as the API server sends it. `Err` names the field that cannot be read.
    pub fn from_json(mut object: Value) -> Result<Self, String> {
        let metadata =
            serde_json::from_value(object["metadata"].take()).map_err(|e| format!("metadata: {e}"))?;
        let int =
            |pointer: &str, absent: i64| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(absent);
        let small = |pointer: &str, absent: i64| i32::try_from(int(pointer, absent)).unwrap_or(i32::MAX);
        let failure = object
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .and_then(|conditions| {
                let failed = |c: &&Value| c["type"] == "ReplicaFailure" && c["status"] == "True";
                conditions.iter().find(failed).map(read_failure)
            });
        Ok(Self {
            metadata,
            replicas_desired: small("/spec/replicas", 1),
            min_ready_seconds: small("/spec/minReadySeconds", 0),
            template: object
                .pointer("/spec/template")
                .map(Value::to_string)
                .unwrap_or_default(),
            replicas: small("/status/replicas", 0),
            ready: small("/status/readyReplicas", 0),
            available: small("/status/availableReplicas", 0),
            observed_generation: int("/status/observedGeneration", 0),
            failure,
        })
    }

    /// The pod-template hash label.
    pub fn hash(&self) -> &str {
        self.metadata.label(label::POD_HASH)
    }

    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// When the ReplicaSet is due to be scaled to zero, if a deadline is set and readable.
    pub fn scale_down_deadline(&self) -> Option<Time> {
        self.metadata
            .annotation(annotation::SCALE_DOWN_DEADLINE)
            .and_then(Time::parse)
    }

    /// The pod template as JSON; null when unreadable.
    pub fn template_json(&self) -> Value {
        serde_json::from_str(&self.template).unwrap_or(Value::Null)
    }
}

fn read_failure(condition: &Value) -> Failure {
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    Failure {
        reason: text("reason"),
        message: text("message"),
        last_transition_time: condition["lastTransitionTime"].as_str().and_then(Time::parse),
    }
}
