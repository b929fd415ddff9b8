//! Sets of fields in the form of `fieldsV1`: `{"f:spec": {"f:replicas": {}}}`, items of lists by their keys (`k:{"name":"c"}`) or values
//! (`v:"x"`), and what such a path leads to in an object.

use serde_json::{Map, Value, json};

use crate::cluster::patch::merge_key;

/// A path through a set, segment by segment.
pub type Path = Vec<String>;

/// Stands in a set for an item of a list itself.
const ITEM: &str = ".";

/// What is known of a place in an object.
pub enum Shape<'a> {
    /// A node of a schema.
    Custom(&'a Value),
    /// The path in a built-in kind, without indexes.
    Builtin(String),
}

enum Items {
    Atomic,
    Set,
    Keyed(Vec<String>),
}

impl Shape<'_> {
    fn field(&self, name: &str) -> Self {
        match self {
            Self::Builtin(path) if path.is_empty() => Self::Builtin(name.to_owned()),
            Self::Builtin(path) => Self::Builtin(format!("{path}.{name}")),
            Self::Custom(schema) => {
                let property = &schema["properties"][name];
                if name == "metadata" && property["properties"].is_null() {
                    Self::Builtin(name.to_owned())
                } else if property.is_object() {
                    Self::Custom(property)
                } else {
                    Self::Custom(&schema["additionalProperties"])
                }
            }
        }
    }

    fn item(&self) -> Self {
        match self {
            Self::Builtin(path) => Self::Builtin(path.clone()),
            Self::Custom(schema) => Self::Custom(&schema["items"]),
        }
    }

    fn items(&self, list: &[Value]) -> Items {
        match self {
            Self::Builtin(path) if path == "metadata.finalizers" => Items::Set,
            Self::Builtin(path) => match list.first().and_then(|item| merge_key(path, item)) {
                Some(key) => Items::Keyed(vec![key.to_owned()]),
                None => Items::Atomic,
            },
            Self::Custom(schema) => match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => Items::Set,
                Some("map") => {
                    let keys = schema["x-kubernetes-list-map-keys"].as_array();
                    let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                    Items::Keyed(keys.map(str::to_owned).collect())
                }
                _ => Items::Atomic,
            },
        }
    }

    fn is_atomic(&self) -> bool {
        match self {
            Self::Builtin(path) => [
                "selector",
                "nodeSelector",
                "fieldRef",
                "secretKeyRef",
                "configMapKeyRef",
            ]
            .contains(&path.rsplit('.').next().unwrap_or_default()),
            Self::Custom(schema) => schema["x-kubernetes-map-type"] == "atomic",
        }
    }
}

fn key_of(keys: &[String], item: &Value) -> Map<String, Value> {
    let fields = keys
        .iter()
        .filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
    fields.collect()
}

/// The fields of a value.
pub fn of(shape: &Shape<'_>, value: &Value) -> Value {
    let mut set = Map::new();
    match value {
        Value::Object(fields) if !shape.is_atomic() => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                set.insert(format!("f:{name}"), of(&shape.field(name), value));
            }
        }
        Value::Array(list) => match shape.items(list) {
            Items::Atomic => {}
            Items::Set => set.extend(list.iter().map(|item| (format!("v:{item}"), json!({})))),
            Items::Keyed(keys) => {
                for item in list {
                    let mut inside = of(&shape.item(), item);
                    inside[ITEM] = json!({});
                    set.insert(format!("k:{}", Value::from(key_of(&keys, item))), inside);
                }
            }
        },
        _ => {}
    }
    Value::Object(set)
}

/// Makes `target` say what `wanted` says.
pub fn merge(shape: &Shape<'_>, target: &mut Value, wanted: &Value) {
    match wanted {
        Value::Object(fields) if !shape.is_atomic() => {
            if !target.is_object() {
                *target = json!({});
            }
            for (name, value) in fields {
                merge(&shape.field(name), &mut target[name], value);
            }
            if let Value::Object(map) = target {
                map.retain(|_, value| !value.is_null());
            }
        }
        Value::Array(list) => match shape.items(list) {
            Items::Atomic => *target = wanted.clone(),
            Items::Set => {
                let Some(known) = listed(target) else {
                    return;
                };
                let new: Vec<Value> = list
                    .iter()
                    .filter(|item| !known.contains(item))
                    .cloned()
                    .collect();
                known.extend(new);
            }
            Items::Keyed(keys) => {
                let Some(known) = listed(target) else {
                    return;
                };
                for item in list {
                    let key = key_of(&keys, item);
                    let at = known.iter().position(|one| key_of(&keys, one) == key);
                    let at = at.unwrap_or_else(|| {
                        known.push(Value::Null);
                        known.len() - 1
                    });
                    merge(&shape.item(), &mut known[at], item);
                }
            }
        },
        plain => *target = plain.clone(),
    }
}

/// The list that a value is, or is made.
fn listed(value: &mut Value) -> Option<&mut Vec<Value>> {
    if !value.is_array() {
        *value = json!([]);
    }
    value.as_array_mut()
}

/// All paths of a set that lead no further.
pub fn leaves(set: &Value) -> Vec<Path> {
    fn walk(set: &Value, path: &mut Path, found: &mut Vec<Path>) {
        match set.as_object().filter(|inside| !inside.is_empty()) {
            None if path.is_empty() => {}
            None => found.push(path.clone()),
            Some(inside) => {
                for (segment, set) in inside {
                    path.push(segment.clone());
                    walk(set, path, found);
                    path.pop();
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(set, &mut Vec::new(), &mut found);
    found
}

/// Whether a path leads to an item of a list itself.
pub fn is_item(path: &Path) -> bool {
    path.last().is_some_and(|last| last == ITEM)
}

/// The path without the mark of an item.
pub fn node(path: &Path) -> &[String] {
    match path.split_last() {
        Some((last, before)) if last == ITEM => before,
        _ => path,
    }
}

/// Whether a set has this path, or anything below it.
pub fn has(set: &Value, path: &[String]) -> bool {
    path.iter()
        .try_fold(set, |set, segment| set.get(segment))
        .is_some()
}

/// Adds a path to a set.
pub fn put(set: &mut Value, path: &[String]) {
    let mut at = set;
    for segment in path {
        if !at[segment].is_object() {
            at[segment] = json!({});
        }
        at = &mut at[segment];
    }
}

/// Takes a path out of a set, and what is empty then.
pub fn take(set: &mut Value, path: &[String]) {
    let (Some((first, rest)), Value::Object(inside)) = (path.split_first(), set) else {
        return;
    };
    if let Some(next) = inside.get_mut(first) {
        take(next, rest);
        if next.as_object().is_none_or(Map::is_empty) {
            inside.remove(first);
        }
    }
}

fn is_keyed(item: &Value, key: &str) -> bool {
    let key: Value = serde_json::from_str(key).unwrap_or_default();
    key.as_object()
        .is_some_and(|key| key.iter().all(|(field, value)| item[field] == *value))
}

fn is_value(item: &Value, text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| value == *item)
}

/// What a path leads to in an object.
pub fn find<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |at, segment| match segment.split_once(':') {
            Some(("f", field)) => at.get(field),
            Some(("k", key)) => at.as_array()?.iter().find(|item| is_keyed(item, key)),
            Some(("v", value)) => at.as_array()?.iter().find(|item| is_value(item, value)),
            _ => Some(at),
        })
}

/// Removes what a path leads to in an object, and the maps and lists that are empty then.
pub fn remove(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (first.split_once(':'), object) {
        (Some(("f", field)), Value::Object(map)) => {
            let Some(next) = map.get_mut(field) else {
                return;
            };
            remove(next, rest);
            let empty = match next {
                Value::Object(map) => map.is_empty(),
                Value::Array(list) => list.is_empty(),
                _ => false,
            };
            if rest.is_empty() || empty {
                map.remove(field);
            }
        }
        (Some(("k", key)), Value::Array(list)) if rest.is_empty() => list.retain(|item| !is_keyed(item, key)),
        (Some(("k", key)), Value::Array(list)) => {
            for item in list.iter_mut().filter(|item| is_keyed(item, key)) {
                remove(item, rest);
            }
        }
        (Some(("v", value)), Value::Array(list)) => list.retain(|item| !is_value(item, value)),
        _ => {}
    }
}

/// A path as the server prints it: `.spec.ports[port=80].protocol`.
pub fn print(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        text += &match segment.split_once(':') {
            Some(("f", field)) => format!(".{field}"),
            Some(("k", key)) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let fields = key.iter().map(|(field, value)| format!("{field}={value}"));
                format!("[{}]", fields.collect::<Vec<_>>().join(","))
            }
            Some(("v", value)) => format!("[={value}]"),
            _ => String::new(),
        };
    }
    text
}
