//! Options of both strategies, on a real API server with real controllers.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, SOON, look, phase, promoted};
use crate::manifests::{containers, rollout, routed};
use crate::record::{Seen, tag_of};
use crate::support::wait::eventually;

const HASH: &str = "rollouts-pod-template-hash";

/// What the pods of a version wear under these labels, one entry each.
fn worn(case: &Case, tag: &str, label: &str) -> Vec<Value> {
    case.record.look(|seen| {
        let names = seen.pods_of(tag);
        let pods = names.iter().filter_map(|name| seen.get("Pod", name));
        pods.map(|pod| pod["metadata"]["labels"][label].clone()).collect()
    })
}

fn name_of(seen: &Seen, tag: &str) -> String {
    let set = seen.set_of(tag).unwrap();
    set["metadata"]["name"].as_str().unwrap().to_owned()
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

#[tokio::test]
async fn a_rollout_takes_its_template_from_a_deployment_and_its_place() {
    let case = Case::new("workload-ref").await;
    let mut web = rollout(3, "v1", json!({"maxSurge": 1, "maxUnavailable": 0}));
    let template = web["spec"]["template"].take();
    let selector = web["spec"]["selector"].take();
    web["spec"] = json!({"replicas": 3, "strategy": web["spec"]["strategy"],
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "scaleDown": "progressively"}});
    case.apply([web]).await;
    case.until_phase("Degraded", "Deployment \"web\" not found").await;
    let deployment = |containers: Value| {
        let mut template = template.clone();
        template["spec"]["containers"] = containers;
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 3, "selector": selector, "template": template}})
    };
    case.apply([deployment(containers("v1"))]).await;
    let deployments = case.api("apps/v1", "Deployment", "deployments");
    let scaled = || async {
        let web = deployments.get("web").await.unwrap();
        web.data["spec"]["replicas"].clone()
    };
    let healthy = |web: &Value| match (promoted(web), phase(web)) {
        (true, "Healthy") => Ok(()),
        _ => Err(look(web)),
    };
    case.until("the Rollout has taken over", healthy).await;
    eventually(SOON, "the Deployment has no pods any more", || async {
        let size = scaled().await;
        if size == 0 { Ok(()) } else { Err(format!("{size}")) }
    })
    .await;
    let patch = json!({"spec": {"template": {"spec": {"containers": containers("v2")}}}});
    let merge = Patch::Merge(patch);
    deployments
        .patch("web", &PatchParams::default(), &merge)
        .await
        .unwrap();
    case.record
        .wait(SOON, "v2 is stable", |seen| {
            let web = seen.get("Rollout", "web").ok_or("gone")?;
            let stable = &web["status"]["stableRS"];
            // The Deployment has ReplicaSets of its own, without pods.
            let sets = seen.all("ReplicaSet");
            let set = sets.iter().find(|set| set["metadata"]["labels"][HASH] == *stable);
            match set.is_some_and(|set| tag_of(&set["spec"]["template"]["spec"]) == "v2") {
                true => healthy(web),
                false => Err(look(web)),
            }
        })
        .await;
    let web = case.rollouts().get("web").await.unwrap();
    assert_eq!(web.data["spec"]["template"], Value::Null, "never written back");
    assert_eq!(
        web.data["status"]["workloadObservedGeneration"],
        json!(web.metadata.annotations.unwrap()["rollout.argoproj.io/workload-generation"])
    );
    assert_eq!(scaled().await, 0);
}

#[tokio::test]
async fn a_restart_evicts_the_pods_and_a_budget_can_hold_it_up() {
    let case = Case::new("restart").await;
    let budget = |most: i32| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
            "spec": {"maxUnavailable": most, "selector": {"matchLabels": {"app": "web"}}}})
    };
    let web = rollout(2, "v1", json!({"maxUnavailable": 1, "maxSurge": 0}));
    case.apply([budget(0), web]).await;
    case.until_healthy("v1").await;
    let old = case.record.look(|seen| seen.pods_of("v1"));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    case.patch(json!({"spec": {"restartAt": now}})).await;
    case.until_phase("Progressing", "rollout is restarting").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(
        case.record.look(|seen| seen.pods_of("v1")),
        old,
        "the budget allows none to go"
    );
    case.apply([budget(1)]).await;
    let done = case.until("the restart is done", |web| {
        match web["status"]["restartedAt"] == json!(now) && phase(web) == "Healthy" {
            true => Ok(()),
            false => Err(look(web)),
        }
    });
    done.await;
    let new = case.record.look(|seen| seen.pods_of("v1"));
    assert!(
        new.len() == 2 && new.iter().all(|name| !old.contains(name)),
        "{old:?} became {new:?}"
    );
    let sets = case.record.look(|seen| seen.all("ReplicaSet").len());
    assert_eq!(sets, 1, "a restart is no release");
}

#[tokio::test]
async fn a_stable_version_that_shrank_gets_its_pods_back_before_its_traffic() {
    let case = Case::new("dynamic-stable").await;
    let canary = json!({"dynamicStableScale": true, "steps": [{"setWeight": 50}, {"pause": {}}]});
    case.apply(routed(4, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    let size = |tag: &str| {
        let size = |seen: &Seen| seen.set_of(tag)?["spec"]["replicas"].as_i64();
        case.record.look(size)
    };
    eventually(SOON, "stable has shrunk", || async {
        let sizes = (size("v1"), size("v2"));
        if sizes == (Some(2), Some(2)) {
            Ok(())
        } else {
            Err(format!("{sizes:?}"))
        }
    })
    .await;
    case.serin_ok(&["abort", "web"]).await;
    case.until_phase("Degraded", "RolloutAborted").await;
    eventually(SOON, "stable is whole again", || async {
        let sizes = (size("v1"), size("v2"));
        if sizes == (Some(4), Some(0)) {
            Ok(())
        } else {
            Err(format!("{sizes:?}"))
        }
    })
    .await;
    // The status may follow the sizes by a few seconds.
    eventually(SOON, "no weight is left on the canary", || async {
        let web = case.rollouts().get("web").await.unwrap();
        let weight = web.data["status"]["canary"]["weights"]["canary"]["weight"].clone();
        if weight == 0 {
            Ok(())
        } else {
            Err(weight.to_string())
        }
    })
    .await;
    // Never less available than the share that stable had at that moment.
    let ready = case.record.values(
        "ReplicaSet",
        &case.record.look(|seen| name_of(seen, "v1")),
        |set| set["status"]["availableReplicas"].as_i64(),
    );
    assert!(ready.iter().all(|ready| *ready >= 1), "{ready:?}");
}

#[tokio::test]
async fn new_pods_keep_off_the_nodes_of_stable() {
    let case = Case::new("anti-affinity").await;
    let wish = json!({"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 50}});
    let web = rollout(
        2,
        "v1",
        json!({"steps": [{"setWeight": 50}, {"pause": {}}], "antiAffinity": wish}),
    );
    case.apply([web]).await;
    let web = case.until_healthy("v1").await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    let terms = case.record.look(|seen| {
        let spec = &seen.set_of("v2").unwrap()["spec"]["template"]["spec"];
        spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"].clone()
    });
    let values = terms.pointer("/0/podAffinityTerm/labelSelector/matchExpressions/0/values/0");
    assert_eq!(values, Some(&web["status"]["stableRS"]), "{terms}");
}
