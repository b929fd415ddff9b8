//! Measurements that ended become part of the status: phase, counters, history.

use super::jobs::is_begun;
use super::schedule::faster_than_the_status;
use super::verdict::{Verdict, judge};
use super::{Finished, Target};
use crate::api::analysis_run::{AnalysisRunStatus, Measurement, MetricResult, completed};
use crate::base::gotime::Time;
use crate::base::limits::{MEASUREMENT_VALUE_CHARS_MAX, STATUS_MESSAGE_CHARS_MAX, clip};
use std::collections::BTreeMap;

/// Adds what ended since the last pass. Readings of metrics that are decided, unknown or already in the status are dropped.
pub fn fold(status: &mut AnalysisRunStatus, targets: &[Target], finished: &[Finished]) {
    for reading in finished {
        let Some(target) = targets.iter().find(|target| target.metric.name == reading.metric) else {
            continue;
        };
        let result = result_of(status, target);
        if !completed(&result.phase) && !known(result, target, reading) {
            add(result, target, reading);
        }
    }
    let place = |result: &MetricResult| {
        targets
            .iter()
            .position(|target| target.metric.name == result.name)
    };
    // Readings arrive in any order; people read them in the order of the manifest. Metrics no longer named go last.
    status
        .metric_results
        .sort_by_key(|result| place(result).unwrap_or(targets.len()));
}

/// Ends measurements that another controller left open, and Jobs that still run, because the run is being terminated. Nobody knows
/// their outcome. Returns whether there were any.
pub fn end_open_measurements(status: &mut AnalysisRunStatus, now: Time) -> bool {
    let mut any = false;
    for result in &mut status.metric_results {
        let Some(last) = result.measurements.last_mut() else {
            continue;
        };
        if completed(&result.phase) || last.finished_at.is_some() {
            continue;
        }
        last.finished_at = Some(now);
        last.resume_at = None;
        last.phase = "Inconclusive".into();
        last.message = "Metric Terminated".into();
        count(result, "Inconclusive");
        any = true;
    }
    any
}

fn result_of<'a>(status: &'a mut AnalysisRunStatus, target: &Target) -> &'a mut MetricResult {
    let results = &mut status.metric_results;
    let index = match results
        .iter()
        .position(|result| result.name == target.metric.name)
    {
        Some(index) => index,
        None => {
            results.push(MetricResult {
                name: target.metric.name.clone(),
                phase: "Running".into(),
                ..MetricResult::default()
            });
            results.len() - 1
        }
    };
    results[index].dry_run = target.dry_run;
    &mut results[index]
}

/// True when the status holds this reading already: the write of an earlier pass may have succeeded without our learning it, and
/// one bad reading must not count twice. Start and end tell readings apart, unless they can follow within one second.
fn known(result: &MetricResult, target: &Target, reading: &Finished) -> bool {
    let same = |measurement: &Measurement| {
        measurement.started_at == Some(reading.started_at)
            && measurement.finished_at == Some(reading.finished_at)
    };
    if reading.reading.as_ref().is_ok_and(|reading| reading.begun) {
        return result
            .measurements
            .iter()
            .any(|measurement| is_begun(measurement, reading));
    }
    !faster_than_the_status(&target.metric) && result.measurements.iter().any(same)
}

fn add(result: &mut MetricResult, target: &Target, finished: &Finished) {
    let mut measurement = Measurement {
        started_at: Some(finished.started_at),
        finished_at: Some(finished.finished_at),
        ..Measurement::default()
    };
    let verdict = match &finished.reading {
        Ok(reading) if reading.begun => {
            measurement.metadata = reading.metadata.clone();
            measurement.finished_at = None;
            measurement.resume_at = Some(finished.started_at);
            Verdict {
                phase: "Running",
                message: String::new(),
            }
        }
        Ok(reading) => {
            measurement.value = clip(&reading.value, MEASUREMENT_VALUE_CHARS_MAX);
            measurement.metadata = clip_all(&reading.metadata);
            if !reading.metric_metadata.is_empty() {
                result.metadata = clip_all(&reading.metric_metadata);
            }
            judge(&target.metric, reading, finished.finished_at.get())
        }
        Err(message) => Verdict {
            phase: "Error",
            message: message.clone(),
        },
    };
    measurement.phase = verdict.phase.into();
    measurement.message = clip(&verdict.message, STATUS_MESSAGE_CHARS_MAX);
    if completed(verdict.phase) {
        count(result, verdict.phase);
    }
    // A measurement that another controller left open is this one: it is taken up, not added.
    if result
        .measurements
        .last()
        .is_some_and(|last| last.finished_at.is_none())
    {
        result.measurements.pop();
    }
    result.measurements.push(measurement);
}

fn clip_all(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let clip = |text: &String| clip(text, MEASUREMENT_VALUE_CHARS_MAX);
    texts
        .iter()
        .map(|(name, text)| (name.clone(), clip(text)))
        .collect()
}

/// Counters of a metric. An error is not counted as a measurement: it says nothing about the version.
pub fn count(result: &mut MetricResult, phase: &str) {
    let add_one = |counter: &mut Option<i32>| *counter = Some(counter.unwrap_or(0).saturating_add(1));
    match phase {
        "Successful" => {
            add_one(&mut result.successful);
            add_one(&mut result.count);
            add_one(&mut result.consecutive_success);
            result.consecutive_error = None;
        }
        "Failed" | "Inconclusive" => {
            let counter = if phase == "Failed" {
                &mut result.failed
            } else {
                &mut result.inconclusive
            };
            add_one(counter);
            add_one(&mut result.count);
            result.consecutive_error = None;
            result.consecutive_success = None;
        }
        _ => {
            add_one(&mut result.error);
            add_one(&mut result.consecutive_error);
            result.consecutive_success = None;
        }
    }
}
