//! Options of both strategies, on a real API server with real controllers.

use serde_json::{Value, json};

use crate::case::{Case, SOON};
use crate::manifests::rollout;

/// What the pods of a version wear under these labels, one entry each.
fn worn(case: &Case, tag: &str, label: &str) -> Vec<Value> {
    case.record.look(|seen| {
        let names = seen.pods_of(tag);
        let pods = names.iter().filter_map(|name| seen.get("Pod", name));
        pods.map(|pod| pod["metadata"]["labels"][label].clone()).collect()
    })
}

#[tokio::test]
async fn pods_change_their_role_at_the_promotion_without_a_restart() {
    let case = Case::new("role-metadata").await;
    let canary = json!({"steps": [{"setWeight": 50}, {"pause": {}}],
        "canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}});
    case.apply([rollout(2, "v1", canary)]).await;
    case.until_healthy("v1").await;
    assert_eq!(worn(&case, "v1", "role"), [json!("stable"), json!("stable")]);
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    assert_eq!(worn(&case, "v2", "role"), [json!("canary")]);
    let canary: Vec<String> = case.record.look(|seen| seen.pods_of("v2"));
    case.serin_ok(&["promote", "web"]).await;
    case.until_healthy("v2").await;
    case.record
        .wait(SOON, "the pods are stable", |seen| {
            let names = seen.pods_of("v2");
            let role = |name: &String| {
                seen.get("Pod", name)
                    .map(|pod| &pod["metadata"]["labels"]["role"])
            };
            let stable = names.iter().all(|name| role(name) == Some(&json!("stable")));
            let lives = names.contains(&canary[0]);
            if stable && lives {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
}
