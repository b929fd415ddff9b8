//! From conditions to phases.

use super::super::{Env, Phase, judge, judge_reading};
use super::{json, now};
use crate::api::analysis::{Metric, PrometheusMetric};
use crate::base::reading::{Reading, Value};

fn check(success: &str, failure: &str, result: &str, phase: Phase, message: &str) {
    let result = json(result);
    let env = Env {
        result: &result,
        numeric: false,
        now: now(),
    };
    let judged = judge(Some(success), Some(failure), &env);
    assert_eq!(
        (judged.phase, judged.message.as_str()),
        (phase, message),
        "{success} / {failure}"
    );
}

#[test]
fn two_conditions_make_one_phase() {
    check("", "", "1", Phase::Successful, "");
    check("result < 5", "", "1", Phase::Successful, "");
    check("result < 5", "", "9", Phase::Failed, "");
    check("", "result > 5", "9", Phase::Failed, "");
    check("", "result > 5", "1", Phase::Successful, "");
    check("result < 5", "result < 5", "1", Phase::Failed, "");
    check("result < 5", "result > 7", "1", Phase::Successful, "");
    check("result < 5", "result > 7", "6", Phase::Inconclusive, "");
}

#[test]
fn errors_name_the_condition() {
    let text =
        r#"could not evaluate successCondition "result[0] < 1": index out of range: 0 (array length is 0)"#;
    check(
        "result.a[0] < 1",
        "",
        r#"{"a": []}"#,
        Phase::Error,
        &text.replace("result[", "result.a["),
    );
    let no_data = "metric result is nil or empty: no data returned from the metric provider";
    let text = format!("could not evaluate failureCondition \"result[0] > 1\": {no_data}");
    check("", "result[0] > 1", "[]", Phase::Error, &text);
    check("", "result[0] > 1", "null", Phase::Error, &text);
    let text = "could not evaluate successCondition \"len(result)\": expected bool, but got int";
    check("len(result)", "", "[1]", Phase::Error, text);
    let text = "could not evaluate successCondition \"foo\": unknown name foo";
    check("foo", "", "1", Phase::Error, text);
}

#[test]
fn prometheus_lists_hold_numbers() {
    let result = Value::List(vec![Value::Float(0.5)]);
    let env = Env {
        result: &result,
        numeric: true,
        now: now(),
    };
    let text = "could not evaluate successCondition \"result < 1\": \
                invalid operation: < (mismatched types []float64 and int)";
    assert_eq!(judge(Some("result < 1"), None, &env).message, text);
    assert_eq!(judge(Some("result[0] == 'x'"), None, &env).phase, Phase::Error);
    assert_eq!(
        judge(Some("result == [0.5]"), None, &env).phase,
        Phase::Successful
    );
}

fn reading(success: &str, failure: &str, values: &[f64], phase: Phase, message: &str) {
    let result = Value::List(values.iter().copied().map(Value::Float).collect());
    measured(success, failure, result, phase, message);
}

fn measured(success: &str, failure: &str, result: Value, phase: Phase, message: &str) {
    let mut metric = Metric::default();
    metric.provider.prometheus = Some(PrometheusMetric::default());
    metric.success_condition = Some(success.to_owned());
    metric.failure_condition = Some(failure.to_owned());
    let reading = Reading {
        result: result.clone(),
        ..Reading::default()
    };
    let judged = judge_reading(&metric, &reading, now());
    assert_eq!(
        judged.phase, phase,
        "{success} / {failure} on {result:?}: {}",
        judged.message
    );
    assert!(judged.message.contains(message), "{}", judged.message);
}

#[test]
fn nan_is_never_a_success_unless_a_condition_wants_it() {
    let nan = [f64::NAN];
    // As Argo Rollouts: NaN is not below the limit, so the measurement failed.
    reading("result[0] < 0.05", "", &nan, Phase::Failed, "");
    reading(
        "result[0] < 0.05",
        "result[0] >= 0.05",
        &nan,
        Phase::Inconclusive,
        "",
    );
    // Where Argo Rollouts sees health.
    reading("", "result[0] > 0.05", &nan, Phase::Error, "metric result is NaN");
    reading(
        "!(result[0] >= 0.05)",
        "",
        &nan,
        Phase::Error,
        "metric result is NaN",
    );
    reading(
        "",
        "any(result, # > 0.05)",
        &[0.01, f64::NAN],
        Phase::Error,
        "metric result is NaN",
    );
    reading("len(result) > 0", "", &nan, Phase::Error, "metric result is NaN");
    reading("", "", &nan, Phase::Error, "metric result is NaN");
    measured(
        "",
        "result > 1",
        Value::Float(f64::NAN),
        Phase::Error,
        "metric result is NaN",
    );
    measured(
        "",
        "max([1, result]) > 2",
        Value::Float(f64::NAN),
        Phase::Error,
        "metric result is NaN",
    );
    // Named, it is an answer.
    reading(
        "isNaN(result[0]) || result[0] < 0.05",
        "",
        &nan,
        Phase::Successful,
        "",
    );
    // A second series that nobody looked at takes nothing away.
    reading("result[0] < 0.05", "", &[0.01, f64::NAN], Phase::Successful, "");
    reading("result[0] < 0.05", "", &[f64::INFINITY], Phase::Failed, "");
}

#[test]
fn no_data_is_never_a_success_unless_a_condition_wants_it() {
    reading("result[0] < 0.05", "", &[], Phase::Error, "no data returned");
    reading("", "result[0] > 0.05", &[], Phase::Error, "no data returned");
    reading("all(result, # < 0.05)", "", &[], Phase::Error, "no data returned");
    reading("", "any(result, # > 0.05)", &[], Phase::Error, "no data returned");
    reading("sum(result) < 5", "", &[], Phase::Error, "no data returned");
    reading("", "", &[], Phase::Error, "no data returned");
    reading(
        "len(result) == 0 || result[0] < 0.05",
        "",
        &[],
        Phase::Successful,
        "",
    );
    reading("len(result) > 0 && result[0] < 0.05", "", &[], Phase::Failed, "");
    measured("default(result, 0) < 0.05", "", Value::Nil, Phase::Successful, "");
    measured("(result ?? 0) < 0.05", "", Value::Nil, Phase::Successful, "");
    measured("result != 5", "", Value::Nil, Phase::Error, "no data returned");
}
