//! Slack as the controller meets it: takes messages, finds them again, and refuses what it was told to. Keeps what people would read.

use crate::base::secret::Secret;
use crate::cluster::Cluster;
use crate::controller::slack::{Carried, Carrier};
use crate::notify::slack::{Message, render_text};
use crate::simulate::crew::Crew;
use crate::simulate::fault::{Mail, Mismail};
use crate::simulate::gate::{Faults, Turns, lock};
use crate::simulate::record::{Sent, What};
use crate::simulate::stage::Stage;
use futures::future::{BoxFuture, FutureExt, pending};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, sleep_until};

const CALL_MS: (u64, u64) = (30, 200);

/// The workspace. Clones share it.
#[derive(Clone)]
pub struct Slack {
    cluster: Cluster,
    stage: Stage,
    turns: Arc<Mutex<Turns>>,
    faults: Faults,
    posted: Arc<Mutex<Vec<Posted>>>,
    /// The only token it accepts.
    token: Arc<Mutex<Secret<String>>>,
}

#[derive(Clone, Debug)]
struct Posted {
    ts: String,
    channel: String,
    body: Value,
}

impl Slack {
    pub fn new(
        cluster: Cluster,
        stage: Stage,
        turns: Arc<Mutex<Turns>>,
        faults: Faults,
        token: Secret<String>,
    ) -> Self {
        Self {
            cluster,
            stage,
            turns,
            faults,
            posted: Arc::default(),
            token: Arc::new(Mutex::new(token)),
        }
    }

    /// From now on it accepts this token and no other.
    pub fn accept(&self, token: Secret<String>) {
        *lock(&self.token) = token;
    }

    /// One replica's way to it.
    pub fn for_replica(&self, replica: &Arc<str>, crew: Crew) -> Post {
        Post {
            slack: self.clone(),
            replica: Arc::clone(replica),
            crew,
        }
    }

    fn answer(&self, replica: &Arc<str>, method: &str, url: &str, body: Option<Value>) -> Value {
        match (method, body) {
            ("chat.postMessage", Some(body)) => self.post(replica, body),
            ("conversations.history" | "conversations.replies", None) => self.list(method, url),
            _ => json!({"ok": false, "error": "unknown_method"}),
        }
    }

    fn post(&self, replica: &Arc<str>, body: Value) -> Value {
        let now = self.stage.now();
        let ts = {
            let posted = lock(&self.posted);
            format!("{}.{:06}", now.timestamp(), posted.len() + 1)
        };
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let channel = text("/channel").unwrap_or_default();
        let sent = Sent {
            replica: Arc::clone(replica),
            channel: channel.clone(),
            thread: text("/thread_ts"),
            id: text("/metadata/event_payload/message").unwrap_or_default(),
            text: text("/text").unwrap_or_default(),
            whole: whole(&body),
        };
        lock(&self.posted).push(Posted {
            ts: ts.clone(),
            channel: channel.clone(),
            body,
        });
        self.stage.tell(&self.cluster, What::Slack(Box::new(sent)));
        json!({"ok": true, "channel": channel, "ts": ts, "message": {"text": ""}})
    }

    fn list(&self, method: &str, url: &str) -> Value {
        let url = reqwest::Url::parse(url).ok();
        let param = |name: &str| {
            let pairs = url.as_ref()?.query_pairs();
            let found = pairs.into_iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned())
        };
        let (channel, root) = (param("channel").unwrap_or_default(), param("ts"));
        let oldest = param("oldest").unwrap_or_default();
        let listed = |posted: &&Posted| {
            let thread = posted.body["thread_ts"].as_str();
            let wanted = match method {
                "conversations.replies" => {
                    thread == root.as_deref() || Some(posted.ts.as_str()) == root.as_deref()
                }
                _ => thread.is_none() || posted.body["reply_broadcast"] == true,
            };
            posted.channel == channel && wanted && posted.ts > oldest
        };
        let shown = |posted: &Posted| {
            json!({"ts": posted.ts, "thread_ts": posted.body["thread_ts"], "text": posted.body["text"],
                "metadata": posted.body["metadata"]})
        };
        let posted = lock(&self.posted);
        let messages: Vec<Value> = posted.iter().filter(listed).map(shown).collect();
        json!({"ok": true, "messages": messages, "response_metadata": {"next_cursor": ""}})
    }
}

fn whole(body: &Value) -> String {
    render_text(&Message {
        text: String::new(),
        blocks: body["blocks"].as_array().cloned().unwrap_or_default(),
    })
}

/// One replica's way to Slack.
pub struct Post {
    slack: Slack,
    replica: Arc<str>,
    crew: Crew,
}

impl Post {
    fn struck(&self, method: &str) -> Option<Mismail> {
        let now = self.slack.stage.now();
        let mail = Mail {
            replica: &self.replica,
            method,
        };
        let (name, mismail) = lock(&self.slack.faults)
            .iter_mut()
            .find_map(|fault| Some((fault.name(), fault.mail(&mail, now)?)))?;
        self.crew.bitten(name, || format!("{method} of {}", self.replica));
        Some(mismail)
    }
}

fn carried(status: u16, retry_after: Option<Duration>, body: &Value) -> Result<Carried, String> {
    Ok(Carried {
        status,
        retry_after,
        body: body.to_string(),
    })
}

impl Carrier for Post {
    fn carry(
        &self,
        url: &str,
        body: Option<Value>,
        token: &str,
    ) -> BoxFuture<'static, Result<Carried, String>> {
        let post = Post {
            slack: self.slack.clone(),
            replica: Arc::clone(&self.replica),
            crew: self.crew.clone(),
        };
        let (url, accepted) = (url.to_owned(), token == lock(&post.slack.token).expose());
        async move {
            let turn = lock(&post.slack.turns).draw(CALL_MS);
            sleep_until(turn).await;
            let path = url.split('?').next().unwrap_or_default();
            let method = path.rsplit('/').next().unwrap_or_default();
            if !accepted {
                return carried(200, None, &json!({"ok": false, "error": "invalid_auth"}));
            }
            match post.struck(method) {
                None => {}
                Some(Mismail::Refuse) => return Err("connection reset by peer".into()),
                Some(Mismail::Status(status, wait)) => return carried(status, wait, &json!({})),
                Some(Mismail::Code(code)) => {
                    return carried(200, None, &json!({"ok": false, "error": code}));
                }
                Some(Mismail::DeliverAndHang(wait)) => {
                    post.slack.answer(&post.replica, method, &url, body);
                    sleep(wait).await;
                    return Err("connection reset by peer".into());
                }
                Some(Mismail::DeliverAndCrash(back)) => {
                    post.slack.answer(&post.replica, method, &url, body);
                    post.crew.crash(&post.replica, Some(back));
                    return pending().await;
                }
                Some(Mismail::Delay(wait)) => sleep(wait).await,
            }
            let answer = post.slack.answer(&post.replica, method, &url, body);
            carried(200, None, &answer)
        }
        .boxed()
    }
}
