//! Pod-template and step hashes, bit-compatible with the Go JSON form that Argo Rollouts hashes.

use crate::api::strategy::CanaryStep;
use serde_json::Value;

/// The value of `rollouts-pod-template-hash` for a pod template.
pub fn pod_template_hash(_template: &Value, _collision_count: Option<i32>) -> String {
    todo!()
}

/// The value of `status.currentStepHash` for the steps of a canary.
pub fn step_hash(_steps: &[CanaryStep]) -> String {
    todo!()
}

/// Whether two pod templates mean the same pods.
pub fn templates_equal(_a: &Value, _b: &Value) -> bool {
    false
}
