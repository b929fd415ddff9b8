//! Sizes of ReplicaSets: what to write so that the sizes worked out in `scale` come true, and when old versions may go.

use crate::api::strategy::BlueGreenStrategy;
use crate::base::gotime::Time;
use crate::base::names::annotation;
use crate::plan::Note;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{cutover, intent, sizing, traffic, way_back};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// Seconds that a version no longer needed keeps its pods when traffic is routed or switched, unless the manifest says otherwise.
const DELAY_SECONDS_DEFAULT: i32 = 30;

/// Whether sizes stay as they are: somebody paused the Rollout, or an inconclusive analysis waits for a person.
pub fn halted(draft: &Draft) -> bool {
    draft.rollout.spec.paused || intent::inconclusive(&draft.rollout.status)
}

/// Resizes one version, stable before new before others; returns whether a size changed.
/// Those of a blue-green Rollout at once: no budget binds them together.
pub fn reconcile(draft: &mut Draft, weights: Option<(i32, i32)>) -> bool {
    if draft.blue_green.is_some() {
        drop_deadlines(draft);
        let (stable, new) = (size_stable(draft), size_new(draft, None));
        return size_switched(draft) || stable || new;
    }
    if halted(draft) {
        return false;
    }
    drop_deadlines(draft);
    size_stable(draft) || size_new(draft, weights) || size_others(draft)
}

fn aborted(draft: &Draft) -> bool {
    draft.rollout.status.abort
}

/// How long the canary keeps its pods after an abort; `None` when it does not.
fn abort_delay(draft: &Draft) -> Option<TimeDelta> {
    let given = draft.canary.abort_scale_down_delay_seconds;
    if way_back::shrinks(draft) && given.is_none() {
        // It shrinks as its traffic goes back; there is nothing left to keep.
        return None;
    }
    let seconds = delay_seconds(draft, given, |strategy| strategy.abort_scale_down_delay_seconds);
    (aborted(draft) && !draft.fully_promoted() && seconds > 0).then(|| TimeDelta::seconds(seconds.into()))
}

fn scale_down_delay(draft: &Draft) -> TimeDelta {
    let given = draft.canary.scale_down_delay_seconds;
    let seconds = delay_seconds(draft, given, |strategy| strategy.scale_down_delay_seconds);
    TimeDelta::seconds(seconds.max(0).into())
}

/// A delay as given for the strategy. Without a router or a switch the pods are the traffic: there is nothing to wait for.
fn delay_seconds(
    draft: &Draft,
    canary: Option<i32>,
    switched: impl Fn(&BlueGreenStrategy) -> Option<i32>,
) -> i32 {
    let given = match draft.blue_green {
        Some(strategy) => switched(strategy),
        None if draft.routed() => canary,
        None => return 0,
    };
    given.unwrap_or(DELAY_SECONDS_DEFAULT)
}

/// The old versions that are kept at once during the delay.
fn kept_max(draft: &Draft) -> i32 {
    let canary = draft.canary.scale_down_delay_revision_limit;
    let given = draft
        .blue_green
        .map_or(canary, |strategy| strategy.scale_down_delay_revision_limit);
    given.unwrap_or(i32::MAX)
}

/// A version in use has no scale-down deadline.
fn drop_deadlines(draft: &mut Draft) {
    let roles = draft.roles();
    // A former version that comes back keeps its mark until it is stable for good.
    let held = abort_delay(draft).is_some() || cutover::returns_with_pods(draft);
    let new = roles.new.filter(|_| !held);
    let stable = roles.stable.filter(|_| !held || roles.stable != roles.new);
    for index in new.into_iter().chain(stable) {
        if draft.sets[index]
            .metadata
            .annotation(annotation::SCALE_DOWN_DEADLINE)
            .is_some()
        {
            draft.patch_set(index, &deadline_patch(None));
        }
    }
}

/// The new version is wanted again, as if it had never been due to go.
pub fn forget_deadline(draft: &mut Draft) {
    let due = |index: &usize| draft.sets[*index].scale_down_deadline().is_some();
    if let Some(index) = draft.roles().new.filter(due) {
        draft.patch_set(index, &deadline_patch(None));
    }
}

fn deadline_patch(at: Option<Time>) -> Value {
    json!({"metadata": {"annotations": {annotation::SCALE_DOWN_DEADLINE: at.map(Time::rfc3339)}}})
}

fn size_stable(draft: &mut Draft) -> bool {
    let roles = draft.roles();
    let Some(index) = roles.stable.filter(|_| roles.stable != roles.new) else {
        return false;
    };
    if draft.blue_green.is_some() {
        return resize(draft, index, draft.replicas());
    }
    let status = &draft.rollout.status;
    let before = status
        .canary
        .weights
        .as_ref()
        .map(|w| (w.canary.weight, w.stable.weight));
    let wanted = match way_back::needs_all(draft) {
        true => draft.replicas(),
        false => sizing::of(draft, before).now().stable,
    };
    let floor = traffic::stable_floor(draft);
    resize(draft, index, wanted.max(floor))
}

fn size_new(draft: &mut Draft, weights: Option<(i32, i32)>) -> bool {
    let Some(index) = draft.roles().new else {
        return false;
    };
    if let Some(delay) = abort_delay(draft) {
        return size_aborted(draft, index, delay);
    }
    if draft.blue_green.is_some() {
        return resize(draft, index, cutover::size_of_new(draft));
    }
    let wanted = sizing::of(draft, weights).now().new;
    let floor = traffic::canary_floor(draft);
    resize(draft, index, wanted.max(floor))
}

/// After an abort the canary keeps its pods until stable can carry everything, and then for the delay.
fn size_aborted(draft: &mut Draft, index: usize, delay: TimeDelta) -> bool {
    let set = &draft.sets[index];
    let held = set.replicas_desired;
    if held == 0 {
        return resize(draft, index, 0);
    }
    let Some(deadline) = set.scale_down_deadline() else {
        let stable_full = draft
            .set(draft.roles().stable)
            .is_some_and(|set| set.available >= draft.replicas());
        if stable_full && floor_of_new(draft) == 0 {
            let at = Time::new(draft.now + delay);
            draft.patch_set(index, &deadline_patch(Some(at)));
            draft.wake(at.get());
        }
        return resize(draft, index, held);
    };
    if deadline.get() > draft.now {
        draft.wake(deadline.get());
        return resize(draft, index, held);
    }
    resize(draft, index, floor_of_new(draft))
}

/// The pods that the traffic on the new version needs, as it was seen.
fn floor_of_new(draft: &Draft) -> i32 {
    let new = draft.set(draft.roles().new);
    match new.filter(|set| cutover::serves(draft, set.hash())) {
        Some(active) => active.replicas_desired,
        None => traffic::canary_floor(draft),
    }
}

/// Writes a size and the size of the whole beside it; returns whether the size changed.
fn resize(draft: &mut Draft, index: usize, to: i32) -> bool {
    let set = &draft.sets[index];
    let (from, whole) = (set.replicas_desired, draft.replicas().to_string());
    let annotated = set.metadata.annotation(annotation::DESIRED_REPLICAS) == Some(&whole);
    let mut patch = json!({});
    if !annotated {
        patch["metadata"]["annotations"][annotation::DESIRED_REPLICAS] = json!(whole);
    }
    if from != to {
        patch["spec"]["replicas"] = json!(to);
        let holds_deadline = set.metadata.annotation(annotation::SCALE_DOWN_DEADLINE).is_some();
        if to == 0 && holds_deadline && abort_delay(draft).is_none() {
            patch["metadata"]["annotations"][annotation::SCALE_DOWN_DEADLINE] = Value::Null;
        }
    }
    if patch == json!({}) {
        return false;
    }
    let write = draft.patch_set(index, &patch);
    if from != to {
        tell(draft, index, write, (from, to));
    }
    from != to
}

/// Tells of a new size, unless another Event says it already: that the version was made, or that a step is done.
fn tell(draft: &mut Draft, index: usize, write: usize, (from, to): (i32, i32)) {
    let set = &draft.sets[index];
    let made_by_this_plan = set.metadata.resource_version.is_empty();
    let told_already = made_by_this_plan || draft.told_by_steps() && to != 0;
    let note = Note::scaled(set.name(), set.metadata.revision(), from, to);
    draft.tell(write, if told_already { note.quietly() } else { note });
}

/// Old versions: pods that are not ready go first, the rest as far as availability allows, newest revision first.
fn size_others(draft: &mut Draft) -> bool {
    let mut others = draft.roles().others;
    others.retain(|&index| !draft.sets[index].metadata.deleting());
    if others
        .iter()
        .all(|&index| draft.sets[index].replicas_desired == 0)
    {
        return false;
    }
    let mut scaled = drop_unready(draft, &others);
    let (_, unavailable) = sizing::of(draft, None).budget();
    let uid = &draft.rollout.metadata.uid;
    let available: i32 = draft
        .sets
        .iter()
        .filter(|set| set.metadata.controlled_by(uid))
        .map(|set| set.available.min(set.replicas_desired))
        .sum();
    let mut spare = available - (draft.replicas() - unavailable);
    others.sort_by_key(|&index| std::cmp::Reverse(draft.sets[index].metadata.revision()));
    let mut kept = 0;
    for index in others {
        let size = draft.sets[index].replicas_desired;
        if spare <= 0 && !draft.routed() || size == 0 {
            continue;
        }
        let to = if draft.routed() {
            routed_size(draft, index, &mut kept)
        } else {
            size - size.min(spare)
        };
        spare -= size - to;
        scaled |= resize_old(draft, index, to);
    }
    scaled
}

fn drop_unready(draft: &mut Draft, others: &[usize]) -> bool {
    let mut scaled = false;
    for &index in others {
        let set = &draft.sets[index];
        if draft.routed() && traffic::carries(draft, set.hash()) {
            continue;
        }
        if set.replicas_desired > set.available {
            let to = set.available;
            scaled |= resize_old(draft, index, to);
        }
    }
    scaled
}

/// An old version behind a router: kept while traffic may reach it, then for the delay after a promotion, otherwise gone.
fn routed_size(draft: &mut Draft, index: usize, kept: &mut i32) -> i32 {
    let set = &draft.sets[index];
    let size = set.replicas_desired;
    if traffic::carries(draft, set.hash()) {
        return size;
    }
    let replaced = way_back::shrinks(draft) || !draft.fully_promoted();
    if replaced && set.scale_down_deadline().is_none() {
        return 0;
    }
    delayed_size(draft, index, kept)
}

/// A version that nothing leads to any more keeps its pods for the delay, as long as not too many do.
fn delayed_size(draft: &mut Draft, index: usize, kept: &mut i32) -> i32 {
    let (set, limit) = (&draft.sets[index], kept_max(draft));
    let size = set.replicas_desired;
    let Some(deadline) = set.scale_down_deadline() else {
        let delay = scale_down_delay(draft);
        if delay.is_zero() || *kept >= limit {
            return 0;
        }
        *kept += 1;
        let at = Time::new(draft.now + delay);
        draft.patch_set(index, &deadline_patch(Some(at)));
        draft.wake(at.get());
        return size;
    };
    *kept += 1;
    if *kept > limit || deadline.get() <= draft.now {
        return 0;
    }
    draft.wake(deadline.get());
    size
}

/// Old versions of a blue-green Rollout: kept while a Service leads to them, then for the delay, newest first. One that had the whole
/// size follows it, so that the way back stays short.
fn size_switched(draft: &mut Draft) -> bool {
    if intent::inconclusive(&draft.rollout.status) {
        return false;
    }
    let mut others = draft.roles().others;
    others.retain(|&index| !draft.sets[index].metadata.deleting());
    others.sort_by_key(|&index| std::cmp::Reverse(draft.sets[index].metadata.revision()));
    let (mut kept, mut scaled) = (0, false);
    for index in others {
        let set = &draft.sets[index];
        if set.replicas_desired == 0 || cutover::in_use(draft, set.hash()) || awaits_verdict(draft) {
            continue;
        }
        let size = set.replicas_desired.to_string();
        let was_whole = set.metadata.annotation(annotation::DESIRED_REPLICAS) == Some(&size);
        scaled |= match delayed_size(draft, index, &mut kept) {
            0 if cutover::led_to(draft, draft.sets[index].hash()) => false,
            0 => resize_old(draft, index, 0),
            _ if was_whole => resize(draft, index, draft.replicas()),
            _ => false,
        };
    }
    scaled
}

/// Without a delay of its own an old version stays until the analysis after the switch has passed.
fn awaits_verdict(draft: &Draft) -> bool {
    let Some(strategy) = draft.blue_green else {
        return false;
    };
    let judged = strategy.post_promotion_analysis.is_some() && strategy.scale_down_delay_seconds.is_none();
    judged && cutover::active_hash(draft) == draft.new_hash && !draft.fully_promoted()
}

/// Like [`resize`], without the size of the whole: an old version is never part of it again at this size.
fn resize_old(draft: &mut Draft, index: usize, to: i32) -> bool {
    let set = &draft.sets[index];
    let from = set.replicas_desired;
    if from == to {
        return false;
    }
    let mut patch = json!({"spec": {"replicas": to}});
    if to == 0 && set.metadata.annotation(annotation::SCALE_DOWN_DEADLINE).is_some() {
        patch["metadata"]["annotations"][annotation::SCALE_DOWN_DEADLINE] = Value::Null;
    }
    let write = draft.patch_set(index, &patch);
    tell(draft, index, write, (from, to));
    true
}
