//! What lies in the cluster: taking over what exists, refusing what cannot be carried out, leaving alone what
//! belongs to others.

use kube::api::{DeleteParams, Patch, PatchParams, PropagationPolicy};
use serde_json::{Value, json};

use crate::case::{Case, SOON, look};
use crate::manifests::{rollout, service};

#[tokio::test]
async fn existing_replica_sets_are_adopted_without_restarting_pods() {
    let case = Case::new("adopt").await;
    let object = rollout(
        3,
        "v1",
        json!({"steps": [{"setWeight": 50}, {"pause": {"duration": "1s"}}]}),
    );
    case.apply([object.clone()]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    let before = case.until_healthy("v2").await;
    let pods = case.record.look(|seen| seen.pods_of("v2"));
    let orphan = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    case.rollouts().delete("web", &orphan).await.unwrap();
    case.record
        .wait(SOON, "the Rollout is gone", |seen| {
            if seen.get("Rollout", "web").is_none() {
                Ok(())
            } else {
                Err("still there".to_owned())
            }
        })
        .await;
    let mut again = object;
    again["spec"]["template"]["spec"]["containers"] = crate::manifests::containers("v2");
    case.apply([again]).await;
    let after = case.until_healthy("v2").await;
    assert_eq!(after["status"]["stableRS"], before["status"]["stableRS"]);
    assert_eq!(case.record.look(|seen| seen.pods_of("v2")), pods, "the same pods");
    let sets = case.record.look(|seen| seen.all("ReplicaSet").len());
    assert_eq!(sets, 2);
    let owner = case
        .record
        .look(|seen| seen.set_of("v2").unwrap()["metadata"]["ownerReferences"][0]["uid"].clone());
    assert_eq!(owner, after["metadata"]["uid"]);
}

#[tokio::test]
async fn an_invalid_rollout_is_told_all_its_problems_at_once() {
    let case = Case::new("invalid").await;
    let mut object = rollout(
        2,
        "v1",
        json!({"maxSurge": 0, "maxUnavailable": 0, "steps": [{"setWeight": 120}]}),
    );
    object["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    case.apply([object]).await;
    let web = case.until_phase("Degraded", "InvalidSpec").await;
    let message = web["status"]["message"].as_str().unwrap();
    for field in ["spec.template.metadata.labels", "setWeight", "maxSurge"] {
        assert!(message.contains(field), "{field} is not in: {message}");
    }
    assert_eq!(case.record.look(|seen| seen.all("ReplicaSet").len()), 0);
    // Mended, it goes on as if nothing had been.
    let steps = json!([{"setWeight": 20}]);
    let template = json!({"metadata": {"labels": {"app": "web"}}});
    let canary = json!({"maxSurge": 1, "maxUnavailable": 0, "steps": steps});
    case.patch(json!({"spec": {"template": template, "strategy": {"canary": canary}}}))
        .await;
    let web = case.until_healthy("v1").await;
    let conditions = web["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions.iter().all(|one| one["type"] != "InvalidSpec"),
        "{conditions:?}"
    );
}

#[tokio::test]
async fn what_is_not_carried_out_yet_is_named_and_nothing_is_created() {
    let case = Case::new("unsupported").await;
    let mut object = rollout(2, "v1", json!(null));
    object["spec"]["strategy"] = json!({"canary": {"steps": [{"plugin": {"name": "shop/step"}}]}});
    case.apply([service("web"), object]).await;
    let web = case
        .until_phase("Degraded", "spec.strategy.canary.steps[0].plugin")
        .await;
    let invalid = web["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == "InvalidSpec");
    assert!(
        invalid.is_some_and(|one| one["status"] == "True"),
        "{}",
        look(&web)
    );
    assert_eq!(
        case.record.look(|seen| seen.all("ReplicaSet").len()),
        0,
        "nothing is created"
    );
    case.record
        .wait(SOON, "an event that says it", |seen| {
            let all = seen.all("Event").into_iter();
            let said: Vec<_> = all.filter(|event| event["reason"] == "InvalidSpec").collect();
            match said.as_slice() {
                [one]
                    if one["message"]
                        .as_str()
                        .is_some_and(|text| text.contains("steps[0].plugin")) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

#[tokio::test]
async fn unknown_status_fields_survive_our_writes() {
    let case = Case::new("unknown").await;
    case.apply([rollout(
        2,
        "v1",
        json!({"steps": [{"setWeight": 50}, {"pause": {}}]}),
    )])
    .await;
    let web = case.until_healthy("v1").await;
    assert!(web["status"]["observedGeneration"].is_string(), "{}", look(&web));
    let note = json!({"status": {"workOfOthers": {"deep": [1, 2]}}});
    let params = PatchParams::default();
    case.rollouts()
        .patch_status("web", &params, &Patch::Merge(note))
        .await
        .unwrap();
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    case.serin_ok(&["promote", "web"]).await;
    let web = case.until_healthy("v2").await;
    assert_eq!(
        web["status"]["workOfOthers"],
        json!({"deep": [1, 2]}),
        "{}",
        look(&web)
    );
}

#[tokio::test]
async fn an_autoscaler_finds_what_it_needs() {
    let case = Case::new("scale").await;
    case.apply([rollout(2, "v1", json!({}))]).await;
    case.until_healthy("v1").await;
    let (plane, namespace) = (&case.world.plane, case.space.namespace.as_str());
    let said = plane
        .kubectl(&["scale", "rollout/web", "--replicas=5", "-n", namespace])
        .await
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    case.until("five pods", |web| {
        if web["status"]["HPAReplicas"] == 5 && web["status"]["readyReplicas"] == 5 {
            Ok(())
        } else {
            Err(look(web))
        }
    })
    .await;
    let scale = plane
        .kubectl(&[
            "get",
            "rollout",
            "web",
            "--subresource=scale",
            "-o",
            "json",
            "-n",
            namespace,
        ])
        .await
        .unwrap();
    let scale: Value = serde_json::from_slice(&scale.stdout).unwrap();
    assert_eq!(
        (&scale["spec"]["replicas"], &scale["status"]),
        (&json!(5), &json!({"replicas": 5, "selector": "app=web"}))
    );
}

/// Every manifest of `examples/`, by its path there.
fn examples() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("examples/stories") {
                // Stories are for `serin simulate`; their objects are played there.
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn every_example_applies_and_becomes_healthy() {
    let case = Case::new("examples").await;
    let examples = examples();
    assert!(examples.len() >= 4, "{examples:?}");
    for (path, text) in examples {
        // A Prometheus rule file is no object of Kubernetes; the shipped template's test loads it.
        if path.ends_with("recording-rules.yaml") {
            continue;
        }
        let own = crate::support::process::Scratch::new("example").unwrap();
        let file = own.join("example.yaml");
        let here = text.replace(
            "namespace: default ",
            &format!("namespace: {} ", case.space.namespace),
        );
        std::fs::write(&file, &here).unwrap();
        let file = file.display().to_string();
        for dry in [true, false] {
            let mut args = vec![
                "apply",
                "-n",
                &case.space.namespace,
                "--validate=strict",
                "-f",
                &file,
            ];
            args.extend(dry.then_some("--dry-run=server"));
            let said = case.world.plane.kubectl(&args).await.unwrap();
            assert!(said.status.success(), "{path}: {said:?}");
        }
        if here.contains("kind: Rollout") {
            case.record
                .wait(SOON, &format!("{path} is healthy"), |seen| {
                    let shop = seen.get("Rollout", "shop").ok_or("no Rollout")?;
                    if crate::case::promoted(shop) && crate::case::phase(shop) == "Healthy" {
                        Ok(())
                    } else {
                        Err(look(shop))
                    }
                })
                .await;
            // The next has the same name, and is no release of this one.
            let args = ["delete", "-n", &case.space.namespace, "-f", &file];
            let said = case.world.plane.kubectl(&args).await.unwrap();
            assert!(said.status.success(), "{path}: {said:?}");
            case.record
                .wait(SOON, "the Rollout is gone", |seen| {
                    seen.get("Rollout", "shop")
                        .map_or(Ok(()), |_| Err("still there".to_owned()))
                })
                .await;
        }
    }
}
