//! What happened, one thing at a time, in the order in which it happened: the input of every law and of the transcript.

use crate::cluster::request::Verb;
use crate::cluster::store::{Change, Store};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::sync::Arc;

/// One thing that happened. What changed the cluster is applied already when it is told.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: DateTime<Utc>,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A request reached the API server and was answered there; whether the caller heard of it is another matter.
    Request(Box<Requested>),
    /// The cluster's own controllers and nodes changed something, or somebody did behind the API.
    Changed(Vec<Change>),
    /// A metric provider was asked.
    Asked(Box<Asked>),
    /// Slack got a message (whether or not its answer reached the sender).
    Slack(Box<Sent>),
    /// Requests of users were served, or were not, since the last such record.
    Traffic(Vec<Served>),
    /// A replica of the controller starts, crashes, is told to stop, or is gone.
    Replica { name: Arc<str>, what: ReplicaEvent },
    /// A fault begins or ends, or bites once.
    Fault { name: &'static str, detail: String },
    /// A person or another program does something; the requests that follow are records of their own.
    Actor { name: String, does: String },
    /// A line of the log at level info or above.
    Log { replica: Arc<str>, line: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaEvent {
    Started,
    Crashed,
    Stopping,
    Stopped,
}

/// A request as the API server saw it.
#[derive(Clone, Debug)]
pub struct Requested {
    /// `serin-a`, `serin-b` for the controller's replicas; a person's or program's name otherwise.
    pub caller: Arc<str>,
    pub verb: Verb,
    /// `plural.group`, or `plural` in the core group.
    pub resource: Arc<str>,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    /// Null when there is none.
    pub body: Value,
    /// HTTP status of the answer.
    pub code: u16,
    /// What the request changed; empty when nothing.
    pub changes: Vec<Change>,
}

/// A question to a metric provider.
#[derive(Clone, Debug)]
pub struct Asked {
    pub replica: Arc<str>,
    pub query: String,
    /// HTTP status and body of the answer, or why there is none.
    pub answer: Result<(u16, String), String>,
}

/// A message in Slack.
#[derive(Clone, Debug)]
pub struct Sent {
    pub replica: Arc<str>,
    pub channel: String,
    /// The first message of its thread, when it is in one.
    pub thread: Option<String>,
    /// What names the message for good: the controller's own metadata.
    pub id: String,
    /// What notifications show of it.
    pub text: String,
    /// All of it without markup, one fact a line.
    pub whole: String,
}

/// Requests of users to one pod, or to none.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Namespace and name of the route (or of the Service, without one) they came by.
    pub by: (String, String),
    pub service: String,
    /// Empty when no endpoint could carry them.
    pub pod: String,
    /// The version's pod-template hash; empty with `pod`.
    pub hash: String,
    pub requests: f64,
    pub errors: f64,
}

/// What a law looks at: what just happened, and the cluster as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub record: &'a Record,
    pub store: &'a Store,
}
