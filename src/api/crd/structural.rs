//! From the derive's JSON schema to the structural schema that the API server takes.
//!
//! Decides what of a schema survives: one type everywhere, nothing nullable, no accidental defaults, descriptions as paragraphs.
//! Must not know which kind it works on.

use super::marks;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

pub(super) const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
pub(super) const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

/// Keys of the derive that the API server refuses or that would change behaviour: defaults would be written into every object.
const DROPPED: [&str; 5] = ["$schema", "title", "default", "nullable", "examples"];

/// The structural schema of a type, marks included.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// Makes a schema and everything below it structural.
fn tidy(schema: &mut Value) {
    if schema.is_boolean() {
        *schema = json!({});
    }
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for key in DROPPED {
        object.remove(key);
    }
    drop_null(object);
    if let Some(default) = object.remove(marks::DEFAULT) {
        object.insert("default".into(), default);
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = paragraphs(text);
    }
    each_child(object, &mut |_, child| tidy(child));
    let typed = ["type", INT_OR_STRING, PRESERVE]
        .iter()
        .any(|key| object.contains_key(*key));
    if !typed {
        object.insert(PRESERVE.into(), Value::Bool(true));
    }
}

/// `Option` means "may be absent" on the wire, never "may be null".
fn drop_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    let Some(Value::Array(choices)) = object.get("anyOf") else {
        return;
    };
    let mut rest = choices.iter().filter(|choice| choice["type"] != "null");
    if let (Some(Value::Object(only)), None) = (rest.next().cloned(), rest.next()) {
        object.remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// Calls `visit` with the name and the schema of every direct child; items and values of maps have the name of their parent's
/// keyword.
pub(super) fn each_child(object: &mut Map<String, Value>, visit: &mut dyn FnMut(&str, &mut Value)) {
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, child) in properties {
            visit(name, child);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(keyword) {
            visit(keyword, child);
        }
    }
}

/// Joins the lines of each paragraph of a comment.
fn paragraphs(text: &str) -> String {
    let joined = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split("\n\n").map(joined).collect::<Vec<_>>().join("\n\n")
}
