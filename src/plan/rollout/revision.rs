//! Which ReplicaSet is the new version, how it comes into being, and how revisions are numbered.

use crate::api::hash;
use crate::api::rollout::Rollout;
use crate::base::gotime::Time;
use crate::base::limits;
use crate::base::names::{annotation, condition, label, reason};
use crate::base::object::{Kind, Meta, OwnerRef};
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::{conditions, cutover, ping_pong, selector, sizing, traffic, valid};
use crate::plan::{Answer, Note, Question, ReplicaSet};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Annotations of a Rollout that describe the Rollout alone and are not copied to its ReplicaSets.
const NOT_COPIED: [&str; 5] = [
    annotation::LAST_APPLIED,
    annotation::REVISION,
    annotation::REVISION_HISTORY,
    annotation::DESIRED_REPLICAS,
    annotation::NOTIFIED,
];

/// The hash that the current pod template gives.
pub fn own_hash(draft: &Draft) -> String {
    let empty = Value::Null;
    let template = draft.rollout.spec.template.as_ref().unwrap_or(&empty);
    hash::pod_template_hash(template, draft.rollout.status.collision_count)
}

/// Finds the ReplicaSet of the current template and notes its hash: by hash, else by equality of the templates, so that
/// ReplicaSets made by other versions of other controllers are recognised.
pub fn identify(draft: &mut Draft) {
    let own = own_hash(draft);
    let uid = &draft.rollout.metadata.uid;
    let owned = |set: &&ReplicaSet| set.metadata.controlled_by(uid);
    if draft.sets.iter().filter(owned).any(|set| set.hash() == own) {
        draft.new_hash = own;
        return;
    }
    let template = draft.rollout.spec.template.clone().unwrap_or_default();
    let same = |set: &&ReplicaSet| hash::templates_equal(&set.template_json(), &template);
    let equal = draft
        .sets
        .iter()
        .filter(owned)
        .find(same)
        .map(|set| set.hash().to_owned());
    draft.new_hash = equal.unwrap_or(own);
}

/// Until when a Rollout that somebody brought back without its status waits for its ReplicaSets: it carries a revision, which it got
/// from a controller, so it cannot be new.
pub fn comes_back_until(draft: &Draft) -> Option<DateTime<Utc>> {
    let known = draft.rollout.metadata.revision() > 0 && draft.rollout.status.stable_rs.is_empty();
    let grace = valid::grace_until(draft).filter(|_| known);
    grace.or_else(|| inherits_until(draft))
}

/// Until when a new Rollout waits for the ReplicaSet of its template, which is there and belongs to the former Rollout of its name: the
/// garbage collector deletes it soon, or somebody has orphaned it, and it can be adopted with its pods. Only then would the name be taken.
fn inherits_until(draft: &Draft) -> Option<DateTime<Utc>> {
    let me = &draft.rollout.metadata;
    let former = |answer: &Answer| match answer {
        Answer::ReplicaSet(set) => set.metadata.controller().is_some_and(|owner| {
            owner.kind == Kind::Rollout.name() && owner.name == me.name && owner.uid != me.uid
        }),
        _ => false,
    };
    let until = me.creation_timestamp?.get() + TimeDelta::seconds(limits::INHERITANCE_SECONDS);
    let waits = draft.rollout.status.stable_rs.is_empty() && draft.now < until;
    (waits && draft.seen.answers.0.values().any(former)).then_some(until)
}

/// A Rollout without a status whose other versions have pods is no first deployment: its status was lost, as by a backup, which
/// brings objects back without it. The version that the stable Service leads to is stable, else the newest other one with pods. The
/// update then starts over from its first step: what was shown of it is lost, too.
pub fn recover_stable(draft: &mut Draft) {
    if !draft.rollout.status.stable_rs.is_empty() {
        return;
    }
    ping_pong::recover(draft);
    let Some(found) = stable_by_service(draft).or_else(|| stable_by_pods(draft)) else {
        return;
    };
    if found == draft.new_hash {
        return;
    }
    let message =
        format!("The status was lost: version {found} still has pods and is taken for the stable one");
    draft.note(Note::warning(reason::ROLLOUT_UPDATED, message));
    draft.rollout.status.stable_rs = found;
}

fn stable_by_service(draft: &Draft) -> Option<String> {
    let stable_service = draft.backends().stable;
    let active = draft.blue_green.map(|strategy| strategy.active_service.as_str());
    let name = active.unwrap_or(stable_service);
    let service = draft.answers.service(&draft.sibling(name))?;
    let hash = service.selector.get(label::POD_HASH)?;
    let uid = &draft.rollout.metadata.uid;
    let known =
        |set: &ReplicaSet| set.metadata.controlled_by(uid) && set.hash() == hash && set.replicas_desired > 0;
    draft.sets.iter().any(known).then(|| hash.clone())
}

fn stable_by_pods(draft: &Draft) -> Option<String> {
    let roles = draft.roles();
    let whole = draft
        .set(roles.new)
        .is_some_and(|set| set.available >= draft.replicas());
    if whole {
        return None;
    }
    let others = roles.others.iter().map(|&index| &draft.sets[index]);
    let newest = others
        .filter(|set| set.replicas_desired > 0)
        .max_by_key(|set| set.metadata.revision())?;
    Some(newest.hash().to_owned())
}

/// What must be known before a ReplicaSet of the current template is created: whether its name is taken.
pub fn questions(draft: &Draft) -> Vec<Question> {
    if draft.roles().new.is_some() {
        return Vec::new();
    }
    vec![Question::ReplicaSet(draft.sibling(&name(draft)))]
}

fn name(draft: &Draft) -> String {
    format!("{}-{}", draft.rollout.metadata.name, draft.new_hash)
}

/// Lets go of ReplicaSets that somebody relabelled: the selector does not match them any more, so they are no version of this Rollout.
/// Their pods stay as they are.
pub fn release_strangers(draft: &mut Draft) {
    let rollout = &draft.seen.rollout;
    let uid = &rollout.metadata.uid;
    for set in draft
        .seen
        .replica_sets
        .iter()
        .filter(|set| is_stranger(rollout, set))
    {
        let metadata = &set.metadata;
        let others: Vec<&OwnerRef> = metadata
            .owner_references
            .iter()
            .filter(|owner| owner.uid != *uid)
            .collect();
        let patch = json!({"metadata": {"ownerReferences": others}});
        draft.patch(Kind::ReplicaSet, metadata.key(), guard(metadata), patch);
    }
}

/// A ReplicaSet that the Rollout controls and its selector does not match. One that is going is left to go.
pub fn is_stranger(rollout: &Rollout, set: &ReplicaSet) -> bool {
    let metadata = &set.metadata;
    let selector = rollout.spec.selector.as_ref().filter(|s| !selector::is_empty(s));
    let kept = selector.is_none_or(|selector| selector::matches(selector, &metadata.labels));
    !kept && metadata.controlled_by(&rollout.metadata.uid) && !metadata.deleting()
}

/// Takes over ReplicaSets without an owner that the selector matches; their pods are not touched.
pub fn adopt_orphans(draft: &mut Draft) {
    let Some(wanted) = draft.rollout.spec.selector.clone() else {
        return;
    };
    if draft.rollout.metadata.deleting() {
        return;
    }
    for index in 0..draft.sets.len() {
        let metadata = &draft.sets[index].metadata;
        let orphan = metadata.controller().is_none() && !metadata.deleting();
        if !orphan || !selector::matches(&wanted, &metadata.labels) {
            continue;
        }
        let owner = owner(&draft.rollout.metadata);
        let mut owners = metadata.owner_references.clone();
        owners.push(owner);
        let (key, guard) = (metadata.key(), guard(metadata));
        let patch = json!({"metadata": {"ownerReferences": owners}});
        draft.sets[index].metadata.owner_references = owners;
        draft.patch(Kind::ReplicaSet, key, guard, patch);
    }
}

/// The owner reference of everything a Rollout creates.
pub fn owner(rollout: &Meta) -> OwnerRef {
    OwnerRef {
        api_version: crate::base::names::API_VERSION.into(),
        kind: Kind::Rollout.name().into(),
        name: rollout.name.clone(),
        uid: rollout.uid.clone(),
        controller: true,
        block_owner_deletion: true,
    }
}

/// Creates the ReplicaSet of the current template when there is none. Returns whether it did.
pub fn create(draft: &mut Draft) -> bool {
    if draft.roles().new.is_some() {
        return false;
    }
    if name_is_taken(draft) {
        let count = draft.rollout.status.collision_count.unwrap_or(0) + 1;
        draft.rollout.status.collision_count = Some(count);
        return true;
    }
    if tell_create_failure(draft) {
        return true;
    }
    let revision = next_revision(draft, None);
    let set = build(draft, revision);
    let write = draft.create(Kind::ReplicaSet, set.0.metadata.key(), set.1);
    let name = set.0.name().to_owned();
    let message = format!("Created ReplicaSet {name} (revision {revision})");
    draft.tell(write, Note::normal(reason::NEW_REPLICA_SET, message));
    align_rollout(draft, revision);
    draft.sets.push(set.0);
    let message = format!("Created new replica set \"{name}\"");
    let now = Time::new(draft.now);
    let status = &mut draft.rollout.status;
    conditions::set(
        status,
        now,
        condition::PROGRESSING,
        "True",
        reason::NEW_REPLICA_SET,
        &message,
    );
    true
}

/// Says in the status why the last attempt to create it failed, before the next one; returns whether that was news.
fn tell_create_failure(draft: &mut Draft) -> bool {
    let Some(why) = draft.seen.create_failure.as_ref() else {
        return false;
    };
    if draft.rollout.status.abort && draft.rollout.status.current_pod_hash == draft.new_hash {
        // Its update is over: that it was aborted matters more.
        return false;
    }
    let mut next = draft.rollout.status.clone();
    let known = conditions::get(&next, condition::PROGRESSING);
    if known.is_some_and(|known| known.reason == reason::REPLICA_SET_CREATE_ERROR && known.message == *why) {
        return false;
    }
    let (now, type_) = (Time::new(draft.now), condition::PROGRESSING);
    conditions::replace(
        &mut next,
        now,
        type_,
        "False",
        reason::REPLICA_SET_CREATE_ERROR,
        why,
    );
    super::status::seal(draft, &mut next);
    next.message = crate::base::limits::clip(why, crate::base::limits::STATUS_MESSAGE_CHARS_MAX);
    draft.rollout.status = next;
    draft.hop = true;
    true
}

/// A ReplicaSet of our name that is not ours, or of another template.
fn name_is_taken(draft: &Draft) -> bool {
    let question = Question::ReplicaSet(draft.sibling(&name(draft)));
    matches!(draft.answers.get(&question), Some(Answer::ReplicaSet(_)))
}

fn next_revision(draft: &Draft, except: Option<usize>) -> i64 {
    let uid = &draft.rollout.metadata.uid;
    let others = draft
        .sets
        .iter()
        .enumerate()
        .filter(|(index, _)| Some(*index) != except);
    let owned = others.filter(|(_, set)| set.metadata.controlled_by(uid));
    1 + owned.map(|(_, set)| set.metadata.revision()).max().unwrap_or(0)
}

/// The new ReplicaSet as an object and as later passes see it: no pods yet.
fn build(draft: &Draft, revision: i64) -> (ReplicaSet, Value) {
    let rollout = &draft.rollout;
    let mut template = rollout
        .spec
        .template
        .as_ref()
        .map(hash::canonical)
        .unwrap_or_default();
    template["metadata"]["labels"][label::POD_HASH] = json!(draft.new_hash);
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in crate::api::template::labels(&template) {
        labels.insert(key.to_owned(), value.to_owned());
    }
    let mut selector = serde_json::to_value(&rollout.spec.selector).unwrap_or_default();
    selector["matchLabels"][label::POD_HASH] = json!(draft.new_hash);
    let mut annotations = copied_annotations(&rollout.metadata);
    annotations.insert(annotation::REVISION.into(), revision.to_string());
    annotations.insert(annotation::DESIRED_REPLICAS.into(), draft.replicas().to_string());
    let set = ReplicaSet {
        metadata: Meta {
            name: name(draft),
            namespace: rollout.metadata.namespace.clone(),
            labels,
            annotations,
            owner_references: vec![owner(&rollout.metadata)],
            creation_timestamp: Some(Time::new(draft.now)),
            ..Meta::default()
        },
        replicas_desired: 0,
        min_ready_seconds: rollout.spec.min_ready_seconds.unwrap_or(0),
        template: template.to_string(),
        ..ReplicaSet::default()
    };
    let mut metadata = serde_json::to_value(&set.metadata).unwrap_or_default();
    if let Some(members) = metadata.as_object_mut() {
        members.remove("creationTimestamp");
    }
    let object = json!({
        "apiVersion": Kind::ReplicaSet.api_version(),
        "kind": Kind::ReplicaSet.name(),
        "metadata": metadata,
        "spec": {
            "replicas": 0,
            "minReadySeconds": set.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    });
    (set, object)
}

fn copied_annotations(rollout: &Meta) -> BTreeMap<String, String> {
    let copied = rollout
        .annotations
        .iter()
        .filter(|(name, _)| !NOT_COPIED.contains(&name.as_str()));
    copied
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Keeps annotations, revision and `minReadySeconds` of the new ReplicaSet, and the revision of the Rollout, up to date.
pub fn sync(draft: &mut Draft) {
    let Some(index) = draft.roles().new else { return };
    let set = &draft.sets[index];
    let mut annotations = serde_json::Map::new();
    for (name, value) in copied_annotations(&draft.rollout.metadata) {
        if set.metadata.annotation(&name) != Some(&value) {
            annotations.insert(name, json!(value));
        }
    }
    let (old, wanted) = (set.metadata.revision(), next_revision(draft, Some(index)));
    let revision = old.max(wanted);
    if revision > old {
        annotations.insert(annotation::REVISION.into(), json!(revision.to_string()));
        if let Some(history) = history(set, old) {
            annotations.insert(annotation::REVISION_HISTORY.into(), json!(history));
        }
    }
    let mut patch = json!({});
    if !annotations.is_empty() {
        patch["metadata"]["annotations"] = Value::Object(annotations);
    }
    let ready_seconds = draft.rollout.spec.min_ready_seconds.unwrap_or(0);
    if draft.sets[index].min_ready_seconds != ready_seconds {
        patch["spec"]["minReadySeconds"] = json!(ready_seconds);
        draft.sets[index].min_ready_seconds = ready_seconds;
    }
    if patch != json!({}) {
        draft.patch_set(index, &patch);
    }
    align_rollout(draft, revision);
}

/// The former revisions of a ReplicaSet that becomes new again.
fn history(set: &ReplicaSet, old: i64) -> Option<String> {
    if old == 0 {
        return None;
    }
    let before = set
        .metadata
        .annotation(annotation::REVISION_HISTORY)
        .unwrap_or_default();
    Some(if before.is_empty() {
        old.to_string()
    } else {
        format!("{before},{old}")
    })
}

/// Writes the revision onto the Rollout.
fn align_rollout(draft: &mut Draft, revision: i64) {
    if draft.rollout.metadata.annotation(annotation::REVISION) == Some(&revision.to_string()) {
        return;
    }
    let text = revision.to_string();
    let (key, guard) = (draft.key(), guard(&draft.rollout.metadata));
    let patch = json!({"metadata": {"annotations": {annotation::REVISION: text}}});
    let write = draft.patch(Kind::Rollout, key, guard, patch);
    let message = format!("Rollout updated to revision {revision}");
    draft.tell(write, Note::normal(reason::ROLLOUT_UPDATED, message));
    draft
        .rollout
        .metadata
        .annotations
        .insert(annotation::REVISION.into(), text);
}

/// Whether the new version is an older one, recent enough for `rollbackWindow` to skip the steps.
pub fn within_rollback_window(draft: &Draft) -> bool {
    let window = draft
        .rollout
        .spec
        .rollback_window
        .as_ref()
        .and_then(|window| window.revisions)
        .unwrap_or(0);
    let roles = draft.roles();
    let (Some(new), Some(stable)) = (draft.set(roles.new), draft.set(roles.stable)) else {
        return false;
    };
    let age = |set: &ReplicaSet| set.metadata.creation_timestamp;
    if window <= 0 || age(new) >= age(stable) {
        return false;
    }
    let between = draft
        .sets
        .iter()
        .filter(|set| age(set) > age(new) && age(set) < age(stable))
        .count();
    i32::try_from(between).is_ok_and(|between| between < window)
}

/// Deletes old ReplicaSets beyond `revisionHistoryLimit`, oldest first, once they have no pods.
pub fn clean_history(draft: &mut Draft) {
    const LIMIT_DEFAULT: i32 = 10;
    let limit = draft.rollout.spec.revision_history_limit.unwrap_or(LIMIT_DEFAULT);
    let mut others = draft.roles().others;
    let stored = &draft.seen.rollout.status;
    // A version that the stored status still speaks of goes only after that status is written: a crash in between must not
    // leave a stable version that is not there.
    others.retain(|&index| {
        let set = &draft.sets[index];
        let named = [&stored.stable_rs, &stored.current_pod_hash].contains(&&set.hash().to_owned());
        !set.metadata.deleting() && !named
    });
    others.sort_by_key(|&index| draft.sets[index].metadata.revision());
    let surplus = others.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    for &index in &others[..surplus] {
        let set = &draft.sets[index];
        // This plan may promote another version, but only its last write makes that durable: until then the stable one is the way
        // back. Nor does one go that a Service or a route may still lead to.
        if set.hash() == draft.seen.rollout.status.stable_rs
            || traffic::carries(draft, set.hash())
            || cutover::led_to(draft, set.hash())
        {
            continue;
        }
        let idle = set.replicas == 0 && set.replicas_desired == 0;
        if idle && set.observed_generation >= set.metadata.generation {
            let (key, guard) = (set.metadata.key(), guard(&set.metadata));
            draft.sets[index].metadata.deletion_timestamp = Some(Time::new(draft.now));
            draft.delete(Kind::ReplicaSet, key, guard);
        }
    }
}

/// Whether `spec.replicas` changed since the ReplicaSets were last sized.
pub fn resized(draft: &Draft) -> bool {
    let replicas = draft.replicas().to_string();
    let roles = draft.roles();
    let stale = |index: usize| {
        let set = &draft.sets[index];
        let desired = set.metadata.annotation(annotation::DESIRED_REPLICAS);
        set.replicas_desired > 0 && desired.is_some_and(|desired| desired != replicas)
    };
    sizing::both(&roles).any(stale)
}
