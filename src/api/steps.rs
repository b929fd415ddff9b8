//! The steps of a canary. Field comments are the descriptions of the custom resource.

use crate::api::rollout::LabelSelector;
use crate::api::rollout_analysis::{AnalysisArg, DryRun, RolloutAnalysis};
use crate::api::strategy::PodMetadata;
use crate::base::percent::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One step: exactly one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStep {
    /// Give the canary this share of the traffic, in percent (of `trafficRouting.maxTrafficWeight` where that is set). The step
    /// ends when the pods for it are available and the router has taken the weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<i32>,
    /// Wait for a time, or, written as `pause: {}`, until a person promotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Set the number of canary pods apart from the weight. Only with `trafficRouting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Run an analysis and wait for it. Success goes on, failure or error aborts, inconclusive pauses for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RolloutAnalysis>,
    /// Start other versions side by side for a while and analyse them, without touching the Rollout's own pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentStep>,
    /// Send requests with certain headers to the canary. Only with the Istio, ALB, Apisix and plugin routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_header_route: Option<SetHeaderRoute>,
    /// Copy some requests to the canary; its answers are thrown away. Only with the Istio and plugin routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_mirror_route: Option<SetMirrorRoute>,
    /// Run a step plugin that the controller was configured with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginStep>,
}

/// A wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pause {
    /// How long: seconds as a number (`30`), or a duration with a unit (`30s`, `5m`, `1h30m`). Without it the pause lasts until a
    /// person promotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<IntOrString>,
}

/// The size of the canary. Holds until a later `setCanaryScale`. If several fields are set, `replicas` wins over `weight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SetCanaryScale {
    /// Size as a percentage of `spec.replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// Size as a number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// True to make the size follow the weight of the traffic again, as it does by default.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub match_traffic_weight: bool,
}

/// Requests that go to the canary whatever its weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SetHeaderRoute {
    /// Name of the route; it must be listed in `trafficRouting.managedRoutes`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Conditions on headers. Leave it out to remove the route. Whether several mean any or all is up to the router: Istio takes
    /// any, Apisix all.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub match_: Vec<HeaderRoutingMatch>,
}

/// One header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["headerName", "headerValue"]))]
pub struct HeaderRoutingMatch {
    /// Name of the header.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header_name: String,
    /// What its value must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_value: Option<StringMatch>,
}

/// A condition on a text: one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StringMatch {
    /// The text is exactly this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// The text begins with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The text matches this regular expression, in the dialect of the router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
}

/// Requests that are copied to the canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct SetMirrorRoute {
    /// Name of the route; it must be listed in `trafficRouting.managedRoutes`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Percentage of the matching requests that is copied. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentage: Option<i32>,
    /// Requests to copy: any one of these conditions is enough. Leave it out to remove the route.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub match_: Vec<RouteMatch>,
}

/// A condition on a request: all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteMatch {
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<StringMatch>,
    /// The path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<StringMatch>,
    /// Headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, StringMatch>,
}

/// A step that a plugin carries out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct PluginStep {
    /// Name of the plugin as the controller knows it, for example `acme/approval`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Handed to the plugin as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
}

/// An Experiment that lasts as long as the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["templates"]))]
pub struct ExperimentStep {
    /// The versions to start.
    pub templates: Vec<ExperimentStepTemplate>,
    /// How long the experiment lasts, for example `30m`. Without it, until its required analyses are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The analyses to run on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<ExperimentStepAnalysis>,
    /// Metrics that are measured and shown but decide nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// Labels and annotations for the AnalysisRuns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<PodMetadata>,
    /// Seconds that the pods stay up after the experiment ended. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
}

/// One version of the experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "specRef"]))]
pub struct ExperimentStepTemplate {
    /// Name of the version within the experiment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which pod template of the Rollout it runs: `canary` or `stable`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub spec_ref: String,
    /// Number of pods. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Labels and annotations for its pods, over those of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,
    /// Selector of its pods. Default: the Rollout's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Share of the traffic that it gets, in percent. Only with a router that can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// Create a Service for its pods. Write `{}`, or name the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<NamedService>,
}

/// A Service that the experiment makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NamedService {
    /// Name of the Service. Default: the name of the version's ReplicaSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An analysis of the experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "templateName"]))]
pub struct ExperimentStepAnalysis {
    /// Name of the analysis within the experiment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Name of an AnalysisTemplate in the same namespace, or of a ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_name: String,
    /// True to mean a ClusterAnalysisTemplate. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
    /// Values for the arguments that the template declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<AnalysisArg>,
    /// The experiment ends, successfully, only when this analysis has. Default false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required_for_completion: bool,
}

impl ExperimentStepAnalysis {
    /// Whether a ClusterAnalysisTemplate is meant. Unset and `false` mean the same but hash differently as part of a step.
    pub fn cluster_scoped(&self) -> bool {
        self.cluster_scope.unwrap_or(false)
    }
}
