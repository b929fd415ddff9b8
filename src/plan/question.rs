//! Facts that a decision needs beyond the Rollout and what it owns.

use crate::api::analysis::AnalysisTemplate;
use crate::base::object::{Key, Kind, Meta};
use crate::plan::replica_set::ReplicaSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Asks for one object, by kind and key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    Service(Key),
    AnalysisTemplate(Key),
    ClusterAnalysisTemplate(String),
    /// An object of a traffic router.
    Route(Kind, Key),
    /// Any ReplicaSet of that name, whoever owns it.
    ReplicaSet(Key),
}

/// What the shell knows about a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The object does not exist.
    Missing,
    /// The question cannot be answered now (kind not installed, cache not ready, undecodable object); the reason for people.
    Unknown(String),
    Service(Service),
    Template(AnalysisTemplate),
    /// The object as it is, untyped.
    Route(Value),
    ReplicaSet(ReplicaSet),
}

/// The part of a Service that decisions read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    pub metadata: Meta,
    /// `spec.selector`.
    pub selector: BTreeMap<String, String>,
}

/// Answers by question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers(pub BTreeMap<Question, Answer>);

impl Answers {
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.0.get(question)
    }

    pub fn service(&self, key: &Key) -> Option<&Service> {
        match self.0.get(&Question::Service(key.clone())) {
            Some(Answer::Service(service)) => Some(service),
            _ => None,
        }
    }

    /// The template a reference means: cluster-scoped, or in `namespace`.
    pub fn template(&self, namespace: &str, name: &str, cluster_scope: bool) -> Option<&AnalysisTemplate> {
        match self.0.get(&Question::template(namespace, name, cluster_scope)) {
            Some(Answer::Template(template)) => Some(template),
            _ => None,
        }
    }

    pub fn route(&self, kind: Kind, key: &Key) -> Option<&Value> {
        match self.0.get(&Question::Route(kind, key.clone())) {
            Some(Answer::Route(route)) => Some(route),
            _ => None,
        }
    }
}

impl Question {
    pub fn template(namespace: &str, name: &str, cluster_scope: bool) -> Self {
        if cluster_scope {
            return Question::ClusterAnalysisTemplate(name.to_owned());
        }
        Question::AnalysisTemplate(Key::new(namespace, name))
    }
}
