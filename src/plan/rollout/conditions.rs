//! The conditions of a Rollout: what each says, and in which order they stand in the status.
//!
//! A condition that changes moves to the end of the list, and a message alone changes nothing: clients and Argo CD read the list in
//! order, so both rules are part of the wire format.

use crate::api::rollout_status::{Condition, RolloutStatus};
use crate::base::gotime::Time;
use crate::base::names::{condition, reason};
use crate::plan::Note;
use crate::plan::rollout::cutover;
use crate::plan::rollout::draft::Draft;
use chrono::TimeDelta;

/// `status.progressDeadlineSeconds` when unset, as in Argo Rollouts.
const PROGRESS_DEADLINE_SECONDS_DEFAULT: i32 = 600;

pub fn get<'s>(status: &'s RolloutStatus, type_: &str) -> Option<&'s Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

pub fn is_true(status: &RolloutStatus, type_: &str) -> bool {
    get(status, type_).is_some_and(|condition| condition.status == "True")
}

pub fn remove(status: &mut RolloutStatus, type_: &str) {
    status.conditions.retain(|condition| condition.type_ != type_);
}

/// Sets a condition unless status and reason are already so; keeps the transition time while the status stays.
/// Returns whether anything changed.
pub fn set(
    status: &mut RolloutStatus,
    now: Time,
    type_: &str,
    value: &str,
    reason: &str,
    message: &str,
) -> bool {
    let old = get(status, type_);
    if old.is_some_and(|old| old.status == value && old.reason == reason) {
        return false;
    }
    replace(status, now, type_, value, reason, message);
    true
}

/// Sets a condition in any case, refreshing its update time.
pub fn replace(status: &mut RolloutStatus, now: Time, type_: &str, value: &str, reason: &str, message: &str) {
    let kept = get(status, type_)
        .filter(|old| old.status == value)
        .and_then(|old| old.last_transition_time);
    remove(status, type_);
    status.conditions.push(Condition {
        type_: type_.into(),
        status: value.into(),
        last_update_time: Some(now),
        last_transition_time: Some(kept.unwrap_or(now)),
        reason: reason.into(),
        message: message.into(),
    });
}

/// Brings the conditions of `status` up to date with its other fields; `old` is the status before this pass.
pub fn update(draft: &mut Draft, old: &RolloutStatus, status: &mut RolloutStatus, abort_message: &str) {
    let now = Time::new(draft.now);
    // A pause that ends in this pass still counts: healthy is what stays so.
    let paused = is_paused(draft, status) || (draft.blue_green.is_some() && is_paused(draft, old));
    let healthy = is_healthy(draft, old, status);
    let became_unhealthy = update_healthy(status, now, healthy && !paused);
    if status.abort {
        let revision = draft.rollout.metadata.revision();
        let mut message = format!("Rollout aborted update to revision {revision}");
        if !abort_message.is_empty() {
            message.push_str(&format!(": {abort_message}"));
        }
        if set(
            status,
            now,
            condition::PROGRESSING,
            "False",
            reason::ROLLOUT_ABORTED,
            &message,
        ) {
            draft.note(Note::warning(reason::ROLLOUT_ABORTED, message));
        }
    } else {
        update_progressing(draft, old, status, healthy, became_unhealthy);
    }
    update_available(draft, status, now);
    update_replica_failure(draft, status, now);
    update_completed(draft, status, now);
}

fn is_paused(draft: &Draft, status: &RolloutStatus) -> bool {
    draft.rollout.spec.paused || !status.pause_conditions.is_empty()
}

/// All pods are new and available, all steps are done, and the controller has seen this generation before.
fn is_healthy(draft: &Draft, old: &RolloutStatus, status: &RolloutStatus) -> bool {
    let whole = |number: Option<i32>| number.unwrap_or(0) == draft.replicas();
    let observed = old.observed_generation == draft.rollout.metadata.generation.to_string();
    if draft.blue_green.is_some() {
        let pods = whole(status.updated_replicas) && whole(status.available_replicas);
        return observed && pods && cutover::cut_over(draft, status);
    }
    let steps = draft.canary.steps.len();
    let steps_done = steps == 0
        || status
            .current_step_index
            .is_some_and(|index| index as usize == steps);
    observed
        && whole(status.updated_replicas)
        && whole(status.available_replicas)
        && whole(status.replicas)
        && steps_done
        && !status.stable_rs.is_empty()
        && status.stable_rs == status.current_pod_hash
}

fn update_healthy(status: &mut RolloutStatus, now: Time, healthy: bool) -> bool {
    if healthy {
        set(
            status,
            now,
            condition::HEALTHY,
            "True",
            reason::ROLLOUT_HEALTHY,
            "Rollout is healthy",
        );
        return false;
    }
    get(status, condition::HEALTHY).is_some()
        && set(
            status,
            now,
            condition::HEALTHY,
            "False",
            reason::ROLLOUT_HEALTHY,
            "Rollout is not healthy",
        )
}

fn update_progressing(
    draft: &Draft,
    old: &RolloutStatus,
    status: &mut RolloutStatus,
    healthy: bool,
    unhealthy: bool,
) {
    let now = Time::new(draft.now);
    let subject = match draft.set(draft.roles().new) {
        Some(set) => format!("ReplicaSet \"{}\"", set.name()),
        None => format!("Rollout \"{}\"", draft.rollout.metadata.name),
    };
    if healthy {
        let message = format!("{subject} has successfully progressed.");
        set(
            status,
            now,
            condition::PROGRESSING,
            "True",
            reason::NEW_REPLICA_SET_AVAILABLE,
            &message,
        );
    } else if progressed(old, status) || unhealthy || get(status, condition::PROGRESSING).is_none() {
        // Without the condition, as when somebody else wiped the status, the deadline would never pass.
        if unhealthy && status.stable_rs == status.current_pod_hash {
            let message = "Rollout does not have minimum availability";
            replace(
                status,
                now,
                condition::PROGRESSING,
                "True",
                reason::REPLICA_SET_NOT_AVAILABLE,
                message,
            );
        } else {
            let message = format!("{subject} is progressing.");
            replace(
                status,
                now,
                condition::PROGRESSING,
                "True",
                reason::REPLICA_SET_UPDATED,
                &message,
            );
        }
    } else if timed_out(draft, status) {
        let message = format!("{subject} has timed out progressing.");
        set(
            status,
            now,
            condition::PROGRESSING,
            "False",
            reason::PROGRESS_DEADLINE_EXCEEDED,
            &message,
        );
    }
}

/// Whether pods or steps moved forward since the last pass.
pub fn progressed(old: &RolloutStatus, new: &RolloutStatus) -> bool {
    let count = |number: Option<i32>| number.unwrap_or(0);
    let not_updated = |status: &RolloutStatus| count(status.replicas) - count(status.updated_replicas);
    old.updated_replicas != new.updated_replicas
        || not_updated(new) < not_updated(old)
        || count(new.ready_replicas) > count(old.ready_replicas)
        || count(new.available_replicas) > count(old.available_replicas)
        || old.stable_rs != new.stable_rs
        || old.blue_green.active_selector != new.blue_green.active_selector
        || old.blue_green.preview_selector != new.blue_green.preview_selector
        || old.blue_green.judging() && !new.blue_green.judging()
        || old.current_step_index != new.current_step_index
        || old.current_step_hash != new.current_step_hash
}

/// When the progress deadline passes, if it runs at all: not during a pause or an analysis, not while an old version waits to
/// be scaled down, and not when only pods of old versions are still on their way out.
pub fn deadline(draft: &Draft, status: &RolloutStatus) -> Option<chrono::DateTime<chrono::Utc>> {
    let progressing = get(status, condition::PROGRESSING)?;
    if matches!(
        progressing.reason.as_str(),
        reason::ROLLOUT_ABORTED | reason::ROLLOUT_PAUSED
    ) {
        return None;
    }
    let step = super::steps::current(&draft.canary.steps, status.current_step_index).map(|(_, step)| step);
    if step.is_some_and(|step| step.pause.is_some() || step.analysis.is_some() || step.experiment.is_some()) {
        return None;
    }
    if status.blue_green.judging() {
        return None;
    }
    let delayed = |&index: &usize| {
        let set = &draft.sets[index];
        set.replicas_desired > 0 && set.scale_down_deadline().is_some()
    };
    if is_true(status, condition::PAUSED) || draft.roles().others.iter().any(delayed) || leaves(draft, status)
    {
        return None;
    }
    let seconds = draft
        .rollout
        .spec
        .progress_deadline_seconds
        .unwrap_or(PROGRESS_DEADLINE_SECONDS_DEFAULT);
    Some(progressing.last_update_time?.get() + TimeDelta::seconds(seconds.into()))
}

/// The new version is stable and has all its pods: nothing of it is waited for.
fn leaves(draft: &Draft, status: &RolloutStatus) -> bool {
    let wanted = draft.replicas();
    let new = draft.set(draft.roles().new);
    status.stable_rs == status.current_pod_hash
        && new.is_some_and(|set| {
            set.replicas_desired == wanted && set.replicas == wanted && set.available >= wanted
        })
}

/// Whether the progress deadline has passed; once it has, only progress undoes it.
pub fn timed_out(draft: &Draft, status: &RolloutStatus) -> bool {
    let Some(due) = deadline(draft, status) else {
        return false;
    };
    let already = get(status, condition::PROGRESSING)
        .is_some_and(|condition| condition.reason == reason::PROGRESS_DEADLINE_EXCEEDED);
    already || due < draft.now
}

fn update_available(draft: &Draft, status: &mut RolloutStatus, now: Time) {
    let enough = match draft.blue_green {
        Some(_) => cutover::available(draft),
        None => status.available_replicas.unwrap_or(0) >= draft.replicas(),
    };
    let (value, message) = if enough {
        ("True", "Rollout has minimum availability")
    } else {
        ("False", "Rollout does not have minimum availability")
    };
    set(
        status,
        now,
        condition::AVAILABLE,
        value,
        reason::AVAILABLE,
        message,
    );
}

fn update_replica_failure(draft: &Draft, status: &mut RolloutStatus, now: Time) {
    let roles = draft.roles();
    let of_new = draft.set(roles.new).and_then(|set| set.failure.clone());
    let of_any = || draft.sets.iter().find_map(|set| set.failure.clone());
    match of_new.or_else(of_any) {
        Some(failure) => {
            let changed = get(status, condition::REPLICA_FAILURE)
                .is_none_or(|old| old.message != failure.message || old.reason != failure.reason);
            if changed {
                replace(
                    status,
                    now,
                    condition::REPLICA_FAILURE,
                    "True",
                    &failure.reason,
                    &failure.message,
                );
            }
        }
        None => remove(status, condition::REPLICA_FAILURE),
    }
}

fn update_completed(draft: &mut Draft, status: &mut RolloutStatus, now: Time) {
    let done = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    let value = if done { "True" } else { "False" };
    let name = reason::ROLLOUT_COMPLETED;
    if set(status, now, condition::COMPLETED, value, name, name) && !done {
        let (revision, hash) = (draft.rollout.metadata.revision(), &status.current_pod_hash);
        let message = format!("Rollout not completed, started update to revision {revision} ({hash})");
        draft.note(Note::normal(reason::ROLLOUT_NOT_COMPLETED, message));
    }
}
