//! `Rollout`: the object and its spec.
//!
//! Field comments are the descriptions of the custom resource: `kubectl explain rollout.spec` prints them, so they speak to
//! whoever writes a manifest. Knows no rule beyond shape; `check` has the rules.

use crate::api::rollout_status::RolloutStatus;
use crate::api::strategy::Strategy;
use crate::base::gotime::Time;
use crate::base::object::Meta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A Rollout as the API server stores it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    pub metadata: Meta,
    pub spec: RolloutSpec,
    pub status: RolloutStatus,
}

/// What should run, and how a new version of it replaces the old one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// Number of pods wanted, over all versions together. Default 1, which the controller writes back so that an autoscaler can
    /// take over. 0 is allowed and scales everything down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Which pods belong to this Rollout. Must not be empty, must match the labels of the template, and cannot be changed later:
    /// delete and recreate the Rollout to change it. Leave it out with `workloadRef`, which brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self == oldSelf",
        "message": "selector is immutable: create a new Rollout to select other pods"
    }]))]
    pub selector: Option<LabelSelector>,
    /// The pod to run, exactly as in a Deployment. Any change to it, and nothing else, starts a new rollout. Use either this or
    /// `workloadRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::crd::marks::pod_template")]
    pub template: Option<Value>,
    /// Take the pod template (and the selector) from another object instead of repeating it here. Use either this or `template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadRef>,
    /// Seconds that a pod must be ready without a container crashing before it counts as available. Default 0: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,
    /// Lets a return to a recent version skip the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<RollbackWindow>,
    /// How a new version replaces the old one: exactly one of `canary` and `blueGreen`.
    pub strategy: Strategy,
    /// How many old ReplicaSets stay, scaled to zero, for a rollback. Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Stops the Rollout by hand: while true it does not scale, switch traffic or advance a step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Seconds without progress of the new pods after which the Rollout counts as stuck (Degraded). Default 600. Must be greater
    /// than `minReadySeconds`. Pauses and analysis do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// Abort, and go back to the stable version, when `progressDeadlineSeconds` is exceeded. Default false: only report it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub progress_deadline_abort: bool,
    /// Restart every pod created before this time (RFC 3339), a few at a time. `kubectl argo rollouts restart` sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<Time>,
    /// How many finished AnalysisRuns and Experiments are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisHistory>,
}

/// The object that has the pod template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadRef {
    /// `apps/v1` for a Deployment or ReplicaSet, `v1` for a PodTemplate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `Deployment`, `ReplicaSet` or `PodTemplate`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Name of the object, in the namespace of the Rollout.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What happens to the pods of a referenced Deployment: `never` (default) leaves them, `onsuccess` scales it to zero once the
    /// Rollout is healthy, `progressively` scales it down as the Rollout's own pods become available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<String>,
}

/// The (group, kind) pairs that have a pod template to refer to; the core group is empty.
pub const WORKLOADS: [(&str, &str); 3] = [
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("", "PodTemplate"),
];

impl WorkloadRef {
    pub fn group_kind(&self) -> (&str, &str) {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        (group, &self.kind)
    }
}

/// How far back a return to an earlier version may skip the steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RollbackWindow {
    /// A version at most this many revisions old is rolled back to without steps or analysis. Default 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisions: Option<i32>,
}

/// How many finished runs are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisHistory {
    /// Successful AnalysisRuns and Experiments to keep, newest first. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_run_history_limit: Option<i32>,
    /// AnalysisRuns and Experiments that failed, erred or were inconclusive to keep, newest first. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsuccessful_run_history_limit: Option<i32>,
}

/// Selects objects by their labels. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels an object must have, with exactly these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels that say more than equality.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["key", "operator"]))]
pub struct LabelSelectorRequirement {
    /// The label.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// Values for `In` and `NotIn`; empty for the other two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}
