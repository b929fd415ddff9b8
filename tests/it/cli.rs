//! `serin status` as a user meets it: exit code, standard output, standard error.

use crate::fake_api::{FakeApi, Mood};
use serde_json::{Value, json};
use serin::base::json::merge_apply;
use std::process::{Child, Command, Output, Stdio};

/// A canary of revision 2 at its first step, observed, with `change` merged in.
pub fn rollout(change: Value) -> Value {
    let mut rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "generation": 4,
            "annotations": {"rollout.argoproj.io/revision": "2"}},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}},
            "strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}]}},
        },
        "status": {
            "observedGeneration": "4", "phase": "Progressing", "message": "more replicas need to be updated",
            "currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0, "availableReplicas": 2,
        },
    });
    merge_apply(&mut rollout, &change);
    rollout
}

pub fn healthy() -> Value {
    json!({"status": {"phase": "Healthy", "message": null, "stableRS": "new", "currentStepIndex": 3}})
}

pub fn paused() -> Value {
    json!({"status": {"phase": "Paused", "message": "CanaryPauseStep", "controllerPause": true, "currentStepIndex": 1,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]}})
}

pub fn aborted() -> Value {
    json!({"status": {"phase": "Degraded", "message": "RolloutAborted: error-rate", "abort": true}})
}

/// A spec that nobody has looked at yet, beside the status of the one before.
fn unobserved() -> Value {
    let mut change = healthy();
    merge_apply(
        &mut change,
        &json!({"metadata": {"generation": 5}, "spec": {"template": {"spec": {"hostname": "new"}}}}),
    );
    change
}

pub fn owned(name: &str, hash: &str, revision: &str, rest: Value) -> Value {
    let mut object = json!({"metadata": {"name": name, "uid": name, "labels": {"rollouts-pod-template-hash": hash},
        "annotations": {"rollout.argoproj.io/revision": revision}, "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"apiVersion": "v1", "kind": "Rollout", "name": "web", "uid": "u1", "controller": true}]}});
    merge_apply(&mut object, &rest);
    object
}

pub fn failed_run() -> Value {
    let measured = |value: &str, phase: &str| json!({"phase": phase, "value": value});
    owned(
        "web-run",
        "new",
        "2",
        json!({
            "spec": {"metrics": [{"name": "error-rate", "successCondition": "result[0] < 0.005", "provider": {}},
                    {"name": "error-rate-stable", "provider": {}}],
                "dryRun": [{"metricName": "error-rate-stable"}]},
            "status": {"phase": "Failed", "metricResults": [
                {"name": "error-rate", "phase": "Failed", "failed": 2, "measurements": [measured("[0.08]", "Failed"), measured("[0.09]", "Failed")]},
                {"name": "error-rate-stable", "phase": "Successful", "dryRun": true, "measurements": [measured("[0.001]", "Successful")]}]},
        }),
    )
}

fn command(api: &FakeApi, line: &str) -> Command {
    let name = std::thread::current().name().unwrap_or("main").replace("::", "-");
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    command
        .args(line.split(' '))
        .arg("--kubeconfig")
        .arg(api.kubeconfig(&name));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn run(api: &FakeApi, line: &str) -> Output {
    command(api, line).output().unwrap()
}

fn spawn(api: &FakeApi, line: &str) -> Child {
    command(api, line).spawn().unwrap()
}

#[track_caller]
pub fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let seen = (output.status.code(), text(&output.stdout), text(&output.stderr));
    assert_eq!(seen, (Some(code), stdout.to_owned(), stderr.to_owned()));
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_healthy_rollout_is_0() {
    let api = FakeApi::new(Some(rollout(healthy())));
    check(&run(&api, "status web"), 0, "Healthy", "");
    check(
        &run(&api, "status web -n shop --watch --timeout 5s"),
        0,
        "Healthy",
        "",
    );
}

#[test]
fn a_degraded_rollout_is_3_and_names_the_metric_that_decided() {
    let api = FakeApi::new(Some(rollout(aborted())));
    api.list("analysisruns", vec![failed_run()]);
    let stderr = "\
rollout 'web' is degraded: RolloutAborted: error-rate
decided by web-run: error-rate Failed: [0.09] (must be < 0.005), stable [0.001]
last measurements: [0.08], [0.09]
hint: to see more: serin get web -n shop; to try again: serin retry web -n shop";
    for line in ["status web", "status web --watch"] {
        check(
            &run(&api, line),
            3,
            "Degraded - RolloutAborted: error-rate",
            stderr,
        );
    }
}

#[test]
fn a_pause_without_end_is_4() {
    let api = FakeApi::new(Some(rollout(paused())));
    let stderr = "\
rollout 'web' waits for a person: CanaryPauseStep
hint: to go on: serin promote web -n shop; to go back: serin abort web -n shop";
    check(
        &run(&api, "status web --watch"),
        4,
        "Paused - CanaryPauseStep",
        stderr,
    );
}

#[test]
fn a_timed_pause_is_still_progressing() {
    let mut change = paused();
    merge_apply(
        &mut change,
        &json!({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {"duration": "5m"}}]}}}}),
    );
    let api = FakeApi::new(Some(rollout(change)));
    check(&run(&api, "status web"), 9, "Paused - CanaryPauseStep", "");
}

#[test]
fn a_deadline_is_5() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    let stderr = "\
rollout 'web' was not finished after 1s: Progressing - more replicas need to be updated
hint: to see more: serin get web -n shop";
    let stdout = "Progressing - more replicas need to be updated";
    check(&run(&api, "status web --watch --timeout 1s"), 5, stdout, stderr);
}

#[test]
fn the_previous_revisions_health_is_not_reported_for_a_spec_that_nobody_has_observed() {
    let api = FakeApi::new(Some(rollout(unobserved())));
    let line = "Progressing - waiting for rollout spec update to be observed";
    check(&run(&api, "status web"), 9, line, "");
    let stderr =
        format!("rollout 'web' was not finished after 1s: {line}\nhint: to see more: serin get web -n shop");
    check(&run(&api, "status web --watch --timeout 1s"), 5, line, &stderr);
}

#[test]
fn a_watch_prints_each_distinct_line_until_the_answer() {
    let api = FakeApi::new(Some(rollout(unobserved())));
    let child = spawn(&api, "status web --watch --timeout 60s");
    api.wait_for_watches(1);
    api.put(Some(rollout(
        json!({"metadata": {"generation": 5}, "spec": {"template": {"spec": {"hostname": "new"}}},
        "status": {"observedGeneration": "5"}}),
    )));
    api.change(json!({"status": {"readyReplicas": 1}}));
    api.change(healthy());
    let lines = "\
Progressing - waiting for rollout spec update to be observed
Progressing - more replicas need to be updated
Healthy";
    check(&child.wait_with_output().unwrap(), 0, lines, "");
}

#[test]
fn a_newer_spec_while_watching_is_6() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    let child = spawn(&api, "status web --watch --timeout 60s -o json");
    api.wait_for_watches(1);
    api.change(unobserved());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let report = json_of(&output);
    assert_eq!(
        (&report["outcome"], &report["exitCode"]),
        (&json!("superseded"), &json!(6))
    );
}

#[test]
fn a_newer_revision_than_the_one_asked_for_is_6() {
    let api = FakeApi::new(Some(rollout(healthy())));
    let stderr = "rollout 'web' was superseded: revision 1 was replaced by revision 2";
    check(
        &run(&api, "status web --revision 1"),
        6,
        "Superseded - revision 1 was replaced by revision 2",
        stderr,
    );
    check(&run(&api, "status web --revision 2"), 0, "Healthy", "");
    let waiting = "Progressing - waiting for revision 3, the newest is 2";
    check(&run(&api, "status web --revision 3"), 9, waiting, "");
}

#[test]
fn a_missing_rollout_is_7() {
    let api = FakeApi::new(None);
    let stderr = "\
failed to find rollout 'web' in namespace 'shop': the rollout does not exist
hint: check the name and -n/--namespace";
    check(&run(&api, "status web"), 7, "", stderr);
    check(&run(&api, "status web --watch"), 7, "", stderr);
}

#[test]
fn a_rollout_deleted_while_watching_is_7() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    let child = spawn(&api, "status web --watch --timeout 60s");
    api.wait_for_watches(1);
    api.put(None);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn a_cluster_that_cannot_be_reached_is_8() {
    let mut api = FakeApi::new(None);
    api.stop();
    for line in [
        "status web",
        "status web --watch --request-timeout 1s",
        "promote web",
        "abort web",
        "get web",
    ] {
        let output = run(&api, line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(8), "{line}: {stderr}");
        assert!(
            stderr.contains("Connection refused") && stderr.contains("hint: check --kubeconfig"),
            "{line}: {stderr}"
        );
    }
}

#[test]
fn a_server_that_never_answers_is_8_in_bounded_time() {
    let api = FakeApi::new(Some(rollout(healthy())));
    api.mood(Mood::Hang);
    for line in [
        "status web --timeout 1s",
        "status web --watch --timeout 1s",
        "status web --watch --request-timeout 1s",
        "retry web --request-timeout 1s",
    ] {
        let began = std::time::Instant::now();
        let output = run(&api, line);
        assert_eq!(output.status.code(), Some(8), "{line}: {output:?}");
        assert!(began.elapsed().as_secs() < 10, "{line}");
    }
}

#[test]
fn a_server_that_falls_silent_while_watching_is_8_and_not_a_deadline() {
    let mut api = FakeApi::new(Some(rollout(json!({}))));
    let child = spawn(&api, "status web --watch --timeout 3s");
    api.wait_for_watches(1);
    api.stop();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
}

#[test]
fn a_restart_of_the_api_server_is_sat_out() {
    let mut api = FakeApi::new(Some(rollout(json!({}))));
    let child = spawn(&api, "status web --watch --timeout 60s");
    api.wait_for_watches(1);
    api.stop();
    api.change(healthy());
    api.start();
    let lines = "Progressing - more replicas need to be updated\nHealthy";
    check(&child.wait_with_output().unwrap(), 0, lines, "");
}

#[test]
fn without_permission_to_watch_the_answer_is_polled() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    api.mood(Mood::NoWatch);
    let child = spawn(&api, "status web --watch --timeout 60s");
    api.wait_for_watches(2);
    api.change(healthy());
    let lines = "Progressing - more replicas need to be updated\nHealthy";
    check(&child.wait_with_output().unwrap(), 0, lines, "");
}

#[test]
fn a_refusal_is_1_and_says_what_to_do() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    api.mood(Mood::Refuse(403));
    let stderr = "\
failed to read rollout 'web' in namespace 'shop': the server says no
hint: ask for the permission, or use another --context or --user";
    check(&run(&api, "status web --watch"), 1, "", stderr);
    api.mood(Mood::Refuse(503));
    assert_eq!(run(&api, "status web").status.code(), Some(8));
}

#[test]
fn a_wrong_command_line_is_2() {
    let api = FakeApi::new(None);
    for line in [
        "status",
        "status web --timeout soon",
        "status web --timeout 0s",
        "status web --revision 0",
        "fly web",
    ] {
        let output = run(&api, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{line}");
    }
}

#[test]
fn json_carries_what_a_pipeline_needs() {
    let api = FakeApi::new(Some(rollout(aborted())));
    api.list("analysisruns", vec![failed_run()]);
    let old = owned(
        "web-old",
        "old",
        "1",
        json!({"spec": {"replicas": 2}, "status": {"replicas": 2, "availableReplicas": 2}}),
    );
    api.list("replicasets", vec![old]);
    let output = run(&api, "status web --watch -o json");
    assert_eq!(output.status.code(), Some(3));
    let want = json!({
        "name": "web", "namespace": "shop", "outcome": "degraded", "exitCode": 3, "phase": "Degraded",
        "message": "RolloutAborted: error-rate", "generation": 4, "revision": 2, "stableRevision": 1,
        "step": {"index": 0, "count": 3}, "weight": {"desired": 0, "actual": 0, "max": 100},
        "images": [{"container": "app", "image": "app:2"}],
        "decidedBy": {"analysisRun": "web-run", "metric": "error-rate", "phase": "Failed", "value": "[0.09]",
            "threshold": "must be < 0.005", "stable": "[0.001]", "lastMeasurements": ["[0.08]", "[0.09]"]},
    });
    assert_eq!(json_of(&output), want);
}

#[test]
fn json_tells_failures_too() {
    let api = FakeApi::new(None);
    let report = json_of(&run(&api, "status web -o json"));
    assert_eq!(
        (&report["outcome"], &report["exitCode"]),
        (&json!("notFound"), &json!(7))
    );
    assert!(
        report["error"]
            .as_str()
            .is_some_and(|error| error.starts_with("failed to find rollout 'web'")),
        "{report}"
    );
}

#[test]
fn a_credential_plugin_that_hangs_is_8_in_bounded_time() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubeconfig-hanging-plugin");
    let plugin = json!({"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "sh", "args": ["-c", "exec sleep 60 2>/dev/null"]});
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "me", "user": {"exec": plugin}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let began = std::time::Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_serin"));
    let output = command
        .args(["status", "web", "--timeout", "1s", "--kubeconfig"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(began.elapsed().as_secs() < 20);
}
