//! Writes: guards, order, and what each refusal means.

use super::fake::{Asked, FakeApi, Reply, status};
use crate::base::object::{Key, Kind};
use crate::controller::act::{Actor, Done, Writer};
use crate::controller::error::{Error, Retry};
use crate::controller::metrics::Metrics;
use crate::plan::{Action, Guard, Verb};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn action(verb: Verb, kind: Kind, name: &str, guard: Guard, body: Value) -> Action {
    Action {
        verb,
        kind,
        key: Key::new("shop", name),
        guard,
        body,
    }
}

fn seen(version: &str) -> Guard {
    Guard::Seen {
        uid: "u1".into(),
        resource_version: version.into(),
    }
}

fn status_patch() -> Action {
    action(
        Verb::PatchStatus,
        Kind::Rollout,
        "web",
        seen("7"),
        json!({"status": {"phase": "Healthy"}}),
    )
}

fn actor(api: &FakeApi, leads: impl Fn() -> bool + Send + Sync + 'static) -> Actor {
    let metrics = Arc::new(Metrics::new().unwrap());
    Actor::new(Writer::new(api.client(), metrics), Arc::new(leads))
}

async fn act(api: &FakeApi, actions: &[Action]) -> Done {
    actor(api, || true).carry_out(actions).await
}

#[tokio::test(start_paused = true)]
async fn every_write_carries_its_guard_and_one_field_manager() {
    let api = FakeApi::yes();
    let done = act(
        &api,
        &[
            action(
                Verb::Create,
                Kind::ReplicaSet,
                "web-1",
                Guard::Absent,
                json!({"metadata": {"name": "web-1"}}),
            ),
            action(
                Verb::Patch,
                Kind::Service,
                "web",
                seen("5"),
                json!({"spec": {"selector": {"a": "b"}}}),
            ),
            action(Verb::Delete, Kind::AnalysisRun, "old", seen("6"), Value::Null),
            status_patch(),
        ],
    )
    .await;
    assert!(done.failure.is_none(), "{:?}", done.failure);
    assert_eq!(
        api.lines(),
        [
            "POST /apis/apps/v1/namespaces/shop/replicasets",
            "PATCH /api/v1/namespaces/shop/services/web",
            "DELETE /apis/argoproj.io/v1alpha1/namespaces/shop/analysisruns/old",
            "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/status",
        ]
    );
    let asked = api.asked();
    let managed = |asked: &Asked| asked.query.contains("fieldManager=serin");
    assert!(managed(&asked[0]) && managed(&asked[1]) && managed(&asked[3]));
    assert_eq!(asked[0].body["kind"], "ReplicaSet");
    assert_eq!(asked[0].body["apiVersion"], "apps/v1");
    assert_eq!(asked[1].content_type, "application/merge-patch+json");
    assert_eq!(
        asked[1].body["metadata"],
        json!({"uid": "u1", "resourceVersion": "5"})
    );
    assert_eq!(asked[1].body["spec"], json!({"selector": {"a": "b"}}));
    assert_eq!(
        asked[2].body["preconditions"],
        json!({"uid": "u1", "resourceVersion": "6"})
    );
    assert_eq!(asked[2].body["propagationPolicy"], "Background");
    assert_eq!(
        asked[3].body["metadata"],
        json!({"uid": "u1", "resourceVersion": "7"})
    );
    let versions: Vec<_> = done
        .written
        .iter()
        .map(|written| written.stamp.version.as_str())
        .collect();
    assert_eq!(versions, ["101", "102", "6", "104"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_write_to_an_object_is_guarded_by_what_the_first_returned() {
    let api = FakeApi::yes();
    let annotate = action(
        Verb::Patch,
        Kind::Rollout,
        "web",
        seen("7"),
        json!({"metadata": {"annotations": {"a": "1"}}}),
    );
    act(&api, &[annotate, status_patch()]).await;
    let asked = api.asked();
    assert_eq!(asked[0].body["metadata"]["annotations"], json!({"a": "1"}));
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "7");
    assert_eq!(asked[1].body["metadata"]["resourceVersion"], "101");
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_ends_the_plan() {
    let api = FakeApi::new(|_| status(409, "Conflict", "the object has been modified"));
    let done = act(&api, &[status_patch(), status_patch()]).await;
    assert!(
        matches!(done.failure, Some(Error::Conflict(_))),
        "{:?}",
        done.failure
    );
    assert!(done.written.is_empty());
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_told_apart() {
    async fn check(code: u16, reason: &str, message: &str, category: &str, retry: Retry) -> String {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        let api = FakeApi::new(move |_| status(code, &reason, &message));
        let failure = act(&api, &[status_patch()]).await.failure.unwrap();
        assert_eq!(
            (failure.category(), failure.retry()),
            (category, retry),
            "{failure}"
        );
        failure.to_string()
    }
    check(409, "Conflict", "", "conflict", Retry::Backoff).await;
    check(409, "AlreadyExists", "", "already_exists", Retry::Backoff).await;
    check(404, "NotFound", "", "gone", Retry::Backoff).await;
    check(500, "InternalError", "", "server", Retry::Backoff).await;
    let words = "Rollout.argoproj.io \"web\" is invalid: spec.replicas: must be positive";
    let told = check(422, "Invalid", words, "refused", Retry::Backoff).await;
    assert!(told.ends_with(words), "{told}");
    let words =
        "rollouts.argoproj.io \"web\" is forbidden: User \"x\" cannot patch resource \"rollouts/status\"";
    let told = check(403, "Forbidden", words, "forbidden", Retry::Backoff).await;
    assert!(
        told.contains("grant the verb \"patch\" on \"rollouts/status\""),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_says_when_to_come_back() {
    let api = FakeApi::new(|_| Reply::Answer((429, Some(7), json!("too many requests"))));
    let failure = act(&api, &[status_patch()]).await.failure.unwrap();
    assert_eq!(failure.retry(), Retry::After(Duration::from_secs(7)));
    let api = FakeApi::new(|_| Reply::Answer((429, Some(u64::MAX), json!("never"))));
    let failure = act(&api, &[status_patch()]).await.failure.unwrap();
    let longest = Duration::from_secs(crate::base::limits::API_RETRY_AFTER_SECONDS_MAX);
    assert_eq!(
        failure.retry(),
        Retry::After(longest),
        "nobody waits for ever, and no clock overflows"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_the_write_after_its_time() {
    let api = FakeApi::new(|_| Reply::Never);
    let began = tokio::time::Instant::now();
    let failure = act(&api, &[status_patch()]).await.failure.unwrap();
    assert_eq!(failure.category(), "timeout");
    assert_eq!(
        began.elapsed().as_secs(),
        crate::base::limits::WRITE_TIMEOUT_SECONDS
    );
}

#[tokio::test(start_paused = true)]
async fn leadership_is_asked_before_every_write() {
    let api = FakeApi::yes();
    let asked = AtomicUsize::new(0);
    let actor = actor(&api, move || asked.fetch_add(1, Ordering::SeqCst) == 0);
    let done = actor.carry_out(&[status_patch(), status_patch()]).await;
    assert!(matches!(done.failure, Some(Error::NotLeader(_))));
    assert_eq!((done.written.len(), api.asked().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn deleting_what_is_gone_is_a_success() {
    let api = FakeApi::new(|_| status(404, "NotFound", "not found"));
    let done = act(
        &api,
        &[action(
            Verb::Delete,
            Kind::ReplicaSet,
            "old",
            seen("3"),
            Value::Null,
        )],
    )
    .await;
    assert!(done.failure.is_none() && done.written.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_outside_the_table_or_with_a_wrong_guard_is_never_sent() {
    let api = FakeApi::yes();
    for wrong in [
        action(Verb::Delete, Kind::Rollout, "web", seen("1"), Value::Null),
        action(Verb::Patch, Kind::Service, "web", Guard::Absent, json!({})),
        action(Verb::Create, Kind::ReplicaSet, "web-1", seen("1"), json!({})),
    ] {
        let done = act(&api, &[wrong]).await;
        assert!(matches!(done.failure, Some(Error::Bug(_))));
    }
    assert!(api.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_listed_and_updated_whole_for_nobody_may_patch_it() {
    let pod = json!({"metadata": {"name": "web-a", "uid": "u1", "resourceVersion": "7", "labels": {"app": "web"}},
        "spec": {"nodeName": "one"}});
    let api = FakeApi::new(move |asked| {
        let listed = json!({"metadata": {"resourceVersion": "90"}, "items": [pod]});
        let body = if asked.body.is_null() {
            listed
        } else {
            asked.body.clone()
        };
        Reply::Answer((200, None, body))
    });
    let label = |version| {
        let body = json!({"metadata": {"labels": {"role": "stable"}}});
        action(Verb::Replace, Kind::Pod, "web-a", seen(version), body)
    };
    let done = act(&api, &[label("7")]).await;
    assert!(done.failure.is_none(), "{:?}", done.failure);
    let asked = api.asked();
    assert_eq!(
        api.lines(),
        [
            "GET /api/v1/namespaces/shop/pods",
            "PUT /api/v1/namespaces/shop/pods/web-a"
        ]
    );
    assert!(
        asked[0].query.contains("fieldSelector=metadata.name%3Dweb-a"),
        "{}",
        asked[0].query
    );
    let want = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "one"}, "metadata": {"name": "web-a",
        "uid": "u1", "resourceVersion": "7", "labels": {"app": "web", "role": "stable"}}});
    assert_eq!(asked[1].body, want);
    let stale = act(&api, &[label("6")]).await;
    assert!(matches!(stale.failure, Some(Error::Conflict(_))), "{stale:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_a_disruption_budget_keeps_is_no_failure() {
    let api = FakeApi::new(|_| {
        status(
            429,
            "TooManyRequests",
            "it would violate the pod's disruption budget",
        )
    });
    let done = act(
        &api,
        &[action(Verb::Evict, Kind::Pod, "web-a", seen("7"), Value::Null)],
    )
    .await;
    assert!(done.failure.is_none());
    assert_eq!((done.written.len(), done.kept.len()), (1, 1));
}
