//! What an analysis measured, as facts for people: each metric with its newest value, its threshold and stable's value.
//!
//! A dry-run metric named `<metric>-stable` is the baseline of `<metric>`: it is shown beside it and not as a metric of its
//! own. Nothing is judged here: phases are read, not computed.

use crate::api::analysis::Metric;
use crate::api::analysis_run::{AnalysisRun, Measurement, MetricResult};
use crate::plan::analysis::assess::cut_short;
use crate::plan::analysis::shown;
use crate::plan::analysis::threshold::threshold;

/// The suffix that makes a dry-run metric the baseline of another.
const BASELINE_SUFFIX: &str = "-stable";
/// The phase shown of a metric that ended, without a good last measurement, because another one decided. The API has no word for it.
pub const STOPPED: &str = "Stopped";
/// Measurements shown for the metric that decided.
const LAST_VALUES: usize = 5;

/// One metric of an analysis run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricLine {
    pub name: String,
    /// `Running`, `Successful`, `Failed`, `Error`, `Inconclusive`, `Stopped`; empty before the first measurement.
    pub phase: String,
    /// The newest value; empty when there is none yet.
    pub value: String,
    /// The conditions, for people, for example `must be < 0.005`.
    pub threshold: String,
    /// The newest value of the same metric for the stable version, where the analysis measures it.
    pub stable: Option<String>,
    /// The last measurements, oldest first: the value, or what went wrong.
    pub last: Vec<String>,
    pub message: String,
    pub dry_run: bool,
}

impl MetricLine {
    /// `error-rate Failed: 0.083 (failure if result[0] >= 0.005), stable 0.001`.
    pub fn text(&self) -> String {
        let phase = if self.phase.is_empty() {
            "Pending"
        } else {
            &self.phase
        };
        let value = if self.value.is_empty() {
            "no value"
        } else {
            &self.value
        };
        let mut text = format!("{} {phase}: {value}", self.name);
        if !self.threshold.is_empty() {
            text.push_str(&format!(" ({})", self.threshold));
        }
        if let Some(stable) = &self.stable {
            text.push_str(&format!(", stable {stable}"));
        }
        if self.dry_run {
            text.push_str(", dry run");
        }
        text
    }
}

/// The metrics of a run in the order of its spec, baselines folded into the metric they belong to.
pub fn lines(run: &AnalysisRun) -> Vec<MetricLine> {
    let run = &shown(run);
    let metrics = run.spec.metrics.iter();
    let of_its_own = |metric: &&Metric| !is_baseline(run, &metric.name);
    metrics
        .filter(of_its_own)
        .map(|metric| line(run, metric))
        .collect()
}

fn line(run: &AnalysisRun, metric: &Metric) -> MetricLine {
    let result = result_of(run, &metric.name);
    let baseline = format!("{}{BASELINE_SUFFIX}", metric.name);
    let stable = is_baseline(run, &baseline)
        .then(|| result_of(run, &baseline))
        .flatten();
    let measurements = result.map_or(&[][..], |result| &result.measurements);
    let from = measurements.len().saturating_sub(LAST_VALUES);
    MetricLine {
        name: metric.name.clone(),
        phase: match result {
            Some(result) if cut_short(metric, result) => STOPPED.to_owned(),
            result => result.map(|result| result.phase.clone()).unwrap_or_default(),
        },
        value: newest_value(measurements).unwrap_or_default(),
        threshold: threshold(metric).to_string(),
        stable: stable.and_then(|result| newest_value(&result.measurements)),
        last: measurements[from..].iter().map(measured).collect(),
        message: result.map(|result| result.message.clone()).unwrap_or_default(),
        dry_run: is_dry(run, &metric.name),
    }
}

fn result_of<'a>(run: &'a AnalysisRun, metric: &str) -> Option<&'a MetricResult> {
    run.status
        .metric_results
        .iter()
        .find(|result| result.name == metric)
}

fn is_dry(run: &AnalysisRun, metric: &str) -> bool {
    let asked = run.spec.dry_run.iter().any(|dry| dry.metric_name == metric);
    asked || result_of(run, metric).is_some_and(|result| result.dry_run)
}

fn is_baseline(run: &AnalysisRun, metric: &str) -> bool {
    let Some(of) = metric.strip_suffix(BASELINE_SUFFIX) else {
        return false;
    };
    is_dry(run, metric) && run.spec.metrics.iter().any(|other| other.name == of)
}

fn newest_value(measurements: &[Measurement]) -> Option<String> {
    let valued = |measurement: &&Measurement| !measurement.value.is_empty();
    measurements
        .iter()
        .rev()
        .find(valued)
        .map(|measurement| measurement.value.clone())
}

fn measured(measurement: &Measurement) -> String {
    match (measurement.value.is_empty(), measurement.message.is_empty()) {
        (false, _) => measurement.value.clone(),
        (true, false) => measurement.message.clone(),
        (true, true) => measurement.phase.clone(),
    }
}

/// What decided an abort: the run and its metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub run: String,
    /// Phase of the run: `Failed`, `Error` or `Inconclusive`.
    pub phase: String,
    pub metric: MetricLine,
}

/// The metric that decided against the version with `pod_hash`: of its newest run that ended badly, the first metric that
/// ended as badly as the run.
pub fn decision(runs: &[AnalysisRun], pod_hash: &str) -> Option<Decision> {
    let bad = |run: &&AnalysisRun| {
        let ended_badly = matches!(run.status.phase.as_str(), "Failed" | "Error" | "Inconclusive");
        ended_badly && run.metadata.label(crate::base::names::label::POD_HASH) == pod_hash
    };
    let newest_first = |run: &&AnalysisRun| (run.status.completed_at, run.metadata.creation_timestamp);
    let run = runs.iter().filter(bad).max_by_key(newest_first)?;
    let counts = |line: &MetricLine| !line.dry_run && line.phase == run.status.phase;
    let metric = lines(run).into_iter().find(counts)?;
    Some(Decision {
        run: run.metadata.name.clone(),
        phase: run.status.phase.clone(),
        metric,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    /// A failed run with a metric, its baseline and a healthy second metric.
    pub fn failed_run() -> AnalysisRun {
        let condition = "result[0] < 0.005";
        let measured = |value: &str, phase: &str| json!({"phase": phase, "value": value});
        serde_json::from_value(json!({
            "metadata": {"name": "web-5d-2-1", "labels": {"rollouts-pod-template-hash": "new"},
                "annotations": {"rollout.argoproj.io/revision": "2"}},
            "spec": {
                "metrics": [
                    {"name": "latency", "successCondition": "result[0] < 0.5"},
                    {"name": "error-rate", "successCondition": condition, "failureCondition": "result[0] >= 0.02"},
                    {"name": "error-rate-stable", "successCondition": "true"},
                ],
                "dryRun": [{"metricName": "error-rate-stable"}],
            },
            "status": {"phase": "Failed", "completedAt": "2026-01-01T00:05:00Z", "metricResults": [
                {"name": "latency", "phase": "Successful", "successful": 3, "measurements": [measured("[0.2]", "Successful")]},
                {"name": "error-rate", "phase": "Failed", "failed": 1, "successful": 1, "message": "assessed Failed",
                    "measurements": [measured("[0.001]", "Successful"), measured("[0.083]", "Failed")]},
                {"name": "error-rate-stable", "phase": "Successful", "dryRun": true, "successful": 2,
                    "measurements": [measured("[0.002]", "Successful"), {"phase": "Error", "message": "refused"}]},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn the_baseline_is_shown_beside_its_metric_and_not_alone() {
        let lines: Vec<String> = lines(&failed_run()).iter().map(MetricLine::text).collect();
        let error_rate = "error-rate Failed: [0.083] (must be < 0.005, fails if >= 0.02), stable [0.002]";
        assert_eq!(lines, ["latency Successful: [0.2] (must be < 0.5)", error_rate]);
    }

    #[test]
    fn a_metric_that_only_looks_like_a_baseline_stands_alone() {
        let mut run = failed_run();
        run.spec.dry_run.clear();
        run.status.metric_results[2].dry_run = false;
        assert_eq!(lines(&run).len(), 3);
    }

    #[test]
    fn the_deciding_metric_is_the_one_as_bad_as_the_run() {
        let decided = decision(&[failed_run()], "new").unwrap();
        assert_eq!(
            (decided.run.as_str(), decided.metric.name.as_str()),
            ("web-5d-2-1", "error-rate")
        );
        assert_eq!(decided.metric.last, ["[0.001]", "[0.083]"]);
        assert_eq!(decision(&[failed_run()], "other"), None);
    }

    #[test]
    fn a_metric_that_another_one_cut_short_is_no_success() {
        let mut run = failed_run();
        let cut = json!({"name": "latency", "phase": "Successful", "count": 1, "failed": 1,
            "measurements": [{"phase": "Failed", "value": "[0.9]"}]});
        run.spec.metrics[0].count = Some(serde_json::from_value(json!(10)).unwrap());
        run.status.metric_results[0] = serde_json::from_value(cut).unwrap();
        assert_eq!(lines(&run)[0].text(), "latency Stopped: [0.9] (must be < 0.5)");
    }

    #[test]
    fn a_metric_without_measurements_says_so() {
        let mut run = failed_run();
        run.status.metric_results.clear();
        assert_eq!(lines(&run)[0].text(), "latency Pending: no value (must be < 0.5)");
    }
}
