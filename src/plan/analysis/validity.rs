//! Whether the metrics of a run can be carried out at all.
//!
//! Argo Rollouts' rules come first, in its words; then what it would silently take for something else.

use super::args::{Filled, has_tag};
use super::schedule::number;
use crate::api::analysis::Metric;
use crate::api::check;
use crate::base::gotime::parse_duration;
use crate::base::percent::IntOrString;
use chrono::TimeDelta;

/// The first thing wrong with the metrics of a run whose arguments are filled in.
pub fn check_metrics(metrics: &[Metric]) -> Result<(), String> {
    if let Some(problem) = check::metrics(metrics).first() {
        return Err(problem.argo());
    }
    for (index, metric) in metrics.iter().enumerate() {
        check_metric(metric).map_err(|why| format!("metrics[{index}]: {why}"))?;
    }
    Ok(())
}

fn check_metric(metric: &Metric) -> Result<(), String> {
    check_numbers(metric)?;
    check_times(metric)?;
    check_conditions(metric)
}

/// Numbers that are spelled as strings must be numbers: Argo Rollouts reads anything else as 0, which can mean "for ever".
fn check_numbers(metric: &Metric) -> Result<(), String> {
    let limits = [
        ("count", &metric.count),
        ("failureLimit", &metric.failure_limit),
        ("inconclusiveLimit", &metric.inconclusive_limit),
        ("consecutiveErrorLimit", &metric.consecutive_error_limit),
        ("consecutiveSuccessLimit", &metric.consecutive_success_limit),
    ];
    for (field, value) in limits {
        if let Some(IntOrString::String(text)) = value
            && text.trim().parse::<i32>().is_err()
        {
            return Err(format!("{field}: {text:?} is not a whole number"));
        }
    }
    if number(&metric.count) < 0 {
        return Err("count must be >= 0".into());
    }
    Ok(())
}

/// A negative time would let measurements follow each other without a pause.
fn check_times(metric: &Metric) -> Result<(), String> {
    for (field, text) in [
        ("interval", &metric.interval),
        ("initialDelay", &metric.initial_delay),
    ] {
        let duration = text.as_deref().and_then(parse_duration);
        if duration.is_some_and(|duration| duration < TimeDelta::zero()) {
            return Err(format!("{field} must not be negative"));
        }
    }
    Ok(())
}

/// Conditions are judged where secrets are not known.
fn check_conditions(metric: &Metric) -> Result<(), String> {
    let conditions = [
        ("successCondition", &metric.success_condition),
        ("failureCondition", &metric.failure_condition),
    ];
    for (field, condition) in conditions {
        if condition.as_deref().is_some_and(has_tag) {
            return Err(format!(
                "{field}: an argument from a secret cannot be used in a condition"
            ));
        }
    }
    Ok(())
}

/// What goes into a Job is written down for everybody who may read Jobs.
pub fn check_secrets(filled: &Filled) -> Result<(), String> {
    if filled.metric.provider.job.is_none() || filled.secrets.is_empty() {
        return Ok(());
    }
    Err(format!(
        "metric {}: an argument from a secret cannot be used in a Job: name the Secret in its pod template, by \
         env.valueFrom.secretKeyRef",
        filled.metric.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(fields: Value, want: Result<(), &str>) {
        let mut metric = json!({"name": "m", "provider": {"prometheus": {"query": "up"}}});
        crate::base::json::merge_apply(&mut metric, &fields);
        let metric = serde_json::from_value(metric).unwrap();
        let got = check_metrics(&[metric]);
        assert_eq!(got, want.map_err(str::to_owned), "{fields}");
    }

    #[test]
    fn argos_rules_come_first_in_its_words() {
        check(json!({}), Ok(()));
        check(json!({"count": "3", "interval": "1m"}), Ok(()));
        check(
            json!({"count": 2}),
            Err("metrics[0]: interval must be specified when count > 1"),
        );
        check(
            json!({"provider": {"prometheus": null}}),
            Err("metrics[0]: no provider specified"),
        );
        assert_eq!(check_metrics(&[]), Err("no metrics specified".into()));
    }

    #[test]
    fn what_would_be_taken_for_something_else_is_refused() {
        check(
            json!({"count": "many"}),
            Err("metrics[0]: count: \"many\" is not a whole number"),
        );
        check(
            json!({"failureLimit": "10%"}),
            Err("metrics[0]: failureLimit: \"10%\" is not a whole number"),
        );
        check(
            json!({"count": -1, "interval": "1m"}),
            Err("metrics[0]: count must be >= 0"),
        );
        check(
            json!({"interval": "-1m"}),
            Err("metrics[0]: interval must not be negative"),
        );
        check(
            json!({"successCondition": "result == {{args.token}}"}),
            Err("metrics[0]: successCondition: an argument from a secret cannot be used in a condition"),
        );
    }
}
