//! What to do about a Rollout: one page of ordered steps. The steps themselves are in the files beside this one.
//!
//! A plan is a chain of small passes over a draft. The chain ends when a pass changes nothing, or when a write must be seen to have
//! worked before more is decided. All status changes of the chain are one write at the end.

mod analysis;
mod announce;
mod anti_affinity;
mod blue_green;
mod canary;
mod caution;
mod conditions;
mod cutover;
mod draft;
mod duration;
pub mod former_routers;
mod intent;
mod metadata;
mod opening;
mod pause;
mod ping_pong;
mod replicas;
mod restart;
mod retreat;
mod revision;
pub mod scale;
pub mod selector;
mod services;
mod sizing;
mod status;
pub mod steps;
mod subsets;
mod traffic;
mod valid;
mod way_back;
mod workload;

use crate::api::rollout_status::RolloutStatus;
use crate::base::limits;
use crate::base::object::Kind;
use crate::base::{json, names};
use crate::plan::action::{Action, Verb};
use crate::plan::{Observed, Plan, Question, ReplicaSet, Service};
use chrono::{DateTime, Utc};
use draft::Draft;
use serde_json::{Value, json};

/// Facts still missing to decide. Ask, add the answers, and call again until it is empty: templates may name further templates.
pub fn survey(seen: &Observed) -> Vec<Question> {
    let sound = valid::own(seen).is_empty();
    let resolved = workload::resolve(seen);
    let mut draft = Draft::new(&resolved, DateTime::UNIX_EPOCH);
    let mut questions = retreat::questions(&draft);
    questions.extend(workload::question(seen));
    if sound && workload::problems(&resolved).is_empty() {
        revision::identify(&mut draft);
        questions.extend(services::questions(&draft));
        questions.extend(traffic::questions(&draft));
        questions.extend(analysis::questions(&draft));
        questions.extend(revision::questions(&draft));
        questions.extend(metadata::questions(&draft));
        questions.extend(restart::questions(&draft));
    }
    questions.retain(|question| seen.answers.get(question).is_none());
    questions
}

/// What to do now.
pub fn plan(seen: &Observed, now: DateTime<Utc>) -> Plan {
    if seen.rollout.metadata.deleting() {
        return Plan::default();
    }
    let mut problems = valid::own(seen);
    let resolved = workload::resolve(seen);
    let seen = resolved.as_ref();
    let mut draft = Draft::new(seen, now);
    if problems.is_empty() {
        problems = workload::problems(seen);
        if problems.is_empty() {
            problems = valid::references(&draft);
        }
        if let Some(at) = valid::grace_until(&draft).filter(|_| !problems.is_empty()) {
            return Plan {
                wake_at: Some(at),
                waiting_for: "what the new Rollout names".into(),
                ..Plan::default()
            };
        }
    }
    if let Some(at) = revision::comes_back_until(&draft).filter(|_| problems.is_empty()) {
        return Plan {
            wake_at: Some(at),
            waiting_for: "the ReplicaSets of a Rollout that came back without its status".into(),
            ..Plan::default()
        };
    }
    if problems.is_empty() && seen.unreadable.is_none() {
        prepare(&mut draft);
        chain(&mut draft);
        if !draft.hop {
            services::lead_stable_back(&mut draft);
            metadata::reconcile(&mut draft);
            workload::scale_down(&mut draft);
            restart::reconcile(&mut draft);
        }
        analysis::tidy(&mut draft);
        services::release(&mut draft);
        former_routers::release(&mut draft);
        return conclude(draft);
    }
    retreat::reconcile(&mut draft);
    if !problems.is_empty() {
        valid::mark(&mut draft, &problems);
    }
    conclude(draft)
}

/// What to do when a Rollout is gone: the Services that it managed select by their own labels again.
pub fn farewell(managed: &[Service]) -> Plan {
    Plan {
        actions: managed.iter().map(services::let_go).collect(),
        ..Plan::default()
    }
}

/// Writes that come before any decision: an unset `spec.replicas` becomes 1, which an autoscaler needs, and orphans are adopted,
/// strangers let go.
fn prepare(draft: &mut Draft) {
    if draft.rollout.spec.replicas.is_none() {
        draft.rollout.spec.replicas = Some(1);
        let (key, guard) = (draft.key(), draft::guard(&draft.rollout.metadata));
        draft.patch(Kind::Rollout, key, guard, json!({"spec": {"replicas": 1}}));
    }
    workload::follow(draft);
    revision::release_strangers(draft);
    revision::adopt_orphans(draft);
}

/// Passes until nothing changes or a write must be seen first.
fn chain(draft: &mut Draft) {
    for _ in 0..limits::PLAN_PASSES_MAX {
        draft.pass += 1;
        let before = (
            draft.rollout.clone(),
            draft.sets.clone(),
            draft.runs.len(),
            draft.writes_len(),
        );
        match draft.blue_green {
            Some(_) => blue_green::pass(draft),
            None => canary::pass(draft),
        }
        let after = (&draft.rollout, &draft.sets, draft.runs.len(), draft.writes_len());
        if draft.hop || (&before.0, &before.1, before.2, before.3) == after {
            return;
        }
    }
}

fn conclude(mut draft: Draft) -> Plan {
    caution::tell(&mut draft);
    let announcements = announce::announcements(&draft);
    let (old, new) = (&draft.seen.rollout.status, &draft.rollout.status);
    let at_rest = draft.sets.iter().all(is_at_rest);
    let minor = !draft.reason_first && is_minor(old, new, draft.hop && !way_back::hands_over(&draft));
    let same_step = old.current_step_index == new.current_step_index;
    let mut patch = status_patch(old, new);
    let (of_status, wake_at, waiting_for) = (draft.notes.clone(), draft.wake_at, draft.waiting_for.clone());
    let (key, guard) = (draft.key(), draft::guard(&draft.rollout.metadata));
    let (mut actions, mut notes) = draft.into_writes();
    if minor && same_step && !actions.is_empty() {
        // The writes bring the next pass soon; counters, and weights not seen on the route yet, are not worth a write of their own now.
        patch = None;
    }
    // The last count of a change is told at once; those on the way there may wait for it.
    let deferrable = actions.is_empty() && patch.is_some() && minor && !at_rest;
    if let Some(body) = patch {
        actions.push(Action {
            verb: Verb::PatchStatus,
            kind: Kind::Rollout,
            key,
            guard,
            body,
        });
        notes.extend(of_status);
    }
    announce::order(&mut notes);
    Plan {
        actions,
        notes,
        announcements,
        wake_at,
        deferrable,
        waiting_for,
    }
}

/// The merge patch from the status as it was to the status as it should be: only what differs, so that fields of others survive.
fn status_patch(old: &RolloutStatus, new: &RolloutStatus) -> Option<Value> {
    let encode = |status: &RolloutStatus| serde_json::to_value(status).unwrap_or_default();
    // A status never written before has nothing stored, not even the members that are always there once something was rolled out.
    let rolled_out = !new.current_pod_hash.is_empty();
    let stored = if *old == RolloutStatus::default() && rolled_out {
        json!({})
    } else {
        encode(old)
    };
    json::merge_diff(&stored, &encode(new)).map(|patch| json!({"status": patch}))
}

/// Whether a ReplicaSet has exactly the pods that it shall have.
fn is_at_rest(set: &ReplicaSet) -> bool {
    let wanted = set.replicas_desired;
    set.observed_generation >= set.metadata.generation && set.replicas == wanted && set.available == wanted
}

/// Whether only counters, progress times and step numbers moved: news that can wait a few seconds for company. So can weights while
/// the route is only being written.
fn is_minor(old: &RolloutStatus, new: &RolloutStatus, route_written: bool) -> bool {
    let mut same = new.clone();
    same.replicas = old.replicas;
    same.updated_replicas = old.updated_replicas;
    same.ready_replicas = old.ready_replicas;
    same.available_replicas = old.available_replicas;
    same.hpa_replicas = old.hpa_replicas;
    same.message.clone_from(&old.message);
    same.current_step_index = old.current_step_index;
    if route_written {
        same.canary.weights.clone_from(&old.canary.weights);
    }
    let minor = [names::condition::AVAILABLE, names::condition::PROGRESSING];
    let states = |status: &RolloutStatus| {
        let kept = status
            .conditions
            .iter()
            .filter(|condition| !minor.contains(&condition.type_.as_str()));
        let mut kept: Vec<_> = kept
            .map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone()))
            .collect();
        kept.sort();
        kept
    };
    let conditions_same = states(old) == states(new);
    same.conditions.clone_from(&old.conditions);
    conditions_same && same == *old
}
