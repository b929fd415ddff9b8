//! What is wrong with an object by a structural schema, in the API server's words and with its causes.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{IMMUTABLE, flag};
use crate::cluster::failure::Cause;

/// The field of what concerns no field.
const NOWHERE: &str = "<nil>";

/// What an object is checked against.
#[derive(Clone, Copy)]
pub struct Checked<'a> {
    /// The schema of the whole object.
    pub schema: &'a Value,
    /// The only field that is written and looked at: the status of a write to it.
    pub part: Option<&'static str>,
    /// Whether the schema has rules.
    pub ruled: bool,
    /// Something else is wrong that keeps the rules from being checked.
    pub blocked: bool,
}

/// Whether the rules are not checked because of this.
pub fn blocks(cause: &Cause) -> bool {
    [
        "FieldValueRequired",
        "FieldValueTypeInvalid",
        "FieldValueNotSupported",
        "FieldValueTooLong",
        "FieldValueTooMany",
    ]
    .contains(&cause.reason)
}

/// All that is wrong with `object`; `old` is the object it replaces.
pub fn validate(checked: &Checked<'_>, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut found = Vec::new();
    let (schema, object, old) = match checked.part {
        None => (checked.schema, object, old),
        Some(part) => (
            &checked.schema["properties"][part],
            &object[part],
            old.map(|old| &old[part]),
        ),
    };
    let absent = checked.part.is_some() && object.is_null();
    if !absent {
        check(schema, object, "", &mut found);
        lists(schema, object, "", &mut found);
    }
    let blocked = checked.blocked || found.iter().any(blocks);
    if !blocked && let Some(old) = old {
        transitions(schema, object, old, "", &mut found);
    }
    if let Some(part) = checked.part {
        for cause in found.iter_mut().filter(|cause| cause.field != NOWHERE) {
            cause.field = format!("{part}.{}", cause.field);
        }
    }
    if blocked && checked.ruled {
        let why = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        found.push(Cause::invalid(NOWHERE, "null", why));
    }
    found
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A type by the name that the server gives it in messages.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    if value.is_null() && flag(schema, "nullable") {
        return;
    }
    let fits = type_fits(schema, value, path, found);
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        let known: Vec<String> = known.iter().map(Value::to_string).collect();
        found.push(Cause::unsupported(path, value, &known));
    }
    match value {
        _ if !fits => {}
        Value::Object(map) => check_map(schema, map, path, found),
        Value::Array(list) => check_list(schema, list, path, found),
        Value::String(text) => check_text(schema, text, path, found),
        Value::Number(_) => check_number(schema, value, path, found),
        _ => {}
    }
}

fn type_fits(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) -> bool {
    let is = type_of(value);
    let wrong = |wanted: &str| {
        Cause::type_invalid(
            path,
            format!("\"{is}\""),
            format!("{path} in body must be of type {wanted}: \"{is}\""),
        )
    };
    if flag(schema, "x-kubernetes-int-or-string") {
        let fits = matches!(is, "integer" | "string");
        if !fits {
            let is = if is == "float64" { "number" } else { is };
            let why = format!("{path} in body must be of type integer,string: \"{is}\"");
            found.push(Cause::type_invalid(path, format!("\"{is}\""), why));
        }
        return fits;
    }
    let Some(wanted) = schema["type"].as_str() else {
        return true;
    };
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = match wanted {
        "number" => matches!(is, "integer" | "float64"),
        "integer" => is == "integer" || whole,
        other => is == other,
    };
    if wanted == "integer" && value.is_number() && schema["format"] == "int32" {
        let within = value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
        if !within {
            let why = format!("Checked value must be of type integer with format int32 in {path}");
            found.push(Cause::invalid(NOWHERE, "\"\"", why));
        }
    }
    if !fits {
        let format = schema["format"]
            .as_str()
            .filter(|_| wanted == "integer" && is == "float64");
        found.push(wrong(format.unwrap_or(wanted)));
    }
    fits
}

fn check_map(schema: &Value, map: &Map<String, Value>, path: &str, found: &mut Vec<Cause>) {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    for name in required.iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            found.push(Cause::required(join(path, name), ""));
        }
    }
    for (name, value) in map {
        let property = &schema["properties"][name];
        let inner = if property.is_object() {
            property
        } else {
            &schema["additionalProperties"]
        };
        if inner.is_object() {
            check(inner, value, &join(path, name), found);
        }
    }
    for (limit, fits, words) in [
        (
            "minProperties",
            (|len, limit| len >= limit) as fn(u64, u64) -> bool,
            "at least",
        ),
        ("maxProperties", |len, limit| len <= limit, "at most"),
    ] {
        if let Some(limit) = schema[limit].as_u64()
            && !fits(map.len() as u64, limit)
        {
            let why = format!("{path} in body should have {words} {limit} properties");
            found.push(Cause::invalid(path, map.len(), why));
        }
    }
}

fn check_list(schema: &Value, list: &[Value], path: &str, found: &mut Vec<Cause>) {
    if let Some(limit) = schema["minItems"].as_u64()
        && (list.len() as u64) < limit
    {
        let why = format!("{path} in body should have at least {limit} items");
        found.push(Cause::invalid(path, list.len(), why));
    }
    if let Some(limit) = schema["maxItems"].as_u64()
        && list.len() as u64 > limit
    {
        let message = format!("Too many: {}: must have at most {limit} items", list.len());
        found.push(Cause::new("FieldValueTooMany", message, path));
    }
    for (at, item) in list.iter().enumerate() {
        check(&schema["items"], item, &format!("{path}[{at}]"), found);
    }
}

fn check_text(schema: &Value, text: &str, path: &str, found: &mut Vec<Cause>) {
    let shown = json!(text);
    let letters = text.chars().count() as u64;
    if let Some(limit) = schema["maxLength"].as_u64()
        && letters > limit
    {
        let message = format!("Too long: may not be more than {limit} bytes");
        found.push(Cause::new("FieldValueTooLong", message, path));
        return;
    }
    if let Some(limit) = schema["minLength"].as_u64()
        && letters < limit
    {
        found.push(Cause::invalid(
            path,
            &shown,
            format!("{path} in body should be at least {limit} chars long"),
        ));
        return;
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        found.push(Cause::invalid(
            path,
            &shown,
            format!("{path} in body should match '{pattern}'"),
        ));
    }
    if schema["format"] == "date-time" && chrono::DateTime::parse_from_rfc3339(text).is_err() {
        let why = format!("{path} in body must be of type date-time: {shown}");
        found.push(Cause::type_invalid(path, &shown, why));
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    let number = value.as_f64().unwrap_or_default();
    if let Some(limit) = schema["minimum"].as_f64() {
        let open = flag(schema, "exclusiveMinimum");
        if number < limit || (open && number <= limit) {
            let words = if open {
                "greater than"
            } else {
                "greater than or equal to"
            };
            found.push(Cause::invalid(
                path,
                value,
                format!("{path} in body should be {words} {limit}"),
            ));
        }
    }
    if let Some(limit) = schema["maximum"].as_f64() {
        let open = flag(schema, "exclusiveMaximum");
        if number > limit || (open && number >= limit) {
            let words = if open {
                "less than"
            } else {
                "less than or equal to"
            };
            found.push(Cause::invalid(
                path,
                value,
                format!("{path} in body should be {words} {limit}"),
            ));
        }
    }
}

/// Lists that are sets or maps hold nothing twice.
fn lists(schema: &Value, value: &Value, path: &str, found: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let property = &schema["properties"][name];
                let inner = if property.is_object() {
                    property
                } else {
                    &schema["additionalProperties"]
                };
                lists(inner, value, &join(path, name), found);
            }
        }
        Value::Array(list) => {
            let keys: Vec<Value> = match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => list.clone(),
                Some("map") => list.iter().map(|item| map_key(schema, item)).collect(),
                _ => Vec::new(),
            };
            for (at, key) in keys.iter().enumerate() {
                if keys[..at].contains(key) {
                    found.push(Cause::duplicate(format!("{path}[{at}]"), key));
                }
            }
            for (at, item) in list.iter().enumerate() {
                lists(&schema["items"], item, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

/// The values of an item's key fields; a missing one counts as its default.
fn map_key(schema: &Value, item: &Value) -> Value {
    let names = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let fields = names.iter().filter_map(Value::as_str).filter_map(|name| {
        let value = item
            .get(name)
            .or_else(|| schema["items"]["properties"][name].get("default"))?;
        Some((name.to_owned(), value.clone()))
    });
    Value::Object(fields.collect())
}

/// Rules that compare with the old object; they hold only where both have the field.
fn transitions(schema: &Value, new: &Value, old: &Value, path: &str, found: &mut Vec<Cause>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    {
        if rule["rule"] == IMMUTABLE && new != old {
            let message = rule["message"].as_str().unwrap_or("failed rule: self == oldSelf");
            found.push(match new {
                // What is not plain is not shown.
                Value::Object(_) | Value::Array(_) => {
                    Cause::new("FieldValueInvalid", format!("Invalid value: {message}"), path)
                }
                plain => Cause::invalid(path, plain, message),
            });
        }
    }
    if let (Value::Object(new), Value::Object(before)) = (new, old) {
        for (name, value) in new {
            let property = &schema["properties"][name];
            let inner = if property.is_object() {
                property
            } else {
                &schema["additionalProperties"]
            };
            if let (true, Some(before)) = (inner.is_object(), before.get(name)) {
                transitions(inner, value, before, &join(path, name), found);
            }
        }
    }
}
