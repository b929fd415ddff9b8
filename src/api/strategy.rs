//! `spec.strategy`: the canary, and what both strategies share.
//!
//! Blue-green, the steps and the analyses they ask for have files of their own and are re-exported here: `strategy` is the one
//! path that others import. Field comments are the descriptions of the custom resource.

pub use crate::api::blue_green::BlueGreenStrategy;
pub use crate::api::rollout_analysis::{
    AnalysisArg, ArgFrom, BackgroundAnalysis, DryRun, FieldRef, MeasurementRetention, RolloutAnalysis,
    TemplateRef,
};
pub use crate::api::steps::{
    CanaryStep, ExperimentStep, ExperimentStepAnalysis, ExperimentStepTemplate, HeaderRoutingMatch,
    NamedService, Pause, PluginStep, RouteMatch, SetCanaryScale, SetHeaderRoute, SetMirrorRoute, StringMatch,
};

use crate::api::traffic::TrafficRouting;
use crate::base::percent::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// Run the new version beside the old one at full size, then switch the Service from one to the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreenStrategy>,
    /// Give the new version a growing share of the traffic, step by step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStrategy>,
}

/// How a canary goes: its steps, who moves the traffic, and the bounds on the number of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStrategy {
    /// Service that the controller points at the pods of the new version. Needed by most traffic routers; must differ from
    /// `stableService`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub canary_service: String,
    /// Service that the controller points at the pods of the stable version. Needed by most traffic routers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_service: String,
    /// What happens, in order. Without steps the new version replaces the old one as fast as `maxSurge` and `maxUnavailable`
    /// allow. After the last step the new version gets all the traffic. Example: `[{setWeight: 5}, {pause: {duration: 10m}}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CanaryStep>,
    /// Who splits the traffic. Without it the share of the canary is the share of pods that are canaries: `setWeight: 20` of 5
    /// pods is one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<TrafficRouting>,
    /// How many pods may exist above `replicas` during an update without traffic routing: a number or a percentage of `replicas`,
    /// rounded up. Default 25%. Not 0 if `maxUnavailable` is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// How many of `replicas` may be unavailable during an update: a number or a percentage of `replicas`, rounded down.
    /// Default 25%. Not 0 if `maxSurge` is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Analysis that runs in the background beside the steps and aborts the canary the moment it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<BackgroundAnalysis>,
    /// Keep pods of the new version off the nodes of the old one, so that removing old nodes cannot take the new version down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
    /// Labels and annotations that pods wear only while they are the canary. Changed in place, no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_metadata: Option<PodMetadata>,
    /// Labels and annotations that pods wear only while they are stable. Changed in place, no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_metadata: Option<PodMetadata>,
    /// Seconds that the old version stays up after the new one got all the traffic, so that routers can catch up. Default 30.
    /// Only with `trafficRouting`, and not with `dynamicStableScale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// How many old versions may stay up at once during `scaleDownDelaySeconds`. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Seconds that the canary stays up after an abort. Default 30 with `trafficRouting`, at once without. With 0 its size follows the
    /// first step: a leading `setCanaryScale` keeps it up for good, otherwise it goes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Shrink the stable version as the canary's weight grows, so that both together stay near `replicas`. Only with
    /// `trafficRouting`. Saves pods; going back takes as long as the stable version needs to grow again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dynamic_stable_scale: bool,
    /// Two Services that swap the roles of stable and canary with every update, instead of `stableService` and `canaryService`.
    /// Only with the ALB, Istio and plugin routers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_pong: Option<PingPong>,
    /// Fewest pods of a version that runs at all, with `trafficRouting`: 2 keeps a canary at 1 % from being a single pod.
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_pods_per_replica_set: Option<i32>,
    /// Advance a step when this many pods of the new version are available instead of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_progress_threshold: Option<ReplicaProgressThreshold>,
}

/// Exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AntiAffinity {
    /// The scheduler avoids nodes that run the other version, but uses one rather than leave a pod pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_during_scheduling_ignored_during_execution: Option<PreferredAntiAffinity>,
    /// The scheduler never uses a node that runs the other version. Write `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_during_scheduling_ignored_during_execution: Option<RequiredAntiAffinity>,
}

/// A wish, with its strength.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["weight"]))]
pub struct PreferredAntiAffinity {
    /// How much the scheduler should mind, from 1 to 100.
    pub weight: i32,
}

/// A demand; it has no options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequiredAntiAffinity {}

/// Labels and annotations to put on objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetadata {
    /// Labels to add.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations to add.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Two different Services. One is stable at a time; `status.canary.stablePingPong` says which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["pingService", "pongService"]))]
pub struct PingPong {
    /// Name of the first Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ping_service: String,
    /// Name of the second Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pong_service: String,
}

/// How many available pods are enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["type", "value"]))]
pub struct ReplicaProgressThreshold {
    /// `Percent` of the pods wanted at this step, or a number of `Pods`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// The percentage or the number. A negative value switches the threshold off.
    pub value: i32,
}
