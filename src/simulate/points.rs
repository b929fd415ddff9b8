//! Every point at which the world can turn: the controller dies before or after each of its calls, or stops hearing of one kind
//! of object from some event on. The end must be that of the undisturbed run.

use crate::base::names::annotation;
use crate::base::object::Kind;
use crate::cluster::request::{Call, Verb};
use crate::cluster::store::Store;
use crate::simulate::fault::{Fault, Mail, Misanswer, Mischief, Misdelivery, Mismail, Point, Query};
use crate::simulate::people::id;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const LEASES: &str = "leases.coordination.k8s.io";

/// Whether a call counts as a point: what is read or written for the Rollouts' sake.
pub fn is_point(call: &Call) -> bool {
    call.verb != Verb::Watch && &*call.resource.id != LEASES
}

/// What was about to happen, or had happened, when a replica met the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Call(Point, DateTime<Utc>),
    /// A watch event, a metric provider, Slack: a death before it is not the same as one after it.
    Other,
}

/// Listens to an undisturbed run, and tells which of its crash points differ.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Vec<Met>>>);

/// Within this time of an answer the next call follows from it.
const AT_ONCE: TimeDelta = TimeDelta::milliseconds(20);

impl Tape {
    /// All crash points of the run, as numbers of calls, each once. A replica that dies before a call which it makes right after the
    /// answer to another leaves the same world as one that dies before that answer.
    pub fn points(&self) -> Vec<(usize, Point)> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut points = Vec::new();
        let (mut sent, mut applied) = (0, 0);
        let mut last = Met::Other;
        for now in met.iter().copied() {
            match now {
                Met::Call(Point::Before, at) => {
                    let follows = matches!(last, Met::Call(Point::After, then) if at - then <= AT_ONCE);
                    points.extend((!follows).then_some((sent, Point::Before)));
                    sent += 1;
                }
                Met::Call(Point::After, _) => {
                    points.push((applied, Point::After));
                    applied += 1;
                }
                Met::Other => {}
            }
            last = now;
        }
        points
    }

    fn add(&self, met: Met) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(met);
    }
}

impl Fault for Tape {
    fn name(&self) -> &'static str {
        "tape"
    }

    fn request(&mut self, point: Point, call: &Call, now: DateTime<Utc>) -> Option<Mischief> {
        if is_point(call) {
            self.add(Met::Call(point, now));
        }
        None
    }

    fn deliver(&mut self, _: &Call, _: &Value, _: DateTime<Utc>) -> Option<Misdelivery> {
        self.add(Met::Other);
        None
    }

    fn ask(&mut self, _: &Query<'_>, _: DateTime<Utc>) -> Option<Misanswer> {
        self.add(Met::Other);
        None
    }

    fn mail(&mut self, _: &Mail<'_>, _: DateTime<Utc>) -> Option<Mismail> {
        self.add(Met::Other);
        None
    }
}

/// The replica that sends the `nth` call, from 0, dies there.
#[derive(Debug)]
pub struct CrashAt {
    pub nth: usize,
    pub point: Point,
    /// Until it starts again; never, when another replica shall go on.
    pub back: Option<Duration>,
    seen: usize,
    done: bool,
}

impl CrashAt {
    pub fn new(nth: usize, point: Point, back: Option<Duration>) -> Self {
        Self {
            nth,
            point,
            back,
            seen: 0,
            done: false,
        }
    }
}

impl Fault for CrashAt {
    fn name(&self) -> &'static str {
        "crash-at-call"
    }

    fn request(&mut self, point: Point, call: &Call, _: DateTime<Utc>) -> Option<Mischief> {
        if self.done || !is_point(call) || point != self.point {
            return None;
        }
        self.seen += 1;
        if self.seen <= self.nth {
            return None;
        }
        self.done = true;
        Some(Mischief::Crash(self.back))
    }
}

/// The caches of one kind stop at the `nth` event, from 0, for some time; then everything is told.
#[derive(Debug)]
pub struct StaleAt {
    pub resource: String,
    pub nth: usize,
    pub lasts: Duration,
    seen: usize,
}

impl StaleAt {
    pub fn new(resource: String, nth: usize, lasts: Duration) -> Self {
        Self {
            resource,
            nth,
            lasts,
            seen: 0,
        }
    }
}

impl Fault for StaleAt {
    fn name(&self) -> &'static str {
        "stale-at-event"
    }

    fn deliver(&mut self, call: &Call, event: &Value, _: DateTime<Utc>) -> Option<Misdelivery> {
        if *call.resource.id != *self.resource || event["type"] == "BOOKMARK" {
            return None;
        }
        self.seen += 1;
        (self.seen == self.nth + 1).then_some(Misdelivery::Delay(self.lasts))
    }
}

/// The mark of whoever writes at the same time as the controller.
const TOUCHED: &str = "example.org/touched";

/// What must be equal at the end of two runs: everything that the controller made or changed, without times, uids and versions,
/// and without what measurements happened to read.
pub fn end_state(store: &Store) -> BTreeMap<String, Value> {
    let kinds = [
        Kind::Rollout,
        Kind::ReplicaSet,
        Kind::AnalysisRun,
        Kind::Service,
        Kind::HttpRoute,
        Kind::Ingress,
        Kind::VirtualService,
        Kind::DestinationRule,
    ];
    let mut end = BTreeMap::new();
    for kind in kinds {
        let resource: Arc<str> = id(kind).into();
        for (key, object) in store.list(&resource, None) {
            let place = format!("{} {}/{}", kind.name(), key.namespace, key.name);
            end.insert(place, masked(object));
        }
    }
    end
}

fn masked(object: &Value) -> Value {
    let mut kept = Map::new();
    let meta = &object["metadata"];
    kept.insert("labels".into(), meta["labels"].clone());
    let mut annotations = without_times(&meta["annotations"]);
    if let Some(annotations) = annotations.as_object_mut() {
        // Whoever else touches objects leaves his mark at his own times.
        annotations.remove(TOUCHED);
        // Counts the sizes that a Deployment was given on its way to none: fewer, where some were skipped.
        annotations.remove(annotation::WORKLOAD_GENERATION);
    }
    let annotations = if annotations == json!({}) {
        Value::Null
    } else {
        annotations
    };
    kept.insert("annotations".into(), annotations);
    kept.insert("spec".into(), without_times(&object["spec"]));
    let mut status = without_times(&object["status"]);
    if let Some(status) = status.as_object_mut() {
        // How often a world that was disturbed looked, and which version of the spec it saw, is its own affair.
        for own in [
            "metricResults",
            "runSummary",
            "observedGeneration",
            "workloadObservedGeneration",
            "duration",
        ] {
            status.remove(own);
        }
    }
    kept.insert("status".into(), status);
    Value::Object(kept)
}

/// Times become a mark; so do the uids of owners.
fn without_times(value: &Value) -> Value {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => json!("{time}"),
        Value::Array(items) => items.iter().map(without_times).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), without_times(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// The first things that differ, for people.
pub fn differences(want: &BTreeMap<String, Value>, got: &BTreeMap<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (place, object) in want {
        match got.get(place) {
            None => found.push(format!("{place} is missing")),
            Some(other) => compare(place, object, other, &mut found),
        }
    }
    let more = got.keys().filter(|place| !want.contains_key(*place));
    found.extend(more.map(|place| format!("{place} is too many")));
    found
}

fn compare(path: &str, want: &Value, got: &Value, found: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            for name in want
                .keys()
                .chain(got.keys().filter(|name| !want.contains_key(*name)))
            {
                let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or(Value::Null);
                compare(&format!("{path}/{name}"), &of(want), &of(got), found);
            }
        }
        (Value::Array(want), Value::Array(got)) if path.ends_with("/conditions") => {
            compare(path, &by_type(want), &by_type(got), found);
        }
        _ if want != got => found.push(format!("{path}: {want} became {got}")),
        _ => {}
    }
}

fn by_type(conditions: &[Value]) -> Value {
    let named = conditions
        .iter()
        .map(|one| (one["type"].as_str().unwrap_or_default().to_owned(), one.clone()));
    named.collect::<Map<_, _>>().into()
}
