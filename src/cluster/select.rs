//! Label and field selectors, parsed from a query and matched against an object.

use serde_json::Value;

use super::failure::Failure;
use super::labels::{self, Need};

/// What an object must say to be listed or watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    labels: Vec<Need>,
    /// Path, value, whether it must be equal.
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    /// `fields_known`: the fields that this resource can be selected by, beside its name and namespace.
    pub fn parse(labels: &str, fields: &str, fields_known: &[String], custom: bool) -> Result<Self, Failure> {
        let labels = labels::parse(labels)?;
        let mut parsed = Vec::new();
        for one in fields.split(',').filter(|one| !one.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = one.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = one.split_once("==").or_else(|| one.split_once('=')) {
                (path, value, true)
            } else {
                return Err(Failure::bad_request(format!(
                    "invalid selector: '{one}'; can't understand '{one}'"
                )));
            };
            let known = ["metadata.name", "metadata.namespace"].contains(&path)
                || fields_known.iter().any(|known| known == path);
            if !known {
                return Err(unknown_field(path, fields_known, custom));
            }
            parsed.push((path.to_owned(), value.to_owned(), equal));
        }
        Ok(Self {
            labels,
            fields: parsed,
        })
    }

    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.labels.iter().all(|need| need.met(label))
            && self
                .fields
                .iter()
                .all(|(path, value, equal)| (field(object, path) == *value) == *equal)
    }
}

fn unknown_field(path: &str, known: &[String], custom: bool) -> Failure {
    if custom || !known.is_empty() {
        return Failure::bad_request(format!("field label not supported: {path}"));
    }
    Failure::bad_request(format!(
        "\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    ))
}

fn field(object: &Value, path: &str) -> String {
    let value = path.split('.').fold(object, |value, part| &value[part]);
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether a `metav1.LabelSelector` selects these labels. An empty one selects everything.
pub fn label_selector_matches(selector: &Value, labels: &Value) -> bool {
    let has = |key: &str| labels.get(key).and_then(Value::as_str);
    let equal = selector["matchLabels"]
        .as_object()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| has(key) == value.as_str()));
    let expressions = selector["matchExpressions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    equal
        && expressions.iter().all(|one| {
            let label = has(one["key"].as_str().unwrap_or_default());
            let listed = one["values"].as_array().is_some_and(|values| {
                values
                    .iter()
                    .any(|value| value.as_str() == label && label.is_some())
            });
            match one["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_select_as_the_query_says() {
        let object =
            json!({"metadata": {"name": "a", "namespace": "n", "labels": {"app": "x", "tier": "1"}}});
        let check = |labels: &str, fields: &str, want: bool| {
            let selector = Selector::parse(labels, fields, &[], false).unwrap();
            assert_eq!(selector.matches(&object), want, "{labels} {fields}");
        };
        check("", "", true);
        check("app=x", "", true);
        check("app==x,tier=1", "", true);
        check("app!=x", "", false);
        check("other!=x", "", true);
        check("app in (x, y),tier", "", true);
        check("app in (y)", "", false);
        check("app notin (y,z)", "", true);
        check("!app", "", false);
        check("!other", "", true);
        check("", "metadata.name=a", true);
        check("", "metadata.name!=a", false);
        check("", "metadata.namespace==n,metadata.name=b", false);
    }

    #[test]
    fn selectors_that_cannot_be_read_are_refused() {
        let check = |labels: &str, fields: &str, custom: bool, want: &str| {
            let failure = Selector::parse(labels, fields, &[], custom).unwrap_err();
            assert_eq!((failure.code, failure.message.as_str()), (400, want));
        };
        check(
            "a in",
            "",
            false,
            "unable to parse requirement: found '' expected: '('",
        );
        let known =
            "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        check("", "data.x=1", false, known);
        check("", "spec.size=1", true, "field label not supported: spec.size");
    }
}
