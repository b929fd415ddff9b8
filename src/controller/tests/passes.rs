//! Passes: what reaches the core, what is done with its plan, and what one object's trouble costs the others.

use super::fake::{FakeApi, Reply, Told, put, rollout_json, shell, stamped, status};
use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::object::{Key, Kind};
use crate::controller::caches::Kick;
use crate::controller::pass::{Core, Shell, pass};
use crate::controller::queue::Next;
use crate::plan::{
    Action, Announcement, Answer, Guard, Moment, Note, Observed, Plan, Question, ReplicaSet, Verb,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

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

fn shell_with(api: &FakeApi, plan: fn(&Observed, DateTime<Utc>) -> Plan) -> Arc<Shell> {
    let (shell, _) = shell(api, core(plan), &Told::default());
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    shell
}

fn run(shell: &Arc<Shell>, kick: Kick) -> impl Future<Output = Next> {
    pass(Arc::clone(shell), kick)
}

fn act(verb: Verb, kind: Kind, name: &str, guard: Guard, body: Value) -> Action {
    let key = Key::new("shop", name);
    Action {
        verb,
        kind,
        key,
        guard,
        body,
    }
}

fn guard(seen: &Observed) -> Guard {
    Guard::Seen {
        uid: seen.rollout.metadata.uid.clone(),
        resource_version: seen.rollout.metadata.resource_version.clone(),
    }
}

fn status_write(seen: &Observed) -> Action {
    act(
        Verb::PatchStatus,
        Kind::Rollout,
        &seen.rollout.metadata.name,
        guard(seen),
        json!({"status": {}}),
    )
}

fn writes_status(seen: &Observed, _: DateTime<Utc>) -> Plan {
    Plan {
        actions: vec![status_write(seen)],
        ..Plan::default()
    }
}

fn creates_a_child(seen: &Observed, _: DateTime<Utc>) -> Plan {
    let body = json!({"metadata": {"name": "web-1", "labels": {"rollouts-pod-template-hash": "1"}}});
    let create = act(Verb::Create, Kind::ReplicaSet, "web-1", Guard::Absent, body);
    Plan {
        actions: if seen.replica_sets.is_empty() {
            vec![create]
        } else {
            Vec::new()
        },
        notes: vec![Note::normal("Looked", seen.replica_sets.len().to_string())],
        ..Plan::default()
    }
}

fn child(uid: &str, version: u64) -> Value {
    json!({"metadata": {"namespace": "shop", "name": "web-1", "uid": uid, "resourceVersion": version.to_string(),
        "labels": {"rollouts-pod-template-hash": "1"}, "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout", "name": "web", "uid": "uid-web", "controller": true}]}})
}

#[tokio::test(start_paused = true)]
async fn nothing_is_created_twice_while_the_cache_is_behind() {
    let api = FakeApi::yes();
    let shell = shell_with(&api, creates_a_child);
    run(&shell, web()).await;
    let next = run(&shell, web()).await;
    assert!(
        matches!(next, Next::At(at) if (at - Instant::now()).as_secs() <= 10),
        "{next:?}"
    );
    assert_eq!(
        api.asked().len(),
        1,
        "the second pass waits for the first one's write"
    );
    put::<ReplicaSet>(&shell.caches, Kind::ReplicaSet, child("u1", 101));
    run(&shell, web()).await;
    assert_eq!(api.asked().len(), 1, "the child is seen now");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_only_its_object() {
    let api = FakeApi::yes();
    let shell = shell_with(&api, |seen, now| match seen.rollout.metadata.name.as_str() {
        "web" => panic!("a bug"),
        _ => writes_status(seen, now),
    });
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("other", 8));
    assert_eq!(run(&shell, web()).await, Next::Backoff);
    run(&shell, Kick::Rollout(Key::new("shop", "other"))).await;
    assert_eq!(api.asked().len(), 1);
    assert_eq!(shell.metrics.passes.errors.with_label_values(&["panic"]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_rollout_is_told_once_and_tried_again_when_it_changes() {
    let api = FakeApi::yes();
    let (shell, publisher) = shell(&api, core(writes_status), &Told::default());
    let stop = tokio_util::sync::CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(stop.clone()));
    let mut broken = rollout_json("web", 7);
    broken["spec"]["replicas"] = json!("three");
    put::<Rollout>(&shell.caches, Kind::Rollout, broken);
    assert_eq!(run(&shell, web()).await, Next::OnChange);
    assert_eq!(run(&shell, web()).await, Next::OnChange);
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 8));
    run(&shell, web()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    stop.cancel();
    publishing.await.unwrap();
    let mut lines = api.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/status",
            "POST /api/v1/namespaces/shop/events",
        ]
    );
    let event = api
        .asked()
        .into_iter()
        .find(|asked| asked.line.ends_with("/events"))
        .unwrap()
        .body;
    let message = event["message"].as_str().unwrap();
    assert_eq!(
        message,
        "Rollout shop/web cannot be read: spec.replicas: invalid type: string \"three\", expected i32"
    );
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_child_stops_its_rollout_because_it_could_be_created_twice() {
    let api = FakeApi::yes();
    let shell = shell_with(&api, creates_a_child);
    let mut broken = child("u1", 9);
    broken["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(1);
    put::<ReplicaSet>(&shell.caches, Kind::ReplicaSet, broken);
    assert_eq!(run(&shell, web()).await, Next::OnChange);
    assert!(api.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_silent_and_tried_again() {
    let api = FakeApi::new(|_| status(409, "Conflict", "modified"));
    let shell = shell_with(&api, writes_status);
    assert_eq!(run(&shell, web()).await, Next::Backoff);
    assert_eq!(
        shell.metrics.passes.errors.with_label_values(&["conflict"]).get(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_told_on_the_object_in_the_servers_words() {
    let api = FakeApi::new(|asked| match asked.line.ends_with("/events") {
        true => Reply::Answer((201, None, stamped(&asked.body, 1))),
        false => status(422, "Invalid", "metadata.labels: too long"),
    });
    let (shell, publisher) = shell(&api, core(creates_a_child), &Told::default());
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    let stop = tokio_util::sync::CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(stop.clone()));
    assert_eq!(run(&shell, web()).await, Next::Backoff);
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    stop.cancel();
    publishing.await.unwrap();
    let asked = api.asked();
    assert_eq!(
        asked.len(),
        2,
        "the note of the plan is not published: its write failed"
    );
    assert_eq!(asked[1].body["reason"], "ReplicaSetCreateError");
    let message = asked[1].body["message"].as_str().unwrap();
    assert!(
        message.starts_with("Failed to create new replica set \"web-1\": "),
        "{message}"
    );
    assert!(message.ends_with("metadata.labels: too long"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn counters_wait_for_company_and_other_statuses_do_not() {
    fn counts(seen: &Observed, now: DateTime<Utc>) -> Plan {
        Plan {
            deferrable: seen.rollout.spec.replicas == Some(3),
            ..writes_status(seen, now)
        }
    }
    let api = FakeApi::yes();
    let shell = shell_with(&api, counts);
    run(&shell, web()).await;
    assert_eq!(api.asked().len(), 1, "the first write goes out at once");
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 101));
    let Next::At(due) = run(&shell, web()).await else {
        panic!("a wait is expected");
    };
    assert_eq!((due - Instant::now()).as_secs(), 5);
    assert_eq!(api.asked().len(), 1);
    let mut urgent = rollout_json("web", 102);
    urgent["spec"]["replicas"] = json!(4);
    put::<Rollout>(&shell.caches, Kind::Rollout, urgent);
    run(&shell, web()).await;
    assert_eq!(api.asked().len(), 2);
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 103));
    tokio::time::sleep_until(due).await;
    run(&shell, web()).await;
    assert_eq!(api.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_until_there_are_none_and_changes_wake_the_asker() {
    let template = |name: &str| Question::AnalysisTemplate(Key::new("shop", name));
    fn survey(seen: &Observed) -> Vec<Question> {
        let first = Question::AnalysisTemplate(Key::new("shop", "first"));
        match seen.answers.get(&first) {
            Some(Answer::Template(_)) => vec![Question::AnalysisTemplate(Key::new("shop", "second"))],
            _ => vec![first],
        }
    }
    fn plan(seen: &Observed, now: DateTime<Utc>) -> Plan {
        assert_eq!(seen.answers.0.len(), 2);
        let second = Question::AnalysisTemplate(Key::new("shop", "second"));
        assert_eq!(seen.answers.get(&second), Some(&Answer::Missing));
        Plan {
            wake_at: Some(now + TimeDelta::seconds(30)),
            ..Plan::default()
        }
    }
    let api = FakeApi::yes();
    let (shell, _) = shell(
        &api,
        Core {
            survey,
            plan,
            ..Core::default()
        },
        &Told::default(),
    );
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    let named = |name: &str| json!({"metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"}});
    put::<AnalysisTemplate>(&shell.caches, Kind::AnalysisTemplate, named("first"));
    let next = run(&shell, web()).await;
    assert_eq!(
        next,
        Next::At(Instant::now() + std::time::Duration::from_secs(30))
    );
    let seen = crate::controller::cached::Seen::<AnalysisTemplate>::from_json(named("second"));
    assert_eq!(shell.caches.change(Kind::AnalysisTemplate, seen), [web()]);
    assert!(matches!(
        shell.caches.answer(&template("second")),
        Answer::Template(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_rollout_is_forgotten() {
    let shell = shell_with(&FakeApi::yes(), writes_status);
    shell
        .caches
        .delete::<Rollout>(Kind::Rollout, &Key::new("shop", "web"));
    assert_eq!(run(&shell, web()).await, Next::Forget);
}

#[tokio::test(start_paused = true)]
async fn a_run_concerns_itself_and_the_rollout_that_controls_it() {
    let shell = shell_with(&FakeApi::yes(), writes_status);
    let mut json = child("r1", 4);
    json["metadata"]["name"] = json!("web-run");
    let seen = crate::controller::cached::Seen::<AnalysisRun>::from_json(json);
    let kicks = shell.caches.change(Kind::AnalysisRun, seen);
    assert_eq!(kicks, [web(), Kick::Run(Key::new("shop", "web-run"))]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_repeats_itself_changes_nothing() {
    let shell = shell_with(&FakeApi::yes(), writes_status);
    let older = crate::controller::cached::Seen::<Rollout>::from_json(rollout_json("web", 6));
    assert_eq!(shell.caches.change(Kind::Rollout, older), []);
    assert_eq!(
        shell
            .caches
            .version(Kind::Rollout, &Key::new("shop", "web"))
            .unwrap()
            .1,
        "7"
    );
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_the_selector_matches_is_part_of_the_family() {
    let api = FakeApi::yes();
    let (shell, _) = shell(&api, core(creates_a_child), &Told::default());
    let mut rollout = rollout_json("web", 7);
    rollout["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout);
    let orphan = json!({"metadata": {"namespace": "shop", "name": "web-0", "uid": "o", "resourceVersion": "3",
        "labels": {"app": "web", "rollouts-pod-template-hash": "0"}}});
    let seen = crate::controller::cached::Seen::<ReplicaSet>::from_json(orphan);
    assert_eq!(shell.caches.change(Kind::ReplicaSet, seen), [web()]);
    run(&shell, web()).await;
    assert!(api.asked().is_empty(), "the orphan was seen");
    assert_eq!(
        shell
            .caches
            .delete::<ReplicaSet>(Kind::ReplicaSet, &Key::new("shop", "web-0")),
        [web()]
    );
}

/// Announces the promotion that its status write makes.
fn promotes(seen: &Observed, now: DateTime<Utc>) -> Plan {
    if seen.rollout.status.phase == "Healthy" {
        return Plan::default();
    }
    let mut write = status_write(seen);
    write.body = json!({"status": {"phase": "Healthy", "message": now.to_rfc3339()}});
    Plan {
        actions: vec![write],
        announcements: vec![announcement(Moment::Promoted(now.to_rfc3339()))],
        ..Plan::default()
    }
}

fn announcement(moment: Moment) -> Announcement {
    Announcement {
        moment,
        rollout: Key::new("shop", "web"),
        rollout_uid: "uid-web".into(),
        pod_hash: String::new(),
        revision: 1,
        at: super::fake::beginning(),
        since: None,
        images_old: Vec::new(),
        images_new: Vec::new(),
        weight: 0,
        weight_max: 100,
        weight_is_pods: false,
        switch: None,
        step: None,
        steps: Vec::new(),
        channel: None,
        runs: Vec::new(),
    }
}

/// Runs a pass whose status write has no answer, shows `then` in the cache if it is some, runs passes until there is nothing left
/// to do, and returns how often the promotion was announced.
async fn promotions_announced(written: bool) -> usize {
    let first = std::sync::atomic::AtomicBool::new(true);
    let api = FakeApi::new(
        move |asked| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            true => Reply::Never,
            false => Reply::Answer((200, None, stamped(&asked.body, 101))),
        },
    );
    let told = Told::default();
    let (shell, _) = shell(&api, core(promotes), &told);
    put::<Rollout>(&shell.caches, Kind::Rollout, rollout_json("web", 7));
    assert_eq!(run(&shell, web()).await, Next::Backoff);
    assert!(told.0.lock().unwrap().is_empty(), "nobody knows yet");
    if written {
        show_status(&shell, &api.asked()[0].body, 8);
    }
    run(&shell, web()).await;
    if let Some(second) = api.asked().get(1) {
        show_status(&shell, &second.body, 101);
    }
    run(&shell, web()).await;
    told.0.lock().unwrap().len()
}

fn show_status(shell: &Shell, patch: &Value, version: u64) {
    let mut json = rollout_json("web", version);
    json["status"] = patch["status"].clone();
    put::<Rollout>(&shell.caches, Kind::Rollout, json);
}

#[tokio::test(start_paused = true)]
async fn news_of_a_write_whose_answer_was_lost_are_told_once() {
    assert_eq!(promotions_announced(true).await, 1, "it was carried out");
    assert_eq!(promotions_announced(false).await, 1, "it was not");
}

#[tokio::test(start_paused = true)]
async fn readings_wait_for_their_tick_but_not_for_long() {
    let shell = shell_with(&FakeApi::yes(), |_, _| Plan::default());
    let run = Kick::Run(Key::new("shop", "run"));
    let due = shell.memory.company_until(&run, true).unwrap();
    assert_eq!(
        shell.memory.company_until(&run, true),
        Some(due),
        "the time does not move on with each reading"
    );
    tokio::time::advance(due - Instant::now()).await;
    assert_eq!(
        shell.memory.company_until(&run, true),
        None,
        "nobody waits longer"
    );
    assert!(
        shell.memory.company_until(&run, true).is_some(),
        "the next tick waits anew"
    );
    assert_eq!(
        shell.memory.company_until(&run, false),
        None,
        "what decides something waits for nobody"
    );
}
