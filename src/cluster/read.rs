//! GET and LIST: what is there now, or was there at a version.

use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::Failure;
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
    Selector::parse(labels, fields, call.resource.fields, call.resource.custom())
}

/// The namespace that a list is limited to.
pub fn scope(call: &Call) -> Option<&str> {
    Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

/// A version named in a query, if it was reached already.
pub fn version(world: &World, call: &Call) -> Result<Option<u64>, Failure> {
    let text = call.query.text("resourceVersion");
    if text.is_empty() {
        return Ok(None);
    }
    let Ok(asked) = text.parse::<u64>() else {
        return Err(Failure::bad_request(format!(
            "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        )));
    };
    let current = world.store.version();
    if asked > current {
        Err(Failure::too_large_version(asked, current))
    } else {
        Ok(Some(asked))
    }
}

pub fn get(world: &World, call: &Call) -> Result<Value, Failure> {
    version(world, call)?;
    let object = world.get(&call.resource, &call.namespace, &call.name)?;
    Ok(Value::clone(&object))
}

/// Where the next page begins.
struct Token {
    version: u64,
    after: String,
}

impl Token {
    /// Opaque to clients: version, then the key in hexadecimal digits.
    fn print(version: u64, key: &Key) -> String {
        let after: String = format!("{}/{}", key.namespace, key.name)
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{version}.{after}")
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let broken = || {
            Failure::bad_request(
                "invalid continue token: continue key is not valid: it was not made by this server",
            )
        };
        let (version, hex) = text.split_once('.').ok_or_else(broken)?;
        let digits: Vec<char> = hex.chars().collect();
        let bytes: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok())
            .collect();
        Ok(Self {
            version: version.parse().map_err(|_| broken())?,
            after: String::from_utf8(bytes.ok_or_else(broken)?).map_err(|_| broken())?,
        })
    }
}

pub fn list(world: &World, call: &Call) -> Result<Value, Failure> {
    let selector = selector(call)?;
    let asked = version(world, call)?;
    let token = match call.query.text("continue") {
        "" => None,
        text => Some(Token::parse(text)?),
    };
    let exact = asked.filter(|_| call.query.text("resourceVersionMatch") == "Exact");
    let at = token
        .as_ref()
        .map(|token| token.version)
        .filter(|&version| version > 0)
        .or(exact)
        .unwrap_or(world.store.version());
    let Some(objects) = world.store.list_at(&call.resource.id, scope(call), at) else {
        return Err(too_old(world, token.as_ref(), at));
    };
    let limit = call
        .query
        .number("limit")
        .filter(|&limit| limit > 0)
        .unwrap_or(u64::MAX);
    let mut page: Vec<&Arc<Value>> = Vec::new();
    let (mut last, mut left) = (None, 0_u64);
    for (key, object) in &objects {
        let here = format!("{}/{}", key.namespace, key.name);
        if token.as_ref().is_some_and(|token| here <= token.after) || !selector.matches(object) {
            continue;
        }
        if page.len() as u64 == limit {
            left += 1;
        } else {
            last = Some(key);
            page.push(object);
        }
    }
    let mut metadata = json!({"resourceVersion": at.to_string()});
    if let (true, Some(last)) = (left > 0, last) {
        metadata["continue"] = Token::print(at, last).into();
        if selector == Selector::default() {
            metadata["remainingItemCount"] = left.into();
        }
    }
    Ok(json!({
        "kind": call.resource.list_kind, "apiVersion": call.resource.api_version(), "metadata": metadata,
        "items": page.into_iter().map(|object| Value::clone(object)).collect::<Vec<_>>(),
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
    // Version 0: go on from this key in whatever is there then.
    failure.continue_token = Some(Token::print(0, &key));
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
