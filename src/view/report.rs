//! The machine-readable answer of `serin status -o json`.
//!
//! Field names are a promise: they are added to, never renamed. What is unknown is absent.

use crate::api::rollout::Rollout;
use crate::api::template;
use crate::plan::ReplicaSet;
use crate::view::canary;
use crate::view::metrics::Decision;
use crate::view::outcome::{self, Sight};
use serde::Serialize;

/// One JSON object; see `serin status --help` for the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub name: String,
    pub namespace: String,
    /// `healthy`, `degraded`, `paused`, `timeout`, `superseded`, `notFound`, `unreachable`, `progressing`, `failed`.
    pub outcome: String,
    pub exit_code: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What went wrong with the command itself, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The newest revision in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// The metric that decided against the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
}

/// `index` is 0-based and equals `count` when all steps are done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    pub index: usize,
    pub count: usize,
}

/// Weights of the canary out of `max`. `actual` is absent when it follows from pods that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    pub desired: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<i32>,
    pub max: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    pub container: String,
    pub image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecidedBy {
    pub analysis_run: String,
    pub metric: String,
    pub phase: String,
    pub value: String,
    pub threshold: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    pub last_measurements: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Report {
    /// Adds what the Rollout itself says. Step, weight and revision are those of the spec only once the controller has seen
    /// it.
    pub fn describe(&mut self, rollout: &Rollout, sight: &Sight) {
        let meta = &rollout.metadata;
        self.phase = sight.phase.to_owned();
        self.message.clone_from(&sight.message);
        self.generation = Some(meta.generation);
        let template = rollout.spec.template.as_ref();
        let images = template.map(template::images).unwrap_or_default().into_iter();
        self.images = images
            .map(|(container, image)| Image { container, image })
            .collect();
        if outcome::is_current(rollout) {
            self.revision = Some(meta.revision()).filter(|revision| *revision > 0);
            self.step = canary::step(rollout).map(|(index, count)| Step { index, count });
            self.weight = weight(rollout);
        }
    }

    /// Adds what only the ReplicaSets know.
    pub fn describe_pods(&mut self, rollout: &Rollout, replica_sets: &[ReplicaSet]) {
        let stable = replica_sets
            .iter()
            .find(|rs| !rs.hash().is_empty() && rs.hash() == rollout.status.stable_rs);
        self.stable_revision = stable.map(|rs| rs.metadata.revision());
        if let Some(weight) = &mut self.weight {
            weight.actual = Some(canary::weight_actual(rollout, replica_sets));
        }
    }
}

/// Without the ReplicaSets the weight that the canary has is known only when a router was told.
fn weight(rollout: &Rollout) -> Option<Weight> {
    let canary = rollout.spec.strategy.canary.as_ref()?;
    let routed = canary.traffic_routing.is_some();
    Some(Weight {
        desired: canary::weight_wanted(rollout),
        actual: routed.then(|| canary::weight_actual(rollout, &[])),
        max: canary::weight_max(rollout),
    })
}

impl From<Decision> for DecidedBy {
    fn from(decision: Decision) -> Self {
        let metric = decision.metric;
        Self {
            analysis_run: decision.run,
            metric: metric.name,
            phase: metric.phase,
            value: metric.value,
            threshold: metric.threshold,
            stable: metric.stable,
            last_measurements: metric.last,
            message: metric.message,
        }
    }
}
