// flat table
//! The five kinds as the API server knows them: names, columns, subresources.
//!
//! Clients depend on every entry: short names and columns by habit, paths of the `scale` subresource through autoscalers, and the
//! absence of the `status` subresource of AnalysisRun and Experiment through the merge patches that clients send.

use super::structural::schema_of;
use crate::api::analysis::AnalysisTemplateSpec;
use crate::api::analysis_run::{AnalysisRunSpec, AnalysisRunStatus};
use crate::api::experiment::{ExperimentSpec, ExperimentStatus};
use crate::api::rollout::RolloutSpec;
use crate::api::rollout_status::RolloutStatus;
use crate::base::object::Kind;
use serde_json::Value;

/// One kind.
pub(super) struct KindEntry {
    pub kind: Kind,
    /// File name of its document.
    pub file: &'static str,
    pub singular: &'static str,
    pub short_name: &'static str,
    pub description: &'static str,
    pub columns: &'static [Column],
    pub spec: fn() -> Value,
    pub status: Option<fn() -> Value>,
    /// Whether it has the subresources `status` and `scale`.
    pub subresources: bool,
}

/// A column that `kubectl get` prints.
pub(super) struct Column {
    pub name: &'static str,
    pub type_: &'static str,
    pub path: &'static str,
    pub description: &'static str,
}

const AGE: Column = Column {
    name: "Age",
    type_: "date",
    path: ".metadata.creationTimestamp",
    description: "Time since it was created",
};

const STATUS: Column = Column {
    name: "Status",
    type_: "string",
    path: ".status.phase",
    description: "Phase",
};

const ROLLOUT_COLUMNS: [Column; 5] = [
    Column {
        name: "Desired",
        type_: "integer",
        path: ".spec.replicas",
        description: "Number of pods wanted",
    },
    Column {
        name: "Current",
        type_: "integer",
        path: ".status.replicas",
        description: "Number of pods of all versions",
    },
    Column {
        name: "Up-to-date",
        type_: "integer",
        path: ".status.updatedReplicas",
        description: "Number of pods of the newest version",
    },
    Column {
        name: "Available",
        type_: "integer",
        path: ".status.availableReplicas",
        description: "Number of pods ready for at least minReadySeconds",
    },
    AGE,
];

pub(super) const KINDS: [KindEntry; 5] = [
    KindEntry {
        kind: Kind::Rollout,
        file: "rollout.yaml",
        singular: "rollout",
        short_name: "ro",
        description: "Runs pods like a Deployment, and replaces them by a new version in steps, watching how the new version does.",
        columns: &ROLLOUT_COLUMNS,
        spec: schema_of::<RolloutSpec>,
        status: Some(schema_of::<RolloutStatus>),
        subresources: true,
    },
    KindEntry {
        kind: Kind::AnalysisTemplate,
        file: "analysis-template.yaml",
        singular: "analysistemplate",
        short_name: "at",
        description: "Says what to measure about a new version, and what the measurements must be. For use in its own namespace.",
        columns: &[AGE],
        spec: schema_of::<AnalysisTemplateSpec>,
        status: None,
        subresources: false,
    },
    KindEntry {
        kind: Kind::ClusterAnalysisTemplate,
        file: "cluster-analysis-template.yaml",
        singular: "clusteranalysistemplate",
        short_name: "cat",
        description: "Says what to measure about a new version, and what the measurements must be. For use in every namespace.",
        columns: &[AGE],
        spec: schema_of::<AnalysisTemplateSpec>,
        status: None,
        subresources: false,
    },
    KindEntry {
        kind: Kind::AnalysisRun,
        file: "analysis-run.yaml",
        singular: "analysisrun",
        short_name: "ar",
        description: "One run of an analysis: its metrics, their measurements, and the verdict. Usually made by a Rollout.",
        columns: &[STATUS, AGE],
        spec: schema_of::<AnalysisRunSpec>,
        status: Some(schema_of::<AnalysisRunStatus>),
        subresources: false,
    },
    KindEntry {
        kind: Kind::Experiment,
        file: "experiment.yaml",
        singular: "experiment",
        short_name: "exp",
        description: "Runs versions side by side for a while, and analyses them.",
        columns: &[STATUS, AGE],
        spec: schema_of::<ExperimentSpec>,
        status: Some(schema_of::<ExperimentStatus>),
        subresources: false,
    },
];
