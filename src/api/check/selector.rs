//! Label selectors: whether they are well-formed, and whether they select given labels.

use crate::api::check::problem::Problem;
use crate::api::check::words;
use crate::api::rollout::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

/// All problems of a selector's own form.
pub(super) fn problems(field: &str, selector: &LabelSelector) -> Vec<Problem> {
    let mut found = labels(&format!("{field}.matchLabels"), pairs(&selector.match_labels));
    for (index, requirement) in selector.match_expressions.iter().enumerate() {
        found.extend(requirement_problems(
            &format!("{field}.matchExpressions[{index}]"),
            requirement,
        ));
    }
    found
}

fn pairs(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Problems of label names and values, all reported at `field`.
pub(super) fn labels<'a>(field: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Problem> {
    let mut found = Vec::new();
    for (name, value) in labels {
        let complaints = words::qualified_name(name);
        found.extend(
            complaints
                .iter()
                .map(|complaint| Problem::invalid(field, name, complaint)),
        );
        let complaints = words::label_value(value);
        found.extend(
            complaints
                .iter()
                .map(|complaint| Problem::invalid(field, value, complaint)),
        );
    }
    found
}

fn requirement_problems(field: &str, requirement: &LabelSelectorRequirement) -> Vec<Problem> {
    let mut found = Vec::new();
    let values = format!("{field}.values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => {
            found.push(Problem::required(
                values,
                "must be specified when `operator` is 'In' or 'NotIn'",
            ));
        }
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            found.push(Problem::forbidden(values, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => {
            found.push(Problem::invalid(
                format!("{field}.operator"),
                other,
                "not a valid selector operator",
            ));
        }
    }
    let key = requirement.key.as_str();
    let complaints = words::qualified_name(key);
    found.extend(
        complaints
            .iter()
            .map(|complaint| Problem::invalid(format!("{field}.key"), key, complaint)),
    );
    for (index, value) in requirement.values.iter().enumerate() {
        let complaints = words::label_value(value);
        let at = || format!("{field}.values[{index}]");
        found.extend(
            complaints
                .iter()
                .map(|complaint| Problem::invalid(at(), value, complaint)),
        );
    }
    found
}

/// Whether a well-formed selector selects these labels. An empty selector selects everything.
pub(super) fn selects(selector: &LabelSelector, labels: &BTreeMap<&str, &str>) -> bool {
    let equal = |(name, value): (&str, &str)| labels.get(name) == Some(&value);
    pairs(&selector.match_labels).all(equal) && selector.match_expressions.iter().all(|one| met(one, labels))
}

fn met(requirement: &LabelSelectorRequirement, labels: &BTreeMap<&str, &str>) -> bool {
    let value = labels.get(requirement.key.as_str());
    let listed = value.is_some_and(|value| requirement.values.iter().any(|one| one == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
