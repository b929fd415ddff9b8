//! Watches: what happened since a version, and what happens from now on, as seen through a selector.
//!
//! Real: initial events, `sendInitialEvents` with its closing bookmark, bookmarks each minute, objects that enter and
//! leave the selector, `timeoutSeconds`, 410 in the stream for versions that are no longer kept. Absent: the server's
//! own time limit is always half an hour (the real one varies it).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Cluster;
use super::bell::Ear;
use super::connections::Connection;
use super::failure::Failure;
use super::gate::Delivery;
use super::options;
use super::read;
use super::request::Call;
use super::select::Selector;
use super::store::{Change, Key};
use super::world::World;

const BOOKMARK: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(1_800);
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// One client's watch.
pub struct Watch {
    cluster: Cluster,
    call: Call,
    selector: Selector,
    /// Everything up to this version was looked at.
    seen: u64,
    pending: VecDeque<Value>,
    /// An event that waits for the next.
    held: Option<Value>,
    connection: Connection,
    changed: Ear<u64>,
    deadline: Instant,
    bookmark: Option<Instant>,
    ended: bool,
}

impl Watch {
    /// Begins a watch; the initial events are those of this moment.
    pub fn begin(cluster: &Cluster, world: &World, call: Call) -> Result<Self, Failure> {
        let selector = read::selector(&call)?;
        let initial = options::initial_events(&call)?;
        let bookmarks = call.query.flag("allowWatchBookmarks");
        let from = read::asked(&call).map_err(Failure::internal)?;
        let from = from.filter(|&version| version > 0);
        let timeout = call
            .query
            .number("timeoutSeconds")
            .map_or(TIMEOUT, Duration::from_secs);
        let mut watch = Self {
            cluster: cluster.clone(),
            selector,
            seen: from.unwrap_or_else(|| world.store.version()),
            pending: VecDeque::new(),
            held: None,
            connection: cluster.shared.connections.open(&call.caller),
            changed: cluster.subscribe(),
            deadline: Instant::now() + timeout,
            bookmark: bookmarks.then(|| Instant::now() + BOOKMARK),
            ended: false,
            call,
        };
        if let Some(from) = from.filter(|&from| from < watch.call.resource.since) {
            // What was before the resource was served, the server cannot tell.
            watch.pending.push_back(expired(from, watch.call.resource.since));
            watch.ended = true;
        } else if initial == Some(true) || (from.is_none() && initial.is_none()) {
            watch.show_all(world, initial == Some(true) && bookmarks);
        }
        Ok(watch)
    }

    fn show_all(&mut self, world: &World, closing: bool) {
        self.seen = world.store.version();
        for (_, object) in world.store.list(&self.call.resource.id, read::scope(&self.call)) {
            if self.selector.matches(object) {
                self.pending.push_back(self.event("ADDED", object));
            }
        }
        if closing {
            let mut event = self.bookmark_event();
            event["object"]["metadata"]["annotations"] = json!({INITIAL_END: "true"});
            self.pending.push_back(event);
        }
    }

    fn event(&self, kind: &str, object: &Value) -> Value {
        let object = match self.call.resource.form {
            _ if self.call.partial => read::partial(object),
            Some(form) if kind != "BOOKMARK" => (form.show)(object),
            _ => object.clone(),
        };
        json!({"type": kind, "object": object})
    }

    fn bookmark_event(&self) -> Value {
        let object = json!({
            "kind": self.call.resource.kind, "apiVersion": self.call.resource.api_version(),
            "metadata": {"resourceVersion": self.seen.to_string()},
        });
        self.event("BOOKMARK", &object)
    }

    /// Reads the changes that were not looked at yet.
    fn catch_up(&mut self) {
        let cluster = self.cluster.clone();
        let world = cluster.world();
        let Some(changes) = world.store.since(self.seen) else {
            let expired = expired(self.seen, world.store.compacted() + 1);
            self.pending.push_back(expired);
            self.ended = true;
            return;
        };
        for change in changes {
            self.seen = change.version;
            if let Some(event) = self.translate(change) {
                self.pending.push_back(event);
            }
        }
    }

    /// A change as this watch sees it through its selector.
    fn translate(&self, change: &Change) -> Option<Value> {
        let in_scope = change.key.resource == self.call.resource.id
            && read::scope(&self.call).is_none_or(|namespace| change.key.namespace == namespace);
        if !in_scope {
            return None;
        }
        let selected = |object: &Option<Arc<Value>>| {
            object
                .as_ref()
                .filter(|object| self.selector.matches(object))
                .cloned()
        };
        match (selected(&change.before), selected(&change.after)) {
            (None, Some(after)) => Some(self.event("ADDED", &after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", &after)),
            (Some(_), None) if change.after.is_none() => Some(self.event("DELETED", &change.last)),
            (Some(before), None) => {
                let mut gone = Value::clone(&before);
                gone["metadata"]["resourceVersion"] = change.version.to_string().into();
                Some(self.event("DELETED", &gone))
            }
            (None, None) => None,
        }
    }

    /// The next event; none when the watch is over.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.changed.catch_up();
            self.catch_up();
            if !self.pending.is_empty() {
                continue;
            }
            let bookmark = self.bookmark.unwrap_or(self.deadline).min(self.deadline);
            tokio::select! {
                biased;
                changed = self.changed.changed() => if changed.is_err() { self.ended = true },
                () = tokio::time::sleep_until(bookmark) => self.tick(),
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.bookmark.is_some() {
            self.bookmark = Some(now + BOOKMARK);
            self.pending.push_back(self.bookmark_event());
        }
        self.ended = now >= self.deadline;
    }

    /// The body of the answer.
    pub fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        stream::unfold(self, |mut watch| async move {
            let mut connection = watch.connection.clone();
            let text = tokio::select! {
                biased;
                () = connection.cut() => None,
                text = watch.text() => text,
            };
            text.map(|text| (Bytes::from(text), watch))
        })
    }

    /// What goes out next; none when the watch is over.
    async fn text(&mut self) -> Option<String> {
        loop {
            let event = self.next().await?;
            let gate = self.cluster.gate();
            let text = match gate.deliver(&self.call, &event).await {
                Delivery::Once => line(&event),
                Delivery::Twice => line(&event) + &line(&event),
                Delivery::Never => continue,
                Delivery::Close => return None,
                Delivery::Expire => {
                    self.pending.clear();
                    self.ended = true;
                    return Some(line(&expired(self.seen, self.seen + 1)));
                }
                Delivery::IfNewest if self.outdated(&event) => continue,
                Delivery::IfNewest => line(&event),
                Delivery::AfterNext => match self.held.replace(event) {
                    Some(before) => return Some(line(&before)),
                    None => continue,
                },
            };
            return Some(match self.held.take() {
                None => text,
                Some(held) if same(&held, &event) => line(&held) + &text,
                Some(held) => text + &line(&held),
            });
        }
    }

    /// Whether the object of an event has changed again since.
    fn outdated(&self, event: &Value) -> bool {
        if matches!(event["type"].as_str(), Some("BOOKMARK" | "DELETED" | "ERROR")) {
            return false;
        }
        let meta = &event["object"]["metadata"];
        let text = |field: &str| meta[field].as_str().unwrap_or_default();
        let key = Key::new(&self.call.resource.id, text("namespace"), text("name"));
        let world = self.cluster.world();
        let now = world.store.get(&key);
        now.is_none_or(|now| now["metadata"]["resourceVersion"] != meta["resourceVersion"])
    }
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

/// Whether two events are about one object.
fn same(one: &Value, other: &Value) -> bool {
    let name = |event: &Value| {
        let meta = &event["object"]["metadata"];
        (meta["namespace"].clone(), meta["name"].clone())
    };
    name(one) == name(other)
}

fn expired(asked: u64, first: u64) -> Value {
    let message = format!("too old resource version: {asked} ({first})");
    json!({"type": "ERROR", "object": Failure::expired(message).status()})
}
