//! The API server's audit log: who asked for what, and what the answer was. The truth for counting requests.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The users of the harness's own parts. Their requests are not logged.
pub const CONTROLLERS: &str = "kube-controller-manager";
pub const PODS: &str = "serin-pod-model";
pub const TRAFFIC: &str = "serin-traffic-model";

/// One request, as the API server answered it. A watch counts once, when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When the request came in.
    pub at: DateTime<Utc>,
    pub user: String,
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural, for example `rollouts`.
    pub resource: String,
    /// For example `status`; empty without one.
    pub subresource: String,
    pub namespace: String,
    /// Empty for lists, and for creations whose name the server makes.
    pub name: String,
    /// The HTTP status code; 0 for a watch that is still open.
    pub code: u16,
    pub uri: String,
}

impl AuditEntry {
    /// Whether the request was meant to change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// What the API server shall log: metadata of every request for a resource, once.
pub fn policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": [CONTROLLERS, PODS, TRAFFIC, "system:apiserver"]},
            {"level": "None", "nonResourceURLs": ["*"]},
            {"level": "Metadata"},
        ],
    })
}

/// Reads a whole log.
pub fn read(path: &Path) -> Result<Vec<AuditEntry>> {
    let file = std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let lines = BufReader::new(file).lines();
    let entries = lines.map(|line| {
        // The last line may be half written; it is of a request that nobody has an answer to yet.
        Ok(serde_json::from_str::<Value>(&line?)
            .ok()
            .and_then(|event| entry(&event)))
    });
    entries.filter_map(Result::transpose).collect()
}

/// One event of the log; none for the second event of a watch, which comes when it ends.
fn entry(event: &Value) -> Option<AuditEntry> {
    let text = |pointer: &str| {
        event
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let verb = text("/verb");
    let (stage, started) = (text("/stage"), verb == "watch");
    if (stage == "ResponseStarted") != started && stage != "Panic" {
        return None;
    }
    let code = event
        .pointer("/responseStatus/code")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    Some(AuditEntry {
        at: text("/requestReceivedTimestamp").parse().ok()?,
        user: text("/user/username"),
        user_agent: text("/userAgent"),
        verb,
        group: text("/objectRef/apiGroup"),
        resource: text("/objectRef/resource"),
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        code: u16::try_from(code).unwrap_or_default(),
        uri: text("/requestURI"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(verb: &str, stage: &str) -> Value {
        json!({
            "stage": stage, "verb": verb, "requestURI": "/x", "userAgent": "serin/1",
            "user": {"username": "ada"}, "requestReceivedTimestamp": "2026-01-02T03:04:05.000006Z",
            "objectRef": {"resource": "rollouts", "namespace": "n", "name": "web", "apiGroup": "argoproj.io",
                          "subresource": "status"},
            "responseStatus": {"code": 200},
        })
    }

    #[test]
    fn every_request_counts_once() {
        let check =
            |verb, stage, counts| assert_eq!(entry(&event(verb, stage)).is_some(), counts, "{verb} {stage}");
        check("patch", "ResponseComplete", true);
        check("watch", "ResponseStarted", true);
        check("watch", "ResponseComplete", false);
        check("get", "ResponseStarted", false);
    }

    #[test]
    fn an_entry_names_user_object_and_answer() {
        let entry = entry(&event("patch", "ResponseComplete")).unwrap();
        assert_eq!(
            (entry.user.as_str(), entry.subresource.as_str(), entry.code),
            ("ada", "status", 200)
        );
        assert!(entry.is_write());
    }
}
