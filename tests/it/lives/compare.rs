//! How moments are compared.

use super::UNORDERED;
use serde_json::{Map, Value};

pub fn mask(value: Value, hashes: &Map<String, Value>) -> Value {
    let mut text = value.to_string();
    for (version, hash) in hashes {
        text = text.replace(hash.as_str().unwrap(), &format!("{{{version}}}"));
    }
    let text = text.replace(super::stub::STUB, "{stub}");
    let times = regex::Regex::new(r#""\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ""#).unwrap();
    let text = times.replace_all(&text, "\"{time}\"");
    serde_json::from_str(&text).unwrap()
}

pub fn compare(path: &str, want: &Value, got: &Value, differences: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let mut names: Vec<&String> = want.keys().chain(got.keys()).collect();
            names.sort();
            names.dedup();
            let absent = Value::Null;
            for name in names {
                let (want, got) = (
                    want.get(name).unwrap_or(&absent),
                    got.get(name).unwrap_or(&absent),
                );
                compare(&format!("{path}/{name}"), want, got, differences);
            }
        }
        _ if path == "/status/conditions" && in_order(want) != in_order(got) => {
            differences.push(format!(
                "conditions:\n    want {}\n    got  {}",
                conditions(want),
                conditions(got)
            ));
        }
        _ if path == "/status/conditions" => {}
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (want, got)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path}/{index}"), want, got, differences);
            }
        }
        _ if want != got => differences.push(format!("{path}: want {want}, got {got}")),
        _ => {}
    }
}

/// The conditions in order, those of [`UNORDERED`] last.
fn in_order(list: &Value) -> Vec<Value> {
    let mut all = list.as_array().cloned().unwrap_or_default();
    all.sort_by_key(|condition| {
        let place = UNORDERED.iter().position(|name| condition["type"] == *name);
        place.map_or(0, |place| place + 1)
    });
    all
}

fn conditions(list: &Value) -> String {
    let text = |c: &Value, member: &str| c[member].as_str().unwrap_or_default().to_owned();
    let each = list.as_array().unwrap().iter();
    let each = each.map(|c| {
        format!(
            "{}={} {} ({})",
            text(c, "type"),
            text(c, "status"),
            text(c, "reason"),
            text(c, "message")
        )
    });
    each.collect::<Vec<_>>().join(" | ")
}
