//! The recorded world: who answers analyses, and ReplicaSets without pods.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::simulate::people::{Hand, id};
use serin::simulate::prometheus::scripted::{Say, Scripted};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The last part of the address that the recorded world asked.
fn asked(metric: &Value) -> &str {
    let url = metric["provider"]["web"]["url"].as_str().unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default()
}

/// What was answered at `/seq/NAME/1,0`: one number after the other, the last one stays. Measured each second.
pub fn turns(life: &Value) -> Vec<Scripted> {
    let objects = life["objects"].as_array().unwrap().iter();
    let metrics = objects.flat_map(|object| object["spec"]["metrics"].as_array().into_iter().flatten());
    let sequences = metrics.map(asked).filter(|asked| asked.contains(','));
    let script = |sequence: &str| Scripted {
        contains: format!("\"{sequence}\""),
        since: DateTime::UNIX_EPOCH,
        values: sequence
            .split(',')
            .enumerate()
            .map(|(turn, number)| {
                let from = TimeDelta::milliseconds(1_000 * turn as i64 - 500);
                (from, Say::Number(number.parse().unwrap()))
            })
            .collect(),
    };
    sequences.map(script).collect()
}

/// The recorded world asked a stub, at `/v/NUMBER`, over HTTP; here Prometheus gives the same number.
pub fn by_prometheus(object: &Value) -> Value {
    let mut object = object.clone();
    for metric in object["spec"]["metrics"].as_array_mut().into_iter().flatten() {
        let number = asked(metric);
        let query = if number.contains(',') {
            format!("turns{{of=\"{number}\"}}")
        } else {
            format!("vector({number})")
        };
        metric["provider"] =
            json!({"prometheus": {"address": "http://prometheus.monitoring:9090", "query": query}});
        metric["successCondition"] = json!("result[0] == 1");
    }
    object
}

/// ReplicaSets report their pods available 250 ms after each change of size, except those of an image named `bad…`.
pub async fn replica_sets_report(hand: Hand) {
    let sets = id(Kind::ReplicaSet);
    let mut changed = hand.cluster.subscribe();
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        changed.catch_up();
        for set in hand.list(&sets, None) {
            let name = set["metadata"]["name"].as_str().unwrap().to_owned();
            if set["spec"]["replicas"] == set["status"]["replicas"]
                && set["metadata"]["generation"] == set["status"]["observedGeneration"]
            {
                due.remove(&name);
                continue;
            }
            let at = *due
                .entry(name.clone())
                .or_insert_with(|| Instant::now() + Duration::from_millis(250));
            if at > Instant::now() {
                continue;
            }
            let size = &set["spec"]["replicas"];
            let image = set["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap();
            let available = if image.contains(":bad") {
                json!(0)
            } else {
                size.clone()
            };
            let status = json!({"replicas": size, "fullyLabeledReplicas": size, "readyReplicas": available,
                "availableReplicas": available, "observedGeneration": set["metadata"]["generation"]});
            let namespace = set["metadata"]["namespace"].as_str().unwrap();
            hand.patch(
                "replicasets",
                (&sets, namespace, &name, "status"),
                &json!({"status": status}),
            )
            .unwrap();
        }
        let next = due
            .values()
            .min()
            .copied()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            () = sleep_until(next) => {}
        }
    }
}
