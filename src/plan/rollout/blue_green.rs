//! One pass over a blue-green Rollout: the steps of the decision, in order. When and where the active Service goes is decided in
//! `cutover`, sizes in `replicas`.

use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{analysis, cutover, opening, replicas, revision, services};

/// One pass. The caller repeats it until nothing changes or a write must be seen first.
pub fn pass(draft: &mut Draft) {
    if opening::begin(draft) {
        return;
    }
    services::lead_preview(draft);
    if opening::new_template(draft) || was_a_canary(draft) || is_retried(draft) {
        return restart(draft);
    }
    revision::sync(draft);
    revision::clean_history(draft);
    let mut findings = Findings::default();
    analysis::reconcile(draft, &mut findings);
    opening::abort_when_stuck(draft, &mut findings);
    if findings.intent.interrupts() {
        // The intent must be durable before the Service or pods move: the status is the only write of this plan that follows.
        cutover::finish(draft, &findings);
        draft.hop = true;
        return;
    }
    replicas::reconcile(draft, None);
    cutover::pause(draft, &mut findings);
    cutover::lead_active(draft, &findings);
    cutover::finish(draft, &findings);
}

/// The strategy was changed in the middle of a life.
fn was_a_canary(draft: &Draft) -> bool {
    !draft.rollout.status.current_step_hash.is_empty()
}

/// A person lifted the abort: what was decided before it counts no more, and the deadline of its pods is none of this attempt.
fn is_retried(draft: &Draft) -> bool {
    let status = &draft.rollout.status;
    !status.abort && status.aborted_at.is_some()
}

/// A new template or a retry starts over. A change of strategy alone ends pauses of the canary, but lifts no abort: what was bad stays
/// bad.
fn restart(draft: &mut Draft) {
    revision::sync(draft);
    let mut status = opening::fresh(draft);
    if is_retried(draft) {
        status.aborted_at = None;
        status.promote_full = draft.rollout.status.promote_full;
        replicas::forget_deadline(draft);
    }
    if opening::new_template(draft) {
        status.abort = opening::abort_is_meant(draft);
        status.aborted_at = None;
    }
    status::persist(draft, status, "");
}
