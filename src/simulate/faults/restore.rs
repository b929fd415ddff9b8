//! Faults of what is stored: etcd restored (B7), objects nobody can read (B10), a backup without statuses (I13).

use super::aim::{ROLLOUTS, RUNS, SETS, TEMPLATES};
use super::plot::{Made, Params, Plot};
use super::scene::{ADDED, manifest, store, subject, text};
use crate::base::names::API_VERSION;
use crate::cluster::store::Key;
use crate::simulate::people::Hand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything that was stored at some time.
#[derive(Default)]
struct Snapshot(BTreeMap<Key, Arc<Value>>);

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} objects", self.0.len())
    }
}

impl Snapshot {
    fn take(hand: &Hand) -> Self {
        let world = hand.cluster.world();
        let all = world.store.all();
        Self(
            all.map(|(key, object)| (key.clone(), Arc::clone(object)))
                .collect(),
        )
    }

    /// Brings it back, with versions above all that were ever seen, as `etcdutl snapshot restore --bump-revision` does.
    fn restore(&self, hand: &Hand) {
        hand.cluster.change(|world| {
            let now: Vec<Key> = world.store.all().map(|(key, _)| key.clone()).collect();
            for key in now.iter().filter(|key| !self.0.contains_key(key)) {
                world.store.remove(key);
            }
            for (key, object) in &self.0 {
                let same = world.store.get(key).is_some_and(|now| Arc::ptr_eq(now, object));
                if !same {
                    world.store.put(key, Value::clone(object));
                }
            }
        });
        hand.cluster.compact();
        hand.cluster.hang_up(None);
    }
}

/// B7.
pub fn etcd_restored(params: &mut Params) -> Made {
    let age = params.dice.seconds(2, 90);
    Plot::new(params, (age, None::<Snapshot>))
        .on_time(|own, hand, _| match own.is.1.take() {
            None => {
                own.is.1 = Some(Snapshot::take(hand));
                Some(own.is.0)
            }
            Some(snapshot) => {
                let age = own.is.0.as_millis();
                own.bites(hand, format!("etcd is as it was {age} ms ago"));
                snapshot.restore(hand);
                None
            }
        })
        .made()
}

/// B10: stored before anybody validated it.
pub fn undecodable(params: &mut Params) -> Made {
    let kind = params.dice.one_of(&[ROLLOUTS, RUNS, TEMPLATES]);
    Plot::new(params, (kind, String::new()))
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let word = match own.is.0 {
                ROLLOUTS => "Rollout",
                RUNS => "AnalysisRun",
                _ => "AnalysisTemplate",
            };
            let poison = json!({"apiVersion": API_VERSION, "kind": word,
                "metadata": {"name": ADDED, "namespace": subject.namespace, "uid": format!("poison-{}", own.dice.seed()),
                    "generation": 1, "creationTimestamp": "2020-01-01T00:00:00Z"},
                "spec": {"replicas": "many", "metrics": 7, "strategy": {"canary": {"steps": "none"}}, "selector": []},
                "status": {"conditions": "bad", "metricResults": {"a": 1}}});
            own.is.1 = subject.namespace.clone();
            own.bites(hand, format!("a {word} that nobody can read"));
            store(hand, own.is.0, &subject.namespace, ADDED, poison);
            // Seen in a list too.
            hand.cluster.compact();
            hand.cluster.hang_up(None);
            None
        })
        .on_end(|own, hand, _| {
            if !own.is.1.is_empty() {
                let _ = hand.delete("person", (own.is.0, &own.is.1, ADDED), "");
            }
        })
        .made()
}

/// I13: the Rollout comes out of a backup without its status, and its ReplicaSets without an owner.
pub fn without_status(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            if !subject.updating() {
                return Some(Duration::from_millis(500));
            }
            own.bites(hand, "back from a backup, without a status");
            let sets = subject.sets(hand);
            let runs = hand.list(RUNS, Some(&subject.namespace));
            hand.cluster.change(|world| {
                let key = |resource: &str, object: &Value| {
                    let name = text(&object["metadata"]["name"]);
                    Key::new(&Arc::from(resource), &subject.namespace, &name)
                };
                for set in &sets {
                    let mut orphan = Value::clone(set);
                    if let Some(meta) = orphan["metadata"].as_object_mut() {
                        meta.remove("ownerReferences");
                    }
                    world.store.put(&key(SETS, set), orphan);
                }
                for run in &runs {
                    world.store.remove(&key(RUNS, run));
                }
                let own = key(ROLLOUTS, &subject.object);
                world.store.remove(&own);
            });
            let _ = hand.create("backup", &manifest(&subject.object));
            None
        })
        .made()
}
