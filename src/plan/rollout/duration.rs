//! How long an update takes: `status.duration`, as newer versions of Argo Rollouts keep it. Changes only together with something else
//! in the status, so it never costs a write.

use crate::api::rollout_status::{RolloutDuration, RolloutStatus};
use crate::base::gotime::Time;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{cutover, pause, revision};
use chrono::TimeDelta;

/// Brings the duration of `next` up to date with its other fields; `old` is the status before this pass.
pub fn update(draft: &Draft, old: &RolloutStatus, next: &mut RolloutStatus) {
    let now = Time::new(draft.now);
    let at_stable = !next.stable_rs.is_empty() && next.stable_rs == next.current_pod_hash;
    let available = draft.set(draft.roles().new).map_or(0, |set| set.available);
    let complete = at_stable && available >= draft.replicas();
    let changed =
        old.current_pod_hash != next.current_pod_hash || old.current_step_hash != next.current_step_hash;
    let retried = old.aborted_at.is_some() && next.aborted_at.is_none() && !at_stable;
    let known = next.duration.clone().unwrap_or_default();
    let running = known.rollout_started_at.is_some() && known.finished_at.is_none();
    let mut duration = known.clone();
    let back = changed.then(|| back(draft, at_stable)).flatten();
    match (running, back) {
        (true, Some(how)) => duration.completion_status = how.into(),
        (true, None) if !changed => {}
        _ if (changed || retried) && !complete => {
            duration = RolloutDuration {
                rollout_started_at: Some(now),
                ..RolloutDuration::default()
            };
        }
        _ => {}
    }
    let running = duration.rollout_started_at.is_some() && duration.finished_at.is_none();
    if running {
        if complete {
            let fast = old.promote_full;
            let how = if fast { "FastPromoted" } else { "Promoted" };
            finish(&mut duration, how, now);
        } else if next.abort {
            duration.completion_status.clear();
            finish(&mut duration, "Aborted", now);
        } else {
            pause_clock(&mut duration, pause::waits_for_person(draft, next), now);
        }
    }
    if duration != known {
        next.duration = Some(duration);
    }
}

/// What an update is called that goes back to a former version, if this one does.
fn back(draft: &Draft, at_stable: bool) -> Option<&'static str> {
    if at_stable || revision::within_rollback_window(draft) || cutover::fast_rollback(draft) {
        return Some("FastRolledBack");
    }
    let roles = draft.roles();
    let (new, stable) = (draft.set(roles.new)?, draft.set(roles.stable)?);
    (new.metadata.creation_timestamp < stable.metadata.creation_timestamp).then_some("RolledBack")
}

fn finish(duration: &mut RolloutDuration, how: &str, now: Time) {
    pause_clock(duration, false, now);
    duration.finished_at = Some(now);
    if duration.completion_status.is_empty() {
        how.clone_into(&mut duration.completion_status);
    }
}

/// Time in which only a person could go on is counted apart.
fn pause_clock(duration: &mut RolloutDuration, waits: bool, now: Time) {
    match (duration.manual_pause_started_at, waits) {
        (None, true) => duration.manual_pause_started_at = Some(now),
        (Some(since), false) => {
            let lasted: TimeDelta = now.get() - since.get();
            let before = duration.total_manual_pause_duration_seconds.unwrap_or(0);
            duration.total_manual_pause_duration_seconds = Some(before + lasted.num_seconds().max(0));
            duration.manual_pause_started_at = None;
        }
        _ => {}
    }
}
