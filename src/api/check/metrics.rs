//! The metrics of an analysis, after their arguments were filled in.

use crate::api::analysis::{BasicAuth, Metric, Provider, Sigv4, WebMetric};
use crate::api::check::problem::Problem;
use crate::base::gotime;
use crate::base::json_path::Path;
use crate::base::percent::IntOrString;
use std::collections::BTreeSet;

/// All problems of an analysis' metrics: Argo Rollouts' rules in its order and words ([`Problem::argo`] of the first is what it
/// prints after `Analysis spec invalid: `), then what this version of Serin does not measure.
pub fn metrics(metrics: &[Metric]) -> Vec<Problem> {
    if metrics.is_empty() {
        let mut problem = Problem::new("", "no metrics specified").at("spec.metrics");
        problem.mend = "list at least one metric";
        return vec![problem];
    }
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for (index, metric) in metrics.iter().enumerate() {
        if !names.insert(metric.name.as_str()) {
            let message = format!("duplicate name '{}'", metric.name);
            found.push(problem(index, "name", message));
        }
        found.extend(limits(index, metric));
        found.extend(times(index, metric));
        found.extend(providers(index, &metric.provider));
    }
    for (index, metric) in metrics.iter().enumerate() {
        found.extend(unsupported(index, &metric.provider));
    }
    found
}

/// Argo names the metric only; a user needs the field.
fn problem(index: usize, field: &str, message: impl Into<String>) -> Problem {
    Problem::new(format!("metrics[{index}]"), message).at(format!("spec.metrics[{index}].{field}"))
}

/// A limit as the peer reads it: nothing, and text that is no number, count as zero.
fn number(limit: Option<&IntOrString>) -> i64 {
    match limit {
        None => 0,
        Some(IntOrString::Int(number)) => i64::from(*number),
        Some(IntOrString::String(text)) => text.parse().unwrap_or_default(),
    }
}

fn limits(index: usize, metric: &Metric) -> Vec<Problem> {
    let failures = number(metric.failure_limit.as_ref());
    let successes = number(metric.consecutive_success_limit.as_ref());
    let inconclusive = number(metric.inconclusive_limit.as_ref());
    let mut found = Vec::new();
    let mut rule = |broken: bool, field: &str, message: &str| {
        if broken {
            found.push(problem(index, field, message));
        }
    };
    rule(
        successes < 0,
        "consecutiveSuccessLimit",
        "consecutiveSuccessLimit must be >= 0",
    );
    rule(
        failures < -1,
        "failureLimit",
        "failureLimit must be >= 0, or -1 to be disabled",
    );
    rule(
        successes == 0 && failures == -1,
        "failureLimit",
        "failureLimit and consecutiveSuccessLimit cannot both be disabled",
    );
    rule(
        inconclusive < 0,
        "inconclusiveLimit",
        "inconclusiveLimit must be >= 0",
    );
    let errors = number(metric.consecutive_error_limit.as_ref());
    rule(
        errors < 0,
        "consecutiveErrorLimit",
        "consecutiveErrorLimit must be >= 0",
    );
    let count = number(metric.count.as_ref());
    if count > 0 {
        let sum = format!(
            "count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failures} + {successes}) if both >= 0"
        );
        rule(
            successes >= 0 && failures >= 0 && count < failures.saturating_add(successes),
            "count",
            &sum,
        );
        let alone = "count must be >= consecutiveSuccessLimit";
        rule(
            successes >= 0 && failures < 0 && count < successes,
            "count",
            alone,
        );
        rule(
            count < inconclusive,
            "count",
            "count must be >= inconclusiveLimit",
        );
    }
    found
}

fn times(index: usize, metric: &Metric) -> Vec<Problem> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut found = Vec::new();
    let interval = given(&metric.interval);
    if number(metric.count.as_ref()) > 1 && interval.is_none() {
        found.push(problem(
            index,
            "interval",
            "interval must be specified when count > 1",
        ));
    }
    let delay = given(&metric.initial_delay);
    for (field, name, text) in [
        ("interval", "interval", interval),
        ("initialDelay", "startDelay", delay),
    ] {
        if let Some(complaint) = text.and_then(|text| duration_complaint(&text)) {
            let mut problem = problem(index, field, format!("invalid {name} string: {complaint}"));
            problem.mend = "write a duration such as 30s, 5m or 1h30m";
            found.push(problem);
        }
    }
    found
}

/// Go's words for a duration that cannot be read.
fn duration_complaint(text: &str) -> Option<String> {
    if gotime::parse_duration(text).is_some() {
        return None;
    }
    let number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    while rest.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        let digits = rest.find(|letter| !number(letter)).unwrap_or(rest.len());
        let after = &rest[digits..];
        let (unit, next) = after.split_at(after.find(number).unwrap_or(after.len()));
        if unit.is_empty() {
            return Some(format!("time: missing unit in duration {text:?}"));
        }
        if gotime::parse_duration(&format!("1{unit}")).is_none() {
            return Some(format!("time: unknown unit {unit:?} in duration {text:?}"));
        }
        rest = next;
    }
    Some(format!("time: invalid duration {text:?}"))
}

/// The names of the providers that a metric uses; each plugin counts.
fn given(provider: &Provider) -> Vec<String> {
    let own = [
        ("prometheus", provider.prometheus.is_some()),
        ("job", provider.job.is_some()),
        ("web", provider.web.is_some()),
        ("wavefront", provider.wavefront.is_some()),
        ("kayenta", provider.kayenta.is_some()),
        ("datadog", provider.datadog.is_some()),
        ("newRelic", provider.new_relic.is_some()),
        ("cloudWatch", provider.cloud_watch.is_some()),
        ("graphite", provider.graphite.is_some()),
        ("influxdb", provider.influxdb.is_some()),
        ("skywalking", provider.skywalking.is_some()),
    ];
    let own = own
        .into_iter()
        .filter(|(_, used)| *used)
        .map(|(name, _)| name.to_owned());
    own.chain(provider.plugin.keys().map(|name| format!("plugin[{name}]")))
        .collect()
}

fn providers(index: usize, provider: &Provider) -> Option<Problem> {
    let (message, mend) = match given(provider).len() {
        0 => (
            "no provider specified",
            "say where the value comes from, for example provider: {prometheus: …}",
        ),
        1 => return None,
        _ => ("multiple providers specified", "keep one provider per metric"),
    };
    let mut problem = problem(index, "provider", message);
    problem.mend = mend;
    Some(problem)
}

fn unsupported(index: usize, provider: &Provider) -> Vec<Problem> {
    const CARRIED_OUT: [&str; 3] = ["prometheus", "web", "job"];
    let foreign = given(provider)
        .into_iter()
        .filter(|name| !CARRIED_OUT.contains(&name.as_str()));
    let mut found: Vec<Problem> = foreign
        .map(|name| {
            let message =
                "this version of Serin does not measure with this provider yet: use prometheus, web or job";
            Problem::new(format!("spec.metrics[{index}].provider.{name}"), message)
        })
        .collect();
    let authentication = provider
        .prometheus
        .as_ref()
        .and_then(|prometheus| prometheus.authentication.as_ref());
    let sigv4 = authentication.and_then(|authentication| authentication.sigv4.as_ref());
    if sigv4.is_some_and(|given| *given != Sigv4::default()) {
        let message = "this version of Serin does not sign requests for AWS yet: send a token in headers, or use basicAuth";
        let field = format!("spec.metrics[{index}].provider.prometheus.authentication.sigv4");
        found.push(Problem::new(field, message));
    }
    found.extend(
        provider
            .web
            .as_ref()
            .map(|web| web_problems(index, web))
            .into_iter()
            .flatten(),
    );
    found
}

/// What a web metric asks for and would not get: Argo Rollouts errs at each measurement, or ignores it.
fn web_problems(index: usize, web: &WebMetric) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut wrong = |field: &str, message: String| {
        found.push(Problem::new(
            format!("spec.metrics[{index}].provider.web.{field}"),
            message,
        ));
    };
    let body = web.body.as_deref().is_some_and(|body| !body.is_empty());
    if body && web.json_body.is_some() {
        wrong("body", "keep one of body and jsonBody".into());
    }
    let get = matches!(web.method.as_deref(), None | Some("" | "GET"));
    if get && (body || web.json_body.is_some()) {
        wrong("method", "a GET sends no body: set it to POST or PUT".into());
    }
    let path = web
        .json_path
        .as_deref()
        .filter(|path| !path.is_empty() && !path.contains("{{"));
    if let Some(why) = path.and_then(|path| Path::parse(path).err()) {
        wrong("jsonPath", why);
    }
    let given = web.authentication.clone().unwrap_or_default();
    if given
        .basic_auth
        .is_some_and(|basic| basic != BasicAuth::default())
    {
        wrong(
            "authentication.basicAuth",
            "is not used by web metrics: send an Authorization header instead".into(),
        );
    }
    if given.sigv4.is_some_and(|sigv4| sigv4 != Sigv4::default()) {
        wrong(
            "authentication.sigv4",
            "is not used by web metrics: send a token in headers instead".into(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(metric: Value, want: &[&str]) {
        let mut given = json!({"name": "m", "provider": {"prometheus": {"query": "up"}}});
        crate::base::json::merge_apply(&mut given, &metric);
        let given: Metric = serde_json::from_value(given).unwrap();
        let got: Vec<String> = metrics(&[given]).iter().map(Problem::argo).collect();
        assert_eq!(got, want, "{metric}");
    }

    #[test]
    fn limits_are_checked_in_argos_words() {
        check(json!({}), &[]);
        check(
            json!({"count": 5, "interval": "1m", "failureLimit": 2, "consecutiveSuccessLimit": 3}),
            &[],
        );
        check(
            json!({"consecutiveSuccessLimit": -1}),
            &["metrics[0]: consecutiveSuccessLimit must be >= 0"],
        );
        check(
            json!({"failureLimit": -2}),
            &["metrics[0]: failureLimit must be >= 0, or -1 to be disabled"],
        );
        let both = "metrics[0]: failureLimit and consecutiveSuccessLimit cannot both be disabled";
        check(json!({"failureLimit": "-1"}), &[both]);
        check(
            json!({"inconclusiveLimit": -1}),
            &["metrics[0]: inconclusiveLimit must be >= 0"],
        );
        check(
            json!({"consecutiveErrorLimit": -1}),
            &["metrics[0]: consecutiveErrorLimit must be >= 0"],
        );
        let sum =
            "metrics[0]: count (3) must be >= failureLimit + consecutiveSuccessLimit (2 + 2) if both >= 0";
        check(
            json!({"count": 3, "interval": "1s", "failureLimit": 2, "consecutiveSuccessLimit": 2}),
            &[sum],
        );
        let alone = "metrics[0]: count must be >= consecutiveSuccessLimit";
        check(
            json!({"count": 1, "failureLimit": -1, "consecutiveSuccessLimit": 2}),
            &[alone],
        );
        check(
            json!({"count": 1, "inconclusiveLimit": 2}),
            &["metrics[0]: count must be >= inconclusiveLimit"],
        );
    }

    #[test]
    fn times_are_checked_in_argos_words() {
        check(
            json!({"count": 2}),
            &["metrics[0]: interval must be specified when count > 1"],
        );
        let interval = "metrics[0]: invalid interval string: time:";
        check(
            json!({"interval": "30"}),
            &[&format!("{interval} missing unit in duration \"30\"")],
        );
        check(
            json!({"interval": "2d"}),
            &[&format!("{interval} unknown unit \"d\" in duration \"2d\"")],
        );
        check(
            json!({"interval": "soon"}),
            &[&format!("{interval} invalid duration \"soon\"")],
        );
        let delay = "metrics[0]: invalid startDelay string: time: invalid duration \"-\"";
        check(json!({"initialDelay": "-"}), &[delay]);
    }

    #[test]
    fn exactly_one_provider_and_one_that_is_carried_out() {
        check(
            json!({"provider": {"prometheus": null}}),
            &["metrics[0]: no provider specified"],
        );
        let graphite = "spec.metrics[0].provider.graphite: this version of Serin does not measure with this provider yet: use \
                   prometheus, web or job";
        check(
            json!({"provider": {"prometheus": null, "graphite": {"query": "x"}}}),
            &[graphite],
        );
        check(
            json!({"provider": {"graphite": {}}}),
            &["metrics[0]: multiple providers specified", graphite],
        );
        check(json!({"provider": {"prometheus": null, "job": {}}}), &[]);
        check(
            json!({"provider": {"prometheus": {"authentication": {"sigv4": {}}}}}),
            &[],
        );
    }

    fn check_web(web: Value, want: &str) {
        let field = "spec.metrics[0].provider.web";
        let want = format!("{field}.{want}");
        check(
            json!({"provider": {"prometheus": null, "web": web}}),
            &[want.as_str()],
        );
    }

    #[test]
    fn what_a_web_metric_would_not_get_is_named() {
        let token = json!({"oauth2": {}, "sigv4": {}, "basicAuth": {}});
        check(
            json!({"provider": {"prometheus": null, "web": {"url": "http://x", "authentication": token}}}),
            &[],
        );
        check_web(
            json!({"method": "PUT", "body": "a", "jsonBody": {}}),
            "body: keep one of body and jsonBody",
        );
        check_web(
            json!({"jsonBody": {}}),
            "method: a GET sends no body: set it to POST or PUT",
        );
        check_web(
            json!({"jsonPath": "$.x"}),
            "jsonPath: a path stands in braces, for example {$.value}",
        );
        check(
            json!({"provider": {"prometheus": null, "web": {"jsonPath": "{{args.path}}"}}}),
            &[],
        );
        check_web(
            json!({"authentication": {"basicAuth": {"username": "u"}}}),
            "authentication.basicAuth: is not used by web metrics: send an Authorization header instead",
        );
    }

    #[test]
    fn names_are_unique_and_there_is_at_least_one_metric() {
        assert_eq!(metrics(&[])[0].argo(), "no metrics specified");
        let metric: Metric =
            serde_json::from_value(json!({"name": "a", "provider": {"prometheus": {"query": "up"}}}))
                .unwrap();
        let got = metrics(&[metric.clone(), metric]);
        assert_eq!(got[0].argo(), "metrics[1]: duplicate name 'a'");
        assert_eq!(got[0].field, "spec.metrics[1].name");
    }
}
