//! Updates that take a turn: back to stable, on to something newer, stuck, scaled in the middle.

use serde_json::{Value, json};

use crate::case::{Case, SOON, look};
use crate::manifests::rollout;

async fn at_pause(name: &str, extra: Value) -> Case {
    let case = Case::new(name).await;
    let mut object = rollout(4, "v1", json!({"steps": [{"setWeight": 50}, {"pause": {}}]}));
    for (field, value) in extra.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    case.apply([object]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    case
}

/// Waits until exactly these numbers of pods are there.
async fn until_pods(case: &Case, tags: &[(&str, usize)]) {
    case.record
        .wait(SOON, &format!("pods {tags:?}"), |seen| {
            let found: Vec<_> = tags
                .iter()
                .map(|(tag, _)| (*tag, seen.pods_of(tag).len()))
                .collect();
            if found == tags {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
}

#[tokio::test]
async fn going_back_to_stable_skips_all_steps() {
    let case = at_pause("back", json!({})).await;
    let before = case.record.look(|seen| seen.pods_of("v1"));
    case.release("v1").await;
    case.until_healthy("v1").await;
    until_pods(&case, &[("v1", 4), ("v2", 0)]).await;
    let after = case.record.look(|seen| seen.pods_of("v1"));
    assert!(
        before.iter().all(|pod| after.contains(pod)),
        "no pod of stable was replaced: {before:?} {after:?}"
    );
}

#[tokio::test]
async fn a_newer_template_takes_the_place_of_the_canary() {
    let case = at_pause("newer", json!({})).await;
    case.release("v3").await;
    case.until("v3 is the canary at its first pause", |web| {
        let newest = web["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "3";
        let paused = web["status"]["pauseConditions"].is_array();
        if newest && paused && crate::case::current(web) {
            Ok(())
        } else {
            Err(look(web))
        }
    })
    .await;
    until_pods(&case, &[("v1", 2), ("v2", 0), ("v3", 2)]).await;
    case.serin_ok(&["promote", "web"]).await;
    case.until_healthy("v3").await;
}

#[tokio::test]
async fn scaling_in_the_middle_keeps_step_and_share() {
    let case = at_pause("scaled", json!({})).await;
    let namespace = case.space.namespace.as_str();
    let said = case
        .world
        .plane
        .kubectl(&["scale", "rollout/web", "--replicas=8", "-n", namespace])
        .await
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    until_pods(&case, &[("v1", 4), ("v2", 4)]).await;
    let web = case.until("the counts", |web| {
        let status = &web["status"];
        if status["HPAReplicas"] == 8 && status["availableReplicas"] == 8 {
            Ok(())
        } else {
            Err(look(web))
        }
    });
    let web = web.await;
    assert_eq!(
        (&web["status"]["currentStepIndex"], &web["status"]["selector"]),
        (&json!(1), &json!("app=web"))
    );
    case.patch(json!({"spec": {"replicas": 2}})).await;
    until_pods(&case, &[("v1", 1), ("v2", 1)]).await;
}

#[tokio::test]
async fn the_progress_deadline_aborts_when_asked() {
    let case = Case::new("deadline").await;
    let mut object = rollout(2, "v1", json!({"steps": [{"setWeight": 50}, {"pause": {}}]}));
    object["spec"]["progressDeadlineSeconds"] = json!(3);
    object["spec"]["progressDeadlineAbort"] = json!(true);
    case.apply([object]).await;
    case.until_healthy("v1").await;
    case.release("bad-2").await;
    let web = case.until_phase("Degraded", "has timed out progressing").await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    assert_eq!(case.record.look(|seen| seen.pods_of("v1").len()), 2);
}

#[tokio::test]
async fn without_abort_the_deadline_only_reports() {
    let case = Case::new("deadline-only").await;
    let mut object = rollout(2, "v1", json!({"steps": [{"setWeight": 50}, {"pause": {}}]}));
    object["spec"]["progressDeadlineSeconds"] = json!(3);
    case.apply([object]).await;
    case.until_healthy("v1").await;
    case.release("bad-2").await;
    let web = case.until_phase("Degraded", "has timed out progressing").await;
    assert!(web["status"]["abort"].is_null(), "{}", look(&web));
    // A good version is the way out.
    case.release("v3").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
}
