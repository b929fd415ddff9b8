//! `AnalysisTemplate` and `ClusterAnalysisTemplate`: arguments, metrics, and the limits that turn measurements into a verdict.
//!
//! What a metric asks, and of whom, is in `provider`, re-exported here. Field comments are the descriptions of the custom
//! resource.

pub use crate::api::provider::{
    Authentication, BasicAuth, Header, JobMetric, OAuth2, PrometheusMetric, Provider, RangeQuery, Sigv4,
    WebMetric,
};
pub use crate::api::vendor::{
    CloudWatchDimension, CloudWatchMetric, CloudWatchMetricStat, CloudWatchMetricStatMetric, CloudWatchQuery,
    DatadogMetric, DatadogSecretRef, GraphiteMetric, InfluxdbMetric, KayentaMetric, KayentaScope,
    KayentaScopeRange, KayentaThreshold, NewRelicMetric, SkyWalkingMetric, WavefrontMetric,
};

use crate::api::strategy::{DryRun, FieldRef, MeasurementRetention, TemplateRef};
use crate::base::object::Meta;
use crate::base::percent::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An AnalysisTemplate, or a ClusterAnalysisTemplate when its namespace is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplate {
    pub metadata: Meta,
    pub spec: AnalysisTemplateSpec,
}

/// What to measure, and what the measurements must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateSpec {
    /// The metrics, measured side by side. One that fails makes the whole run fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Arguments that the metrics use as `{{args.NAME}}`. One without a value here must be given by whoever starts the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements of a metric are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Further templates whose metrics and arguments are added to this one's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateRef>,
}

/// An argument: a value, a place where the value is, or neither for one that must be given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct Arg {
    /// Name of the argument; metrics use it as `{{args.NAME}}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The value, or in a template its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// Where a value is found: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A key of a Secret in the namespace of the AnalysisRun. Read only when measuring, and never written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A field of the Rollout that started the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "key"]))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The key within it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// One question, asked once or again and again, and what its answers mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "provider"]))]
pub struct Metric {
    /// Name of the metric, once per run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Time between two measurements, for example `60s` or `5m`. Required when `count` is more than 1. Without it the metric is
    /// measured once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Time before the first measurement, for example `2m`: let there be traffic first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
    /// How often to measure. Without it, and with an `interval`, the metric is measured until the run is ended. Measurements that
    /// erred do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<IntOrString>,
    /// When a measurement is a success, as an expression over `result`, for example `result[0] < 0.005`. Alone: everything else
    /// is a failure. Beside a `failureCondition`: what meets neither is inconclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    /// When a measurement is a failure, as an expression over `result`, for example `result[0] >= 0.05`. Wins over
    /// `successCondition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    /// How many failures are allowed; one more fails the metric and with it the run. Default 0. -1 allows any number, which needs
    /// a `consecutiveSuccessLimit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<IntOrString>,
    /// How many inconclusive measurements are allowed; one more makes the metric inconclusive. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_limit: Option<IntOrString>,
    /// How many measurements in a row may err (no answer, no data, wrong data); one more makes the metric an error. Default 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<IntOrString>,
    /// How many successes in a row make the metric a success at once. Default 0: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_success_limit: Option<IntOrString>,
    /// Who is asked, and what: exactly one.
    pub provider: Provider,
}
