//! Blue-green: the users' Service is switched once all pods of the new version are there, and back when it was wrong to.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, SOON, look, phase, promoted};
use crate::manifests::{analysis, error_rate, metric, rollout, service, template};
use crate::support::traffic::{Load, Target};

const HASH: &str = "rollouts-pod-template-hash";

/// Version v1 behind the active Service `web`, with users that Prometheus sees; so it is older than what comes by more than a second.
async fn serving(name: &str, mut strategy: Value) -> (Case, Load) {
    let case = Case::new(name).await;
    let errors = metric("error-rate", &error_rate("canary"), "0.005");
    strategy["activeService"] = json!("web");
    strategy["previewService"] = json!("web-preview");
    let mut web = rollout(3, "v1", json!({}));
    web["spec"]["strategy"] = json!({"blueGreen": strategy});
    case.apply([
        service("web"),
        service("web-preview"),
        template("errors", &[errors]),
        web,
    ])
    .await;
    case.until_healthy("v1").await;
    let load = case.drive(Target::Service("web".into())).await;
    (case, load)
}

/// The version that a Service leads to, now.
async fn led_to(case: &Case, service: &str) -> Value {
    let service = case.api("v1", "Service", "services").get(service).await.unwrap();
    service.data["spec"]["selector"][HASH].clone()
}

fn hash_of(case: &Case, tag: &str) -> Value {
    case.record
        .look(|seen| {
            seen.set_of(tag)
                .map(|set| set["metadata"]["labels"][HASH].clone())
        })
        .unwrap()
}

/// A patch of the status, as the plugin of kubectl sends it.
async fn patch_status(case: &Case, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    let api = case.rollouts();
    api.patch_status("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

fn size(case: &Case, tag: &str) -> Option<i64> {
    case.record
        .look(|seen| seen.set_of(tag)?["spec"]["replicas"].as_i64())
}

async fn until_size(case: &Case, tag: &str, size: i64) {
    let wait = case.record.wait(SOON, "the old version is gone", |seen| {
        let now = seen.set_of(tag).map(|set| set["spec"]["replicas"].clone());
        if now == Some(json!(size)) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
    wait.await;
}

#[tokio::test]
async fn a_person_switches_all_users_at_once_and_back_while_the_old_pods_are_there() {
    let strategy = json!({"autoPromotionEnabled": false, "scaleDownDelaySeconds": 25});
    let (case, load) = serving("blue-green", strategy).await;
    case.release("v2").await;
    let web = case.until_phase("Paused", "BlueGreenPause").await;
    let (v1, v2) = (hash_of(&case, "v1"), hash_of(&case, "v2"));
    assert_eq!(
        (led_to(&case, "web").await, led_to(&case, "web-preview").await),
        (v1.clone(), v2.clone())
    );
    assert_eq!(
        web["status"]["blueGreen"],
        json!({"activeSelector": v1, "previewSelector": v2}),
        "{}",
        look(&web)
    );
    let told = case.serin_ok(&["get", "web"]).await;
    assert!(
        told.contains("waits for a person") && told.contains("stable,active") && told.contains("preview"),
        "{told}"
    );
    patch_status(&case, json!({"pauseConditions": null})).await;
    case.until_healthy("v2").await;
    assert_eq!(led_to(&case, "web").await, v2);
    assert_eq!(size(&case, "v1"), Some(3), "its pods stay for the way back");
    case.release("v1").await;
    case.until_healthy("v1").await;
    assert_eq!(led_to(&case, "web").await, v1);
    until_size(&case, "v2", 0).await;
    assert!(load.refused() == 0.0, "{} requests found nobody", load.refused());
    let pauses = case.record.look(|seen| {
        let events = seen.all("Event");
        events
            .iter()
            .filter(|event| event["reason"] == "RolloutPaused")
            .count()
    });
    assert_eq!(pauses, 1, "the way back is not paused");
}

#[tokio::test]
async fn a_version_that_fails_its_analysis_after_the_switch_is_switched_back() {
    let strategy = json!({"postPromotionAnalysis": analysis("errors"), "abortScaleDownDelaySeconds": 2});
    let (case, load) = serving("switch-back", strategy).await;
    case.release("v2-errors").await;
    let switched = case.until("v2 has the users", |web| {
        let status = &web["status"];
        let led = status["blueGreen"]["activeSelector"] == status["currentPodHash"];
        if led && !promoted(web) && phase(web) == "Progressing" {
            Ok(())
        } else {
            Err(look(web))
        }
    });
    switched.await;
    let words = "Blue/green post-promotion analysis phase error/failed: Metric \"error-rate\"";
    let web = case.until_phase("Degraded", words).await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    let back = case.until("v1 has the users again", |web| {
        let status = &web["status"];
        if status["blueGreen"]["activeSelector"] == status["stableRS"] {
            Ok(())
        } else {
            Err(look(web))
        }
    });
    back.await;
    assert_eq!(led_to(&case, "web").await, hash_of(&case, "v1"));
    until_size(&case, "v2-errors", 0).await;
    assert!(load.refused() == 0.0, "{} requests found nobody", load.refused());
}
