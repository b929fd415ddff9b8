//! A very small API server for the command tests: one Rollout and what belongs to it, over HTTP on loopback.
//!
//! It reads, watches and merge-patches like a real one; it can fall silent, refuse, stop and start again on its port.

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use serin::base::json::merge_apply;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What the server does with every request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Mood {
    #[default]
    Serve,
    /// Takes requests and never answers.
    Hang,
    /// Answers every request with this code.
    Refuse(u16),
    /// Serves reads and refuses watches.
    NoWatch,
}

#[derive(Default)]
struct World {
    mood: Mood,
    rollout: Option<Value>,
    /// Objects by plural, for lists.
    lists: BTreeMap<&'static str, Vec<Value>>,
    version: u64,
    events: Vec<(u64, &'static str, Value)>,
    /// `METHOD path body` of every write.
    writes: Vec<String>,
    watches: usize,
    reads: usize,
    no_status_subresource: bool,
    /// Somebody else's merge patch, just before the next write.
    before_write: Option<Value>,
}

struct Shared {
    world: Mutex<World>,
    /// Wakes test threads.
    heard: Condvar,
    /// Wakes watches.
    version: watch::Sender<u64>,
}

pub struct FakeApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl FakeApi {
    pub fn new(rollout: Option<Value>) -> Self {
        let shared = Arc::new(Shared {
            world: Mutex::new(World::default()),
            heard: Condvar::new(),
            version: watch::Sender::new(0),
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut api = Self {
            shared,
            address,
            runtime: None,
        };
        api.start();
        api.put(rollout);
        api
    }

    /// Serves on the port it had before, if any.
    pub fn start(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let runtime = Runtime::new().unwrap();
        let app = Router::new()
            .route(
                "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/{*name}",
                get(one).patch(one),
            )
            .route("/apis/argoproj.io/v1alpha1/namespaces/shop/{plural}", get(many))
            .route("/apis/apps/v1/namespaces/shop/{plural}", get(many))
            .route("/api/v1/namespaces/shop/{plural}", get(many))
            .with_state(self.shared.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    /// Cuts every connection and frees the port.
    pub fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap()
    }

    pub fn mood(&self, mood: Mood) {
        self.world().mood = mood;
    }

    pub fn without_status_subresource(&self) {
        self.world().no_status_subresource = true;
    }

    /// What a list of `plural` gives; an empty list stands for one that is forbidden.
    pub fn list(&self, plural: &'static str, objects: Vec<Value>) {
        self.world().lists.insert(plural, objects);
    }

    /// Stores the Rollout, or deletes it, and tells the watches.
    pub fn put(&self, rollout: Option<Value>) {
        self.shared.store(&mut self.world(), rollout);
    }

    /// Merges `patch` into the Rollout.
    pub fn change(&self, patch: Value) {
        let mut world = self.world();
        let mut rollout = world.rollout.clone().unwrap();
        merge_apply(&mut rollout, &patch);
        self.shared.store(&mut world, Some(rollout));
    }

    /// Merges `patch` into the Rollout just before the next write reaches it.
    pub fn change_before_the_next_write(&self, patch: Value) {
        self.world().before_write = Some(patch);
    }

    /// Blocks until this many watches have been opened.
    pub fn wait_for_watches(&self, count: usize) {
        let few = |world: &mut World| world.watches < count;
        let limit = Duration::from_secs(20);
        let (_world, late) = self
            .shared
            .heard
            .wait_timeout_while(self.world(), limit, few)
            .unwrap();
        assert!(!late.timed_out(), "no watch was opened");
    }

    /// Blocks until the Rollout has been read this often.
    pub fn wait_for_reads(&self, count: usize) {
        let few = |world: &mut World| world.reads < count;
        let limit = Duration::from_secs(20);
        let (_world, late) = self
            .shared
            .heard
            .wait_timeout_while(self.world(), limit, few)
            .unwrap();
        assert!(!late.timed_out(), "the rollout was not read");
    }

    pub fn writes(&self) -> Vec<String> {
        self.world().writes.clone()
    }

    /// A kubeconfig for this server; `name` keeps tests apart.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kubeconfig-{name}"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "me", "namespace": "shop"}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn store(&self, world: &mut World, rollout: Option<Value>) {
        world.version += 1;
        let version = world.version;
        let (kind, object) = match (rollout, world.rollout.take()) {
            (None, None) => return,
            (None, Some(old)) => ("DELETED", old),
            (Some(mut new), old) => {
                new["metadata"]["resourceVersion"] = version.to_string().into();
                world.rollout = Some(new.clone());
                (if old.is_some() { "MODIFIED" } else { "ADDED" }, new)
            }
        };
        world.events.push((version, kind, object));
        self.version.send_replace(version);
    }
}

type Query_ = Query<BTreeMap<String, String>>;

/// GET, PATCH of the Rollout or its status.
async fn one(State(shared): State<Arc<Shared>>, Path(path): Path<String>, request: Request) -> Response {
    if let Some(answer) = moody(&shared, false).await {
        return answer;
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (name, part) = path.split_once('/').unwrap_or((&path, ""));
    let mut world = shared.world.lock().unwrap();
    if parts.method == Method::PATCH {
        let body = String::from_utf8_lossy(&body);
        world.writes.push(format!("PATCH {path} {body}"));
    }
    let known = world
        .rollout
        .as_ref()
        .is_some_and(|r| r["metadata"]["name"] == name);
    if !known || (part == "status" && world.no_status_subresource) {
        return refusal(404, &format!("rollouts.argoproj.io \"{name}\" not found"));
    }
    if parts.method == Method::PATCH {
        if let Some(change) = world.before_write.take() {
            let mut rollout = world.rollout.clone().unwrap();
            merge_apply(&mut rollout, &change);
            shared.store(&mut world, Some(rollout));
        }
        let mut rollout = world.rollout.clone().unwrap();
        let patch: Value = serde_json::from_slice(&body).unwrap();
        let guard = &patch["metadata"]["resourceVersion"];
        if !guard.is_null() && *guard != rollout["metadata"]["resourceVersion"] {
            return refusal(409, "the object has been modified");
        }
        merge_apply(&mut rollout, &patch);
        shared.store(&mut world, Some(rollout));
    }
    world.reads += 1;
    shared.heard.notify_all();
    Json(world.rollout.clone().unwrap()).into_response()
}

/// LIST of a kind, or a watch of the Rollout.
async fn many(
    State(shared): State<Arc<Shared>>,
    Path(plural): Path<String>,
    Query(query): Query_,
) -> Response {
    let watching = query.contains_key("watch");
    if let Some(answer) = moody(&shared, watching).await {
        return answer;
    }
    if watching {
        let since = query
            .get("resourceVersion")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        return watch_since(shared, since);
    }
    let items = shared.world.lock().unwrap().lists.get(plural.as_str()).cloned();
    if items.as_ref().is_some_and(Vec::is_empty) {
        return refusal(403, &format!("{plural} is forbidden"));
    }
    Json(json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items.unwrap_or_default()}))
        .into_response()
}

fn watch_since(shared: Arc<Shared>, since: u64) -> Response {
    let version = shared.version.subscribe();
    shared.world.lock().unwrap().watches += 1;
    shared.heard.notify_all();
    let events = futures::stream::unfold(
        (shared, version, since),
        |(shared, mut version, since)| async move {
            loop {
                version.mark_unchanged();
                let next = shared
                    .world
                    .lock()
                    .unwrap()
                    .events
                    .iter()
                    .find(|event| event.0 > since)
                    .cloned();
                if let Some((at, kind, object)) = next {
                    let line = format!("{}\n", json!({"type": kind, "object": object}));
                    return Some((Ok::<_, std::io::Error>(line), (shared, version, at)));
                }
                version.changed().await.ok()?;
            }
        },
    );
    Body::from_stream(events).into_response()
}

async fn moody(shared: &Shared, watching: bool) -> Option<Response> {
    let mood = shared.world.lock().unwrap().mood;
    match mood {
        Mood::Serve => None,
        Mood::NoWatch if watching => {
            let mut world = shared.world.lock().unwrap();
            world.watches += 1;
            shared.heard.notify_all();
            Some(refusal(403, "watching is forbidden"))
        }
        Mood::NoWatch => None,
        Mood::Refuse(code) => Some(refusal(code, "the server says no")),
        Mood::Hang => std::future::pending().await,
    }
}

fn refusal(code: u16, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "reason": "Because", "details": {"kind": "rollouts"}});
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}
