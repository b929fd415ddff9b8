//! Runs on a virtual timeline: a small driver applies each plan, answers each probe from a script, and moves the clock to the next
//! thing that happens. After every pass the plan made again at the same instant must be empty.

use super::*;
use crate::base::gotime::parse_duration;
use crate::base::json::{merge_apply, merge_patches};
use crate::base::reading;
use crate::plan::Guard;
use chrono::TimeDelta;

/// A run, the readings its metrics will give, and what happened to it.
struct Story {
    run: Value,
    /// Readings by metric, in order: a number, or `err`. The last one repeats.
    script: BTreeMap<&'static str, Vec<&'static str>>,
    /// How long a measurement takes.
    latency: TimeDelta,
    now: DateTime<Utc>,
    ending: Vec<Finished>,
    in_flight: BTreeMap<String, DateTime<Utc>>,
    asked: BTreeMap<String, usize>,
    notes: Vec<String>,
    /// Seconds since the start at which each probe began.
    probes: Vec<(String, i64)>,
    writes: usize,
    deleted: bool,
}

fn start() -> DateTime<Utc> {
    Time::parse("2026-11-21T08:00:00Z").unwrap().get()
}

impl Story {
    /// One metric `m` with `fields` over a sensible default.
    fn of(fields: Value, script: &'static str) -> Self {
        Self::many(json!([fields]), &[("m", script)])
    }

    fn many(metrics: Value, scripts: &[(&'static str, &'static str)]) -> Self {
        let filled = metrics.as_array().unwrap().iter().map(|fields| {
            let mut metric = json!({
                "name": "m",
                "successCondition": "result == 1",
                "provider": {"prometheus": {"query": "up"}}
            });
            merge_apply(&mut metric, fields);
            metric
        });
        let metrics: Vec<Value> = filled.collect();
        let script = scripts.iter().map(|(metric, script)| (*metric, script.split_whitespace().collect()));
        Self {
            run: json!({
                "metadata": {"name": "r", "namespace": "d", "uid": "u", "resourceVersion": "1"},
                "spec": {"metrics": metrics}
            }),
            script: script.collect(),
            latency: TimeDelta::zero(),
            now: start(),
            ending: Vec::new(),
            in_flight: BTreeMap::new(),
            asked: BTreeMap::new(),
            notes: Vec::new(),
            probes: Vec::new(),
            writes: 0,
            deleted: false,
        }
    }

    fn with(mut self, spec: Value) -> Self {
        merge_apply(&mut self.run["spec"], &spec);
        self
    }

    fn latency(mut self, text: &str) -> Self {
        self.latency = parse_duration(text).unwrap();
        self
    }

    fn observed(&self) -> RunObserved {
        RunObserved {
            run: serde_json::from_value(self.run.clone()).unwrap(),
            finished: self.ending.clone(),
            in_flight: self.in_flight.keys().cloned().collect(),
        }
    }

    fn status(&self) -> AnalysisRunStatus {
        self.observed().run.status
    }

    fn seconds(&self) -> i64 {
        (self.now - start()).num_seconds()
    }

    /// Moves everything that ended by now into `ending`.
    fn deliver(&mut self) {
        let ended: Vec<String> = self.in_flight.iter().filter(|(_, end)| **end <= self.now).map(|(m, _)| m.clone()).collect();
        for metric in ended {
            let finished_at = self.in_flight.remove(&metric).unwrap();
            let reading = self.answer(&metric);
            self.ending.push(Finished {
                metric,
                started_at: Time::new(finished_at - self.latency),
                finished_at: Time::new(finished_at),
                reading,
            });
        }
    }

    fn answer(&mut self, metric: &str) -> Result<Reading, String> {
        let asked = self.asked.entry(metric.to_owned()).or_default();
        let script = &self.script[metric];
        let word = script[(*asked).min(script.len() - 1)];
        *asked += 1;
        let value: f64 = word.parse().map_err(|_| format!("no answer {asked}"))?;
        Ok(Reading {
            result: reading::Value::Float(value),
            value: word.to_owned(),
            ..Reading::default()
        })
    }

    /// One pass: plan, apply, start probes. Returns the next time that something happens.
    fn pass(&mut self) -> Option<DateTime<Utc>> {
        let seen = self.observed();
        let RunPlan { plan, probes } = plan_run(&seen, self.now);
        assert_eq!(plan_run(&seen, self.now).plan, plan, "the same input gives the same plan");
        assert!(plan.actions.len() <= 1, "one write per pass");
        for action in &plan.actions {
            self.apply(action);
        }
        self.notes.extend(plan.notes.iter().map(|note| format!("{}: {}", note.reason, note.message)));
        self.ending.clear();
        for probe in &probes {
            self.probes.push((probe.metric.clone(), self.seconds()));
            let twice = self.in_flight.insert(probe.metric.clone(), self.now + self.latency);
            assert_eq!(twice, None, "one measurement of a metric at a time");
        }
        self.nothing_is_left();
        plan.wake_at.into_iter().chain(self.in_flight.values().copied()).min()
    }

    fn apply(&mut self, action: &Action) {
        let Guard::Seen { uid, resource_version } = &action.guard else {
            panic!("unguarded");
        };
        assert_eq!((uid.as_str(), Some(resource_version.as_str())), ("u", self.run["metadata"]["resourceVersion"].as_str()));
        self.writes += 1;
        if action.verb == Verb::Delete {
            self.deleted = true;
            return;
        }
        assert_eq!(action.verb, Verb::Patch);
        merge_apply(&mut self.run, &action.body);
        self.run["metadata"]["resourceVersion"] = json!(format!("{}", self.writes + 1));
    }

    fn nothing_is_left(&self) {
        let again = plan_run(&self.observed(), self.now);
        if !self.deleted {
            assert_eq!(again.plan.actions, vec![], "a second pass at the same instant writes nothing");
            assert_eq!(again.probes, vec![], "a second pass at the same instant measures nothing");
            assert_eq!(again.plan.notes, vec![]);
        }
    }

    /// Lives until the run is final, or until `limit`.
    fn live(&mut self, limit: &str) -> &mut Self {
        let end = start() + parse_duration(limit).unwrap();
        loop {
            self.deliver();
            let next = self.pass();
            let done = self.deleted || (completed(&self.status().phase) && next.is_none());
            match next.filter(|next| *next <= end && !done) {
                Some(next) => self.now = next,
                None => return self,
            }
        }
    }

    fn outcome(&self) -> (String, String) {
        let status = self.status();
        (status.phase, status.message)
    }
}

#[track_caller]
fn check(mut story: Story, phase: &str, message: &str, seconds: i64) -> Story {
    story.live("1h");
    assert_eq!(story.outcome(), (phase.to_owned(), message.to_owned()));
    assert_eq!(story.seconds(), seconds, "seconds until the verdict");
    story
}

#[test]
fn a_single_measurement_decides_at_once() {
    let story = check(Story::of(json!({}), "1"), "Successful", "", 0);
    assert_eq!(story.notes, ["MetricSuccessful: Metric 'm' Completed. Result: Successful", "AnalysisRunSuccessful: Analysis Completed. Result: Successful"]);
    assert_eq!(story.writes, 2, "one to start, one with the verdict");
}

#[test]
fn success_after_count_measurements() {
    let story = check(Story::of(json!({"interval": "60s", "count": 10}), "1"), "Successful", "", 540);
    assert_eq!(story.writes, 11);
    let result = &story.status().metric_results[0];
    assert_eq!((result.count, result.successful, result.consecutive_success), (Some(10), Some(10), Some(10)));
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
    let metric = json!({"failureCondition": "result == 0", "interval": "1s", "count": 5, "inconclusiveLimit": 2});
    check(Story::of(metric, "5 1 5 1 1"), "Successful", "", 4);
}

#[test]
fn errors_are_repeated_after_ten_seconds_whatever_the_interval() {
    let metric = json!({"interval": "5m", "count": 2});
    let message = "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \"Error Message: no answer 5\"";
    let story = check(Story::of(metric, "err"), "Error", message, 40);
    let result = &story.status().metric_results[0];
    assert_eq!((result.count, result.error, result.consecutive_error), (None, Some(5), Some(5)));
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
    assert!(story.status().metric_results[0].measurements[0].message.contains("successCondition"));
}

#[test]
fn nan_is_never_a_success() {
    let message = "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0)";
    check(Story::of(json!({"successCondition": "result < 0.05"}), "NaN"), "Failed", message, 0);
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
    check(Story::of(both, "0 1 5 0").with(json!({})), "Failed", "Metric \"m\" assessed Failed due to failed (3) > failureLimit (2)", 3);
    let odd = json!({"interval": "1s", "count": 4, "failureLimit": 2, "consecutiveSuccessLimit": 2});
    check(Story::of(odd, "1 0 1 0"), "Inconclusive", message, 3);
}

#[test]
fn a_metric_in_dry_run_never_decides() {
    let metrics = json!([{"name": "good"}, {"name": "bad"}]);
    let story = Story::many(metrics, &[("good", "1"), ("bad", "0")]).with(json!({"dryRun": [{"metricName": "bad"}]}));
    let story = check(story, "Successful", "", 0);
    let status = story.status();
    assert_eq!(status.metric_results[1].message, "Metric assessed Failed due to failed (1) > failureLimit (0)");
    assert!(status.metric_results[1].dry_run && !status.metric_results[0].dry_run);
    let dry = status.dry_run_summary.unwrap();
    assert_eq!((dry.count, dry.failed, dry.successful), (Some(1), Some(1), None));
    let only = Story::of(json!({}), "0").with(json!({"dryRun": [{"metricName": "m"}]}));
    check(only, "Successful", "", 0);
}

#[test]
fn the_run_waits_for_every_metric_dry_or_not() {
    let metrics = json!([{"name": "quick"}, {"name": "slow", "interval": "10s", "count": 3}]);
    let story = Story::many(metrics, &[("quick", "1"), ("slow", "1")]).with(json!({"dryRun": [{"metricName": "slow"}]}));
    check(story, "Successful", "", 20);
}

#[test]
fn the_first_measurement_waits_for_the_initial_delay() {
    let metrics = json!([{"name": "now"}, {"name": "later", "initialDelay": "90s"}]);
    let story = check(Story::many(metrics, &[("now", "1"), ("later", "1")]), "Successful", "", 90);
    assert_eq!(story.probes, [("now".to_owned(), 0), ("later".to_owned(), 90)]);
}

#[test]
fn metrics_of_one_tick_share_one_write() {
    let metrics = json!([{"name": "a", "interval": "10s", "count": 3}, {"name": "b", "interval": "10s", "count": 3}]);
    let story = check(Story::many(metrics, &[("a", "1"), ("b", "1")]), "Successful", "", 20);
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
    let phases: Vec<String> = story.status().metric_results.iter().map(|result| result.phase.clone()).collect();
    assert_eq!(phases, ["Failed", "Successful"]);
    // Its late answer changes nothing.
    let before = story.status();
    story.now = start() + TimeDelta::hours(3);
    story.deliver();
    story.pass();
    assert_eq!(story.status(), before);
}

#[test]
fn readings_that_decide_nothing_wait_for_company() {
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
fn the_worst_metric_gives_the_run_its_phase_and_message() {
    let metrics = json!([
        {"name": "unclear", "failureCondition": "result == 0"},
        {"name": "broken", "consecutiveErrorLimit": 0},
        {"name": "bad"},
        {"name": "good"}
    ]);
    let story = Story::many(metrics, &[("unclear", "5"), ("broken", "err"), ("bad", "0"), ("good", "1")]);
    let message = "Metric \"bad\" assessed Failed due to failed (1) > failureLimit (0)";
    let story = check(story, "Failed", message, 0);
    let summary = story.status().run_summary.unwrap();
    let one = Some(1);
    assert_eq!((summary.count, summary.failed, summary.error, summary.inconclusive, summary.successful), (Some(4), one, one, one, one));
}

#[test]
fn a_terminated_run_stops_measuring_and_ignores_what_is_in_flight() {
    let mut story = Story::of(json!({"interval": "10s", "count": 60}), "1 1 1 0").latency("1s");
    story.live("24s");
    assert_eq!(story.asked["m"], 2);
    story.run["spec"]["terminate"] = json!(true);
    story.live("1h");
    assert_eq!(story.outcome(), ("Successful".to_owned(), "Run Terminated".to_owned()));
    assert_eq!(story.status().metric_results[0].count, Some(2));
    assert_eq!(story.status().completed_at, Some(Time::new(story.now)));
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
    let story = check(story, "Error", "Unable to resolve metric arguments: failed to resolve {{args.x}}", 0);
    assert_eq!(story.notes, ["AnalysisRunError: Analysis Completed. Result: Error"]);
    assert!(story.status().completed_at.is_some());
    let story = Story::of(json!({}), "1").with(json!({"args": [{"name": "x"}]}));
    check(story, "Error", "Unable to resolve metric arguments: argument \"x\" was not supplied", 0);
}

#[test]
fn a_spec_that_cannot_be_carried_out_ends_the_run() {
    let invalid = "Analysis spec invalid: metrics[0]: interval must be specified when count > 1";
    check(Story::of(json!({"count": 2}), "1"), "Error", invalid, 0);
    let story = Story::of(json!({}), "1").with(json!({"dryRun": [{"metricName": "x"}]}));
    check(story, "Error", "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)", 0);
}

#[test]
fn completed_runs_are_deleted_when_their_time_to_live_is_over() {
    let run = |ttl: Value, script| Story::of(json!({}), script).with(json!({"ttlStrategy": ttl}));
    let check = |mut story: Story, want: Option<i64>| {
        story.live("1h");
        assert_eq!(story.deleted.then(|| story.seconds()), want);
    };
    check(run(json!({"secondsAfterCompletion": 60}), "1"), Some(61));
    check(run(json!({"secondsAfterCompletion": 60, "secondsAfterSuccess": 5}), "1"), Some(6));
    check(run(json!({"secondsAfterSuccess": 5}), "0"), None);
    check(run(json!({"secondsAfterFailure": 7}), "0"), Some(8));
    check(run(json!({}), "1"), None);
    let invalid = Story::of(json!({"count": 2}), "1").with(json!({"ttlStrategy": {"secondsAfterCompletion": 1}}));
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
    assert_eq!(probes[0].spec.pointer("/provider/prometheus/headers/0/value"), Some(&json!("Bearer {{args.token}}")));
    assert_eq!(probes[0].secrets["token"].name, "creds");
    let values = BTreeMap::from([("token".to_owned(), "s3cret".to_owned())]);
    let headers = fill_secrets(&probes[0], &values).unwrap().provider.prometheus.unwrap().headers;
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
    assert_eq!(story.status().metric_results[0].measurements[0].value.chars().count(), 1024);
}

#[test]
fn a_measurement_left_open_by_another_controller_is_taken_up() {
    let open = json!({"phase": "Running", "startedAt": "2026-11-21T07:59:00Z", "resumeAt": "2026-11-21T08:00:30Z"});
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
    assert_eq!(story.status().metric_results[0].measurements[0].message, "Metric Terminated");
}

#[test]
fn a_run_that_is_being_deleted_is_left_alone() {
    let mut story = Story::of(json!({}), "1");
    story.run["metadata"]["deletionTimestamp"] = json!("2026-11-21T08:00:00Z");
    assert_eq!(plan_run(&story.observed(), story.now), RunPlan::default());
}
