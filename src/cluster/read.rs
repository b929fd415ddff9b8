//! GET and LIST: what is there now, or was there at a version.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events;
use super::failure::Failure;
use super::golang;
use super::options;
use super::request::Call;
use super::select::Selector;
use super::store::Key;
use super::world::World;

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
    the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided \
    token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned \
    and now may show up in the list.";

/// The selector of a list, watch or collection.
pub fn selector(call: &Call) -> Result<Selector, Failure> {
    let (labels, fields) = (call.query.text("labelSelector"), call.query.text("fieldSelector"));
    let (known, custom) = (&call.resource.fields, call.resource.custom());
    if call.resource.form.is_some() && !fields.is_empty() {
        return Selector::parse(labels, &events::selector(fields), known, custom);
    }
    Selector::parse(labels, fields, known, custom)
}

/// The namespace that a list is limited to.
pub fn scope(call: &Call) -> Option<&str> {
    Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

/// The version named in a query; words if it is none.
pub fn asked(call: &Call) -> Result<Option<u64>, String> {
    match call.query.text("resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            let why = golang::not_a_number(text);
            format!("resourceVersion: Invalid value: \"{text}\": {why}")
        }),
    }
}

/// A version that was reached already.
fn reached(world: &World, asked: Option<u64>) -> Result<Option<u64>, Failure> {
    let current = world.store.version();
    match asked {
        Some(asked) if asked > current => Err(Failure::too_large_version(asked, current)),
        asked => Ok(asked),
    }
}

pub fn get(world: &World, call: &Call) -> Result<Arc<Value>, Failure> {
    reached(world, asked(call).map_err(Failure::internal)?)?;
    world.get(&call.resource, &call.namespace, &call.name)
}

/// In a token: go on from its key in whatever is there then.
const NO_VERSION: i64 = -1;

/// Where the next page begins.
struct Token {
    /// None: whatever is there now.
    version: Option<u64>,
    /// Namespace and name of the last one shown.
    after: String,
}

impl Token {
    /// Opaque to clients, and of the same make as the server's.
    fn print(version: i64, key: &Key) -> String {
        let start = format!("{}/{}\0", key.namespace, key.name);
        let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": start});
        golang::base64_url(token.to_string().as_bytes())
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let broken = |why: String| {
            Failure::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = golang::from_base64_url(text).map_err(broken)?;
        let token: Value =
            serde_json::from_slice(&bytes).map_err(|_| broken(golang::syntax_error(&bytes)))?;
        let (Some(version), Some(start)) = (token["rv"].as_i64(), token["start"].as_str()) else {
            return Err(broken("incorrect encoded start resourceVersion".to_owned()));
        };
        Ok(Self {
            version: u64::try_from(version).ok(),
            after: start.trim_end_matches('\0').to_owned(),
        })
    }

    fn is_after(&self, key: &Key) -> bool {
        let here = key.namespace.bytes().chain([b'/']).chain(key.name.bytes());
        here.gt(self.after.bytes())
    }
}

/// One page of a list, as it is being filled.
#[derive(Default)]
struct Page {
    items: Vec<Value>,
    last: Option<Key>,
    /// Whether there is anything after it, and how much of that is selected.
    more: bool,
    left: u64,
}

impl Page {
    /// Takes what belongs on the page. Where a selector is given, what comes after it is not looked at, as the server does.
    fn fill<'a>(
        call: &Call,
        objects: impl Iterator<Item = (&'a Key, &'a Arc<Value>)>,
        token: Option<&Token>,
        selector: &Selector,
    ) -> Self {
        let limit = call.query.number("limit").filter(|&limit| limit > 0);
        let limit = limit.unwrap_or(u64::MAX);
        let all = *selector == Selector::default();
        let mut page = Self::default();
        for (key, object) in objects {
            if token.is_some_and(|token| !token.is_after(key)) {
                continue;
            }
            if page.items.len() as u64 == limit {
                page.more = true;
                page.left += 1;
                if !all {
                    break;
                }
            } else if selector.matches(object) {
                page.items.push(item(call, object));
                if page.items.len() as u64 == limit {
                    page.last = Some(key.clone());
                }
            }
        }
        page
    }
}

/// An object as it stands in a list: those of built-in kinds do not say what they are.
pub fn item(call: &Call, object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return object.clone();
    };
    if call.resource.custom() || call.partial {
        return object.clone();
    }
    let said = |name: &str| matches!(name, "apiVersion" | "kind");
    if let Some(form) = call.resource.form {
        let mut shown = (form.show)(object);
        if let Value::Object(fields) = &mut shown {
            fields.retain(|name, _| !said(name));
        }
        return shown;
    }
    let kept = fields.iter().filter(|(name, _)| !said(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

pub fn list(world: &World, call: &Call) -> Result<Value, Failure> {
    options::list(call)?;
    let selector = selector(call)?;
    let asked =
        asked(call).map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?;
    let asked = reached(world, asked)?;
    let token = match call.query.text("continue") {
        "" => None,
        text => Some(Token::parse(text)?),
    };
    let exact = asked.filter(|_| call.query.text("resourceVersionMatch") == "Exact");
    let now = world.store.version();
    let at = token
        .as_ref()
        .and_then(|token| token.version)
        .or(exact)
        .unwrap_or(now);
    let (resource, scope) = (&call.resource.id, scope(call));
    let page = if at == now {
        Page::fill(call, world.store.list(resource, scope), token.as_ref(), &selector)
    } else {
        let Some(objects) = world.store.list_at(resource, scope, at) else {
            return Err(too_old(world, token.as_ref(), at));
        };
        Page::fill(call, objects.iter(), token.as_ref(), &selector)
    };
    let mut metadata = json!({"resourceVersion": at.to_string()});
    if let (true, Some(last)) = (page.more, &page.last) {
        metadata["continue"] = Token::print(at as i64, last).into();
        if selector == Selector::default() {
            metadata["remainingItemCount"] = page.left.into();
        }
    } else if call.resource.custom() {
        // Lists of custom objects say that there is no more.
        metadata["continue"] = "".into();
    }
    Ok(json!({
        "kind": call.resource.list_kind, "apiVersion": call.resource.api_version(), "metadata": metadata,
        "items": page.items,
    }))
}

fn too_old(world: &World, token: Option<&Token>, at: u64) -> Failure {
    let Some(token) = token else {
        return Failure::expired(format!(
            "The resourceVersion for the provided list is too old: {at} ({})",
            world.store.compacted()
        ));
    };
    let (namespace, name) = token.after.split_once('/').unwrap_or_default();
    let key = Key {
        resource: "".into(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    let mut failure = Failure::expired(EXPIRED);
    failure.continue_token = Some(Token::print(NO_VERSION, &key));
    failure
}

/// Only the metadata of an object or a list.
pub fn partial(object: &Value) -> Value {
    let one = |object: &Value| json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    match object["items"].as_array() {
        Some(items) => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            "items": items.iter().map(one).collect::<Vec<_>>(),
        }),
        None if object["kind"] == "Status" => object.clone(),
        None => one(object),
    }
}
