//! S7: order. Forward: pods, then the Service's version, then weight. Backward: weight, then pods. A weight rises only for a Service that
//! selects the new version; pods go only when the traffic that is left does not need them; and traffic is taken off the new version only
//! for a reason that is durable.

use super::objects::Route;
use super::read::{Id, WHOLE, percent, shown};
use super::rollout::Rollout;
use super::{Found, Law, Sight, write};
use crate::simulate::record::Requested;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub struct CapacityFirst {
    /// The largest share that a version was given with the pods for it: it may be given back when others took it.
    granted: BTreeMap<(Id, String), i64>,
}

impl Law for CapacityFirst {
    fn id(&self) -> &'static str {
        "S7"
    }

    fn says(&self) -> &'static str {
        "pods before traffic on the way up, traffic before pods on the way down, and the reason before both"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        self.traffic_before_pods(sight, request)
            .or_else(|| pods_before_traffic(sight, request))
            .or_else(|| service_after_weight(sight, request))
            .or_else(|| no_reason(sight, request))
    }
}

impl CapacityFirst {
    /// The new version got a share before it had all the pods that this share asks for.
    fn traffic_before_pods(&mut self, sight: &Sight<'_>, request: &Requested) -> Option<Found> {
        let (picture, since) = (sight.picture, sight.known_since());
        let mut found = None;
        for rise in picture.delta.shares.iter().filter(|share| share.to > share.from) {
            let Some(rollout) = picture
                .rollouts
                .get(&rise.rollout)
                .filter(|rollout| rollout.updating())
            else {
                continue;
            };
            let spec = &rollout.spec;
            let asked =
                rise.hash == rollout.status.current && !spec.own_sizes && !rollout.status.promote_full;
            let granted = self
                .granted
                .entry((rise.rollout.clone(), rise.hash.clone()))
                .or_insert(0);
            let needed = rise.to * spec.replicas / WHOLE;
            let available = picture.available_most(rollout, &rise.hash, since);
            let lately = picture
                .tale(rollout)
                .and_then(|tale| tale.touched)
                .is_some_and(|at| at >= since);
            if !asked || available >= needed || rise.to <= *granted || lately {
                *granted = rise.to.max(*granted);
                continue;
            }
            let evidence = format!(
                "{}: the share of the new version {} rose from {} to {}, which takes {needed} of {} pods, but only {available} were \
                 available; {}",
                write::told(request),
                rise.hash,
                percent(rise.from),
                percent(rise.to),
                spec.replicas,
                picture.told_sets(rollout),
            );
            found = found.or(Some(Found::new(
                evidence,
                [rollout.name(), write::object(request)],
            )));
        }
        found
    }
}

/// A ReplicaSet shrank below what the traffic on it needs.
fn pods_before_traffic(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let (picture, since) = (sight.picture, sight.known_since());
    for size in picture.delta.sizes.iter().filter(|size| size.to < size.from) {
        let Some(set) = picture.sets.get(&size.set) else {
            continue;
        };
        // Who asks for no pods at all has them taken from under the traffic.
        let asks = |rollout: &&Arc<Rollout>| rollout.spec.replicas > 0;
        let Some(rollout) = picture.by_uid(&set.owner).filter(asks) else {
            continue;
        };
        let lately = |at: chrono::DateTime<chrono::Utc>| at >= since;
        if picture
            .tale(rollout)
            .and_then(|tale| tale.touched)
            .is_some_and(lately)
        {
            // It was sized for another number of replicas.
            continue;
        }
        let share = picture
            .share(&rollout.id, &set.hash)
            .map_or(0, |share| share.least(since));
        let needed = share * rollout.spec.replicas / WHOLE;
        // One pod at least for any traffic at all; no more where other sizes than the weights' were asked for.
        let own_sizes = rollout.spec.own_sizes && set.hash != rollout.status.stable;
        let needed = if own_sizes {
            share.min(1)
        } else {
            needed.max(share.min(1))
        };
        if size.to >= needed {
            continue;
        }
        let evidence = format!(
            "{}: ReplicaSet {} went from {} to {} pods while its version {} still gets {} of the traffic, which takes {needed} of {}",
            write::told(request),
            shown(&size.set),
            size.from,
            size.to,
            set.hash,
            percent(share),
            rollout.spec.replicas,
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}

/// The Rollouts that a changed route belongs to, with the weights of its canary before and now.
fn driven<'s>(sight: &'s Sight<'_>) -> impl Iterator<Item = (&'s Arc<Rollout>, i64, i64)> {
    let picture = sight.picture;
    picture.delta.routes.iter().flat_map(move |(id, before)| {
        let users = picture
            .rollouts
            .values()
            .filter(|rollout| rollout.spec.routes.contains(id));
        users.filter_map(move |rollout| {
            let weight = |route: &Arc<Route>| {
                let rules = route.driven(rollout.sides());
                rules.map(|(canary, _)| canary).max()
            };
            Some((
                rollout,
                before.as_ref().and_then(weight).unwrap_or(0),
                weight(picture.routes.get(id)?)?,
            ))
        })
    })
}

/// The canary's weight rose before its Service selects the new version.
fn service_after_weight(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let picture = sight.picture;
    for (rollout, before, now) in
        driven(sight).filter(|(rollout, before, now)| now > before && rollout.updating())
    {
        let id = (rollout.id.0.clone(), rollout.sides()[0].to_owned());
        let Some(service) = picture.services.get(&id) else {
            continue;
        };
        let current = &rollout.status.current;
        let moved_lately = service.moved.is_some_and(|at| at >= sight.known_since());
        if service.hash == *current || moved_lately || !rollout.observed() {
            continue;
        }
        let evidence = format!(
            "{}: the weight of the canary of {} rose from {before} to {now}, but its Service {} selects version {:?} and not the new one, \
             {current:?}",
            write::told(request),
            rollout.name(),
            shown(&id),
            service.hash,
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}

/// Traffic was taken off the new version although nothing that is stored says why: a crash now would leave no trace of the reason.
fn no_reason(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let (picture, since) = (sight.picture, sight.known_since());
    for fall in picture.delta.shares.iter().filter(|share| share.to < share.from) {
        let binds = |rollout: &&Arc<Rollout>| {
            rollout.status.current == fall.hash && rollout.updating() && rollout.observed()
        };
        let Some(rollout) = picture.rollouts.get(&fall.rollout).filter(binds) else {
            continue;
        };
        let (spec, status) = (&rollout.spec, &rollout.status);
        let asked = rollout.weight_least() * WHOLE / spec.weight_max.max(1);
        let reason = status.abort
            || status.promote_full
            || fall.to + 1 >= asked
            || spec.steps.is_empty()
            || picture.available_least(rollout, &status.current, since) == 0
            || picture.tale(rollout).is_some_and(|tale| tale.excuses(since));
        if reason {
            continue;
        }
        let evidence = format!(
            "{}: the share of the new version {} of {} fell from {} to {}, but it has pods, the update is not aborted, and its step asks \
             for weight {}",
            write::told(request),
            fall.hash,
            rollout.name(),
            percent(fall.from),
            percent(fall.to),
            rollout.weight_least(),
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}
