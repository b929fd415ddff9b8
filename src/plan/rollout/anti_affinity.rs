//! `antiAffinity`: pods of a new version keep off the nodes of the stable one, by a term in the ReplicaSet's template that is no part of
//! its hash.
//!
//! The term stays after the promotion: taking it out would change the template for nothing, since only pods to come read it.

use crate::api::strategy::AntiAffinity;
use crate::base::names::label;
use crate::plan::rollout::draft::Draft;
use serde_json::{Value, json};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const TERMS: &str = "/spec/affinity/podAntiAffinity";

fn asked<'d>(draft: &'d Draft) -> Option<&'d AntiAffinity> {
    match draft.blue_green {
        Some(strategy) => strategy.anti_affinity.as_ref(),
        None => draft.canary.anti_affinity.as_ref(),
    }
}

/// The version to keep off; empty when there is no other one.
fn other<'d>(draft: &'d Draft) -> &'d str {
    let stable = &draft.rollout.status.stable_rs;
    if draft.fully_promoted() { "" } else { stable }
}

/// Puts the term into the template of a ReplicaSet that is about to be created.
pub fn inject(draft: &Draft, template: &mut Value) {
    let (Some(asked), other) = (asked(draft), other(draft)) else {
        return;
    };
    if other.is_empty() {
        return;
    }
    let term = json!({
        "labelSelector": {"matchExpressions": [{"key": label::POD_HASH, "operator": "In", "values": [other]}]},
        "namespaces": [draft.rollout.metadata.namespace],
        "topologyKey": "kubernetes.io/hostname",
    });
    let (member, term) = match &asked.preferred_during_scheduling_ignored_during_execution {
        Some(preferred) => (
            PREFERRED,
            json!({"weight": preferred.weight, "podAffinityTerm": term}),
        ),
        None => (REQUIRED, term),
    };
    let terms = &mut template["spec"]["affinity"]["podAntiAffinity"][member];
    match terms.as_array_mut() {
        Some(terms) => terms.push(term),
        None => *terms = json!([term]),
    }
}

/// What to change in a template whose term keeps off a version that is not stable any more; `None` when nothing is.
pub fn refresh(draft: &Draft, template: &str) -> Option<Value> {
    let other = other(draft);
    if asked(draft).is_none() || other.is_empty() || !template.contains("podAntiAffinity") {
        return None;
    }
    let template: Value = serde_json::from_str(template).ok()?;
    let mut patch = json!({});
    for member in [REQUIRED, PREFERRED] {
        let Some(terms) = template.pointer(&format!("{TERMS}/{member}")) else {
            continue;
        };
        let mut next = terms.clone();
        for term in next.as_array_mut().into_iter().flatten() {
            if let Some(values) = injected(term) {
                *values = json!([other]);
            }
        }
        if next != *terms {
            patch["spec"]["affinity"]["podAntiAffinity"][member] = next;
        }
    }
    (patch != json!({})).then_some(patch)
}

/// The hashes that a term keeps off, when it is ours.
fn injected(term: &mut Value) -> Option<&mut Value> {
    let inner = match term.get("podAffinityTerm").is_some() {
        true => "/podAffinityTerm/labelSelector/matchExpressions/0",
        false => "/labelSelector/matchExpressions/0",
    };
    let expression = term.pointer_mut(inner)?;
    (expression["key"] == label::POD_HASH).then(|| &mut expression["values"])
}

/// A template as it would be without the term.
pub fn stripped(mut template: Value) -> Value {
    if let Some(terms) = template.pointer_mut(TERMS).and_then(Value::as_object_mut) {
        for member in [REQUIRED, PREFERRED] {
            if let Some(list) = terms.get_mut(member).and_then(Value::as_array_mut) {
                list.retain_mut(|term| injected(term).is_none());
            }
        }
        terms.retain(|_, list| list.as_array().is_none_or(|list| !list.is_empty()));
    }
    for (parent, member) in [("/spec/affinity", "podAntiAffinity"), ("/spec", "affinity")] {
        let parent = template.pointer_mut(parent).and_then(Value::as_object_mut);
        if let Some(parent) = parent.filter(|parent| parent.get(member) == Some(&json!({}))) {
            parent.remove(member);
        }
    }
    template
}
