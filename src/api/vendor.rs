//! The metric providers of vendors: fields only, as Argo Rollouts has them. Field comments are the descriptions of the custom
//! resource.

use crate::base::percent::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A query to Datadog. Keys come from a Secret, by default `datadog` in the namespace of the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DatadogMetric {
    /// How far back from now the query looks. Default `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-serin-default" = "5m"))]
    pub interval: Option<String>,
    /// The query. Not beside `queries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Several queries by name, for `formula`. Only with `apiVersion: v2`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub queries: BTreeMap<String, String>,
    /// How to combine `queries`, for example `a / b`. Needed when there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// Version of Datadog's API: `v1` or `v2`. Default `v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-serin-default" = "v1", "enum" = ["v1", "v2"]))]
    pub api_version: Option<String>,
    /// How v2 makes one number of many. Default `last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"]))]
    pub aggregator: Option<String>,
    /// Where the keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<DatadogSecretRef>,
    /// How long to wait for the answer. Default `10s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<String>,
}

/// A Secret with the keys `address`, `api-key` and `app-key`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DatadogSecretRef {
    /// Name of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True if it is in the namespace of the AnalysisRun. Default false: the controller's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub namespaced: bool,
}

/// A query to New Relic. `result` is the row, or the list of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["query"]))]
pub struct NewRelicMetric {
    /// Name of the Secret with the account, in the namespace of the controller. Default `newrelic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The query in NRQL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Seconds to wait for the answer. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// A query to Wavefront. The token comes from the Secret `wavefront-api-tokens` in the namespace of the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WavefrontMetric {
    /// Address of the server; also the key of its token in the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// Queries to CloudWatch, with the credentials that the controller finds in its environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["metricDataQueries"]))]
pub struct CloudWatchMetric {
    /// How far back from now the queries look. Default `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// The queries. `result` has an entry for each that returns data: `result[0].Values[0]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_data_queries: Vec<CloudWatchQuery>,
}

/// One query: a metric, or an expression over other queries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CloudWatchQuery {
    /// Name for use in other queries' expressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A metric math expression. Not beside `metricStat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Label of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A metric. Not beside `expression`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<CloudWatchMetricStat>,
    /// Seconds between two points of an expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<IntOrString>,
    /// False to use the query only in other expressions. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_data: Option<bool>,
}

/// A metric and how to sum it up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CloudWatchMetricStat {
    /// The metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<CloudWatchMetricStatMetric>,
    /// Seconds between two points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<IntOrString>,
    /// The statistic, for example `Sum` or `p99`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stat: Option<String>,
    /// The unit, for example `Count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A metric's name in CloudWatch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CloudWatchMetricStatMetric {
    /// Its namespace, for example `AWS/ApplicationELB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_name: Option<String>,
    /// Its dimensions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<CloudWatchDimension>,
}

/// A dimension of a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CloudWatchDimension {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A query to Graphite. `result` is the list of the first target's values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GraphiteMetric {
    /// Address of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The query string, with its `target=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A query to InfluxDB. `result` is the list of the records' values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InfluxdbMetric {
    /// Name of the Secret with `address`, `org` and `authToken`, in the namespace of the controller. Default `influxdb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The query in Flux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A query to SkyWalking. `result` is the answer's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SkyWalkingMetric {
    /// Address of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The query in GraphQL, with a variable `$duration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How far back from now the query looks, for example `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
}

/// A canary analysis by Kayenta: its score decides, conditions are not used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = [
    "address", "application", "canaryConfigName", "metricsAccountName", "configurationAccountName", "storageAccountName",
    "threshold", "scopes"
]))]
pub struct KayentaMetric {
    /// Address of the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Name of the application.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub application: String,
    /// Name of the canary configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub canary_config_name: String,
    /// Account with the metrics.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metrics_account_name: String,
    /// Account with the configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub configuration_account_name: String,
    /// Account that stores results.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub storage_account_name: String,
    /// Which scores pass.
    pub threshold: KayentaThreshold,
    /// What to compare with what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<KayentaScope>,
    /// True to compare all the time since the run began. Default false: the metric's `interval`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lookback: bool,
}

/// Scores from 0 to 100.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["pass", "marginal"]))]
pub struct KayentaThreshold {
    /// Least score that is a success.
    pub pass: i64,
    /// Least score that is inconclusive; below is a failure.
    pub marginal: i64,
}

/// One comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "controlScope", "experimentScope"]))]
pub struct KayentaScope {
    /// Name of the scope in the canary configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The stable side.
    pub control_scope: KayentaScopeRange,
    /// The canary side.
    pub experiment_scope: KayentaScopeRange,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["scope", "region", "step"]))]
pub struct KayentaScopeRange {
    /// What the queries select, for example a pod-template hash.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The region.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Seconds between two points.
    pub step: i64,
    /// Its beginning (RFC 3339). Default: `interval` before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Its end (RFC 3339). Default: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}
