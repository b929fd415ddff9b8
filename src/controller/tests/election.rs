//! Leader election between replicas on one API server, in virtual time.

use super::fake::{FakeApi, Reply, beginning, status};
use crate::base::clock::Clock;
use crate::base::object::Key;
use crate::controller::act::Writer;
use crate::controller::lease::{Elector, Leadership, lease_name};
use crate::controller::metrics::Metrics;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// One Lease, guarded by its resourceVersion as API servers do.
#[derive(Clone, Default)]
struct Store {
    lease: Arc<Mutex<Option<Value>>>,
    away: Arc<AtomicBool>,
}

impl Store {
    fn api(&self) -> FakeApi {
        let store = self.clone();
        FakeApi::new(move |asked| {
            if store.away.load(Ordering::SeqCst) {
                return status(503, "ServiceUnavailable", "away");
            }
            let mut lease = store.lease.lock().unwrap();
            let version = lease.as_ref().map_or("0", |lease| {
                lease["metadata"]["resourceVersion"].as_str().unwrap()
            });
            let next = (version.parse::<u64>().unwrap() + 1).to_string();
            match (asked.line.split(' ').next().unwrap(), lease.is_some()) {
                ("GET", false) | ("PUT", false) => return status(404, "NotFound", ""),
                ("GET", true) => return Reply::Answer((200, None, lease.clone().unwrap())),
                ("POST", true) => return status(409, "AlreadyExists", ""),
                ("PUT", true) if asked.body["metadata"]["resourceVersion"] != version => {
                    return status(409, "Conflict", "modified");
                }
                _ => {}
            }
            let mut written = asked.body.clone();
            written["metadata"]["resourceVersion"] = json!(next);
            *lease = Some(written.clone());
            Reply::Answer((200, None, written))
        })
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        let holder = lease
            .as_ref()
            .map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap().to_owned());
        holder.unwrap_or_default()
    }
}

struct Replica {
    leadership: Arc<Leadership>,
    stop: CancellationToken,
    give_back: futures::future::BoxFuture<'static, ()>,
}

fn replica(store: &Store, name: &'static str) -> Replica {
    let (client, leadership, stop) = (
        store.api().client(),
        Leadership::standby(),
        CancellationToken::new(),
    );
    let writer = Writer::new(client.clone(), Arc::new(Metrics::new().unwrap()));
    let (clock, key) = (
        Clock::starting_at(beginning()),
        Key::new("argo-rollouts", lease_name("")),
    );
    let elector = Elector {
        client: client.clone(),
        writer: writer.clone(),
        clock: clock.clone(),
        key: key.clone(),
        identity: name.to_owned(),
        leadership: Arc::clone(&leadership),
        seen: None,
    };
    tokio::spawn(elector.run(stop.clone()));
    let give_back = Box::pin(async move { Elector::give_back(client, writer, &clock, &key, name).await });
    Replica {
        leadership,
        stop,
        give_back,
    }
}

async fn leads_after(replica: &Replica) -> u64 {
    let began = Instant::now();
    let mut changes = replica.leadership.changes();
    let wait = changes.wait_for(|leads| *leads);
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .expect("it leads")
        .unwrap();
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_takeover_takes_no_longer_than_the_lease_and_one_pause() {
    let check = async |looks: u64, dies: u64| {
        let store = Store::default();
        let first = replica(&store, "first");
        leads_after(&first).await;
        sleep(Duration::from_millis(looks)).await;
        let second = replica(&store, "second");
        sleep(Duration::from_millis(60_000 + dies - looks)).await;
        let died = Instant::now();
        first.stop.cancel();
        leads_after(&second).await;
        let took = died.elapsed();
        second.stop.cancel();
        assert!(took <= Duration::from_millis(17_010), "{looks} {dies}: {took:?}");
    };
    // Whenever the standby happens to look, and the leader to die, after a renewal.
    for looks in (0..2_000).step_by(200) {
        for dies in (10..2_000).step_by(200) {
            check(looks, dies).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_other_takes_over_when_its_lease_is_stale() {
    let store = Store::default();
    let first = replica(&store, "first");
    assert_eq!(leads_after(&first).await, 0);
    let second = replica(&store, "second");
    sleep(Duration::from_secs(120)).await;
    assert!(first.leadership.leads_now() && !second.leadership.leads_now());
    // As SIGKILL would: it stops renewing and gives nothing back.
    first.stop.cancel();
    let seconds = leads_after(&second).await;
    assert!((13..=17).contains(&seconds), "{seconds}");
    assert!(
        !first.leadership.leads_now(),
        "the old leader's time was over before"
    );
    assert_eq!(store.holder(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_back_is_taken_at_once() {
    let store = Store::default();
    let first = replica(&store, "first");
    leads_after(&first).await;
    let second = replica(&store, "second");
    sleep(Duration::from_secs(5)).await;
    first.stop.cancel();
    first.give_back.await;
    let seconds = leads_after(&second).await;
    assert!(seconds <= 2, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_api_server_stops_leading_before_others_may_begin() {
    let store = Store::default();
    let first = replica(&store, "first");
    leads_after(&first).await;
    store.away.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(7)).await;
    assert!(first.leadership.leads_now(), "a short outage changes nothing");
    sleep(Duration::from_secs(4)).await;
    assert!(!first.leadership.leads_now() && !*first.leadership.changes().borrow());
    store.away.store(false, Ordering::SeqCst);
    assert!(leads_after(&first).await <= 2, "it claims again");
}

#[tokio::test(start_paused = true)]
async fn a_lease_taken_by_another_hand_ends_the_lead() {
    let store = Store::default();
    let first = replica(&store, "first");
    leads_after(&first).await;
    if let Some(lease) = store.lease.lock().unwrap().as_mut() {
        lease["spec"]["holderIdentity"] = json!("thief");
        lease["metadata"]["resourceVersion"] = json!("999");
    }
    sleep(Duration::from_secs(3)).await;
    assert!(!first.leadership.leads_now());
    assert_eq!(store.holder(), "thief");
}
