//! What pods wear in their role: labels and annotations that a version gets as canary or preview, and as stable or active.
//!
//! They are part of the ReplicaSet's template, for pods to come, and are edited on the pods that live; no pod is restarted. Only keys
//! that were put on are ever taken off. The ReplicaSet comes first and says which keys its pods may still show wrongly: whoever goes
//! on after a crash knows what is left to do.

use crate::api::strategy::PodMetadata;
use crate::base::limits;
use crate::base::names::annotation;
use crate::base::object::{Key, Kind};
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::{Answer, Pod, Question, ReplicaSet};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the annotation on a ReplicaSet says: Argo Rollouts' form, and a member of ours while pods are still being edited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Worn {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Keys>,
}

/// Keys that living pods may show otherwise than the template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    annotations: BTreeSet<String>,
}

impl Worn {
    fn of(set: &ReplicaSet) -> Self {
        let text = set.metadata.annotation(annotation::EPHEMERAL_METADATA);
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    fn new(wanted: &PodMetadata) -> Self {
        Self {
            labels: wanted.labels.clone(),
            annotations: wanted.annotations.clone(),
            pending: None,
        }
    }

    fn shows(&self, wanted: &PodMetadata) -> bool {
        self.labels == wanted.labels && self.annotations == wanted.annotations
    }

    /// Every key that was put on, or may still be on a pod.
    fn keys(&self) -> Keys {
        let mut keys = self.pending.clone().unwrap_or_default();
        keys.labels.extend(self.labels.keys().cloned());
        keys.annotations.extend(self.annotations.keys().cloned());
        keys
    }

    /// The annotation's value; null when there is nothing to say.
    fn text(&self) -> Value {
        match *self == Self::default() {
            true => Value::Null,
            false => serde_json::to_string(self).map_or(Value::Null, Value::from),
        }
    }
}

/// What the role of a ReplicaSet gives it. While a version is rolled out, it wears the one, and stable the other; nothing else
/// wears anything.
fn wanted(draft: &Draft, hash: &str) -> PodMetadata {
    let (coming, home) = match draft.blue_green {
        Some(strategy) => (&strategy.preview_metadata, &strategy.active_metadata),
        None => (&draft.canary.canary_metadata, &draft.canary.stable_metadata),
    };
    let stable = &draft.rollout.status.stable_rs;
    let role = if hash == draft.new_hash {
        let at_home = stable.is_empty() || draft.fully_promoted();
        if at_home { home } else { coming }
    } else if hash == stable {
        home
    } else {
        &None
    };
    role.clone().unwrap_or_default()
}

/// Dresses the template of a ReplicaSet that is about to be created; returns the annotation that says so.
pub fn dress_new(draft: &Draft, template: &mut Value) -> Option<String> {
    let wanted = wanted(draft, &draft.new_hash);
    for (member, values) in [("labels", &wanted.labels), ("annotations", &wanted.annotations)] {
        for (key, value) in values {
            template["metadata"][member][key] = json!(value);
        }
    }
    Worn::new(&wanted).text().as_str().map(str::to_owned)
}

/// The template of a ReplicaSet as it would be without what its role put on; where `own` has a value of its own for a key, that one.
pub fn undressed(set: &ReplicaSet, own: &Value) -> Value {
    let mut template = set.template_json();
    let keys = Worn::of(set).keys();
    for (member, keys) in [("labels", &keys.labels), ("annotations", &keys.annotations)] {
        for key in keys {
            let Some(members) = template["metadata"][member].as_object_mut() else {
                continue;
            };
            match own["metadata"][member].get(key) {
                Some(value) => drop(members.insert(key.clone(), value.clone())),
                None => drop(members.remove(key)),
            }
        }
    }
    template
}

/// The pods of versions that have changed their role: they may still wear the old one. They are looked at once the ReplicaSet
/// controller has seen the change, and so makes no more pods of the old kind.
pub fn questions(draft: &Draft) -> Vec<Question> {
    let sets = draft.sets.iter().filter(|set| undecided(draft, set));
    sets.map(|set| Question::Pods(draft.sibling(set.hash())))
        .collect()
}

fn undecided(draft: &Draft, set: &ReplicaSet) -> bool {
    set.metadata.controlled_by(&draft.rollout.metadata.uid)
        && set.replicas_desired > 0
        && set.observed_generation >= set.metadata.generation
        && Worn::of(set).pending.is_some()
}

/// Brings what versions wear in line with their roles. Comes last in a plan: roles may change until then.
pub fn reconcile(draft: &mut Draft) {
    let uid = draft.rollout.metadata.uid.clone();
    // The newest first: it is the one that may get its role just now.
    for index in (0..draft.sets.len()).rev() {
        let set = &draft.sets[index];
        if !set.metadata.controlled_by(&uid) || set.metadata.deleting() {
            continue;
        }
        let (worn, wanted) = (Worn::of(set), wanted(draft, set.hash()));
        if !worn.shows(&wanted) {
            // Who selects pods by their role must always find some: a role is given before it is taken away.
            if wanted == PodMetadata::default() && pending(draft) {
                continue;
            }
            change(draft, index, &worn, &wanted);
        } else if undecided(draft, &draft.sets[index]) {
            edit_pods(draft, index, worn);
        }
    }
}

/// Whether pods of a version that has a role still have to get it.
fn pending(draft: &Draft) -> bool {
    let mut sets = draft.sets.iter();
    sets.any(|set| set.replicas_desired > 0 && Worn::of(set).pending.is_some())
}

/// Writes what the role gives into the template, for pods to come.
fn change(draft: &mut Draft, index: usize, worn: &Worn, wanted: &PodMetadata) {
    let set = &draft.sets[index];
    let mut next = Worn::new(wanted);
    let mut keys = worn.keys();
    keys.labels.extend(wanted.labels.keys().cloned());
    keys.annotations.extend(wanted.annotations.keys().cloned());
    // What a new version's own template says under such a key comes back with the end of the role.
    let own = match set.hash() == draft.new_hash {
        true => draft.rollout.spec.template.clone().unwrap_or_default(),
        false => Value::Null,
    };
    let mut template = json!({});
    let parts = [
        ("labels", &keys.labels, &wanted.labels),
        ("annotations", &keys.annotations, &wanted.annotations),
    ];
    for (member, keys, values) in parts {
        for key in keys {
            let given = values.get(key).map(|value| json!(value));
            let own = || own["metadata"][member].get(key).cloned();
            template["metadata"][member][key] = given.or_else(own).unwrap_or(Value::Null);
        }
    }
    let made_by_this_plan = set.metadata.resource_version.is_empty();
    if set.replicas_desired > 0 && !made_by_this_plan {
        next.pending = Some(keys);
    }
    let patch = json!({"metadata": {"annotations": {annotation::EPHEMERAL_METADATA: next.text()}}, "spec": {"template": template}});
    draft.patch_set(index, &patch);
}

/// Edits the pods that differ from the template, and says on the ReplicaSet when none is left that may.
fn edit_pods(draft: &mut Draft, index: usize, worn: Worn) {
    let set = &draft.sets[index];
    let key = draft.sibling(set.hash());
    let Some(pods) = draft.answers.pods(&key) else {
        if let Some(Answer::Unknown(_)) = draft.answers.get(&Question::Pods(key)) {
            draft.wake(draft.now + TimeDelta::seconds(limits::PODS_RETRY_SECONDS));
        }
        return;
    };
    let (template, keys) = (set.template_json(), worn.keys());
    let owned = pods
        .iter()
        .filter(|pod| pod.metadata.controlled_by(&set.metadata.uid) && !pod.metadata.deleting());
    let mut edits: Vec<(Key, _, Value)> = owned
        .filter_map(|pod| {
            let patch = edit(pod, &template, &keys)?;
            Some((pod.metadata.key(), guard(&pod.metadata), patch))
        })
        .collect();
    let whole = edits.len() <= limits::POD_EDITS_MAX;
    edits.truncate(limits::POD_EDITS_MAX);
    for (key, guard, patch) in edits {
        draft.replace_first(Kind::Pod, key, guard, patch);
    }
    if !whole {
        draft.wake(draft.now);
        return;
    }
    let done = Worn {
        pending: None,
        ..worn
    };
    let patch = json!({"metadata": {"annotations": {annotation::EPHEMERAL_METADATA: done.text()}}});
    draft.patch_set(index, &patch);
}

/// What to change on a pod so that it shows these keys as the template does; `None` when it does.
fn edit(pod: &Pod, template: &Value, keys: &Keys) -> Option<Value> {
    let mut patch = json!({});
    let parts = [
        ("labels", &keys.labels, &pod.metadata.labels),
        ("annotations", &keys.annotations, &pod.metadata.annotations),
    ];
    for (member, keys, shown) in parts {
        let mut changes = Map::new();
        for key in keys {
            let wanted = template["metadata"][member].get(key).and_then(Value::as_str);
            if shown.get(key).map(String::as_str) != wanted {
                changes.insert(key.clone(), json!(wanted));
            }
        }
        if !changes.is_empty() {
            patch["metadata"][member] = Value::Object(changes);
        }
    }
    (patch != json!({})).then_some(patch)
}
