//! S4: fail closed. A version becomes stable only when all steps passed in this attempt, each analysis step by a successful run that was
//! not told to stop, with no failed background run and with all its pods; or when a person promoted it in full, or rolled back within
//! the window, or when there is no stable version to go back to. A blue-green version gets the users only with its analysis before the
//! switch passed, and becomes stable only with the users and with the one after it; not asked of one whose pods were kept for its return.

use super::read::{Id, human, shown};
use super::rollout::{Rollout, Step};
use super::{Found, Law, Sight, write};
use crate::simulate::record::Requested;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What runs before and after a switch are labelled with.
const PRE: &str = "PrePromotion";
const POST: &str = "PostPromotion";

/// See the module's description.
#[derive(Default)]
pub struct FailClosed {
    /// When a run last passed: by uid of the Rollout, version and step.
    passed: BTreeMap<(String, String, String), DateTime<Utc>>,
    /// When a run failed.
    failed: BTreeMap<Id, DateTime<Utc>>,
}

impl Law for FailClosed {
    fn id(&self) -> &'static str {
        "S4"
    }

    fn says(&self) -> &'static str {
        "a version becomes stable only after every step passed, or by a person's hand"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        self.remember(sight);
        let request = write::done(sight)?;
        if let Some(found) = self.switched_unjudged(sight, request) {
            return Some(found);
        }
        for turn in &sight.picture.delta.rollouts {
            let (Some(before), Some(after)) = (&turn.before, &turn.after) else {
                continue;
            };
            let changed = before.uid == after.uid && before.status.stable != after.status.stable;
            if !changed || before.status.stable.is_empty() {
                continue;
            }
            if let Some(why) = self.refuses(sight, before, after) {
                let evidence = format!(
                    "{}: version {} became stable instead of {}, but {why}",
                    write::told(request),
                    after.status.stable,
                    before.status.stable,
                );
                return Some(Found::new(evidence, [after.name(), write::object(request)]));
            }
        }
        None
    }
}

impl FailClosed {
    fn remember(&mut self, sight: &Sight<'_>) {
        for turn in &sight.picture.delta.runs {
            let Some(run) = &turn.after else { continue };
            if run.phase == "Successful" && !run.terminate {
                let what = if run.step.is_empty() {
                    &run.type_
                } else {
                    &run.step
                };
                let key = (run.owner.clone(), run.hash.clone(), what.clone());
                self.passed.insert(key, sight.now());
            }
            if run.failed() {
                self.failed.entry(run.id.clone()).or_insert(sight.now());
            }
        }
    }

    /// Why this promotion is not allowed.
    fn refuses(&self, sight: &Sight<'_>, before: &Rollout, after: &Rollout) -> Option<String> {
        let (picture, spec) = (sight.picture, &before.spec);
        let new = &after.status.stable;
        if *new != after.status.current {
            return Some(format!("the current version is {:?}", after.status.current));
        }
        let available = picture.available_most(before, new, sight.known_since());
        if available < spec.replicas && !spec.own_sizes {
            return Some(format!(
                "only {available} of {} pods of it were available; {}",
                spec.replicas,
                picture.told_sets(before)
            ));
        }
        let gone = picture.lost(before, &before.status.stable);
        if before.status.promote_full || spec.rollback_window || gone {
            return None;
        }
        // An abort is of its own version: a newer one may come to its end in the very write that lifts it.
        if before.status.abort && before.status.current == *new {
            return Some("the update is aborted".to_owned());
        }
        if !spec.active_service.is_empty() {
            let led = picture.share_now(&before.id, new) > 0;
            return match led {
                true => self.unjudged(sight, before, POST),
                false => Some(format!("Service {} does not lead to it", spec.active_service)),
            };
        }
        let steps = i64::try_from(spec.steps.len()).unwrap_or(0);
        if steps > 0 && after.status.index != Some(steps) {
            return Some(format!("step {:?} of {steps} is not the end", after.status.index));
        }
        self.unpassed(sight, before, new)
            .or_else(|| self.failed_beside(sight, before))
    }

    /// The users were given to a version that its analysis before the switch had not let through.
    fn switched_unjudged(&self, sight: &Sight<'_>, request: &Requested) -> Option<Found> {
        let picture = sight.picture;
        let rises = picture.delta.shares.iter().filter(|share| share.to > share.from);
        for rise in rises {
            let Some(rollout) = picture.rollouts.get(&rise.rollout).filter(|one| one.updating()) else {
                continue;
            };
            let (spec, status) = (&rollout.spec, &rollout.status);
            let bound = !spec.active_service.is_empty() && rise.hash == status.current && rollout.binding();
            let gone = picture.lost(rollout, &status.stable);
            if !bound || status.promote_full || spec.rollback_window || gone {
                continue;
            }
            if let Some(why) = self.unjudged(sight, rollout, PRE) {
                let evidence = format!(
                    "{}: the users went to version {}, but {why}",
                    write::told(request),
                    rise.hash
                );
                return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
            }
        }
        None
    }

    /// Why the analysis before or after the switch does not let the current version through.
    fn unjudged(&self, sight: &Sight<'_>, rollout: &Rollout, which: &str) -> Option<String> {
        let (picture, hash) = (sight.picture, &rollout.status.current);
        let asked = match which {
            PRE => rollout.spec.judged_before,
            _ => rollout.spec.judged_after,
        };
        let returns = picture
            .set_of(rollout, hash)
            .is_some_and(|set| set.deadline.is_some());
        if !asked || returns {
            return None;
        }
        let began = picture.tale(rollout).and_then(|tale| tale.given_up);
        let key = (rollout.uid.clone(), hash.clone(), which.to_owned());
        let passed = self.passed.get(&key);
        let in_time = passed.is_some_and(|at| began.is_none_or(|began| *at >= began));
        (!in_time).then(|| {
            format!(
                "no {which} analysis run of it was successful in this attempt{}",
                runs_told(sight, rollout)
            )
        })
    }

    /// An analysis step that nothing lets through.
    pub fn unpassed(&self, sight: &Sight<'_>, rollout: &Rollout, hash: &str) -> Option<String> {
        let tale = sight.picture.tale(rollout);
        let skipped = |index: &usize| tale.is_some_and(|tale| tale.skipped.contains(index));
        let began = tale.and_then(|tale| tale.given_up);
        let analyses = rollout
            .spec
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| **step == Step::Analysis);
        let mut indexes = analyses.map(|(index, _)| index).filter(|index| !skipped(index));
        let missing = indexes.find(|index| {
            let key = (rollout.uid.clone(), hash.to_owned(), index.to_string());
            self.passed
                .get(&key)
                .is_none_or(|at| began.is_some_and(|began| *at < began))
        })?;
        Some(format!(
            "no analysis run of its step {missing} was successful in this attempt{}",
            runs_told(sight, rollout)
        ))
    }

    fn failed_beside(&self, sight: &Sight<'_>, before: &Rollout) -> Option<String> {
        let id = (before.id.0.clone(), before.status.background_run.clone());
        let (run, at) = (sight.picture.runs.get(&id)?, *self.failed.get(&id)?);
        let given_up = sight.picture.tale(before).and_then(|tale| tale.given_up);
        let age = sight.now() - at;
        let earlier = given_up.is_some_and(|since| at <= since);
        (run.failed() && age > sight.facts.lag_max && !earlier).then(|| {
            format!(
                "its background analysis run {} had ended in {} {} before",
                run.id.1,
                run.phase,
                human(age)
            )
        })
    }
}

fn runs_told(sight: &Sight<'_>, rollout: &Rollout) -> String {
    let told = |run: &std::sync::Arc<super::objects::Run>| {
        let told_to_stop = if run.terminate { ", told to stop" } else { "" };
        format!("{} ({}{told_to_stop})", shown(&run.id), run.phase)
    };
    let runs: Vec<String> = sight.picture.runs_of(rollout).map(told).collect();
    if runs.is_empty() {
        String::new()
    } else {
        format!("; runs: {}", runs.join(", "))
    }
}
