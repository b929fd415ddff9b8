//! Whether the metrics of a run can be carried out at all. In Argo Rollouts' words where it has them.

use super::args::has_tag;
use super::schedule::{has_text, number};
use crate::api::analysis::{Metric, Provider};
use crate::base::gotime::parse_duration;
use crate::base::percent::IntOrString;

/// Providers that this version carries out; the schema accepts all of Argo Rollouts'.
pub const PROVIDERS_CARRIED_OUT: &[&str] = &["prometheus"];

/// The first thing wrong with the metrics of a run whose arguments are filled in.
pub fn check_metrics(metrics: &[Metric]) -> Result<(), String> {
    if metrics.is_empty() {
        return Err("no metrics specified".into());
    }
    for (index, metric) in metrics.iter().enumerate() {
        let wrong = |why: String| format!("metrics[{index}]: {why}");
        if metrics[..index].iter().any(|before| before.name == metric.name) {
            return Err(wrong(format!("duplicate name '{}'", metric.name)));
        }
        check_metric(metric).map_err(wrong)?;
    }
    Ok(())
}

fn check_metric(metric: &Metric) -> Result<(), String> {
    check_numbers(metric)?;
    check_limits(metric)?;
    check_times(metric)?;
    check_conditions(metric)?;
    check_provider(&metric.provider)
}

/// Numbers that are spelled as strings must be numbers: Argo Rollouts reads anything else as 0, which can mean "for ever".
fn check_numbers(metric: &Metric) -> Result<(), String> {
    for (field, value) in limits(metric) {
        if let Some(IntOrString::String(text)) = value
            && text.trim().parse::<i32>().is_err()
        {
            return Err(format!("{field}: {text:?} is not a whole number"));
        }
    }
    Ok(())
}

fn limits(metric: &Metric) -> [(&'static str, &Option<IntOrString>); 5] {
    [
        ("count", &metric.count),
        ("failureLimit", &metric.failure_limit),
        ("inconclusiveLimit", &metric.inconclusive_limit),
        ("consecutiveErrorLimit", &metric.consecutive_error_limit),
        ("consecutiveSuccessLimit", &metric.consecutive_success_limit),
    ]
}

fn check_limits(metric: &Metric) -> Result<(), String> {
    let [_, failures, others @ ..] = limits(metric);
    let (failures, successes) = (number(failures.1), number(&metric.consecutive_success_limit));
    if failures < -1 {
        return Err("failureLimit must be >= -1 (-1 disables it)".into());
    }
    for (field, value) in others {
        if number(value) < 0 {
            return Err(format!("{field} must be >= 0"));
        }
    }
    if failures == -1 && successes == 0 {
        return Err("failureLimit is disabled (-1) and consecutiveSuccessLimit is not set: nothing would decide; set one of them".into());
    }
    let count = number(&metric.count);
    if count < 0 {
        return Err("count must be >= 0".into());
    }
    if count > 0 && count < failures.max(0) + successes {
        let needed = match (failures > 0, successes > 0) {
            (true, true) => "failureLimit + consecutiveSuccessLimit",
            (true, false) => "failureLimit",
            _ => "consecutiveSuccessLimit",
        };
        return Err(format!("count must be >= {needed}"));
    }
    if count > 0 && count < number(&metric.inconclusive_limit) {
        return Err("count must be >= inconclusiveLimit".into());
    }
    Ok(())
}

fn check_times(metric: &Metric) -> Result<(), String> {
    if number(&metric.count) > 1 && !has_text(&metric.interval) {
        return Err("interval must be specified when count > 1".into());
    }
    for (name, text) in [
        ("interval", &metric.interval),
        ("startDelay", &metric.initial_delay),
    ] {
        let text = text.as_deref().unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        match parse_duration(text) {
            None => {
                return Err(format!(
                    "invalid {name} string: {text:?} is not a duration such as 30s or 5m"
                ));
            }
            Some(duration) if duration < chrono::TimeDelta::zero() => {
                return Err(format!("invalid {name} string: {text:?} is negative"));
            }
            Some(_) => {}
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

fn check_provider(provider: &Provider) -> Result<(), String> {
    let named = providers(provider);
    match named[..] {
        [] => Err("no provider specified".into()),
        [name] if PROVIDERS_CARRIED_OUT.contains(&name) => Ok(()),
        [name] => Err(format!(
            "provider: {name} is not carried out by this version yet; use {}",
            PROVIDERS_CARRIED_OUT.join(" or ")
        )),
        _ => Err("multiple providers specified".into()),
    }
}

/// The providers that are set, under their names in the manifest. Each plugin counts as one.
fn providers(provider: &Provider) -> Vec<&'static str> {
    let built_in = [
        ("prometheus", provider.prometheus.is_some()),
        ("web", provider.web.is_some()),
        ("job", provider.job.is_some()),
        ("datadog", provider.datadog.is_some()),
        ("newRelic", provider.new_relic.is_some()),
        ("wavefront", provider.wavefront.is_some()),
        ("cloudWatch", provider.cloud_watch.is_some()),
        ("graphite", provider.graphite.is_some()),
        ("influxdb", provider.influxdb.is_some()),
        ("skywalking", provider.skywalking.is_some()),
        ("kayenta", provider.kayenta.is_some()),
    ];
    let built_in = built_in.iter().filter(|(_, set)| *set).map(|(name, _)| *name);
    built_in.chain(provider.plugin.keys().map(|_| "plugin")).collect()
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
        let want = want.map_err(|why| format!("metrics[0]: {why}"));
        assert_eq!(got, want, "{fields}");
    }

    #[test]
    fn limits_must_leave_room_for_a_decision() {
        check(json!({}), Ok(()));
        check(json!({"count": 3, "interval": "1m", "failureLimit": 3}), Ok(()));
        check(
            json!({"count": 2, "interval": "1m", "failureLimit": 3}),
            Err("count must be >= failureLimit"),
        );
        check(
            json!({"count": 2, "interval": "1m", "inconclusiveLimit": 3}),
            Err("count must be >= inconclusiveLimit"),
        );
        check(
            json!({"count": 4, "interval": "1m", "failureLimit": 2, "consecutiveSuccessLimit": 3}),
            Err("count must be >= failureLimit + consecutiveSuccessLimit"),
        );
        check(
            json!({"count": 2, "interval": "1m", "failureLimit": -1, "consecutiveSuccessLimit": 3}),
            Err("count must be >= consecutiveSuccessLimit"),
        );
        check(
            json!({"failureLimit": -2}),
            Err("failureLimit must be >= -1 (-1 disables it)"),
        );
        check(
            json!({"inconclusiveLimit": -1}),
            Err("inconclusiveLimit must be >= 0"),
        );
        check(
            json!({"consecutiveErrorLimit": -1}),
            Err("consecutiveErrorLimit must be >= 0"),
        );
        let nothing_decides = "failureLimit is disabled (-1) and consecutiveSuccessLimit is not set: nothing would decide; set one of them";
        check(json!({"failureLimit": -1}), Err(nothing_decides));
    }

    #[test]
    fn numbers_and_times_must_be_readable() {
        check(json!({"count": "3", "interval": "1m"}), Ok(()));
        check(
            json!({"count": "many"}),
            Err("count: \"many\" is not a whole number"),
        );
        check(
            json!({"count": 2}),
            Err("interval must be specified when count > 1"),
        );
        check(
            json!({"interval": "60s-typo"}),
            Err("invalid interval string: \"60s-typo\" is not a duration such as 30s or 5m"),
        );
        check(
            json!({"initialDelay": "soon"}),
            Err("invalid startDelay string: \"soon\" is not a duration such as 30s or 5m"),
        );
    }

    #[test]
    fn exactly_one_provider_that_is_carried_out() {
        check(
            json!({"provider": {"prometheus": null}}),
            Err("no provider specified"),
        );
        check(
            json!({"provider": {"web": {}}}),
            Err("multiple providers specified"),
        );
        check(
            json!({"provider": {"prometheus": null, "web": {}}}),
            Err("provider: web is not carried out by this version yet; use prometheus"),
        );
    }

    #[test]
    fn names_are_unique_and_there_is_something_to_measure() {
        assert_eq!(check_metrics(&[]), Err("no metrics specified".into()));
        let metric: Metric =
            serde_json::from_value(json!({"name": "m", "provider": {"prometheus": {"query": "up"}}}))
                .unwrap();
        let twice = check_metrics(&[metric.clone(), metric]);
        assert_eq!(twice, Err("metrics[1]: duplicate name 'm'".into()));
    }
}
