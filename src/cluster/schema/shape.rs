//! What of an object is kept and what is added: pruning and defaulting by a structural schema.

use serde_json::{Map, Value};

use super::flag;

/// Fields of the root and of embedded objects that exist without being in the schema.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes what the schema does not know; their paths go to `dropped`.
pub fn prune(schema: &Value, object: &mut Value, dropped: &mut Vec<String>) {
    prune_at(schema, object, "", true, dropped);
}

fn prune_at(schema: &Value, value: &mut Value, path: &str, embedded: bool, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => prune_map(schema, map, path, embedded, dropped),
        Value::Array(list) => {
            for (at, item) in list.iter_mut().enumerate() {
                let embedded = flag(&schema["items"], "x-kubernetes-embedded-resource");
                prune_at(
                    &schema["items"],
                    item,
                    &format!("{path}[{at}]"),
                    embedded,
                    dropped,
                );
            }
        }
        _ => {}
    }
}

fn prune_map(
    schema: &Value,
    map: &mut Map<String, Value>,
    path: &str,
    embedded: bool,
    dropped: &mut Vec<String>,
) {
    let preserved = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let here = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        if embedded && META.contains(&name.as_str()) {
            continue;
        }
        let property = &schema["properties"][&name];
        let inner = if property.is_object() {
            property
        } else {
            &schema["additionalProperties"]
        };
        if inner.is_object() {
            let embedded = flag(inner, "x-kubernetes-embedded-resource");
            if let Some(value) = map.get_mut(&name) {
                prune_at(inner, value, &here, embedded, dropped);
            }
        } else if !preserved && *inner != Value::Bool(true) {
            map.remove(&name);
            dropped.push(here);
        }
    }
}

/// Adds the defaults. A null where null is not allowed and a default exists is replaced.
pub fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(properties) = schema["properties"].as_object() {
                for (name, property) in properties {
                    default_property(map, name, property);
                }
            }
            if schema["additionalProperties"].is_object() {
                for (name, value) in map.iter_mut() {
                    if schema["properties"][name].is_null() {
                        default(&schema["additionalProperties"], value);
                    }
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                default(&schema["items"], item);
            }
        }
        _ => {}
    }
}

fn default_property(map: &mut Map<String, Value>, name: &str, property: &Value) {
    let unusable_null = map.get(name).is_some_and(Value::is_null) && !flag(property, "nullable");
    if let Some(default) = property.get("default")
        && (unusable_null || !map.contains_key(name))
    {
        map.insert(name.to_owned(), default.clone());
    } else if unusable_null {
        // A null that is not allowed is as good as absent.
        map.remove(name);
    }
    if let Some(value) = map.get_mut(name) {
        self::default(property, value);
    }
}
