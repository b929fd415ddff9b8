//! Everything that can go wrong between a plan and the world, and how long to wait before trying again.

use crate::base::object::{Key, Kind};
use std::fmt;
use std::time::Duration;

/// What an error is about, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What was being done, for example `patch`.
    pub verb: &'static str,
    /// Resource as RBAC names it, for example `rollouts/status`.
    pub resource: String,
    pub key: Key,
}

impl Target {
    pub fn new(verb: &'static str, resource: impl Into<String>, key: &Key) -> Self {
        Self {
            verb,
            resource: resource.into(),
            key: key.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.resource, self.key)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("this replica is not the leader any more, so {0} was not sent")]
    NotLeader(Target),
    #[error("{0}: the object was changed by someone else meanwhile")]
    Conflict(Target),
    #[error("{0}: the object does not exist any more")]
    Gone(Target),
    #[error("{0}: an object of this name exists already")]
    AlreadyExists(Target),
    #[error("{target}: the API server is busy and asks to wait {}s", after.as_secs())]
    Throttled { target: Target, after: Duration },
    #[error("{target} is not allowed: {message}{}", rbac_hint(target, message))]
    Forbidden { target: Target, message: String },
    #[error("{target} was refused by the API server: {message}")]
    Refused { target: Target, message: String },
    #[error("{target} failed with HTTP status {code}: {message}")]
    Server {
        target: Target,
        code: u16,
        message: String,
    },
    #[error("{target}: the API server cannot be reached: {message}")]
    Unreachable { target: Target, message: String },
    #[error("{target}: no answer from the API server within {seconds} s")]
    Timeout { target: Target, seconds: u64 },
    #[error("{} {key} cannot be read: {message}", kind.name())]
    Undecodable { kind: Kind, key: Key, message: String },
    #[error("a bug in Serin: {0}")]
    Bug(String),
}

/// When to look at the object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, and later each time in a row.
    Backoff,
    /// The server said when.
    After(Duration),
    /// Nothing can change until the object does.
    OnChange,
}

impl Error {
    pub fn retry(&self) -> Retry {
        match self {
            // A lead that was late to renew may come back without anybody noticing that it was gone; without it, no pass runs.
            Error::NotLeader(_) => Retry::Backoff,
            Error::Undecodable { .. } => Retry::OnChange,
            Error::Throttled { after, .. } => Retry::After(*after),
            _ => Retry::Backoff,
        }
    }

    /// What the API server knows otherwise than the cache that the write was decided from.
    pub fn contradicts(&self) -> Option<&Target> {
        match self {
            Error::Conflict(target) | Error::Gone(target) | Error::AlreadyExists(target) => Some(target),
            _ => None,
        }
    }

    /// True when the API server understood what was asked and would not do it.
    pub fn refuses(&self) -> bool {
        let said_no = matches!(
            self,
            Error::Conflict(_) | Error::Forbidden { .. } | Error::Refused { .. } | Error::Server { .. }
        );
        said_no || matches!(self, Error::Throttled { .. })
    }

    /// Label of the error metric.
    pub fn category(&self) -> &'static str {
        match self {
            Error::NotLeader(_) => "not_leader",
            Error::Conflict(_) => "conflict",
            Error::Gone(_) => "gone",
            Error::AlreadyExists(_) => "already_exists",
            Error::Throttled { .. } => "throttled",
            Error::Forbidden { .. } => "forbidden",
            Error::Refused { .. } => "refused",
            Error::Server { .. } => "server",
            Error::Unreachable { .. } => "unreachable",
            Error::Timeout { .. } => "timeout",
            Error::Undecodable { .. } => "undecodable",
            Error::Bug(_) => "bug",
        }
    }

    /// True for what happens in a healthy cluster: somebody else was faster. The next pass sees it; nobody needs to know.
    pub fn silent(&self) -> bool {
        matches!(self, Error::NotLeader(_) | Error::Conflict(_) | Error::Gone(_))
    }

    /// True when the write may have been carried out all the same.
    pub fn unsure(&self) -> bool {
        matches!(
            self,
            Error::Timeout { .. } | Error::Unreachable { .. } | Error::Server { .. }
        )
    }

    /// True when the owner of the object has to act, so the object itself must tell.
    pub fn concerns_owner(&self) -> bool {
        matches!(
            self,
            Error::Forbidden { .. }
                | Error::Refused { .. }
                | Error::Undecodable { .. }
                | Error::AlreadyExists(_)
        )
    }
}

/// A missing permission is named the way a Role spells it; other refusals (quota, admission) already say what to mend.
fn rbac_hint(target: &Target, message: &str) -> String {
    if !message.contains(" cannot ") {
        return String::new();
    }
    format!(
        "; grant the verb {:?} on {:?} to Serin's service account",
        target.verb, target.resource
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::new("patch", "rollouts/status", &Key::new("shop", "web"))
    }

    #[test]
    fn a_missing_permission_names_verb_and_resource() {
        let message =
            "rollouts.argoproj.io \"web\" is forbidden: User \"serin\" cannot patch resource".to_owned();
        let error = Error::Forbidden {
            target: target(),
            message,
        };
        assert!(
            error
                .to_string()
                .ends_with("grant the verb \"patch\" on \"rollouts/status\" to Serin's service account")
        );
    }

    #[test]
    fn an_exceeded_quota_gets_no_rbac_hint() {
        let message = "exceeded quota: small".to_owned();
        let error = Error::Forbidden {
            target: target(),
            message,
        };
        assert_eq!(
            error.to_string(),
            "patch rollouts/status shop/web is not allowed: exceeded quota: small"
        );
    }

    #[test]
    fn lost_races_and_a_late_lead_are_silent_and_retried() {
        for error in [
            Error::Conflict(target()),
            Error::Gone(target()),
            Error::NotLeader(target()),
        ] {
            assert!(error.silent());
            assert_eq!(error.retry(), Retry::Backoff);
        }
    }
}
