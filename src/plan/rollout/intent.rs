//! Pauses and aborts that one pass asks for, and what they make of the status.

use crate::api::rollout_status::{PauseCondition, RolloutStatus};
use crate::base::gotime::Time;
use crate::base::names::{pause, reason};
use crate::plan::Note;
use chrono::{DateTime, Utc};

/// What a pass wants of pauses and of the abort latch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    /// Abort, and why.
    pub abort: Option<String>,
    pub drop_abort: bool,
    pub clear_pauses: bool,
    pub add_pause: Option<&'static str>,
    pub remove_pause: Option<&'static str>,
    /// A person ended the pause, and what they asked for has not come about yet: the mark stays.
    pub stay_resumed: bool,
}

impl Intent {
    /// Whether an analysis or a deadline ends the pass before anything moves.
    pub fn interrupts(&self) -> bool {
        self.abort.is_some() || self.add_pause.is_some()
    }

    /// Whether the update counts as aborted in this pass.
    pub fn aborted(&self, status: &RolloutStatus) -> bool {
        !self.drop_abort && (status.abort || self.abort.is_some())
    }

    /// Writes abort and pauses into `status`, which still holds those of the pass before.
    pub fn apply(&self, status: &mut RolloutStatus, now: DateTime<Utc>) {
        if self.aborted(status) {
            status.abort = true;
            status.aborted_at.get_or_insert(Time::new(now));
            status.pause_conditions.clear();
            status.controller_pause = false;
            return;
        }
        status.abort = false;
        status.aborted_at = None;
        if self.clear_pauses {
            status.pause_conditions.clear();
        }
        if let Some(removed) = self.remove_pause {
            status
                .pause_conditions
                .retain(|condition| condition.reason != removed);
        }
        if let Some(added) = self.add_pause.filter(|added| !has_pause(status, added)) {
            status.pause_conditions.push(PauseCondition {
                reason: added.into(),
                // Whole seconds are all that a status can hold: cut off, the pause would end early.
                start_time: Time::ceil(now),
            });
            status.controller_pause = true;
        }
        if status.pause_conditions.is_empty() && (!self.stay_resumed || self.clear_pauses) {
            status.controller_pause = false;
        }
    }
}

pub fn has_pause(status: &RolloutStatus, reason: &str) -> bool {
    status
        .pause_conditions
        .iter()
        .any(|condition| condition.reason == reason)
}

/// An inconclusive analysis waits for a person: no sizes change meanwhile.
pub fn inconclusive(status: &RolloutStatus) -> bool {
    has_pause(status, pause::INCONCLUSIVE_ANALYSIS)
}

/// The Event of entering or leaving a pause.
pub fn transition(old: &RolloutStatus, new: &RolloutStatus) -> Option<Note> {
    match (old.pause_conditions.first(), new.pause_conditions.first()) {
        (None, Some(first)) => Some(Note::normal(
            reason::ROLLOUT_PAUSED,
            format!("Rollout is paused ({})", first.reason),
        )),
        (Some(_), None) if !new.abort => Some(Note::normal(reason::ROLLOUT_RESUMED, "Rollout is resumed")),
        _ => None,
    }
}
