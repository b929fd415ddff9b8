//! Label selectors: printing them as `status.selector` wants, and matching labels.

use crate::api::rollout::LabelSelector;
use std::collections::BTreeMap;

/// The selector as one string, in Kubernetes' own spelling and order: `app=web,tier in (a,b),!old`.
pub fn format(selector: &LabelSelector) -> String {
    let mut parts: Vec<(String, String)> = selector
        .match_labels
        .iter()
        .map(|(key, value)| (key.clone(), format!("{key}={value}")))
        .collect();
    for requirement in &selector.match_expressions {
        let key = &requirement.key;
        let mut values = requirement.values.clone();
        values.sort();
        let values = values.join(",");
        let text = match requirement.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.clone(),
            _ => format!("!{key}"),
        };
        parts.push((key.clone(), text));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts
        .into_iter()
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join(",")
}

pub fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.is_empty() && selector.match_expressions.is_empty()
}

/// Whether `labels` satisfy the selector. An empty selector matches nothing here: it would take every object of the namespace.
pub fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    if is_empty(selector) {
        return false;
    }
    let equal = selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
