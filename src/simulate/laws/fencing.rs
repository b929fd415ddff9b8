//! S9: fencing. Every write of the controller names the object and the version of it that the decision was made from, so that the API
//! server refuses it when either is another; what is created has a name that a second attempt would have, too. And no replica's write
//! succeeds while another one leads.

use super::read::{human, text};
use super::{Found, Law, Sight, write};
use crate::cluster::request::Verb;
use crate::simulate::record::Requested;
use serde_json::Value;

/// See the module's description.
#[derive(Default)]
pub struct Guarded;

impl Law for Guarded {
    fn id(&self) -> &'static str {
        "S9"
    }

    fn says(&self) -> &'static str {
        "every write carries uid and resourceVersion, every new object a name that is the same the second time, and only the leader writes"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::asked(sight)?;
        let missing = if write::is_housekeeping(request) {
            missing_of_lease(request)
        } else {
            missing(request)
        };
        if let Some(missing) = missing {
            let evidence = format!("{} (answer {}): {missing}", write::told(request), request.code);
            return Some(Found::new(evidence, [write::object(request)]));
        }
        not_leader(sight, request)
    }
}

/// What a write lacks.
fn missing(request: &Requested) -> Option<&'static str> {
    let body = &request.body;
    match request.verb {
        Verb::Create if request.subresource.is_empty() => {
            let meta = &body["metadata"];
            if meta["generateName"].is_string() || text(meta, "name").is_empty() {
                return Some(
                    "its name is made up by the API server, so a second attempt would create a second object",
                );
            }
            None
        }
        Verb::Create => None,
        Verb::DeleteCollection => Some("deletes whatever is there"),
        Verb::Delete => unguarded(&body["preconditions"]),
        Verb::Patch if body.is_array() => untested(body),
        _ => unguarded(&body["metadata"]),
    }
}

fn unguarded(guard: &Value) -> Option<&'static str> {
    match (
        text(guard, "uid").is_empty(),
        text(guard, "resourceVersion").is_empty(),
    ) {
        (false, false) => None,
        (true, false) => Some("no uid: it would hit an object of the same name that somebody made anew"),
        (false, true) => Some("no resourceVersion: it would overwrite what others wrote meanwhile"),
        (true, true) => Some("neither uid nor resourceVersion: it would hit whatever is there"),
    }
}

/// A JSON patch is guarded by tests.
fn untested(operations: &Value) -> Option<&'static str> {
    let tests = |path: &str| {
        let mut operations = operations.as_array().into_iter().flatten();
        operations.any(|one| text(one, "op") == "test" && text(one, "path") == path)
    };
    let guarded = tests("/metadata/uid") && tests("/metadata/resourceVersion");
    (!guarded).then_some("a JSON patch that tests neither uid nor resourceVersion")
}

/// A Lease is updated only as it was seen; Events are a courtesy.
fn missing_of_lease(request: &Requested) -> Option<&'static str> {
    let guards = request.resource.starts_with("leases") && !matches!(request.verb, Verb::Create);
    let version = text(&request.body["metadata"], "resourceVersion");
    (guards && version.is_empty()).then_some("no resourceVersion: two replicas could both believe to lead")
}

fn not_leader(sight: &Sight<'_>, request: &Requested) -> Option<Found> {
    let done = write::done(sight).is_some() && !write::is_housekeeping(request);
    let lease = &sight.picture.lease;
    let leader = lease
        .replica
        .as_ref()
        .filter(|leader| done && **leader != request.caller)?;
    let age = sight.now() - lease.since?;
    if age <= sight.facts.in_flight_max {
        return None;
    }
    let evidence = format!(
        "{} succeeded, but {leader} has been leading for {} (holder {:?})",
        write::told(request),
        human(age),
        lease.holder,
    );
    Some(Found::new(evidence, [write::object(request)]))
}
