//! The pod model as tables.

use serde_json::json;

use super::*;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

fn pod(image: &str) -> Value {
    json!({"metadata": {}, "spec": {"nodeName": "node", "containers": [{"image": image}]}})
}

fn crashing(restarts: i32, since: i64) -> Look {
    Look::Crashing {
        restarts,
        since: at(since),
    }
}

/// The look of `pod`, started at 0, at `now` milliseconds, and when to look again.
fn look(pod: &Value, now: i64) -> (Look, Option<i64>) {
    let life = Life {
        started: at(0),
        deleted: Some(at(0)),
    };
    let next = next(&Facts::of(pod), life, Pace::default(), at(now));
    (next.look, next.again.map(|again| again.timestamp_millis()))
}

#[test]
fn the_tag_chooses_the_behaviour() {
    let check =
        |image: &str, now, expect: Look| assert_eq!(look(&pod(image), now).0, expect, "{image} at {now}");
    let ready = Look::Ready {
        since: at(300),
        gates_open: true,
    };
    check("web:v1", 299, Look::Running);
    check("web:v1", 300, ready.clone());
    check("registry:5000/web", 300, ready.clone());
    check("registry:5000/web:good-7@sha256:00", 300, ready);
    check("web:bad", 60_000, Look::Running);
    check("web:bad-2", 60_000, Look::Running);
    check("web:nopull", 60_000, Look::NoImage);
    check("web:crash-1", 499, Look::Running);
    check("web:crash-1", 500, crashing(1, 500));
    check("web:crash-1", 1_500, crashing(2, 1_500));
    check("web:crash-1", 3_500, crashing(3, 3_500));
}

#[test]
fn it_looks_again_when_something_is_due_and_not_before() {
    assert_eq!(look(&pod("web:v1"), 0).1, Some(300));
    assert_eq!(look(&pod("web:v1"), 300).1, None);
    assert_eq!(look(&pod("web:bad"), 0).1, None);
    assert_eq!(look(&pod("web:crash"), 600).1, Some(1_500));
}

#[test]
fn the_readiness_probe_delays_readiness() {
    let mut pod = pod("web:v1");
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"initialDelaySeconds": 2});
    assert_eq!(look(&pod, 1_999), (Look::Running, Some(2_000)));
    assert_eq!(
        look(&pod, 2_000).0,
        Look::Ready {
            since: at(2_000),
            gates_open: true
        }
    );
}

#[test]
fn readiness_gates_are_left_to_their_owner() {
    let mut pod = pod("web:v1");
    pod["spec"]["readinessGates"] = json!([{"conditionType": "example.com/ok"}]);
    let gates = |pod: &Value| match look(pod, 300).0 {
        Look::Ready { gates_open, .. } => gates_open,
        other => panic!("{other:?}"),
    };
    assert!(!gates(&pod));
    pod["status"] = json!({"conditions": [{"type": "example.com/ok", "status": "False"}]});
    assert!(!gates(&pod));
    pod["status"]["conditions"][0]["status"] = "True".into();
    assert!(gates(&pod));
}

#[test]
fn an_unbound_pod_is_bound_first() {
    let mut pod = pod("web:v1");
    pod["spec"]["nodeName"] = Value::Null;
    assert_eq!(look(&pod, 10_000).0, Look::Unbound);
}

#[test]
fn termination_takes_its_grace_period_up_to_a_bound() {
    let check = |grace: i64, now, expect: Look| {
        let mut pod = pod("web:v1");
        pod["metadata"] =
            json!({"deletionTimestamp": "1970-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace});
        assert_eq!(look(&pod, now).0, expect, "grace {grace} at {now}");
    };
    check(30, 999, Look::Unchanged);
    check(30, 1_000, Look::Gone);
    check(0, 0, Look::Gone);
}

#[test]
fn a_job_runs_its_script_and_ends() {
    let check = |script: &str, policy: &str, now, expect: Look| {
        let mut pod = pod("tool:v1");
        pod["spec"]["restartPolicy"] = policy.into();
        pod["spec"]["containers"][0]["command"] = json!(["sh", "-c", script]);
        assert_eq!(look(&pod, now).0, expect, "{script} under {policy} at {now}");
    };
    check("sleep 2; exit 3", "Never", 1_999, Look::Running);
    check("sleep 2; exit 3", "Never", 2_000, Look::Finished { code: 3 });
    check(
        "sleep 0.5 && echo done",
        "OnFailure",
        500,
        Look::Finished { code: 0 },
    );
    check("true", "Never", 0, Look::Finished { code: 0 });
    check("exit 1", "OnFailure", 500, crashing(1, 500));
}

#[test]
fn a_pod_that_has_ended_stays_as_it_is() {
    let mut pod = pod("tool:v1");
    pod["spec"]["restartPolicy"] = "Never".into();
    pod["status"] = json!({"phase": "Failed"});
    assert_eq!(look(&pod, 0), (Look::Unchanged, None));
}

fn behaving(behaviour: Behaviour, now: i64) -> (Look, Option<i64>) {
    let facts = Facts {
        behaviour,
        ..Facts::of(&pod("web:v1"))
    };
    let life = Life {
        started: at(0),
        deleted: None,
    };
    let next = next(&facts, life, Pace::default(), at(now));
    (next.look, next.again.map(|again| again.timestamp_millis()))
}

#[test]
fn flapping_pods_are_ready_half_of_the_time() {
    let period = TimeDelta::milliseconds(1_000);
    let check = |now, expect: (Look, i64)| {
        assert_eq!(
            behaving(Behaviour::Flap { period }, now),
            (expect.0, Some(expect.1))
        );
    };
    let ready = |since| Look::Ready {
        since: at(since),
        gates_open: true,
    };
    check(100, (Look::Running, 300));
    check(300, (ready(300), 800));
    check(799, (ready(300), 800));
    check(800, (Look::Running, 1_300));
    check(1_300, (ready(1_300), 1_800));
}

#[test]
fn a_pod_that_crashes_after_a_time_serves_again() {
    let time = TimeDelta::milliseconds(1_000);
    let check = |now, expect: (Look, i64)| {
        assert_eq!(
            behaving(Behaviour::CrashAfter { time }, now),
            (expect.0, Some(expect.1))
        );
    };
    let ready = |since| Look::Ready {
        since: at(since),
        gates_open: true,
    };
    check(0, (Look::Running, 300));
    check(300, (ready(300), 1_000));
    check(1_000, (crashing(1, 1_000), 1_500));
    check(1_500, (Look::Running, 1_800));
    check(1_900, (ready(1_800), 2_500));
    check(2_500, (crashing(2, 2_500), 3_500));
}

#[test]
fn containers_that_have_not_started_are_waited_for() {
    let life = Life {
        started: at(700),
        deleted: None,
    };
    let next = next(&Facts::of(&pod("web:nopull")), life, Pace::default(), at(0));
    assert_eq!(next, Next::until(Look::Starting, at(700)));
}
