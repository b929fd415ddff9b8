//! Checks a Rollout: never an error, always all problems, each with the field's path and the mend.
//!
//! First come Argo Rollouts' own rules in its order and its words, so that the first problem is the one that it would print;
//! then what its schema accepts but this version of Serin does not carry out. Knows no other object: what the Rollout refers to
//! is compared in [`references`] from plain data.

mod containers;
mod gateway;
mod mends;
pub mod metrics;
mod pod;
mod problem;
pub mod references;
mod routers;
mod selector;
mod steps;
mod strategy;
mod unsupported;
mod words;

pub use metrics::metrics;
pub use problem::Problem;
pub use unsupported::unsupported;

use crate::api::hash;
use crate::api::rollout::{Rollout, RolloutSpec};
use problem::{Json, Shown};
use serde_json::Value;

/// Argo's default of `spec.progressDeadlineSeconds`.
const PROGRESS_DEADLINE_DEFAULT: i32 = 600;

/// All problems of the Rollout's own fields, in Argo Rollouts' order; empty when it is fit to be carried out.
pub fn rollout(rollout: &Rollout) -> Vec<Problem> {
    let mut found = structural(rollout);
    found.extend(unsupported(rollout));
    found.extend(gateway::problems(rollout));
    found.extend(routers::problems(rollout));
    found
}

/// The problems that Argo Rollouts would find in the Rollout's own fields, too, in its order.
pub fn structural(rollout: &Rollout) -> Vec<Problem> {
    let spec = &rollout.spec;
    let mut found = Vec::new();
    found.extend(not_negative("spec.replicas", spec.replicas));
    let (sound, problems) = selector_problems(spec);
    found.extend(problems);
    if sound && spec.workload_ref.is_none() {
        let template = spec.template.as_ref().unwrap_or(&Value::Null);
        found.extend(pod::problems("spec.template", template, spec.selector.as_ref()));
    }
    found.extend(not_negative("spec.minReadySeconds", spec.min_ready_seconds));
    found.extend(not_negative(
        "spec.revisionHistoryLimit",
        spec.revision_history_limit,
    ));
    found.extend(deadline(spec));
    found.extend(strategy::problems(rollout));
    for problem in &mut found {
        problem.mend = mends::mend(problem);
    }
    found
}

fn not_negative(field: &str, number: Option<i32>) -> Option<Problem> {
    let number = number.filter(|number| *number < 0)?;
    Some(Problem::invalid(
        field,
        number,
        "must be greater than or equal to 0",
    ))
}

/// Problems of the selector and of a template beside a reference, and whether the selector can be used at all.
fn selector_problems(spec: &RolloutSpec) -> (bool, Vec<Problem>) {
    let own = spec
        .selector
        .as_ref()
        .map(|given| selector::problems("spec.selector", given))
        .unwrap_or_default();
    let sound = own.is_empty();
    let mut found = Vec::new();
    let shown = Json(
        spec.selector
            .as_ref()
            .map(hash::selector_json)
            .unwrap_or_default(),
    );
    match (&spec.workload_ref, &spec.selector) {
        (None, None) => {
            found.push(Problem::required(
                "spec.selector",
                "Rollout has missing field '.spec.selector'",
            ));
        }
        (None, Some(given)) => {
            found.extend(own);
            if given.match_labels.is_empty() && given.match_expressions.is_empty() {
                let detail = "empty selector is invalid for deployment";
                found.push(Problem::invalid("spec.selector", Json(shown.shown()), detail));
            }
        }
        (Some(_), _) if !template_empty(spec) => {
            let detail = "template must be empty for workload reference rollout";
            found.push(Problem::internal("spec.template", detail));
        }
        (Some(_), _) => {}
    }
    if !sound {
        found.push(Problem::invalid("spec.selector", shown, "invalid label selector"));
    }
    (sound, found)
}

fn template_empty(spec: &RolloutSpec) -> bool {
    let Some(template) = &spec.template else {
        return true;
    };
    let empty = |pointer: &str| match template.pointer(pointer) {
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        _ => true,
    };
    empty("/metadata/labels") && empty("/metadata/annotations") && empty("/spec/containers")
}

fn deadline(spec: &RolloutSpec) -> Vec<Problem> {
    let field = "spec.progressDeadlineSeconds";
    let deadline = spec
        .progress_deadline_seconds
        .unwrap_or(PROGRESS_DEADLINE_DEFAULT);
    let mut found: Vec<Problem> = not_negative(field, Some(deadline)).into_iter().collect();
    if deadline <= spec.min_ready_seconds.unwrap_or(0) {
        found.push(Problem::invalid(
            field,
            deadline,
            "must be greater than minReadySeconds",
        ));
    }
    found
}

/// A value as JSON in Go's spelling.
fn go_json(value: &Value) -> Json {
    Json(hash::go_json(value))
}

#[cfg(test)]
mod tests;
