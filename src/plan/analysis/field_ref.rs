//! Values of a Rollout's fields for arguments (`valueFrom.fieldRef`).

use crate::api::rollout::Rollout;
use serde_json::Value;
use std::collections::BTreeMap;

/// The value at `path`: metadata as the downward API reads it (`metadata.labels['app']`; a label that is not there is empty), any
/// other field by a path with dots and brackets (`spec.template.spec.containers[0].image`), which must end in a plain value.
pub fn value_at(rollout: &Rollout, path: &str) -> Result<String, String> {
    if path.starts_with("metadata.") {
        return metadata(rollout, path);
    }
    let whole = serde_json::to_value(rollout).map_err(|e| e.to_string())?;
    let invalid = || format!("invalid path {path} in rollout");
    let mut at = &whole;
    for section in sections(path) {
        at = match at {
            Value::Array(items) => {
                let index: usize = section
                    .parse()
                    .map_err(|_| format!("invalid index '{section}'"))?;
                items
                    .get(index)
                    .ok_or_else(|| format!("index {index} out of range"))?
            }
            Value::Object(members) => members.get(section).unwrap_or(&Value::Null),
            _ => return Err(invalid()),
        };
    }
    match at {
        Value::Null => Err(invalid()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(at.to_string()),
        Value::Array(_) | Value::Object(_) => Err(format!(
            "path {path} in rollout must terminate in a primitive value"
        )),
    }
}

/// The names and indexes of a path. A name in quotes within brackets may hold dots.
fn sections(path: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let quoted = ["['", "[\""].iter().find_map(|open| {
            let inner = rest.strip_prefix(open)?;
            inner.split_once(if *open == "['" { "']" } else { "\"]" })
        });
        if let Some((name, after)) = quoted {
            sections.push(name);
            rest = after;
            continue;
        }
        let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
        sections.push(&rest[..end]);
        let keep_bracket = rest[end..].starts_with("['") || rest[end..].starts_with("[\"");
        rest = if keep_bracket {
            &rest[end..]
        } else {
            rest.get(end + 1..).unwrap_or_default()
        };
    }
    sections.retain(|section| !section.is_empty());
    sections
}

fn metadata(rollout: &Rollout, path: &str) -> Result<String, String> {
    let meta = &rollout.metadata;
    match path {
        "metadata.name" => return Ok(meta.name.clone()),
        "metadata.namespace" => return Ok(meta.namespace.clone()),
        "metadata.uid" => return Ok(meta.uid.clone()),
        "metadata.labels" => return Ok(all(&meta.labels)),
        "metadata.annotations" => return Ok(all(&meta.annotations)),
        _ => {}
    }
    let entry = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']");
    let map = match (entry("metadata.labels['"), entry("metadata.annotations['")) {
        (Some(key), _) => meta.labels.get(key),
        (_, Some(key)) => meta.annotations.get(key),
        _ => {
            return Err(format!(
                "unsupported fieldPath: {path}; of the metadata there are name, namespace, uid, labels['key'] and annotations['key']"
            ));
        }
    };
    Ok(map.cloned().unwrap_or_default())
}

/// All entries as the downward API writes them: one `key="value"` a line.
fn all(map: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_a_rollout_are_read_by_path() {
        let rollout: Rollout = serde_json::from_value(json!({
            "metadata": {
                "name": "web", "namespace": "d", "uid": "u",
                "labels": {"app.kubernetes.io/name": "web", "tier": "front"},
                "annotations": {"region": "eu-1"}
            },
            "spec": {
                "replicas": 5,
                "template": {"spec": {"containers": [{"image": "app:v1"}]}, "metadata": {"labels": {"a.b/c": "x"}}},
                "strategy": {"canary": {"canaryService": "web-canary", "dynamicStableScale": true}}
            },
            "status": {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-11-21T08:00:00Z"}]}
        }))
        .unwrap();
        let check = |path: &str, want: Result<&str, &str>| {
            let got = value_at(&rollout, path);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{path}");
        };
        check("metadata.name", Ok("web"));
        check("metadata.namespace", Ok("d"));
        check("metadata.labels['app.kubernetes.io/name']", Ok("web"));
        check("metadata.labels['absent']", Ok(""));
        check("metadata.annotations['region']", Ok("eu-1"));
        check(
            "metadata.labels",
            Ok("app.kubernetes.io/name=\"web\"\ntier=\"front\""),
        );
        check("spec.replicas", Ok("5"));
        check("spec.template.spec.containers[0].image", Ok("app:v1"));
        check("spec.template.metadata.labels['a.b/c']", Ok("x"));
        check("spec.strategy.canary.canaryService", Ok("web-canary"));
        check("spec.strategy.canary.dynamicStableScale", Ok("true"));
        check("status.pauseConditions[0].reason", Ok("CanaryPauseStep"));
        check("status.pauseConditions[12].reason", Err("index 12 out of range"));
        check("status.pauseConditions[x].reason", Err("invalid index 'x'"));
        check(
            "status.pauseConditions[0]",
            Err("path status.pauseConditions[0] in rollout must terminate in a primitive value"),
        );
        check(
            "some.invalid[2].path",
            Err("invalid path some.invalid[2].path in rollout"),
        );
        check("status.abort.x", Err("invalid path status.abort.x in rollout"));
        check(
            "metadata.generation",
            Err(
                "unsupported fieldPath: metadata.generation; of the metadata there are name, namespace, uid, labels['key'] and annotations['key']",
            ),
        );
    }
}
