//! Reads of the raw pod template that decisions and messages need.

use serde_json::Value;

/// Container name and image of every container, in the order of the template; init containers are left out.
pub fn images(template: &Value) -> Vec<(String, String)> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let text = |container: &Value, field| container[field].as_str().unwrap_or_default().to_owned();
    containers
        .into_iter()
        .flatten()
        .map(|container| (text(container, "name"), text(container, "image")))
        .collect()
}

/// The labels of the template's metadata as pairs.
pub fn labels(template: &Value) -> impl Iterator<Item = (&str, &str)> {
    let labels = template.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}
