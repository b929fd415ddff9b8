//! S5 and T8: the steps. The index moves forward one passed step after the other, and back only by an abort; what a write moves past must
//! have come true: the weight served or the pods there, the analysis successful, the pause ended by whoever may end it. How long a
//! pause lasts is S6.

use super::delta::Turn;
use super::objects::Run;
use super::read::{Id, WHOLE, percent, shown};
use super::rollout::{Rollout, Step};
use super::{Found, Law, Sight, write};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::ops::Range;

/// A write of the controller that moved the steps of an update on.
pub struct Move<'s> {
    pub before: &'s Rollout,
    pub after: &'s Rollout,
    pub turn: &'s Turn,
    /// The steps that were passed.
    pub passed: Range<usize>,
}

/// The moves of the record in hand. A person's word (full promotion, roll-back) moves past everything and is none; nor is there a way
/// back when somebody deleted the stable ReplicaSet.
pub fn moves<'s>(sight: &'s Sight<'_>) -> impl Iterator<Item = Move<'s>> {
    let ours = write::done(sight).is_some();
    sight
        .picture
        .delta
        .rollouts
        .iter()
        .filter(move |_| ours)
        .filter_map(|turn| {
            let (before, after) = (turn.before.as_deref()?, turn.after.as_deref()?);
            let (old, new) = (&before.status, &after.status);
            let same =
                before.uid == after.uid && old.current == new.current && old.steps_hash == new.steps_hash;
            let lost = sight.picture.lost(before, &old.stable);
            let by_word = old.promote_full || before.promoted() || before.spec.rollback_window || lost;
            let index = |index: Option<i64>| usize::try_from(index.unwrap_or(0)).unwrap_or(0);
            let passed = index(old.index)..index(new.index);
            (same && !by_word && old.index != new.index).then_some(Move {
                before,
                after,
                turn,
                passed,
            })
        })
}

/// See the module's description.
#[derive(Default)]
pub struct StepsInOrder;

impl Law for StepsInOrder {
    fn id(&self) -> &'static str {
        "S5"
    }

    fn says(&self) -> &'static str {
        "steps are passed in order, none is skipped, and each had come true"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        for one in moves(sight) {
            let (from, to) = (one.passed.start, one.passed.end);
            let why = if to < from {
                (!one.after.status.abort).then(|| "it went back without an abort".to_owned())
            } else {
                one.passed.clone().find_map(|step| untrue(sight, &one, step))
            };
            if let Some(why) = why {
                let evidence = format!(
                    "{}: the step index went from {from} to {to}, but {why}",
                    write::told(request)
                );
                return Some(Found::new(evidence, [one.after.name(), write::object(request)]));
            }
        }
        None
    }
}

/// Why a passed step had not come true.
fn untrue(sight: &Sight<'_>, one: &Move<'_>, step: usize) -> Option<String> {
    match one.before.spec.steps.get(step)? {
        Step::Weight(weight) if one.before.spec.routed => unserved(sight, one, step, *weight),
        Step::Weight(weight) => unsized_(sight, one.before, step, *weight),
        Step::Pause(None) => {
            let ended = step == one.passed.start && one.turn.tale.resumed.is_some();
            (!ended).then(|| format!("step {step} waits for a person, and nobody ended it"))
        }
        _ => None,
    }
}

/// The weight of a passed step was never on the route.
fn unserved(sight: &Sight<'_>, one: &Move<'_>, step: usize, weight: i64) -> Option<String> {
    let (picture, rollout) = (sight.picture, one.before);
    let share = picture.share(&rollout.id, &rollout.status.current)?;
    let wanted = weight * WHOLE / rollout.spec.weight_max.max(1);
    let since = sight.known_since();
    let later = rollout
        .spec
        .steps
        .get(step + 1..one.passed.end)
        .unwrap_or_default();
    let last = !later.iter().any(|step| matches!(step, Step::Weight(_)));
    let served = if last {
        share.least(since) <= wanted + 1 && share.most(since) >= wanted - 1
    } else {
        share.had(wanted - 1..=wanted + 1)
    };
    (!served).then(|| {
        format!(
            "step {step} sets weight {weight}, and the version {} gets {} of the traffic",
            rollout.status.current,
            percent(share.now())
        )
    })
}

/// Without a router the weight of a passed step is a number of pods.
fn unsized_(sight: &Sight<'_>, rollout: &Rollout, step: usize, weight: i64) -> Option<String> {
    let spec = &rollout.spec;
    if spec.own_sizes || !rollout.observed() {
        return None;
    }
    let any = weight > 0 && (spec.replicas > 1 || spec.surge > 0);
    let needed = (spec.replicas * weight / 100)
        .max(i64::from(any))
        .min(spec.replicas);
    let available = sight
        .picture
        .available_most(rollout, &rollout.status.current, sight.known_since());
    (available < needed).then(|| {
        format!("step {step} sets weight {weight}, which takes {needed} pods of the new version, and {available} were available")
    })
}

/// T8: see the module's description.
#[derive(Default)]
pub struct NoFailedGate {
    /// When a run passed, by uid of the Rollout, version and step.
    passed: BTreeMap<(String, String, String), DateTime<Utc>>,
    failed: BTreeMap<Id, DateTime<Utc>>,
}

impl Law for NoFailedGate {
    fn id(&self) -> &'static str {
        "T8"
    }

    fn says(&self) -> &'static str {
        "no step passes a failed, running or inconclusive analysis"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        for turn in &sight.picture.delta.runs {
            turn.after.iter().for_each(|run| self.remember(run, sight.now()));
        }
        let request = write::done(sight)?;
        for one in moves(sight) {
            let why = one.passed.clone().find_map(|step| self.closed(&one, step));
            if let Some(why) = why.or_else(|| self.beside(sight, &one)) {
                let (from, to) = (one.passed.start, one.passed.end);
                let evidence = format!(
                    "{}: the step index went from {from} to {to}, but {why}",
                    write::told(request)
                );
                return Some(Found::new(evidence, [one.after.name(), write::object(request)]));
            }
        }
        None
    }
}

impl NoFailedGate {
    fn remember(&mut self, run: &Run, now: DateTime<Utc>) {
        if run.phase == "Successful" && !run.terminate {
            self.passed
                .insert((run.owner.clone(), run.hash.clone(), run.step.clone()), now);
        }
        if run.failed() || run.phase == "Inconclusive" {
            self.failed.entry(run.id.clone()).or_insert(now);
        }
    }

    /// The analysis of a passed step did not succeed in this attempt.
    fn closed(&self, one: &Move<'_>, step: usize) -> Option<String> {
        if one.before.spec.steps.get(step)? != &Step::Analysis {
            return None;
        }
        let key = (
            one.before.uid.clone(),
            one.before.status.current.clone(),
            step.to_string(),
        );
        let since = one.turn.tale.given_up;
        let passed = self
            .passed
            .get(&key)
            .is_some_and(|at| since.is_none_or(|since| *at > since));
        (!passed).then(|| format!("no analysis run of step {step} was successful in this attempt"))
    }

    /// The background analysis had failed long enough to be known. One that failed before the attempt was given up is told of until a
    /// retry has a run of its own.
    fn beside(&self, sight: &Sight<'_>, one: &Move<'_>) -> Option<String> {
        if one.passed.is_empty() || one.after.status.abort {
            return None;
        }
        let id = (one.before.id.0.clone(), one.before.status.background_run.clone());
        let (run, at) = (sight.picture.runs.get(&id)?, self.failed.get(&id)?);
        let age = sight.now() - *at;
        let earlier = one.turn.tale.given_up.is_some_and(|since| *at <= since);
        let known = run.failed() && age > sight.facts.lag_max && !earlier;
        known.then(|| format!("the background run {} had ended in {}", shown(&id), run.phase))
    }
}
