//! The commands that act and show, as a user meets them: exit code, output, and what was written to the cluster.

use crate::cli::{aborted, check, failed_run, healthy, owned, paused, rollout, run};
use crate::fake_api::FakeApi;
use serde_json::json;
use serin::base::json::merge_apply;
use std::process::Command;

#[test]
fn promote_clears_the_pause() {
    let api = FakeApi::new(Some(rollout(paused())));
    check(&run(&api, "promote web"), 0, "rollout 'web' promoted", "");
    assert_eq!(
        api.writes(),
        [r#"PATCH web/status {"status":{"pauseConditions":null}}"#]
    );
}

#[test]
fn promote_full_and_skip_step_write_what_the_controller_understands() {
    let api = FakeApi::new(Some(rollout(json!({"spec": {"paused": true}}))));
    check(
        &run(&api, "promote web --full"),
        0,
        "rollout 'web' fully promoted",
        "",
    );
    check(
        &run(&api, "promote web --skip-step"),
        0,
        "rollout 'web' promoted",
        "",
    );
    let want = [
        r#"PATCH web/status {"status":{"promoteFull":true}}"#,
        r#"PATCH web {"spec":{"paused":false}}"#,
        r#"PATCH web/status {"status":{"currentStepIndex":1}}"#,
    ];
    assert_eq!(api.writes(), want);
    assert_eq!(run(&api, "promote web --full --skip-step").status.code(), Some(2));
}

#[test]
fn without_a_status_subresource_a_promotion_is_one_write() {
    let mut change = paused();
    merge_apply(&mut change, &json!({"spec": {"paused": true}}));
    let api = FakeApi::new(Some(rollout(change)));
    api.without_status_subresource();
    check(&run(&api, "promote web"), 0, "rollout 'web' promoted", "");
    let want = [
        r#"PATCH web/status {"status":{"pauseConditions":null}}"#,
        r#"PATCH web {"spec":{"paused":false},"status":{"pauseConditions":null}}"#,
    ];
    assert_eq!(api.writes(), want);
}

#[test]
fn promoting_abort_and_retry_without_a_reason_write_nothing() {
    let api = FakeApi::new(Some(rollout(healthy())));
    let nothing = |what: &str| format!("rollout 'web' has nothing to {what}: revision 2 is promoted already");
    check(&run(&api, "promote web"), 0, &nothing("promote"), "");
    check(&run(&api, "abort web"), 0, &nothing("abort"), "");
    check(
        &run(&api, "retry rollout web"),
        0,
        "rollout 'web' has nothing to retry: it is not aborted",
        "",
    );
    assert!(api.writes().is_empty());
}

#[test]
fn an_aborted_rollout_cannot_be_promoted_step_by_step() {
    let api = FakeApi::new(Some(rollout(aborted())));
    let stderr = "\
failed to promote rollout 'web' in namespace 'shop': it is aborted
hint: start over with serin retry, or go through with serin promote --full";
    check(&run(&api, "promote web"), 3, "", stderr);
    assert!(api.writes().is_empty());
}

#[test]
fn abort_and_retry_set_the_flag_and_take_it_back() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    check(
        &run(&api, "abort web"),
        0,
        "rollout 'web' aborted (revision 2)",
        "",
    );
    check(&run(&api, "retry web"), 0, "rollout 'web' retried", "");
    let want = [
        r#"PATCH web/status {"metadata":{"resourceVersion":"1"},"status":{"abort":true}}"#,
        r#"PATCH web/status {"status":{"abort":false}}"#,
    ];
    assert_eq!(api.writes(), want);
    api.put(None);
    assert_eq!(run(&api, "abort web").status.code(), Some(7));
}

/// A new template and an abort in the same moment: whichever comes first, the abort hits the revision that it names.
#[test]
fn an_abort_hits_the_newest_revision_although_that_arrives_in_the_same_moment() {
    let api = FakeApi::new(Some(rollout(json!({}))));
    let newer = json!({"metadata": {"generation": 5, "annotations": {"rollout.argoproj.io/revision": "3"}},
        "status": {"observedGeneration": "5"}});
    api.change_before_the_next_write(newer);
    check(
        &run(&api, "abort web"),
        0,
        "rollout 'web' aborted (revision 3)",
        "",
    );
    assert_eq!(api.writes().len(), 2, "the first met a conflict");
}

#[test]
fn an_abort_waits_until_the_controller_has_seen_the_newest_spec() {
    let api = FakeApi::new(Some(rollout(json!({"metadata": {"generation": 5}}))));
    std::thread::scope(|scope| {
        let aborting = scope.spawn(|| run(&api, "abort web"));
        api.wait_for_reads(2);
        assert!(api.writes().is_empty());
        api.change(json!({"status": {"observedGeneration": "5"}}));
        let line = "rollout 'web' aborted (revision 2)";
        check(&aborting.join().unwrap(), 0, line, "");
    });
    assert_eq!(api.writes().len(), 1);
}

#[test]
fn get_shows_the_tree() {
    let api = FakeApi::new(Some(rollout(aborted())));
    api.list("analysisruns", vec![failed_run()]);
    let set = |replicas: i32, image: &str| {
        json!({"spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": image}]}}},
            "status": {"replicas": replicas, "availableReplicas": replicas}})
    };
    api.list(
        "replicasets",
        vec![
            owned("web-old", "old", "1", set(2, "app:1")),
            owned("web-new", "new", "2", set(0, "app:2")),
        ],
    );
    let output = run(&api, "get web");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "Status:          ✖ Degraded",
        "Images:          app:1 (stable)",
        "⧉ web-new",
        "• ScaledDown",
        "∿ error-rate",
        "stable [0.001]",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn get_shows_what_may_be_read_and_says_what_may_not() {
    let api = FakeApi::new(Some(rollout(healthy())));
    api.list("pods", Vec::new());
    let output = run(&api, "get web");
    assert_eq!(output.status.code(), Some(0));
    let stderr = "failed to list pods in namespace 'shop': pods is forbidden: the tree is not complete";
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), stderr);
    assert!(String::from_utf8_lossy(&output.stdout).contains("⟳ web"));
}

#[test]
fn version_and_completion_need_no_cluster() {
    let binary = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_serin"))
            .args(words)
            .output()
            .unwrap()
    };
    check(&binary(&["version", "--short"]), 0, env!("CARGO_PKG_VERSION"), "");
    let script = binary(&["completion", "bash"]);
    assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("serin"));
    assert_eq!(binary(&["--help"]).status.code(), Some(0));
}
