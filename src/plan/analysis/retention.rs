//! What is forgotten: old measurements of a run, and runs past their time to live.

use super::Target;
use crate::api::analysis_run::{AnalysisRun, AnalysisRunSpec, AnalysisRunStatus};
use crate::base::object::Kind;
use crate::plan::{Action, Guard, Plan, Verb};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Keeps the newest measurements of each metric, as many as it is allowed; the counters remember the rest.
pub fn trim(status: &mut AnalysisRunStatus, targets: &[Target]) {
    for result in &mut status.metric_results {
        let Some(target) = targets.iter().find(|target| target.metric.name == result.name) else {
            continue;
        };
        let surplus = result.measurements.len().saturating_sub(target.kept);
        result.measurements.drain(..surplus);
    }
}

/// Deletes a completed run when its time to live is over; otherwise wakes then. Whole seconds must exceed it, as with Argo Rollouts.
pub fn expire(run: &AnalysisRun, now: DateTime<Utc>) -> Plan {
    let Some(expires_at) = expires_at(&run.spec, &run.status) else {
        return Plan::default();
    };
    if now < expires_at {
        return Plan {
            wake_at: Some(expires_at),
            waiting_for: "the run's time to live to end".into(),
            ..Plan::default()
        };
    }
    let delete = Action {
        verb: Verb::Delete,
        kind: Kind::AnalysisRun,
        key: run.metadata.key(),
        guard: seen(run),
        body: Value::Null,
    };
    Plan {
        actions: vec![delete],
        ..Plan::default()
    }
}

/// When a completed run is to be deleted, if ever.
pub fn expires_at(spec: &AnalysisRunSpec, status: &AnalysisRunStatus) -> Option<DateTime<Utc>> {
    let ttl = spec.ttl_strategy.as_ref()?;
    let by_outcome = match status.phase.as_str() {
        "Successful" => ttl.seconds_after_success,
        "Failed" => ttl.seconds_after_failure,
        _ => None,
    };
    let seconds = by_outcome.or(ttl.seconds_after_completion)?;
    let completed_at = status.completed_at?.get();
    completed_at.checked_add_signed(TimeDelta::seconds(i64::from(seconds) + 1))
}

/// The state of the run that a decision was made from.
pub fn seen(run: &AnalysisRun) -> Guard {
    Guard::Seen {
        uid: run.metadata.uid.clone(),
        resource_version: run.metadata.resource_version.clone(),
    }
}
