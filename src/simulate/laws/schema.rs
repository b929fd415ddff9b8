//! S20: what the controller writes is what gets stored. No field of a body is dropped by the schema, none that it removes stays, and the
//! API server refuses none of its status writes as invalid.

use super::{Found, Law, Sight, write};
use crate::cluster::request::Verb;
use crate::simulate::record::Requested;
use serde_json::Value;

/// Answers by which the API server says that a body is wrong.
const INVALID: [u16; 3] = [400, 413, 422];

/// See the module's description.
#[derive(Default)]
pub struct FitsTheSchema;

impl Law for FitsTheSchema {
    fn id(&self) -> &'static str {
        "S20"
    }

    fn says(&self) -> &'static str {
        "everything the controller writes fits the schemas, and is stored as written"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::asked(sight)?;
        let disturbed = sight.picture.calm.active().any(sight.facts.in_the_way)
            || sight
                .picture
                .calm
                .disturbed
                .is_some_and(|at| at >= sight.known_since());
        if disturbed {
            // Somebody may refuse or change what is written.
            return None;
        }
        let why = refused(request).or_else(|| dropped(request))?;
        let evidence = format!("{} (answer {}): {why}", write::told(request), request.code);
        Some(Found::new(evidence, [write::object(request)]))
    }
}

/// ReplicaSets carry a template of the user's, who may get it wrong; everything else is the controller's own work.
fn refused(request: &Requested) -> Option<String> {
    let of_users = write::plural(request) == "replicasets";
    let refused = INVALID.contains(&request.code) && !of_users;
    refused.then(|| "the API server refuses it as invalid".to_owned())
}

fn dropped(request: &Requested) -> Option<String> {
    let patch = request.verb == Verb::Patch && matches!(request.subresource.as_str(), "" | "status");
    if !(200..300).contains(&request.code)
        || !(patch || request.verb == Verb::Create && request.subresource.is_empty())
        || request.body.is_array()
    {
        return None;
    }
    let own = request
        .changes
        .iter()
        .find(|change| change.key.resource == request.resource)?;
    lost(&request.body, own.after.as_deref()?, "")
}

/// The first member of a body that is not in the object that came of it.
fn lost(body: &Value, stored: &Value, path: &str) -> Option<String> {
    let Value::Object(members) = body else { return None };
    members.iter().find_map(|(name, member)| {
        let here = format!("{path}.{name}");
        match (member, stored.get(name)) {
            (Value::Null, None | Some(Value::Null)) => None,
            (Value::Null, Some(_)) => Some(format!("{here} should be gone and is still there")),
            // What is empty or zero may be left out.
            (member, None) if empty(member) => None,
            (_, None) => Some(format!("{here} was dropped: the schema does not know it")),
            (Value::Array(items), Some(Value::Array(kept))) => {
                let mut pairs = items.iter().zip(kept).enumerate();
                pairs.find_map(|(index, (item, kept))| lost(item, kept, &format!("{here}[{index}]")))
            }
            (member, Some(kept)) => lost(member, kept, &here),
        }
    })
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(empty),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(set) => !set,
    }
}
