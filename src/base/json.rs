//! JSON merge patches (RFC 7386) and pointer reads.

use serde_json::{Map, Value};

/// The merge patch that turns `old` into `new`: vanished members are explicit nulls, lists are replaced whole.
/// `None` when nothing differs.
pub fn merge_diff(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let patch = diff_objects(old, new);
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ => (old != new).then(|| new.clone()),
    }
}

fn diff_objects(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        match old.get(name) {
            None => drop(patch.insert(name.clone(), value.clone())),
            Some(before) => drop(merge_diff(before, value).map(|change| patch.insert(name.clone(), change))),
        }
    }
    patch
}

/// Applies a merge patch to `target` as an API server would.
pub fn merge_apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(members) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge_apply(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Merges `patch` into another merge patch, keeping explicit nulls.
pub fn merge_patches(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge_patches(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// The string at a JSON pointer, or `""`.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The integer at a JSON pointer.
pub fn int(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_applied_gives_the_new_value() {
        let old = json!({"a": 1, "b": {"c": [1, 2], "d": 3}, "gone": true});
        let new = json!({"a": 1, "b": {"c": [2], "d": 3, "e": {}}});
        let patch = merge_diff(&old, &new).unwrap();
        assert_eq!(patch, json!({"b": {"c": [2], "e": {}}, "gone": null}));
        let mut applied = old;
        merge_apply(&mut applied, &patch);
        assert_eq!(applied, new);
    }

    #[test]
    fn equal_values_need_no_patch() {
        assert_eq!(merge_diff(&json!({"a": [1]}), &json!({"a": [1]})), None);
    }
}
