//! S2: the version that bears a share of the traffic has the pods for it. Binds each write that raises a share. That pods are not taken
//! away from under the traffic is S7.

use super::delta::ShareMove;
use super::read::{WHOLE, percent};
use super::rollout::Rollout;
use super::{Found, Law, Sight, write};

/// See the module's description.
#[derive(Default)]
pub struct EnoughPods;

impl Law for EnoughPods {
    fn id(&self) -> &'static str {
        "S2"
    }

    fn says(&self) -> &'static str {
        "a version gets a share of the traffic only with that share of the replicas available, less maxUnavailable"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        let picture = sight.picture;
        for rise in picture.delta.shares.iter().filter(|share| share.to > share.from) {
            let binds = |rollout: &&std::sync::Arc<Rollout>| !rollout.invalid();
            let Some(rollout) = picture.rollouts.get(&rise.rollout).filter(binds) else {
                continue;
            };
            if picture.lost(rollout, &rise.hash) {
                // A version of which there is nothing: whoever leads a Service there breaks S1, not this law.
                continue;
            }
            let needed = needed(sight, rollout, rise);
            let available = picture.available_most(rollout, &rise.hash, sight.known_since());
            if available >= needed {
                continue;
            }
            let evidence = format!(
                "{}: the share of version {} rose from {} to {}, which takes {needed} of {} pods at least (maxUnavailable {}), but only \
                 {available} were available; {}",
                write::told(request),
                rise.hash,
                percent(rise.from),
                percent(rise.to),
                rollout.spec.replicas,
                rollout.spec.unavailable,
                picture.told_sets(rollout),
            );
            return Some(Found::new(evidence, [rollout.name(), write::object(request)]));
        }
        None
    }
}

/// The replicas that were asked for, or lately, when a change may not have got to the controller yet.
fn asked_lately(sight: &Sight<'_>, rollout: &Rollout) -> i64 {
    let same = |other: &&std::sync::Arc<Rollout>| other.uid == rollout.uid;
    let lately = sight.picture.rollouts_lately().filter(same);
    let least = lately.map(|other| other.spec.replicas).min();
    least.unwrap_or(rollout.spec.replicas)
}

/// The pods that a share takes. An abort does not wait for stable pods that are on their way, as after an autoscaler's word. When other
/// sizes than the weights' were asked for, one must do; so it must when all traffic goes to a version from one that has fewer pods left.
fn needed(sight: &Sight<'_>, rollout: &Rollout, rise: &ShareMove) -> i64 {
    let (picture, spec) = (sight.picture, &rollout.spec);
    let whole = rise.to * asked_lately(sight, rollout) / WHOLE;
    let spare = if rollout.status.abort {
        spec.unavailable.max(1)
    } else {
        spec.unavailable
    };
    let needed = (whole - spare).max(0);
    let losers = picture
        .delta
        .shares
        .iter()
        .filter(|share| share.rollout == rise.rollout && share.to < share.from);
    let mut losers = losers.peekable();
    let winner = picture.available_most(rollout, &rise.hash, sight.known_since());
    let left = |loser: &ShareMove| picture.available_least(rollout, &loser.hash, sight.known_since());
    let flight = losers.peek().is_some()
        && losers.all(|loser| left(loser) == 0 || rise.to == WHOLE && left(loser) < winner);
    let stable = picture.set_of(rollout, &rollout.status.stable);
    let coming = stable.is_some_and(|set| set.hash == rise.hash && set.desired.now() >= needed);
    if spec.own_sizes && rise.hash != rollout.status.stable || flight || rollout.status.abort && coming {
        needed.min(1)
    } else {
        needed
    }
}
