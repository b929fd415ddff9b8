//! What is still done and told when a part of a pass fails.

use super::fake::{FakeApi, Reply, Told, put, rollout_json, shell, stamped, status};
use crate::api::rollout::Rollout;
use crate::base::object::{Key, Kind};
use crate::controller::caches::Kick;
use crate::controller::pass::{Core, pass};
use crate::controller::queue::Next;
use crate::controller::shadow::Shadow;
use crate::plan::{Action, Guard, Note, Observed, Plan, ReplicaSet, Verb};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

fn web() -> Kick {
    Kick::Rollout(Key::new("shop", "web"))
}

fn core(plan: fn(&Observed, DateTime<Utc>) -> Plan) -> Core {
    Core {
        plan,
        survey: |_| Vec::new(),
        ..Core::default()
    }
}

/// Runs `passes` passes over a Rollout with this plan, and returns the reasons of the Events.
async fn events(api: &FakeApi, plan: fn(&Observed, DateTime<Utc>) -> Plan, passes: usize) -> Vec<String> {
    let (shell, publisher) = shell(api, core(plan), &Told::default());
    let stop = CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(stop.clone()));
    for version in (7..).take(passes) {
        // Whoever changed it meanwhile is known by the next pass.
        put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", version));
        pass(Arc::clone(&shell), web()).await;
        let child = api
            .asked()
            .into_iter()
            .find(|asked| asked.line.ends_with("/replicasets"));
        if let Some(child) = child {
            put::<ReplicaSet>(&shell.caches, Kind::ReplicaSet, stamped(&child.body, 200));
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    stop.cancel();
    publishing.await.unwrap();
    let asked = api.asked().into_iter();
    let events = asked.filter(|asked| asked.line.ends_with("/events"));
    events
        .map(|event| event.body["reason"].as_str().unwrap().to_owned())
        .collect()
}

fn write(verb: Verb, kind: Kind, name: &str, guard: Guard, body: Value) -> Action {
    Action {
        verb,
        kind,
        key: Key::new("shop", name),
        guard,
        body,
    }
}

/// Creates a child when there is none, and writes a status; each is told.
fn creates_and_counts(seen: &Observed, _: DateTime<Utc>) -> Plan {
    let owner = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-web",
        "controller": true}]);
    let body = json!({"metadata": {"namespace": "shop", "name": "web-1", "ownerReferences": owner,
        "labels": {"rollouts-pod-template-hash": "1"}}});
    let meta = &seen.rollout.metadata;
    let guard = Guard::Seen {
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
    };
    let mut plan = Plan::default();
    if seen.replica_sets.is_empty() {
        plan.actions.push(write(
            Verb::Create,
            Kind::ReplicaSet,
            "web-1",
            Guard::Absent,
            body,
        ));
        plan.notes.push(Note::normal("Created", "the child").about(0));
    }
    let patch = json!({"status": {"phase": "Progressing"}});
    plan.actions
        .push(write(Verb::PatchStatus, Kind::Rollout, "web", guard, patch));
    plan.notes.push(Note::normal("Counted", "the children"));
    plan
}

#[tokio::test(start_paused = true)]
async fn what_a_write_did_is_told_once_although_a_later_write_failed() {
    let (mut refused, mut version) = (false, 100);
    let api = FakeApi::new(move |asked| {
        if asked.line.ends_with("/status") && !std::mem::replace(&mut refused, true) {
            return status(409, "Conflict", "modified");
        }
        version += 1;
        Reply::Answer((200, None, stamped(&asked.body, version)))
    });
    assert_eq!(events(&api, creates_and_counts, 2).await, ["Created", "Counted"]);
}

/// Takes a ReplicaSet that is nobody's.
fn adopts(seen: &Observed, _: DateTime<Utc>) -> Plan {
    let owners = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "controller": true,
        "uid": seen.rollout.metadata.uid}]);
    let guard = Guard::Seen {
        uid: "u1".into(),
        resource_version: "9".into(),
    };
    let patch = json!({"metadata": {"ownerReferences": owners}});
    Plan {
        actions: vec![write(Verb::Patch, Kind::ReplicaSet, "web-1", guard, patch)],
        ..Plan::default()
    }
}

/// What is written for an adoption when the API server has the Rollout with this uid.
async fn adopted_by(uid: &'static str) -> Vec<String> {
    let api = FakeApi::new(move |asked| match asked.line.starts_with("GET") {
        true => Reply::Answer((
            200,
            None,
            json!({"metadata": {"name": "web", "uid": uid, "resourceVersion": "7"}}),
        )),
        false => Reply::Answer((200, None, stamped(&asked.body, 102))),
    });
    let (shell, _) = shell(&api, core(adopts), &Told::default());
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    pass(Arc::clone(&shell), web()).await;
    let mut lines = api.lines();
    lines.retain(|line| line.starts_with("PATCH"));
    lines
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_gone_adopts_nothing() {
    assert_eq!(adopted_by("uid-web").await.len(), 1);
    assert!(adopted_by("uid-of-its-successor").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shadow_decides_and_writes_nothing() {
    let api = FakeApi::yes();
    let (shell, publisher) = shell(&api, core(creates_and_counts), &Told::default());
    let mut shell = Arc::into_inner(shell).unwrap();
    shell.shadow = Some(Shadow::new(Arc::clone(&shell.metrics)));
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    let shell = Arc::new(shell);
    pass(Arc::clone(&shell), web()).await;
    drop(publisher);
    assert!(api.asked().is_empty(), "{:?}", api.lines());
    let labels = shell.metrics.shadow_writes.with_label_values(&["shop", "web"]);
    assert_eq!(labels.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_write_would_have_done_is_not_told() {
    let api = FakeApi::new(|asked| match asked.line.ends_with("/replicasets") {
        true => status(500, "InternalError", "later"),
        false => Reply::Answer((200, None, stamped(&asked.body, 1))),
    });
    assert_eq!(events(&api, creates_and_counts, 1).await, Vec::<String>::new());
}

/// Looks whether a child cannot be read.
fn writes_what_it_may(seen: &Observed, _: DateTime<Utc>) -> Plan {
    let message = seen.unreadable.as_ref().unwrap();
    assert!(message.starts_with("metadata: "), "{message}");
    let patch = json!({"spec": {"selector": {"version": "stable"}}});
    let guard = Guard::Seen {
        uid: "uid-svc".into(),
        resource_version: "1".into(),
    };
    Plan {
        actions: vec![write(Verb::Patch, Kind::Service, "web-canary", guard, patch)],
        ..Plan::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_does_not_wait_for_a_child_that_cannot_be_read() {
    let api = FakeApi::yes();
    let (shell, _) = shell(&api, core(writes_what_it_may), &Told::default());
    let mut broken = json!({"metadata": {"namespace": "shop", "name": "web-1", "uid": "u1", "resourceVersion": "9",
        "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-web",
        "controller": true}]}});
    broken["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(1);
    put::<ReplicaSet>(&shell.caches, Kind::ReplicaSet, broken);
    let mut rollout = rollout_json("web", 7);
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout.clone());
    assert_eq!(pass(Arc::clone(&shell), web()).await, Next::OnChange);
    assert!(api.asked().is_empty(), "nothing is decided without it");
    rollout["metadata"]["resourceVersion"] = json!("8");
    rollout["status"]["abort"] = json!(true);
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout);
    assert_eq!(pass(Arc::clone(&shell), web()).await, Next::OnChange);
    assert_eq!(api.lines(), ["PATCH /api/v1/namespaces/shop/services/web-canary"]);
}

/// Passes over a Rollout that the caches do not hold, with a Service that says that it manages it; what was asked.
async fn orphaned_service(rollout: Reply) -> Vec<String> {
    let mut rollout = Some(rollout);
    let api = FakeApi::new(move |asked| match asked.line.starts_with("GET") {
        true => rollout.take().unwrap_or(Reply::Never),
        false => Reply::Answer((200, None, stamped(&asked.body, 102))),
    });
    let (shell, _) = shell(&api, Core::default(), &Told::default());
    let service = json!({"metadata": {"namespace": "shop", "name": "svc", "uid": "u", "resourceVersion": "3",
        "annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"}},
        "spec": {"selector": {"app": "web", "rollouts-pod-template-hash": "1"}}});
    let seen = crate::controller::cached::Seen::<crate::plan::Service>::from_json(service);
    let kicks = shell.caches.change(Kind::Service, seen);
    assert_eq!(kicks, [web()], "the Service concerns whoever manages it");
    assert_eq!(pass(Arc::clone(&shell), web()).await, Next::Forget);
    api.lines()
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_rollout_that_is_gone_is_let_go_and_one_of_another_instance_is_not() {
    let get = "GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web";
    let patch = "PATCH /api/v1/namespaces/shop/services/svc";
    assert_eq!(
        orphaned_service(status(404, "NotFound", "gone")).await,
        [get, patch]
    );
    let of_others = Reply::Answer((200, None, rollout_json("web", 4)));
    assert_eq!(orphaned_service(of_others).await, [get]);
    assert_eq!(
        orphaned_service(status(500, "InternalError", "later")).await,
        [get]
    );
}

/// Somebody else's ReplicaSet of our name, without the label by which ReplicaSets are watched, is invisible to the controller.
#[tokio::test(start_paused = true)]
async fn a_replica_set_that_cannot_be_created_is_told_in_the_status_once() {
    let api = FakeApi::new(|asked| match asked.line.ends_with("/replicasets") {
        true => status(409, "AlreadyExists", "it exists"),
        false => Reply::Answer((200, None, stamped(&asked.body, 8))),
    });
    let (shell, _) = shell(&api, Core::default(), &Told::default());
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "shop/web:1"}]}});
    let mut rollout = rollout_json("web", 7);
    rollout["spec"] = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template,
        "strategy": {"canary": {}}});
    for kind in crate::controller::kinds::WATCHED {
        shell
            .caches
            .set_sync(kind, crate::controller::caches::Sync::Synced);
    }
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout.clone());
    for _ in 0..9 {
        pass(Arc::clone(&shell), web()).await;
        let told = api
            .asked()
            .into_iter()
            .find(|asked| asked.line.ends_with("/status"));
        if let Some(told) = told {
            rollout["metadata"]["resourceVersion"] = json!("8");
            crate::base::json::merge_apply(&mut rollout["status"], &told.body["status"]);
            put::<Rollout>(&shell.caches, Kind::Rollout, rollout.clone());
        }
    }
    let asked = api.asked();
    let told: Vec<_> = asked
        .iter()
        .filter(|asked| asked.line.ends_with("/status"))
        .collect();
    assert_eq!(told.len(), 1, "{:?}", api.lines());
    let condition = &told[0].body["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["status"], &condition["reason"]),
        (
            &json!("Progressing"),
            &json!("False"),
            &json!("ReplicaSetCreateError")
        )
    );
    let message = told[0].body["status"]["message"].as_str().unwrap();
    assert!(message.contains("give it that label"), "{message}");
    let tries = asked.iter().filter(|asked| asked.line.ends_with("/replicasets"));
    assert_eq!(tries.count(), 8, "it is tried again and again");
}
