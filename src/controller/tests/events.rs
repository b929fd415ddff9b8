//! Events: what is sent, and what only counts up.

use super::fake::{Asked, FakeApi, Reply, Told, beginning, shell, stamped, status};
use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::object::{Key, Kind};
use crate::controller::events::Involved;
use crate::controller::pass::Core;
use crate::plan::Note;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn involved() -> Involved {
    Involved {
        kind: Kind::Rollout,
        key: Key::new("shop", "web"),
        uid: "u1".into(),
        version: "7".into(),
    }
}

/// Publishes these notes, each after its wait in seconds, and returns what the API server was asked.
async fn published(api: FakeApi, notes: &[(u64, Note)]) -> Vec<Asked> {
    let (shell, publisher) = shell(&api, Core::default(), &Told::default());
    let stop = CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(stop.clone()));
    let clock = Clock::starting_at(beginning());
    for (wait, note) in notes {
        tokio::time::sleep(Duration::from_secs(*wait)).await;
        shell.events.note(&involved(), note.clone(), &clock);
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    stop.cancel();
    publishing.await.unwrap();
    api.asked()
}

#[tokio::test(start_paused = true)]
async fn an_event_names_object_reason_and_component() {
    let asked = published(
        FakeApi::yes(),
        &[(0, Note::warning("RolloutAborted", "Rollout aborted"))],
    )
    .await;
    assert_eq!(asked[0].line, "POST /api/v1/namespaces/shop/events");
    let event = &asked[0].body;
    assert_eq!(event["involvedObject"]["uid"], "u1");
    assert_eq!(event["involvedObject"]["apiVersion"], "argoproj.io/v1alpha1");
    assert_eq!(event["source"], json!({"component": "rollouts-controller"}));
    assert_eq!(
        (&event["type"], &event["reason"]),
        (&json!("Warning"), &json!("RolloutAborted"))
    );
    assert_eq!(event["firstTimestamp"], super::fake::BEGINNING);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_counts_up_and_another_message_does_not() {
    let step = |n: u32| Note::normal("RolloutStepCompleted", format!("step {n}"));
    let asked = published(FakeApi::yes(), &[(0, step(1)), (5, step(1)), (5, step(2))]).await;
    let lines: Vec<_> = asked.iter().map(|asked| asked.line.as_str()).collect();
    assert!(
        lines[0].starts_with("POST") && lines[1].starts_with("PATCH") && lines[2].starts_with("POST"),
        "{lines:?}"
    );
    assert!(lines[1].contains("/events/web."), "{lines:?}");
    assert_eq!(
        asked[1].body,
        json!({"count": 2, "lastTimestamp": "2026-11-21T08:00:05Z"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_ten_minutes_or_of_a_vanished_event_is_a_new_one() {
    let note = || Note::normal("A", "b");
    let wait = limits::EVENT_REPEAT_SECONDS.unsigned_abs() + 1;
    let asked = published(FakeApi::yes(), &[(0, note()), (wait, note())]).await;
    assert!(asked.iter().all(|asked| asked.line.starts_with("POST")));
    let api = FakeApi::new(|asked| match asked.line.starts_with("PATCH") {
        true => status(404, "NotFound", "not found"),
        false => Reply::Answer((201, None, stamped(&asked.body, 1))),
    });
    let lines: Vec<_> = published(api, &[(0, note()), (1, note())]).await;
    let verbs: Vec<_> = lines
        .iter()
        .map(|asked| asked.line.split(' ').next().unwrap())
        .collect();
    assert_eq!(verbs, ["POST", "PATCH", "POST"]);
}

#[tokio::test(start_paused = true)]
async fn quiet_notes_are_not_published_and_long_ones_are_cut() {
    let long = Note::normal("A", "é".repeat(2_000));
    let asked = published(
        FakeApi::yes(),
        &[(0, Note::normal("B", "c").quietly()), (0, long)],
    )
    .await;
    assert_eq!(asked.len(), 1);
    let message = asked[0].body["message"].as_str().unwrap();
    assert!(message.len() <= limits::EVENT_MESSAGE_BYTES_MAX && message.ends_with('…'));
}

#[tokio::test(start_paused = true)]
async fn a_silent_api_server_never_blocks_a_note() {
    let api = FakeApi::new(|_| Reply::Never);
    let (shell, publisher) = shell(&api, Core::default(), &Told::default());
    tokio::spawn(publisher.run(CancellationToken::new()));
    let clock = Clock::starting_at(beginning());
    for n in 0..limits::EVENTS_LEN_MAX + 10 {
        shell
            .events
            .note(&involved(), Note::normal("A", n.to_string()), &clock);
    }
    assert!(shell.metrics.events.with_label_values(&["dropped"]).get() >= 10);
}
