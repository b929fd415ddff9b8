use super::*;
use crate::api::analysis_run::AnalysisRun;
use crate::base::reading::Reading;
use crate::plan::analysis::{RunPlan, plan_run};
use serde_json::json;

fn time(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + second)
}

fn run(fields: &Value) -> AnalysisRun {
    let metric =
        json!({"name": "smoke", "provider": {"job": {"spec": {"template": {"spec": {"containers": []}}}}}});
    let mut run = json!({"metadata": {"namespace": "shop", "name": "r", "uid": "u", "resourceVersion": "1"},
        "spec": {"metrics": [metric]}});
    crate::base::json::merge_apply(&mut run, fields);
    serde_json::from_value(run).unwrap()
}

fn job(name: &str, end: Option<End>) -> Job {
    let mut job = Job {
        end,
        ..Job::default()
    };
    job.metadata.name = name.into();
    job.metadata.namespace = "shop".into();
    job.metadata
        .annotations
        .insert(annotation::RUN_METRIC.into(), "smoke".into());
    job
}

fn ended(good: bool) -> Option<End> {
    let message = if good {
        ""
    } else {
        "BackoffLimitExceeded: too often"
    };
    Some(End {
        good,
        message: message.into(),
    })
}

fn begun(metric: &str, name: &str) -> Finished {
    Finished {
        metric: metric.into(),
        started_at: Time::new(time(0)),
        finished_at: Time::new(time(0)),
        reading: Ok(Reading {
            begun: true,
            metadata: [(JOB_NAME.to_owned(), name.to_owned())].into(),
            ..Reading::default()
        }),
    }
}

/// A story: the status of each plan is the next one's.
struct Story(RunObserved);

impl Story {
    fn begin(fields: &Value) -> Self {
        Self(RunObserved {
            run: run(fields),
            jobs: Some(Vec::new()),
            ..RunObserved::default()
        })
    }

    fn plan(&mut self, second: i64) -> RunPlan {
        let planned = plan_run(&self.0, time(second));
        for action in &planned.plan.actions {
            if action.kind == Kind::AnalysisRun && action.verb == Verb::Patch {
                let mut object = serde_json::to_value(&self.0.run).unwrap();
                crate::base::json::merge_apply(&mut object, &action.body);
                self.0.run = serde_json::from_value(object).unwrap();
            }
        }
        self.0.finished.clear();
        planned
    }

    fn phase(&self) -> &str {
        &self.0.run.status.phase
    }

    fn last(&self) -> &Measurement {
        let result = &self.0.run.status.metric_results[0];
        result.measurements.last().unwrap()
    }
}

/// A run whose Job is under way.
fn under_way() -> Story {
    let mut story = Story::begin(&json!({}));
    let probes = story.plan(0).probes;
    assert_eq!((probes.len(), probes[0].attempt), (1, 1));
    assert!(job_of(&probes[0]).is_some());
    story.0.finished = vec![begun("smoke", "u.smoke.1")];
    story.plan(0);
    let last = story.last();
    assert_eq!((story.phase(), last.phase.as_str()), ("Running", "Running"));
    assert_eq!(
        (last.finished_at, last.metadata[JOB_NAME].as_str()),
        (None, "u.smoke.1")
    );
    story
}

#[test]
fn a_job_is_a_success_if_it_completes_and_a_failure_if_it_fails() {
    for (good, want) in [(true, "Successful"), (false, "Failed")] {
        let mut story = under_way();
        story.0.jobs = Some(vec![job("u.smoke.1", None)]);
        let planned = story.plan(500);
        assert_eq!(
            (planned.probes.len(), planned.plan.actions.len()),
            (0, 0),
            "it takes its time"
        );
        story.0.jobs = Some(vec![job("u.smoke.1", ended(good))]);
        let planned = story.plan(501);
        assert_eq!(
            planned.plan.actions.len(),
            1,
            "an ended Job stays for whoever looks at its logs"
        );
        let last = story.last();
        assert_eq!((story.phase(), last.phase.as_str()), (want, want));
        assert_eq!(last.finished_at, Some(Time::new(time(501))));
        assert_eq!(last.message.is_empty(), good);
    }
}

#[test]
fn a_job_whose_image_cannot_be_had_is_inconclusive_and_goes_with_the_run() {
    let status = |reason: &str| {
        let waiting = json!({"reason": reason, "message": "not found"});
        json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "c", "state": {"waiting": waiting}}]}})
    };
    assert_eq!(JobPod::stuck_in(&status("ContainerCreating")), None);
    let why = JobPod::stuck_in(&status("ErrImagePull"));
    assert_eq!(
        why.as_deref(),
        Some("pod \"p\" waits for the image of container \"c\": ErrImagePull: not found")
    );
    let mut story = under_way();
    story.0.jobs = Some(vec![Job {
        stuck: why.clone(),
        ..job("u.smoke.1", None)
    }]);
    let planned = story.plan(3);
    assert_eq!(
        (story.phase(), Some(&story.last().message)),
        ("Inconclusive", why.as_ref())
    );
    assert_eq!(
        (planned.plan.actions[0].verb, planned.plan.actions[0].kind),
        (Verb::Delete, Kind::Job)
    );
}

#[test]
fn a_job_that_was_begun_twice_is_one_measurement() {
    let mut story = under_way();
    story.0.finished = vec![begun("smoke", "u.smoke.1")];
    let planned = story.plan(1);
    assert!(planned.plan.actions.is_empty(), "{:?}", planned.plan.actions);
}

#[test]
fn a_job_that_is_gone_is_an_error_but_not_at_once() {
    let mut story = under_way();
    let wait = JOB_UNSEEN_SECONDS_MAX;
    assert_eq!(story.plan(1).plan.wake_at, Some(time(wait)));
    story.0.jobs = None;
    story.plan(wait + 5);
    assert_eq!(story.last().phase, "Running", "nobody can look");
    story.0.jobs = Some(Vec::new());
    story.plan(wait + 6);
    assert_eq!(story.last().phase, "Error");
    let told = &story.last().message;
    assert!(told.starts_with("job.batch \"u.smoke.1\" not found"), "{told}");
    let probes = story.plan(wait + 16).probes;
    assert_eq!(probes[0].attempt, 2, "the next one has another name");
}

#[test]
fn a_run_that_is_told_to_stop_deletes_its_job() {
    let mut story = under_way();
    story.0.jobs = Some(vec![job("u.smoke.1", None)]);
    story.0.run.spec.terminate = true;
    let planned = story.plan(9);
    let verbs: Vec<_> = planned
        .plan
        .actions
        .iter()
        .map(|action| (action.verb, action.kind))
        .collect();
    assert_eq!(
        verbs,
        [(Verb::Delete, Kind::Job), (Verb::Patch, Kind::AnalysisRun)]
    );
    assert!(completed(story.phase()));
    let last = story.last();
    assert_eq!(
        (last.phase.as_str(), last.message.as_str()),
        ("Inconclusive", "Metric Terminated")
    );
    let late = story.plan(10);
    assert_eq!(late.plan.actions.len(), 1, "also one that is seen only now");
    story.0.jobs = Some(vec![job("u.smoke.1", ended(true))]);
    assert!(story.plan(11).plan.actions.is_empty());
}

#[test]
fn a_verdict_of_one_metric_ends_the_jobs_of_the_others_in_the_same_pass() {
    let metric = |name: &str| json!({"name": name, "provider": {"job": {"spec": {}}}});
    let mut story = Story::begin(&json!({"spec": {"metrics": [metric("smoke"), metric("other")]}}));
    assert_eq!(story.plan(0).probes.len(), 2);
    story.0.finished = vec![begun("smoke", "u.smoke.1"), begun("other", "u.other.1")];
    story.plan(0);
    story.0.jobs = Some(vec![job("u.other.1", None), job("u.smoke.1", ended(false))]);
    let planned = story.plan(5);
    assert_eq!(story.phase(), "Failed");
    assert_eq!(planned.plan.actions[0].key.name, "u.other.1");
}

#[test]
fn jobs_beyond_the_measurements_kept_go_the_oldest_first() {
    let metric = json!({"name": "smoke", "count": 20, "interval": "1m", "provider": {"job": {"spec": {}}}});
    let mut story = Story::begin(&json!({"spec": {"metrics": [metric]}}));
    let jobs = (10..23).map(|number| job(&format!("u.smoke.{number}"), ended(true)));
    story.0.jobs = Some(jobs.collect());
    let planned = story.plan(0);
    let deleted = planned
        .plan
        .actions
        .iter()
        .filter(|action| action.verb == Verb::Delete);
    let names: Vec<_> = deleted.map(|action| action.key.name.as_str()).collect();
    assert_eq!(names, ["u.smoke.10", "u.smoke.11", "u.smoke.12"]);
}

#[test]
fn a_secret_is_not_written_into_a_job() {
    let args = json!([{"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    let spec = json!({"template": {"spec": {"containers": [{"name": "c", "args": ["{{args.token}}"]}]}}});
    let metric = json!({"name": "smoke", "provider": {"job": {"spec": spec}}});
    let mut story = Story::begin(&json!({"spec": {"args": args, "metrics": [metric]}}));
    assert!(story.plan(0).probes.is_empty());
    assert_eq!(story.phase(), "Error");
    let told = &story.0.run.status.message;
    assert!(told.contains("cannot be used in a Job"), "{told}");
}

#[test]
fn the_conditions_of_a_job_say_how_it_ended() {
    let check = |conditions: Value, want: Option<(bool, &str)>| {
        let end = Job::end_in(&json!({"conditions": conditions}));
        let want = want.map(|(good, message)| (good, message.to_owned()));
        assert_eq!(end.map(|end| (end.good, end.message)), want, "{conditions}");
    };
    check(json!(null), None);
    check(json!([{"type": "Suspended", "status": "True"}]), None);
    check(json!([{"type": "Failed", "status": "False"}]), None);
    let complete =
        json!([{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]);
    check(complete, Some((true, "")));
    let failed = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]);
    check(failed, Some((false, "BackoffLimitExceeded: too often")));
}
