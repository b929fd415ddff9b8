//! Whether an object may be written: reading it as its kind, what of it is unknown, what of it is wrong.

use serde_json::Value;

use crate::cluster::catalog::Resource;
use crate::cluster::failure::{Cause, Failure};
use crate::cluster::request::Call;
use crate::cluster::typed::{Typed, unknown_fields};
use crate::cluster::{events, golang, patch, rules, schema};

use super::scale;

/// An object that was read as its kind, and the paths of what was unknown in it.
type Decoded = (Value, Vec<String>);

/// Reads an object of a built-in kind: wrong types are refused, unknown fields dropped.
fn decode(resource: &Resource, typed: Typed, object: &Value) -> Result<Decoded, String> {
    let kept =
        typed(object.clone()).map_err(|why| golang::type_error(&resource.kind, object, typed, &why))?;
    let mut unknown = Vec::new();
    unknown_fields(object, &kept, "", &mut unknown);
    let kept = match resource.form {
        Some(form) => (form.store)(kept),
        None => kept,
    };
    Ok((kept, unknown))
}

/// Reads an object of a custom kind: unknown fields are dropped, defaults added. Wrong types are found by validation.
fn prune(resource: &Resource, mut object: Value) -> Decoded {
    let mut unknown = Vec::new();
    let document = resource.schema.as_deref().unwrap_or(&Value::Null);
    schema::prune(document, &mut object, &mut unknown);
    schema::default(document, &mut object);
    (object, unknown)
}

/// The object of a request as it would be stored, with the warnings about it.
pub fn read(call: &Call, object: Value) -> Result<(Value, Vec<String>), Failure> {
    let (object, unknown) = match call.resource.typed {
        None => prune(&call.resource, object),
        Some(typed) => decode(&call.resource, typed, &object).map_err(|why| {
            let (kind, version) = (&call.resource.kind, &call.resource.version);
            Failure::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
            ))
        })?,
    };
    Ok((object, judge_unknown(call, unknown)?))
}

/// As [`read`], of an object that a patch has made.
pub fn read_patched(call: &Call, patched: Value) -> Result<(Value, Vec<String>), Failure> {
    let (object, unknown) = match call.resource.typed {
        None => prune(&call.resource, patched),
        Some(typed) => {
            let kind = patched["kind"].as_str().unwrap_or_default();
            let decoded = if kind == call.resource.kind {
                decode(&call.resource, typed, &patched)
            } else {
                Err(call.no_conversion(kind))
            };
            decoded.map_err(|why| patch::undecodable(&patched, &why))?
        }
    };
    Ok((object, judge_unknown(call, unknown)?))
}

/// What `fieldValidation` makes of unknown fields: an error, or warnings.
fn judge_unknown(call: &Call, unknown: Vec<String>) -> Result<Vec<String>, Failure> {
    let told: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    match call.query.text("fieldValidation") {
        "Strict" if !told.is_empty() => {
            let (kind, version) = (&call.resource.kind, &call.resource.version);
            let why = format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
                told.join(", ")
            );
            Err(Failure::bad_request(why))
        }
        "Ignore" => Ok(Vec::new()),
        _ => Ok(told),
    }
}

/// Refuses an object that breaks a rule of its kind.
pub fn validate(call: &Call, object: &Value, old: Option<&Value>) -> Result<(), Failure> {
    let resource = &call.resource;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    if resource.custom() && kind != resource.kind {
        let why = format!("must be {}", resource.kind);
        let cause = Cause::invalid("kind", Value::from(kind), why);
        return Err(Failure::invalid(&resource.group, kind, name, &[cause]));
    }
    let mut causes = rules::metadata(object, resource.custom());
    if let Some(old) = old {
        causes.extend(rules::metadata_change(old, object));
    }
    match &resource.schema {
        Some(document) => {
            let part = (call.subresource == "status").then_some("status");
            let blocked = causes.iter().any(schema::blocks);
            causes.extend(schema::validate(
                &schema::Checked {
                    schema: document,
                    part,
                    ruled: resource.ruled,
                    blocked,
                },
                object,
                old,
            ));
            causes.extend(scale::problems(resource, object));
        }
        None if &*resource.id == "events" => {
            causes.extend(events::problems(object, old, resource.form.is_some()));
        }
        None if call.subresource == "status" => causes.extend(rules::builtin_status(resource, object)),
        None => causes.extend(rules::builtin(resource, object, old)),
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(resource.invalid(name, &causes))
    }
}
