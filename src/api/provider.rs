//! `metrics[].provider`: who is asked and what. The vendors with an API of their own are in `vendor`. Field comments are the
//! descriptions of the custom resource.

use crate::api::strategy::PodMetadata;
use crate::api::vendor::{
    CloudWatchMetric, DatadogMetric, GraphiteMetric, InfluxdbMetric, KayentaMetric, NewRelicMetric,
    SkyWalkingMetric, WavefrontMetric,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Exactly one provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Provider {
    /// A query to Prometheus, or to anything that speaks its HTTP API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusMetric>,
    /// A request to any HTTP server that answers with JSON or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<WebMetric>,
    /// A Kubernetes Job: a success if it completes, a failure if it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobMetric>,
    /// A query to Datadog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datadog: Option<DatadogMetric>,
    /// An NRQL query to New Relic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_relic: Option<NewRelicMetric>,
    /// A query to Wavefront.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wavefront: Option<WavefrontMetric>,
    /// Queries to AWS CloudWatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_watch: Option<CloudWatchMetric>,
    /// A query to Graphite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphite: Option<GraphiteMetric>,
    /// A Flux query to InfluxDB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub influxdb: Option<InfluxdbMetric>,
    /// A GraphQL query to Apache SkyWalking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skywalking: Option<SkyWalkingMetric>,
    /// A judgement by Kayenta, Spinnaker's canary service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kayenta: Option<KayentaMetric>,
    /// A metric plugin by name, with its options. Example: `{acme/splunk: {query: errors}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::api::crd::marks::any_object")]
    pub plugin: BTreeMap<String, Value>,
}

/// A query to Prometheus. `result` is a list of numbers for a vector, one per series, and a single number for a scalar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PrometheusMetric {
    /// Address of the server, for example `http://prometheus.monitoring:9090`. Default: the controller's environment variable
    /// `ARGO_ROLLOUTS_PROMETHEUS_ADDRESS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The query in PromQL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// How the controller proves who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
    /// Seconds to wait for the answer. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// True to accept any TLS certificate. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Headers of the request, for example a tenant: `[{key: X-Scope-OrgID, value: shop}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Ask for a span of time instead of this moment. `result` then has every sample of every series, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_query: Option<RangeQuery>,
}

/// A header of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["key", "value"]))]
pub struct Header {
    /// Name of the header.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Its value. Take secrets from an argument with `secretKeyRef`: `Bearer {{args.token}}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// A span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RangeQuery {
    /// Its beginning, as an expression: `now() - duration("5m")`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Its end, as an expression: `now()`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Time between two samples, for example `1m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// How the controller proves who it is: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Authentication {
    /// AWS Signature Version 4, for Amazon Managed Service for Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<Sigv4>,
    /// OAuth 2.0 client credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// User and password. Prometheus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
}

/// Signed requests to AWS, with the credentials that the controller finds in its environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sigv4 {
    /// The AWS region, for example `eu-central-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A profile of the AWS configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// ARN of a role to assume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// A token from an OAuth 2.0 server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OAuth2 {
    /// Address of the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// The client's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's secret. Take it from an argument with `secretKeyRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Scopes to ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
}

/// User and password. Both are needed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BasicAuth {
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. Take it from an argument with `secretKeyRef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A request to an HTTP server. An answer outside 200 to 299 is an error. `result` is what `jsonPath` finds in JSON, or the whole
/// body if that is not JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["url"]))]
pub struct WebMetric {
    /// `GET`, `POST` or `PUT`. Default `GET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Address of the request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Headers of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Body of a POST or PUT, as text. Not beside `jsonBody`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body of a POST or PUT, as JSON; sets `Content-Type: application/json`. Not beside `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_body: Option<Value>,
    /// Seconds to wait for the answer. Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// What of the answer to take, in the JSONPath of kubectl, for example `{$.data.errorRate}`. Default `{$}`: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// True to accept any TLS certificate. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// How the controller proves who it is. Only `oauth2` is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// A Job, created for each measurement in the namespace of the AnalysisRun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["spec"]))]
pub struct JobMetric {
    /// Labels and annotations for the Job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,
    /// What the Job runs, as in `batch/v1`. Set `backoffLimit: 0` to fail at the first failed pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::api::crd::marks::job_spec")]
    pub spec: Option<Value>,
}
