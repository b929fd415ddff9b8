//! S3: an abort dominates. Once it is durable no write raises the weight or the size of the version that was given up, until a retry or
//! another template; and its traffic is gone soon, if stable can carry it.

use super::duty::Duty;
use super::read::{human, percent, shown};
use super::rollout::Rollout;
use super::{Facts, Found, Law, Picture, Sight, write};
use crate::simulate::record::Requested;
use chrono::{DateTime, TimeDelta, Utc};

/// See the module's description.
pub struct AbortDominates {
    lingering: Duty,
}

impl Default for AbortDominates {
    fn default() -> Self {
        Self {
            lingering: Duty::new(lingers, |facts| facts.abort_max, tell_lingering),
        }
    }
}

impl Law for AbortDominates {
    fn id(&self) -> &'static str {
        "S3"
    }

    fn says(&self) -> &'static str {
        "after an abort the aborted version gets no more traffic and no more pods, and its traffic goes away"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        self.lingering.overdue(picture, facts, now)
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        self.lingering.look(sight.picture, sight.facts);
        let request = write::done(sight)?;
        more_traffic(sight, request).or_else(|| more_pods(sight, request))
    }
}

/// For how long the abort has been durable, if the caller had to know of it.
fn known_abort(sight: &Sight<'_>, rollout: &Rollout, request: &Requested) -> Option<TimeDelta> {
    // A person who promotes in full has decided otherwise.
    if !rollout.status.abort || rollout.status.promote_full || !rollout.updating() || !rollout.observed() {
        return None;
    }
    if sight.picture.lost(rollout, &rollout.status.stable) {
        // There is nothing to go back to: pods of this version are better than none.
        return None;
    }
    let (since, by) = sight.picture.tale(rollout)?.aborted.as_ref()?;
    let own = by.as_ref() == Some(&request.caller);
    let excused = if own {
        sight.facts.in_flight_max
    } else {
        sight.facts.lag_max
    };
    let age = sight.now() - *since;
    // Its own abort a replica knows at once.
    (age > excused || own && excused.is_zero()).then_some(age)
}

fn more_traffic(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let picture = sight.picture;
    for rise in picture.delta.shares.iter().filter(|share| share.to > share.from) {
        let Some(rollout) = picture.rollouts.get(&rise.rollout) else {
            continue;
        };
        let Some(age) = known_abort(sight, rollout, request).filter(|_| rise.hash == rollout.status.current)
        else {
            continue;
        };
        let evidence = format!(
            "{}: {} was aborted {} ago, yet the share of its version {} rose from {} to {}",
            write::told(request),
            rollout.name(),
            human(age),
            rise.hash,
            percent(rise.from),
            percent(rise.to),
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}

fn more_pods(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let picture = sight.picture;
    for size in picture.delta.sizes.iter().filter(|size| size.to > size.from) {
        let Some(set) = picture.sets.get(&size.set) else {
            continue;
        };
        let Some(rollout) = picture
            .by_uid(&set.owner)
            .filter(|rollout| rollout.status.current == set.hash)
        else {
            continue;
        };
        // The canary follows the number of replicas also when it is held after an abort.
        if rollout.spec.own_sizes {
            continue;
        }
        let Some(age) = known_abort(sight, rollout, request) else {
            continue;
        };
        let evidence = format!(
            "{}: {} was aborted {} ago, yet its new version was scaled up: ReplicaSet {} from {} to {}",
            write::told(request),
            rollout.name(),
            human(age),
            shown(&size.set),
            size.from,
            size.to,
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}

/// Aborted, and the new version still has a share that stable could carry.
pub fn lingers(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let (spec, status) = (&rollout.spec, &rollout.status);
    let enough = (spec.replicas - spec.unavailable.max(1)).max(1);
    let wrong = spec.routed
        && rollout.binding()
        && rollout.updating()
        && status.abort
        && picture.share_now(&rollout.id, &status.current) > 0
        && picture.available(rollout, &status.stable) >= enough;
    wrong.then_some(None)
}

pub fn tell_lingering(picture: &Picture, rollout: &Rollout) -> String {
    let hash = &rollout.status.current;
    format!(
        "the update is aborted, but version {hash} still gets {} of the traffic, although stable could carry it; {}",
        percent(picture.share_now(&rollout.id, hash)),
        picture.told_sets(rollout),
    )
}
