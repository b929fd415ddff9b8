//! A stand-in for Slack: its Web API on loopback, as far as Serin uses it.
//!
//! It refuses what Slack refuses (token, channel, threads, forms and lengths of blocks), can be slow, limit the rate, fail, hang, accept
//! and then break the connection, or be down; and it keeps what was posted, in order. Independent of Serin's own code.

#![allow(dead_code)] // Every test binary that includes this file uses another part of it.

#[path = "slack_blocks.rs"]
mod blocks;
#[path = "slack_methods.rs"]
mod methods;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

/// What happens to one of the next calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// 429 with `Retry-After`, in seconds.
    RateLimit(u64),
    /// Nothing is done; this HTTP status.
    Status(u16),
    /// Nothing is done; never an answer.
    Hang,
    /// Nothing is done; `ok: false` with this code.
    Refuse(&'static str),
    /// Done, but only after this time.
    Slow(Duration),
    /// Done, but the answer never comes.
    AcceptThenHang,
    /// Done, but the connection breaks before the answer is complete.
    AcceptThenDrop,
    /// Done, but the answer is this HTTP status.
    AcceptThenStatus(u16),
    /// Done, but the answer is a page of HTML.
    AcceptThenHtml,
}

/// One message as Slack keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    pub ts: String,
    /// The channel's id.
    pub channel: String,
    /// Absent for the first message of a thread.
    pub thread_ts: Option<String>,
    pub text: String,
    pub blocks: Vec<Value>,
    pub metadata: Value,
    pub broadcast: bool,
}

/// One call as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub at: Instant,
}

#[derive(Clone, Debug)]
pub struct Channel {
    pub id: String,
    pub name: String,
    pub archived: bool,
    /// Whether the app is in it.
    pub joined: bool,
}

struct Inner {
    token: String,
    /// Whether the token may read messages.
    history_scope: bool,
    channels: Vec<Channel>,
    messages: Vec<Posted>,
    calls: Vec<Call>,
    /// Faults of the next calls, by method.
    faults: BTreeMap<String, VecDeque<Fault>>,
    count: u64,
}

type Shared = Arc<(Mutex<Inner>, Notify)>;

/// A running stand-in. Dropping it stops it.
pub struct Slack {
    shared: Shared,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl Slack {
    /// Starts on a free port of loopback, with the channel `C0000TEST` (`#releases`).
    pub async fn start(token: &str) -> Self {
        Self::start_at(token, "127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts at a given address.
    pub async fn start_at(token: &str, address: SocketAddr) -> Self {
        let channel = Channel {
            id: "C0000TEST".into(),
            name: "releases".into(),
            archived: false,
            joined: true,
        };
        let inner = Inner {
            token: token.into(),
            history_scope: true,
            channels: vec![channel],
            messages: Vec::new(),
            calls: Vec::new(),
            faults: BTreeMap::new(),
            count: 0,
        };
        let mut slack = Self {
            shared: Arc::new((Mutex::new(inner), Notify::new())),
            address,
            stop: None,
        };
        slack.up().await;
        slack
    }

    /// For `--slack-api-url`.
    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Listens (again), on the same port as before.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the stand-in's port is free");
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        let app = router(self.shared.clone());
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        tokio::spawn(server.into_future());
    }

    /// Stops listening; returns when connections are refused.
    pub async fn down(&mut self) {
        self.stop = None;
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// The next calls of `method` meet these faults, one each.
    pub fn faults(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        self.lock()
            .faults
            .entry(method.into())
            .or_default()
            .extend(faults);
    }

    pub fn add_channel(&self, channel: Channel) {
        self.lock().channels.push(channel);
    }

    pub fn set_token(&self, token: &str) {
        self.lock().token = token.into();
    }

    /// Takes away (or gives back) the right to read messages.
    pub fn set_history_scope(&self, allowed: bool) {
        self.lock().history_scope = allowed;
    }

    /// Deletes a message, as a person can.
    pub fn delete(&self, ts: &str) {
        self.lock().messages.retain(|message| message.ts != ts);
    }

    pub fn messages(&self) -> Vec<Posted> {
        self.lock().messages.clone()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How often `method` was called.
    pub fn called(&self, method: &str) -> usize {
        self.lock()
            .calls
            .iter()
            .filter(|call| call.method == method)
            .count()
    }

    /// Waits until `condition` holds for what was posted and called.
    pub async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let met = async {
            loop {
                let changed = self.shared.1.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        let met = tokio::time::timeout(Duration::from_secs(20), met).await;
        assert!(
            met.is_ok(),
            "not within 20 s: {what}\ncalls: {:?}\nmessages: {:#?}",
            self.calls(),
            self.messages()
        );
    }

    pub async fn until_posted(&self, count: usize) -> Vec<Posted> {
        self.until(&format!("{count} messages"), |slack| {
            slack.lock().messages.len() >= count
        })
        .await;
        self.messages()
    }

    /// Everything posted as text, replies indented; `render` makes text of one message.
    pub fn transcript(&self, render: impl Fn(&str, &[Value]) -> String) -> String {
        let mut out = String::new();
        for message in self.messages() {
            let indent = if message.thread_ts.is_some() { "    " } else { "" };
            for line in render(&message.text, &message.blocks).lines() {
                out.push_str(&format!("{indent}{line}\n"));
            }
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.0.lock().unwrap()
    }
}

/// Mentions that Slack would carry out in these texts: people would be called.
pub fn mentions(message: &Posted) -> Vec<String> {
    let all = format!("{} {}", message.text, Value::Array(message.blocks.clone()));
    let markers = [
        "<!channel",
        "<!here",
        "<!everyone",
        "<!subteam",
        "<@",
        "@here",
        "@channel",
        "@everyone",
    ];
    markers
        .iter()
        .filter(|marker| all.contains(*marker))
        .map(|marker| (*marker).to_owned())
        .collect()
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/api/auth.test", post(methods::auth_test).get(methods::auth_test))
        .route("/api/chat.postMessage", post(methods::post_message))
        .route("/api/chat.update", post(methods::update_message))
        .route("/api/conversations.history", get(methods::history))
        .route("/api/conversations.replies", get(methods::replies))
        .fallback(|| async { refusal("unknown_method") })
        .with_state(shared)
}

fn refusal(code: &str) -> Response {
    Json(json!({"ok": false, "error": code})).into_response()
}

type Answer = Result<Value, String>;

/// Runs one call: counts it, applies its fault, checks the token, and answers in Slack's form.
async fn run(
    shared: Shared,
    method: &str,
    headers: HeaderMap,
    work: impl FnOnce(&mut Inner) -> Answer,
) -> Response {
    let fault = {
        let mut inner = shared.0.lock().unwrap();
        inner.calls.push(Call {
            method: method.into(),
            at: Instant::now(),
        });
        inner.faults.get_mut(method).and_then(VecDeque::pop_front)
    };
    shared.1.notify_waiters();
    match &fault {
        Some(Fault::RateLimit(seconds)) => return rate_limited(*seconds),
        Some(Fault::Status(status)) => return status_only(*status),
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Refuse(code)) => return refusal(code),
        Some(Fault::Slow(time)) => tokio::time::sleep(*time).await,
        _ => {}
    }
    let answer = {
        let mut inner = shared.0.lock().unwrap();
        authorized(&inner, &headers).and_then(|()| work(&mut inner))
    };
    shared.1.notify_waiters();
    match fault {
        Some(Fault::AcceptThenHang) => std::future::pending().await,
        Some(Fault::AcceptThenDrop) => broken(),
        Some(Fault::AcceptThenStatus(status)) => status_only(status),
        Some(Fault::AcceptThenHtml) => {
            ([(header::CONTENT_TYPE, "text/html")], "<html>busy</html>").into_response()
        }
        _ => match answer {
            Ok(mut body) => {
                body["ok"] = true.into();
                Json(body).into_response()
            }
            Err(code) => refusal(&code),
        },
    }
}

fn rate_limited(seconds: u64) -> Response {
    let body = Json(json!({"ok": false, "error": "ratelimited"}));
    (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::RETRY_AFTER, seconds.to_string())],
        body,
    )
        .into_response()
}

fn status_only(status: u16) -> Response {
    (StatusCode::from_u16(status).unwrap(), "something went wrong").into_response()
}

/// An answer whose body breaks off.
fn broken() -> Response {
    let pieces = [
        Ok(Bytes::from_static(b"{\"ok\":")),
        Err(std::io::Error::other("gone")),
    ];
    Body::from_stream(futures::stream::iter(pieces)).into_response()
}

fn authorized(inner: &Inner, headers: &HeaderMap) -> Result<(), String> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        None | Some("") => Err("not_authed".into()),
        Some(token) if token != inner.token => Err("invalid_auth".into()),
        Some(_) => Ok(()),
    }
}
