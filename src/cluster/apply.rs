//! Who owns which field: server-side apply, and what other writes do to its record. The record is `metadata.managedFields`, in the server's
//! form; it begins with the first apply, so that objects which nobody applies carry none.
//!
//! Real: conflicts and forcing them, fields that go when their last applier stops saying them, lists by key, sets and atomic values.
//! Different: lists of built-in kinds have one key, where some have two; what was there before the first apply belongs to one manager,
//! `before-first-apply`; the status has no owners.

mod tree;

use serde_json::{Map, Value, json};

use super::catalog::Resource;
use super::failure::{Cause, Failure};
use super::patch::{self, Kind};
use super::request::{Call, Verb};
use tree::Shape;

const BEFORE: &str = "before-first-apply";
/// What of metadata can be owned.
const META: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];

/// Whether this request applies an object as a whole.
pub fn is_apply(call: &Call) -> bool {
    call.verb == Verb::Patch && call.subresource.is_empty() && Kind::of(call) == Ok(Kind::Apply)
}

/// The part of an object that can be owned.
fn ownable(object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return json!({});
    };
    let kept = fields.iter().filter_map(|(name, value)| match name.as_str() {
        "apiVersion" | "kind" | "status" => None,
        "metadata" => {
            let kept = META.iter().filter_map(|&field| Some((field, value.get(field)?)));
            let kept: Map<String, Value> = kept
                .map(|(field, value)| (field.to_owned(), value.clone()))
                .collect();
            (!kept.is_empty()).then(|| (name.clone(), kept.into()))
        }
        _ => Some((name.clone(), value.clone())),
    });
    Value::Object(kept.collect())
}

fn shape(resource: &Resource) -> Shape<'_> {
    match &resource.schema {
        Some(schema) => Shape::Custom(schema),
        None => Shape::Builtin(String::new()),
    }
}

fn entry(call: &Call, manager: &str, operation: &str, time: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": call.resource.api_version(), "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn manager(call: &Call) -> &str {
    match call.query.text("fieldManager") {
        "" => &call.caller,
        name => name,
    }
}

fn is_of(entry: &Value, manager: &str, operation: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == operation
}

/// The record of an object that an apply creates.
pub fn first(call: &Call, applied: &Value, time: &str) -> Value {
    let owned = tree::of(&shape(&call.resource), &ownable(applied));
    json!([entry(call, manager(call), "Apply", time, owned)])
}

/// The object after an apply, its record with it.
pub fn apply(call: &Call, current: &Value, time: &str) -> Result<Value, Failure> {
    let applied = patch::read(call, Kind::Apply)?;
    if !applied.is_object() {
        let why = "error decoding patch: expected an object";
        return Err(Failure::bad_request(why));
    }
    let (wanted, shape) = (ownable(&applied), shape(&call.resource));
    let owned = tree::of(&shape, &wanted);
    let mut record = match current["metadata"]["managedFields"].as_array() {
        Some(record) => record.clone(),
        None => {
            let before = tree::of(&shape, &ownable(current));
            vec![entry(call, BEFORE, "Update", time, before)]
        }
    };
    let me = manager(call);
    let mine = record.iter().position(|one| is_of(one, me, "Apply"));
    let mine = mine.map(|at| record.remove(at));
    let found = conflicts(&record, &owned, current, &wanted);
    if !found.is_empty() && !call.query.flag("force") {
        return Err(refuse(&record, &found));
    }
    for (at, path) in found {
        tree::take(&mut record[at]["fieldsV1"], &path);
    }
    let mut object = current.clone();
    for field in ["name", "namespace", "uid", "resourceVersion"] {
        if let Some(value) = applied["metadata"].get(field) {
            object["metadata"][field] = value.clone();
        }
    }
    tree::merge(&shape, &mut object, &wanted);
    if let Some(mine) = &mine {
        forget(&mut object, &mine["fieldsV1"], &owned, &record);
    }
    // The time is that of the last change of what is owned.
    let same = mine.filter(|mine| mine["fieldsV1"] == owned);
    record.push(same.unwrap_or_else(|| entry(call, me, "Apply", time, owned)));
    keep(&mut object, record);
    Ok(object)
}

/// Writes the record down, without those who own nothing any more.
fn keep(object: &mut Value, mut record: Vec<Value>) {
    record.retain(|one| {
        one["fieldsV1"]
            .as_object()
            .is_some_and(|fields| !fields.is_empty())
    });
    object["metadata"]["managedFields"] = record.into();
}

/// A field of another manager: the place of its entry, and the path.
type Conflict = (usize, tree::Path);

/// What others own and would get another value.
fn conflicts(record: &[Value], owned: &Value, current: &Value, wanted: &Value) -> Vec<Conflict> {
    let mut found: Vec<Conflict> = Vec::new();
    for path in tree::leaves(owned) {
        let changes = !tree::is_item(&path) && tree::find(current, &path) != tree::find(wanted, &path);
        let others = record.iter().enumerate().filter(|_| changes);
        found.extend(
            others
                .filter(|(_, other)| tree::has(&other["fieldsV1"], &path))
                .map(|(at, _)| (at, path.clone())),
        );
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

fn refuse(record: &[Value], found: &[Conflict]) -> Failure {
    let name = |at: usize| {
        let (entry, name) = (&record[at], &record[at]["manager"]);
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        match text("operation") {
            "Update" => format!("{name} using {} at {}", text("apiVersion"), text("time")),
            _ => name.to_string(),
        }
    };
    let causes = found.iter().map(|(at, path)| {
        let message = format!("conflict with {}", name(*at));
        Cause::new("FieldManagerConflict", message, tree::print(path))
    });
    let causes: Vec<Cause> = causes.collect();
    let told = match causes.as_slice() {
        [one] => format!("1 conflict: {}: {}", one.message, one.field),
        many => {
            let mut told = format!("{} conflicts: ", many.len());
            let mut lines: Vec<String> = Vec::new();
            for (cause, (at, _)) in many.iter().zip(found) {
                let head = format!("conflicts with {}:", name(*at));
                if !lines.contains(&head) {
                    lines.push(head);
                }
                lines.push(format!("- {}", cause.field));
            }
            told += &lines.join("\n");
            told
        }
    };
    Failure::apply_conflict(&format!("Apply failed with {told}"), &causes)
}

/// Takes away what this manager said before, says no more, and nobody else owns.
fn forget(object: &mut Value, before: &Value, now: &Value, others: &[Value]) {
    for path in tree::leaves(before) {
        let node = tree::node(&path);
        let kept = tree::has(now, node) || others.iter().any(|one| tree::has(&one["fieldsV1"], node));
        if !kept {
            tree::remove(object, node);
        }
    }
}

/// The record after another write than an apply: what was changed belongs to whoever changed it. For objects that have one.
pub fn track(call: &Call, old: &Value, new: &mut Value, time: &str) {
    let Some(record) = old["metadata"]["managedFields"].as_array() else {
        return;
    };
    let (mut record, me) = (record.clone(), manager(call));
    let now = tree::of(&shape(&call.resource), &ownable(new));
    let differs = |path: &tree::Path| tree::find(old, path) != tree::find(new, path);
    let changed: Vec<tree::Path> = tree::leaves(&now)
        .into_iter()
        .filter(|path| differs(path))
        .collect();
    for one in &mut record {
        for path in tree::leaves(&one["fieldsV1"]) {
            if differs(&path) {
                tree::take(&mut one["fieldsV1"], &path);
            }
        }
    }
    if !changed.is_empty() {
        let mine = record.iter().position(|one| is_of(one, me, "Update"));
        let mut mine = match mine {
            Some(at) => record.remove(at),
            None => entry(call, me, "Update", time, json!({})),
        };
        mine["time"] = time.into();
        for path in &changed {
            tree::put(&mut mine["fieldsV1"], path);
        }
        record.push(mine);
    }
    keep(new, record);
}

#[cfg(test)]
mod tests;
