//! How things stand, read from the objects as they are.

use super::router::canary_share;
use super::{Pods, State, Step};
use crate::base::names::label;
use crate::base::object::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A version of the Rollout, as its ReplicaSet shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Set {
    pub pods: Pods,
    pub tag: String,
    pub revision: Option<i64>,
}

impl Set {
    pub fn of(object: &Value) -> Self {
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        Self {
            pods: Pods {
                ready: number(&object["status"]["readyReplicas"]),
                desired: number(&object["spec"]["replicas"]),
            },
            tag: tag(&object["spec"]["template"]),
            revision: object["metadata"]["annotations"]["rollout.argoproj.io/revision"]
                .as_str()
                .and_then(|text| text.parse().ok()),
        }
    }
}

/// The image tag of the first container, or the whole image where there is none.
pub(super) fn tag(template: &Value) -> String {
    let image = template["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default();
    let tag = image.rsplit_once(':').map_or(image, |(_, tag)| tag);
    tag.to_owned()
}

/// The pod-template hash that a ReplicaSet is labelled with.
pub(super) fn hash_of(object: &Value) -> String {
    let hash = object["metadata"]["labels"][label::POD_HASH].as_str();
    hash.unwrap_or_default().to_owned()
}

/// What is known of a Rollout and what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub rollout: Option<Arc<Value>>,
    /// By pod-template hash.
    pub sets: BTreeMap<String, Set>,
    /// What carries weights, by kind and name.
    pub routes: BTreeMap<(&'static str, String), (Kind, Arc<Value>)>,
}

impl Picture {
    pub fn current(&self) -> &str {
        self.status("currentPodHash")
    }

    pub fn stable(&self) -> &str {
        self.status("stableRS")
    }

    fn status(&self, field: &str) -> &str {
        let rollout = self.rollout.as_ref();
        let text = rollout.and_then(|rollout| rollout["status"][field].as_str());
        text.unwrap_or_default()
    }

    /// Whether a new version is on its way.
    pub fn updating(&self) -> bool {
        self.current() != self.stable() && !self.stable().is_empty()
    }

    /// The canary's share in the routers of the namespace.
    pub fn route(&self) -> Option<i64> {
        let rollout = self.rollout.as_ref()?;
        let shares = self
            .routes
            .values()
            .filter_map(|(kind, object)| canary_share(*kind, object, rollout));
        shares.max()
    }

    pub fn state(&self) -> State {
        let Some(rollout) = &self.rollout else {
            return State::default();
        };
        let (current, stable) = (self.current(), self.stable());
        let first = stable.is_empty();
        let of = |hash: &str| self.sets.get(hash).map(|set| set.pods);
        let others = self
            .sets
            .iter()
            .filter(|(hash, _)| *hash != current && *hash != stable);
        State {
            step: self.updating().then(|| step(rollout)).flatten(),
            asked: self.updating().then(|| asked(rollout)),
            route: self.route(),
            stable: of(if first { current } else { stable }),
            canary: self.updating().then(|| of(current)).flatten(),
            others: others.map(|(_, set)| set.pods.ready).sum(),
        }
    }
}

fn steps(rollout: &Value) -> &[Value] {
    let steps = rollout["spec"]["strategy"]["canary"]["steps"].as_array();
    steps.map_or(&[], Vec::as_slice)
}

/// The index of the current step.
pub(super) fn step_index(rollout: &Value) -> Option<usize> {
    let index = rollout["status"]["currentStepIndex"].as_u64()?;
    usize::try_from(index).ok()
}

/// The step that is being carried out.
fn step(rollout: &Value) -> Option<Step> {
    if rollout["spec"]["strategy"]["blueGreen"].is_object() {
        return Some(side(rollout));
    }
    let (index, steps) = (step_index(rollout)?, steps(rollout));
    let kind = match rollout["status"]["abort"] == true {
        true => "aborted".to_owned(),
        false => steps.get(index).map_or("done".to_owned(), name),
    };
    Some(Step {
        index,
        count: steps.len(),
        kind,
    })
}

/// Whether the active Service leads to the new version.
fn switched(rollout: &Value) -> bool {
    let status = &rollout["status"];
    status["blueGreen"]["activeSelector"] == status["currentPodHash"]
}

/// On which side of the switch a blue-green update is.
fn side(rollout: &Value) -> Step {
    let status = &rollout["status"];
    let paused = status["pauseConditions"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    let kind = match switched(rollout) {
        _ if status["abort"] == true => "aborted",
        true => "switched",
        false if paused => "pause",
        false => "preview",
    };
    Step {
        index: usize::from(switched(rollout)),
        count: 2,
        kind: kind.to_owned(),
    }
}

fn name(step: &Value) -> String {
    let Some((kind, value)) = step.as_object().and_then(|step| step.iter().next()) else {
        return "nothing".into();
    };
    match (kind.as_str(), value) {
        ("setWeight", weight) => format!("setWeight {weight}"),
        ("pause", pause) => match &pause["duration"] {
            Value::Null => "pause".into(),
            Value::String(time) => format!("pause {time}"),
            time => format!("pause {time}s"),
        },
        ("setCanaryScale", scale) => match (&scale["replicas"], &scale["weight"]) {
            (Value::Null, Value::Null) => "scale with weight".into(),
            (Value::Null, weight) => format!("scale {weight} %"),
            (replicas, _) => format!("scale {replicas}"),
        },
        (kind, _) => kind.to_owned(),
    }
}

/// The share that is asked for.
fn asked(rollout: &Value) -> i64 {
    let status = &rollout["status"];
    if rollout["spec"]["strategy"]["blueGreen"].is_object() {
        return if switched(rollout) { 100 } else { 0 };
    }
    if let Some(weight) = status["canary"]["weights"]["canary"]["weight"].as_i64() {
        let routing = &rollout["spec"]["strategy"]["canary"]["trafficRouting"];
        let all = routing["maxTrafficWeight"].as_i64().unwrap_or(100);
        return weight * 100 / all.max(1);
    }
    if status["abort"] == true {
        return 0;
    }
    let steps = steps(rollout);
    let index = step_index(rollout).unwrap_or(steps.len());
    if index >= steps.len() || status["promoteFull"] == true {
        return 100;
    }
    let said = steps[..=index]
        .iter()
        .rev()
        .find_map(|step| step["setWeight"].as_i64());
    said.unwrap_or(0)
}
