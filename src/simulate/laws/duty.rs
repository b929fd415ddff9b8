//! States that the controller has to mend: a law of this kind says what is wrong about a Rollout and how long it may stay so while
//! nothing is in the controller's way.

use super::read::{Id, human};
use super::rollout::Rollout;
use super::{Facts, Found, Picture};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// What is wrong, and since when if that is known better than by having watched.
pub type Wrong = fn(&Picture, &Rollout, &Facts) -> Option<Option<DateTime<Utc>>>;

/// See the module's description.
pub struct Duty {
    pub wrong: Wrong,
    pub within: fn(&Facts) -> TimeDelta,
    /// What to say: "its weight stays at 20 % although …".
    pub tell: fn(&Picture, &Rollout) -> String,
    /// Late watches are no excuse.
    pub without_watches: bool,
    held: BTreeMap<Id, DateTime<Utc>>,
}

impl Duty {
    pub fn new(
        wrong: Wrong,
        within: fn(&Facts) -> TimeDelta,
        tell: fn(&Picture, &Rollout) -> String,
    ) -> Self {
        Self {
            wrong,
            within,
            tell,
            without_watches: false,
            held: BTreeMap::new(),
        }
    }

    /// Looks at every Rollout after something changed.
    pub fn look(&mut self, picture: &Picture, facts: &Facts) {
        if !picture.delta.any {
            return;
        }
        for rollout in picture.rollouts.values().filter(|rollout| facts.owes(rollout)) {
            match (self.wrong)(picture, rollout, facts) {
                None => drop(self.held.remove(&rollout.id)),
                Some(Some(since)) => drop(self.held.insert(rollout.id.clone(), since)),
                Some(None) => drop(self.held.entry(rollout.id.clone()).or_insert(picture.now)),
            }
        }
        self.held.retain(|id, _| picture.rollouts.contains_key(id));
    }

    /// What has been wrong for too long at `now`.
    pub fn overdue(&self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        let calm = match self.without_watches {
            true => picture.calm.since_but_watches(facts)?,
            false => picture.calm.since(facts)?,
        };
        let bound = (self.within)(facts);
        let late = self
            .held
            .iter()
            .find(|(_, since)| now - calm.max(**since) > bound);
        let (id, since) = late?;
        let rollout = picture.rollouts.get(id)?;
        let evidence = format!(
            "{}: {}. It has been so for {} with a replica of the controller running and nothing in its way, at most {} are allowed",
            rollout.name(),
            (self.tell)(picture, rollout),
            human(now - calm.max(*since)),
            human(bound),
        );
        Some(Found::new(evidence, [rollout.name()]))
    }
}
