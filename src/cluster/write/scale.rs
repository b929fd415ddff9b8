//! The scale subresource: a view of two numbers of another object.

use serde_json::{Value, json};

use super::Written;
use crate::cluster::catalog::Resource;
use crate::cluster::failure::{Cause, Failure};
use crate::cluster::request::Call;
use crate::cluster::world::World;
use crate::cluster::{golang, patch};

/// The Scale of an object.
///
/// # Errors
/// A custom object that does not say how many it wants has none.
pub fn show(resource: &Resource, object: &Value) -> Result<Value, Failure> {
    let paths = resource.scale.as_ref();
    if let (Some(paths), true) = (paths, resource.custom())
        && object.pointer(&paths.spec).is_none_or(Value::is_null)
    {
        let field = paths.spec.replace('/', ".");
        return Err(Failure::internal_error(&format!(
            "the spec replicas field \"{field}\" does not exist"
        )));
    }
    let number = |path: Option<&String>| {
        path.and_then(|path| object.pointer(path))
            .and_then(Value::as_i64)
            .unwrap_or(0)
    };
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = object["metadata"][field].clone();
    }
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {},
        "status": {"replicas": number(paths.map(|paths| &paths.status))},
    });
    // A count of zero is left out, as Go does.
    let wanted = number(paths.map(|paths| &paths.spec));
    if wanted != 0 {
        scale["spec"]["replicas"] = wanted.into();
    }
    let selector = match paths.and_then(|paths| paths.selector.as_ref()) {
        Some(path) => object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        None if resource.custom() => String::new(),
        None => printed(&object["spec"]["selector"]),
    };
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// A label selector in the form of a query.
fn printed(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>()
        .join(",")
}

/// What is wrong with the numbers of a custom resource.
pub fn problems(resource: &Resource, object: &Value) -> Vec<Cause> {
    let Some(scale) = &resource.scale else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in [&scale.spec, &scale.status] {
        let field = path.replace('/', ".");
        match object.pointer(path) {
            None | Some(Value::Null) => {}
            Some(value) => match value.as_i64() {
                Some(count) if count < 0 => {
                    found.push(Cause::invalid(field, count, "should be a non-negative integer"));
                }
                Some(_) => {}
                None => {
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let kind = if value.is_string() { "string" } else { "float64" };
                    let why =
                        format!("{field} accessor error: {shown} is of the type {kind}, expected int64");
                    found.push(Cause::invalid(field, 0, why));
                }
            },
        }
    }
    found
}

pub fn update(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let scale = call.object()?;
    write(world, call, &scale)
}

pub fn patch(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let object = world.get(&call.resource, &call.namespace, &call.name)?;
    let scale = patch::apply(call, &show(&call.resource, &object)?)?;
    let wanted = &scale["spec"]["replicas"];
    if !wanted.is_null() && !wanted.is_i64() {
        let why = format!(
            "json: cannot unmarshal {} into Go struct field ScaleSpec.spec.replicas of type int32",
            golang::word_of(wanted)
        );
        return Err(patch::undecodable(&scale, &why));
    }
    write(world, call, &scale)
}

fn write(world: &mut World, call: &Call, scale: &Value) -> Result<Written, Failure> {
    let old = world.get(&call.resource, &call.namespace, &call.name)?;
    let mut new = Value::clone(&old);
    new["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    let Some(paths) = &call.resource.scale else {
        return Err(Failure::no_resource());
    };
    let wanted = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    set(&mut new, &paths.spec, wanted.into());
    let mut whole = call.clone();
    whole.subresource = String::new();
    let written = super::replace(world, &whole, &old, new)?;
    Ok(Written::new(200, show(&call.resource, &written.object)?))
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[part];
    }
    *at = value;
}
