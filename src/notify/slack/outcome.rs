//! The messages about how an update went: verdict of a run, promoted, aborted.

use super::blocks::Blocks;
use super::text::code;
use super::{commands, identity, metrics, more, prose};
use crate::api::analysis::Metric;
use crate::api::analysis_run::{AnalysisRun, MetricResult};
use crate::base::gotime::{human, parse_duration};
use crate::plan::Announcement;
use chrono::TimeDelta;

/// Runs whose window is told in one message.
const RUNS_SHOWN_MAX: usize = 6;

pub fn phase_of<'a>(what: &'a Announcement, run: &str) -> &'a str {
    find(what, run).map_or("", |run| run.status.phase.as_str())
}

fn find<'a>(what: &'a Announcement, name: &str) -> Option<&'a AnalysisRun> {
    what.runs.iter().find(|run| run.metadata.name == name)
}

pub fn verdict(what: &Announcement, name: &str, blocks: &mut Blocks) {
    let Some(run) = find(what, name) else {
        blocks.section(format!("Run {}", code(name, 253)));
        return;
    };
    if !run.status.message.is_empty() {
        blocks.section(prose(&run.status.message));
    }
    let mut fields = identity(what);
    fields.push(("Run", code(name, 253)));
    fields.push(("Analysis", window(what, run)));
    blocks.fields(fields);
    measurements(metrics::deciding_metric(run), run, blocks);
    blocks.lines("Metrics", metrics::of_run(run, false), &more(what, "metrics"));
}

pub fn promoted(what: &Announcement, reason: &str, blocks: &mut Blocks) {
    blocks.section(format!("*All traffic is on the new version.* {}", prose(reason)));
    blocks.fields(facts(what));
    blocks.lines("Metrics", metrics::of_all_runs(what), &more(what, "metrics"));
    commands(what, &[("Look further", "get", "get rollout")], blocks);
}

pub fn aborted(what: &Announcement, reason: &str, blocks: &mut Blocks) {
    blocks.section(format!("*All traffic goes back to stable.* {}", prose(reason)));
    blocks.fields(facts(what));
    if let Some((run, decided)) = metrics::decider(what) {
        measurements(decided, run, blocks);
    }
    blocks.lines("Metrics", metrics::of_all_runs(what), &more(what, "metrics"));
    let verbs = [
        ("Look further", "get", "get rollout"),
        ("Try again", "retry", "retry rollout"),
    ];
    commands(what, &verbs, blocks);
}

fn facts(what: &Announcement) -> Vec<(&'static str, String)> {
    let mut fields = identity(what);
    fields.push(("Analysis", windows(what)));
    if let Some(since) = what.since {
        fields.push(("Update took", human(what.at - since)));
    }
    fields
}

/// The metric that decided, with its last measurements.
fn measurements(decided: Option<&MetricResult>, run: &AnalysisRun, blocks: &mut Blocks) {
    let Some(result) = decided.filter(|result| !result.measurements.is_empty()) else {
        return;
    };
    let metric = run.spec.metrics.iter().find(|metric| metric.name == result.name);
    let unit = metrics::unit(&result.name);
    let threshold = metric.map(|metric| format!(", {}", metrics::threshold(metric, unit)));
    let name = code(&result.name, 80);
    let threshold = threshold.unwrap_or_default();
    let table = metrics::history(result);
    blocks.section(format!(
        "*Decided by* {name}{threshold}. Last measurements (UTC):\n```\n{table}\n```"
    ));
}

fn windows(what: &Announcement) -> String {
    let several = what.runs.len() > 1;
    let one = |run: &AnalysisRun| {
        let place = if several {
            format!("{}: ", metrics::place(run))
        } else {
            String::new()
        };
        format!("{place}{}", window(what, run))
    };
    let mut lines: Vec<String> = what.runs.iter().rev().take(RUNS_SHOWN_MAX).map(one).collect();
    let hidden = what.runs.len().saturating_sub(RUNS_SHOWN_MAX);
    if hidden > 0 {
        lines.push(format!("… and {hidden} earlier runs"));
    }
    if lines.is_empty() {
        "none".into()
    } else {
        lines.join("\n")
    }
}

/// How long a run was to be, and how long it was.
fn window(what: &Announcement, run: &AnalysisRun) -> String {
    let dry = |metric: &&Metric| {
        let mut results = run.status.metric_results.iter();
        results.any(|result| result.dry_run && result.name == metric.name)
    };
    let plans: Vec<Planned> = run
        .spec
        .metrics
        .iter()
        .filter(|metric| !dry(metric))
        .map(planned)
        .collect();
    let status = &run.status;
    let ran = match (status.started_at, status.completed_at) {
        (None, _) => "did not start".into(),
        (Some(start), Some(end)) => format!("ran {}", human(end.get() - start.get())),
        (Some(start), None) => format!("has run {}", human(what.at - start.get())),
    };
    format!("{}, {ran}", longest(&plans))
}

/// How long one metric is to be measured.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Planned {
    Once,
    For {
        length: TimeDelta,
        count: i32,
        interval: TimeDelta,
    },
    UntilStopped,
}

fn planned(metric: &Metric) -> Planned {
    let interval = metric.interval.as_deref().and_then(parse_duration);
    let count = metric
        .count
        .as_ref()
        .and_then(crate::base::percent::IntOrString::as_int)
        .filter(|count| *count > 0);
    match (interval, count) {
        (Some(_), None) => Planned::UntilStopped,
        (None, _) | (_, Some(1)) => Planned::Once,
        (Some(interval), Some(count)) => match interval.checked_mul(count) {
            Some(length) => Planned::For {
                length,
                count,
                interval,
            },
            None => Planned::UntilStopped,
        },
    }
}

fn longest(plans: &[Planned]) -> String {
    let longest = plans.iter().copied().reduce(|a, b| if b > a { b } else { a });
    match longest {
        None => "nothing to measure".into(),
        Some(Planned::Once) => "one measurement".into(),
        Some(Planned::UntilStopped) => "until stopped".into(),
        Some(Planned::For {
            length,
            count,
            interval,
        }) => {
            format!("{} planned ({count} × {})", human(length), human(interval))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::percent::IntOrString;

    #[test]
    fn the_window_is_interval_times_count_of_the_longest_metric() {
        let metric = |interval: &str, count: Option<i32>| Metric {
            interval: (!interval.is_empty()).then(|| interval.to_owned()),
            count: count.map(IntOrString::Int),
            ..Metric::default()
        };
        let check = |metrics: &[Metric], want: &str| {
            let plans: Vec<Planned> = metrics.iter().map(planned).collect();
            assert_eq!(longest(&plans), want);
        };
        check(&[], "nothing to measure");
        check(&[metric("", None)], "one measurement");
        check(
            &[metric("1m", Some(10)), metric("30s", Some(4))],
            "10m planned (10 × 1m)",
        );
        check(&[metric("1m", Some(10)), metric("1m", None)], "until stopped");
    }
}
