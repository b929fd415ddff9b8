//! T6 and T7: the arithmetic of pods and weights. Without a router no write makes more pods than `replicas + maxSurge`, and none takes
//! available pods away below `replicas - maxUnavailable`; the weights of a driven rule sum to the whole.

use super::delta::SizeMove;
use super::objects::Set;
use super::read::shown;
use super::rollout::Rollout;
use super::{Found, Law, Sight, write};
use std::sync::Arc;

/// T6: see the module's description.
#[derive(Default)]
pub struct WithinBudget;

impl Law for WithinBudget {
    fn id(&self) -> &'static str {
        "T6"
    }

    fn says(&self) -> &'static str {
        "without a router: no more pods than replicas + maxSurge, no fewer available than replicas - maxUnavailable"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        let picture = sight.picture;
        for size in &picture.delta.sizes {
            let Some(set) = picture.sets.get(&size.set) else {
                continue;
            };
            let Some(rollout) = picture.by_uid(&set.owner).filter(|rollout| bound(sight, rollout)) else {
                continue;
            };
            let why = if size.to > size.from {
                too_many(sight, rollout, set)
            } else {
                too_few(sight, rollout, set, size)
            };
            if let Some(why) = why {
                let evidence = format!(
                    "{}: ReplicaSet {} from {} to {}, {why}; {}",
                    write::told(request),
                    shown(&size.set),
                    size.from,
                    size.to,
                    picture.told_sets(rollout),
                );
                return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
            }
        }
        None
    }
}

/// Numbers of pods are the weights, and nobody changed what is wanted just now.
fn bound(sight: &Sight<'_>, rollout: &Rollout) -> bool {
    let lately = |at: Option<chrono::DateTime<chrono::Utc>>| at.is_some_and(|at| at >= sight.known_since());
    let touched = sight.picture.tale(rollout).and_then(|tale| tale.touched);
    !rollout.spec.routed && rollout.spec.active_service.is_empty() && !lately(touched)
}

fn too_many(sight: &Sight<'_>, rollout: &Rollout, raised: &Set) -> Option<String> {
    let since = sight.known_since();
    let others = sight
        .picture
        .sets_of(rollout)
        .filter(|set| set.name != raised.name);
    // A size that another replica of the controller wrote just now counts as it was.
    let total: i64 = raised.desired.now()
        + others
            .map(|set| set.desired.least(since).min(set.desired.now()))
            .sum::<i64>();
    let (replicas, surge) = (rollout.spec.replicas, rollout.spec.surge);
    (total > replicas + surge).then(|| format!("which makes {total} pods of {replicas} + {surge} (maxSurge)"))
}

fn too_few(sight: &Sight<'_>, rollout: &Rollout, shrunk: &Set, size: &SizeMove) -> Option<String> {
    let since = sight.known_since();
    let had = shrunk.available.now();
    if size.to >= had {
        // Pods that are not available go first.
        return None;
    }
    let others = sight
        .picture
        .sets_of(rollout)
        .filter(|set| set.name != shrunk.name);
    let left: i64 = size.to
        + others
            .map(|set| set.available.most(since).min(set.desired.most(since)))
            .sum::<i64>();
    let (replicas, unavailable) = (rollout.spec.replicas, rollout.spec.unavailable);
    (left < replicas - unavailable)
        .then(|| format!("which leaves {left} available of {replicas} - {unavailable} (maxUnavailable)"))
}

/// T7: see the module's description.
#[derive(Default)]
pub struct WeightsSum;

impl Law for WeightsSum {
    fn id(&self) -> &'static str {
        "T7"
    }

    fn says(&self) -> &'static str {
        "the weights of a route that the controller writes sum to the whole"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        let picture = sight.picture;
        for (id, _) in &picture.delta.routes {
            let route = picture.routes.get(id)?;
            let users = picture
                .rollouts
                .values()
                .filter(|rollout: &&Arc<Rollout>| rollout.spec.routes.contains(id));
            for rollout in users {
                let spec = &rollout.spec;
                let mut rules = route.driven(rollout.sides());
                let wrong = |(canary, stable): &(i64, i64)| {
                    *canary < 0 || *stable < 0 || canary + stable != spec.weight_max
                };
                if let Some((canary, stable)) = rules.find(wrong) {
                    let evidence = format!(
                        "{}: canary {canary} and stable {stable} do not sum to {}",
                        write::told(request),
                        spec.weight_max
                    );
                    return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
                }
            }
        }
        None
    }
}
