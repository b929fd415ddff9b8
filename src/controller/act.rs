//! The only place that writes to Kubernetes.
//!
//! Each write carries its guard, a time limit and one field manager. The actions of a plan go out one after the other; the first that
//! fails ends it. Whether this replica still leads is asked before every one.

use crate::base::json::merge_apply;
use crate::base::names::label;
use crate::base::object::{Key, Kind};
use crate::base::{limits, names};
use crate::controller::error::{Error, Target};
use crate::controller::kinds;
use crate::controller::metrics::Metrics;
use crate::controller::watch::chain;
use crate::plan::{Action, Answer, Guard, Pod, Verb};
use kube::Client;
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::client::Body;
use kube::core::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// An HTTP request to the API server.
pub type ApiRequest = axum::http::Request<Vec<u8>>;

/// Sends requests to the API server and says in our words what came of them.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    metrics: Arc<Metrics>,
}

/// Identity and version of an object after a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub uid: String,
    pub version: String,
}

/// A write that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub kind: Kind,
    pub key: Key,
    pub verb: Verb,
    pub stamp: Stamp,
}

/// What came of a plan's actions.
#[derive(Debug, Default)]
pub struct Done {
    pub written: Vec<Written>,
    pub failure: Option<Error>,
    /// Pods whose eviction was asked for and refused.
    pub kept: Vec<Key>,
}

/// Carries out plans.
#[derive(Clone)]
pub struct Actor {
    writer: Writer,
    leads: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Writer {
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self { client, metrics }
    }

    /// Sends one request. The answer is the object after the write, or whatever the API server says to a delete.
    pub async fn send(
        &self,
        target: &Target,
        request: Result<ApiRequest, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        let request = request.map_err(|error| Error::Bug(format!("{target}: {error}")))?;
        let seconds = limits::WRITE_TIMEOUT_SECONDS;
        let answered = timeout(Duration::from_secs(seconds), self.exchange(target, request)).await;
        let (code, result) = match answered {
            Ok((code, result)) => (code, result),
            Err(_) => {
                let target = target.clone();
                ("timeout".to_owned(), Err(Error::Timeout { target, seconds }))
            }
        };
        let labels = [target.resource.as_str(), target.verb, code.as_str()];
        self.metrics.writes.with_label_values(&labels).inc();
        result
    }

    async fn exchange(&self, target: &Target, request: ApiRequest) -> (String, Result<Value, Error>) {
        let unreachable = |error: kube::Error| Error::Unreachable {
            target: target.clone(),
            message: chain(&error),
        };
        let response = match self.client.send(request.map(Body::from)).await {
            Ok(response) => response,
            Err(error) => return ("unreachable".into(), Err(unreachable(error))),
        };
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = match response.into_body().collect_bytes().await {
            Ok(body) => body,
            Err(error) => return ("unreachable".into(), Err(unreachable(error))),
        };
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let versioned = json
            .pointer("/metadata/resourceVersion")
            .is_some_and(Value::is_string);
        let result = match code {
            // The version guards the next write to the object: an answer without it, cut short by a proxy perhaps, is none.
            200..=299 if !versioned && target.verb != "delete" && target.resource != EVICTION => {
                Err(Error::Unreachable {
                    target: target.clone(),
                    message: "the answer is no whole object".into(),
                })
            }
            200..=299 => Ok(json),
            _ => {
                let fallback = String::from_utf8_lossy(&body);
                Err(refusal(target.clone(), code, &json, fallback.trim(), retry_after))
            }
        };
        (code.to_string(), result)
    }
}

/// What an answer other than success means.
fn refusal(target: Target, code: u16, status: &Value, fallback: &str, retry_after: Option<u64>) -> Error {
    let reason = status["reason"].as_str().unwrap_or_default();
    let message = status["message"].as_str().unwrap_or(fallback);
    let message = limits::clip(message, limits::STATUS_MESSAGE_CHARS_MAX);
    match code {
        409 if reason == "AlreadyExists" => Error::AlreadyExists(target),
        409 => Error::Conflict(target),
        404 | 410 if target.verb != "create" => Error::Gone(target),
        429 => {
            let seconds = retry_after.or_else(|| status.pointer("/details/retryAfterSeconds")?.as_u64());
            let seconds = seconds.unwrap_or(1).min(limits::API_RETRY_AFTER_SECONDS_MAX);
            let after = Duration::from_secs(seconds);
            Error::Throttled { target, after }
        }
        403 => Error::Forbidden { target, message },
        400 | 413 | 422 => Error::Refused { target, message },
        _ => Error::Server {
            target,
            code,
            message,
        },
    }
}

impl Actor {
    /// `leads` tells whether this replica leads, at the moment it is asked.
    pub fn new(writer: Writer, leads: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { writer, leads }
    }

    /// Whether the API server has an object of this name; `None` when it does not say.
    pub async fn exists(&self, kind: Kind, key: &Key) -> Option<bool> {
        let uid = self.uid_of(kind, key).await?;
        Some(uid.is_some())
    }

    /// The uid of an object as the API server has it now, `Some(None)` when there is none; `None` when that cannot be told.
    pub async fn uid_of(&self, kind: Kind, key: &Key) -> Option<Option<String>> {
        let target = Target::new("get", kind.plural(), key);
        let request = Request::new(kinds::collection_path(kind, &key.namespace));
        let request = request.get(&key.name, &GetParams::default());
        match self.writer.send(&target, request).await {
            Ok(object) => Some(Some(
                object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            )),
            Err(Error::Gone(_)) => Some(None),
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        }
    }

    /// The pods of a namespace with this pod-template hash, the key's name.
    pub async fn pods(&self, of: &Key) -> Answer {
        let target = Target::new("list", "pods", of);
        let selector = format!("{}={}", label::POD_HASH, of.name);
        let mut params = ListParams::default()
            .labels(&selector)
            .limit(limits::LIST_PAGE_LEN);
        let mut pods = Vec::new();
        loop {
            let request = Request::new(kinds::collection_path(Kind::Pod, &of.namespace)).list(&params);
            let mut page = match self.writer.send(&target, request).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!("{error}");
                    return Answer::Unknown(error.to_string());
                }
            };
            let items = page["items"].as_array_mut().map(std::mem::take);
            for item in items.into_iter().flatten() {
                match Pod::from_json(item) {
                    Ok(pod) => pods.push(pod),
                    Err(why) => return Answer::Unknown(format!("a pod cannot be read: {why}")),
                }
            }
            match page["metadata"]["continue"]
                .as_str()
                .filter(|token| !token.is_empty())
            {
                Some(token) => params = params.continue_token(token),
                None => break,
            }
        }
        pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Answer::Pods(pods)
    }

    /// The whole of an object that the plan saw a part of, as it is now. Listed: the role that must do has no right to get pods.
    async fn newest(&self, action: &Action, guard: &Stamp, target: &Target) -> Result<Value, Error> {
        let path = kinds::collection_path(action.kind, &action.key.namespace);
        let named = format!("metadata.name={}", action.key.name);
        let params = ListParams::default().fields(&named).limit(1);
        let listed = Target::new("list", action.kind.plural(), &action.key);
        let mut page = self
            .writer
            .send(&listed, Request::new(path).list(&params))
            .await?;
        let items = page["items"].as_array_mut().and_then(Vec::pop);
        let object = items.ok_or_else(|| Error::Gone(target.clone()))?;
        let seen = stamp(&object);
        let same = seen == *guard;
        same.then_some(object)
            .ok_or_else(|| Error::Conflict(target.clone()))
    }

    /// Carries out the actions in order until one fails.
    pub async fn carry_out(&self, actions: &[Action]) -> Done {
        let mut done = Done::default();
        // What our own writes of this plan returned: a later write to the same object is guarded by that.
        let mut stamps: BTreeMap<(Kind, Key), Stamp> = BTreeMap::new();
        for action in actions {
            let id = (action.kind, action.key.clone());
            match self.carry_out_one(action, stamps.get(&id)).await {
                Err(error) if action.verb == Verb::Evict && error.refuses() => {
                    tracing::info!("not evicted now: {error}");
                    done.kept.push(action.key.clone());
                    done.written.push(Written {
                        kind: action.kind,
                        key: action.key.clone(),
                        verb: action.verb,
                        stamp: guarded(action).unwrap_or_default(),
                    });
                }
                Ok(stamp) => {
                    stamps.insert(id, stamp.clone());
                    done.written.push(Written {
                        kind: action.kind,
                        key: action.key.clone(),
                        verb: action.verb,
                        stamp,
                    });
                }
                Err(error) => {
                    done.failure = Some(error);
                    break;
                }
            }
        }
        done
    }

    async fn carry_out_one(&self, action: &Action, earlier: Option<&Stamp>) -> Result<Stamp, Error> {
        let verb = kinds::verb_name(action.verb);
        let target = Target::new(verb, kinds::resource_name(action.kind, action.verb), &action.key);
        if !kinds::WRITES.contains(&(action.kind, action.verb)) {
            return Err(Error::Bug(format!("{target} is not a write that Serin makes")));
        }
        let guard = earlier.cloned().or_else(|| guarded(action));
        let request = match (action.verb, &guard) {
            (Verb::Create, None) => create(action),
            (Verb::Patch | Verb::PatchStatus, Some(guard)) => patch(action, guard),
            (Verb::Replace, Some(guard)) => match self.newest(action, guard, &target).await {
                Ok(object) => replace(action, &object),
                // A pod that is gone needs no label.
                Err(Error::Gone(_)) if action.kind == Kind::Pod => return Ok(guard.clone()),
                Err(error) => return Err(error),
            },
            (Verb::Delete, Some(guard)) => delete(action, guard),
            (Verb::Evict, Some(guard)) => evict(action, guard),
            _ => {
                return Err(Error::Bug(format!(
                    "{target} has a guard that does not fit: {:?}",
                    action.guard
                )));
            }
        };
        if !(self.leads)() {
            return Err(Error::NotLeader(target));
        }
        let answer = match self.writer.send(&target, request).await {
            // It is gone, as the plan wants it.
            Err(Error::Gone(_)) if action.verb == Verb::Delete || action.kind == Kind::Pod => {
                return Ok(guard.unwrap_or_default());
            }
            answer => answer?,
        };
        match action.verb {
            Verb::Delete | Verb::Evict => Ok(guard.unwrap_or_default()),
            _ => Ok(stamp(&answer)),
        }
    }
}

/// What a write is guarded by, if it is.
fn guarded(action: &Action) -> Option<Stamp> {
    match &action.guard {
        Guard::Absent => None,
        Guard::Seen {
            uid,
            resource_version,
        } => Some(Stamp {
            uid: uid.clone(),
            version: resource_version.clone(),
        }),
    }
}

fn stamp(object: &Value) -> Stamp {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    Stamp {
        uid: text("uid"),
        version: text("resourceVersion"),
    }
}

type Built = Result<ApiRequest, kube::core::request::Error>;

fn create(action: &Action) -> Built {
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let path = kinds::collection_path(action.kind, &action.key.namespace);
    let mut body = action.body.clone();
    body["apiVersion"] = json!(action.kind.api_version());
    body["kind"] = json!(action.kind.name());
    Request::new(path).create(&params, body.to_string().into_bytes())
}

/// uid and resourceVersion go into the body: the API server refuses the patch with a conflict when the object has others.
fn patch(action: &Action, guard: &Stamp) -> Built {
    let mut body = action.body.clone();
    body["metadata"]["uid"] = json!(guard.uid);
    body["metadata"]["resourceVersion"] = json!(guard.version);
    let params = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let request = Request::new(kinds::collection_path(action.kind, &action.key.namespace));
    match action.verb {
        Verb::PatchStatus => {
            request.patch_subresource("status", &action.key.name, &params, &Patch::Merge(body))
        }
        _ => request.patch(&action.key.name, &params, &Patch::Merge(body)),
    }
}

/// The object with the change in it. Its uid and resourceVersion are those that were seen, and guard it.
fn replace(action: &Action, object: &Value) -> Built {
    let mut body = object.clone();
    merge_apply(&mut body, &action.body);
    // Items of a list do not say what they are.
    body["apiVersion"] = json!(action.kind.api_version());
    body["kind"] = json!(action.kind.name());
    let params = PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    let request = Request::new(kinds::collection_path(action.kind, &action.key.namespace));
    request.replace(&action.key.name, &params, body.to_string().into_bytes())
}

/// The answer to an eviction is no object.
const EVICTION: &str = "pods/eviction";

/// Whatever happened to the pod since it was seen: it is the same pod, and the budgets over it are asked now.
fn evict(action: &Action, guard: &Stamp) -> Built {
    let body = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": action.key.name, "namespace": action.key.namespace},
        "deleteOptions": {"preconditions": {"uid": guard.uid}},
    });
    let params = PostParams::default();
    let request = Request::new(kinds::collection_path(action.kind, &action.key.namespace));
    request.create_subresource(
        "eviction",
        &action.key.name,
        &params,
        body.to_string().into_bytes(),
    )
}

fn delete(action: &Action, guard: &Stamp) -> Built {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(guard.uid.clone()),
            resource_version: Some(guard.version.clone()),
        }),
        ..DeleteParams::default()
    };
    Request::new(kinds::collection_path(action.kind, &action.key.namespace)).delete(&action.key.name, &params)
}
