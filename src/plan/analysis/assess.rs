//! What the measurements mean: the phase of each metric, and of the run.
//!
//! Two orders apply. Inside a metric a later limit overrides an earlier one: failures, then inconclusives, then errors. Across metrics
//! the worst wins: Failed, Error, Inconclusive, Pending, Running, Successful; metrics in dry run have no say.

use super::Target;
use super::schedule::{effective_count, number};
use crate::api::analysis::Metric;
use crate::api::analysis_run::{AnalysisRunStatus, MetricResult, RunSummary, completed};
use crate::base::gotime::Time;
use crate::base::limits::{STATUS_MESSAGE_CHARS_MAX, clip};
use crate::base::percent::IntOrString;
use crate::plan::Note;

/// Consecutive errors that a metric forgives when it does not say (Argo Rollouts' default).
const CONSECUTIVE_ERROR_LIMIT_DEFAULT: i32 = 4;

/// True when the run must not measure any more: asked to stop, or already decided by one metric.
pub fn terminating(asked: bool, status: &AnalysisRunStatus, targets: &[Target]) -> bool {
    let decided = |target: &Target| {
        let result = result(status, target);
        !target.dry_run && result.is_some_and(|result| is_bad(&result.phase))
    };
    asked || targets.iter().any(decided)
}

/// Brings phases, messages and summaries of metrics and run up to date; returns what became final.
pub fn assess(status: &mut AnalysisRunStatus, targets: &[Target], asked: bool, now: Time) -> Vec<Note> {
    let mut notes = assess_metrics(status, targets, terminating(asked, status, targets));
    if !asked && terminating(asked, status, targets) {
        // A metric decided in this pass; the others end with it, not one pass later.
        notes.extend(assess_metrics(status, targets, true));
    }
    let stop = terminating(asked, status, targets);
    let (phase, message) = run_phase(status, targets, asked, stop);
    set_summaries(status, targets);
    notes.extend(set_run_phase(status, &phase, message, now));
    notes
}

/// Sets the run's phase; its message changes with the phase only, and the first final phase sets the completion time.
pub fn set_run_phase(
    status: &mut AnalysisRunStatus,
    phase: &str,
    message: String,
    now: Time,
) -> Option<Note> {
    if status.phase == phase {
        return None;
    }
    status.phase = phase.to_owned();
    status.message = clip(&message, STATUS_MESSAGE_CHARS_MAX);
    if !completed(phase) {
        return None;
    }
    status.completed_at.get_or_insert(now);
    Some(completion_note(
        "AnalysisRun",
        phase,
        format!("Analysis Completed. Result: {phase}"),
    ))
}

fn completion_note(what: &str, phase: &str, message: String) -> Note {
    let reason = format!("{what}{phase}");
    if matches!(phase, "Failed" | "Error") {
        Note::warning(reason, message)
    } else {
        Note::normal(reason, message)
    }
}

fn result<'a>(status: &'a AnalysisRunStatus, target: &Target) -> Option<&'a MetricResult> {
    status
        .metric_results
        .iter()
        .find(|result| result.name == target.metric.name)
}

fn is_bad(phase: &str) -> bool {
    matches!(phase, "Failed" | "Error" | "Inconclusive")
}

fn assess_metrics(status: &mut AnalysisRunStatus, targets: &[Target], stop: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    for target in targets {
        let results = &mut status.metric_results;
        let Some(result) = results
            .iter_mut()
            .find(|result| result.name == target.metric.name)
        else {
            continue;
        };
        let phase = metric_phase(&target.metric, result, stop);
        if result.phase == phase {
            continue;
        }
        result.message = result
            .measurements
            .last()
            .map(|last| last.message.clone())
            .unwrap_or_default();
        result.phase = phase.to_owned();
        if !completed(phase) {
            continue;
        }
        if target.dry_run
            && let Some(why) = why(&target.metric, result)
        {
            let message = format!("Metric assessed {phase} due to {why}");
            result.message = clip(&message, STATUS_MESSAGE_CHARS_MAX);
        }
        let message = format!("Metric '{}' Completed. Result: {phase}", result.name);
        notes.push(completion_note("Metric", phase, message));
    }
    notes
}

fn metric_phase(metric: &Metric, result: &MetricResult, stop: bool) -> &'static str {
    if let Some(phase) = final_phase(&result.phase) {
        return phase;
    }
    match result.measurements.last() {
        None if stop => return "Successful",
        None => return "Pending",
        Some(last) if last.finished_at.is_none() => return "Running",
        Some(_) => {}
    }
    if let Some((phase, _)) = limit_exceeded(metric, result) {
        return phase;
    }
    let successes_wanted = number(&metric.consecutive_success_limit);
    if successes_wanted > 0 && result.consecutive_success.unwrap_or(0) >= successes_wanted {
        return "Successful";
    }
    let count = result.count.unwrap_or(0);
    if effective_count(metric).is_some_and(|limit| count >= limit) {
        return match (successes_wanted > 0, number(&metric.failure_limit) >= 0) {
            (true, true) => "Inconclusive",
            (true, false) => "Failed",
            (false, _) => "Successful",
        };
    }
    if stop { "Successful" } else { "Running" }
}

/// Whether a metric was ended because another one decided, while its own last measurement was not good. Its phase is a success then.
pub fn cut_short(metric: &Metric, result: &MetricResult) -> bool {
    let planned = metric.count.as_ref().and_then(IntOrString::as_int);
    let last = result.measurements.last().map(|last| last.phase.as_str());
    result.phase == "Successful"
        && last != Some("Successful")
        && result.count.unwrap_or(0) < planned.unwrap_or(1)
}

fn final_phase(phase: &str) -> Option<&'static str> {
    ["Successful", "Failed", "Error", "Inconclusive"]
        .into_iter()
        .find(|known| *known == phase)
}

/// The limit that decides against the metric, if one is exceeded, with the reason for people. The last one wins.
fn limit_exceeded(metric: &Metric, result: &MetricResult) -> Option<(&'static str, String)> {
    let failures_max = number(&metric.failure_limit);
    let inconclusives_max = number(&metric.inconclusive_limit);
    let errors_max = metric
        .consecutive_error_limit
        .as_ref()
        .and_then(IntOrString::as_int)
        .unwrap_or(CONSECUTIVE_ERROR_LIMIT_DEFAULT);
    let failed = result.failed.unwrap_or(0);
    let inconclusive = result.inconclusive.unwrap_or(0);
    let errors = result.consecutive_error.unwrap_or(0);
    let mut decisive = None;
    if failures_max >= 0 && failed > failures_max {
        decisive = Some((
            "Failed",
            format!("failed ({failed}) > failureLimit ({failures_max})"),
        ));
    }
    if inconclusive > inconclusives_max {
        let why = format!("inconclusive ({inconclusive}) > inconclusiveLimit ({inconclusives_max})");
        decisive = Some(("Inconclusive", why));
    }
    if errors > errors_max {
        let why = format!("consecutiveErrors ({errors}) > consecutiveErrorLimit ({errors_max})");
        decisive = Some(("Error", why));
    }
    decisive
}

/// Why a metric ended as it did; `None` when it simply succeeded.
fn why(metric: &Metric, result: &MetricResult) -> Option<String> {
    let why = match limit_exceeded(metric, result) {
        Some((_, why)) => why,
        None if is_bad(&result.phase) => format!(
            "consecutiveSuccess ({}) < consecutiveSuccessLimit ({}) after {} measurements",
            result.consecutive_success.unwrap_or(0),
            number(&metric.consecutive_success_limit),
            result.count.unwrap_or(0)
        ),
        None => return None,
    };
    if result.message.is_empty() {
        return Some(why);
    }
    Some(format!("{why}: \"Error Message: {}\"", result.message))
}

/// Phase and message of the run, from its metrics.
fn run_phase(status: &AnalysisRunStatus, targets: &[Target], asked: bool, stop: bool) -> (String, String) {
    let results: Vec<_> = targets
        .iter()
        .map(|target| (target, result(status, target)))
        .collect();
    let unfinished = |result: &Option<&MetricResult>| result.is_none_or(|result| !completed(&result.phase));
    if !stop && results.iter().any(|(_, result)| unfinished(result)) {
        return ("Running".into(), String::new());
    }
    let mut worst = "Successful";
    let mut message = if asked {
        "Run Terminated".to_owned()
    } else {
        String::new()
    };
    for (target, result) in results {
        let Some(result) = result.filter(|_| !target.dry_run) else {
            continue;
        };
        if badness(&result.phase) <= badness(worst) {
            continue;
        }
        worst = final_phase(&result.phase).unwrap_or("Running");
        if let Some(why) = why(&target.metric, result) {
            message = format!("Metric \"{}\" assessed {worst} due to {why}", result.name);
        }
    }
    (worst.to_owned(), message)
}

fn badness(phase: &str) -> u8 {
    match phase {
        "Successful" => 0,
        "Running" => 1,
        "Pending" => 2,
        "Inconclusive" => 3,
        "Error" => 4,
        _ => 5,
    }
}

fn set_summaries(status: &mut AnalysisRunStatus, targets: &[Target]) {
    let summary = |dry_run: bool| {
        let mine: Vec<&Target> = targets
            .iter()
            .filter(|target| target.dry_run == dry_run)
            .collect();
        let ended = |phase: &str| {
            let ended = mine.iter().filter_map(|target| result(status, target));
            counter(ended.filter(|result| result.phase == phase).count())
        };
        RunSummary {
            count: counter(mine.len()),
            successful: ended("Successful"),
            failed: ended("Failed"),
            inconclusive: ended("Inconclusive"),
            error: ended("Error"),
        }
    };
    let (decisive, dry) = (summary(false), summary(true));
    status.run_summary = Some(decisive);
    status.dry_run_summary = Some(dry);
}

/// A counter as it is stored: absent when zero.
fn counter(number: usize) -> Option<i32> {
    i32::try_from(number).ok().filter(|number| *number > 0)
}
