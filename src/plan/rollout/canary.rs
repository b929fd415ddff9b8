//! One pass over a canary: the steps of the decision, in order. Each step reads the draft and adds to it; the arithmetic is elsewhere.

use crate::base::names::{condition, reason};
use crate::plan::Note;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{analysis, conditions, pause, replicas, revision, services, traffic};

/// One pass. The caller repeats it until nothing changes or a write must be seen first.
pub fn pass(draft: &mut Draft) {
    revision::identify(draft);
    revision::recover_stable(draft);
    if revision::create(draft) {
        return;
    }
    let promoted = draft.fully_promoted();
    if promoted && draft.rollout.status.abort {
        // There is nothing to abort once the new version is stable.
        draft.rollout.status.abort = false;
        draft.rollout.status.aborted_at = None;
    }
    if pause::update_conditions(draft) {
        return;
    }
    // While somebody holds the sizes, a new number of replicas may last: it must not keep an abort from being carried out.
    let ends = replicas::halted(draft) && (draft.rollout.status.abort || analysis::failed(draft));
    if revision::resized(draft) && !ends {
        return resize(draft);
    }
    if new_template_or_steps(draft) {
        return restart(draft);
    }
    revision::sync(draft);
    revision::clean_history(draft);
    let mut findings = Findings::default();
    analysis::reconcile(draft, &mut findings);
    findings.weights = draft.rollout.status.canary.weights.clone();
    abort_when_stuck(draft, &mut findings);
    let interrupted = findings.intent.abort.is_some() || findings.intent.add_pause.is_some();
    if interrupted {
        // The intent must be durable before traffic or pods move: the status is the only write of this plan that follows.
        status::finish(draft, &findings);
        draft.hop = true;
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

fn new_template_or_steps(draft: &Draft) -> bool {
    let status = &draft.rollout.status;
    let new_template = !status.current_pod_hash.is_empty() && status.current_pod_hash != draft.new_hash;
    new_template || status.current_step_hash != crate::api::hash::step_hash(&draft.canary.steps)
}

/// A new template or new steps: everything starts over from the first step.
fn restart(draft: &mut Draft) {
    revision::sync(draft);
    let mut status = status::base(draft);
    status.abort = false;
    status.aborted_at = None;
    status.pause_conditions.clear();
    status.controller_pause = false;
    status.promote_full = false;
    status.restarted_at = draft.rollout.spec.restart_at;
    status.canary.current_step_analysis_run_status = None;
    status.canary.current_background_analysis_run_status = None;
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

/// `progressDeadlineAbort`: no progress within the deadline aborts the update.
fn abort_when_stuck(draft: &mut Draft, findings: &mut Findings) {
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
