//! How runs are decided.

use super::*;

#[test]
fn a_single_measurement_decides_at_once() {
    let story = check(Story::of(json!({}), "1"), "Successful", "", 0);
    assert_eq!(
        story.notes,
        [
            "MetricSuccessful: Metric 'm' Completed. Result: Successful",
            "AnalysisRunSuccessful: Analysis Completed. Result: Successful"
        ]
    );
    assert_eq!(story.writes, 2, "one to start, one with the verdict");
}

#[test]
fn success_after_count_measurements() {
    let story = check(
        Story::of(json!({"interval": "60s", "count": 10}), "1"),
        "Successful",
        "",
        540,
    );
    assert_eq!(story.writes, 11);
    let result = &story.status().metric_results[0];
    assert_eq!(
        (result.count, result.successful, result.consecutive_success),
        (Some(10), Some(10), Some(10))
    );
}

#[test]
fn the_next_measurement_is_due_an_interval_after_the_last_one_ended() {
    let mut story = Story::of(json!({"interval": "10s", "count": 3}), "1").latency("2500ms");
    story.live("1h");
    let at: Vec<i64> = story.probes.iter().map(|(_, seconds)| *seconds).collect();
    // Ends at 2.5 s, which the status holds as 2 s: due at 12 s.
    assert_eq!(at, [0, 12, 24]);
}

#[test]
fn more_failures_than_allowed_fail_the_run() {
    let metric = json!({"interval": "1s", "count": 6, "failureLimit": 2});
    let message = "Metric \"m\" assessed Failed due to failed (3) > failureLimit (2)";
    let story = check(Story::of(metric, "1 0 0 1 0"), "Failed", message, 4);
    let status = serde_json::to_value(story.status()).unwrap();
    let measured = |second: usize, phase: &str, value: &str| {
        let at = format!("2026-11-21T08:00:0{second}Z");
        json!({"phase": phase, "startedAt": at, "finishedAt": at, "value": value})
    };
    let want = json!({
        "phase": "Failed",
        "message": message,
        "startedAt": "2026-11-21T08:00:00Z",
        "completedAt": "2026-11-21T08:00:04Z",
        "dryRunSummary": {},
        "runSummary": {"count": 1, "failed": 1},
        "metricResults": [{
            "name": "m", "phase": "Failed", "count": 5, "failed": 3, "successful": 2,
            "measurements": [
                measured(0, "Successful", "1"), measured(1, "Failed", "0"), measured(2, "Failed", "0"),
                measured(3, "Successful", "1"), measured(4, "Failed", "0")
            ]
        }]
    });
    assert_eq!(status, want);
}

#[test]
fn as_many_failures_as_allowed_do_not_fail_the_run() {
    let metric = json!({"interval": "1s", "count": 4, "failureLimit": 2});
    check(Story::of(metric, "0 1 0 1"), "Successful", "", 3);
}

#[test]
fn neither_condition_is_inconclusive() {
    let metric = json!({"failureCondition": "result == 0"});
    let message = "Metric \"m\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0)";
    check(Story::of(metric, "5"), "Inconclusive", message, 0);
    let metric =
        json!({"failureCondition": "result == 0", "interval": "1s", "count": 5, "inconclusiveLimit": 2});
    check(Story::of(metric, "5 1 5 1 1"), "Successful", "", 4);
}

#[test]
fn errors_are_repeated_after_ten_seconds_whatever_the_interval() {
    let metric = json!({"interval": "5m", "count": 2});
    let message = "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \"Error Message: no answer 5\"";
    let story = check(Story::of(metric, "err"), "Error", message, 40);
    let result = &story.status().metric_results[0];
    assert_eq!(
        (result.count, result.error, result.consecutive_error),
        (None, Some(5), Some(5))
    );
    assert_eq!(result.message, "no answer 5");
    assert_eq!(story.notes[0], "MetricError: Metric 'm' Completed. Result: Error");
}

#[test]
fn a_good_measurement_forgives_the_errors_before_it() {
    let metric = json!({"interval": "1m", "count": 3, "consecutiveErrorLimit": 1});
    let story = check(Story::of(metric, "err 1 err 1 1"), "Successful", "", 140);
    assert_eq!(story.status().metric_results[0].error, Some(2));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_an_error_and_never_a_success() {
    let metric = json!({"successCondition": "result = 1", "consecutiveErrorLimit": 0});
    let mut story = Story::of(metric, "1");
    story.live("1h");
    assert_eq!(story.status().phase, "Error");
    assert!(
        story.status().metric_results[0].measurements[0]
            .message
            .contains("successCondition")
    );
}

#[test]
fn nan_is_never_a_success() {
    let message = "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)";
    check(
        Story::of(json!({"successCondition": "result < 0.05"}), "NaN"),
        "Failed",
        message,
        0,
    );
}

#[test]
fn enough_successes_in_a_row_end_a_metric_early() {
    let metric = json!({"interval": "1s", "count": 10, "failureLimit": -1, "consecutiveSuccessLimit": 3});
    check(Story::of(metric.clone(), "1 1 0 1 1 1"), "Successful", "", 5);
    let message = "Metric \"m\" assessed Failed due to consecutiveSuccess (0) < consecutiveSuccessLimit (3) after 10 measurements";
    check(Story::of(metric, "1 1 0 1 1 0 1 1 0 0"), "Failed", message, 9);
    let both = json!({"interval": "1s", "count": 4, "failureLimit": 2, "consecutiveSuccessLimit": 2});
    let message = "Metric \"m\" assessed Inconclusive due to consecutiveSuccess (0) < consecutiveSuccessLimit (2) after 4 measurements";
    check(Story::of(both, "0 1 1 0"), "Successful", "", 2);
    let both = json!({"interval": "1s", "count": 4, "failureLimit": 2, "consecutiveSuccessLimit": 2});
    check(
        Story::of(both, "0 1 5 0").with(json!({})),
        "Failed",
        "Metric \"m\" assessed Failed due to failed (3) > failureLimit (2)",
        3,
    );
    let odd = json!({"interval": "1s", "count": 4, "failureLimit": 2, "consecutiveSuccessLimit": 2});
    check(Story::of(odd, "1 0 1 0"), "Inconclusive", message, 3);
}

#[test]
fn a_metric_in_dry_run_never_decides() {
    let metrics = json!([{"name": "good"}, {"name": "bad"}]);
    let story =
        Story::many(metrics, &[("good", "1"), ("bad", "0")]).with(json!({"dryRun": [{"metricName": "bad"}]}));
    let story = check(story, "Successful", "", 0);
    let status = story.status();
    assert_eq!(
        status.metric_results[1].message,
        "Metric assessed Failed due to failed (1) > failureLimit (0)"
    );
    assert!(status.metric_results[1].dry_run && !status.metric_results[0].dry_run);
    let dry = status.dry_run_summary.unwrap();
    assert_eq!((dry.count, dry.failed, dry.successful), (Some(1), Some(1), None));
    let only = Story::of(json!({}), "0").with(json!({"dryRun": [{"metricName": "m"}]}));
    check(only, "Successful", "", 0);
}

#[test]
fn the_run_waits_for_every_metric_dry_or_not() {
    let metrics = json!([{"name": "quick"}, {"name": "slow", "interval": "10s", "count": 3}]);
    let story = Story::many(metrics, &[("quick", "1"), ("slow", "1")])
        .with(json!({"dryRun": [{"metricName": "slow"}]}));
    check(story, "Successful", "", 20);
}

#[test]
fn the_first_measurement_waits_for_the_initial_delay() {
    let metrics = json!([{"name": "now"}, {"name": "later", "initialDelay": "90s"}]);
    let story = check(
        Story::many(metrics, &[("now", "1"), ("later", "1")]),
        "Successful",
        "",
        90,
    );
    assert_eq!(story.probes, [("now".to_owned(), 0), ("later".to_owned(), 90)]);
}

#[test]
fn metrics_of_one_tick_share_one_write() {
    let metrics =
        json!([{"name": "a", "interval": "10s", "count": 3}, {"name": "b", "interval": "10s", "count": 3}]);
    let story = check(
        Story::many(metrics, &[("a", "1"), ("b", "1")]),
        "Successful",
        "",
        20,
    );
    assert_eq!(story.writes, 4);
}

#[test]
fn a_verdict_does_not_wait_for_other_metrics() {
    let metrics = json!([{"name": "a", "interval": "10s"}, {"name": "b", "interval": "10s"}]);
    let mut story = Story::many(metrics, &[("a", "1 0"), ("b", "1")]);
    story.now += TimeDelta::zero();
    story.live("5s");
    story.now = start() + TimeDelta::seconds(10);
    story.pass();
    // Only `a` has answered; `b` hangs.
    story.in_flight.insert("b".into(), start() + TimeDelta::hours(2));
    story.deliver();
    story.pass();
    let message = "Metric \"a\" assessed Failed due to failed (1) > failureLimit (0)";
    assert_eq!(story.outcome(), ("Failed".to_owned(), message.to_owned()));
    let phases: Vec<String> = story
        .status()
        .metric_results
        .iter()
        .map(|result| result.phase.clone())
        .collect();
    assert_eq!(phases, ["Failed", "Successful"]);
    // Its late answer changes nothing.
    let before = story.status();
    story.now = start() + TimeDelta::hours(3);
    story.deliver();
    story.pass();
    assert_eq!(story.status(), before);
}

#[test]
fn readings_wait_for_company() {
    let metrics = json!([{"name": "a", "interval": "10s"}, {"name": "b", "interval": "10s"}]);
    let mut story = Story::many(metrics, &[("a", "1"), ("b", "1")]);
    story.pass();
    story.in_flight.insert("b".into(), start() + TimeDelta::hours(2));
    story.deliver();
    let plan = plan_run(&story.observed(), story.now).plan;
    assert!(plan.deferrable);
    assert_eq!(plan.waiting_for, "measurements of b");
    story.in_flight.insert("b".into(), start());
    story.deliver();
    assert!(!plan_run(&story.observed(), story.now).plan.deferrable);
}

#[test]
fn a_verdict_waits_for_what_the_other_metrics_of_its_tick_find() {
    let metrics = json!([{"name": "a", "interval": "10s"}, {"name": "b", "interval": "10s"}]);
    let mut story = Story::many(metrics, &[("a", "0"), ("b", "1")]);
    story.pass();
    story.in_flight.insert("b".into(), start() + TimeDelta::hours(2));
    story.deliver();
    let plan = plan_run(&story.observed(), story.now).plan;
    assert!(
        plan.deferrable,
        "the run has failed, and b is still being measured"
    );
    assert!(
        !plan.actions.is_empty(),
        "the shell may wait no longer than its limit"
    );
    story.in_flight.insert("b".into(), start());
    story.deliver();
    story.pass();
    let status = story.status();
    let counts: Vec<_> = status.metric_results.iter().map(|result| result.count).collect();
    assert_eq!(
        (status.phase.as_str(), counts),
        ("Failed", vec![Some(1), Some(1)])
    );
}

#[test]
fn the_worst_metric_gives_the_run_its_phase_and_message() {
    let metrics = json!([
        {"name": "unclear", "failureCondition": "result == 0"},
        {"name": "broken", "consecutiveErrorLimit": 0},
        {"name": "bad"},
        {"name": "good"}
    ]);
    let story = Story::many(
        metrics,
        &[("unclear", "5"), ("broken", "err"), ("bad", "0"), ("good", "1")],
    );
    let message = "Metric \"bad\" assessed Failed due to failed (1) > failureLimit (0)";
    let story = check(story, "Failed", message, 0);
    let summary = story.status().run_summary.unwrap();
    let one = Some(1);
    assert_eq!(
        (
            summary.count,
            summary.failed,
            summary.error,
            summary.inconclusive,
            summary.successful
        ),
        (Some(4), one, one, one, one)
    );
}
