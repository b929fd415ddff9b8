//! The subsets of a DestinationRule: which version each leads to. Subsets of others stay.

use crate::base::names::{annotation, label};
use serde_json::{Value, json};

fn subsets(rule: &Value) -> impl Iterator<Item = &Value> {
    let all = rule.pointer("/spec/subsets").and_then(Value::as_array);
    all.into_iter().flatten()
}

/// The pod-template hash that a subset selects; empty when it selects none, `None` when there is no such subset.
pub fn hash<'v>(rule: &'v Value, name: &str) -> Option<&'v str> {
    let subset = subsets(rule).find(|subset| subset["name"] == name)?;
    Some(subset["labels"][label::POD_HASH].as_str().unwrap_or_default())
}

/// The Rollout that manages the rule.
pub fn manager(rule: &Value) -> Option<&str> {
    rule["metadata"]["annotations"]
        .get(annotation::MANAGED_BY)?
        .as_str()
}

/// The merge patch that leads the named subsets to these hashes and says who did it; `None` when all is so. A list is replaced whole,
/// so the write must be guarded by the resourceVersion.
pub fn lead(rule: &Value, to: &[(&str, String)], rollout: &str) -> Option<Value> {
    let mut patch = json!({});
    if to
        .iter()
        .any(|(name, wanted)| hash(rule, name) != Some(wanted.as_str()))
    {
        let led = subsets(rule).map(|subset| {
            let wanted = to.iter().find(|(name, _)| subset["name"] == *name);
            let mut subset = subset.clone();
            if let Some((_, wanted)) = wanted {
                subset["labels"][label::POD_HASH] = json!(wanted);
            }
            subset
        });
        patch["spec"]["subsets"] = led.collect();
    }
    if manager(rule) != Some(rollout) {
        patch["metadata"]["annotations"][annotation::MANAGED_BY] = json!(rollout);
    }
    (patch != json!({})).then_some(patch)
}

/// The merge patch that ends the management: no subset selects by hash any more.
pub fn let_go(rule: &Value) -> Value {
    let freed = subsets(rule).map(|subset| {
        let mut subset = subset.clone();
        if let Some(labels) = subset["labels"].as_object_mut() {
            labels.remove(label::POD_HASH);
        }
        subset
    });
    let freed: Vec<Value> = freed.collect();
    json!({"metadata": {"annotations": {annotation::MANAGED_BY: null}}, "spec": {"subsets": freed}})
}
