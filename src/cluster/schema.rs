//! The structural schemas of custom resources: pruning, defaulting, validation, and the one transition rule that is
//! understood (`self == oldSelf`). Works on the schema document as it is; knows no kinds.
//!
//! Real: types, required, enum, bounds, patterns, int-or-string, preserved unknown fields, embedded objects, list maps
//! and sets, defaults, the words of every message. Different: errors come sorted by path (the real server walks Go
//! maps, so its order is random). Absent: `not`, `oneOf` and other compositions of schemas (they are ignored), and all
//! other rules: a definition that has one is refused, so that nobody believes in a check that is not made.

mod shape;
mod validate;

pub use shape::{default, prune};
pub use validate::{Checked, blocks, validate};

use serde_json::Value;

use super::failure::Cause;

/// The only rule that is understood.
pub const IMMUTABLE: &str = "self == oldSelf";

/// Rules of well-known third-party definitions that are accepted without being checked, with what they ask for.
const ASSUMED: [&str; 1] = ["self.group != '' || self.kind != 'Service' || has(self.port)"];

/// The first rule in the schema that is neither understood nor known, if there is one.
pub fn refuse_unknown_rules(schema: &Value) -> Result<(), Box<Cause>> {
    for (path, rule) in rules(schema, "openAPIV3Schema") {
        if rule != IMMUTABLE && !ASSUMED.contains(&rule.as_str()) {
            let shown = Value::from(rule);
            let why = "this cluster in memory does not understand the rule";
            return Err(Box::new(Cause::invalid(path, shown, why)));
        }
    }
    Ok(())
}

/// Whether there is any rule in the schema.
pub fn has_rules(schema: &Value) -> bool {
    !rules(schema, "").is_empty()
}

fn rules(schema: &Value, path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
        for rule in rules {
            found.push((
                format!("{path}.x-kubernetes-validations"),
                rule["rule"].as_str().unwrap_or_default().to_owned(),
            ));
        }
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            found.extend(rules(property, &format!("{path}.properties[{name}]")));
        }
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            found.extend(rules(&schema[inner], &format!("{path}.{inner}")));
        }
    }
    found
}

fn flag(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

#[cfg(test)]
mod tests;
