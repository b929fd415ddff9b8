//! S6: a pause lasts at least as long as it says by the true clock, unless a person ends it, and not much longer.

use super::duty::Duty;
use super::read::human;
use super::rollout::{Rollout, Step};
use super::steps::{Move, moves};
use super::{Facts, Found, Law, Picture, Sight, write};
use chrono::{DateTime, TimeDelta, Utc};

/// See the module's description.
pub struct PausesLast {
    late: Duty,
}

impl Default for PausesLast {
    fn default() -> Self {
        let within = |facts: &Facts| TimeDelta::seconds(2) + facts.lag_max + facts.clock_skew_max;
        Self {
            late: Duty::new(over_since, within, tell_over),
        }
    }
}

impl Law for PausesLast {
    fn id(&self) -> &'static str {
        "S6"
    }

    fn says(&self) -> &'static str {
        "a pause lasts as long as it says, and ends then"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        self.late.overdue(picture, facts, now)
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        self.late.look(sight.picture, sight.facts);
        let request = write::done(sight)?;
        for one in moves(sight) {
            if let Some(why) = one.passed.clone().find_map(|step| too_short(sight, &one, step)) {
                let evidence = format!("{}: {why}", write::told(request));
                return Some(Found::new(evidence, [one.after.name(), write::object(request)]));
            }
        }
        None
    }
}

fn too_short(sight: &Sight<'_>, one: &Move<'_>, step: usize) -> Option<String> {
    let Step::Pause(Some(length)) = one.before.spec.steps.get(step)? else {
        return None;
    };
    let tale = &one.turn.tale;
    let began = tale.paused.filter(|_| step == one.passed.start);
    if began.is_some() && tale.resumed.is_some() {
        return None;
    }
    let lasted = began.map_or(TimeDelta::zero(), |began| sight.now() - began);
    // Starts are written in whole seconds.
    let facts = sight.facts;
    // A start that was decided may have been long on its way into the status.
    let enough = *length - TimeDelta::seconds(1) - facts.clock_skew_max - facts.in_flight_max;
    (lasted < enough).then(|| {
        format!(
            "the pause of step {step} says {} and lasted {}, and nobody ended it",
            human(*length),
            human(lasted)
        )
    })
}

/// When the pause that lasts now should have ended.
pub fn over_since(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let status = &rollout.status;
    let Some((_, Step::Pause(Some(length)))) = rollout.step() else {
        return None;
    };
    let waits = rollout.binding()
        && rollout.updating()
        && !rollout.spec.paused
        && !status.abort
        && status.pauses.len() == 1
        && status.step_pause().is_some();
    let began = picture.tale(rollout)?.paused.filter(|_| waits)?;
    Some(Some(began + *length))
}

pub fn tell_over(picture: &Picture, rollout: &Rollout) -> String {
    let began = picture.tale(rollout).and_then(|tale| tale.paused);
    let began = began.map_or(String::new(), |began| {
        format!(" (began {})", began.format("%H:%M:%S"))
    });
    format!(
        "the pause of step {}{began} is over, but the steps do not go on",
        rollout.status.index.unwrap_or(0)
    )
}
