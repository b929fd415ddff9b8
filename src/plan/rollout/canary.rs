//! One pass over a canary: the steps of the decision, in order. Each step reads the draft and adds to it; the arithmetic is elsewhere.

use crate::base::names::reason;
use crate::plan::Note;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{analysis, opening, pause, replicas, revision, services, traffic};

/// One pass. The caller repeats it until nothing changes or a write must be seen first.
pub fn pass(draft: &mut Draft) {
    draft.promotes_nothing = false;
    if opening::begin(draft) {
        return;
    }
    if opening::new_template(draft) || new_steps(draft) {
        return restart(draft);
    }
    revision::sync(draft);
    revision::clean_history(draft);
    let mut findings = Findings::default();
    analysis::reconcile(draft, &mut findings);
    findings.weights = draft.rollout.status.canary.weights.clone();
    opening::abort_when_stuck(draft, &mut findings);
    if findings.intent.interrupts() {
        // The intent must be durable before traffic or pods move: the status is the only write of this plan that follows.
        status::finish(draft, &findings);
        draft.hop = true;
        return;
    }
    if traffic::falls_with_an_unstored_step(draft) {
        status::finish(draft, &findings);
        (draft.hop, draft.reason_first) = (true, true);
        return;
    }
    services::reconcile(draft);
    findings.weights = traffic::reconcile(draft);
    let weights = findings
        .weights
        .as_ref()
        .map(|w| (w.canary.weight, w.stable.weight));
    findings.step_done = pause::over(draft);
    // Sizes of a step that is over are not worth a write: the next pass sizes for the next step.
    let resized = !findings.step_done && !draft.hop && replicas::reconcile(draft, weights);
    if !resized && !findings.step_done {
        pause::reconcile(draft, &mut findings);
    }
    status::finish(draft, &findings);
}

fn new_steps(draft: &Draft) -> bool {
    draft.rollout.status.current_step_hash != crate::api::hash::step_hash(&draft.canary.steps)
}

/// A new template or new steps: everything starts over from the first step.
fn restart(draft: &mut Draft) {
    revision::sync(draft);
    let mut status = opening::fresh(draft);
    status.abort = opening::abort_is_meant(draft);
    status.aborted_at = None;
    let steps = i32::try_from(draft.canary.steps.len()).unwrap_or(i32::MAX);
    status.current_step_index = (steps > 0).then_some(0);
    let skip = if draft.fully_promoted() {
        Some("Rollback to stable ReplicaSets")
    } else if revision::within_rollback_window(draft)
        && draft
            .set(draft.roles().new)
            .is_some_and(|set| set.replicas_desired > 0)
    {
        Some("Rollback to active ReplicaSets within RollbackWindow")
    } else {
        None
    };
    if let Some(why) = skip {
        draft.note(Note::normal(reason::SKIP_STEPS, why));
        status.current_step_index = (steps > 0).then_some(steps);
    }
    status::persist(draft, status, "");
}
