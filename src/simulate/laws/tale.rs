//! What happened to one Rollout so far, as far as a law cannot read it from the object: who did it, and when by the true clock.

use super::rollout::Rollout;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Tale {
    /// Since when the abort is durable, and whether a replica of the controller wrote it.
    pub aborted: Option<(DateTime<Utc>, Option<Arc<str>>)>,
    /// When the pause of a step began.
    pub paused: Option<DateTime<Utc>>,
    /// When a person ended the pause of the current step, or told to go on.
    pub resumed: Option<DateTime<Utc>>,
    /// The last time a full promotion was asked for.
    pub full: Option<DateTime<Utc>>,
    /// Steps that a person moved past, since the steps began.
    pub skipped: BTreeSet<usize>,
    /// When an attempt was last given up: what passed before does not count for the next.
    pub given_up: Option<DateTime<Utc>>,
    /// How often the steps began anew: after an abort, with new steps or a new template, or by a person's hand.
    pub restarts: u32,
    /// When the current step began.
    pub stepped: Option<DateTime<Utc>>,
    /// When the spec or the status was last changed by anybody but the controller.
    pub touched: Option<DateTime<Utc>>,
}

impl Tale {
    pub fn hear(
        &mut self,
        before: Option<&Rollout>,
        after: &Rollout,
        by: Option<&Arc<str>>,
        ours: bool,
        now: DateTime<Utc>,
    ) {
        let nothing = Default::default();
        let old = before
            .filter(|before| before.uid == after.uid)
            .map_or(&nothing, |before| &before.status);
        let new = &after.status;
        if !ours {
            self.touched = Some(now);
        }
        self.hear_abort(old.abort, new.abort, by.filter(|_| ours), now);
        if new.promote_full {
            self.full = Some(now);
        }
        let another = old.step_pause() != new.step_pause() || old.index != new.index;
        if new.step_pause().is_some() && another {
            self.paused = Some(now);
            self.resumed = None;
        }
        if !ours && !old.pauses.is_empty() && new.pauses.is_empty() {
            self.resumed = Some(now);
        }
        let anew = old.steps_hash != new.steps_hash || old.current != new.current;
        if anew {
            self.restarts += 1;
            self.skipped.clear();
        }
        if anew || old.index != new.index {
            self.hear_step(old.index.unwrap_or(0), new.index.unwrap_or(0), ours, now);
        }
    }

    /// Somebody changed something, or a step began, so lately that the controller may not have known.
    pub fn excuses(&self, since: DateTime<Utc>) -> bool {
        [self.touched, self.stepped]
            .into_iter()
            .flatten()
            .any(|at| at >= since)
    }

    fn hear_abort(&mut self, old: bool, new: bool, by: Option<&Arc<str>>, now: DateTime<Utc>) {
        if new && !old {
            self.aborted = Some((now, by.map(Arc::clone)));
            self.given_up = Some(now);
            self.restarts += 1;
            self.skipped.clear();
        } else if !new {
            self.aborted = None;
        }
    }

    fn hear_step(&mut self, from: i64, to: i64, ours: bool, now: DateTime<Utc>) {
        self.stepped = Some(now);
        if ours {
            self.resumed = None;
            return;
        }
        // A person moved the index: forward skips, backward begins anew.
        let (from, to) = (
            usize::try_from(from).unwrap_or(0),
            usize::try_from(to).unwrap_or(0),
        );
        self.skipped.extend(from..to);
        if to < from {
            self.given_up = Some(now);
            self.restarts += 1;
        }
    }
}
