//! Replica arithmetic: how many pods the new and the stable version should have. Numbers in, numbers out.
//!
//! The rules and their order are Argo Rollouts', so that a Rollout taken over in mid-flight is not resized.

use crate::api::strategy::{CanaryStep, ReplicaProgressThreshold};
use crate::base::percent::{IntOrString, Round};
use crate::plan::rollout::steps::{self, Scale};

/// What a ReplicaSet asks for, has, and has available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub desired: i32,
    pub current: i32,
    pub available: i32,
}

/// Everything that decides about sizes.
#[derive(Clone, Debug, Default)]
pub struct Sizing<'a> {
    /// `spec.replicas`.
    pub replicas: i32,
    pub max_surge: Option<&'a IntOrString>,
    pub max_unavailable: Option<&'a IntOrString>,
    pub steps: &'a [CanaryStep],
    pub step_index: Option<i32>,
    pub aborted: bool,
    /// Full promotion asked for, first deploy, or the new version is stable already.
    pub full: bool,
    pub routed: bool,
    pub weight_max: i32,
    pub min_pods: Option<i32>,
    pub dynamic_stable: bool,
    /// `abortScaleDownDelaySeconds` as written.
    pub abort_delay_seconds: Option<i32>,
    pub threshold: Option<&'a ReplicaProgressThreshold>,
    pub new: Option<Counts>,
    /// The stable version, when it is another one than the new.
    pub stable: Option<Counts>,
    pub older: Vec<Counts>,
    /// (canary, stable) weights known to be served.
    pub weights: Option<(i32, i32)>,
}

/// Sizes of the new and of the stable version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub new: i32,
    pub stable: i32,
}

const DEFAULT_BUDGET_PERCENT: &str = "25%";

impl Sizing<'_> {
    /// Pods allowed above `replicas`, and pods that may be missing. Both zero means that one may be missing.
    pub fn budget(&self) -> (i32, i32) {
        let default = IntOrString::String(DEFAULT_BUDGET_PERCENT.into());
        let read = |value: Option<&IntOrString>, round| {
            value
                .unwrap_or(&default)
                .of(self.replicas, round)
                .unwrap_or(0)
                .max(0)
        };
        // "As many as you like" is a number too, and the sum of both must stay one.
        let surge = read(self.max_surge, Round::Up).min(i32::MAX - self.replicas.max(0));
        let mut unavailable = read(self.max_unavailable, Round::Down);
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        (surge, unavailable.min(self.replicas))
    }

    /// The traffic weight that the steps ask for now.
    pub fn weight(&self) -> i32 {
        if self.aborted {
            return if self.dynamic_stable { self.backstep() } else { 0 };
        }
        steps::weight(self.steps, self.step_index, self.weight_max)
    }

    /// On abort with a shrunken stable version: the largest earlier weight that what is still missing of stable allows.
    pub fn backstep(&self) -> i32 {
        let (Some(new), Some(stable)) = (self.new, self.stable) else {
            return if self.aborted {
                0
            } else {
                steps::weight(self.steps, self.step_index, self.weight_max)
            };
        };
        let missing = self.replicas - stable.available;
        let held = self.abort_delay_seconds.is_some_and(|seconds| seconds > 0);
        let size = if held { missing } else { missing.max(new.available) };
        let fits = |weight: &i32| self.share(*weight) < size;
        self.steps
            .iter()
            .rev()
            .filter_map(|step| step.set_weight)
            .find(fits)
            .unwrap_or(0)
    }

    /// What sizes the canary: a `setCanaryScale`, else a weight.
    fn target(&self) -> Scale {
        if self.full {
            return Scale::Weight(self.weight_max);
        }
        let scale_holds = self.routed && (!self.aborted || self.abort_delay_seconds == Some(0));
        let scale = if scale_holds {
            steps::scale(self.steps, self.step_index)
        } else {
            None
        };
        scale.unwrap_or_else(|| Scale::Weight(self.weight()))
    }

    /// The replicas that carry `weight`, rounded up.
    pub fn share(&self, weight: i32) -> i32 {
        let parts = i64::from(weight) * i64::from(self.replicas);
        let whole = parts.div_euclid(i64::from(self.weight_max));
        let rest = parts.rem_euclid(i64::from(self.weight_max));
        i32::try_from(whole + i64::from(rest != 0)).unwrap_or(i32::MAX)
    }

    /// The weight that so many pods carry, rounded down.
    pub fn carried(&self, pods: i32) -> i32 {
        let weight = i64::from(pods.max(0)) * i64::from(self.weight_max) / i64::from(self.replicas.max(1));
        i32::try_from(weight)
            .unwrap_or(self.weight_max)
            .min(self.weight_max)
    }

    fn at_least_min_pods(&self, size: i32) -> i32 {
        let floor = self.min_pods.unwrap_or(0).min(self.replicas);
        if size == 0 { 0 } else { size.max(floor) }
    }

    /// The sizes to move to in the end, whatever the budget allows now.
    pub fn desired(&self) -> Sizes {
        if self.routed {
            self.desired_routed()
        } else {
            self.desired_basic()
        }
    }

    fn desired_routed(&self) -> Sizes {
        let (mut new, weight) = match self.target() {
            Scale::Replicas(replicas) => (replicas, 0),
            Scale::Weight(weight) => (self.at_least_min_pods(self.share(weight)), weight),
        };
        let mut stable = self.replicas;
        if self.dynamic_stable {
            stable = self.share(self.weight_max - weight);
            if let Some((canary, of_stable)) = self.weights {
                stable = stable.max(self.share(of_stable));
                if self.aborted {
                    new = new.max(self.share(canary));
                }
            }
            new = self.at_least_min_pods(new);
            stable = self.at_least_min_pods(stable);
        }
        Sizes { new, stable }
    }

    fn desired_basic(&self) -> Sizes {
        if self.stable.is_none() {
            return Sizes {
                new: self.replicas,
                stable: 0,
            };
        }
        let Scale::Weight(weight) = self.target() else {
            return Sizes {
                new: self.replicas,
                stable: 0,
            };
        };
        let (surge, _) = self.budget();
        let (new, total) = approximate(self.replicas, weight, self.weight_max, surge);
        Sizes {
            new,
            stable: total - new,
        }
    }

    /// The sizes for now: towards [`Sizing::desired`], within the budget.
    pub fn now(&self) -> Sizes {
        if self.routed {
            self.desired_routed()
        } else {
            self.now_basic()
        }
    }

    fn now_basic(&self) -> Sizes {
        let goal = self.desired_basic();
        let (surge, unavailable) = self.budget();
        let (total_max, available_min) = (self.replicas + surge, self.replicas - unavailable);
        let size = |counts: Option<Counts>| counts.map_or(0, |counts| counts.desired);
        let mut sizes = Sizes {
            new: size(self.new),
            stable: size(self.stable),
        };
        let older: i32 = self.older.iter().map(|counts| counts.desired).sum();

        let mut room = total_max - (older + sizes.new + sizes.stable);
        if self.stable.is_some() && sizes.stable < goal.stable && room > 0 {
            let raised = goal.stable.min(sizes.stable + room);
            room -= raised - sizes.stable;
            sizes.stable = raised;
        }
        if self.new.is_some() && sizes.new < goal.new && room > 0 {
            sizes.new = goal.new.min(sizes.new + room);
        }
        if older > 0 {
            // Older versions go first; they are scaled elsewhere.
            return sizes;
        }
        self.shrink(sizes, goal, total_max, available_min)
    }

    fn shrink(&self, sizes: Sizes, goal: Sizes, total_max: i32, available_min: i32) -> Sizes {
        let increasing = self.new.is_none_or(|new| goal.new >= new.desired);
        let spendable = removable(self.new, !increasing) + removable(self.stable, increasing);
        if spendable <= available_min {
            return sizes;
        }
        let spend = spendable - available_min;
        if increasing {
            let Some(stable) = self.stable else { return sizes };
            let drained = if stable.desired > goal.stable {
                goal.stable.max(stable.desired - spend)
            } else {
                sizes.stable
            };
            let (stable, new) = adjust(
                drained,
                self.stable,
                sizes.new,
                self.new,
                total_max,
                available_min,
            );
            return Sizes { new, stable };
        }
        let current = self.new.map_or(0, |new| new.desired);
        let drained = if current > goal.new {
            goal.new.max(current - spend)
        } else {
            sizes.new
        };
        let (new, stable) = adjust(
            drained,
            self.new,
            sizes.stable,
            self.stable,
            total_max,
            available_min,
        );
        Sizes { new, stable }
    }

    /// Whether the new and the stable version have the sizes that the current step asks for and the budget allows, and are
    /// available.
    pub fn reached(&self) -> bool {
        let goal = self.now();
        if !self.ready(self.new, goal.new) {
            return false;
        }
        let sized = |counts: Counts| counts.desired == goal.stable && counts.current == goal.stable;
        let stable_shrinks = self.routed && self.dynamic_stable;
        if !stable_shrinks && self.stable.is_some_and(|counts| !sized(counts)) {
            return false;
        }
        self.routed || self.older.iter().all(|counts| counts.available == 0)
    }

    /// Whether a version is ready at `goal` pods, or near enough where `replicaProgressThreshold` says so.
    pub fn ready(&self, counts: Option<Counts>, goal: i32) -> bool {
        let Some(counts) = counts else { return false };
        let exact = counts.available == goal && counts.desired == goal;
        let Some(threshold) = self.threshold.filter(|threshold| threshold.value >= 0) else {
            return exact;
        };
        match threshold.type_.as_str() {
            "Percent" if goal == 0 => true,
            "Percent" => i64::from(counts.available) * 100 >= i64::from(goal) * i64::from(threshold.value),
            "Pods" => counts.available >= threshold.value,
            _ => exact,
        }
    }
}

/// Pods of a version that can be taken away: those available, or all asked for when `ignoring` readiness.
fn removable(counts: Option<Counts>, ignoring: bool) -> i32 {
    counts.map_or(0, |counts| {
        if ignoring {
            counts.desired
        } else {
            counts.available.min(counts.desired)
        }
    })
}

/// Keeps the sum of a draining and a growing version within `total_max` without dropping below `available_min`.
fn adjust(
    mut drain: i32,
    draining: Option<Counts>,
    mut grow: i32,
    growing: Option<Counts>,
    total_max: i32,
    available_min: i32,
) -> (i32, i32) {
    let Some(growing) = growing else {
        return (drain, grow);
    };
    let draining_available = draining.map_or(0, |counts| counts.available);
    grow -= (drain + grow - total_max).max(0);
    let available = draining_available.min(drain) + growing.available.min(grow);
    let lost = (growing.available - grow).max(0);
    let missing = (available_min - available).max(0);
    grow += lost.min(missing);
    drain -= (drain + grow - total_max).max(0);
    (drain, grow)
}

/// Splits `replicas` (plus one if the surge allows) so that the canary's share of pods comes nearest to `weight`.
/// Returns the canary's pods and the total.
pub fn approximate(replicas: i32, weight: i32, weight_max: i32, surge: i32) -> (i32, i32) {
    if replicas == 0 {
        return (0, 0);
    }
    let (r, w, m) = (i64::from(replicas), i64::from(weight), i64::from(weight_max));
    let ceil = (r * w + m - 1).div_euclid(m);
    let floor = (r * w).div_euclid(m);
    let zero_allowed = w == m || w == 0 || (r == 1 && surge == 0);
    let tied = |total: i64| (total * w).rem_euclid(m) * 2 == m;
    let whole = |total: i64| total >= 1;
    let mut candidates = Vec::with_capacity(4);
    let mut consider = |canary: i64, total: i64, fits: bool| {
        if fits && whole(total) {
            candidates.push((canary, total));
        }
    };
    consider(ceil, r, ceil < r || zero_allowed);
    consider(floor, r, !tied(r) && (floor != 0 || zero_allowed));
    if surge > 0 {
        consider(ceil, r + 1, true);
        consider(floor, r + 1, !tied(r + 1) && (floor != 0 || zero_allowed));
    }
    // |canary/total - weight/max| as a fraction over total*max, compared by cross-multiplying; the first of equals wins.
    let error = |&(canary, total): &(i64, i64)| ((canary * m - w * total).abs(), total);
    let nearest = candidates.into_iter().reduce(|best, next| {
        let ((best_error, best_total), (next_error, next_total)) = (error(&best), error(&next));
        if next_error * best_total < best_error * next_total {
            next
        } else {
            best
        }
    });
    let (canary, total) = nearest.unwrap_or((floor, r));
    (
        i32::try_from(canary).unwrap_or(i32::MAX),
        i32::try_from(total).unwrap_or(i32::MAX),
    )
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;
