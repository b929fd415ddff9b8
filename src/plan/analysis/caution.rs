//! What is allowed and probably not meant: metrics that end as a success without one good measurement. Decides nothing.

use super::args::Fillings;
use super::rules;
use super::schedule::{effective_count, number};
use crate::api::analysis::Metric;
use crate::api::analysis_run::AnalysisRunSpec;

/// What people should know about the metrics of a run, one sentence each. Nothing about metrics that have no say, or cannot be read:
/// those are told elsewhere.
pub fn warnings(spec: &AnalysisRunSpec) -> Vec<String> {
    let Ok(fillings) = Fillings::new(&spec.args) else {
        return Vec::new();
    };
    let filled = spec
        .metrics
        .iter()
        .map(|metric| fillings.fill(metric).map(|filled| filled.metric));
    let Ok(metrics) = filled.collect::<Result<Vec<_>, _>>() else {
        return Vec::new();
    };
    let dry = rules::dry_run(&metrics, &spec.dry_run).unwrap_or_default();
    let decides = |index: &usize| !dry.get(*index).copied().unwrap_or(false);
    (0..metrics.len())
        .filter(decides)
        .filter_map(|index| warning(&metrics[index]))
        .collect()
}

fn warning(metric: &Metric) -> Option<String> {
    // With successes to reach, a metric that never had one is no success.
    let count = effective_count(metric).filter(|_| number(&metric.consecutive_success_limit) <= 0)?;
    let limits = [
        ("failureLimit", number(&metric.failure_limit)),
        ("inconclusiveLimit", number(&metric.inconclusive_limit)),
    ];
    let (field, limit) = limits.into_iter().find(|(_, limit)| *limit >= count)?;
    Some(format!(
        "Metric '{}' can succeed without one good measurement: its {field} ({limit}) is not smaller than its count ({count}); lower \
         the limit",
        metric.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(metric: Value, want: &str) {
        let mut spec = json!({"metrics": [{"name": "m"}], "args": [{"name": "n", "value": "3"}]});
        crate::base::json::merge_apply(&mut spec["metrics"][0], &metric);
        let got = warnings(&serde_json::from_value(spec).unwrap());
        assert!(got.join("|").contains(want), "{got:?}");
        assert_eq!(got.is_empty(), want.is_empty(), "{got:?}");
    }

    #[test]
    fn a_limit_that_forgives_every_measurement_is_told() {
        let failures = "its failureLimit (3) is not smaller than its count (3)";
        check(json!({"count": 3, "interval": "1s", "failureLimit": 3}), failures);
        check(
            json!({"count": "{{args.n}}", "interval": "1s", "failureLimit": 3}),
            failures,
        );
        let inconclusive = "its inconclusiveLimit (1) is not smaller than its count (1)";
        check(json!({"inconclusiveLimit": 1}), inconclusive);
    }

    #[test]
    fn limits_that_leave_room_for_a_verdict_are_not() {
        check(json!({"count": 3, "interval": "1s", "failureLimit": 2}), "");
        check(json!({"interval": "1s", "failureLimit": 9}), "");
        check(
            json!({"count": 3, "interval": "1s", "failureLimit": 3, "consecutiveSuccessLimit": 2}),
            "",
        );
    }

    #[test]
    fn a_metric_without_a_say_may_forgive_everything() {
        let spec = json!({"metrics": [{"name": "m", "count": 1, "failureLimit": 1}], "dryRun": [{"metricName": "m"}]});
        assert!(warnings(&serde_json::from_value(spec).unwrap()).is_empty());
    }
}
