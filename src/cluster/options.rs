//! Whether the options of a request may be so: dry runs, versions, propagation, field managers. Looks at no object.

use serde_json::Value;

use super::failure::{Cause, Failure};
use super::patch::Kind;
use super::request::{Call, Verb};

/// Refuses the options of a write that the server refuses.
pub fn write(call: &Call) -> Result<(), Failure> {
    let kind = match call.verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        _ => "DeleteOptions",
    };
    match call.query.text("dryRun") {
        "" | "All" => Ok(()),
        other => {
            let cause = Cause::unsupported("dryRun", format!("[\"{other}\"]"), &quoted(&["All"]));
            Err(Failure::options(kind, cause))
        }
    }
}

/// Refuses the options of a patch of this kind.
pub fn patch(call: &Call, kind: Kind) -> Result<(), Failure> {
    write(call)?;
    let cause = match kind {
        Kind::Apply if call.query.text("fieldManager").is_empty() => {
            Cause::required("fieldManager", "is required for apply patch")
        }
        Kind::Apply => return Ok(()),
        _ if call.query.has("force") => Cause::forbidden("force", "may not be specified for non-apply patch"),
        _ => return Ok(()),
    };
    Err(Failure::options("PatchOptions", cause))
}

/// Refuses the options of a deletion.
pub fn delete(call: &Call, options: &Value) -> Result<(), Failure> {
    write(call)?;
    let Some(policy) = options["propagationPolicy"].as_str() else {
        return Ok(());
    };
    let field = "propagationPolicy";
    let cause = if options["orphanDependents"].is_boolean() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        Cause::invalid(field, Value::from(policy), why)
    } else if matches!(policy, "Foreground" | "Background" | "Orphan") {
        return Ok(());
    } else {
        let known = quoted(&["Foreground", "Background", "Orphan", "nil"]);
        Cause::unsupported(field, Value::from(policy), &known)
    };
    Err(Failure::options("DeleteOptions", cause))
}

/// Refuses the options of a list.
pub fn list(call: &Call) -> Result<(), Failure> {
    let refuse = |cause: Cause| Err(Failure::options("ListOptions", cause));
    if call.query.has("sendInitialEvents") {
        let why = "sendInitialEvents is forbidden for list";
        return refuse(Cause::forbidden("sendInitialEvents", why));
    }
    let (matched, version) = (
        call.query.text("resourceVersionMatch"),
        call.query.text("resourceVersion"),
    );
    let field = "resourceVersionMatch";
    match (matched, version) {
        ("", _) => Ok(()),
        (_, "") => {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            refuse(Cause::forbidden(field, why))
        }
        ("Exact", "0") => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            refuse(Cause::forbidden(field, why))
        }
        ("Exact" | "NotOlderThan", _) if call.query.text("continue").is_empty() => Ok(()),
        ("Exact" | "NotOlderThan", _) => {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            refuse(Cause::forbidden(field, why))
        }
        (other, _) => {
            let known = quoted(&["Exact", "NotOlderThan", ""]);
            refuse(Cause::unsupported(field, Value::from(other), &known))
        }
    }
}

/// Whether a watch asks for initial events, or says nothing of them.
pub fn initial_events(call: &Call) -> Result<Option<bool>, Failure> {
    let name = "sendInitialEvents";
    let given = call.query.has(name);
    let matched = call.query.text("resourceVersionMatch");
    let why = match (given, matched) {
        (true, "NotOlderThan") | (false, "") => return Ok(given.then(|| call.query.flag(name))),
        (true, _) => "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        (false, _) => "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    };
    let cause = Cause::forbidden("resourceVersionMatch", why);
    Err(Failure::options("ListOptions", cause))
}

fn quoted(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| format!("\"{word}\"")).collect()
}
