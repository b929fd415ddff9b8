//! Decisions: what was seen goes in; actions, the next status, announcements and a wake-up time come out.
//!
//! Nothing here knows a clock, randomness, IO or logging. `survey` says which facts are missing, the shell fetches them, `plan`
//! decides. The same input gives the same plan, byte for byte.

pub mod action;
pub mod analysis;
pub mod announcement;
pub mod experiment;
pub mod lease;
pub mod note;
pub mod pod;
pub mod question;
pub mod replica_set;
pub mod rollout;
pub mod workload;

use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::object::Kind;
use chrono::{DateTime, Utc};
use serde_json::Value;

pub use action::{Action, Guard, Verb};
pub use announcement::{Announcement, Moment};
pub use note::Note;
pub use pod::Pod;
pub use question::{Answer, Answers, Question, Service};
pub use replica_set::ReplicaSet;
pub use workload::Workload;

/// Everything known about one Rollout when a pass begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub rollout: Rollout,
    /// ReplicaSets of the namespace that the Rollout controls, and orphans with the pod-hash label that its selector matches;
    /// sorted by name.
    pub replica_sets: Vec<ReplicaSet>,
    /// AnalysisRuns that the Rollout controls, sorted by name.
    pub analysis_runs: Vec<AnalysisRun>,
    /// Services that say that this Rollout manages their selector, sorted by name.
    pub managed: Vec<Service>,
    /// Objects that routers of the Rollout made or manage, named by it now or not: see [`rollout::former_routers::is_routed`].
    pub routed: Vec<(Kind, Value)>,
    /// What the shell answered to [`rollout::survey`].
    pub answers: Answers,
    /// An object that the Rollout owns and that cannot be read, for people: nothing is decided then but the way back of an abort.
    pub unreadable: Option<String>,
    /// Why the ReplicaSet of the current template could not be created when it was tried last, for people.
    pub create_failure: Option<String>,
    /// The instance id of this controller, copied to the AnalysisRuns it creates. Empty when it has none.
    pub instance_id: String,
}

/// What to do about one object now. An empty plan means that nothing has to change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes in the order in which they must happen; the first failure ends the pass. A status write, if any, is last.
    pub actions: Vec<Action>,
    /// What happened, for Events; each is published once the action it is about succeeded, or all of them ([`Note::write`]).
    pub notes: Vec<Note>,
    /// What people are told, for Slack; sent after all actions succeeded.
    pub announcements: Vec<Announcement>,
    /// When to look again although nothing changed.
    pub wake_at: Option<DateTime<Utc>>,
    /// True when the only write is a status whose replica counters moved: it may wait a few seconds for company.
    pub deferrable: bool,
    /// Why nothing more is done now, in the user's words; for logs and `explain`.
    pub waiting_for: String,
}
