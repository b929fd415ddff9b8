//! The second form of events: `events.k8s.io/v1` shows the same objects as the core API under other names. They are stored in the core
//! form. Knows nothing of requests.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::catalog::Resource;
use super::failure::Cause;
use super::typed;

/// How a second form of a resource becomes the first and back.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub store: fn(Value) -> Value,
    pub show: fn(&Value) -> Value,
}

/// The names of a field in the core form and in the other.
const NAMES: [(&str, &str); 7] = [
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

/// `events` as `events.k8s.io` serves it.
pub fn second_form(stored: &Resource) -> Resource {
    Resource {
        id: Arc::clone(&stored.id),
        group: "events.k8s.io".to_owned(),
        typed: Some(typed::new_event()),
        form: Some(Form { store, show }),
        ..stored.clone()
    }
}

/// A field selector of the second form, in the words of the first.
pub fn selector(fields: &str) -> String {
    NAMES.iter().fold(fields.to_owned(), |fields, (core, other)| {
        fields.replace(other, core)
    })
}

fn store(object: Value) -> Value {
    let Value::Object(fields) = object else {
        return object;
    };
    let core = |name: String| {
        let known = NAMES.iter().find(|(_, other)| **other == name);
        known.map_or(name, |(core, _)| (*core).to_owned())
    };
    let mut object: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_null() && *value != json!({}))
        .map(|(name, value)| (core(name), value))
        .collect();
    object.insert("apiVersion".to_owned(), "v1".into());
    object.entry("involvedObject").or_insert_with(|| json!({}));
    Value::Object(object)
}

fn show(object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return object.clone();
    };
    let other = |name: &str| {
        let known = NAMES.iter().find(|(core, _)| *core == name);
        known.map_or(name, |(_, other)| *other).to_owned()
    };
    let mut shown: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| (other(name), value.clone()))
        .collect();
    shown.insert("apiVersion".to_owned(), "events.k8s.io/v1".into());
    // Go prints these whatever they are.
    for (name, empty) in [
        ("eventTime", Value::Null),
        ("deprecatedSource", json!({})),
        ("deprecatedFirstTimestamp", Value::Null),
        ("deprecatedLastTimestamp", Value::Null),
        ("regarding", json!({})),
    ] {
        shown.entry(name).or_insert(empty);
    }
    Value::Object(shown)
}

/// What is wrong with an event in the core form. `strict`: it came in the second form.
pub fn problems(event: &Value, old: Option<&Value>, strict: bool) -> Vec<Cause> {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let mut found = Vec::new();
    let about = &event["involvedObject"]["namespace"];
    let (about, own) = (
        about.as_str().unwrap_or_default(),
        event["metadata"]["namespace"].as_str().unwrap_or_default(),
    );
    let timed = event["eventTime"].is_string();
    let agrees = match (about, timed) {
        ("", false) => own == "default",
        ("", true) => matches!(own, "default" | "kube-system"),
        (about, false) => about == own,
        (_, true) => true,
    };
    if !agrees {
        let why = "does not match event.namespace";
        found.push(Cause::invalid("involvedObject.namespace", json!(about), why));
    }
    if timed {
        let reporter = if strict {
            "reportingController"
        } else {
            "reportingComponent"
        };
        for (field, name) in [
            ("reportingComponent", reporter),
            ("reportingInstance", "reportingInstance"),
            ("action", "action"),
            ("reason", "reason"),
        ] {
            if text(field).is_empty() {
                found.push(Cause::required(name, ""));
            }
        }
    }
    match old {
        _ if !strict => {}
        None => {
            if !timed {
                found.push(Cause::required("eventTime", ""));
            }
            if !matches!(text("type"), "Normal" | "Warning") {
                let why = format!("has invalid value: {}", text("type"));
                found.push(Cause::invalid("type", "\"\"", why));
            }
        }
        Some(old) => found.extend(changes(old, event)),
    }
    found
}

/// Of an event in the second form nothing but its metadata and its series may change.
fn changes(old: &Value, new: &Value) -> Vec<Cause> {
    const FIXED: [&str; 12] = [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingInstance",
    ];
    let changed = FIXED.iter().filter(|field| old[**field] != new[**field]);
    changed
        .map(|field| Cause::invalid(*field, &new[*field], "field is immutable"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_in_the_second_form_is_stored_as_it_was() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "message": "hello", "count": 2,
            "involvedObject": {"kind": "Pod"}, "source": {"component": "x"}, "reportingComponent": "x"});
        let shown = show(&core);
        assert_eq!(shown["note"], "hello");
        assert_eq!(shown["regarding"]["kind"], "Pod");
        assert_eq!(shown["deprecatedCount"], 2);
        assert_eq!(store(shown), core);
    }

    #[test]
    fn a_selector_of_the_second_form_asks_for_the_stored_field() {
        assert_eq!(
            selector("regarding.name=a,reportingController!=b"),
            "involvedObject.name=a,reportingComponent!=b"
        );
    }
}
