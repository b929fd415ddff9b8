//! DELETE: preconditions, grace, finalizers and propagation; collections.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::Written;
use crate::base::gotime::Time;
use crate::cluster::catalog::DEFINITIONS;
use crate::cluster::failure::Failure;
use crate::cluster::request::Call;
use crate::cluster::store::Key;
use crate::cluster::world::World;
use crate::cluster::{options, read};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

pub fn delete(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let options = call.delete_options();
    options::delete(call, &options)?;
    let object = world.get(&call.resource, &call.namespace, &call.name)?;
    preconditions(call, &object, &options["preconditions"])?;
    let key = Key::new(&call.resource.id, &call.namespace, &call.name);
    if call.dry_run() {
        return Ok(Written::new(200, success(call, &object)));
    }
    let (gone, last) = erase(world, &key, &object, &options);
    if !gone {
        return Ok(Written::new(200, Value::clone(&last)));
    }
    // Some kinds answer with what was deleted.
    let shown = matches!(&*call.resource.id, "pods" | "services" | "serviceaccounts");
    let body = if shown {
        Value::clone(&last)
    } else {
        success(call, &last)
    };
    Ok(Written::new(200, body))
}

/// Deletes an object as far as its finalizers and its grace let it go: whether it is gone, and its last state.
pub fn erase(world: &mut World, key: &Key, object: &Arc<Value>, options: &Value) -> (bool, Arc<Value>) {
    let mut marked = Value::clone(object);
    propagate(&key.resource, &mut marked, options);
    let grace = grace(&key.resource, object, options);
    let gone = grace == 0 && no_finalizers(&marked);
    if gone && &*key.resource != "pods" {
        let last = expunge(world, key).unwrap_or_else(|| Arc::clone(object));
        return (true, last);
    }
    // A pod is marked even when it goes at once: its watchers see both.
    mark(world, &mut marked, grace);
    let last = if marked == **object {
        Arc::clone(object)
    } else {
        world.store.put(key, marked)
    };
    if gone {
        expunge(world, key);
    }
    (gone, last)
}

fn success(call: &Call, object: &Value) -> Value {
    let mut details =
        json!({"name": call.name, "kind": call.resource.plural, "uid": object["metadata"]["uid"]});
    if !call.resource.group.is_empty() {
        details["group"] = call.resource.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Refuses a deletion of another object, or of another state of it, than the one that is meant.
pub fn preconditions(call: &Call, object: &Value, asked: &Value) -> Result<(), Failure> {
    let resource = &call.resource;
    for (field, name, happened) in [
        (
            "uid",
            "UID",
            "The object might have been deleted and then recreated",
        ),
        (
            "resourceVersion",
            "ResourceVersion",
            "The object might have been modified",
        ),
    ] {
        let (Some(asked), Some(is)) = (asked[field].as_str(), object["metadata"][field].as_str()) else {
            continue;
        };
        if asked != is {
            let why = format!(
                "the {name} in the precondition ({asked}) does not match the {name} in record ({is}). {happened}"
            );
            // Here the server says the kind where it says the resource elsewhere.
            return Err(Failure::conflict(
                resource.rules_group(),
                &resource.kind,
                &call.name,
                &why,
            ));
        }
    }
    Ok(())
}

/// The finalizers that make the garbage collector act before the object goes.
fn propagate(resource: &str, object: &mut Value, options: &Value) {
    let policy = match (
        options["propagationPolicy"].as_str(),
        options["orphanDependents"].as_bool(),
    ) {
        (Some(policy), _) => policy,
        (None, Some(true)) => "Orphan",
        (None, Some(false)) => "Background",
        // Jobs orphan their pods unless told otherwise.
        (None, None) if resource == "jobs.batch" => "Orphan",
        (None, None) => return,
    };
    let mut finalizers = object["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    finalizers.retain(|one| one != ORPHAN && one != FOREGROUND);
    match policy {
        "Orphan" => finalizers.push(ORPHAN.into()),
        "Foreground" => finalizers.push(FOREGROUND.into()),
        _ => {}
    }
    if let Value::Object(meta) = &mut object["metadata"] {
        if finalizers.is_empty() {
            meta.remove("finalizers");
        } else {
            meta.insert("finalizers".to_owned(), finalizers.into());
        }
    }
}

/// Seconds until the object may go. Only pods have any: a kubelet must stop them first.
fn grace(resource: &str, object: &Value, options: &Value) -> i64 {
    if resource != "pods" {
        return 0;
    }
    let bound = object["spec"]["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty());
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !bound || ended {
        return 0;
    }
    let asked = options["gracePeriodSeconds"].as_i64();
    let own = object["spec"]["terminationGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(30);
    let running = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    match (asked, running) {
        (Some(asked), Some(running)) => asked.min(running),
        (None, Some(running)) => running,
        (asked, None) => asked.unwrap_or(own),
    }
}

fn no_finalizers(object: &Value) -> bool {
    let own = object["metadata"]["finalizers"]
        .as_array()
        .is_none_or(Vec::is_empty);
    // A namespace has its finalizers in its spec.
    let inner = object["kind"] == "Namespace"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
    own && !inner
}

/// Whether a write leaves an object that is being deleted with nothing to wait for.
pub fn is_finished(object: &Value) -> bool {
    let meta = &object["metadata"];
    let graceful = object["kind"] == "Pod" && meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    meta["deletionTimestamp"].is_string() && no_finalizers(object) && !graceful
}

fn mark(world: &World, object: &mut Value, grace: i64) {
    let first = object["metadata"]["deletionTimestamp"].is_null();
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if !first && before == Some(grace) {
        return;
    }
    // A shorter grace counts from when the deletion was asked for.
    let asked = object["metadata"]["deletionTimestamp"]
        .as_str()
        .and_then(|end| DateTime::parse_from_rfc3339(end).ok())
        .map(|end| end.to_utc() - TimeDelta::seconds(before.unwrap_or(0)));
    let end = asked.unwrap_or_else(|| world.now()) + TimeDelta::seconds(grace);
    object["metadata"]["deletionTimestamp"] = Time::new(end).rfc3339().into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    if let (true, Some(generation)) = (first, object["metadata"]["generation"].as_i64()) {
        object["metadata"]["generation"] = (generation + 1).into();
    }
    if object["kind"] == "Namespace" {
        object["status"]["phase"] = "Terminating".into();
    }
}

/// Removes an object for good.
pub fn expunge(world: &mut World, key: &Key) -> Option<Arc<Value>> {
    let gone = world.store.remove(key)?;
    if &*key.resource == DEFINITIONS {
        undefine(world, &key.name);
    }
    Some(gone)
}

/// A definition takes its objects along.
fn undefine(world: &mut World, id: &str) {
    let id: Arc<str> = id.into();
    let keys: Vec<Key> = world.store.list(&id, None).map(|(key, _)| key.clone()).collect();
    for key in keys {
        world.store.remove(&key);
    }
    world.catalog.forget(&id);
}

/// Deletes everything that a selector selects.
pub fn collect(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let selector = read::selector(call)?;
    let found: Vec<Arc<Value>> = world
        .store
        .list(&call.resource.id, read::scope(call))
        .map(|(_, object)| Arc::clone(object))
        .filter(|object| selector.matches(object))
        .collect();
    for object in &found {
        let mut one = call.clone();
        one.name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        one.namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        delete(world, &one)?;
    }
    let list = json!({
        "kind": call.resource.list_kind, "apiVersion": call.resource.api_version(),
        "metadata": {"resourceVersion": world.store.version().to_string()},
        "items": found.iter().map(|object| read::item(call, object)).collect::<Vec<_>>(),
    });
    Ok(Written::new(200, list))
}
