//! Patches applied to an object: merge, JSON, strategic merge, and of an apply what concerns a subresource. Pure.
//!
//! Strategic merge knows the merge keys of the kinds that controllers patch; lists without a key here are replaced.
//! An apply to a subresource merges like a strategic merge (custom resources: like a merge patch) and knows no owners of fields.

use serde_json::{Map, Value};

use super::failure::{Cause, Failure};
use super::golang;
use super::request::Call;

const CUSTOM_TYPES: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// The kinds of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Kind {
    pub fn of(call: &Call) -> Result<Self, Failure> {
        let custom = call.resource.custom();
        match call.content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if !custom => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ => Err(Failure::media_type(custom.then_some(CUSTOM_TYPES))),
        }
    }
}

/// The object after the patch.
pub fn apply(call: &Call, current: &Value) -> Result<Value, Failure> {
    let kind = Kind::of(call)?;
    if kind == Kind::Json {
        return json_patch(call, current);
    }
    let patch = read(call, kind)?;
    if !patch.is_object() {
        let why = golang::not_into(&patch, "map[string]interface {}");
        return Err(Failure::bad_request(format!("error decoding patch: {why}")));
    }
    let mut object = current.clone();
    match kind {
        Kind::Strategic => strategic(&mut object, &patch, ""),
        Kind::Apply if !call.resource.custom() => strategic(&mut object, &patch, ""),
        _ => crate::base::json::merge_apply(&mut object, &patch),
    }
    Ok(object)
}

/// The body of a patch that is an object.
pub fn read(call: &Call, kind: Kind) -> Result<Value, Failure> {
    if kind == Kind::Apply {
        let text = String::from_utf8_lossy(&call.body);
        let applied: Value = serde_saphyr::from_str(&text)
            .map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))?;
        if !applied["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        return Ok(applied);
    }
    serde_json::from_slice(&call.body).map_err(|_| {
        let why = golang::syntax_error(&call.body);
        Failure::bad_request(format!("error decoding patch: {why}"))
    })
}

fn json_patch(call: &Call, current: &Value) -> Result<Value, Failure> {
    let steps = match read(call, Kind::Json)? {
        Value::Array(steps) => steps,
        other => {
            let why = golang::not_into(&other, "[]handlers.jsonPatchOp");
            return Err(Failure::bad_request(format!("error decoding patch: {why}")));
        }
    };
    let mut object = current.clone();
    for step in steps {
        let step: json_patch::PatchOperation =
            serde_json::from_value(step).map_err(|_| Failure::unprocessable())?;
        if json_patch::patch(&mut object, std::slice::from_ref(&step)).is_err() {
            put_missing(&mut object, step).ok_or_else(Failure::unprocessable)?;
        }
    }
    Ok(object)
}

/// The server's library replaces what is not there, as long as there is an object to put it into.
fn put_missing(object: &mut Value, step: json_patch::PatchOperation) -> Option<()> {
    let json_patch::PatchOperation::Replace(step) = step else {
        return None;
    };
    let path = step.path.to_string();
    let (parent, name) = path.rsplit_once('/')?;
    let parent = object.pointer_mut(parent)?.as_object_mut()?;
    parent.insert(name.replace("~1", "/").replace("~0", "~"), step.value);
    Some(())
}

/// The patched object does not decode: the answer that shows it whole.
pub fn undecodable(object: &Value, why: &str) -> Failure {
    let shown = Value::from(golang::print_object(object));
    let cause = Cause::invalid("patch", shown, why);
    Failure::invalid("", "", "", &[cause])
}

/// The fields by which the items of a list are the same item. `path` is that of the list, without indexes.
pub fn merge_key(path: &str, item: &Value) -> Option<&'static str> {
    let list = path.rsplit('.').next().unwrap_or_default();
    match list {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => {
            Some("name")
        }
        "ports" if path.contains("containers.") => Some("containerPort"),
        "ports" => Some("port"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "volumeMounts" => Some("mountPath"),
        "podIPs" | "hostAliases" if item.get("ip").is_some() => Some("ip"),
        _ => None,
    }
}

fn strategic(target: &mut Value, patch: &Value, path: &str) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch
        .get("$patch")
        .is_some_and(|directive| directive == "replace")
    {
        let kept = patch.iter().filter(|(field, _)| *field != "$patch");
        *target = Value::Object(
            kept.map(|(field, value)| (field.clone(), value.clone()))
                .collect(),
        );
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else {
        return;
    };
    for (field, value) in patch {
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            remove_plain(map, list, value);
        } else if !field.starts_with('$') {
            strategic_field(map, field, value, path);
        }
    }
}

fn strategic_field(map: &mut Map<String, Value>, field: &str, value: &Value, path: &str) {
    let here = if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    };
    match value {
        Value::Null => {
            map.remove(field);
        }
        Value::Object(inner) if inner.get("$patch").is_some_and(|directive| directive == "delete") => {
            map.remove(field);
        }
        Value::Object(_) => strategic(map.entry(field).or_insert(Value::Null), value, &here),
        Value::Array(items) => strategic_list(map.entry(field).or_insert(Value::Null), items, &here),
        plain => {
            map.insert(field.to_owned(), plain.clone());
        }
    }
}

fn remove_plain(map: &mut Map<String, Value>, list: &str, gone: &Value) {
    if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(list), gone.as_array()) {
        items.retain(|item| !gone.contains(item));
    }
}

fn strategic_list(target: &mut Value, patch: &[Value], path: &str) {
    let replace = patch.iter().any(|item| item["$patch"] == "replace");
    let plain: Vec<&Value> = patch.iter().filter(|item| item.get("$patch").is_none()).collect();
    if !target.is_array() || replace {
        *target = Value::Array(Vec::new());
    }
    let Value::Array(items) = target else {
        return;
    };
    if path == "metadata.finalizers" {
        let asked: Vec<Value> = plain.into_iter().cloned().collect();
        *items = joined(std::mem::take(items), asked, |one, other| one == other);
        return;
    }
    let Some(key) = patch.iter().find_map(|item| merge_key(path, item)) else {
        *items = plain.into_iter().cloned().collect();
        return;
    };
    for item in patch.iter().filter(|item| item["$patch"] == "delete") {
        items.retain(|one| one[key] != item[key]);
    }
    let asked = plain.into_iter().map(|item| {
        let mut merged = items
            .iter()
            .find(|one| one[key] == item[key])
            .map_or(Value::Null, Value::clone);
        strategic(&mut merged, item, path);
        merged
    });
    let asked = asked.collect();
    *items = joined(std::mem::take(items), asked, |one, other| one[key] == other[key]);
}

/// What was there and what is asked for, in the server's order: both lists keep theirs, and where nothing says which of two comes
/// first, it is the one that is asked for. What is in both is taken from `asked`.
fn joined(was: Vec<Value>, asked: Vec<Value>, same: impl Fn(&Value, &Value) -> bool) -> Vec<Value> {
    let mut kept = (0..was.len()).filter(|&at| !asked.iter().any(|item| same(&was[at], item)));
    let mut next = kept.next();
    let mut order = Vec::with_capacity(was.len() + asked.len());
    for item in &asked {
        let here = was.iter().position(|one| same(one, item));
        while let Some(at) = next.filter(|&at| here.is_some_and(|here| at < here)) {
            order.push(was[at].clone());
            next = kept.next();
        }
        order.push(item.clone());
    }
    order.extend(next.into_iter().chain(kept).map(|at| was[at].clone()));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategic_merge_joins_lists_by_their_keys() {
        let check = |mut object: Value, patch: Value, want: Value| {
            strategic(&mut object, &patch, "");
            assert_eq!(object, want, "{patch}");
        };
        check(
            json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "y", "env": [{"name": "k", "value": "v"}]}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "y", "env": [{"name": "k", "value": "v"}]}, {"name": "b"}]}}),
        );
        check(
            json!({"spec": {"selector": {"a": "1", "b": "2"}, "ports": [{"port": 80}]}}),
            json!({"spec": {"selector": {"a": "3", "b": null}, "ports": [{"port": 80, "name": "h"}, {"port": 81}]}}),
            json!({"spec": {"selector": {"a": "3"}, "ports": [{"port": 80, "name": "h"}, {"port": 81}]}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
            json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
            json!({"spec": {"containers": [{"name": "b"}]}}),
        );
        check(
            json!({"metadata": {"finalizers": ["a"], "ownerReferences": [{"uid": "1", "name": "x"}]}}),
            json!({"metadata": {"finalizers": ["b"], "ownerReferences": [{"uid": "1", "controller": true}]}}),
            json!({"metadata": {"finalizers": ["b", "a"], "ownerReferences": [{"uid": "1", "name": "x", "controller": true}]}}),
        );
        check(
            json!({"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Mine", "status": "True"}]}}),
            json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
            json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Mine", "status": "True"}]}}),
        );
        check(
            json!({"spec": {"a": {"x": 1}, "args": ["1"]}}),
            json!({"spec": {"a": {"$patch": "replace", "y": 2}, "args": ["2"]}}),
            json!({"spec": {"a": {"y": 2}, "args": ["2"]}}),
        );
    }
}
