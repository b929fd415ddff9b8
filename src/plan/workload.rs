//! The object that a Rollout takes its pod template from, as decisions see it.

use crate::api::rollout::{LabelSelector, WorkloadRef};
use crate::base::object::{Kind, Meta};
use serde_json::Value;

/// A Deployment, ReplicaSet or PodTemplate, without the fields that no decision reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    pub metadata: Meta,
    /// `None` where the kind has none.
    pub selector: Option<LabelSelector>,
    /// The pod template as JSON text.
    pub template: String,
    /// `spec.replicas`; absent on the wire means 1, and a PodTemplate has none.
    pub replicas: i32,
}

impl Workload {
    /// Reads one as the API server sends it. `Err` names the field that cannot be read.
    pub fn from_json(mut object: Value) -> Result<Self, String> {
        let metadata =
            serde_json::from_value(object["metadata"].take()).map_err(|e| format!("metadata: {e}"))?;
        let selector = object.pointer_mut("/spec/selector").map(Value::take);
        let selector = selector.map(serde_json::from_value).transpose();
        let template = object.pointer("/spec/template").or(object.get("template"));
        let replicas = object.pointer("/spec/replicas").and_then(Value::as_i64);
        Ok(Self {
            metadata,
            selector: selector.map_err(|e| format!("spec.selector: {e}"))?,
            template: template.map(Value::to_string).unwrap_or_default(),
            replicas: i32::try_from(replicas.unwrap_or(1)).unwrap_or(i32::MAX),
        })
    }
}

/// The kind that a reference means; `None` for one that has no pod template, or that nobody knows.
pub fn kind(reference: &WorkloadRef) -> Option<Kind> {
    match reference.group_kind() {
        ("apps", "Deployment") => Some(Kind::Deployment),
        ("apps", "ReplicaSet") => Some(Kind::PlainReplicaSet),
        ("", "PodTemplate") => Some(Kind::PodTemplate),
        _ => None,
    }
}
