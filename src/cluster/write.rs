//! CREATE, UPDATE and PATCH: what an object becomes, by the rules of metadata, subresources and generations.

mod accept;
mod delete;
mod evict;
mod scale;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use delete::{collect, delete, erase, expunge, is_finished};
pub use scale::show as scale;

use super::catalog::{DEFINITIONS, Generation, Resource};
use super::failure::Failure;
use super::patch;
use super::request::Call;
use super::store::Key;
use super::world::World;
use super::{apply, defaults, options};

/// The answer to a write.
#[derive(Debug)]
pub struct Written {
    pub code: u16,
    pub object: Value,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

impl Written {
    fn new(code: u16, object: Value) -> Self {
        Self {
            code,
            object,
            warnings: Vec::new(),
        }
    }
}

/// The namespace of an object is that of the request.
fn place(call: &Call, object: &mut Value) -> Result<(), Failure> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let meta = &mut object["metadata"];
    if !call.resource.namespaced {
        if let Value::Object(meta) = meta {
            meta.remove("namespace");
        }
        return Ok(());
    }
    match meta["namespace"].as_str() {
        None | Some("") => meta["namespace"] = call.namespace.as_str().into(),
        Some(other) if other != call.namespace => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Failure::bad_request(why));
        }
        Some(_) => {}
    }
    Ok(())
}

pub fn create(world: &mut World, call: &Call) -> Result<Written, Failure> {
    match call.subresource.as_str() {
        "binding" => return bind(world, call),
        "eviction" => return evict::evict(world, call),
        _ => {}
    }
    options::write(call)?;
    let mut object = call.object()?;
    place(call, &mut object)?;
    let resource = Arc::clone(&call.resource);
    let base = object["metadata"]["generateName"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if object["metadata"]["name"].as_str().is_none_or(str::is_empty) && !base.is_empty() {
        object["metadata"]["name"] = world.generated_name(&base).into();
    }
    check_namespace(world, call, &object)?;
    let applied = apply::is_apply(call).then(|| apply::first(call, &object, &world.stamp()));
    let (mut object, warnings) = accept::read(call, object)?;
    if object["metadata"]["resourceVersion"]
        .as_str()
        .is_some_and(|version| !version.is_empty())
    {
        return Err(Failure::internal(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    begin(world, &resource, &mut object);
    defaults::fill(world, &resource.id, &mut object, true);
    accept::validate(call, &object, None)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = Key::new(&resource.id, &call.namespace, &name);
    if let Some(known) = world.store.get(&key) {
        let mut failure = Failure::already_exists(&resource.group, &resource.plural, &name);
        if known["metadata"]["deletionTimestamp"].is_string() {
            failure.message = format!("object is being deleted: {}", failure.message);
        }
        return Err(failure);
    }
    if &*resource.id == DEFINITIONS {
        establish(world, &mut object)?;
    }
    if let Some(record) = applied {
        object["metadata"]["managedFields"] = record;
    }
    let object = if call.dry_run() {
        object
    } else {
        Value::clone(&*world.store.put(&key, object))
    };
    Ok(Written {
        code: 201,
        object,
        warnings,
    })
}

/// System fields of a new object.
pub fn begin(world: &mut World, resource: &Resource, object: &mut Value) {
    let (uid, now) = (world.uid(), world.stamp());
    if let Value::Object(meta) = &mut object["metadata"] {
        for field in [
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "managedFields",
        ] {
            meta.remove(field);
        }
        drop_empty(meta);
        meta.insert("uid".to_owned(), uid.into());
        meta.insert("creationTimestamp".to_owned(), now.into());
        // Built-in kinds that do not count keep what they are told.
        if resource.custom() || resource.generation != Generation::Never {
            meta.insert("generation".to_owned(), 1.into());
        }
    }
    if resource.status
        && let Value::Object(map) = object
    {
        map.remove("status");
    }
}

fn check_namespace(world: &World, call: &Call, object: &Value) -> Result<(), Failure> {
    if !call.resource.namespaced {
        return Ok(());
    }
    let Some(namespaces) = world.catalog.by_id("namespaces") else {
        return Ok(());
    };
    let namespace = world.get(namespaces, "", &call.namespace)?;
    if namespace["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let space = &call.namespace;
    let why = format!("unable to create new content in namespace {space} because it is being terminated");
    let mut failure = Failure::forbidden(&call.resource.group, &call.resource.plural, name, &why);
    let message = format!("namespace {space} is being terminated");
    if let Some(details) = &mut failure.details {
        details["causes"] =
            json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
    }
    Err(failure)
}

/// A definition is served as soon as it is written.
fn establish(world: &mut World, definition: &mut Value) -> Result<(), Failure> {
    let now = world.store.version();
    let resource = world.catalog.define(definition, now)?;
    let now = world.stamp();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now});
    definition["status"] = json!({
        "acceptedNames": definition["spec"]["names"], "storedVersions": [resource.version],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    Ok(())
}

fn bind(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let binding = call.object()?;
    let mut pod = Value::clone(&*world.get(&call.resource, &call.namespace, &call.name)?);
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if !node.is_empty() {
        let why = format!("pod {} is already assigned to node \"{node}\"", call.name);
        return Err(Failure::conflict("", "pods/binding", &call.name, &why));
    }
    pod["spec"]["nodeName"] = binding["target"]["name"].clone();
    let now = world.stamp();
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now});
    let conditions = &mut pod["status"]["conditions"];
    match conditions.as_array_mut() {
        Some(list) => list.push(scheduled),
        None => *conditions = json!([scheduled]),
    }
    world
        .store
        .put(&Key::new(&call.resource.id, &call.namespace, &call.name), pod);
    Ok(Written::new(
        201,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}

pub fn update(world: &mut World, call: &Call) -> Result<Written, Failure> {
    if call.subresource == "scale" {
        return scale::update(world, call);
    }
    options::write(call)?;
    let mut object = call.object()?;
    place(call, &mut object)?;
    check_name(call, &object)?;
    let Ok(old) = world.get(&call.resource, &call.namespace, &call.name) else {
        // These may be created by an update.
        if matches!(&*call.resource.id, "leases.coordination.k8s.io" | "events")
            && call.subresource.is_empty()
        {
            return create(world, call);
        }
        return Err(call.resource.not_found(&call.name));
    };
    let (object, warnings) = accept::read(call, object)?;
    check_uid(call, &old, &object)?;
    if call.resource.needs_version()
        && object["metadata"]["resourceVersion"]
            .as_str()
            .is_none_or(str::is_empty)
    {
        let cause =
            super::failure::Cause::invalid("metadata.resourceVersion", 0, "must be specified for an update");
        return Err(Failure::invalid(
            &call.resource.group,
            &call.resource.plural,
            &call.name,
            &[cause],
        ));
    }
    let mut written = replace(world, call, &old, object)?;
    written.warnings = warnings;
    Ok(written)
}

fn check_name(call: &Call, object: &Value) -> Result<(), Failure> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name == call.name {
        return Ok(());
    }
    let url = &call.name;
    Err(Failure::bad_request(format!(
        "the name of the object ({name}) does not match the name on the URL ({url})"
    )))
}

/// An update says by its uid which object it means.
fn check_uid(call: &Call, old: &Value, new: &Value) -> Result<(), Failure> {
    let (was, asked) = (
        &old["metadata"]["uid"],
        new["metadata"]["uid"].as_str().unwrap_or_default(),
    );
    let was = was.as_str().unwrap_or_default();
    if asked.is_empty() || asked == was {
        return Ok(());
    }
    let path = call.resource.storage_path(&call.namespace, &call.name);
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
         UID in precondition: {asked}, UID in object meta: {was}"
    );
    Err(call.resource.conflict(&call.name, &why))
}

pub fn patch(world: &mut World, call: &Call) -> Result<Written, Failure> {
    if call.subresource == "scale" {
        return scale::patch(world, call);
    }
    let kind = patch::Kind::of(call)?;
    options::patch(call, kind)?;
    let Ok(old) = world.get(&call.resource, &call.namespace, &call.name) else {
        if kind == patch::Kind::Apply {
            let applied = patch::read(call, kind)?;
            check_name(call, &applied)?;
            let mut fresh = call.clone();
            fresh.body = applied.to_string().into();
            return create(world, &fresh);
        }
        // The patch is read first: a broken one is a broken request whether the object exists or not.
        return Err(call.resource.not_found(&call.name));
    };
    let mut patched = match call.resource.form {
        _ if apply::is_apply(call) => apply::apply(call, &old, &world.stamp())?,
        Some(form) => patch::apply(call, &(form.show)(&old))?,
        None => patch::apply(call, &old)?,
    };
    check_name(call, &patched)?;
    place(call, &mut patched)?;
    let (object, warnings) = accept::read_patched(call, patched)?;
    let mut written = replace(world, call, &old, object)?;
    written.warnings = warnings;
    Ok(written)
}

/// Puts `new` in the place of `old`, if it may be there.
pub fn replace(world: &mut World, call: &Call, old: &Value, mut new: Value) -> Result<Written, Failure> {
    let resource = Arc::clone(&call.resource);
    let asked = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !asked.is_empty() && *asked != old["metadata"]["resourceVersion"] {
        return Err(resource.modified(&call.name));
    }
    new = joined(call, old, new);
    let record = match apply::is_apply(call) {
        true => new["metadata"]["managedFields"].take(),
        false => old["metadata"]["managedFields"].clone(),
    };
    keep_system_fields(old, &mut new);
    defaults::keep(&resource.id, old, &mut new);
    defaults::fill(world, &resource.id, &mut new, false);
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    let generation = old["metadata"]["generation"].as_i64();
    if let Some(generation) = generation {
        let rises = generation_rises(&resource, old, &new);
        new["metadata"]["generation"] = (generation + i64::from(rises)).into();
    }
    accept::validate(call, &new, Some(old))?;
    if !record.is_null() {
        new["metadata"]["managedFields"] = record;
        if !apply::is_apply(call) && new != *old {
            apply::track(call, old, &mut new, &world.stamp());
        }
    }
    if new == *old || call.dry_run() {
        return Ok(Written::new(200, new));
    }
    if &*resource.id == DEFINITIONS && call.subresource.is_empty() {
        establish(world, &mut new)?;
    }
    let key = Key::new(&resource.id, &call.namespace, &call.name);
    if delete::is_finished(&new) {
        // The last finalizer is gone: the write is seen as the deletion of what was there before.
        expunge(world, &key);
        return Ok(Written::new(200, new));
    }
    let object = world.store.put(&key, new);
    Ok(Written::new(200, Value::clone(&object)))
}

/// Of a write to the status subresource only the status counts, of one to the object all but the status.
fn joined(call: &Call, old: &Value, new: Value) -> Value {
    let resource = &call.resource;
    let set = |mut object: Value, field: &str, from: &Value| {
        match (from.get(field), &mut object) {
            (Some(value), Value::Object(map)) => {
                map.insert(field.to_owned(), value.clone());
            }
            (None, Value::Object(map)) => {
                map.remove(field);
            }
            _ => {}
        }
        object
    };
    if call.subresource == "status" {
        // Metadata of a custom resource cannot be written this way; that of built-in ones can.
        if resource.custom() {
            let mut object = set(old.clone(), "status", &new);
            object["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"].clone();
            object["metadata"]["uid"] = new["metadata"]["uid"].clone();
            return object;
        }
        return set(new, "spec", old);
    }
    if resource.status {
        set(new, "status", old)
    } else {
        new
    }
}

fn keep_system_fields(old: &Value, new: &mut Value) {
    let Value::Object(meta) = &mut new["metadata"] else {
        return;
    };
    let was = &old["metadata"];
    for field in ["creationTimestamp", "generation", "selfLink"] {
        match was.get(field) {
            Some(value) => meta.insert(field.to_owned(), value.clone()),
            None => meta.remove(field),
        };
    }
    // A deletion that has begun cannot be taken back; one that has not is not begun by a write (the rules refuse it).
    if let Some(since) = was.get("deletionTimestamp") {
        meta.insert("deletionTimestamp".to_owned(), since.clone());
    }
    for field in ["uid", "deletionGracePeriodSeconds"] {
        if meta.get(field).is_none_or(|value| value.is_null() || value == "") {
            meta.insert(field.to_owned(), was[field].clone());
        }
    }
    meta.remove("managedFields");
    meta.retain(|_, value| !value.is_null());
    drop_empty(meta);
}

/// Empty lists and maps of metadata are as good as none.
fn drop_empty(meta: &mut Map<String, Value>) {
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match meta.get(field) {
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            _ => false,
        };
        if empty {
            meta.remove(field);
        }
    }
}

pub fn generation_rises(resource: &Resource, old: &Value, new: &Value) -> bool {
    let ignored: &[&str] = match resource.generation {
        Generation::Never => return false,
        Generation::Spec => return old["spec"] != new["spec"],
        Generation::AllButStatus => &["metadata", "status"],
        Generation::All => &["metadata"],
    };
    let rest = |object: &Value| {
        let mut object = object.clone();
        for field in ignored {
            object[*field] = Value::Null;
        }
        object
    };
    rest(old) != rest(new)
}
