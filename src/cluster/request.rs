//! What a request asks for: its path and query read into a value. Decides nothing about objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::catalog::{Catalog, Resource};
use super::failure::Failure;
use super::golang;

/// How much of a body is shown when it is no object.
const SHOWN_LEN_MAX: usize = 34;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

/// One request, as far as it can be read without looking at objects.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks: the name given to the client, for gates and transcripts.
    pub caller: Arc<str>,
    pub verb: Verb,
    pub resource: Arc<Resource>,
    /// Empty for cluster-wide resources, and for lists over all namespaces.
    pub namespace: String,
    /// Empty for lists and creations.
    pub name: String,
    /// Empty, or `status`, `scale`, `binding`, `eviction`.
    pub subresource: String,
    pub query: Query,
    pub content_type: String,
    /// Only metadata is wanted back.
    pub partial: bool,
    pub body: Bytes,
}

/// The options in a query.
#[derive(Clone, Debug, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// With this option too, or with another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Empty if it is not given.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1" | "True")
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let (high, low) = (hex(bytes.next()), hex(bytes.next()));
                if let (Some(high), Some(low)) = (high, low) {
                    out.push((high * 16 + low) as u8);
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What a path leads to.
#[derive(Debug)]
pub enum Path {
    /// `/api`, `/apis`, `/version`, `/healthz` and what else is not an object: its segments.
    Page(Vec<String>),
    Object {
        resource: Arc<Resource>,
        namespace: String,
        name: String,
        subresource: String,
    },
}

impl Path {
    pub fn parse(catalog: &Catalog, path: &str) -> Result<Self, Failure> {
        let parts: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decode)
            .collect();
        let words: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match words.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Ok(Self::Page(parts)),
        };
        if !catalog.serves(group, version) {
            return Err(Failure::no_page());
        }
        // `namespaces/x/status` is a namespace and its status; `namespaces/x/pods` is a list.
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(Failure::no_resource()),
        };
        let resource = catalog.by_path(group, version, plural).ok_or_else(|| {
            if catalog.all_custom(group) {
                Failure::no_page()
            } else {
                Failure::no_resource()
            }
        })?;
        let misplaced =
            resource.namespaced == namespace.is_empty() && !(resource.namespaced && name.is_empty());
        if misplaced {
            return Err(Failure::no_resource());
        }
        if !knows_subresource(resource, subresource) {
            return Err(if resource.custom() {
                resource.not_found(name)
            } else {
                Failure::no_resource()
            });
        }
        Ok(Self::Object {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }
}

fn knows_subresource(resource: &Resource, subresource: &str) -> bool {
    match subresource {
        "" => true,
        "status" => resource.status,
        "scale" => resource.scale.is_some(),
        "binding" | "eviction" => &*resource.id == "pods",
        "finalize" => &*resource.id == "namespaces",
        _ => false,
    }
}

/// The verb of an HTTP method on this path.
pub fn verb(method: &str, name: &str, subresource: &str, query: &Query) -> Option<Verb> {
    let action = matches!(subresource, "binding" | "eviction");
    Some(match (method, name.is_empty()) {
        ("GET", _) if query.flag("watch") && subresource.is_empty() => Verb::Watch,
        ("GET", true) => Verb::List,
        ("GET", false) if !action => Verb::Get,
        ("POST", true) => Verb::Create,
        ("POST", false) if action => Verb::Create,
        ("PUT", false) if !action => Verb::Update,
        ("PATCH", false) if !action => Verb::Patch,
        ("DELETE", true) => Verb::DeleteCollection,
        ("DELETE", false) if subresource.is_empty() => Verb::Delete,
        _ => return None,
    })
}

impl Call {
    /// The body as an object of this resource.
    pub fn object(&self) -> Result<Value, Failure> {
        let kind = if self.subresource == "scale" {
            "Scale"
        } else {
            &self.resource.kind
        };
        let text = String::from_utf8_lossy(&self.body);
        let unrecognized = |why: String| {
            let shown: String = if text.len() > SHOWN_LEN_MAX {
                text.chars().take(SHOWN_LEN_MAX).chain(" ...".chars()).collect()
            } else {
                text.to_string()
            };
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): {why} ({shown})"
            ))
        };
        let mut object: Value = match serde_json::from_slice(&self.body) {
            Ok(object) => object,
            Err(_) => {
                let why = golang::syntax_error(&self.body);
                return Err(unrecognized(format!(
                    "couldn't get version/kind; json parse error: {why}"
                )));
            }
        };
        if self.resource.custom() && self.subresource.is_empty() && !object["kind"].is_string() {
            return Err(unrecognized(format!("Object 'Kind' is missing in '{text}'")));
        }
        self.check_kind(&object)?;
        if let Value::Object(map) = &mut object {
            let own = if self.subresource == "scale" {
                "autoscaling/v1".to_owned()
            } else {
                self.resource.api_version()
            };
            map.insert("apiVersion".to_owned(), own.into());
            // Another kind of a custom resource is found when the object is validated.
            if !self.resource.custom() || self.subresource == "scale" {
                map.insert("kind".to_owned(), kind.into());
            }
        }
        Ok(object)
    }

    fn check_kind(&self, object: &Value) -> Result<(), Failure> {
        let (wanted, kind) = (self.resource.api_version(), &self.resource.kind);
        if matches!(self.subresource.as_str(), "scale" | "binding" | "eviction") {
            return Ok(());
        }
        match (object["apiVersion"].as_str(), object["kind"].as_str()) {
            (Some(version), _) if version != wanted && !version.is_empty() => {
                Err(Failure::bad_request(format!(
                    "the API version in the data ({version}) does not match the expected API version ({wanted})"
                )))
            }
            (_, Some(other)) if other != kind && !other.is_empty() && !self.resource.custom() => {
                let (version, why) = (&self.resource.version, self.no_conversion(other));
                Err(Failure::bad_request(format!(
                    "{other} in version \"{version}\" cannot be handled as a {kind}: {why}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Why an object of another kind is none of this built-in one.
    pub fn no_conversion(&self, other: &str) -> String {
        let group = match self.resource.group.split('.').next() {
            None | Some("") => "core",
            Some(group) => group,
        };
        let (version, kind) = (&self.resource.version, &self.resource.kind);
        format!("converting ({version}.{other}) to ({group}.{kind}): unknown conversion")
    }

    /// The body of a deletion, with what the query says on top.
    pub fn delete_options(&self) -> Value {
        let mut options: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if !options.is_object() {
            options = serde_json::json!({});
        }
        if self.query.has("propagationPolicy") {
            options["propagationPolicy"] = self.query.text("propagationPolicy").into();
        }
        if let Some(seconds) = self.query.number("gracePeriodSeconds") {
            options["gracePeriodSeconds"] = seconds.into();
        }
        options
    }

    /// Nothing is to be kept.
    pub fn dry_run(&self) -> bool {
        self.query.text("dryRun") == "All"
            || self.body.windows(8).any(|word| word == b"\"dryRun\"") && self.verb == Verb::Delete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_objects_lists_and_pages() {
        let catalog = Catalog::default();
        let check =
            |path: &str, want: Option<(&str, &str, &str, &str)>| match (Path::parse(&catalog, path), want) {
                (
                    Ok(Path::Object {
                        resource,
                        namespace,
                        name,
                        subresource,
                    }),
                    Some(want),
                ) => {
                    assert_eq!(
                        (
                            &*resource.id,
                            namespace.as_str(),
                            name.as_str(),
                            subresource.as_str()
                        ),
                        want,
                        "{path}"
                    );
                }
                (Ok(Path::Page(_)), None) => {}
                (other, _) => panic!("{path}: {other:?}"),
            };
        check("/api/v1/namespaces/n/pods/p", Some(("pods", "n", "p", "")));
        check(
            "/api/v1/namespaces/n/pods/p/status",
            Some(("pods", "n", "p", "status")),
        );
        check("/api/v1/pods", Some(("pods", "", "", "")));
        check("/api/v1/namespaces", Some(("namespaces", "", "", "")));
        check("/api/v1/namespaces/n", Some(("namespaces", "", "n", "")));
        check(
            "/api/v1/namespaces/n/status",
            Some(("namespaces", "", "n", "status")),
        );
        check(
            "/apis/apps/v1/namespaces/n/replicasets/r/scale",
            Some(("replicasets.apps", "n", "r", "scale")),
        );
        check("/apis/apps/v1", None);
        check("/version", None);
    }

    #[test]
    fn paths_that_lead_nowhere_are_404() {
        let catalog = Catalog::default();
        for path in [
            "/apis/nope/v1/x",
            "/api/v1/nope",
            "/api/v1/namespaces/n/nodes/x",
            "/api/v1/pods/x",
            "/api/v1/namespaces/n/pods/p/scale",
        ] {
            assert_eq!(Path::parse(&catalog, path).unwrap_err().code, 404, "{path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+(d)&limit=5&watch=1");
        assert_eq!(query.text("labelSelector"), "a=b,c in (d)");
        assert_eq!(query.number("limit"), Some(5));
        assert!(query.flag("watch"));
    }
}
