//! What happened, as a text that people read and as a hash that equal runs share.

use crate::base::gotime::Time;
use crate::cluster::request::Verb;
use crate::simulate::record::{Record, ReplicaEvent, Requested, What};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How much of a transcript is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The last so many records: enough to say how it came to the end.
    Last(usize),
    All,
}

/// The transcript of a run.
#[derive(Debug)]
pub struct Transcript {
    keep: Keep,
    records: VecDeque<Record>,
    hasher: DefaultHasher,
}

impl Transcript {
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            records: VecDeque::new(),
            // Its keys are fixed: equal records give equal hashes in every process.
            hasher: DefaultHasher::new(),
        }
    }

    pub fn add(&mut self, record: Record) {
        hash(&record, &mut self.hasher);
        if let Keep::Last(len) = self.keep
            && self.records.len() >= len
        {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// Equal for two runs in which the same things happened at the same times.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// What is kept, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter()
    }
}

fn hash(record: &Record, to: &mut DefaultHasher) {
    record.at.timestamp_millis().hash(to);
    match &record.what {
        What::Request(request) => {
            (&request.caller, &request.resource, request.code).hash(to);
            (&request.namespace, &request.name, request.verb as u8).hash(to);
            for change in &request.changes {
                change.version.hash(to);
                hash_value(&change.last, to);
            }
        }
        What::Changed(changes) => {
            for change in changes {
                (change.version, &change.key.name).hash(to);
            }
        }
        What::Asked(asked) => (&asked.query, &asked.answer).hash(to),
        What::Slack(sent) => (&sent.channel, &sent.text).hash(to),
        What::Traffic(served) => {
            for one in served {
                (&one.pod, one.requests.to_bits(), one.errors.to_bits()).hash(to);
            }
        }
        other => line_of(other).hash(to),
    }
}

fn hash_value(value: &Value, to: &mut DefaultHasher) {
    match value {
        Value::Null => 0u8.hash(to),
        Value::Bool(yes) => yes.hash(to),
        Value::Number(number) => number.hash(to),
        Value::String(text) => text.hash(to),
        Value::Array(items) => items.iter().for_each(|item| hash_value(item, to)),
        Value::Object(fields) => {
            for (name, value) in fields {
                name.hash(to);
                hash_value(value, to);
            }
        }
    }
}

/// One line: when and what.
pub fn line(record: &Record) -> String {
    format!("{} {}", Time::new(record.at).rfc3339(), line_of(&record.what))
}

fn line_of(what: &What) -> String {
    match what {
        What::Request(request) => of_request(request),
        What::Changed(changes) => {
            let mut text = "cluster".to_owned();
            for change in changes {
                let verb = match (&change.before, &change.after) {
                    (None, _) => "new",
                    (_, None) => "gone",
                    _ => "changed",
                };
                let _ = write!(text, " {verb} {}/{}", change.key.resource, change.key.name);
            }
            text
        }
        What::Asked(asked) => {
            let answer = match &asked.answer {
                Ok((status, body)) => format!("{status} {}", clip(body)),
                Err(why) => format!("no answer: {why}"),
            };
            format!("{} asks {} -> {answer}", asked.replica, clip(&asked.query))
        }
        What::Slack(sent) => format!("{} tells {}: {}", sent.replica, sent.channel, sent.text),
        What::Traffic(served) => {
            let sum = |of: fn(&crate::simulate::record::Served) -> f64| served.iter().map(of).sum::<f64>();
            format!(
                "users: {:.1} requests, {:.1} errors",
                sum(|one| one.requests),
                sum(|one| one.errors)
            )
        }
        What::Replica { name, what } => {
            let what = match what {
                ReplicaEvent::Started => "starts",
                ReplicaEvent::Crashed => "crashes",
                ReplicaEvent::Stopping => "is told to stop",
                ReplicaEvent::Stopped => "is gone",
            };
            format!("{name} {what}")
        }
        What::Fault { name, detail } => format!("FAULT {name}: {detail}"),
        What::Actor { name, does } => format!("{name}: {does}"),
        What::Log { replica, line } => format!("{replica} logs {line}"),
    }
}

fn of_request(request: &Requested) -> String {
    let Requested {
        caller,
        verb,
        resource,
        namespace,
        name,
        subresource,
        body,
        code,
        changes,
    } = request;
    let mut text = format!("{caller} {verb:?} {resource} {namespace}/{name}");
    if !subresource.is_empty() {
        let _ = write!(text, "/{subresource}");
    }
    let _ = write!(text, " -> {code}");
    if !matches!(verb, Verb::Get | Verb::List | Verb::Watch) && !body.is_null() {
        let _ = write!(text, " {}", clip(&body.to_string()));
    }
    if changes.is_empty() && *code < 300 && *verb != Verb::Get && *verb != Verb::List {
        text.push_str(" (nothing changed)");
    }
    text
}

/// As much as fits on a line or two.
fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 240;
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
