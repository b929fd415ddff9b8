//! Scheduler and kubelet.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_starts_and_becomes_ready() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 1, "web:good"));
    let mut seen = Vec::new();
    for _ in 0..400 {
        play.run(0.02).await;
        let Some((_, pod)) = play.pods().pop() else {
            continue;
        };
        let state = reading::list(&pod["status"]["containerStatuses"])
            .first()
            .map(|one| {
                let state = one["state"].as_object().unwrap().keys().next().cloned();
                state.unwrap_or_default()
            });
        let stage = format!(
            "{} {} {} {}",
            pod["spec"]["nodeName"].is_string(),
            pod["status"]["phase"].as_str().unwrap(),
            state.unwrap_or_default(),
            reading::ready_since(&pod).is_some()
        );
        if seen.last() != Some(&stage) {
            seen.push(stage);
        }
    }
    let want = [
        "false Pending  false",
        "true Pending  false",
        "true Pending waiting false",
        "true Running running false",
        "true Running running true",
    ];
    assert_eq!(seen, want);
}

#[tokio::test(start_paused = true)]
async fn pods_spread_over_the_nodes() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 6, "web:good"));
    play.settle().await;
    let mut nodes: Vec<String> = play
        .pods()
        .iter()
        .map(|(_, pod)| pod["spec"]["nodeName"].as_str().unwrap().to_owned())
        .collect();
    nodes.sort();
    assert_eq!(
        nodes,
        ["node-1", "node-1", "node-2", "node-2", "node-3", "node-3"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_goes_when_its_process_has_stopped() {
    let mut play = Play::new();
    play.make(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "web", "image": "web:good"}]}}));
    play.settle().await;
    play.delete("pods", "p", Value::Null).await;
    play.run(0.4).await;
    let pod = play.get("pods", "p");
    assert!(
        reading::deleting(&pod) && reading::ready_since(&pod).is_some(),
        "{pod}"
    );
    play.run(3.2).await;
    assert!(play.find("pods", "p").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_readiness_gate_is_opened_by_its_owner() {
    let mut play = Play::new();
    play.make(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {
        "readinessGates": [{"conditionType": "example.com/ok"}], "containers": [{"name": "web", "image": "web:good"}]}}));
    play.settle().await;
    let reason = reading::condition(&play.get("pods", "p"), "Ready").map(|one| one["reason"].clone());
    assert_eq!(reason, Some(json!("ReadinessGatesNotReady")));
    let path = play.path("pods", "p/status");
    let open = json!({"status": {"conditions": [{"type": "example.com/ok", "status": "True"}]}});
    play.ask("PATCH", &path, open, "application/strategic-merge-patch+json")
        .await;
    play.settle().await;
    assert!(reading::ready_since(&play.get("pods", "p")).is_some());
    assert!(reading::condition(&play.get("pods", "p"), "example.com/ok").is_some());
}

#[tokio::test(start_paused = true)]
async fn crashing_pods_are_started_again_ever_later() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 1, "web:crash"));
    let mut counts = Vec::new();
    for _ in 0..60 {
        play.run(1.0).await;
        counts.push(reading::restarts(&play.pods()[0].1));
    }
    counts.dedup();
    assert_eq!(counts, [0, 1, 2, 3, 4], "2, 6, 14, 30 and 62 s after the start");
    assert_eq!(play.ready(), 0);
}
