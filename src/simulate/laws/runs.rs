//! S10: one analysis run per Rollout, revision, kind and step. A second one needs a reason: the first failed, was told to stop, was
//! deleted, asks for something else, or belongs to an attempt that was given up.

use super::objects::Run;
use super::read::{Id, shown};
use super::{Found, Law, Sight, write};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub struct OneRunEach {
    /// In which attempt of its Rollout a run was made.
    attempts: BTreeMap<Id, u32>,
}

impl Law for OneRunEach {
    fn id(&self) -> &'static str {
        "S10"
    }

    fn says(&self) -> &'static str {
        "one analysis run per rollout, revision, kind and step"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let mut found = None;
        for turn in &sight.picture.delta.runs {
            let (None, Some(run)) = (&turn.before, &turn.after) else {
                continue;
            };
            let attempt = self.attempt(sight, run);
            self.attempts.insert(run.id.clone(), attempt);
            found = found.or_else(|| self.second(sight, run, attempt));
        }
        found
    }
}

impl OneRunEach {
    fn attempt(&self, sight: &Sight<'_>, run: &Run) -> u32 {
        sight
            .picture
            .tales
            .get(&run.owner)
            .map_or(0, |tale| tale.restarts)
    }

    fn second(&self, sight: &Sight<'_>, run: &Run, attempt: u32) -> Option<Found> {
        let request = write::done(sight)?;
        let rollout = sight.picture.by_uid(&run.owner)?;
        let same = |other: &&Arc<Run>| {
            other.id != run.id
                && (&other.type_, &other.step, &other.hash, &other.revision)
                    == (&run.type_, &run.step, &run.hash, &run.revision)
        };
        let first = sight.picture.runs_of(rollout).filter(same).find(|other| {
            let open =
                !other.over() && !other.terminate && !other.deleting && other.raw["spec"] == run.raw["spec"];
            let passed = other.phase == "Successful"
                && !other.terminate
                && self.attempts.get(&other.id) == Some(&attempt);
            open || passed
        })?;
        let phase = if first.phase.is_empty() {
            "not begun"
        } else {
            &first.phase
        };
        let evidence = format!(
            "{}: a second {} run of revision {} step {:?}, while {} exists ({phase})",
            write::told(request),
            run.type_,
            run.revision,
            run.step,
            shown(&first.id),
        );
        Some(Found::new(evidence, [rollout.name(), write::object(request)]))
    }
}
