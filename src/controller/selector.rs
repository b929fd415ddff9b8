//! Label selectors, as far as adoption needs them.

use crate::api::rollout::{LabelSelector, LabelSelectorRequirement};
use crate::plan::ReplicaSet;
use std::collections::BTreeMap;

/// True when the Rollout's selector matches the ReplicaSet. An empty selector matches nothing here: it would adopt a whole namespace.
pub fn selects(selector: Option<&LabelSelector>, replica_set: &ReplicaSet) -> bool {
    let Some(selector) = selector else {
        return false;
    };
    let labels = &replica_set.metadata.labels;
    let empty = selector.match_labels.is_empty() && selector.match_expressions.is_empty();
    !empty && matches(selector, labels)
}

fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = |(name, value): (&String, &String)| labels.get(name) == Some(value);
    let holds = |requirement: &LabelSelectorRequirement| {
        let value = labels.get(&requirement.key);
        let listed = value.is_some_and(|value| requirement.values.contains(value));
        match requirement.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    selector.match_labels.iter().all(equal) && selector.match_expressions.iter().all(holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_the_api_servers_do() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let check = |selector: serde_json::Value, want: bool| {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(matches(&parsed, &labels), want, "{selector}");
        };
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        check(json!({"matchLabels": {"app": "web"}}), true);
        check(json!({"matchLabels": {"app": "web", "tier": "front"}}), false);
        check(expression("app", "In", &["web", "api"]), true);
        check(expression("app", "NotIn", &["web"]), false);
        check(expression("tier", "NotIn", &["front"]), true);
        check(expression("app", "Exists", &[]), true);
        check(expression("tier", "DoesNotExist", &[]), true);
        check(expression("app", "Equals", &["web"]), false);
    }
}
