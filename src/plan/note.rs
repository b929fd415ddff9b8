//! What happened, typed. A note renders to the same text in an Event, a log line, a transcript and `explain`.
//!
//! Reasons and messages are Argo Rollouts', because people and tools filter on them.

use crate::base::names::reason;

/// One thing that happened to an object, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// CamelCase reason, Argo's where Argo has one.
    pub reason: String,
    pub message: String,
    pub warning: bool,
    /// True for detail that is logged but not published as an Event (requests to the API server are a budget).
    pub quiet: bool,
    /// The write that it tells about, as an index into [`crate::plan::Plan::actions`]: told once that write succeeded, whatever comes
    /// of the later ones. `None`: told when all writes succeeded.
    pub write: Option<usize>,
    /// Its place among the notes of a plan: the pass of the plan that told it, and when in it.
    pub told: (usize, usize),
}

impl Note {
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            warning: false,
            quiet: false,
            write: None,
            told: (0, 0),
        }
    }

    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::normal(reason, message)
        }
    }

    /// About the write at this index of the plan.
    #[must_use]
    pub fn about(self, write: usize) -> Self {
        Self {
            write: Some(write),
            ..self
        }
    }

    /// Logged, not published.
    pub fn quietly(self) -> Self {
        Self { quiet: true, ..self }
    }

    pub fn scaled(name: &str, revision: i64, from: i32, to: i32) -> Self {
        let direction = if to > from { "up" } else { "down" };
        Self::normal(
            reason::SCALING_REPLICA_SET,
            format!("Scaled {direction} ReplicaSet {name} (revision {revision}) from {from} to {to}"),
        )
    }
}
