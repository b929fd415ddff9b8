//! S7: order. Forward: pods, then the Service's version, then weight. Backward: weight, then pods. A weight rises only for a Service that
//! selects the new version; pods go only when the traffic that is left does not need them; and traffic is taken off the new version only
//! for a reason that is durable.

use super::objects::Route;
use super::read::{WHOLE, percent, shown};
use super::rollout::Rollout;
use super::{Found, Law, Sight, write};
use crate::simulate::record::Requested;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub struct CapacityFirst;

impl Law for CapacityFirst {
    fn id(&self) -> &'static str {
        "S7"
    }

    fn says(&self) -> &'static str {
        "pods before traffic on the way up, traffic before pods on the way down, and the reason before both"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        pods_before_traffic(sight, request)
            .or_else(|| service_after_weight(sight, request))
            .or_else(|| no_reason(sight, request))
    }
}

/// A ReplicaSet shrank below what the traffic on it needs.
fn pods_before_traffic(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let (picture, since) = (sight.picture, sight.known_since());
    for size in picture.delta.sizes.iter().filter(|size| size.to < size.from) {
        let Some(set) = picture.sets.get(&size.set) else {
            continue;
        };
        let Some(rollout) = picture.by_uid(&set.owner) else {
            continue;
        };
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
                let spec = &rollout.spec;
                route
                    .driven(&spec.canary_service, &spec.stable_service)
                    .map(|(canary, _)| canary)
                    .max()
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
        let id = (rollout.id.0.clone(), rollout.spec.canary_service.clone());
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
    let picture = sight.picture;
    let fell =
        |rollout: &Rollout| {
            let falls = |share: &super::delta::ShareMove| share.to < share.from;
            picture.delta.shares.iter().find(|share| {
                share.rollout == rollout.id && share.hash == rollout.status.current && falls(share)
            })
        };
    for (rollout, _, weight) in driven(sight) {
        let Some(share) = fell(rollout).filter(|_| rollout.updating() && rollout.observed()) else {
            continue;
        };
        let status = &rollout.status;
        let since = sight.known_since();
        let reason = status.abort
            || status.promote_full
            || weight >= rollout.weight_least()
            || rollout.spec.steps.is_empty()
            || picture.available_least(rollout, &status.current, since) == 0
            || picture.tale(rollout).is_some_and(|tale| tale.excuses(since));
        if reason {
            continue;
        }
        let evidence = format!(
            "{}: the share of the new version {} of {} fell from {} to {}, but it has pods, the update is not aborted, and its step asks \
             for weight {}",
            write::told(request),
            share.hash,
            rollout.name(),
            percent(share.from),
            percent(share.to),
            rollout.weight_least(),
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}
