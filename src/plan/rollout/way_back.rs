//! `dynamicStableScale`: the way back when stable has shrunk while the canary grew. Traffic goes back in parts, each as soon as stable has
//! the pods for it; how stable grows and the canary shrinks meanwhile follows the weights of the steps, as under Argo Rollouts.
//!
//! Without it stable has all its pods at any time, and everything goes back at once.

use crate::api::rollout_status::{RolloutStatus, WeightDestination};
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::scale::{Counts, Sizing};
use crate::plan::rollout::sizing;

/// Whether stable shrinks while the canary grows.
pub fn shrinks(draft: &Draft) -> bool {
    draft.canary.dynamic_stable_scale && draft.routed()
}

/// The canary as the status knows it, while it is on its way out: after an abort, because stable is wanted again, or because a newer
/// version is. `None` when nothing is on its way back, or everything is back.
pub fn leaving<'d>(draft: &'d Draft) -> Option<&'d WeightDestination> {
    if !shrinks(draft) {
        return None;
    }
    let status = &draft.rollout.status;
    let stored = &status.canary.weights.as_ref()?.canary;
    if status.abort && !draft.fully_promoted() {
        return Some(stored);
    }
    let other = stored.pod_template_hash != draft.new_hash && stored.weight > 0;
    let whole = draft.set(draft.roles().stable)?.available >= draft.replicas();
    (other && !(draft.fully_promoted() && whole)).then_some(stored)
}

/// Whether this plan names another canary than the stored status: what is leaving is known by that name, so it must be durable.
pub fn hands_over(draft: &Draft) -> bool {
    let named = |status: &RolloutStatus| {
        let weights = status.canary.weights.as_ref();
        weights.map(|weights| weights.canary.pod_template_hash.clone())
    };
    shrinks(draft) && named(&draft.seen.rollout.status) != named(&draft.rollout.status)
}

/// Whether stable needs all its pods although the steps ask for fewer: what replaces the leaving canary begins without traffic.
pub fn needs_all(draft: &Draft) -> bool {
    leaving(draft).is_some() && !draft.rollout.status.abort
}

/// The weight that the leaving canary keeps for now.
pub fn weight(draft: &Draft) -> i32 {
    let Some(stored) = leaving(draft) else { return 0 };
    let roles = draft.roles();
    let leaver = draft
        .sets
        .iter()
        .position(|set| set.hash() == stored.pod_template_hash);
    let (Some(leaver), Some(stable)) = (leaver, roles.stable) else {
        return 0;
    };
    let (leaver, stable) = (draft.counts(leaver), draft.counts(stable));
    let of = Sizing {
        new: Some(leaver),
        stable: Some(stable),
        ..sizing::of(draft, None)
    };
    part(&of, stored.weight, leaver, stable)
}

/// What the canary keeps of `stored`: as much as stable cannot carry yet, and never more than the canary has pods for.
fn part(of: &Sizing, stored: i32, leaver: Counts, stable: Counts) -> i32 {
    let ready = of.carried(stable.available);
    let left = (of.weight_max - ready).max(0);
    // Each part is worth a write: a tenth of the traffic, or what the sizes wait for.
    let worth = stored - left >= of.weight_max / 10 || left <= of.backstep();
    let kept = if worth { left.min(stored) } else { stored };
    if leaver.available >= of.share(kept) {
        return kept;
    }
    // Pods of the canary are missing: each pod that is there, of either version, gets the same.
    let pods = i64::from(leaver.available) + i64::from(stable.available);
    let fair = i64::from(leaver.available) * i64::from(of.weight_max) / pods.max(1);
    kept.min(i32::try_from(fair).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::strategy::CanaryStep;

    /// `replicas` 10, steps 10 and 50; available pods of the canary and of stable.
    fn check(stored: i32, canary: i32, stable: i32, delay: Option<i32>, want: i32) {
        let weight = |weight| CanaryStep {
            set_weight: Some(weight),
            ..CanaryStep::default()
        };
        let steps = [weight(10), weight(50)];
        let counts = |available| Counts {
            desired: available,
            current: available,
            available,
        };
        let of = Sizing {
            replicas: 10,
            steps: &steps,
            step_index: Some(0),
            aborted: true,
            routed: true,
            weight_max: 100,
            dynamic_stable: true,
            abort_delay_seconds: delay,
            new: Some(counts(canary)),
            stable: Some(counts(stable)),
            ..Sizing::default()
        };
        let got = part(&of, stored, counts(canary), counts(stable));
        assert_eq!(got, want, "stored {stored}, canary {canary}, stable {stable}");
    }

    #[test]
    fn traffic_goes_back_in_parts_that_stable_has_pods_for() {
        check(50, 5, 5, None, 50);
        check(50, 5, 6, None, 40);
        check(50, 5, 8, None, 20);
        check(50, 5, 9, None, 10);
        check(10, 1, 9, None, 10);
        check(10, 1, 10, None, 0);
        check(10, 5, 10, Some(30), 0);
        check(10, 5, 10, None, 0);
    }

    #[test]
    fn a_canary_that_lost_its_pods_keeps_no_traffic() {
        check(50, 0, 5, None, 0);
        check(50, 2, 5, None, 28);
        check(50, 1, 9, None, 10);
    }
}
