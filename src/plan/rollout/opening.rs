//! What a pass does alike for every strategy, before the strategy has its say: find the versions, keep conditions and sizes up to date,
//! and start over when there is something new to roll out. Knows nothing of weights or Services.

use crate::api::rollout_status::RolloutStatus;
use crate::base::names::condition;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{analysis, conditions, pause, replicas, revision};

/// Finds or creates the new version and brings conditions and sizes up to date; returns whether that is all for this pass.
pub fn begin(draft: &mut Draft) -> bool {
    revision::identify(draft);
    revision::recover_stable(draft);
    if revision::create(draft) {
        return true;
    }
    if draft.fully_promoted() && draft.rollout.status.abort {
        // There is nothing to abort once the new version is stable.
        draft.rollout.status.abort = false;
        draft.rollout.status.aborted_at = None;
    }
    if pause::update_conditions(draft) {
        return true;
    }
    // While somebody holds the sizes, a new number of replicas may last: it must not keep an abort from being carried out.
    let ends = replicas::halted(draft) && (draft.rollout.status.abort || analysis::failed(draft));
    if revision::resized(draft) && !ends {
        resize(draft);
        return true;
    }
    false
}

/// `spec.replicas` changed: sizes follow at once; steps, pauses, weights and analyses stay where they are.
fn resize(draft: &mut Draft) {
    revision::sync(draft);
    let weights = draft
        .rollout
        .status
        .canary
        .weights
        .as_ref()
        .map(|w| (w.canary.weight, w.stable.weight));
    replicas::reconcile(draft, weights);
    let mut status = draft.rollout.status.clone();
    status::count(draft, &mut status);
    status::seal(draft, &mut status);
    draft.rollout.status = status;
}

/// Whether the pod template is another one than the status speaks of.
pub fn new_template(draft: &Draft) -> bool {
    let status = &draft.rollout.status;
    !status.current_pod_hash.is_empty() && status.current_pod_hash != draft.new_hash
}

/// An abort that nobody acted on yet, of a Rollout that had nothing to abort, is meant for the version that begins now.
pub fn abort_is_meant(draft: &Draft) -> bool {
    let old = &draft.rollout.status;
    let idle = !old.stable_rs.is_empty() && old.stable_rs == old.current_pod_hash;
    old.abort && old.aborted_at.is_none() && idle
}

/// The status of an update that starts over: nothing of an earlier pause, promotion or analysis counts for it.
pub fn fresh(draft: &Draft) -> RolloutStatus {
    let mut status = status::base(draft);
    status.pause_conditions.clear();
    status.controller_pause = false;
    status.promote_full = false;
    status.restarted_at = draft.rollout.spec.restart_at;
    status.canary.current_step_analysis_run_status = None;
    status.canary.current_background_analysis_run_status = None;
    status.blue_green.pre_promotion_analysis_run_status = None;
    status.blue_green.post_promotion_analysis_run_status = None;
    status.blue_green.scale_up_preview_check_point = false;
    status
}

/// `progressDeadlineAbort`: no progress within the deadline aborts the update.
pub fn abort_when_stuck(draft: &mut Draft, findings: &mut Findings) {
    let status = &draft.rollout.status;
    let asked = draft.rollout.spec.progress_deadline_abort && !status.abort && !draft.fully_promoted();
    if !asked || findings.intent.abort.is_some() || status.stable_rs.is_empty() {
        return;
    }
    let stuck = conditions::timed_out(draft, status) && !conditions::progressed(status, &status::base(draft));
    if !stuck || conditions::is_true(status, condition::PAUSED) {
        return;
    }
    let Some(set) = draft.set(draft.roles().new) else {
        return;
    };
    findings.intent.abort = Some(format!(
        "ReplicaSet \"{}\" has timed out progressing.",
        set.name()
    ));
}
