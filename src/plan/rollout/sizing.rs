//! From a draft to the numbers that replica arithmetic works on.

use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::scale::{Counts, Sizing};

/// The numbers of the draft; `weights` are the (canary, stable) weights to count with, where known.
pub fn of<'d>(draft: &'d Draft<'_>, weights: Option<(i32, i32)>) -> Sizing<'d> {
    let roles = draft.roles();
    let status = &draft.rollout.status;
    let canary = draft.canary;
    let stable = roles.stable.filter(|_| roles.stable != roles.new);
    Sizing {
        replicas: draft.replicas(),
        max_surge: canary.max_surge.as_ref(),
        max_unavailable: canary.max_unavailable.as_ref(),
        steps: &canary.steps,
        step_index: status.current_step_index,
        aborted: status.abort,
        // Without a stable ReplicaSet the new version is all there is.
        full: status.promote_full || roles.stable.is_none() || draft.fully_promoted(),
        routed: draft.routed(),
        weight_max: draft.weight_max(),
        min_pods: canary.min_pods_per_replica_set,
        dynamic_stable: canary.dynamic_stable_scale && draft.routed(),
        abort_delay_seconds: canary.abort_scale_down_delay_seconds,
        threshold: canary.replica_progress_threshold.as_ref(),
        new: roles.new.map(|index| draft.counts(index)),
        stable: stable.map(|index| draft.counts(index)),
        older: older(draft, &roles.others),
        weights,
    }
}

fn older(draft: &Draft<'_>, others: &[usize]) -> Vec<Counts> {
    others.iter().map(|&index| draft.counts(index)).collect()
}

/// The new and the stable version, each once.
pub fn both(roles: &crate::plan::rollout::draft::Roles) -> impl Iterator<Item = usize> {
    let stable = roles.stable.filter(|_| roles.stable != roles.new);
    roles.new.into_iter().chain(stable)
}
