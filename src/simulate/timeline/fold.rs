//! From records to rows.

use super::picture::{Picture, Set, hash_of, step_index, tag};
use super::{Happening, Measured, Row, Served, State, Summary, Timeline, Version};
use crate::api::analysis_run::completed;
use crate::api::phase::client_phase;
use crate::api::rollout::Rollout;
use crate::cluster::request::Verb;
use crate::cluster::store::{Change, Key, Store};
use crate::simulate::record::{Record, ReplicaEvent, Requested, What};
use crate::simulate::world::beginning;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const ROLLOUTS: &str = "rollouts.argoproj.io";
const RUNS: &str = "analysisruns.argoproj.io";
const SETS: &str = "replicasets.apps";
const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
/// Pods that become ready within this time of each other are one row.
const SETTLED: TimeDelta = TimeDelta::seconds(1);
/// A fault that bites all the time is told this often.
const FAULT_EVERY: TimeDelta = TimeDelta::seconds(60);
/// What changed before the controller started is the scene, not the story.
const SETUP: &str = "setup";
/// Reasons of Events that only say what another row says: a step, a phase, a measurement, the beginning of a release.
const ECHOES: [&str; 7] = [
    "RolloutStepCompleted",
    "RolloutAborted",
    "RolloutUpdated",
    "RolloutNotCompleted",
    "NewReplicaSetCreated",
    "TrafficWeightUpdated",
    "RolloutPaused",
];
/// So do those that begin like this.
const ECHOES_OF_ANALYSES: [&str; 2] = ["AnalysisRun", "Metric"];

fn is_echo(reason: &str) -> bool {
    ECHOES.contains(&reason) || ECHOES_OF_ANALYSES.iter().any(|start| reason.starts_with(start))
}

struct Fold<'a> {
    namespace: &'a str,
    name: &'a str,
    now: DateTime<Utc>,
    picture: Picture,
    rows: Vec<Row>,
    /// When pods last changed without a row that shows it.
    unsettled: Option<DateTime<Utc>>,
    shown: State,
    /// By name: when it was told last, and how often it bit since.
    faults: BTreeMap<&'static str, (DateTime<Utc>, u64)>,
    versions: Vec<Version>,
    summary: Summary,
    /// When the last release began, and whether there was any.
    released: Option<f64>,
    phase_since: f64,
}

pub(super) fn fold<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    store: &Store,
    (namespace, name): (&str, &str),
) -> Timeline {
    let mut fold = Fold {
        namespace,
        name,
        now: beginning(),
        picture: Picture::default(),
        rows: Vec::new(),
        unsettled: None,
        shown: State::default(),
        faults: BTreeMap::new(),
        versions: Vec::new(),
        summary: Summary::default(),
        released: None,
        phase_since: 0.0,
    };
    for record in records {
        fold.take(record);
    }
    fold.settle(DateTime::<Utc>::MAX_UTC);
    fold.finish(store)
}

impl Fold<'_> {
    fn take(&mut self, record: &Record) {
        self.settle(record.at);
        self.now = record.at;
        match &record.what {
            What::Request(request) => self.request(request),
            What::Changed(changes) => changes.iter().for_each(|one| self.change(one, "the cluster")),
            What::Traffic(served) => served.iter().for_each(|one| self.serve(one)),
            What::Slack(sent) => {
                self.summary.messages += 1;
                self.row(Happening::Slack {
                    channel: sent.channel.clone(),
                    thread: sent.thread.is_some(),
                    text: unescaped(&sent.text),
                });
            }
            What::Asked(_) => self.summary.measurements += 1,
            What::Replica { name, what } => {
                let did = match what {
                    ReplicaEvent::Started => "starts",
                    ReplicaEvent::Crashed => "crashes",
                    ReplicaEvent::Stopping => "is told to stop",
                    ReplicaEvent::Stopped => "has stopped",
                };
                self.row(Happening::Controller {
                    replica: name.to_string(),
                    did: did.into(),
                });
            }
            What::Fault { name, detail } => self.fault(name, detail),
            What::Actor { name, does } => self.row(Happening::Did {
                who: name.clone(),
                did: does.clone(),
            }),
            What::Log { .. } => {}
        }
    }

    fn seconds(&self, at: DateTime<Utc>) -> f64 {
        (at - beginning()).num_milliseconds() as f64 / 1_000.0
    }

    fn row(&mut self, what: Happening) {
        self.row_at(self.now, what);
    }

    fn row_at(&mut self, at: DateTime<Utc>, what: Happening) {
        self.unsettled = None;
        self.shown = self.picture.state();
        self.rows.push(Row {
            at: self.seconds(at),
            what,
            state: self.shown.clone(),
            served: Served::default(),
        });
    }

    /// Shows what pods have become, once nothing more changes about them.
    fn settle(&mut self, now: DateTime<Utc>) {
        let Some(since) = self.unsettled.filter(|since| now - *since >= SETTLED) else {
            return;
        };
        self.unsettled = None;
        if self.picture.state() != self.shown {
            self.row_at(since, Happening::Pods);
        }
    }

    fn fault(&mut self, name: &'static str, detail: &str) {
        let told = self.faults.entry(name).or_insert((DateTime::<Utc>::MIN_UTC, 0));
        if self.now - told.0 < FAULT_EVERY {
            told.1 += 1;
            return;
        }
        let before = std::mem::replace(told, (self.now, 0)).1;
        self.row(Happening::Fault {
            name: name.into(),
            detail: detail.into(),
            before,
        });
    }

    fn serve(&mut self, served: &crate::simulate::record::Served) {
        let canary = self.picture.updating() && served.hash == self.picture.current();
        let refused = served.pod.is_empty();
        if let Some(row) = self.rows.last_mut() {
            row.served.requests += served.requests;
            match refused {
                true => row.served.refused += served.requests,
                false => row.served.errors += served.errors,
            }
            if canary {
                row.served.canary += served.requests;
            }
        }
        if refused {
            self.summary.refused += served.requests;
            if self.released.is_some() {
                self.summary.bad += served.requests;
            }
            return;
        }
        let errors_as_canary = if canary { served.errors } else { 0.0 };
        self.summary.bad += errors_as_canary;
        let version = self.version(&served.hash);
        version.requests += served.requests;
        version.errors += served.errors;
        version.errors_as_canary += errors_as_canary;
    }

    fn version(&mut self, hash: &str) -> &mut Version {
        let found = self.versions.iter().position(|version| version.hash == hash);
        let at = found.unwrap_or_else(|| {
            let set = self.picture.sets.get(hash);
            self.versions.push(Version {
                tag: set.map(|set| set.tag.clone()).unwrap_or_default(),
                hash: hash.to_owned(),
                ..Version::default()
            });
            self.versions.len() - 1
        });
        &mut self.versions[at]
    }

    fn request(&mut self, request: &Requested) {
        if request.caller.starts_with("serin-") {
            if &*request.resource == "events" && request.verb == Verb::Create && request.code < 300 {
                self.event(&request.body);
            }
        } else if &*request.caller != SETUP {
            self.foreign(request);
        }
        for change in &request.changes {
            self.change(change, &request.caller);
        }
    }

    /// A request of somebody else, unless it was just said what they do.
    fn foreign(&mut self, request: &Requested) {
        if matches!(request.verb, Verb::Get | Verb::List | Verb::Watch) {
            return;
        }
        let said = matches!(self.rows.last(), Some(row)
            if matches!(row.what, Happening::Did { .. }) && row.at == self.seconds(self.now));
        if said && request.code < 300 {
            return;
        }
        let resource = request.resource.split('.').next().unwrap_or_default();
        let mut did = match request.verb {
            Verb::Create => format!("creates {resource}"),
            Verb::Delete => format!("deletes {resource} {}", request.name),
            _ => format!("changes {resource} {}", request.name),
        };
        if request.code >= 300 {
            did = format!("{did}: refused with {}", request.code);
        }
        self.row(Happening::Did {
            who: request.caller.to_string(),
            did,
        });
    }

    fn event(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = &event["involvedObject"];
        let ours = match about["kind"].as_str() {
            Some("Rollout") => about["name"] == self.name,
            Some("AnalysisRun") => text(&about["name"]).starts_with(&format!("{}-", self.name)),
            _ => false,
        };
        let reason = text(&event["reason"]);
        if ours && about["namespace"] == self.namespace && !is_echo(&reason) {
            self.row(Happening::Event {
                reason,
                message: text(&event["message"]),
                warning: event["type"] == "Warning",
            });
        }
    }

    fn change(&mut self, change: &Change, by: &str) {
        if change.key.namespace != self.namespace {
            return;
        }
        match &*change.key.resource {
            ROLLOUTS if change.key.name == self.name => self.rollout(change),
            SETS if owned(&change.last, self.name) => self.set(change),
            RUNS if owned(&change.last, self.name) => self.run(change),
            ROUTES => self.route(change, by),
            _ => {}
        }
    }

    fn set(&mut self, change: &Change) {
        let hash = hash_of(&change.last);
        match &change.after {
            Some(object) => self.picture.sets.insert(hash, Set::of(object)),
            None => self.picture.sets.remove(&hash),
        };
        self.unsettled = Some(self.now);
    }

    fn route(&mut self, change: &Change, by: &str) {
        let before = self.picture.route();
        let name = change.key.name.clone();
        match &change.after {
            Some(object) => self.picture.routes.insert(name, Arc::clone(object)),
            None => self.picture.routes.remove(&name),
        };
        let weight = self.picture.route();
        if before != weight {
            self.row(Happening::Route {
                weight,
                by: by.to_owned(),
            });
        }
    }

    fn rollout(&mut self, change: &Change) {
        let before = std::mem::replace(&mut self.picture.rollout, change.after.clone());
        let Some(after) = &change.after else {
            return self.row(Happening::Object {
                object: format!("Rollout {}", self.name),
                gone: true,
            });
        };
        let Some(before) = before else {
            let version = match tag(&after["spec"]["template"]) {
                none if none.is_empty() => String::new(),
                tag => format!(", version {tag}"),
            };
            return self.row(Happening::Object {
                object: format!("Rollout {}{version}", self.name),
                gone: false,
            });
        };
        for what in differences(&before, after, &self.picture) {
            match &what {
                Happening::Release { .. } => self.released = Some(self.seconds(self.now)),
                Happening::Phase { .. } => self.phase_since = self.seconds(self.now),
                _ => {}
            }
            self.row(what);
        }
    }

    fn run(&mut self, change: &Change) {
        let Some(after) = &change.after else { return };
        let null = Arc::new(Value::Null);
        let before = change.before.as_ref().unwrap_or(&null);
        let measurements = measured(before, after);
        if !measurements.is_empty() {
            self.row(Happening::Measured { measurements });
        }
        let (was, is) = (&before["status"]["phase"], &after["status"]["phase"]);
        if was != is && !is.is_null() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            self.row(Happening::Analysis {
                name: change.key.name.clone(),
                phase: text(is),
                message: text(&after["status"]["message"]),
            });
        }
    }

    fn finish(mut self, store: &Store) -> Timeline {
        let key = Key::new(&Arc::from(ROLLOUTS), self.namespace, self.name);
        let rollout = store.get(&key);
        let typed = rollout.and_then(|rollout| serde_json::from_value::<Rollout>(Value::clone(rollout)).ok());
        let (phase, message) = match &typed {
            Some(rollout) => {
                let (phase, message) = client_phase(rollout, self.now);
                (phase.to_owned(), message)
            }
            None if rollout.is_some() => ("Unreadable".to_owned(), String::new()),
            None => ("Gone".to_owned(), String::new()),
        };
        let stable = self.picture.sets.get(self.picture.stable());
        self.summary.stable = stable.map(|set| set.tag.clone());
        (self.summary.phase, self.summary.message) = (phase, message);
        let since = self.phase_since;
        self.summary.took = self.released.map(|released| (since - released).max(0.0));
        self.summary.lasted = self.seconds(self.now);
        self.summary.versions = self.versions;
        Timeline {
            rollout: format!("{}/{}", self.namespace, self.name),
            rows: self.rows,
            summary: self.summary,
        }
    }
}

fn owned(object: &Value, name: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .any(|owner| owner["kind"] == "Rollout" && owner["name"] == name)
}

/// What a write to the Rollout changed, for people.
fn differences(before: &Value, after: &Value, picture: &Picture) -> Vec<Happening> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (was, is) = (&before["status"], &after["status"]);
    let mut found = Vec::new();
    let (from, to) = (&before["spec"]["replicas"], &after["spec"]["replicas"]);
    if from != to {
        found.push(Happening::Replicas {
            from: from.as_i64().unwrap_or(1),
            to: to.as_i64().unwrap_or(1),
        });
    }
    let hash = &is["currentPodHash"];
    if was["currentPodHash"] != *hash && picture.updating() {
        let set = picture.sets.get(picture.current());
        found.push(Happening::Release {
            // The template of a Rollout that refers to a workload is not in it.
            version: set.map_or_else(|| tag(&after["spec"]["template"]), |set| set.tag.clone()),
            hash: text(hash),
            revision: set.and_then(|set| set.revision),
        });
    }
    let (from, to) = (step_index(before), step_index(after));
    if from != to && picture.updating() && is["abort"] != true {
        found.push(Happening::Step { from, to });
    }
    if (&was["phase"], &was["message"]) != (&is["phase"], &is["message"]) {
        found.push(Happening::Phase {
            phase: text(&is["phase"]),
            message: text(&is["message"]),
        });
    }
    found
}

/// The measurements that a write added.
fn measured(before: &Value, after: &Value) -> Vec<Measured> {
    let key = |name: &Value, one: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(name), text(&one["startedAt"]), text(&one["phase"]))
    };
    let each = |run: &Value| -> Vec<(Value, Value)> {
        let results = run["status"]["metricResults"].as_array().cloned();
        let of = |result: Value| {
            let all = result["measurements"].as_array().cloned().unwrap_or_default();
            all.into_iter().map(move |one| (result.clone(), one))
        };
        results.unwrap_or_default().into_iter().flat_map(of).collect()
    };
    let known: BTreeSet<_> = each(before)
        .iter()
        .map(|(result, one)| key(&result["name"], one))
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    each(after)
        .iter()
        .filter(|(_, one)| completed(one["phase"].as_str().unwrap_or_default()))
        .filter(|(result, one)| !known.contains(&key(&result["name"], one)))
        .map(|(result, one)| Measured {
            metric: text(&result["name"]),
            value: text(&one["value"]),
            verdict: text(&one["phase"]),
            message: text(&one["message"]),
            dry_run: result["dryRun"] == true,
        })
        .collect()
}

/// What a reader of Slack sees.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
