//! The recorded world: who answers analyses, and ReplicaSets without pods.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::simulate::fault::{Fault, Misanswer, Query};
use serin::simulate::people::{Hand, id};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Where the recorded `http://{stub}` is.
pub const STUB: &str = "stub.example";

/// The manifest with the address of the stub in it.
pub fn with_stub(object: &Value) -> Value {
    serde_json::from_str(&object.to_string().replace("{stub}", STUB)).unwrap()
}

/// The stub that the recorded world asked: `/v/NUMBER`, `/seq/NAME/1,0` with one number after the other, the last one again and
/// again, and `/err`.
#[derive(Debug, Default)]
pub struct Stub {
    asked: BTreeMap<String, usize>,
}

impl Fault for Stub {
    fn name(&self) -> &'static str {
        "recorded answers"
    }

    fn ask(&mut self, query: &Query<'_>, _: DateTime<Utc>) -> Option<Misanswer> {
        let path = query.query.strip_prefix("http://")?.strip_prefix(STUB)?;
        if path == "/err" {
            return Some(Misanswer::Say(500, "text/plain", Vec::new()));
        }
        let numbers: Vec<&str> = path.rsplit('/').next()?.split(',').collect();
        let turn = self.asked.entry(path.to_owned()).or_default();
        let number: f64 = numbers[(*turn).min(numbers.len() - 1)].parse().unwrap();
        *turn += 1;
        let body = format!("{{\"value\": {number}}}");
        Some(Misanswer::Say(200, "application/json", body.into_bytes()))
    }
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
