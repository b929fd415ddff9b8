//! Rules that pick metrics by name: `dryRun` and `measurementRetention`.
//!
//! A rule's `metricName` is a regular expression that may match anywhere in the name; each rule must match something.

use crate::api::analysis::Metric;
use crate::api::strategy::{DryRun, MeasurementRetention};
use crate::base::limits::MEASUREMENTS_KEPT_DEFAULT;
use regex::Regex;

/// Which metrics are measured but do not decide, in the order of `metrics`.
pub fn dry_run(metrics: &[Metric], rules: &[DryRun]) -> Result<Vec<bool>, String> {
    let mut dry = vec![false; metrics.len()];
    for (index, rule) in rules.iter().enumerate() {
        for metric in matching("dryRun", index, &rule.metric_name, metrics)? {
            dry[metric] = true;
        }
    }
    Ok(dry)
}

/// How many measurements each metric keeps, in the order of `metrics`. The last rule that matches wins.
pub fn measurements_kept(metrics: &[Metric], rules: &[MeasurementRetention]) -> Result<Vec<usize>, String> {
    let mut kept = vec![MEASUREMENTS_KEPT_DEFAULT; metrics.len()];
    for (index, rule) in rules.iter().enumerate() {
        let limit = usize::try_from(rule.limit).ok().filter(|limit| *limit > 0);
        for metric in matching("measurementRetention", index, &rule.metric_name, metrics)? {
            kept[metric] = limit.unwrap_or(MEASUREMENTS_KEPT_DEFAULT);
        }
    }
    Ok(kept)
}

/// Indexes of the metrics that a rule means. An expression that cannot be read matches nothing, as with Argo Rollouts.
fn matching(list: &str, index: usize, pattern: &str, metrics: &[Metric]) -> Result<Vec<usize>, String> {
    let found: Vec<usize> = match Regex::new(pattern) {
        Ok(pattern) => (0..metrics.len())
            .filter(|metric| pattern.is_match(&metrics[*metric].name))
            .collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return Err(format!("{list}[{index}]: Rule didn't match any metric name(s)"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Vec<Metric> {
        ["error-rate", "error-rate-stable", "p99"]
            .map(|name| Metric {
                name: name.into(),
                ..Metric::default()
            })
            .to_vec()
    }

    #[test]
    fn rules_are_unanchored_regular_expressions() {
        let check = |pattern: &str, want: Result<[bool; 3], &str>| {
            let rules = [DryRun {
                metric_name: pattern.into(),
            }];
            let got = dry_run(&metrics(), &rules);
            assert_eq!(got, want.map(Vec::from).map_err(str::to_owned), "{pattern}");
        };
        check("error-rate", Ok([true, true, false]));
        check("^error-rate$", Ok([true, false, false]));
        check(".*", Ok([true, true, true]));
        check("-stable", Ok([false, true, false]));
        let nothing = Err("dryRun[0]: Rule didn't match any metric name(s)");
        check("latency", nothing);
        check("*", nothing);
    }

    #[test]
    fn retention_without_a_positive_limit_is_the_default() {
        let rule = |name: &str, limit| MeasurementRetention {
            metric_name: name.into(),
            limit,
        };
        let kept = measurements_kept(&metrics(), &[rule("error", 3), rule("p99", 0)]);
        assert_eq!(kept, Ok(vec![3, 3, 10]));
        let error = measurements_kept(&metrics(), &[rule("p99", 1), rule("x", 1)]);
        assert_eq!(
            error.unwrap_err(),
            "measurementRetention[1]: Rule didn't match any metric name(s)"
        );
    }
}
