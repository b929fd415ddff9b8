//! When a metric is measured next. Everything follows from the status: no timer lives anywhere else.

use crate::api::analysis::Metric;
use crate::api::analysis_run::{Measurement, MetricResult, completed};
use crate::base::gotime::{Time, parse_duration};
use crate::base::limits::{CLOCKS_APART_SECONDS_MAX, MEASUREMENT_RETRY_SECONDS};
use crate::base::percent::IntOrString;
use chrono::{DateTime, TimeDelta, Utc};

/// When a metric is measured next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    At(DateTime<Utc>),
    Never,
}

/// How often a metric is measured: `None` means without end. `count: 0` counts as unset, as with Argo Rollouts.
pub fn effective_count(metric: &Metric) -> Option<i32> {
    match number(&metric.count) {
        0 if has_text(&metric.interval) => None,
        0 => Some(1),
        count => Some(count),
    }
}

/// An optional limit as a number; absent is 0.
pub fn number(value: &Option<IntOrString>) -> i32 {
    value.as_ref().and_then(IntOrString::as_int).unwrap_or(0)
}

pub fn has_text(text: &Option<String>) -> bool {
    text.as_ref().is_some_and(|text| !text.is_empty())
}

/// When `metric` is due, given what came of it so far. A time in the past means now. What was written by a clock that was ahead
/// is taken for long past: waiting for it would be waiting for nothing.
pub fn next(metric: &Metric, result: Option<&MetricResult>, started_at: Time, now: DateTime<Utc>) -> Next {
    let believed = now + TimeDelta::seconds(CLOCKS_APART_SECONDS_MAX);
    let Some(last) = result.and_then(|result| result.measurements.last()) else {
        let began = match started_at.get() > believed {
            true => now,
            false => started_at.get(),
        };
        return Next::At(began + duration(&metric.initial_delay));
    };
    let count = result.and_then(|result| result.count).unwrap_or(0);
    if result.is_some_and(|result| completed(&result.phase)) {
        return Next::Never;
    }
    let Some(finished_at) = last.finished_at else {
        // Only another controller leaves a measurement open in the status: take it up where it asked to be.
        return Next::At(last.resume_at.unwrap_or(started_at).get());
    };
    if effective_count(metric).is_some_and(|limit| count >= limit) {
        return Next::Never;
    }
    if finished_at.get() > believed {
        return Next::At(now);
    }
    Next::At(finished_at.get() + pause_after(metric, last))
}

/// The time between the end of a measurement and the next one.
fn pause_after(metric: &Metric, last: &Measurement) -> TimeDelta {
    if last.phase == "Error" || !has_text(&metric.interval) {
        return TimeDelta::seconds(MEASUREMENT_RETRY_SECONDS);
    }
    duration(&metric.interval)
}

fn duration(text: &Option<String>) -> TimeDelta {
    text.as_deref().and_then(parse_duration).unwrap_or_default()
}

/// True when readings of the metric can follow each other within one second, the precision of times in the status.
pub fn faster_than_the_status(metric: &Metric) -> bool {
    has_text(&metric.interval) && duration(&metric.interval) < TimeDelta::seconds(1)
}
