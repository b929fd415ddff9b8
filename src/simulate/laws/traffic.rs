//! S1: traffic goes only where pods are. Binds each write that raises the share of a version, switches a Service, or gives weight to a
//! Service without endpoints; and the state of a route that points to a dead version while stable could carry everything.

use super::duty::Duty;
use super::read::{percent, shown};
use super::rollout::Rollout;
use super::{Facts, Found, Law, Picture, Sight, write};
use chrono::{DateTime, Utc};

/// See the module's description.
pub struct OnlyReadyVersions {
    dead: Duty,
}

impl Default for OnlyReadyVersions {
    fn default() -> Self {
        Self {
            dead: Duty::new(points_to_nothing, |facts| facts.reaction_max, tell_dead),
        }
    }
}

impl Law for OnlyReadyVersions {
    fn id(&self) -> &'static str {
        "S1"
    }

    fn says(&self) -> &'static str {
        "traffic goes only to a version with available pods, unless no version has any"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        self.dead.overdue(picture, facts, now)
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        self.dead.look(sight.picture, sight.facts);
        let request = write::done(sight)?;
        raised(sight, request)
            .or_else(|| switched(sight, request))
            .or_else(|| no_endpoints(sight, request))
    }
}

type Request<'s> = &'s crate::simulate::record::Requested;

/// A share rose although no pod was there to take it.
fn raised(sight: &Sight<'_>, request: Request<'_>) -> Option<Found> {
    let picture = sight.picture;
    let rises = picture.delta.shares.iter().filter(|share| share.to > share.from);
    for rise in rises {
        let Some(rollout) = picture.rollouts.get(&rise.rollout) else {
            continue;
        };
        if !dead_beside_living(sight, rollout, &rise.hash) {
            continue;
        }
        let evidence = format!(
            "{}: the share of version {} rose from {} to {}, but it has had no available pod for at least {} ms; {}",
            write::told(request),
            rise.hash,
            percent(rise.from),
            percent(rise.to),
            sight.facts.lag_max.num_milliseconds(),
            picture.told_sets(rollout),
        );
        return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
    }
    None
}

/// Nothing of the version was available lately while something of another was all the time. Where no pods are asked for, those that are
/// left carry nobody for long: this binds no one.
fn dead_beside_living(sight: &Sight<'_>, rollout: &Rollout, hash: &str) -> bool {
    let (picture, since) = (sight.picture, sight.known_since());
    if rollout.spec.replicas == 0 {
        return false;
    }
    let living = |other: &super::objects::Set| other.hash != hash && other.available.least(since) > 0;
    picture.available_most(rollout, hash, since) == 0 && picture.sets_of(rollout).any(living)
}

/// Without a route a Service alone decides where requests go.
fn switched(sight: &Sight<'_>, request: Request<'_>) -> Option<Found> {
    let picture = sight.picture;
    for switch in picture
        .delta
        .switches
        .iter()
        .filter(|switch| !switch.to.is_empty())
    {
        let uses = |rollout: &&std::sync::Arc<Rollout>| {
            let spec = &rollout.spec;
            let name = &switch.service.1;
            rollout.id.0 == switch.service.0
                && !spec.routed
                && spec.active_service.is_empty()
                && (spec.stable_service == *name || spec.canary_service == *name)
        };
        let Some(rollout) = picture.rollouts.values().find(uses) else {
            continue;
        };
        if dead_beside_living(sight, rollout, &switch.to) {
            let evidence = format!(
                "{}: the Service went from version {:?} to {:?}, which has no available pod; {}",
                write::told(request),
                switch.from,
                switch.to,
                picture.told_sets(rollout),
            );
            return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
        }
    }
    None
}

/// A route gives weight to a Service that has no ready endpoint.
fn no_endpoints(sight: &Sight<'_>, request: Request<'_>) -> Option<Found> {
    let (picture, since) = (sight.picture, sight.known_since());
    for (route, _) in &picture.delta.routes {
        let users = picture
            .rollouts
            .values()
            .filter(|rollout| rollout.spec.routes.contains(route));
        for rollout in users {
            let (canary, stable) = (&rollout.spec.canary_service, &rollout.spec.stable_service);
            let now = picture.routes.get(route)?;
            let with_weight = |name: &String| {
                now.driven(canary, stable)
                    .any(|(c, s)| if name == canary { c > 0 } else { s > 0 })
            };
            let ready = |name: &String| {
                let service = picture.services.get(&(rollout.id.0.clone(), name.clone()));
                service
                    .filter(|service| service.slices)
                    .map_or(1, |service| service.ready.most(since))
            };
            let alive = [canary, stable].into_iter().any(|name| ready(name) > 0);
            let mut both = [canary, stable].into_iter();
            if let Some(empty) = both.find(|name| {
                alive && with_weight(name) && ready(name) == 0 && rose(sight, route, rollout, name)
            }) {
                let evidence = format!(
                    "{}: Service {} of {} gets traffic but has had no ready endpoint for at least {} ms",
                    write::told(request),
                    empty,
                    shown(route),
                    sight.facts.lag_max.num_milliseconds(),
                );
                return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
            }
        }
    }
    None
}

/// The version behind a Service got more by this record.
fn rose(sight: &Sight<'_>, _route: &super::read::Id, rollout: &Rollout, service: &str) -> bool {
    let picture = sight.picture;
    let hash = picture
        .services
        .get(&(rollout.id.0.clone(), service.to_owned()))
        .map(|service| &service.hash);
    let rises = |share: &super::delta::ShareMove| share.rollout == rollout.id && share.to > share.from;
    picture
        .delta
        .shares
        .iter()
        .any(|share| rises(share) && Some(&share.hash) == hash)
}

/// The new version has a share and no pod, and stable has everything it takes.
fn points_to_nothing(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let status = &rollout.status;
    let wrong = rollout.spec.routed
        && rollout.binding()
        && rollout.updating()
        && !status.promote_full
        && picture.share_now(&rollout.id, &status.current) > 0
        && picture.available(rollout, &status.current) == 0
        && picture.available(rollout, &status.stable) >= rollout.spec.replicas.max(1);
    wrong.then_some(None)
}

fn tell_dead(picture: &Picture, rollout: &Rollout) -> String {
    let hash = &rollout.status.current;
    format!(
        "version {hash} gets {} of the traffic and has no available pod, although stable could carry all of it; {}",
        percent(picture.share_now(&rollout.id, hash)),
        picture.told_sets(rollout),
    )
}
