//! `spec.strategy.blueGreen`. Field comments are the descriptions of the custom resource.

use crate::api::rollout_analysis::RolloutAnalysis;
use crate::api::strategy::{AntiAffinity, PodMetadata};
use crate::base::percent::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a blue-green update goes: the Services, when to switch, and how long the old version stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["activeService"]))]
pub struct BlueGreenStrategy {
    /// Service with the production traffic. The controller points it at one version at a time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub active_service: String,
    /// Service that the controller points at the new version before the switch, for tests. Must differ from `activeService`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_service: Option<String>,
    /// Number of pods of the new version before the switch is decided. Default: `replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_replica_count: Option<i32>,
    /// Switch by itself once the new version is ready and its analysis passed. Default true. False waits for a person to promote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promotion_enabled: Option<bool>,
    /// Seconds to wait, once the new version is ready, before switching by itself. Default 0: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promotion_seconds: Option<i32>,
    /// How many pods may be unavailable while a restart replaces them: a number or a percentage of `replicas`. Default 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Seconds that the old version stays up after the switch. Default 30. Left out beside a `postPromotionAnalysis`, the old
    /// version stays until that analysis succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// How many old versions may stay up at once during `scaleDownDelaySeconds`. Default: no limit. Must not exceed
    /// `revisionHistoryLimit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Analysis that must succeed before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion_analysis: Option<RolloutAnalysis>,
    /// Analysis after the switch. If it fails, the active Service is switched back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion_analysis: Option<RolloutAnalysis>,
    /// Keep pods of the new version off the nodes of the old one, so that removing old nodes cannot take the new version down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
    /// Labels and annotations that pods wear only before the switch. Changed in place, no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_metadata: Option<PodMetadata>,
    /// Labels and annotations that pods wear only while active. Changed in place, no restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_metadata: Option<PodMetadata>,
    /// Seconds that the new version stays up after an abort. Default 30. 0 keeps it up for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i32>,
}
