//! Notes become Kubernetes Events: what people see under `kubectl describe`.
//!
//! Best effort, and never in the way of a pass: a bounded line, one request at a time, and what does not fit is dropped and counted.
//! A repeat within ten minutes counts up the Event that exists instead of adding one.

use crate::base::clock::Clock;
use crate::base::gotime::Time;
use crate::base::object::{Key, Kind};
use crate::base::seed::Seed;
use crate::base::{limits, names};
use crate::controller::act::Writer;
use crate::controller::error::{Error, Target};
use crate::controller::metrics::Metrics;
use crate::plan::Note;
use chrono::{DateTime, TimeDelta, Utc};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The object an Event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Involved {
    pub kind: Kind,
    pub key: Key,
    pub uid: String,
    pub version: String,
}

struct Entry {
    involved: Involved,
    note: Note,
    at: DateTime<Utc>,
}

/// The near end of the line to [`Publisher`].
#[derive(Clone)]
pub struct Events {
    line: mpsc::Sender<Entry>,
    metrics: Arc<Metrics>,
}

/// Sends Events, one at a time.
pub struct Publisher {
    line: mpsc::Receiver<Entry>,
    writer: Writer,
    metrics: Arc<Metrics>,
    recent: BTreeMap<Same, Published>,
    seed: Seed,
}

/// Events that differ in none of these are repeats.
type Same = (String, String, String);

struct Published {
    namespace: String,
    name: String,
    count: i64,
    last: DateTime<Utc>,
}

/// Both ends of a line.
pub fn line(writer: Writer, metrics: Arc<Metrics>, seed: Seed) -> (Events, Publisher) {
    let (sender, receiver) = mpsc::channel(limits::EVENTS_LEN_MAX);
    let events = Events {
        line: sender,
        metrics: Arc::clone(&metrics),
    };
    let publisher = Publisher {
        line: receiver,
        writer,
        metrics,
        recent: BTreeMap::new(),
        seed,
    };
    (events, publisher)
}

impl Events {
    /// Logs the note and, unless it is a quiet one, puts it into the line.
    pub fn note(&self, involved: &Involved, note: Note, clock: &Clock) {
        let (kind, object) = (involved.kind.name(), involved.key.to_string());
        match note.warning {
            true => tracing::warn!(kind, %object, reason = note.reason, "{}", note.message),
            false => tracing::info!(kind, %object, reason = note.reason, "{}", note.message),
        }
        if note.quiet {
            return;
        }
        let entry = Entry {
            involved: involved.clone(),
            note,
            at: clock.now(),
        };
        if self.line.try_send(entry).is_err() {
            self.metrics.events.with_label_values(&["dropped"]).inc();
        }
    }
}

impl Publisher {
    /// Publishes until `stop`, then for a moment what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let entry = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                entry = self.line.recv() => entry,
            };
            match entry {
                Some(entry) => self.publish(entry).await,
                None => return,
            }
        }
        let rest = async {
            while let Ok(entry) = self.line.try_recv() {
                self.publish(entry).await;
            }
        };
        // What does not make it in time is lost: Events are a courtesy, the status has the truth.
        let _ = timeout(Duration::from_secs(limits::EVENTS_DRAIN_SECONDS_MAX), rest).await;
    }

    async fn publish(&mut self, mut entry: Entry) {
        entry.note.message = clip_bytes(&entry.note.message, limits::EVENT_MESSAGE_BYTES_MAX);
        let repeat = TimeDelta::seconds(limits::EVENT_REPEAT_SECONDS);
        // Also one from the future is forgotten: a clock that went back must not make Events count up for ever.
        self.recent
            .retain(|_, published| (entry.at - published.last).abs() < repeat);
        let same = (
            entry.involved.uid.clone(),
            entry.note.reason.clone(),
            entry.note.message.clone(),
        );
        let outcome = match self.recent.get_mut(&same) {
            Some(published) => {
                published.count += 1;
                published.last = entry.at;
                let target = Target::new(
                    "patch",
                    "events",
                    &Key::new(&published.namespace, &published.name),
                );
                let counted = self.writer.send(&target, count(published)).await;
                match counted {
                    Err(Error::Gone(_)) => self.create(same, &entry).await,
                    counted => counted.map(|_| "counted"),
                }
            }
            None => self.create(same, &entry).await,
        };
        let outcome = outcome.unwrap_or_else(|error| {
            tracing::debug!("an event was not published: {error}");
            "failed"
        });
        self.metrics.events.with_label_values(&[outcome]).inc();
    }

    async fn create(&mut self, same: Same, entry: &Entry) -> Result<&'static str, Error> {
        let event = self.event(entry);
        let text = |field: &str| event["metadata"][field].as_str().unwrap_or_default().to_owned();
        let published = Published {
            namespace: text("namespace"),
            name: text("name"),
            count: 1,
            last: entry.at,
        };
        let target = Target::new(
            "create",
            "events",
            &Key::new(&published.namespace, &published.name),
        );
        let params = PostParams {
            field_manager: Some(names::FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        let request =
            Request::new(path(&published.namespace)).create(&params, event.to_string().into_bytes());
        self.writer.send(&target, request).await?;
        if self.recent.len() >= limits::EVENTS_REMEMBERED_MAX {
            // Every remembered one is recent, so forgetting all costs a few Events that could have been counted up.
            self.recent.clear();
        }
        self.recent.insert(same, published);
        Ok("published")
    }

    fn event(&mut self, entry: &Entry) -> Value {
        let (involved, note, at) = (&entry.involved, &entry.note, Time::new(entry.at).rfc3339());
        // Events of cluster-scoped objects live in the default namespace.
        let namespace = match involved.key.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let name: String = involved.key.name.chars().take(230).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": format!("{name}.{:016x}", self.seed.next_u64())},
            "involvedObject": {
                "apiVersion": involved.kind.api_version(),
                "kind": involved.kind.name(),
                "namespace": involved.key.namespace,
                "name": involved.key.name,
                "uid": involved.uid,
                "resourceVersion": involved.version,
            },
            "reason": note.reason,
            "message": note.message,
            "type": if note.warning { "Warning" } else { "Normal" },
            "source": {"component": names::EVENT_COMPONENT},
            "reportingComponent": names::EVENT_COMPONENT,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        })
    }
}

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/events")
}

fn count(published: &Published) -> Result<crate::controller::act::ApiRequest, kube::core::request::Error> {
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let last = Time::new(published.last).rfc3339();
    let body = json!({"count": published.count, "lastTimestamp": last});
    Request::new(path(&published.namespace)).patch(&published.name, &params, &Patch::Merge(body))
}

/// Cuts at a character's edge.
fn clip_bytes(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
