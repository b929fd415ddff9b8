//! What people are told about an update of a Rollout, with all the facts a message needs.

use crate::api::analysis_run::AnalysisRun;
use crate::api::strategy::{BlueGreenStrategy, CanaryStep};
use crate::base::object::Key;
use chrono::{DateTime, Utc};

/// One message in the thread of one update.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    pub moment: Moment,
    pub rollout: Key,
    /// Identifies the update, and so the thread: uid of the Rollout, pod-template hash and revision of the new version.
    pub rollout_uid: String,
    pub pod_hash: String,
    pub revision: i64,
    pub at: DateTime<Utc>,
    /// When this update began, where known.
    pub since: Option<DateTime<Utc>>,
    /// (container, image) of the stable and of the new version; the first is empty on the first release.
    pub images_old: Vec<(String, String)>,
    pub images_new: Vec<(String, String)>,
    /// The share of the traffic that the new version has at this moment, out of `weight_max`: all of it once promoted, and at an abort
    /// what it had until then. Without a router it is the share of pods.
    pub weight: i32,
    pub weight_max: i32,
    /// Without a router the weight is a share of pods, not of requests.
    pub weight_is_pods: bool,
    /// Steps of the canary: 0-based index of the current one, and how many there are.
    pub step: Option<(i32, i32)>,
    /// The steps themselves, for the plan in the first message; empty when there are none.
    pub steps: Vec<CanaryStep>,
    /// What happens around the switch of a blue-green update; none for a canary.
    pub switch: Option<BlueGreenStrategy>,
    /// Channel named on the Rollout; the default one applies when absent.
    pub channel: Option<String>,
    /// Analysis runs of this update, oldest first, with spec and status.
    pub runs: Vec<AnalysisRun>,
}

/// What is being told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An update began.
    Started,
    /// An analysis run completed; its name.
    Verdict(String),
    /// The update waits for a person; the pause reason.
    Paused(String),
    /// The update is the new stable version; the reason.
    Promoted(String),
    /// All traffic goes back to stable; the reason.
    Aborted(String),
    /// The manifest cannot be carried out; the problems.
    Invalid(String),
}
