//! How the models write: straight into the store, by the same rules of metadata, generations and deletion as requests,
//! but without validation. What they write is as the server would store it, which a test checks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::reading;
use crate::cluster::catalog::Resource;
use crate::cluster::store::Key;
use crate::cluster::world::World;
use crate::cluster::{defaults, write};

/// Creates an object from its metadata and spec; `generateName` is honoured. An error is the server's message.
pub fn create(
    world: &mut World,
    resource: &Resource,
    namespace: &str,
    mut object: Value,
) -> Result<Key, String> {
    let base = object["metadata"]["generateName"].as_str().unwrap_or_default();
    let base = base.to_owned();
    let shown = object["metadata"]["name"].as_str().unwrap_or(&base).to_owned();
    let plural = &resource.plural;
    if resource.namespaced {
        let id: Arc<str> = "namespaces".into();
        let Some(space) = world.store.get(&Key::new(&id, "", namespace)) else {
            return Err(format!("namespaces \"{namespace}\" not found"));
        };
        if reading::deleting(space) {
            return Err(format!(
                "{plural} \"{shown}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
            ));
        }
        object["metadata"]["namespace"] = namespace.into();
    }
    if !object["metadata"]["name"].is_string() {
        object["metadata"]["name"] = world.generated_name(&base).into();
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = Key::new(&resource.id, namespace, &name);
    if world.store.get(&key).is_some() {
        return Err(format!("{plural} \"{name}\" already exists"));
    }
    write::begin(world, resource, &mut object);
    defaults::fill(world, &resource.id, &mut object, true);
    world.store.put(&key, object);
    Ok(key)
}

/// Writes a status, unless it is the one that is there; whether it was written.
pub fn status(world: &mut World, key: &Key, status: Value) -> bool {
    let Some(old) = world.store.get(key) else {
        return false;
    };
    if old["status"] == status {
        return false;
    }
    let mut new = Value::clone(old);
    new["status"] = status;
    world.store.put(key, new);
    true
}

/// Writes an object that was changed, unless nothing was.
pub fn replace(world: &mut World, key: &Key, mut new: Value) {
    let Some(old) = world.store.get(key) else {
        return;
    };
    if **old == new {
        return;
    }
    if write::is_finished(&new) {
        write::expunge(world, key);
        return;
    }
    let resource = world.catalog.by_id(&key.resource);
    let rises = resource.is_some_and(|resource| write::generation_rises(resource, old, &new));
    if let (true, Some(generation)) = (rises, old["metadata"]["generation"].as_i64()) {
        new["metadata"]["generation"] = (generation + 1).into();
    }
    world.store.put(key, new);
}

/// Takes the owners whose uid is to be dropped out of an object.
pub fn drop_owners(object: &mut Value, dropped: impl Fn(&str) -> bool) {
    let mut owners = reading::owners(object).to_vec();
    owners.retain(|owner| !dropped(owner["uid"].as_str().unwrap_or_default()));
    let Value::Object(meta) = &mut object["metadata"] else {
        return;
    };
    if owners.is_empty() {
        meta.remove("ownerReferences");
    } else {
        meta.insert("ownerReferences".to_owned(), owners.into());
    }
}

/// Deletes an object as a request would.
pub fn delete(world: &mut World, key: &Key, options: &Value) {
    if let Some(object) = world.store.get(key).cloned() {
        write::erase(world, key, &object, options);
    }
}

/// Deletes an object with a policy.
pub fn delete_by(world: &mut World, key: &Key, policy: &str) {
    delete(world, key, &json!({"propagationPolicy": policy}));
}

/// Removes an object at once, whatever holds it.
pub fn vanish(world: &mut World, key: &Key) {
    write::expunge(world, key);
}
