//! Endpoint slices.

use super::*;

fn endpoints(play: &Play) -> Vec<Value> {
    let slices = play.list("endpointslices.discovery.k8s.io");
    assert_eq!(slices.len(), 1);
    reading::list(&slices[0].1["endpoints"]).to_vec()
}

fn count(play: &Play, condition: &str) -> usize {
    let all = endpoints(play);
    all.iter()
        .filter(|one| one["conditions"][condition] == true)
        .count()
}

#[tokio::test(start_paused = true)]
async fn endpoints_follow_readiness() {
    let mut play = Play::new();
    play.make(service("web", json!({"app": "web"})));
    play.make(replica_set("web-a", 3, "web:good"));
    play.settle().await;
    let (name, slice) = play.list("endpointslices.discovery.k8s.io").remove(0);
    assert!(name.starts_with("web-"), "{name}");
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
    assert_eq!(
        slice["ports"],
        json!([{"name": "", "port": 8080, "protocol": "TCP"}])
    );
    assert_eq!((count(&play, "ready"), count(&play, "serving")), (3, 3));
    let pods = play.pods();
    let targets: Vec<Value> = endpoints(&play)
        .iter()
        .map(|one| one["targetRef"]["uid"].clone())
        .collect();
    let uids: Vec<Value> = pods
        .iter()
        .map(|(_, pod)| pod["metadata"]["uid"].clone())
        .collect();
    assert_eq!(targets, uids);
    let broken = Which::Name(pods[0].0.clone());
    play.faults
        .change(|switches| switches.behaviours = vec![(broken, Behaviour::NeverReady)]);
    play.settle().await;
    assert_eq!((count(&play, "ready"), endpoints(&play).len()), (2, 3));
    play.delete("pods", &pods[1].0, Value::Null).await;
    play.run(0.4).await;
    assert_eq!((count(&play, "ready"), count(&play, "terminating")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn endpoints_follow_the_selector() {
    let mut play = Play::new();
    play.make(service("web", labels("web", "a")));
    play.make(replica_set("web-a", 2, "web:good"));
    play.make(replica_set("web-b", 3, "web:good"));
    play.settle().await;
    assert_eq!(count(&play, "ready"), 2);
    play.patch("services", "web", json!({"spec": {"selector": {"hash": "b"}}}))
        .await;
    play.settle().await;
    assert_eq!(count(&play, "ready"), 3);
    let name = play.list("endpointslices.discovery.k8s.io").remove(0).0;
    play.delete("endpointslices.discovery.k8s.io", &name, Value::Null)
        .await;
    play.settle().await;
    assert_eq!(count(&play, "ready"), 3, "made again");
    play.patch(
        "pods",
        &play.pods()[4].0,
        json!({"metadata": {"labels": {"hash": "c"}}}),
    )
    .await;
    play.run(0.3).await;
    assert_eq!(count(&play, "ready"), 2);
}
