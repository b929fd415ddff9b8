//! The next status of a Rollout: counters, promotion, step completion.

use crate::api::phase::{STILL_BECOMING_AVAILABLE, controller_phase};
use crate::api::rollout_status::{
    BlueGreenStatus, CanaryStatus, RolloutStatus, RunStatusRef, TrafficWeights,
};
use crate::base::names::{phase, reason};
use crate::plan::Note;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::intent::{self, Intent};
use crate::plan::rollout::{conditions, cutover, duration, ping_pong, scale, sizing, steps, traffic};

/// What the parts of one pass found out, for the status.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub intent: Intent,
    pub step_run: Option<RunStatusRef>,
    pub background_run: Option<RunStatusRef>,
    /// Before and after the switch of a blue-green update.
    pub pre_run: Option<RunStatusRef>,
    pub post_run: Option<RunStatusRef>,
    pub weights: Option<TrafficWeights>,
    /// The pause step was waited out or ended by a person.
    pub step_done: bool,
}

/// Ends a pass: works out the status from the draft and the pass's findings.
pub fn finish(draft: &mut Draft, findings: &Findings) {
    let mut status = base(draft);
    status.canary.current_step_analysis_run_status = findings.step_run.clone();
    status.canary.current_background_analysis_run_status = findings.background_run.clone();
    status.canary.weights = findings.weights.clone();
    let mut intent = findings.intent.clone();
    let steps_len = draft.canary.steps.len();
    if status.promote_full || super::revision::within_rollback_window(draft) {
        intent.clear_pauses = true;
        intent.drop_abort = true;
        status.current_step_index = index(steps_len, steps_len);
    }
    let promotion = promotion(draft, &status, &intent);
    draft.promotes_nothing = promotion.is_none();
    if let Some(why) = promotion {
        promote(draft, &mut status, &mut intent, &why);
    } else if intent.aborted(&status) {
        let at = if draft.fully_promoted() { steps_len } else { 0 };
        status.current_step_index = index(at, steps_len);
    } else {
        complete_step(draft, &mut status, &mut intent, findings.step_done);
    }
    let abort_message = intent.abort.clone().unwrap_or_default();
    intent.apply(&mut status, draft.now);
    persist(draft, status, &abort_message);
}

fn index(at: usize, len: usize) -> Option<i32> {
    if len == 0 { None } else { i32::try_from(at).ok() }
}

/// The old status with counters and hashes brought up to date.
pub fn base(draft: &Draft) -> RolloutStatus {
    let mut status = draft.rollout.status.clone();
    count(draft, &mut status);
    status.current_pod_hash = draft.new_hash.clone();
    if draft.blue_green.is_some() {
        status.current_step_hash.clear();
        status.current_step_index = None;
        status.canary = CanaryStatus::default();
    } else {
        status.current_step_hash = crate::api::hash::step_hash(&draft.canary.steps);
        status.blue_green = BlueGreenStatus::default();
    }
    if !ping_pong::used(draft) {
        status.canary.stable_ping_pong.clear();
    }
    status.workload_observed_generation = super::workload::generation(draft);
    conditions::remove(&mut status, crate::base::names::condition::INVALID_SPEC);
    status
}

/// Replica counters and the selector, which an autoscaler reads through the scale subresource.
pub fn count(draft: &Draft, status: &mut RolloutStatus) {
    let uid = &draft.rollout.metadata.uid;
    let owned = || draft.sets.iter().filter(|set| set.metadata.controlled_by(uid));
    // Argo Rollouts leaves zeros out, and so do we: a status must not change by changing hands.
    let present = |number: i32| (number != 0).then_some(number);
    let replicas = present(owned().map(|set| set.replicas).sum());
    status.replicas = replicas;
    status.hpa_replicas = replicas;
    status.ready_replicas = present(owned().map(|set| set.ready).sum());
    status.available_replicas = present(owned().map(|set| set.available).sum());
    status.updated_replicas = present(draft.set(draft.roles().new).map_or(0, |set| set.replicas));
    status.selector = draft
        .rollout
        .spec
        .selector
        .as_ref()
        .map(super::selector::format)
        .unwrap_or_default();
    if draft.blue_green.is_some() {
        cutover::count(draft, status);
    }
}

/// Why the new version becomes stable now, if it does.
fn promotion(draft: &Draft, status: &RolloutStatus, intent: &Intent) -> Option<String> {
    let roles = draft.roles();
    let new = roles.new?;
    if status.stable_rs.is_empty() {
        return Some("Initial deploy".into());
    }
    if intent.aborted(status) || !sizing::of(draft, None).ready_or_more(draft.counts(new)) {
        return None;
    }
    if draft.hop {
        // The route is being written: whether it took the weight shows in the next plan.
        return None;
    }
    if status.promote_full {
        return Some("Full promotion requested".into());
    }
    if roles.stable.is_none() {
        // Somebody deleted the stable ReplicaSet: there is nothing left to go back to, but only ready pods take its place.
        return Some("Stable ReplicaSet is gone".into());
    }
    if super::revision::within_rollback_window(draft) {
        return Some("Rollback within window".into());
    }
    if draft.fully_promoted() {
        return Some("Fast rollback".into());
    }
    let steps = draft.canary.steps.len();
    let done = steps == 0 || status.current_step_index == index(steps, steps);
    done.then(|| format!("Completed all {steps} canary steps"))
}

/// Makes the new version the stable one.
pub fn promote(draft: &mut Draft, status: &mut RolloutStatus, intent: &mut Intent, why: &str) {
    intent.clear_pauses = true;
    intent.drop_abort = true;
    status.promote_full = false;
    let steps = draft.canary.steps.len();
    status.current_step_index = index(steps, steps);
    if status.stable_rs == status.current_pod_hash {
        return;
    }
    status.stable_rs = status.current_pod_hash.clone();
    ping_pong::swap(draft, status);
    let revision = draft.rollout.metadata.revision();
    let message = format!(
        "Rollout completed update to revision {revision} ({}): {why}",
        status.stable_rs
    );
    draft.note(Note::normal(reason::ROLLOUT_COMPLETED, message));
}

/// Moves on to the next step when the current one is complete.
fn complete_step(draft: &mut Draft, status: &mut RolloutStatus, intent: &mut Intent, pause_over: bool) {
    if draft.rollout.spec.paused {
        return;
    }
    let steps = &draft.canary.steps;
    let Some((at, step)) = steps::current(steps, status.current_step_index) else {
        status.current_step_index = index(steps.len(), steps.len());
        return;
    };
    let weights = status.canary.weights.as_ref();
    let reached = || sizing::of(draft, weights.map(|w| (w.canary.weight, w.stable.weight))).reached();
    let complete = if step.pause.is_some() {
        pause_over
    } else if step.set_canary_scale.is_some() {
        reached()
    } else if let Some(weight) = step.set_weight {
        !draft.hop && reached() && traffic::seen_with(draft, weight)
    } else if step.set_header_route.is_some() || step.set_mirror_route.is_some() {
        !draft.hop && traffic::seen_as_wanted(draft)
    } else if step.analysis.is_some() {
        status
            .canary
            .current_step_analysis_run_status
            .as_ref()
            .is_some_and(|run| run.status == "Successful")
    } else {
        false
    };
    if !complete {
        return;
    }
    status.current_step_index = index(at + 1, steps.len());
    status.canary.current_step_analysis_run_status = None;
    intent.remove_pause = Some(crate::base::names::pause::CANARY_STEP);
    let message = format!(
        "Rollout step {}/{} completed ({})",
        at + 1,
        steps.len(),
        steps::describe(step)
    );
    draft.note(Note::normal(reason::STEP_COMPLETED, message));
}

/// Puts `status` into the draft with conditions, generation and phase worked out.
pub fn persist(draft: &mut Draft, mut status: RolloutStatus, abort_message: &str) {
    let old = draft.rollout.status.clone();
    conditions::update(draft, &old, &mut status, abort_message);
    if let Some(note) = intent::transition(&old, &status) {
        let told_already = note.reason == reason::ROLLOUT_RESUMED && draft.told_by_steps();
        draft.note(if told_already { note.quietly() } else { note });
    }
    duration::update(draft, &old, &mut status);
    seal(draft, &mut status);
    if let Some(due) = conditions::deadline(draft, &status) {
        let waits = status.phase == crate::base::names::phase::PROGRESSING && due >= draft.now;
        if waits {
            draft.wake(due + chrono::TimeDelta::seconds(1));
        }
    }
    draft.rollout.status = status;
}

/// Generation and phase.
pub fn seal(draft: &Draft, status: &mut RolloutStatus) {
    status.observed_generation = draft.rollout.metadata.generation.to_string();
    let (mut phase, mut message) = controller_phase(&draft.rollout.spec, status, draft.now);
    if phase == phase::HEALTHY && !new_pods_are_there(draft) {
        // The counters of the status cannot tell: pods of an old version that still run are in them.
        (phase, message) = (phase::PROGRESSING, STILL_BECOMING_AVAILABLE.to_owned());
    }
    status.phase = phase.to_owned();
    status.message = crate::base::limits::clip(&message, crate::base::limits::STATUS_MESSAGE_CHARS_MAX);
}

fn new_pods_are_there(draft: &Draft) -> bool {
    let available = draft.set(draft.roles().new).map_or(0, |set| set.available);
    available >= draft.replicas()
}

impl scale::Sizing<'_> {
    /// Whether a version has `replicas` pods available, or as many as `replicaProgressThreshold` asks for.
    pub fn ready_or_more(&self, counts: scale::Counts) -> bool {
        counts.available >= self.replicas || self.ready(Some(counts), self.replicas)
    }
}
