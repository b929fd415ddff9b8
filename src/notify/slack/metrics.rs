//! One line per metric: value, threshold, stable's value. Also which metric decided, and what it measured last.
//!
//! Convention: a dry-run metric named `<metric>-stable` measures the stable version for `<metric>`. It is shown beside it, not as
//! a line of its own.

use super::text::{code, escape_clipped, number, one_line};
use crate::api::analysis::Metric;
use crate::api::analysis_run::{AnalysisRun, Measurement, MetricResult, completed};
use crate::base::names::label;
use crate::plan::Announcement;
use crate::plan::analysis::assess::cut_short;
use crate::plan::analysis::threshold::{Bound, Demand, Threshold, threshold as demands};

/// Measurements of the deciding metric that are shown.
const MEASUREMENTS_SHOWN_MAX: usize = 5;
const NAME_CHARS_MAX: usize = 80;
const CONDITION_CHARS_MAX: usize = 160;
const STABLE_SUFFIX: &str = "-stable";

/// What a run belongs to: `step 3`, `background`, `before the switch`.
pub fn place(run: &AnalysisRun) -> String {
    match run.metadata.label(label::ROLLOUT_TYPE) {
        "Step" => match run.metadata.label(label::STEP_INDEX).parse::<u32>() {
            Ok(index) => format!("step {}", index.saturating_add(1)),
            Err(_) => "step".into(),
        },
        "" => "analysis".into(),
        "PrePromotion" => "before the switch".into(),
        "PostPromotion" => "after the switch".into(),
        other => escape_clipped(&one_line(other).to_lowercase(), 40),
    }
}

/// The run and metric that ended the update. Only the latest run of each kind counts: an earlier failure was retried.
pub fn decider(what: &Announcement) -> Option<(&AnalysisRun, Option<&MetricResult>)> {
    let kind = |run: &AnalysisRun| run.metadata.label(label::ROLLOUT_TYPE).to_owned();
    let latest = |run: &&AnalysisRun| what.runs.iter().rfind(|other| kind(other) == kind(run)) == Some(*run);
    let bad = what
        .runs
        .iter()
        .filter(latest)
        .filter(|run| rank(&run.status.phase) >= rank("Inconclusive"));
    let run = bad.max_by_key(|run| (rank(&run.status.phase), run.status.completed_at))?;
    Some((run, deciding_metric(run)))
}

/// The worst metric of a run that did not pass.
pub fn deciding_metric(run: &AnalysisRun) -> Option<&MetricResult> {
    let results = run.status.metric_results.iter().rev();
    let bad = results.filter(|result| !result.dry_run && rank(&result.phase) >= rank("Inconclusive"));
    bad.max_by_key(|result| rank(&result.phase))
}

fn rank(phase: &str) -> u8 {
    match phase {
        "Failed" => 3,
        "Error" => 2,
        "Inconclusive" => 1,
        _ => 0,
    }
}

/// Lines for every metric of the update: the deciding one first, then its run, then the other runs from new to old.
pub fn of_all_runs(what: &Announcement) -> Vec<String> {
    let first = decider(what).map(|(run, _)| run);
    let mut runs: Vec<&AnalysisRun> = what.runs.iter().rev().collect();
    runs.sort_by_key(|run| Some(*run) != first);
    let several = runs.len() > 1;
    runs.into_iter().flat_map(|run| of_run(run, several)).collect()
}

/// Lines for every metric of one run, the deciding one first.
pub fn of_run(run: &AnalysisRun, with_place: bool) -> Vec<String> {
    let first = deciding_metric(run).map(|result| result.name.as_str());
    let mut metrics: Vec<&Metric> = run
        .spec
        .metrics
        .iter()
        .filter(|metric| !is_baseline(run, metric))
        .collect();
    metrics.sort_by_key(|metric| Some(metric.name.as_str()) != first);
    let suffix = if with_place {
        format!(" · {}", place(run))
    } else {
        String::new()
    };
    metrics
        .into_iter()
        .map(|metric| line(run, metric) + &suffix)
        .collect()
}

/// One sentence about the metric that ended the update, escaped.
pub fn decided_sentence(what: &Announcement) -> Option<String> {
    let (run, result) = decider(what)?;
    let result = result?;
    let metric = run
        .spec
        .metrics
        .iter()
        .find(|metric| metric.name == result.name)?;
    let unit = unit(&metric.name);
    let value = latest(Some(result), unit).replace('*', "");
    Some(format!(
        "{} {value}, {}",
        code(&metric.name, NAME_CHARS_MAX),
        threshold(metric, unit)
    ))
}

fn result_of<'a>(run: &'a AnalysisRun, name: &str) -> Option<&'a MetricResult> {
    run.status
        .metric_results
        .iter()
        .find(|result| result.name == name)
}

/// Whether a metric only exists to be shown beside another.
fn is_baseline(run: &AnalysisRun, metric: &Metric) -> bool {
    let of = metric.name.strip_suffix(STABLE_SUFFIX);
    let compared = of.is_some_and(|name| run.spec.metrics.iter().any(|other| other.name == name));
    compared && result_of(run, &metric.name).is_some_and(|result| result.dry_run)
}

fn line(run: &AnalysisRun, metric: &Metric) -> String {
    let unit = unit(&metric.name);
    let result = result_of(run, &metric.name);
    let phase = result.map_or("Pending", |result| result.phase.as_str());
    let icon = match result {
        Some(result) if cut_short(metric, result) => "⏹",
        _ => icon(phase),
    };
    let mut parts = vec![
        format!(
            "{icon} {} {}",
            code(&metric.name, NAME_CHARS_MAX),
            latest(result, unit)
        ),
        threshold(metric, unit),
        format!("stable {}", stable(run, metric, unit)),
    ];
    parts.extend(result.and_then(tally));
    if result.is_some_and(|result| result.dry_run) {
        parts.push("dry run".into());
    }
    parts.join(" · ")
}

fn icon(phase: &str) -> &'static str {
    match phase {
        "Successful" => "✅",
        "Failed" => "❌",
        "Error" => "⚠",
        "Inconclusive" => "❔",
        _ => "⏳",
    }
}

fn latest(result: Option<&MetricResult>, unit: &str) -> String {
    let done = |measurement: &&Measurement| completed(&measurement.phase);
    match result.and_then(|result| result.measurements.iter().rfind(done)) {
        None => "not measured".into(),
        Some(last) if no_answer(last) => {
            format!("*no value*: {}", escape_clipped(&one_line(&last.message), 160))
        }
        Some(last) => format!("*{}*", value(&last.value, unit)),
    }
}

fn reading(measurement: &Measurement, unit: &str) -> String {
    if no_answer(measurement) {
        return "no value".into();
    }
    value(&measurement.value, unit)
}

fn no_answer(measurement: &Measurement) -> bool {
    measurement.phase == "Error" && measurement.value.is_empty()
}

fn stable(run: &AnalysisRun, metric: &Metric, unit: &str) -> String {
    let baseline = result_of(run, &format!("{}{STABLE_SUFFIX}", metric.name)).filter(|result| result.dry_run);
    let done = |measurement: &&Measurement| completed(&measurement.phase);
    match baseline.and_then(|result| result.measurements.iter().rfind(done)) {
        None => "not measured".into(),
        Some(last) => value(&last.value, unit),
    }
}

/// How many measurements were bad, when any were.
fn tally(result: &MetricResult) -> Option<String> {
    let of = |count: Option<i32>| count.unwrap_or(0).max(0);
    let (failed, inconclusive, errors) = (of(result.failed), of(result.inconclusive), of(result.error));
    let total = of(result.count).saturating_add(errors);
    let bad: Vec<String> = [
        (failed, "failed"),
        (inconclusive, "inconclusive"),
        (errors, "without a value"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} of {total} {word}"))
    .collect();
    (!bad.is_empty()).then(|| bad.join(", "))
}

/// The last measurements of a metric, for a code block: time, value, phase, message.
pub fn history(result: &MetricResult) -> String {
    let unit = unit(&result.name);
    let from = result.measurements.len().saturating_sub(MEASUREMENTS_SHOWN_MAX);
    let rows: Vec<(String, String, &Measurement)> = result.measurements[from..]
        .iter()
        .map(|m| (time(m), reading(m, unit), m))
        .collect();
    let widest = rows
        .iter()
        .map(|(_, value, _)| value.chars().count())
        .max()
        .unwrap_or(0);
    let line = |(time, value, measurement): &(String, String, &Measurement)| {
        let note = one_line(&measurement.message);
        let phase = escape_clipped(&one_line(&measurement.phase), 20);
        let text = format!(
            "{time}  {value:<widest$}  {phase}  {}",
            escape_clipped(&note, 120)
        );
        text.trim_end().replace('`', "'")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn time(measurement: &Measurement) -> String {
    let at = measurement.finished_at.or(measurement.started_at);
    at.map_or_else(|| "--:--:--".into(), |at| at.get().format("%H:%M:%S").to_string())
}

/// A unit that the metric's name ends in: `p99-ms`, `latency_seconds`, `error-percent`.
pub fn unit(name: &str) -> &'static str {
    match name.rsplit(['-', '_', '.']).next() {
        Some(last) if last.len() == name.len() => "",
        Some("ms" | "milliseconds" | "millis") => " ms",
        Some("s" | "secs" | "seconds") => " s",
        Some("percent" | "pct") => " %",
        _ => "",
    }
}

/// A stored measurement value for people: `[0.0312]` is `0.0312`; nothing and NaN are `no data`.
fn value(stored: &str, unit: &str) -> String {
    let stored = stored.trim();
    let inner = stored
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(stored)
        .trim();
    if matches!(inner, "" | "null" | "nil" | "<nil>") {
        return "no data".into();
    }
    let numbers: Option<Vec<f64>> = inner.split(',').map(|part| part.trim().parse().ok()).collect();
    let Some(numbers) = numbers else {
        return code(stored, 80);
    };
    if numbers.iter().all(|n| n.is_nan()) {
        return "no data".into();
    }
    let texts: Vec<String> = numbers
        .iter()
        .take(5)
        .map(|n| if n.is_nan() { "no data".into() } else { number(*n) })
        .collect();
    let rest = if numbers.len() > 5 { ", …" } else { "" };
    format!("{}{rest}{unit}", texts.join(", "))
}

/// What the value must be, from the conditions.
pub fn threshold(metric: &Metric, unit: &str) -> String {
    let Threshold { must, fails } = demands(metric);
    let must = must.map(|demand| match &demand {
        Demand::Bounds(bounds) => format!("must be {}", spell(bounds, unit)),
        Demand::Expression(text) => format!("must hold {}", code(text, CONDITION_CHARS_MAX)),
    });
    let fails = fails.map(|demand| match &demand {
        Demand::Bounds(bounds) => format!("fails if {}", spell(bounds, unit)),
        Demand::Expression(text) => format!("fails if {}", code(text, CONDITION_CHARS_MAX)),
    });
    let texts: Vec<String> = must.into_iter().chain(fails).collect();
    if texts.is_empty() {
        "no condition".into()
    } else {
        texts.join(", ")
    }
}

fn spell(bounds: &[Bound], unit: &str) -> String {
    let one = |bound: &Bound| code(&format!("{} {}{unit}", bound.operator, number(bound.limit)), 60);
    bounds.iter().map(one).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_read_like_a_sentence() {
        let check = |success: &str, failure: &str, want: &str| {
            let metric = Metric {
                success_condition: Some(success.into()),
                failure_condition: Some(failure.into()),
                ..Metric::default()
            };
            assert_eq!(threshold(&metric, ""), want, "{success} {failure}");
        };
        check("result[0] < 0.005", "", "must be `&lt; 0.005`");
        check(
            "len(result) > 0 && result[0]<=0.0050",
            "",
            "must be `&lt;= 0.005`",
        );
        check(
            "result >= 0.9 && result <= 1.1",
            "",
            "must be `&gt;= 0.9` and `&lt;= 1.1`",
        );
        check("", "result[0] >= 0.05", "must be `&lt; 0.05`");
        check(
            "result[0] < 1",
            "result[0] > 5",
            "must be `&lt; 1`, fails if `&gt; 5`",
        );
        check(
            "len(result) == 1 && !isNaN(result[0]) && result[0] < 1",
            "len(result) == 1 && !isNaN(result[0]) && result[0] >= 1",
            "must be `&lt; 1`",
        );
        check("all(result, # < 1)", "", "must hold `all(result, # &lt; 1)`");
        check(
            "len(result) == 0 || result[0] < 1",
            "",
            "must hold `len(result) == 0 || result[0] &lt; 1`",
        );
        check("result[0] < NaN", "", "must hold `result[0] &lt; NaN`");
        check(" ", "", "no condition");
    }

    #[test]
    fn a_metric_that_was_cut_short_is_no_success() {
        let run: AnalysisRun = serde_json::from_value(serde_json::json!({
            "spec": {"metrics": [{"name": "p99-ms", "count": 10, "successCondition": "result[0] < 500"}]},
            "status": {"metricResults": [{"name": "p99-ms", "phase": "Successful",
                "count": 1, "failed": 1, "measurements": [{"phase": "Failed", "value": "[900]"}]}]}}))
        .unwrap();
        let line = of_run(&run, false).join("");
        assert!(line.starts_with("⏹ `p99-ms` *900 ms*"), "{line}");
    }

    #[test]
    fn values_read_for_people() {
        let check = |stored: &str, unit: &str, want: &str| assert_eq!(value(stored, unit), want, "{stored}");
        check("[0.0312]", "", "0.0312");
        check("213.4567", " ms", "213.5 ms");
        check("[]", " ms", "no data");
        check("[NaN]", "", "no data");
        check("[1,NaN]", "", "1, no data");
        check("", "", "no data");
        check("[1,2,3,4,5,6]", "", "1, 2, 3, 4, 5, …");
        check("{\"a\": 1}", "", "`{\"a\": 1}`");
    }

    #[test]
    fn units_come_from_the_name() {
        let check = |name: &str, want: &str| assert_eq!(unit(name), want, "{name}");
        check("p99-ms", " ms");
        check("latency_seconds", " s");
        check("error.percent", " %");
        check("ms", "");
        check("error-rate", "");
    }
}
