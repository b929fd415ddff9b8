//! The garbage collector and the end of namespaces.

use super::*;

const MAPS: &str = "configmaps";

fn owner(of: &Value, blocks: bool) -> Value {
    json!({"apiVersion": of["apiVersion"], "kind": of["kind"], "name": of["metadata"]["name"], "uid": of["metadata"]["uid"],
        "blockOwnerDeletion": blocks})
}

fn map(name: &str, owners: &[Value]) -> Value {
    let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    if !owners.is_empty() {
        map["metadata"]["ownerReferences"] = owners.into();
    }
    map
}

fn names(play: &Play, resource: &str) -> Vec<String> {
    play.list(resource).into_iter().map(|(name, _)| name).collect()
}

#[tokio::test(start_paused = true)]
async fn background_deletion_collects_children() {
    let mut play = Play::new();
    let top = play.make(map("top", &[]));
    let mut set = replica_set("web-a", 2, "web:good");
    set["metadata"]["ownerReferences"] = json!([owner(&top, true)]);
    play.make(set);
    play.make(service("web", json!({"app": "web"})));
    play.settle().await;
    assert_eq!(play.ready(), 2);
    play.delete(MAPS, "top", Value::Null).await;
    play.delete("services", "web", Value::Null).await;
    play.run(0.001).await;
    assert!(play.find(MAPS, "top").is_none() && play.find("replicasets.apps", "web-a").is_some());
    play.settle().await;
    assert_eq!(
        (names(&play, "replicasets.apps").len(), play.pods().len()),
        (0, 0)
    );
    assert_eq!(names(&play, "endpointslices.discovery.k8s.io").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn orphaned_children_stay() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 2, "web:good"));
    play.settle().await;
    play.delete(
        "replicasets.apps",
        "web-a",
        json!({"propagationPolicy": "Orphan"}),
    )
    .await;
    play.settle().await;
    assert!(play.find("replicasets.apps", "web-a").is_none());
    assert_eq!(play.ready(), 2);
    assert!(
        play.pods()
            .iter()
            .all(|(_, pod)| pod["metadata"].get("ownerReferences").is_none())
    );
    // The next set of the same selector adopts them.
    let before = names(&play, "pods");
    play.make(replica_set("web-a", 2, "web:good"));
    play.settle().await;
    assert_eq!(names(&play, "pods"), before);
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_owner_waits_for_those_that_block_it() {
    let mut play = Play::new();
    let top = play.make(map("top", &[]));
    let mut held = map("held", &[owner(&top, true)]);
    held["metadata"]["finalizers"] = json!(["test.io/hold"]);
    play.make(held);
    let mut loose = map("loose", &[owner(&top, false)]);
    loose["metadata"]["finalizers"] = json!(["test.io/hold"]);
    play.make(loose);
    play.delete(MAPS, "top", json!({"propagationPolicy": "Foreground"}))
        .await;
    play.settle().await;
    assert_eq!(names(&play, MAPS), ["held", "loose", "top"]);
    assert!(
        ["held", "loose", "top"]
            .iter()
            .all(|name| reading::deleting(&play.get(MAPS, name)))
    );
    play.patch(MAPS, "held", json!({"metadata": {"finalizers": null}}))
        .await;
    play.settle().await;
    assert_eq!(names(&play, MAPS), ["loose"]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_another_uid_is_gone_and_one_of_two_owners_is_enough() {
    let mut play = Play::new();
    let (one, two) = (play.make(map("one", &[])), play.make(map("two", &[])));
    let mut other = owner(&one, false);
    other["uid"] = "another".into();
    play.make(map("stale", &[other.clone()]));
    play.make(map("both", &[owner(&one, false), owner(&two, false)]));
    let mut unserved = other;
    unserved["kind"] = "Unserved".into();
    play.make(map("unserved", &[unserved]));
    play.settle().await;
    assert_eq!(names(&play, MAPS), ["both", "one", "two", "unserved"]);
    play.delete(MAPS, "one", Value::Null).await;
    play.settle().await;
    assert_eq!(
        play.get(MAPS, "both")["metadata"]["ownerReferences"],
        json!([owner(&two, false)])
    );
    play.delete(MAPS, "two", Value::Null).await;
    play.settle().await;
    assert_eq!(names(&play, MAPS), ["unserved"]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_collector_collects_later() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 1, "web:good"));
    play.settle().await;
    play.faults.change(|switches| switches.collector_paused = true);
    play.delete("replicasets.apps", "web-a", Value::Null).await;
    play.settle().await;
    assert_eq!(play.pods().len(), 1);
    play.faults.clear();
    play.settle().await;
    assert_eq!(play.pods().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_namespace_empties_and_goes() {
    let mut play = Play::new();
    play.make(service("web", json!({"app": "web"})));
    play.make(replica_set("web-a", 2, "web:good"));
    play.settle().await;
    play.faults.change(|switches| switches.namespaces_paused = true);
    play.delete("namespaces", "default", Value::Null).await;
    play.settle().await;
    assert_eq!(
        play.get("namespaces", "default")["status"]["phase"],
        "Terminating"
    );
    assert_eq!(play.ready(), 2);
    play.faults.clear();
    play.settle().await;
    assert!(play.find("namespaces", "default").is_none());
    let world = play.cluster.world();
    assert!(world.store.all().all(|(key, _)| key.namespace != "default"));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_waits_for_what_a_finalizer_holds_and_takes_nothing_new() {
    let mut play = Play::new();
    play.cluster.make_namespace("shop");
    let held = json!({"metadata": {"name": "held", "finalizers": ["test.io/hold"]}});
    let maps = "/api/v1/namespaces/shop/configmaps";
    assert_eq!(play.ask("POST", maps, held, "application/json").await.0, 201);
    let space = "/api/v1/namespaces/shop";
    assert_eq!(
        play.ask("DELETE", space, Value::Null, "application/json").await.0,
        200
    );
    play.run(60.0).await;
    let (code, now) = play.ask("GET", space, Value::Null, "application/json").await;
    assert_eq!((code, &now["status"]["phase"]), (200, &json!("Terminating")));
    let late = json!({"metadata": {"name": "late"}});
    assert_eq!(play.ask("POST", maps, late, "application/json").await.0, 403);
    let free = json!({"metadata": {"finalizers": null}});
    let merge = "application/merge-patch+json";
    assert_eq!(
        play.ask("PATCH", &format!("{maps}/held"), free, merge).await.0,
        200
    );
    play.run(10.0).await;
    assert_eq!(
        play.ask("GET", space, Value::Null, "application/json").await.0,
        404
    );
}
