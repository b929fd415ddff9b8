//! Where a release stands, read from the Rollout alone.

use crate::api::rollout::Rollout;
use crate::base::names::{condition, pause, phase};
use crate::simulate::rehearsal::profile::Ended;

/// The Rollout as it is now.
pub(super) struct Look {
    pub rollout: Rollout,
    pub phase: &'static str,
    pub message: String,
}

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stand {
    UnderWay,
    /// At a step that waits for a person, or before a switch that does.
    PauseStep(Option<i64>),
    /// An end, if it stays so.
    Perhaps(Ended),
    Done(Ended),
}

pub(super) fn stand(look: &Look, stable: &str) -> Stand {
    let status = &look.rollout.status;
    let taken_up = status.current_pod_hash != stable && !status.current_pod_hash.is_empty();
    match look.phase {
        phase::HEALTHY if taken_up && status.stable_rs == status.current_pod_hash => {
            Stand::Done(Ended::Promoted)
        }
        phase::DEGRADED if status.abort => Stand::Done(Ended::Aborted),
        phase::DEGRADED => Stand::Perhaps(Ended::Stuck),
        phase::PAUSED => paused(look),
        _ => Stand::UnderWay,
    }
}

fn paused(look: &Look) -> Stand {
    let status = &look.rollout.status;
    let before_switch = status
        .pause_conditions
        .iter()
        .all(|one| one.reason == pause::BLUE_GREEN);
    if before_switch && !look.rollout.spec.paused {
        let waits = crate::view::canary::waits_for_person(&look.rollout);
        return if waits {
            Stand::PauseStep(None)
        } else {
            Stand::UnderWay
        };
    }
    let by_step = status
        .pause_conditions
        .iter()
        .all(|one| one.reason == pause::CANARY_STEP);
    let index = status.current_step_index.map_or(0, i64::from);
    let steps = look
        .rollout
        .spec
        .strategy
        .canary
        .iter()
        .flat_map(|canary| &canary.steps);
    let step = usize::try_from(index)
        .ok()
        .and_then(|index| steps.into_iter().nth(index));
    let timed = step
        .and_then(|step| step.pause.as_ref())
        .map(|pause| pause.duration.is_some());
    match timed {
        _ if look.rollout.spec.paused || !by_step => Stand::Perhaps(Ended::Waiting),
        Some(true) => Stand::UnderWay,
        Some(false) => Stand::PauseStep(Some(index)),
        None => Stand::Perhaps(Ended::Waiting),
    }
}

/// The controller will not carry this Rollout out.
pub(super) fn refused(look: &Look) -> bool {
    let conditions = &look.rollout.status.conditions;
    conditions.iter().any(|one| one.type_ == condition::INVALID_SPEC)
}
