//! An API server that records what it is asked and answers by script.

use crate::base::clock::Clock;
use crate::base::object::Kind;
use crate::base::seed::Seed;
use crate::controller::act::{Actor, Writer};
use crate::controller::announce::Announce;
use crate::controller::cached::Seen;
use crate::controller::caches::{Caches, Sync};
use crate::controller::events::{self, Publisher};
use crate::controller::http::Http;
use crate::controller::kinds;
use crate::controller::metrics::Metrics;
use crate::controller::pass::{Core, Memory, Shell};
use crate::controller::probe::{Api, Prober, Provider};
use crate::controller::slack::Counts;
use crate::controller::stores::Stored;
use crate::controller::watermark::Watermark;
use crate::measure::Defaults;
use crate::plan::Announcement;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use kube::Client;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the API server got it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path without the query, for example `PATCH /api/v1/namespaces/shop/services/web`.
    pub line: String,
    pub query: String,
    pub content_type: String,
    pub body: Value,
}

/// Status code, `Retry-After`, body.
pub type Answer = (u16, Option<u64>, Value);

type Script = dyn FnMut(&Asked) -> Reply + Send;

pub enum Reply {
    Answer(Answer),
    /// A watch: these events, and then silence.
    Watch(Vec<Value>),
    Never,
}

#[derive(Clone)]
pub struct FakeApi {
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Script>>,
}

impl FakeApi {
    pub fn new(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self {
            asked: Arc::default(),
            script: Arc::new(Mutex::new(script)),
        }
    }

    /// Says yes to every write: the object comes back with the next resourceVersion, from 101 on.
    pub fn yes() -> Self {
        let mut version = 100;
        Self::new(move |asked| {
            version += 1;
            Reply::Answer((200, None, stamped(&asked.body, version)))
        })
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let handler = move |request: Request| {
            let api = api.clone();
            async move { api.answer(request).await }
        };
        Client::new(Router::new().fallback(handler), "default")
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let header = parts
            .headers
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            line: format!("{} {}", parts.method, parts.uri.path()),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: header.unwrap_or_default(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let reply = (self.script.lock().unwrap())(&asked);
        match reply {
            Reply::Never => std::future::pending().await,
            Reply::Answer((code, retry_after, body)) => {
                let mut response = (StatusCode::from_u16(code).unwrap(), body.to_string()).into_response();
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert("retry-after", seconds.into());
                }
                response
            }
            Reply::Watch(events) => {
                let lines: Vec<_> = events
                    .iter()
                    .map(|event| Ok::<_, std::io::Error>(format!("{event}\n")))
                    .collect();
                let stream =
                    futures::StreamExt::chain(futures::stream::iter(lines), futures::stream::pending());
                Body::from_stream(stream).into_response()
            }
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

pub fn stamped(body: &Value, version: u64) -> Value {
    let mut object = body.clone();
    if !object.is_object() {
        object = json!({});
    }
    if object["metadata"]["uid"].is_null() {
        object["metadata"]["uid"] = json!("u1");
    }
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object
}

/// A `Status` as API servers send it with a refusal.
pub fn status(code: u16, reason: &str, message: &str) -> Reply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message});
    Reply::Answer((code, None, body))
}

/// What was announced.
#[derive(Clone, Default)]
pub struct Told(pub Arc<Mutex<Vec<Announcement>>>);

impl Announce for Told {
    fn send(&self, announcement: Announcement) {
        self.0.lock().unwrap().push(announcement);
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }
}

pub const BEGINNING: &str = "2026-11-21T08:00:00Z";

pub fn beginning() -> DateTime<Utc> {
    BEGINNING.parse().unwrap()
}

/// A shell over the fake with filled, empty caches, and the far end of its Events.
pub fn shell(api: &FakeApi, core: Core, told: &Told) -> (Arc<Shell>, Publisher) {
    let (client, clock) = (api.client(), Clock::starting_at(beginning()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let writer = Writer::new(client.clone(), Arc::clone(&metrics));
    let (events, publisher) = events::line(writer.clone(), Arc::clone(&metrics), Seed::new(1));
    let caches = Arc::new(Caches::new(&kinds::WATCHED));
    for kind in kinds::WATCHED {
        caches.set_sync(kind, Sync::Synced);
    }
    let prober = prober(client, clock.clone(), Provider::default(), &metrics, || {});
    let shell = Shell {
        core,
        clock,
        caches,
        watermark: Watermark::default(),
        actor: Actor::new(writer, Arc::new(|| true)),
        events,
        prober,
        metrics,
        announce: Arc::new(told.clone()),
        instance_id: String::new(),
        memory: Memory::default(),
        shadow: None,
    };
    (Arc::new(shell), publisher)
}

pub fn prober(
    client: Client,
    clock: Clock,
    provider: Provider,
    metrics: &Arc<Metrics>,
    kick: impl Fn() + Send + std::marker::Sync + 'static,
) -> Arc<Prober> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (http, defaults) = (Http::new().unwrap(), Defaults::default());
    let writer = Writer::new(client.clone(), Arc::clone(metrics));
    let actor = Actor::new(writer, Arc::new(|| true));
    Arc::new(Prober::new(
        provider,
        Api { client, actor },
        http,
        clock,
        defaults,
        Arc::clone(metrics),
        move |_| kick(),
    ))
}

/// Puts an object into the caches, as a watch would.
pub fn put<T: Stored>(caches: &Caches, kind: Kind, json: Value) {
    caches.change(kind, Seen::<T>::from_json(json));
}

pub fn rollout_json(name: &str, version: u64) -> Value {
    json!({"metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"),
        "resourceVersion": version.to_string()}, "spec": {"replicas": 3}})
}
