//! What counts as a write of the controller.

use super::read::{Id, shown};
use super::{Facts, Sight};
use crate::cluster::request::Verb;
use crate::simulate::record::{Requested, What};

/// A request that changes things, whatever became of it.
pub fn is_write(request: &Requested) -> bool {
    !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch)
}

/// The request of the record in hand, if a replica of the controller made it and it changes things.
pub fn asked<'s>(sight: &Sight<'s>) -> Option<&'s Requested> {
    match &sight.record.what {
        What::Request(request) if of_ours(request, sight.facts) && is_write(request) => Some(request),
        _ => None,
    }
}

/// The same, if the API server carried it out.
pub fn done<'s>(sight: &Sight<'s>) -> Option<&'s Requested> {
    asked(sight).filter(|request| (200..300).contains(&request.code))
}

pub fn of_ours(request: &Requested, facts: &Facts) -> bool {
    facts.ours(&request.caller)
}

/// The group after the plural: `leases`, `events` are not about Rollouts.
pub fn is_housekeeping(request: &Requested) -> bool {
    matches!(
        &*request.resource,
        "leases.coordination.k8s.io" | "events" | "events.events.k8s.io"
    )
}

/// `serin-a patched rollouts/status shop/web`
pub fn told(request: &Requested) -> String {
    let verb = match request.verb {
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Patch => "patched",
        Verb::Delete | Verb::DeleteCollection => "deleted",
        Verb::Get | Verb::List | Verb::Watch => "read",
    };
    let slash = if request.subresource.is_empty() { "" } else { "/" };
    let plural = plural(request);
    format!(
        "{} {verb} {plural}{slash}{} {}",
        request.caller,
        request.subresource,
        shown(&id(request))
    )
}

pub fn plural(request: &Requested) -> &str {
    request.resource.split('.').next().unwrap_or_default()
}

pub fn id(request: &Requested) -> Id {
    let named = match request.name.as_str() {
        "" => request.body["metadata"]["name"].as_str().unwrap_or_default(),
        name => name,
    };
    (request.namespace.clone(), named.to_owned())
}

/// `rollouts shop/web`, as laws name objects.
pub fn object(request: &Requested) -> String {
    format!("{} {}", plural(request), shown(&id(request)))
}
