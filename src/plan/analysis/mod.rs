//! What to do about an AnalysisRun: what to measure now, what the measurements mean, what to write.
//!
//! A run is a state machine whose only memory is its status. One pass folds in the measurements that ended, decides, and names the
//! measurements to start; the shell carries those out beside the passes and reports back. Nothing here knows a provider, a clock or
//! the value of a secret.

pub mod args;
pub mod assess;
pub mod build;
pub mod caution;
pub mod condition;
pub mod field_ref;
pub mod fold;
pub mod history;
pub mod jobs;
pub mod reference;
pub mod retention;
pub mod rules;
pub mod schedule;
pub mod templates;
pub mod threshold;
pub mod validity;
pub mod verdict;

#[cfg(test)]
mod house;
#[cfg(test)]
mod timeline;

use crate::api::analysis::{Metric, SecretKeyRef};
use crate::api::analysis_run::{AnalysisRun, AnalysisRunStatus, completed};
use crate::base::gotime::Time;
use crate::base::json::merge_diff;
use crate::base::names::reason;
use crate::base::object::Kind;
use crate::base::reading::Reading;
use crate::plan::{Action, Note, Plan, Verb};
use chrono::{DateTime, Utc};
use schedule::Next;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub use args::{fill_secrets, shown};
pub use build::{Name, Purpose, RunWanted, base_name, build_run, name_for, run_spec};
pub use history::{History, runs_to_delete};
pub use jobs::{Job, JobPod, is_begun, job_of};
pub use reference::validate_templates;
pub use templates::templates_needed;

/// Everything known about one AnalysisRun when a pass begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunObserved {
    pub run: AnalysisRun,
    /// Measurements that ended since the last pass and are not in the status yet, oldest first.
    pub finished: Vec<Finished>,
    /// Names of metrics that are being measured right now.
    pub in_flight: BTreeSet<String>,
    /// Jobs that the run controls, sorted by name; `None` while they cannot be read.
    pub jobs: Option<Vec<Job>>,
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
    /// Which measurement of the metric it is, counted from 1, errors included.
    pub attempt: i32,
}

/// What to do about one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunPlan {
    /// Writes (the run has no status subresource: status goes to the main resource), notes and wake-up. Deferrable when other
    /// metrics of the same tick are still being measured: one write can carry all, and whoever reads a verdict sees what the others
    /// found at that moment.
    pub plan: Plan,
    pub probes: Vec<Probe>,
}

/// One metric of a run as it is carried out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// With every argument filled in but those from secrets.
    pub metric: Metric,
    pub spec: Value,
    pub secrets: BTreeMap<String, SecretKeyRef>,
    /// Measured and shown, but without a say.
    pub dry_run: bool,
    /// Measurements that stay in the status.
    pub kept: usize,
}

/// What to do about the run now.
pub fn plan_run(seen: &RunObserved, now: DateTime<Utc>) -> RunPlan {
    let run = &seen.run;
    if run.metadata.deleting() {
        return RunPlan::default();
    }
    if completed(&run.status.phase) {
        let mut plan = retention::expire(run, now);
        // Those that were not seen yet when the run ended.
        plan.actions.splice(0..0, jobs::stop(seen));
        return RunPlan {
            plan,
            probes: Vec::new(),
        };
    }
    let mut status = run.status.clone();
    status.started_at.get_or_insert(Time::new(now));
    let mut planned = match targets(run) {
        Err(message) => {
            // Unlike Argo Rollouts the completion time is set, so that a time to live applies to such runs too.
            let note = assess::set_run_phase(&mut status, "Error", message, Time::new(now));
            let mut plan = write(run, &status, note.into_iter().collect());
            plan.wake_at = retention::expires_at(&run.spec, &status);
            RunPlan {
                plan,
                probes: Vec::new(),
            }
        }
        Ok(targets) => measure(seen, &targets, status, now),
    };
    if run.status.started_at.is_none() && run.metadata.controller().is_none() {
        // What a Rollout starts it tells of itself.
        let warnings = caution::warnings(&run.spec).into_iter();
        let notes = warnings.map(|message| Note::warning(reason::LIMITS_FORGIVE_ALL, message));
        planned.plan.notes.extend(notes);
    }
    planned
}

/// The metrics of the run, ready to be carried out, or why they cannot be.
fn targets(run: &AnalysisRun) -> Result<Vec<Target>, String> {
    let unresolved = |why: String| format!("Unable to resolve metric arguments: {why}");
    let invalid = |why: String| format!("Analysis spec invalid: {why}");
    let fillings = args::Fillings::new(&run.spec.args).map_err(unresolved)?;
    let filled: Result<Vec<_>, _> = run
        .spec
        .metrics
        .iter()
        .map(|metric| fillings.fill(metric))
        .collect();
    let filled = filled.map_err(unresolved)?;
    let metrics: Vec<Metric> = filled.iter().map(|filled| filled.metric.clone()).collect();
    validity::check_metrics(&metrics).map_err(invalid)?;
    filled
        .iter()
        .try_for_each(validity::check_secrets)
        .map_err(invalid)?;
    let dry = rules::dry_run(&metrics, &run.spec.dry_run).map_err(invalid)?;
    let kept = rules::measurements_kept(&metrics, &run.spec.measurement_retention).map_err(invalid)?;
    let target = |((filled, dry_run), kept): ((args::Filled, bool), usize)| Target {
        metric: filled.metric,
        spec: filled.spec,
        secrets: filled.secrets,
        dry_run,
        kept,
    };
    Ok(filled.into_iter().zip(dry).zip(kept).map(target).collect())
}

/// Folds in what ended, decides, and finds what to measure next.
fn measure(
    seen: &RunObserved,
    targets: &[Target],
    mut status: AnalysisRunStatus,
    now: DateTime<Utc>,
) -> RunPlan {
    let asked = seen.run.spec.terminate;
    jobs::end(&mut status, targets, seen, Time::new(now));
    if assess::terminating(asked, &status, targets) {
        // What is still being measured has no say any more, whenever it ends.
        fold::end_open_measurements(&mut status, Time::new(now));
    } else {
        fold::fold(&mut status, targets, &seen.finished);
    }
    let mut notes = assess::assess(&mut status, targets, asked, Time::new(now));
    let stopping = assess::terminating(asked, &status, targets);
    if stopping && fold::end_open_measurements(&mut status, Time::new(now)) {
        // One metric decided in this pass: Jobs of the others end with it.
        notes.extend(assess::assess(&mut status, targets, asked, Time::new(now)));
    }
    retention::trim(&mut status, targets);
    let (due, wake_at) = schedule_all(seen, targets, &status, now);
    let ended = |metric: &String| seen.finished.iter().any(|finished| finished.metric == *metric);
    let company = seen.in_flight.iter().any(|metric| !ended(metric));
    let mut plan = write(&seen.run, &status, notes);
    plan.deferrable = company && !asked && !seen.finished.is_empty() && !plan.actions.is_empty();
    let deletes = match stopping || completed(&status.phase) {
        true => jobs::stop(seen),
        false => jobs::surplus(seen, targets),
    };
    plan.actions.splice(0..0, deletes);
    plan.waiting_for = waiting_for(seen, &due, wake_at);
    plan.wake_at = wake_at;
    let probe = |target: &&Target| Probe {
        metric: target.metric.name.clone(),
        spec: target.spec.clone(),
        secrets: target.secrets.clone(),
        attempt: jobs::attempt(&status, &target.metric.name),
    };
    RunPlan {
        plan,
        probes: due.iter().map(probe).collect(),
    }
}

/// The metrics to measure now, and when the next one is due after that. A metric in flight reports back by itself.
fn schedule_all<'a>(
    seen: &RunObserved,
    targets: &'a [Target],
    status: &AnalysisRunStatus,
    now: DateTime<Utc>,
) -> (Vec<&'a Target>, Option<DateTime<Utc>>) {
    let (mut due, mut wake_at) = (Vec::new(), None);
    if completed(&status.phase) {
        return (due, retention::expires_at(&seen.run.spec, status));
    }
    let started_at = status.started_at.unwrap_or(Time::new(now));
    for target in targets
        .iter()
        .filter(|target| !seen.in_flight.contains(&target.metric.name))
    {
        let result = status
            .metric_results
            .iter()
            .find(|result| result.name == target.metric.name);
        if let Some(job) = result.and_then(|result| jobs::open(target, result)) {
            let unseen_until = jobs::unseen_until(seen, job);
            wake_at = [wake_at, unseen_until].into_iter().flatten().min();
            continue;
        }
        match schedule::next(&target.metric, result, started_at, now) {
            Next::At(at) if at <= now => due.push(target),
            Next::At(at) => wake_at = Some(wake_at.map_or(at, |wake: DateTime<Utc>| wake.min(at))),
            Next::Never => {}
        }
    }
    (due, wake_at)
}

fn waiting_for(seen: &RunObserved, due: &[&Target], wake_at: Option<DateTime<Utc>>) -> String {
    let measured = due.iter().map(|target| target.metric.name.as_str());
    let measured: BTreeSet<&str> = measured
        .chain(seen.in_flight.iter().map(String::as_str))
        .collect();
    let measured: Vec<&str> = measured.into_iter().collect();
    match (measured.is_empty(), wake_at) {
        (false, _) => format!("measurements of {}", measured.join(", ")),
        (true, Some(at)) => format!("the next measurement at {}", Time::new(at).rfc3339()),
        (true, None) => String::new(),
    }
}

/// The one write of a pass: what changed in the status, guarded. Nothing when nothing changed.
fn write(run: &AnalysisRun, status: &AnalysisRunStatus, notes: Vec<Note>) -> Plan {
    let json = |status: &AnalysisRunStatus| serde_json::to_value(status).unwrap_or_default();
    let change = merge_diff(&json(&run.status), &json(status));
    let action = change.map(|change| Action {
        verb: Verb::Patch,
        kind: Kind::AnalysisRun,
        key: run.metadata.key(),
        guard: retention::seen(run),
        body: json!({"status": change}),
    });
    Plan {
        actions: action.into_iter().collect(),
        notes,
        ..Plan::default()
    }
}
