//! What people and CI jobs do: promote, abort, retry, wait, look. Always by the real program.

use serde_json::{Value, json};

use crate::case::{Case, SOON, look};
use crate::manifests::rollout;

/// A canary that waits for a person, its first release healthy.
async fn paused(name: &str, tag: &str) -> Case {
    let case = Case::new(name).await;
    let steps = json!([{"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]);
    case.apply([rollout(
        2,
        "v1",
        json!({"abortScaleDownDelaySeconds": 1, "steps": steps}),
    )])
    .await;
    case.until_healthy("v1").await;
    case.release(tag).await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    case
}

async fn until_step(case: &Case, step: i64) -> Value {
    case.until(&format!("step {step}"), |web| {
        let paused = web["status"]["pauseConditions"].is_array();
        if paused && web["status"]["currentStepIndex"] == step {
            Ok(())
        } else {
            Err(look(web))
        }
    })
    .await
}

#[tokio::test]
async fn promote_goes_on_to_the_next_pause_and_then_to_the_end() {
    let case = paused("promote", "v2").await;
    let out = case.serin_ok(&["promote", "web"]).await;
    assert!(out.contains("rollout 'web' promoted"), "{out}");
    until_step(&case, 3).await;
    case.serin_ok(&["promote", "web"]).await;
    case.until_healthy("v2").await;
}

#[tokio::test]
async fn promote_full_skips_what_is_ahead() {
    let case = paused("full", "v2").await;
    case.serin_ok(&["promote", "web", "--full"]).await;
    case.until_healthy("v2").await;
    let steps = case
        .record
        .values("Rollout", "web", |web| web["status"]["currentStepIndex"].as_i64());
    assert!(
        !steps.contains(&3),
        "it did not stop at the second pause: {steps:?}"
    );
}

#[tokio::test]
async fn promote_skip_step_skips_one() {
    let case = paused("skip", "v2").await;
    case.serin_ok(&["promote", "web", "--skip-step"]).await;
    until_step(&case, 3).await;
}

#[tokio::test]
async fn abort_goes_back_to_stable_and_retry_begins_again() {
    let case = paused("abort", "v2").await;
    let out = case.serin_ok(&["abort", "web"]).await;
    assert!(out.contains("rollout 'web' aborted"), "{out}");
    let web = case
        .until_phase("Degraded", "RolloutAborted: Rollout aborted update to revision 2")
        .await;
    assert_eq!(web["status"]["currentStepIndex"], 0, "{}", look(&web));
    case.record
        .wait(SOON, "only pods of v1", |seen| {
            let (old, new) = (seen.pods_of("v1").len(), seen.pods_of("v2").len());
            if (old, new) == (2, 0) {
                Ok(())
            } else {
                Err(format!("v1 {old}, v2 {new}"))
            }
        })
        .await;
    case.serin_ok(&["retry", "web"]).await;
    until_step(&case, 1).await;
    case.serin_ok(&["promote", "web", "--full"]).await;
    case.until_healthy("v2").await;
}

#[tokio::test]
async fn status_waits_for_the_newest_version_and_answers_by_exit_code() {
    let case = Case::new("status").await;
    let steps = json!([{"setWeight": 50}, {"pause": {"duration": "1s"}}]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    let first = case
        .serin(&["status", "web", "--watch", "--timeout", "60s"])
        .await;
    assert_eq!(first.code, 0, "{first:?}");
    // Right after the push: the answer must be about v2, which is not there yet.
    case.release("v2").await;
    let second = case
        .serin(&["status", "web", "--watch", "--timeout", "60s", "-o", "json"])
        .await;
    let report: Value = serde_json::from_str(&second.out).unwrap_or_default();
    assert_eq!(
        (second.code, &report["outcome"], &report["revision"]),
        (0, &json!("healthy"), &json!(2)),
        "{second:?}"
    );
    assert_eq!(report["images"][0]["image"], "shop/web:v2", "{report}");
    let none = case.serin(&["status", "nobody"]).await;
    assert_eq!(none.code, 7, "{none:?}");
}

#[tokio::test]
async fn status_says_paused_progressing_timed_out_superseded_and_degraded() {
    let case = Case::new("codes").await;
    let steps = json!([{"setWeight": 50}, {"pause": {"duration": "10m"}}]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    let check = async |args: &[&str], code: i32| {
        let said = case.serin(args).await;
        assert_eq!(said.code, code, "{args:?}: {said:?}");
    };
    check(&["status", "web"], 9).await;
    check(&["status", "web", "--watch", "--timeout", "1s"], 5).await;
    let waiting = ["status", "web", "--watch", "--timeout", "60s"];
    let supersede = async {
        // The other command has to have seen v2 first; its line is the sign, but output comes at the end only.
        case.until_phase("Paused", "").await;
        case.serin(&["status", "web", "--watch", "--timeout", "2s"]).await;
        case.release("v3").await;
    };
    let (superseded, ()) = tokio::join!(case.serin(&waiting), supersede);
    assert_eq!(superseded.code, 6, "{superseded:?}");
    case.serin_ok(&["abort", "web"]).await;
    check(&waiting, 3).await;
}

#[tokio::test]
async fn get_prints_the_tree() {
    let case = paused("get", "v2").await;
    let out = case.serin_ok(&["get", "web"]).await;
    for part in [
        "Name:            web",
        "Paused",
        "CanaryPauseStep",
        "Step:          1/4",
        "revision:2",
        "revision:1",
        "shop/web:v2 (canary)",
        "shop/web:v1 (stable)",
    ] {
        assert!(out.contains(part), "'{part}' is not in\n{out}");
    }
}

#[tokio::test]
async fn kubectl_shows_the_columns_that_people_know() {
    let case = paused("columns", "v2").await;
    let namespace = case.space.namespace.as_str();
    let out = case
        .world
        .plane
        .kubectl(&["get", "rollout", "web", "-n", namespace])
        .await
        .unwrap();
    let out = String::from_utf8_lossy(&out.stdout).into_owned();
    for column in ["DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE"] {
        assert!(out.contains(column), "{out}");
    }
    let explained = case
        .world
        .plane
        .kubectl(&["explain", "rollout.spec.strategy.canary"])
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(text.contains("steps"), "{text}");
}
