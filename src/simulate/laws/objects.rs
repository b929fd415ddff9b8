//! What the laws know of everything that is not a Rollout: ReplicaSets, Services, routes, endpoints, analysis runs.

use super::past::Past;
use super::read::{self, Id, controller, flag, list, number, owned, text};
use super::rollout::hash_of;
use crate::base::names::{annotation, label};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::sync::Arc;

/// A ReplicaSet.
#[derive(Clone, Debug, Default)]
pub struct Set {
    pub name: String,
    /// uid of the controlling Rollout; empty when something else or nothing controls it.
    pub owner: String,
    pub hash: String,
    /// `spec.replicas`.
    pub desired: Past,
    pub current: i64,
    /// As its own controller counts.
    pub available: Past,
    pub deadline: Option<DateTime<Utc>>,
    pub annotated: i64,
    pub deleting: bool,
}

impl Set {
    pub fn read(&mut self, raw: &Value, at: DateTime<Utc>, keep: TimeDelta) {
        let (kind, uid) = controller(raw);
        self.name = owned(&raw["metadata"], "name");
        self.owner = if kind == "Rollout" {
            uid.to_owned()
        } else {
            String::new()
        };
        self.hash = hash_of(raw).to_owned();
        self.desired
            .push(at, raw["spec"]["replicas"].as_i64().unwrap_or(1), keep);
        self.current = number(&raw["status"], "replicas");
        self.available
            .push(at, number(&raw["status"], "availableReplicas"), keep);
        self.deadline = read::time(&raw["metadata"]["annotations"][annotation::SCALE_DOWN_DEADLINE]);
        let annotated = read::annotation(raw, annotation::DESIRED_REPLICAS);
        self.annotated = annotated.and_then(|text| text.parse().ok()).unwrap_or(-1);
        self.deleting = raw["metadata"]["deletionTimestamp"].is_string();
    }

    /// `ReplicaSet web-abc (wants 4, available 3)`.
    pub fn told(&self) -> String {
        format!(
            "ReplicaSet {} (wants {}, available {})",
            self.name,
            self.desired.now(),
            self.available.now()
        )
    }
}

/// A Service: the version it selects, and how many endpoints of it are ready.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Empty when it selects pods of every version.
    pub hash: String,
    /// When it last began to select another version.
    pub moved: Option<DateTime<Utc>>,
    /// Ready endpoints.
    pub ready: Past,
    pub slices: bool,
}

pub fn service_hash(raw: &Value) -> &str {
    text(&raw["spec"]["selector"], label::POD_HASH)
}

/// Stands for whatever gets the rest of a rule, where that names no Service.
pub const REST: &str = "*";

/// The backends of one route, rule by rule: Service and weight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    pub rules: Vec<Vec<(String, i64)>>,
}

impl Route {
    pub fn read(raw: &Value) -> Self {
        let service = |backend: &&Value| {
            matches!(text(backend, "kind"), "" | "Service") && text(backend, "group").is_empty()
        };
        let weight = |backend: &Value| (owned(backend, "name"), backend["weight"].as_i64().unwrap_or(1));
        let rule = |rule: &Value| {
            list(rule, "backendRefs")
                .iter()
                .filter(service)
                .map(weight)
                .collect()
        };
        Self {
            rules: list(&raw["spec"], "rules").iter().map(rule).collect(),
        }
    }

    /// The weights of the rules that name both Services, or both subsets: (canary, stable).
    pub fn driven<'r>(&'r self, [canary, stable]: [&'r str; 2]) -> impl Iterator<Item = (i64, i64)> + 'r {
        // A route names a subset without the rule that defines it.
        let there = |name: &'r str| name.find('/').map_or(name, |at| &name[at..]);
        let (canary, stable) = (there(canary), there(stable));
        let of = |rule: &[(String, i64)], name: &str| {
            rule.iter()
                .find(|(service, _)| service == name)
                .map(|(_, weight)| *weight)
        };
        self.rules.iter().filter_map(move |rule| {
            let rest = || of(rule, stable).or_else(|| of(rule, REST));
            Some((of(rule, canary)?, rest()?))
        })
    }
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    pub service: Id,
    pub ready: i64,
}

impl Slice {
    pub fn read(namespace: &str, raw: &Value) -> Self {
        let ready = |endpoint: &&Value| endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        let service = read::label(raw, "kubernetes.io/service-name").to_owned();
        Self {
            service: (namespace.to_owned(), service),
            ready: i64::try_from(list(raw, "endpoints").iter().filter(ready).count()).unwrap_or(0),
        }
    }
}

/// An AnalysisRun.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub id: Id,
    pub uid: String,
    /// uid of the controlling Rollout.
    pub owner: String,
    /// `Step`, `Background`, …
    pub type_: String,
    pub step: String,
    pub hash: String,
    pub revision: String,
    pub phase: String,
    pub terminate: bool,
    pub deleting: bool,
    pub raw: Arc<Value>,
}

impl Run {
    pub fn read(id: &Id, raw: &Arc<Value>) -> Self {
        let (kind, uid) = controller(raw);
        Self {
            id: id.clone(),
            uid: owned(&raw["metadata"], "uid"),
            owner: if kind == "Rollout" {
                uid.to_owned()
            } else {
                String::new()
            },
            type_: read::label(raw, label::ROLLOUT_TYPE).to_owned(),
            step: read::label(raw, label::STEP_INDEX).to_owned(),
            hash: hash_of(raw).to_owned(),
            revision: read::annotation(raw, annotation::REVISION)
                .unwrap_or_default()
                .to_owned(),
            phase: owned(&raw["status"], "phase"),
            terminate: flag(&raw["spec"], "terminate"),
            deleting: raw["metadata"]["deletionTimestamp"].is_string(),
            raw: Arc::clone(raw),
        }
    }

    pub fn over(&self) -> bool {
        matches!(
            self.phase.as_str(),
            "Successful" | "Failed" | "Error" | "Inconclusive"
        )
    }

    pub fn failed(&self) -> bool {
        matches!(self.phase.as_str(), "Failed" | "Error")
    }
}
