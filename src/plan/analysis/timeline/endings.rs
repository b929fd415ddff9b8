//! Runs that end early or badly, what is kept of them, and what must never happen.

use super::*;
use crate::base::json::merge_patches;

#[test]
fn a_terminated_run_stops_measuring_and_ignores_what_is_in_flight() {
    let mut story = Story::of(json!({"interval": "10s", "count": 60}), "1 1 1 0").latency("1s");
    story.live("22s");
    assert_eq!(story.asked["m"], 2);
    story.run["spec"]["terminate"] = json!(true);
    story.live("1h");
    assert_eq!(
        story.outcome(),
        ("Successful".to_owned(), "Run Terminated".to_owned())
    );
    assert_eq!(story.status().metric_results[0].count, Some(2));
    assert_eq!(story.status().completed_at, Time::parse("2026-11-21T08:00:22Z"));
}

#[test]
fn a_run_terminated_before_it_measured_anything_is_successful() {
    let story = Story::of(json!({"initialDelay": "5m"}), "0").with(json!({"terminate": true}));
    let story = check(story, "Successful", "Run Terminated", 0);
    assert_eq!(story.probes, []);
}

#[test]
fn arguments_that_cannot_be_resolved_end_the_run() {
    let story = Story::of(json!({"provider": {"prometheus": {"query": "{{args.x}}"}}}), "1");
    let story = check(
        story,
        "Error",
        "Unable to resolve metric arguments: failed to resolve {{args.x}}",
        0,
    );
    assert_eq!(
        story.notes,
        ["AnalysisRunError: Analysis Completed. Result: Error"]
    );
    assert!(story.status().completed_at.is_some());
    let story = Story::of(json!({}), "1").with(json!({"args": [{"name": "x"}]}));
    check(
        story,
        "Error",
        "Unable to resolve metric arguments: argument \"x\" was not supplied",
        0,
    );
}

#[test]
fn a_spec_that_cannot_be_carried_out_ends_the_run() {
    let invalid = "Analysis spec invalid: metrics[0]: interval must be specified when count > 1";
    check(Story::of(json!({"count": 2}), "1"), "Error", invalid, 0);
    let story = Story::of(json!({}), "1").with(json!({"dryRun": [{"metricName": "x"}]}));
    check(
        story,
        "Error",
        "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        0,
    );
}

#[test]
fn completed_runs_are_deleted_when_their_time_to_live_is_over() {
    let run = |ttl: Value, script| Story::of(json!({}), script).with(json!({"ttlStrategy": ttl}));
    let check = |mut story: Story, want: Option<i64>| {
        story.live("1h");
        assert_eq!(story.deleted.then(|| story.seconds()), want);
    };
    check(run(json!({"secondsAfterCompletion": 60}), "1"), Some(61));
    check(
        run(
            json!({"secondsAfterCompletion": 60, "secondsAfterSuccess": 5}),
            "1",
        ),
        Some(6),
    );
    check(run(json!({"secondsAfterSuccess": 5}), "0"), None);
    check(run(json!({"secondsAfterFailure": 7}), "0"), Some(8));
    check(run(json!({}), "1"), None);
    let invalid =
        Story::of(json!({"count": 2}), "1").with(json!({"ttlStrategy": {"secondsAfterCompletion": 1}}));
    check(invalid, Some(2));
}

#[test]
fn old_measurements_are_dropped_and_the_counters_remember_them() {
    let mut story = Story::of(json!({"interval": "1s", "count": 25}), "1");
    story.live("1h");
    let result = &story.status().metric_results[0];
    assert_eq!((result.measurements.len(), result.count), (10, Some(25)));
    let retention = json!({"measurementRetention": [{"metricName": "m", "limit": 2}]});
    let mut story = Story::of(json!({"interval": "1s", "count": 25}), "1").with(retention);
    story.live("1h");
    assert_eq!(story.status().metric_results[0].measurements.len(), 2);
}

#[test]
fn secrets_never_enter_a_plan() {
    let token = json!({"name": "token", "valueFrom": {"secretKeyRef": {"name": "creds", "key": "token"}}});
    let query = json!({"provider": {"prometheus": {"query": "up", "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}]}}});
    let story = Story::of(query, "1").with(json!({"args": [token]}));
    let probes = plan_run(&story.observed(), story.now).probes;
    assert_eq!(
        probes[0].spec.pointer("/provider/prometheus/headers/0/value"),
        Some(&json!("Bearer {{args.token}}"))
    );
    assert_eq!(probes[0].secrets["token"].name, "creds");
    let values = BTreeMap::from([("token".to_owned(), "s3cret".to_owned())]);
    let headers = fill_secrets(&probes[0], &values)
        .unwrap()
        .provider
        .prometheus
        .unwrap()
        .headers;
    assert_eq!(headers[0].value, "Bearer s3cret");
}

#[test]
fn a_reading_that_is_in_the_status_already_does_not_count_twice() {
    let mut story = Story::of(json!({"interval": "10s", "failureLimit": 1}), "0");
    story.pass();
    story.deliver();
    let delivered = story.ending.clone();
    story.pass();
    story.ending = delivered;
    story.pass();
    assert_eq!(story.status().metric_results[0].failed, Some(1));
    assert_eq!(story.status().phase, "Running");
}

#[test]
fn fields_of_the_status_that_are_not_ours_survive() {
    let mut story = Story::of(json!({}), "1");
    story.run["status"] = json!({"someday": {"a": 1}});
    story.live("1h");
    assert_eq!(story.run["status"]["someday"], json!({"a": 1}));
    assert_eq!(story.run["status"]["phase"], json!("Successful"));
}

#[test]
fn a_pass_writes_only_what_changed() {
    let mut story = Story::of(json!({"interval": "10s"}), "1");
    story.pass();
    let mut whole = json!({});
    story.deliver();
    let plan = plan_run(&story.observed(), story.now).plan;
    merge_patches(&mut whole, &plan.actions[0].body);
    let members: Vec<&String> = whole["status"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["metricResults"]);
}

#[test]
fn long_values_and_messages_are_clipped() {
    let mut story = Story::of(json!({"interval": "10s"}), "1");
    story.pass();
    story.deliver();
    story.ending[0].reading = Ok(Reading {
        result: reading::Value::Float(1.0),
        value: "9".repeat(5000),
        ..Reading::default()
    });
    story.pass();
    assert_eq!(
        story.status().metric_results[0].measurements[0]
            .value
            .chars()
            .count(),
        1024
    );
}

#[test]
fn a_measurement_left_open_by_another_controller_is_taken_up() {
    let open =
        json!({"phase": "Running", "startedAt": "2026-11-21T07:59:00Z", "resumeAt": "2026-11-21T08:00:30Z"});
    let status = json!({
        "phase": "Running", "startedAt": "2026-11-21T07:59:00Z",
        "metricResults": [{"name": "m", "phase": "Running", "measurements": [open]}]
    });
    let mut story = Story::of(json!({}), "1");
    story.run["status"] = status.clone();
    let story = check(story, "Successful", "", 30);
    assert_eq!(story.status().metric_results[0].measurements.len(), 1);
    let mut story = Story::of(json!({}), "1").with(json!({"terminate": true}));
    story.run["status"] = status;
    story.live("1h");
    assert_eq!(story.status().phase, "Inconclusive");
    assert_eq!(
        story.status().metric_results[0].measurements[0].message,
        "Metric Terminated"
    );
}

#[test]
fn a_run_that_is_being_deleted_is_left_alone() {
    let mut story = Story::of(json!({}), "1");
    story.run["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:00:00Z");
    assert_eq!(plan_run(&story.observed(), story.now), RunPlan::default());
}

#[test]
fn a_restart_in_the_middle_of_a_measurement_measures_again_and_counts_once() {
    let mut story = Story::of(json!({"interval": "10s", "count": 2}), "1").latency("3s");
    story.pass();
    story.now = start() + TimeDelta::seconds(2);
    story.in_flight.clear();
    story.live("1h");
    assert_eq!(story.outcome().0, "Successful");
    let at: Vec<i64> = story.probes.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(at, [0, 2, 15]);
    assert_eq!(story.status().metric_results[0].count, Some(2));
}
