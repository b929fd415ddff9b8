//! The ReplicaSet controller.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_replica_set_makes_pods_until_it_has_enough() {
    let mut play = Play::new();
    let set = play.make(replica_set("web-a", 3, "web:good"));
    play.settle().await;
    let pods = play.pods();
    assert_eq!(pods.len(), 3);
    for (name, pod) in &pods {
        assert!(
            name.starts_with("web-a-") && name.len() == "web-a-".len() + 5,
            "{name}"
        );
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-a", "uid": set["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true});
        assert_eq!(pod["metadata"]["ownerReferences"], json!([owner]));
        assert_eq!(pod["metadata"]["labels"], labels("web", "a"));
    }
    let status = &play.get("replicasets.apps", "web-a")["status"];
    let want = json!({"replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "fullyLabeledReplicas": 3,
        "terminatingReplicas": 0, "observedGeneration": 1});
    assert_eq!(*status, want);
    // One that is deleted is replaced.
    play.delete("pods", &pods[0].0, Value::Null).await;
    play.settle().await;
    assert_eq!(play.ready(), 3);
    assert!(play.find("pods", &pods[0].0).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_smaller_replica_set_deletes_unready_pods_first() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 4, "web:good"));
    play.settle().await;
    let names: Vec<String> = play.pods().into_iter().map(|(name, _)| name).collect();
    let broken = Which::Name(names[2].clone());
    play.faults
        .change(|switches| switches.behaviours = vec![(broken, Behaviour::NeverReady)]);
    play.settle().await;
    assert_eq!(play.ready(), 3);
    play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 3}}))
        .await;
    play.settle().await;
    assert_eq!((play.pods().len(), play.ready()), (3, 3));
    assert!(play.find("pods", &names[2]).is_none());
}

#[tokio::test(start_paused = true)]
async fn the_order_of_deletion_is_that_of_the_controller() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 3, "web:good"));
    play.run(100.0).await;
    play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 6}}))
        .await;
    play.run(0.2).await;
    // Three have just been made: pods that are not ready go before those that are, cheap ones first among equals.
    let old: Vec<String> = play
        .pods()
        .into_iter()
        .filter(|(_, pod)| reading::ready_since(pod).is_some())
        .map(|(name, _)| name)
        .collect();
    assert_eq!((old.len(), play.pods().len()), (3, 6));
    let cost = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}});
    play.patch("pods", &old[1], cost).await;
    play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 2}}))
        .await;
    play.settle().await;
    let left: Vec<String> = play.pods().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, [old[0].clone(), old[2].clone()]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_another_owner_are_never_counted() {
    let mut play = Play::new();
    play.run(0.0).await;
    let node = play.get("nodes", "node-1");
    let foreign = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "foreign", "labels": labels("web", "a"),
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": node["metadata"]["uid"], "controller": true}]},
        "spec": {"containers": [{"name": "web", "image": "web:good"}]}});
    let mut free = foreign.clone();
    free["metadata"] = json!({"name": "free", "labels": labels("web", "a")});
    play.make(foreign);
    play.make(free.clone());
    free["metadata"] = json!({"name": "unlike", "labels": labels("web", "b")});
    play.make(free);
    let set = play.make(replica_set("web-a", 2, "web:good"));
    play.run(1.0).await;
    let owner = |name: &str| play.get("pods", name)["metadata"]["ownerReferences"][0]["uid"].clone();
    assert_eq!(owner("free"), set["metadata"]["uid"], "adopted");
    assert_eq!(owner("foreign"), node["metadata"]["uid"]);
    assert_eq!(owner("unlike"), Value::Null);
    assert_eq!(play.get("replicasets.apps", "web-a")["status"]["replicas"], 2);
    assert_eq!(play.pods().len(), 4);
    // A pod whose label is taken away is let go and replaced.
    play.patch("pods", "free", json!({"metadata": {"labels": {"hash": "z"}}}))
        .await;
    play.run(1.0).await;
    assert_eq!(
        play.get("pods", "free")["metadata"]["ownerReferences"],
        Value::Null
    );
    assert_eq!(play.pods().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn pods_are_available_after_their_least_ready_time() {
    let mut play = Play::new();
    let mut set = replica_set("web-a", 2, "web:good");
    set["spec"]["minReadySeconds"] = 30.into();
    play.make(set);
    play.run(20.0).await;
    let status = |play: &Play| play.get("replicasets.apps", "web-a")["status"].clone();
    assert_eq!(
        (
            &status(&play)["readyReplicas"],
            &status(&play)["availableReplicas"]
        ),
        (&json!(2), &Value::Null)
    );
    play.settle().await;
    assert_eq!(status(&play)["availableReplicas"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_told_as_a_replica_failure() {
    let mut play = Play::new();
    play.faults.change(|switches| switches.pods_max = Some(2));
    play.make(replica_set("web-a", 4, "web:good"));
    play.run(20.0).await;
    let set = play.get("replicasets.apps", "web-a");
    let failure = reading::condition(&set, "ReplicaFailure").unwrap();
    assert_eq!(
        (&failure["status"], &failure["reason"]),
        (&json!("True"), &json!("FailedCreate"))
    );
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2"),
        "{message}"
    );
    assert_eq!(play.pods().len(), 2);
    play.check_forms();
    play.faults.change(|switches| switches.pods_max = None);
    play.settle().await;
    assert_eq!(play.ready(), 4);
    assert!(reading::condition(&play.get("replicasets.apps", "web-a"), "ReplicaFailure").is_none());
}
