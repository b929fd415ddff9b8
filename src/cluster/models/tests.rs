//! The models, each rule on its own, on a clock that the test moves.

mod autoscalers;
mod budgets;
mod collector;
mod endpoints;
mod faults;
mod jobs;
mod play;
mod pods;
mod replica_sets;

use play::{Play, labels, replica_set, service};
use serde_json::{Value, json};

use super::faults::{Strike, Which};
use super::pods::Behaviour;
use super::*;

#[tokio::test(start_paused = true)]
async fn equal_seeds_give_equal_stores() {
    let run = async |seed: u64| {
        let mut play = Play::seeded(seed, Settings::default());
        play.make(service("web", labels("web", "a")));
        play.make(replica_set("web-a", 5, "web:good"));
        play.run(10.0).await;
        play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 2}}))
            .await;
        play.run(10.0).await;
        let world = play.cluster.world();
        world
            .store
            .all()
            .map(|(key, object)| format!("{key:?} {object}"))
            .collect::<Vec<_>>()
    };
    let (one, same, other) = (run(7).await, run(7).await, run(8).await);
    // The times differ by when the runs began, which is part of what is compared: the clock starts anew each time.
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[tokio::test(start_paused = true)]
async fn the_models_run_beside_the_server_and_wake_by_themselves() {
    let play = Play::new();
    let models = tokio::spawn(play.cluster.start_models(Settings::default()));
    play.make(replica_set("web-a", 3, "web:good"));
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert_eq!(
        play.get("replicasets.apps", "web-a")["status"]["availableReplicas"],
        3
    );
    let version = play.cluster.world().store.version();
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    assert_eq!(play.cluster.world().store.version(), version, "nothing to do");
    models.abort();
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_past_and_a_restored_one_are_looked_at_anew() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 2, "web:good"));
    play.run(10.0).await;
    play.cluster.compact();
    play.make(replica_set("web-b", 2, "web:good"));
    play.run(10.0).await;
    assert_eq!(play.pods().len(), 4);
    let before = play.cluster.world().store.clone();
    play.delete("replicasets.apps", "web-b", Value::Null).await;
    for (name, _) in play.pods() {
        play.delete("pods", &name, Value::Null).await;
    }
    play.run(1.0).await;
    play.cluster.world().store = before;
    play.run(10.0).await;
    let ready = play
        .pods()
        .iter()
        .filter(|(_, pod)| reading::ready_since(pod).is_some())
        .count();
    assert_eq!(ready, 4);
}

/// What the models write is what the server would store: reading it through its type changes nothing.
#[tokio::test(start_paused = true)]
async fn what_the_models_write_is_what_the_server_would_store() {
    let mut play = Play::new();
    play.make(service("web", labels("web", "a")));
    for (name, image) in [
        ("a", "web:good"),
        ("b", "web:crash"),
        ("c", "web:nopull"),
        ("d", "web:bad"),
    ] {
        play.make(replica_set(&format!("web-{name}"), 2, image));
    }
    for _ in 0..40 {
        play.run(0.3).await;
        play.check_forms();
    }
}
