//! The cluster as its clients see it. The words of refusals were recorded from kube-apiserver 1.36.

use super::*;
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams, WatchParams};
use kube::core::WatchEvent;
use serde_json::json;
use tower::ServiceExt;

mod refusals;

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SETS: &str = "/apis/apps/v1/namespaces/default/replicasets";
const WIDGETS: &str = "/apis/test.io/v1/namespaces/default/widgets";

fn cluster() -> Cluster {
    let cluster = Cluster::new(1, Clock::starting_at(DateTime::UNIX_EPOCH));
    cluster.install_crd(widgets()).unwrap();
    cluster
}

fn widgets() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"},
            "fix": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fix is immutable"}]}}},
        "status": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.test.io"},
        "spec": {"group": "test.io", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {
                "status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n"}}}]}})
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "test.io/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn ask(cluster: &Cluster, method: &str, path: &str, body: Value, kind: &str) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", kind);
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let response = cluster
        .service()
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        code,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
    )
}

async fn refused(
    cluster: &Cluster,
    method: &str,
    path: &str,
    body: Value,
    kind: &str,
    want: (u16, &str, &str),
) {
    let (code, status) = ask(cluster, method, path, body, kind).await;
    let told = (
        code,
        status["reason"].as_str().unwrap_or_default(),
        status["message"].as_str().unwrap_or_default(),
    );
    assert_eq!(told, want, "{method} {path}");
}

#[tokio::test(start_paused = true)]
async fn generations_follow_the_spec_and_the_subresources_are_apart() {
    let all = cluster();
    let at = &format!("{WIDGETS}/b");
    let mut made = widget("b", json!({"size": 2, "unk": 1}));
    made["status"] = json!({"n": 3});
    let (code, made) = ask(&all, "POST", WIDGETS, made, JSON).await;
    assert_eq!(
        (code, &made["spec"], &made["status"]),
        (201, &json!({"size": 2, "color": "red"}), &Value::Null),
        "{made}"
    );
    let check = async |path: &str, patch: Value, want: (i64, Value, Value)| {
        let (code, now) = ask(&all, "PATCH", path, patch, MERGE).await;
        assert_eq!(code, 200, "{now}");
        let (_, now) = ask(&all, "GET", at, Value::Null, JSON).await;
        let generation = now["metadata"]["generation"].as_i64().unwrap();
        assert_eq!(
            (
                generation,
                now["spec"]["size"].clone(),
                now["status"]["n"].clone()
            ),
            want
        );
        assert!(now["metadata"]["labels"].is_null() || path == at, "{now}");
        now["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
    };
    let status = format!("{at}/status");
    check(
        at,
        json!({"spec": {"size": 4}, "status": {"n": 7}}),
        (2, json!(4), Value::Null),
    )
    .await;
    let version = check(
        &status,
        json!({"spec": {"size": 5}, "status": {"n": 8}, "metadata": {"labels": {"x": "y"}}}),
        (2, json!(4), json!(8)),
    )
    .await;
    assert_eq!(
        check(&status, json!({"status": {"n": 8}}), (2, json!(4), json!(8))).await,
        version,
        "nothing changed"
    );
    check(
        &format!("{at}/scale"),
        json!({"spec": {"replicas": 6}}),
        (3, json!(6), json!(8)),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn custom_resources_refuse_what_the_server_refuses() {
    let all = cluster();
    let at = &format!("{WIDGETS}/b");
    let made = widget("b", json!({"size": 2, "fix": "f"}));
    assert_eq!(ask(&all, "POST", WIDGETS, made, JSON).await.0, 201);
    let rv = "widgets.test.io \"b\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update";
    refused(
        &all,
        "PUT",
        at,
        widget("b", json!({"size": 3})),
        JSON,
        (422, "Invalid", rv),
    )
    .await;
    let fixed = "Widget.test.io \"b\" is invalid: spec.fix: Invalid value: \"g\": fix is immutable";
    refused(
        &all,
        "PATCH",
        at,
        json!({"spec": {"fix": "g"}}),
        MERGE,
        (422, "Invalid", fixed),
    )
    .await;
    let types = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
        application/merge-patch+json, application/apply-patch+yaml";
    refused(
        &all,
        "PATCH",
        at,
        json!({}),
        "application/strategic-merge-patch+json",
        (415, "UnsupportedMediaType", types),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn pages_show_one_moment_and_expire_with_it() {
    let all = cluster();
    let api: Api<ConfigMap> = Api::default_namespaced(all.client());
    let make = async |name: &str| {
        let map = ConfigMap {
            metadata: kube::api::ObjectMeta {
                name: Some(name.into()),
                ..Default::default()
            },
            ..Default::default()
        };
        api.create(&PostParams::default(), &map).await.unwrap();
    };
    for name in ["a", "b", "d"] {
        make(name).await;
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    let token = first.metadata.continue_.unwrap();
    make("c").await;
    let rest = api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .unwrap();
    let names: Vec<_> = rest
        .items
        .iter()
        .filter_map(|one| one.metadata.name.clone())
        .collect();
    assert_eq!(names, ["d"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    all.compact();
    make("e").await;
    let old = api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await;
    assert!(matches!(old, Err(kube::Error::Api(status)) if status.code == 410 && status.reason == "Expired"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_who_enters_and_who_leaves_its_selector() {
    let all = cluster();
    let api: Api<ConfigMap> = Api::default_namespaced(all.client());
    let from = all.world().store.version().to_string();
    ask(&all, "POST", MAPS, json!({"metadata": {"name": "a"}}), JSON).await;
    for label in [json!("x"), json!("y"), json!("x")] {
        ask(
            &all,
            "PATCH",
            &[MAPS, "/a"].concat(),
            json!({"metadata": {"labels": {"app": label}}}),
            MERGE,
        )
        .await;
    }
    ask(&all, "DELETE", &[MAPS, "/a"].concat(), Value::Null, JSON).await;
    let params = WatchParams::default()
        .labels("app=x")
        .timeout(5)
        .disable_bookmarks();
    let events: Vec<WatchEvent<ConfigMap>> = api
        .watch(&params, &from)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let told: Vec<&str> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Added(_) => "ADDED",
            WatchEvent::Modified(_) => "MODIFIED",
            WatchEvent::Deleted(_) => "DELETED",
            _ => "?",
        })
        .collect();
    assert_eq!(told, ["ADDED", "DELETED", "ADDED", "DELETED"]);
    all.compact();
    let mut late = api.watch(&params, &from).await.unwrap().boxed();
    assert!(matches!(late.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
}

#[tokio::test(start_paused = true)]
async fn bookmarks_come_each_minute_and_the_watch_ends_in_time() {
    let all = cluster();
    let api: Api<ReplicaSet> = Api::default_namespaced(all.client());
    let events: Vec<_> = api
        .watch(&WatchParams::default().timeout(150), "1")
        .await
        .unwrap()
        .collect()
        .await;
    let bookmarks = events
        .iter()
        .filter(|event| matches!(event, Ok(WatchEvent::Bookmark(_))))
        .count();
    assert_eq!((events.len(), bookmarks), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object_and_a_bound_pod_gets_its_grace() {
    let all = cluster();
    let at = &format!("{WIDGETS}/f");
    let mut held = widget("f", json!({"size": 1}));
    held["metadata"]["finalizers"] = json!(["test.io/hold"]);
    ask(&all, "POST", WIDGETS, held, JSON).await;
    let (code, held) = ask(&all, "DELETE", at, Value::Null, JSON).await;
    assert_eq!(
        (
            code,
            &held["metadata"]["generation"],
            held["metadata"]["deletionTimestamp"].is_string()
        ),
        (200, &json!(2), true)
    );
    let added = "Widget.test.io \"f\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being \
        deleted, found new finalizers []string{\"test.io/more\"}";
    let more = json!({"metadata": {"finalizers": ["test.io/hold", "test.io/more"]}});
    refused(&all, "PATCH", at, more, MERGE, (422, "Invalid", added)).await;
    ask(
        &all,
        "PATCH",
        at,
        json!({"metadata": {"finalizers": null}}),
        MERGE,
    )
    .await;
    assert_eq!(ask(&all, "GET", at, Value::Null, JSON).await.0, 404);

    let pods = "/api/v1/namespaces/default/pods";
    let pod =
        json!({"metadata": {"generateName": "p-"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let (code, pod) = ask(&all, "POST", pods, pod, JSON).await;
    assert_eq!(code, 201, "{pod}");
    let at = &format!("{pods}/{}", pod["metadata"]["name"].as_str().unwrap());
    let bound = ask(
        &all,
        "POST",
        &format!("{at}/binding"),
        json!({"target": {"kind": "Node", "name": "n"}}),
        JSON,
    )
    .await;
    assert_eq!(bound.0, 201, "{}", bound.1);
    let (_, going) = ask(&all, "DELETE", at, Value::Null, JSON).await;
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
    ask(&all, "DELETE", at, json!({"gracePeriodSeconds": 0}), JSON).await;
    assert_eq!(ask(&all, "GET", at, Value::Null, JSON).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn discovery_finds_what_is_served() {
    let all = cluster();
    let found = kube::discovery::Discovery::new(all.client()).run().await.unwrap();
    let group = found.get("test.io").unwrap();
    let (resource, capabilities) = group.recommended_kind("Widget").unwrap();
    assert_eq!(
        (resource.plural.as_str(), capabilities.subresources.len()),
        ("widgets", 2)
    );
    assert_eq!(all.client().apiserver_version().await.unwrap().minor, "36");
    let api: Api<DynamicObject> = Api::default_namespaced_with(all.client(), &resource);
    assert!(api.delete("x", &DeleteParams::default()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_real_cache_follows_the_cluster() {
    use kube::runtime::{WatchStreamExt, reflector, watcher};
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let all = cluster();
        ask(&all, "POST", MAPS, json!({"metadata": {"name": "a"}}), JSON).await;
        let (store, writer) = reflector::store::<ConfigMap>();
        let api = Api::<ConfigMap>::all(all.client());
        let stream = watcher(api, config).reflect(writer).applied_objects();
        let task = tokio::spawn(stream.for_each(|_| futures::future::ready(())));
        store.wait_until_ready().await.unwrap();
        ask(&all, "POST", MAPS, json!({"metadata": {"name": "b"}}), JSON).await;
        ask(&all, "DELETE", &[MAPS, "/a"].concat(), Value::Null, JSON).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut names: Vec<_> = store
            .state()
            .iter()
            .filter_map(|map| map.metadata.name.clone())
            .collect();
        names.sort();
        assert_eq!(names, ["b"]);
        task.abort();
    }
}
