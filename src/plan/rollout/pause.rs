//! Pause steps, the pause conditions, and the condition types that tell people about them.

use crate::api::rollout_status::{PauseCondition, RolloutStatus};
use crate::api::steps::Pause;
use crate::base::gotime::{Time, parse_duration};
use crate::base::names::{condition, pause, reason};
use crate::base::percent::IntOrString;
use crate::plan::rollout::cutover;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{conditions, intent, steps};
use chrono::TimeDelta;

/// Whether the pause of the current step was waited out, or ended by a person: the controller's own mark without any condition means
/// that somebody removed it. Asked before anything else of the step is decided, because the mark lasts only until the next status.
pub fn over(draft: &Draft) -> bool {
    let Some(step) = current(draft) else { return false };
    let status = &draft.rollout.status;
    let Some(started) = started(status) else {
        return status.controller_pause && status.pause_conditions.is_empty();
    };
    let length = step.duration.as_ref().and_then(seconds);
    length.is_some_and(|length| started.start_time.get() + length <= draft.now)
}

/// Starts the pause of the current step, or waits for its end.
pub fn reconcile(draft: &mut Draft, findings: &mut Findings) {
    let Some(step) = current(draft) else { return };
    let length = step.duration.as_ref().and_then(seconds);
    let status = &draft.rollout.status;
    match (started(status), length) {
        (Some(started), Some(length)) => {
            let until = started.start_time.get() + length;
            draft.wake(until);
        }
        (Some(_), None) => {}
        // Another pause lasts: this one begins after it.
        (None, _) if status.controller_pause => {}
        (None, length) => {
            findings.intent.add_pause = Some(pause::CANARY_STEP);
            if let Some(length) = length {
                draft.wake(Time::ceil(draft.now).get() + length);
            }
        }
    }
}

/// The pause of the current step, unless nothing of it may be carried out now.
fn current<'d>(draft: &Draft<'d>) -> Option<&'d Pause> {
    let status = &draft.rollout.status;
    let (_, step) = steps::current(&draft.canary.steps, status.current_step_index)?;
    step.pause
        .as_ref()
        .filter(|_| !draft.rollout.spec.paused && !status.abort)
}

fn started(status: &RolloutStatus) -> Option<&PauseCondition> {
    status
        .pause_conditions
        .iter()
        .find(|condition| condition.reason == pause::CANARY_STEP)
}

/// The length of a pause in whole seconds: a number, a number in quotes, or a Go duration. `None` when unreadable.
pub fn seconds(duration: &IntOrString) -> Option<TimeDelta> {
    if let Some(seconds) = duration.as_int() {
        return Some(TimeDelta::seconds(seconds.into()));
    }
    let IntOrString::String(text) = duration else {
        return None;
    };
    parse_duration(text).map(|length| TimeDelta::seconds(length.num_seconds()))
}

/// Brings the conditions that speak of pauses, resumes and retries in line; returns whether one changed.
pub fn update_conditions(draft: &mut Draft) -> bool {
    let generation = draft.rollout.metadata.generation.to_string();
    if draft.rollout.status.observed_generation != generation {
        return false;
    }
    let now = Time::new(draft.now);
    let mut next = draft.rollout.status.clone();
    let paused = draft.rollout.spec.paused || !next.pause_conditions.is_empty();
    let progressing = conditions::get(&next, condition::PROGRESSING).map_or("", |c| c.reason.as_str());
    let (says_paused, says_aborted) = (
        progressing == reason::ROLLOUT_PAUSED,
        progressing == reason::ROLLOUT_ABORTED,
    );
    let completed = !next.stable_rs.is_empty() && next.stable_rs == next.current_pod_hash;
    let mut changed = false;
    if paused != says_paused && !says_aborted && !completed {
        let (why, message) = if paused {
            (reason::ROLLOUT_PAUSED, "Rollout is paused")
        } else {
            (reason::ROLLOUT_RESUMED, "Rollout is resumed")
        };
        changed |= conditions::set(&mut next, now, condition::PROGRESSING, "Unknown", why, message);
    }
    if !next.abort && says_aborted {
        let message = "Retrying Rollout after abort";
        changed |= conditions::set(
            &mut next,
            now,
            condition::PROGRESSING,
            "Unknown",
            reason::ROLLOUT_RETRY,
            message,
        );
    }
    if paused != conditions::is_true(&next, condition::PAUSED) && !says_aborted {
        let value = if paused { "True" } else { "False" };
        let message = "Rollout is paused";
        changed |= conditions::set(
            &mut next,
            now,
            condition::PAUSED,
            value,
            reason::ROLLOUT_PAUSED,
            message,
        );
    }
    if changed {
        status::seal(draft, &mut next);
        draft.rollout.status = next;
    }
    changed
}

/// Whether a person has to act before the update goes on.
pub fn awaits_person(draft: &Draft) -> bool {
    pauses_for_person(draft, &draft.rollout.status)
}

/// Like [`awaits_person`] of a status that is not in the draft yet, and of a manifest that is paused by hand.
pub fn waits_for_person(draft: &Draft, status: &RolloutStatus) -> bool {
    draft.rollout.spec.paused || pauses_for_person(draft, status)
}

fn pauses_for_person(draft: &Draft, status: &RolloutStatus) -> bool {
    if intent::inconclusive(status) || cutover::pauses_for_person(draft, status) {
        return true;
    }
    let step = steps::current(&draft.canary.steps, status.current_step_index);
    let pause = step.and_then(|(_, step)| step.pause.as_ref());
    intent::has_pause(status, pause::CANARY_STEP) && pause.is_some_and(|pause| pause.duration.is_none())
}
