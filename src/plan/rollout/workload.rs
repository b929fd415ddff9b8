//! References to workloads: where the pod template comes from, and how the pods of the Deployment that had it go.
//!
//! The template and the selector of the referenced object stand in for those of the Rollout while a plan is made; they are never
//! written into it.

use crate::api::check::{self, Problem};
use crate::api::rollout::WorkloadRef;
use crate::base::names::{annotation, phase};
use crate::base::object::Kind;
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::workload::{Workload, kind};
use crate::plan::{Answer, Note, Observed, Question};
use serde_json::json;
use std::borrow::Cow;

const FIELD: &str = "spec.workloadRef";

/// What a Rollout with a reference must know first.
pub fn question(seen: &Observed) -> Option<Question> {
    let reference = seen.rollout.spec.workload_ref.as_ref()?;
    let key = crate::base::object::Key::new(&seen.rollout.metadata.namespace, &reference.name);
    Some(Question::Workload(kind(reference)?, key))
}

fn referenced(seen: &Observed) -> Option<&Workload> {
    match seen.answers.get(&question(seen)?) {
        Some(Answer::Workload(workload)) => Some(workload),
        _ => None,
    }
}

/// The Rollout with the template and the selector of what it refers to. One without a reference, or whose reference leads nowhere, is
/// as it was.
pub fn resolve(seen: &Observed) -> Cow<'_, Observed> {
    let Some(workload) = referenced(seen) else {
        return Cow::Borrowed(seen);
    };
    let mut resolved = seen.clone();
    let spec = &mut resolved.rollout.spec;
    spec.template = serde_json::from_str(&workload.template).ok();
    if spec.selector.is_none() {
        spec.selector.clone_from(&workload.selector);
    }
    Cow::Owned(resolved)
}

/// Why the reference does not give a template that can be run; `resolved` is what [`resolve`] made.
pub fn problems(resolved: &Observed) -> Vec<Problem> {
    let Some(reference) = &resolved.rollout.spec.workload_ref else {
        return Vec::new();
    };
    let WorkloadRef { kind, name, .. } = reference;
    let answer = question(resolved).and_then(|question| resolved.answers.get(&question));
    let message = match answer {
        Some(Answer::Workload(_)) if resolved.rollout.spec.selector.is_none() => {
            let mend = format!(
                "a {kind} has no selector: write spec.selector, for example matchLabels: {{app: NAME}}"
            );
            return vec![Problem::new("spec.selector", mend)];
        }
        Some(Answer::Workload(_)) => return check::resolved(&resolved.rollout),
        Some(Answer::Unknown(why)) => format!("{kind} \"{name}\" cannot be read: {why}"),
        _ => format!("{kind} \"{name}\" not found: the Rollout waits until it exists"),
    };
    vec![Problem::new(FIELD, message)]
}

/// Notes on the Rollout which generation of the workload it follows: tools compare that with the status.
pub fn follow(draft: &mut Draft) {
    let generation = referenced(draft.seen).map(|workload| workload.metadata.generation.to_string());
    if draft.seen.rollout.spec.workload_ref.is_some() && generation.is_none() {
        return;
    }
    let metadata = &mut draft.rollout.metadata;
    if metadata.annotation(annotation::WORKLOAD_GENERATION) == generation.as_deref() {
        return;
    }
    match &generation {
        Some(generation) => drop(
            metadata
                .annotations
                .insert(annotation::WORKLOAD_GENERATION.into(), generation.clone()),
        ),
        None => drop(metadata.annotations.remove(annotation::WORKLOAD_GENERATION)),
    }
    let (key, guard) = (draft.key(), guard(&draft.rollout.metadata));
    let patch = json!({"metadata": {"annotations": {annotation::WORKLOAD_GENERATION: generation}}});
    draft.patch(Kind::Rollout, key, guard, patch);
}

/// The generation for the status; empty without a reference.
pub fn generation(draft: &Draft) -> String {
    referenced(draft.seen)
        .map(|workload| workload.metadata.generation.to_string())
        .unwrap_or_default()
}

/// Takes the pods of the Deployment away as the first version of the Rollout takes over, if that is asked for. Comes last in a plan.
pub fn scale_down(draft: &mut Draft) {
    let reference = draft.seen.rollout.spec.workload_ref.as_ref();
    let (Some(reference), Some(workload)) = (reference, referenced(draft.seen)) else {
        return;
    };
    if kind(reference) != Some(Kind::Deployment) || workload.replicas == 0 || workload.metadata.deleting() {
        return;
    }
    let Some(to) = size(draft, reference).filter(|to| *to != workload.replicas) else {
        return;
    };
    let (key, guard, from) = (
        workload.metadata.key(),
        guard(&workload.metadata),
        workload.replicas,
    );
    let write = draft.scale(Kind::Deployment, key, guard, to);
    let direction = if to > from { "up" } else { "down" };
    let message = format!(
        "Scaled {direction} Deployment {} from {from} to {to}",
        reference.name
    );
    let note = Note::normal(crate::base::names::reason::SCALING_REPLICA_SET, message);
    draft.tell(write, if to == 0 { note } else { note.quietly() });
}

/// The size that the Deployment shall have; `None` when that is not for the Rollout to say. Only its first version takes over from a
/// Deployment: later ones have pods of their own to replace.
fn size(draft: &Draft, reference: &WorkloadRef) -> Option<i32> {
    let new = draft.set(draft.roles().new)?;
    if new.metadata.revision() > 1 {
        return None;
    }
    let status = &draft.seen.rollout.status;
    let seen = status.observed_generation == draft.rollout.metadata.generation.to_string();
    let healthy = status.phase == phase::HEALTHY && seen && draft.fully_promoted();
    match reference.scale_down.as_deref() {
        Some("onsuccess" | "progressively") if healthy => Some(0),
        // What is not available yet is still done by the Deployment. If pods are lost meanwhile, it comes back for them.
        Some("progressively") => Some((draft.replicas() - new.available.min(new.replicas_desired)).max(0)),
        _ => None,
    }
}
