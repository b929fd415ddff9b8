//! The way back of an aborted Rollout that cannot be carried out: a manifest that is wrong, or an object that cannot be read, must not
//! keep the traffic on a bad version. Whatever leads back to stable and is known is done, and nothing else.

use crate::plan::Question;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::intent::Intent;
use crate::plan::rollout::{conditions, cutover, replicas, revision, services, status, traffic, way_back};

/// What has to be known: where the traffic goes.
pub fn questions(draft: &Draft) -> Vec<Question> {
    if !draft.rollout.status.abort {
        return Vec::new();
    }
    let mut questions = services::questions(draft);
    questions.extend(traffic::questions(draft));
    questions
}

/// Sends everything back to stable, as far as stable and the routes are known. Does nothing unless the Rollout is aborted.
pub fn reconcile(draft: &mut Draft) {
    revision::identify(draft);
    let lost = draft.roles().stable.is_none();
    if !draft.rollout.status.abort || draft.fully_promoted() || lost {
        return;
    }
    match draft.blue_green {
        Some(_) => cutover::lead_back(draft),
        None => services::reconcile(draft),
    }
    let weights = traffic::reconcile(draft);
    let readable = draft.seen.unreadable.is_none();
    // Behind a router the weights are enough, unless stable has to grow first. Without one the share of the pods is the share of the
    // traffic.
    if (!draft.routed() || way_back::shrinks(draft)) && readable && draft.replicas() > 0 {
        let known = weights.as_ref().map(|w| (w.canary.weight, w.stable.weight));
        replicas::reconcile(draft, known);
    }
    let old = draft.rollout.status.clone();
    let mut next = old.clone();
    if readable {
        status::count(draft, &mut next);
    }
    next.canary.weights = weights;
    Intent::default().apply(&mut next, draft.now);
    conditions::update(draft, &old, &mut next, "");
    status::seal(draft, &mut next);
    draft.rollout.status = next;
}
