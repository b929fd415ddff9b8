//! The state of one plan while it is being made: the world as it was seen, plus what this plan has decided so far.
//!
//! A plan chains many small passes. Each pass works on the draft, so that later passes see what earlier ones decided, and the
//! writes of all of them are collected here: one create or patch per object between two moves of traffic, one status at the end.

use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::api::strategy::{BlueGreenStrategy, CanaryStrategy};
use crate::base::gotime::Time;
use crate::base::json;
use crate::base::limits;
use crate::base::object::{Key, Kind};
use crate::plan::rollout::ping_pong;
use crate::plan::rollout::scale::Counts;
use crate::plan::{Action, Guard, Note, Observed, ReplicaSet, Verb};
use crate::route::Backends;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a Rollout without a canary strategy has of one: no steps, no router, no Services.
static NO_CANARY: LazyLock<CanaryStrategy> = LazyLock::new(CanaryStrategy::default);

/// See the module's description.
pub struct Draft<'a> {
    pub seen: &'a Observed,
    pub now: DateTime<Utc>,
    /// Empty for a blue-green Rollout.
    pub canary: &'a CanaryStrategy,
    pub blue_green: Option<&'a BlueGreenStrategy>,
    /// With the status as this plan has it so far.
    pub rollout: Rollout,
    /// Without those that the selector does not match any more.
    pub sets: Vec<ReplicaSet>,
    pub runs: Vec<AnalysisRun>,
    /// Answers with this plan's own changes to Services and routes.
    pub answers: crate::plan::Answers,
    pub new_hash: String,
    writes: Vec<Write>,
    /// Writes before this index happen before traffic moved and take no further changes.
    barrier: usize,
    /// About the status; those about other writes go with them ([`Draft::tell`]).
    pub notes: Vec<Note>,
    pub wake_at: Option<DateTime<Utc>>,
    pub waiting_for: String,
    /// Why an analysis run could not be built.
    pub build_failure: Option<String>,
    /// Set when the last pass went through everything and promoted nothing.
    pub promotes_nothing: bool,
    /// Set when the next pass must see the outcome of a write first.
    pub hop: bool,
    /// Set when the status is the reason for what comes next, and must not wait for company.
    pub reason_first: bool,
    /// Which pass of the plan this is, for the order in which things are told.
    pub pass: usize,
    told: usize,
}

/// A write, and what to tell once it succeeded.
struct Write {
    action: Action,
    notes: Vec<Note>,
}

/// Which ReplicaSet plays which part; indexes into [`Draft::sets`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    pub new: Option<usize>,
    pub stable: Option<usize>,
    /// Everything else, oldest first.
    pub others: Vec<usize>,
}

/// The Rollout without times from the future: a clock that was ahead when they were written would make every wait that counts
/// from them last as long as it was ahead. They count from now instead.
fn of_the_present(rollout: &Rollout, now: DateTime<Utc>) -> Rollout {
    let mut rollout = rollout.clone();
    let settle = |at: &mut Time| {
        if at.get() > now + TimeDelta::seconds(limits::CLOCKS_APART_SECONDS_MAX) {
            *at = Time::new(now);
        }
    };
    let status = &mut rollout.status;
    for pause in &mut status.pause_conditions {
        settle(&mut pause.start_time);
    }
    status.aborted_at.iter_mut().for_each(settle);
    for condition in &mut status.conditions {
        condition.last_update_time.iter_mut().for_each(settle);
        condition.last_transition_time.iter_mut().for_each(settle);
    }
    rollout
}

/// An abort goes before a promotion past all steps that was asked for earlier. One that was carried out already has its time in the
/// status: a promotion beside that was asked for later.
fn with_the_last_word(mut rollout: Rollout) -> Rollout {
    let status = &mut rollout.status;
    if status.abort && status.aborted_at.is_none() {
        status.promote_full = false;
    }
    rollout
}

impl<'a> Draft<'a> {
    pub fn new(seen: &'a Observed, now: DateTime<Utc>) -> Self {
        let strategy = &seen.rollout.spec.strategy;
        let mut sets = seen.replica_sets.clone();
        sets.retain(|set| !super::revision::is_stranger(&seen.rollout, set));
        sets.sort_by(|a, b| {
            let age = |set: &ReplicaSet| (set.metadata.creation_timestamp, set.metadata.name.clone());
            age(a).cmp(&age(b))
        });
        Self {
            seen,
            now,
            canary: strategy.canary.as_ref().unwrap_or(&NO_CANARY),
            blue_green: strategy.blue_green.as_ref().filter(|_| strategy.canary.is_none()),
            rollout: with_the_last_word(of_the_present(&seen.rollout, now)),
            sets,
            runs: seen.analysis_runs.clone(),
            answers: seen.answers.clone(),
            new_hash: String::new(),
            writes: Vec::new(),
            barrier: 0,
            notes: Vec::new(),
            wake_at: None,
            waiting_for: String::new(),
            build_failure: None,
            promotes_nothing: false,
            hop: false,
            reason_first: false,
            pass: 0,
            told: 0,
        }
    }

    pub fn key(&self) -> Key {
        self.rollout.metadata.key()
    }

    pub fn sibling(&self, name: &str) -> Key {
        Key::new(&self.rollout.metadata.namespace, name)
    }

    /// `spec.replicas`; unset means 1.
    pub fn replicas(&self) -> i32 {
        self.rollout.spec.replicas.unwrap_or(1)
    }

    /// The Services of the two versions, as they take part now.
    pub fn backends(&self) -> Backends<'a> {
        ping_pong::backends(self).unwrap_or(Backends {
            canary: &self.canary.canary_service,
            stable: &self.canary.stable_service,
        })
    }

    pub fn routed(&self) -> bool {
        self.canary.traffic_routing.is_some()
    }

    /// Weights are parts of this.
    pub fn weight_max(&self) -> i32 {
        self.canary
            .traffic_routing
            .as_ref()
            .and_then(|routing| routing.max_traffic_weight)
            .unwrap_or(100)
    }

    pub fn roles(&self) -> Roles {
        let owned = |set: &ReplicaSet| set.metadata.controlled_by(&self.rollout.metadata.uid);
        let with = |hash: &str| {
            let found = self.sets.iter().position(|set| owned(set) && set.hash() == hash);
            found.filter(|_| !hash.is_empty())
        };
        let (new, stable) = (with(&self.new_hash), with(&self.rollout.status.stable_rs));
        let indexes = 0..self.sets.len();
        let others = indexes
            .filter(|&i| owned(&self.sets[i]) && Some(i) != new && Some(i) != stable)
            .collect();
        Roles { new, stable, others }
    }

    pub fn set(&self, index: Option<usize>) -> Option<&ReplicaSet> {
        index.and_then(|index| self.sets.get(index))
    }

    pub fn counts(&self, index: usize) -> Counts {
        let set = &self.sets[index];
        Counts {
            desired: set.replicas_desired,
            current: set.replicas,
            available: set.available,
        }
    }

    /// Whether the Events of the steps tell what sizes and pauses come to: the update of a canary without a router. Each Event is a
    /// request, and there a step means two sizes.
    pub fn told_by_steps(&self) -> bool {
        let status = &self.rollout.status;
        let steps = !self.canary.steps.is_empty() && !self.routed();
        steps && !status.abort && !status.stable_rs.is_empty() && !self.fully_promoted()
    }

    /// The new version is the stable one.
    pub fn fully_promoted(&self) -> bool {
        let status = &self.rollout.status;
        !status.stable_rs.is_empty() && status.stable_rs == self.new_hash
    }

    /// Tells about the status that this plan writes.
    pub fn note(&mut self, note: Note) {
        let note = self.in_turn(note);
        self.notes.push(note);
    }

    fn in_turn(&mut self, note: Note) -> Note {
        self.told += 1;
        Note {
            told: (self.pass, self.told),
            ..note
        }
    }

    /// Tells about the write at this index, as it was just returned by the function that added it.
    pub fn tell(&mut self, write: usize, note: Note) {
        let note = self.in_turn(note);
        self.writes[write].notes.push(note);
    }

    /// Look again at `at`, if nothing changes before.
    pub fn wake(&mut self, at: DateTime<Utc>) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn add(&mut self, verb: Verb, kind: Kind, key: Key, guard: Guard, body: Value) -> usize {
        let action = Action {
            verb,
            kind,
            key,
            guard,
            body,
        };
        self.writes.push(Write {
            action,
            notes: Vec::new(),
        });
        self.writes.len() - 1
    }

    /// Adds a merge patch of an object that exists; joins the pending write of the same object where order allows. Returns the index
    /// of the write, which holds until the next one is added.
    pub fn patch(&mut self, kind: Kind, key: Key, guard: Guard, patch: Value) -> usize {
        let same = |write: &Write| {
            let action = &write.action;
            action.kind == kind && action.key == key && matches!(action.verb, Verb::Create | Verb::Patch)
        };
        let pending = self.writes[self.barrier..].iter().rposition(same);
        // What this plan creates has no version yet that could guard a second write: all of it is one, even across a move of traffic,
        // which never leads to what is not there.
        let created = || {
            let mut before = self.writes[..self.barrier].iter();
            before.position(|write| same(write) && write.action.verb == Verb::Create)
        };
        let Some(at) = pending.map(|at| at + self.barrier).or_else(created) else {
            return self.add(Verb::Patch, kind, key, guard, patch);
        };
        let overtakes = sizes(&patch)
            && self.writes[at + 1..]
                .iter()
                .any(|later| sizes(&later.action.body));
        let earlier = &self.writes[at].action;
        if overtakes && earlier.verb == Verb::Patch && sizes(&earlier.body) {
            return self.add(Verb::Patch, kind, key, guard, patch);
        }
        let mut write = self.writes.remove(at);
        if write.action.verb == Verb::Create {
            json::merge_apply(&mut write.action.body, &patch);
        } else {
            json::merge_patches(&mut write.action.body, &patch);
        }
        // A size must not come true before one that was decided earlier: together they would break the budget.
        if overtakes && at < self.barrier {
            self.barrier -= 1;
        }
        let at = if overtakes { self.writes.len() } else { at };
        self.writes.insert(at, write);
        at
    }

    pub fn create(&mut self, kind: Kind, key: Key, body: Value) -> usize {
        self.add(Verb::Create, kind, key, Guard::Absent, body)
    }

    /// Asks for a pod to go, as far as the disruption budgets over it allow.
    pub fn evict(&mut self, key: Key, guard: Guard) {
        self.add(Verb::Evict, Kind::Pod, key, guard, Value::Null);
    }

    /// Gives a workload another number of pods.
    pub fn scale(&mut self, kind: Kind, key: Key, guard: Guard, to: i32) -> usize {
        let body = serde_json::json!({"spec": {"replicas": to}});
        self.add(Verb::Replace, kind, key, guard, body)
    }

    /// Changes an object that may be updated and not patched, before whatever is decided later.
    pub fn replace_first(&mut self, kind: Kind, key: Key, guard: Guard, patch: Value) {
        self.add(Verb::Replace, kind, key, guard, patch);
        self.barrier = self.writes.len();
    }

    pub fn delete(&mut self, kind: Kind, key: Key, guard: Guard) {
        self.add(Verb::Delete, kind, key, guard, Value::Null);
    }

    /// Adds a write that moves traffic: nothing decided later may join a write decided earlier. Creates what must not exist.
    pub fn move_traffic(&mut self, kind: Kind, key: Key, guard: Guard, body: Value) -> usize {
        let verb = match guard {
            Guard::Absent => Verb::Create,
            Guard::Seen { .. } => Verb::Patch,
        };
        let at = self.add(verb, kind, key, guard, body);
        self.barrier = self.writes.len();
        at
    }

    /// Patches a ReplicaSet in the draft and in the plan. `patch` holds `metadata` and `spec` members only.
    pub fn patch_set(&mut self, index: usize, patch: &Value) -> usize {
        let set = &mut self.sets[index];
        if let Some(replicas) = json::int(patch, "/spec/replicas") {
            set.replicas_desired = i32::try_from(replicas).unwrap_or(i32::MAX);
        }
        if let Some(annotations) = patch.pointer("/metadata/annotations").and_then(Value::as_object) {
            for (name, value) in annotations {
                match value.as_str() {
                    Some(text) => drop(set.metadata.annotations.insert(name.clone(), text.to_owned())),
                    None => drop(set.metadata.annotations.remove(name)),
                }
            }
        }
        let (key, guard) = (set.metadata.key(), guard(&set.metadata));
        self.patch(Kind::ReplicaSet, key, guard, patch.clone())
    }

    /// The writes in their order, and what to tell about each.
    pub fn into_writes(self) -> (Vec<Action>, Vec<Note>) {
        let (mut actions, mut notes): (Vec<Action>, Vec<Note>) = (Vec::new(), Vec::new());
        let sets = self.seen.replica_sets.iter();
        let mut seen: BTreeMap<Key, &ReplicaSet> = sets.map(|set| (set.metadata.key(), set)).collect();
        for mut write in self.writes {
            // What one pass of the plan decided another may have undone: only the first write to an object can be compared.
            let of_set = write.action.kind == Kind::ReplicaSet;
            let first = of_set.then(|| seen.remove(&write.action.key)).flatten();
            if first.is_some_and(|set| changes_nothing(&mut write.action, set)) {
                continue;
            }
            let at = actions.len();
            actions.push(write.action);
            notes.extend(write.notes.into_iter().map(|note| note.about(at)));
        }
        (actions, notes)
    }

    pub fn writes_len(&self) -> usize {
        self.writes.len()
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Takes out of a patch what `seen` has already. Returns whether nothing is left of it.
fn changes_nothing(action: &mut Action, seen: &ReplicaSet) -> bool {
    if action.verb != Verb::Patch {
        return false;
    }
    let size = Value::from(seen.replicas_desired);
    drop_member(&mut action.body, "/spec", |name, value| {
        name == "replicas" && *value == size
    });
    drop_member(&mut action.body, "/metadata/annotations", |name, value| {
        seen.metadata.annotation(name) == value.as_str()
    });
    drop_member(&mut action.body, "/metadata", |_, value| *value == empty());
    drop_member(&mut action.body, "", |_, value| *value == empty());
    action.body == empty()
}

fn drop_member(body: &mut Value, at: &str, same: impl Fn(&str, &Value) -> bool) {
    if let Some(members) = body.pointer_mut(at).and_then(Value::as_object_mut) {
        members.retain(|name, value| !same(name, value));
    }
}

/// Whether a write changes the number of pods.
fn sizes(body: &Value) -> bool {
    body.pointer("/spec/replicas")
        .is_some_and(|replicas| *replicas != 0)
        || body.pointer("/spec/replicas").is_some() && body.pointer("/spec/template").is_none()
}

/// The guard of an object as it was seen.
pub fn guard(metadata: &crate::base::object::Meta) -> Guard {
    Guard::Seen {
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn left(patch: Value) -> Option<Value> {
        let mut seen = ReplicaSet {
            replicas_desired: 5,
            ..ReplicaSet::default()
        };
        seen.metadata.annotations.insert("kept".into(), "yes".into());
        let mut action = Action {
            verb: Verb::Patch,
            kind: Kind::ReplicaSet,
            key: Key::new("shop", "web"),
            guard: Guard::Absent,
            body: patch,
        };
        (!changes_nothing(&mut action, &seen)).then_some(action.body)
    }

    #[test]
    fn what_is_so_already_is_not_written() {
        assert_eq!(left(json!({"spec": {"replicas": 5}})), None);
        let annotations = json!({"metadata": {"annotations": {"kept": "yes", "never-there": null}}});
        assert_eq!(left(annotations), None);
        let both = json!({"spec": {"replicas": 5}, "metadata": {"annotations": {"kept": null}}});
        assert_eq!(
            left(both),
            Some(json!({"metadata": {"annotations": {"kept": null}}}))
        );
        let smaller = json!({"spec": {"replicas": 4, "minReadySeconds": 3}});
        assert_eq!(left(smaller.clone()), Some(smaller));
    }
}
