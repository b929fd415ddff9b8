//! The analyses that a Rollout asks for: which templates, with which arguments. Field comments are the descriptions of the
//! custom resource.

use crate::api::strategy::PodMetadata;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Templates that are merged into one AnalysisRun, and their arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutAnalysis {
    /// The templates. Their metrics run side by side; two metrics of one name are refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateRef>,
    /// Values for the arguments that the templates declare.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<AnalysisArg>,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements of a metric are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations for the AnalysisRun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<PodMetadata>,
}

/// Analysis beside the steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackgroundAnalysis {
    /// The templates. Their metrics run side by side; two metrics of one name are refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateRef>,
    /// Values for the arguments that the templates declare.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<AnalysisArg>,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements of a metric are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations for the AnalysisRun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<PodMetadata>,
    /// Index, from 0, of the step at which the analysis starts: measure only once there is traffic. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_step: Option<i32>,
}

impl BackgroundAnalysis {
    /// The same analysis without its starting step.
    pub fn analysis(&self) -> RolloutAnalysis {
        RolloutAnalysis {
            templates: self.templates.clone(),
            args: self.args.clone(),
            dry_run: self.dry_run.clone(),
            measurement_retention: self.measurement_retention.clone(),
            analysis_run_metadata: self.analysis_run_metadata.clone(),
        }
    }
}

/// A reference to a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRef {
    /// Name of an AnalysisTemplate in the same namespace, or of a ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_name: String,
    /// True to mean a ClusterAnalysisTemplate. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
}

/// A value for one argument of the templates: either `value` or `valueFrom`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct AnalysisArg {
    /// Name of the argument; templates use it as `{{args.NAME}}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from when the analysis starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ArgFrom>,
}

/// A value that is known only when the analysis starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ArgFrom {
    /// The pod-template hash of a version: `Latest` for the new one, `Stable` for the stable one. It is the value of the pods'
    /// label `rollouts-pod-template-hash`, so queries can tell the two apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_hash_value: Option<String>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// A field of the object that asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["fieldPath"]))]
pub struct FieldRef {
    /// Path of the field, for example `metadata.name` or `metadata.labels['env']`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

/// Metrics that decide nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["metricName"]))]
pub struct DryRun {
    /// Name of the metric, or a regular expression; `.*` is all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metric_name: String,
}

/// How much history a metric keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["metricName", "limit"]))]
pub struct MeasurementRetention {
    /// Name of the metric, or a regular expression; `.*` is all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metric_name: String,
    /// Newest measurements to keep in the status of the AnalysisRun. Default 10 where no entry matches.
    pub limit: i32,
}

impl TemplateRef {
    /// Whether a ClusterAnalysisTemplate is meant. Unset and `false` mean the same but hash differently as part of a step.
    pub fn cluster_scoped(&self) -> bool {
        self.cluster_scope.unwrap_or(false)
    }
}
