//! `AnalysisRun`: metrics being measured, and what came of them. Field comments are the descriptions of the custom resource.

use crate::api::analysis::{Arg, Metric};
use crate::api::strategy::{DryRun, MeasurementRetention};
use crate::base::gotime::Time;
use crate::base::object::Meta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An AnalysisRun. It has no status subresource on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRun {
    pub metadata: Meta,
    pub spec: AnalysisRunSpec,
    pub status: AnalysisRunStatus,
}

/// What this run measures: the templates' metrics, and the values of their arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["metrics"]))]
pub struct AnalysisRunSpec {
    /// The metrics, measured side by side. One that fails makes the whole run fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Arguments that the metrics use as `{{args.NAME}}`; all must have a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// True ends the run at the next opportunity, with what was measured so far.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminate: bool,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements of a metric are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// When the finished run is deleted. Default: never by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
}

/// Seconds that a finished run is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlStrategy {
    /// Seconds after any end that no other field is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_completion: Option<i32>,
    /// Seconds after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_failure: Option<i32>,
    /// Seconds after a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_success: Option<i32>,
}

/// What came of the run so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunStatus {
    /// `Pending`, `Running`, `Successful`, `Failed`, `Error` or `Inconclusive`; the last four are final.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why the phase is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// How many metrics ended how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_summary: Option<RunSummary>,
    /// How many metrics of `dryRun` ended how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run_summary: Option<RunSummary>,
    /// The metrics, each with its measurements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_results: Vec<MetricResult>,
}

/// Counts of metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunSummary {
    /// All of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
    /// Those that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful: Option<i32>,
    /// Those that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<i32>,
    /// Those that were inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<i32>,
    /// Those that could not be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<i32>,
}

/// What came of one metric so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "phase"]))]
pub struct MetricResult {
    /// Name of the metric.
    pub name: String,
    /// As of the run.
    pub phase: String,
    /// Why the phase is what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Measurements that count: all but errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
    /// Measurements that were a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful: Option<i32>,
    /// Measurements that were a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<i32>,
    /// Measurements that were inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<i32>,
    /// Measurements that erred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<i32>,
    /// Errors in a row up to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error: Option<i32>,
    /// Successes in a row up to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_success: Option<i32>,
    /// True if the metric decides nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What the provider wants known of the metric, for example the query after its arguments were filled in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The newest measurements, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
}

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["phase"]))]
pub struct Measurement {
    /// As of the run.
    pub phase: String,
    /// Why the phase is what it is, for an error above all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What was measured, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What the provider wants known of the measurement, for example warnings, or the name of a Job.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When to look again, for a measurement that takes its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Time>,
}

/// Phases that end a metric, a measurement or a run.
pub fn completed(phase: &str) -> bool {
    matches!(phase, "Successful" | "Failed" | "Error" | "Inconclusive")
}
