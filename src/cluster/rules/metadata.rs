//! Rules of metadata, for all kinds.

use serde_json::{Value, json};

use super::names;
use crate::cluster::failure::Cause;
use crate::cluster::golang;

/// What is wrong with the metadata of an object.
pub fn metadata(object: &Value, custom: bool) -> Vec<Cause> {
    let mut found = Vec::new();
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        let why = "name or generateName is required";
        found.push(Cause::required("metadata.name", why));
    } else if let Some(why) = names::subdomain(name) {
        found.push(Cause::invalid("metadata.name", json!(name), why));
    }
    for (key, value) in meta["labels"].as_object().into_iter().flatten() {
        if let Some(why) = names::qualified(key) {
            found.push(Cause::invalid("metadata.labels", json!(key), why));
        }
        if let Some(why) = names::label(value.as_str().unwrap_or_default()) {
            found.push(Cause::invalid("metadata.labels", value, why));
        }
    }
    for (key, _) in meta["annotations"].as_object().into_iter().flatten() {
        // Their case does not matter; most are good as they are.
        let wrong = names::qualified(key).and_then(|_| names::qualified(&key.to_ascii_lowercase()));
        if let Some(why) = wrong {
            found.push(Cause::invalid("metadata.annotations", json!(key), why));
        }
    }
    owners(meta, &mut found);
    finalizers(meta, custom, &mut found);
    found
}

fn owners(meta: &Value, found: &mut Vec<Cause>) {
    let Some(owners) = meta["ownerReferences"].as_array() else {
        return;
    };
    let mut controller: Option<&Value> = None;
    for owner in owners {
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                let field = format!("metadata.ownerReferences.{field}");
                found.push(Cause::invalid(field, "\"\"", why));
            }
        }
        if owner["controller"] != true {
            continue;
        }
        if let Some(first) = controller {
            let said = |owner: &Value, field: &str| owner[field].as_str().unwrap_or_default().to_owned();
            let why = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
                said(first, "kind"),
                said(first, "name"),
                said(owner, "kind"),
                said(owner, "name"),
            );
            found.push(Cause::invalid("metadata.ownerReferences", shown(owners), why));
        }
        controller = Some(owner);
    }
}

/// Owner references as Go prints them.
fn shown(owners: &[Value]) -> String {
    const FIELDS: [&str; 6] = [
        "apiVersion",
        "kind",
        "name",
        "uid",
        "controller",
        "blockOwnerDeletion",
    ];
    let owners = owners.iter().map(|owner| golang::print_fields(owner, &FIELDS));
    format!("[{}]", owners.collect::<Vec<_>>().join(","))
}

fn finalizers(meta: &Value, custom: bool, found: &mut Vec<Cause>) {
    let list = meta["finalizers"].as_array().map_or(&[][..], Vec::as_slice);
    for (at, one) in list.iter().enumerate() {
        let name = one.as_str().unwrap_or_default();
        if let Some(why) = names::qualified(name) {
            found.push(Cause::invalid("metadata.finalizers", one, why));
        } else if !custom
            && !name.contains('/')
            && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion")
        {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            found.push(Cause::invalid(format!("metadata.finalizers[{at}]"), one, why));
        }
    }
}

/// What is wrong between the metadata of an object and of the one that it replaces. The server looks twice, and finds
/// everything twice.
pub fn change(old: &Value, new: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let (before, after) = (&old["metadata"][field], &new["metadata"][field]);
        if before != after {
            let cause = Cause::invalid(format!("metadata.{field}"), after, "field is immutable");
            found.extend([cause.clone(), cause]);
        }
    }
    if old["metadata"]["deletionTimestamp"].is_string()
        && let Value::Array(list) = &new["metadata"]["finalizers"]
    {
        let before = old["metadata"]["finalizers"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let added: Vec<String> = list
            .iter()
            .filter(|one| !before.contains(one))
            .filter_map(|one| one.as_str().map(|one| format!("\"{one}\"")))
            .collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            let cause = Cause::forbidden("metadata.finalizers", &why);
            found.extend([cause.clone(), cause]);
        }
    }
    found
}
