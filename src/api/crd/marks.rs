//! Schemas that the derive cannot know: marks for what is filled in per variant, and objects of any shape.
//!
//! Knows no variant: a mark only says what belongs there.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The key of a mark; its value says what belongs there. Never part of a finished document.
pub(super) const EMBED: &str = "x-serin-embed";
/// A default that the API server shall fill in. Defaults that only the derive knows of are dropped.
pub(super) const DEFAULT: &str = "x-serin-default";
pub(super) const POD_TEMPLATE: &str = "PodTemplateSpec";
pub(super) const JOB_SPEC: &str = "JobSpec";

/// A pod template.
pub fn pod_template(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-serin-embed": POD_TEMPLATE})
}

/// The spec of a Job.
pub fn job_spec(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-serin-embed": JOB_SPEC})
}

/// An object whose content is somebody else's.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
