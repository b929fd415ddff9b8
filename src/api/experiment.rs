//! `Experiment`: accepted by the schema, not carried out yet. Field comments are the descriptions of the custom resource.

use crate::api::analysis::Arg;
use crate::api::rollout::LabelSelector;
use crate::api::rollout_status::Condition;
use crate::api::strategy::{DryRun, MeasurementRetention, NamedService, PodMetadata};
use crate::base::gotime::Time;
use crate::base::object::Meta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An Experiment. It has no status subresource on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Experiment {
    pub metadata: Meta,
    pub spec: ExperimentSpec,
    pub status: ExperimentStatus,
}

/// Versions to run side by side for a while, and what to analyse about them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["templates"]))]
pub struct ExperimentSpec {
    /// The versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<ExperimentTemplate>,
    /// How long the experiment lasts once all versions are available, for example `30m`. Without it, until it is terminated or
    /// its required analyses are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Seconds for the versions to become available before the experiment fails. Default 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// True ends the experiment.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
    /// The analyses; they start when all versions are available.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<ExperimentAnalysis>,
    /// Seconds that the pods stay up after the experiment ended. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements of a metric are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations for the AnalysisRuns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<PodMetadata>,
}

/// One version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "selector", "template"]))]
pub struct ExperimentTemplate {
    /// Name of the version within the experiment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Number of pods. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Seconds that a pod must be ready before it counts as available. Default 0: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,
    /// Which pods belong to the version. Must match the labels of the template and no pods of another version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The pod to run, exactly as in a Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::crd::marks::pod_template")]
    pub template: Option<Value>,
    /// Create a Service for its pods. Write `{}`, or name the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<NamedService>,
}

/// An analysis of the experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "templateName"]))]
pub struct ExperimentAnalysis {
    /// Name of the analysis within the experiment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name of an AnalysisTemplate in the same namespace, or of a ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_name: String,
    /// True to mean a ClusterAnalysisTemplate. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cluster_scope: bool,
    /// Values for the arguments that the template declares. They may use `{{templates.NAME.podTemplateHash}}` and
    /// `{{templates.NAME.replicaset.name}}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// The experiment ends, successfully, only when this analysis has. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required_for_completion: bool,
}

/// What came of the experiment so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStatus {
    /// `Pending`, `Running`, `Successful`, `Failed`, `Error` or `Inconclusive`; the last four are final.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why the phase is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When all versions were available; `duration` counts from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Time>,
    /// The versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_statuses: Vec<TemplateStatus>,
    /// Findings, each true, false or unknown: `InvalidSpec`, `Completed`, `Progressing`, `Running`, `ReplicaFailure`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The analyses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analysis_runs: Vec<ExperimentRunStatus>,
}

/// Where one version stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]))]
pub struct TemplateStatus {
    /// Name of the version.
    pub name: String,
    /// Its pods.
    pub replicas: i32,
    /// Its pods with the newest template.
    pub updated_replicas: i32,
    /// Its ready pods.
    pub ready_replicas: i32,
    /// Its pods ready for `minReadySeconds`.
    pub available_replicas: i32,
    /// Counts collisions of pod-template hashes, to get past them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
    /// `Progressing`, `Running`, `Successful`, `Failed` or `Error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Why the status is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the status last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Its Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Its pod-template hash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
}

/// Where one analysis stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "analysisRun", "phase"]))]
pub struct ExperimentRunStatus {
    /// Name of the analysis.
    pub name: String,
    /// Name of its AnalysisRun.
    pub analysis_run: String,
    /// Phase of its AnalysisRun.
    pub phase: String,
    /// Message of its AnalysisRun.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}
