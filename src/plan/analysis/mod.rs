//! What to do about an AnalysisRun: what to measure now, what the measurements mean, what to write.

pub mod condition;

use crate::api::analysis::{Metric, SecretKeyRef};
use crate::api::analysis_run::AnalysisRun;
use crate::base::gotime::Time;
use crate::base::reading::Reading;
use crate::plan::Plan;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything known about one AnalysisRun when a pass begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunObserved {
    pub run: AnalysisRun,
    /// Measurements that ended since the last pass and are not in the status yet, oldest first.
    pub finished: Vec<Finished>,
    /// Names of metrics that are being measured right now.
    pub in_flight: BTreeSet<String>,
}

/// A measurement that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub metric: String,
    pub started_at: Time,
    pub finished_at: Time,
    /// What the provider said, or the message of the error for people. Secrets are already masked.
    pub reading: Result<Reading, String>,
}

/// A measurement to start now, outside the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    pub metric: String,
    /// The metric as JSON with every argument filled in but those from secrets.
    pub spec: Value,
    /// Arguments to read from Secrets in the run's namespace, by argument name; see [`fill_secrets`].
    pub secrets: BTreeMap<String, SecretKeyRef>,
}

/// What to do about one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunPlan {
    /// Writes (the run has no status subresource: status goes to the main resource), notes and wake-up.
    pub plan: Plan,
    pub probes: Vec<Probe>,
}

/// What to do about the run now.
pub fn plan_run(_seen: &RunObserved, _now: DateTime<Utc>) -> RunPlan {
    RunPlan::default()
}

/// The metric of a probe with the secrets' values put in. `Err` is the message for the measurement.
pub fn fill_secrets(_probe: &Probe, _values: &BTreeMap<String, String>) -> Result<Metric, String> {
    Err(String::new())
}
