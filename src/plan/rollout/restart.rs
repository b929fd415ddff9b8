//! `restartAt`: replaces the pods that were created before a time, a few at a time, by evictions, so that disruption budgets hold.
//!
//! Versions, sizes and traffic stay as they are. What is done is read from the pods themselves, so nothing is remembered in between.

use crate::base::gotime::Time;
use crate::base::limits;
use crate::base::names::label;
use crate::base::percent::{IntOrString, Round};
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::{sizing, status, traffic};
use crate::plan::{Pod, Question};
use chrono::TimeDelta;

/// As with the canary's `maxUnavailable`.
const BLUE_GREEN_UNAVAILABLE_DEFAULT: &str = "25%";

/// The restart that was asked for and is not done.
fn pending(draft: &Draft) -> Option<Time> {
    let asked = draft.rollout.spec.restart_at?;
    (draft.rollout.status.restarted_at != Some(asked)).then_some(asked)
}

/// The versions that may have pods: stable first, because users depend on it most.
fn versions(draft: &Draft) -> Vec<usize> {
    let roles = draft.roles();
    let rest = roles.new.into_iter().chain(roles.others);
    let mut all: Vec<usize> = roles.stable.into_iter().chain(rest).collect();
    all.retain(|&index| draft.sets[index].replicas > 0 || draft.sets[index].replicas_desired > 0);
    all.dedup();
    all
}

pub fn questions(draft: &Draft) -> Vec<Question> {
    if pending(draft).is_none() {
        return Vec::new();
    }
    let versions = versions(draft).into_iter();
    versions
        .map(|index| Question::Pods(draft.sibling(draft.sets[index].hash())))
        .collect()
}

/// Evicts what may go now, or says that the restart is done. Comes last in a plan.
pub fn reconcile(draft: &mut Draft) {
    let Some(asked) = pending(draft) else { return };
    if draft.now <= asked.get() {
        draft.wake(asked.get() + TimeDelta::seconds(1));
        return;
    }
    let Some(pods) = pods(draft) else {
        draft.wake(draft.now + TimeDelta::seconds(limits::PODS_RETRY_SECONDS));
        return;
    };
    let older = |pod: &&Pod| {
        pod.metadata
            .creation_timestamp
            .is_none_or(|created| created < asked)
    };
    let old: Vec<Pod> = pods.iter().filter(older).cloned().collect();
    if old.is_empty() {
        let mut next = draft.rollout.status.clone();
        next.restarted_at = Some(asked);
        status::seal(draft, &mut next);
        draft.rollout.status = next;
        return;
    }
    draft.wake(draft.now + TimeDelta::seconds(limits::RESTART_RETRY_SECONDS));
    if draft.writes_len() > 0 || shrinking(draft, &pods) {
        // Sizes are on the move: what may go is worked out from what they come to.
        return;
    }
    let mut spare = spare(draft, &pods);
    let going = old.into_iter().filter(|pod| !pod.metadata.deleting());
    for pod in going.take(limits::POD_EDITS_MAX) {
        // A pod that serves nobody costs nothing.
        let serves = available(draft, &pod);
        if serves && (spare <= 0 || alone(draft, &pod, &pods)) {
            continue;
        }
        spare -= i32::from(serves);
        draft.evict(pod.metadata.key(), guard(&pod.metadata));
    }
}

/// Whether a version has more pods than are asked for: some are about to go, nobody knows which, and none of them is to be counted on.
fn shrinking(draft: &Draft, pods: &[Pod]) -> bool {
    versions(draft).into_iter().any(|index| {
        let set = &draft.sets[index];
        let stays = |pod: &&Pod| pod.metadata.controlled_by(&set.metadata.uid) && !pod.metadata.deleting();
        let there = pods.iter().filter(stays).count();
        i32::try_from(there).is_ok_and(|there| there > set.replicas_desired)
    })
}

/// The pods of all versions; `None` when they cannot be listed now.
fn pods(draft: &Draft) -> Option<Vec<Pod>> {
    let mut all = Vec::new();
    for index in versions(draft) {
        let set = &draft.sets[index];
        let listed = draft.answers.pods(&draft.sibling(set.hash()))?;
        let owned = listed
            .iter()
            .filter(|pod| pod.metadata.controlled_by(&set.metadata.uid));
        all.extend(owned.cloned());
    }
    Some(all)
}

fn available(draft: &Draft, pod: &Pod) -> bool {
    pod.available(draft.now, draft.rollout.spec.min_ready_seconds.unwrap_or(0))
}

/// Whether a pod is the only one that answers the share of the traffic that its version has: it goes once the version has grown, or is
/// no longer used. Where one pod is all there shall be, it goes.
fn alone(draft: &Draft, pod: &Pod, pods: &[Pod]) -> bool {
    let hash = pod.metadata.label(label::POD_HASH);
    let of_version = |other: &&Pod| other.metadata.label(label::POD_HASH) == hash && available(draft, other);
    draft.routed()
        && draft.replicas() > 1
        && pods.iter().filter(of_version).count() <= 1
        && traffic::served(draft, hash) > 0
}

/// How many available pods may go now.
fn spare(draft: &Draft, pods: &[Pod]) -> i32 {
    let available = pods.iter().filter(|pod| available(draft, pod)).count();
    let sizes = versions(draft)
        .into_iter()
        .map(|index| draft.sets[index].replicas_desired);
    let whole = draft.replicas().max(sizes.sum());
    i32::try_from(available).unwrap_or(i32::MAX) - (whole - unavailable(draft).max(1))
}

fn unavailable(draft: &Draft) -> i32 {
    let Some(strategy) = draft.blue_green else {
        return sizing::of(draft, None).budget().1;
    };
    let default = IntOrString::String(BLUE_GREEN_UNAVAILABLE_DEFAULT.into());
    let given = strategy.max_unavailable.as_ref().unwrap_or(&default);
    given.of(draft.replicas(), Round::Down).unwrap_or(0)
}
