//! Whether a Rollout can be carried out: its own fields, what this version does not do yet, and the objects it names.

use crate::api::check::{self, Problem};
use crate::base::gotime::Time;
use crate::base::names::{condition, reason};
use crate::plan::Observed;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{conditions, status};

/// All problems of the Rollout's own fields.
pub fn own(seen: &Observed) -> Vec<Problem> {
    check::rollout(&seen.rollout)
}

/// All problems of the objects that the Rollout names.
pub fn references(_draft: &Draft) -> Vec<Problem> {
    Vec::new()
}

/// Marks the Rollout as invalid; nothing else is done for it. The first problem is worded as Argo Rollouts words it, the others follow.
pub fn mark(draft: &mut Draft, problems: &[Problem]) {
    let list: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    let name = &draft.rollout.metadata.name;
    let message = format!("The Rollout \"{name}\" is invalid: {}", list.join("; "));
    let now = Time::new(draft.now);
    let mut next = draft.rollout.status.clone();
    let known = conditions::get(&next, condition::INVALID_SPEC).is_some_and(|known| known.message == message);
    if !known {
        conditions::replace(&mut next, now, condition::INVALID_SPEC, "True", reason::INVALID_SPEC, &message);
        draft.note(crate::plan::Note::warning(reason::INVALID_SPEC, message));
    }
    status::seal(draft, &mut next);
    draft.rollout.status = next;
}
