//! A run as people read it: what happened when, what the canary was asked to carry and what it carried, and how it ended.
//!
//! A fold over the records of a run and nothing else: no clock, no cluster, no knowledge of how the controller decides.

mod fold;
mod picture;
mod router;
mod text;

use crate::cluster::store::Store;
use crate::simulate::record::Record;
use crate::simulate::world::Outcome;
use serde::Serialize;
use serde_json::Value;

pub use router::{KINDS, canary_share, reweighted};

/// What happened to one Rollout over a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// `namespace/name`
    pub rollout: String,
    pub rows: Vec<Row>,
    pub summary: Summary,
}

/// Something that happened, and how things stood from then on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Seconds since the beginning of the run.
    pub at: f64,
    pub what: Happening,
    pub state: State,
    /// Requests of users until the next row.
    pub served: Served,
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The step being carried out; none while there is no update.
    pub step: Option<Step>,
    /// The canary's share that is asked for, in percent: the status' weights with a router, else what the steps say; all or nothing around a switch.
    pub asked: Option<i64>,
    /// The canary's share in the router, in percent; none where it does not name the canary.
    pub route: Option<i64>,
    pub stable: Option<Pods>,
    /// Pods of the new version; none while it is the stable one.
    pub canary: Option<Pods>,
    /// Ready pods of versions that are neither.
    pub others: i64,
}

/// A step of the canary, or the side of the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// From 0; the number of steps once all are done.
    pub index: usize,
    pub count: usize,
    /// As people call it: `setWeight 5`, `pause 5m`; `done` after the last, `aborted` while the update is. Around a switch: `preview`,
    /// `pause`, `switched`.
    pub kind: String,
}

/// Pods of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    pub ready: i64,
    pub desired: i64,
}

/// Requests of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    /// All of them, answered or not.
    pub requests: f64,
    /// Answered by the new version while it was not the stable one.
    pub canary: f64,
    /// Answered with an error.
    pub errors: f64,
    /// Not answered by anybody.
    pub refused: f64,
}

impl Served {
    /// The canary's share in percent; none without requests.
    pub fn canary_percent(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.canary * 100.0 / self.requests)
    }

    /// Requests that went wrong.
    pub fn bad(&self) -> f64 {
        self.errors + self.refused
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Happening {
    /// The controller took up a new version.
    Release {
        version: String,
        hash: String,
        revision: Option<i64>,
    },
    /// The Rollout's phase or its message changed.
    Phase { phase: String, message: String },
    /// Another step.
    Step { from: Option<usize>, to: Option<usize> },
    /// The size that is wanted changed.
    Replicas { from: i64, to: i64 },
    /// The canary's share in the router, in percent, and who wrote it; none when nothing there names it any more.
    Route { weight: Option<i64>, by: String },
    /// Pods became ready, or went away.
    Pods,
    /// An analysis began or ended.
    Analysis {
        name: String,
        phase: String,
        message: String,
    },
    /// Measurements that ended at the same time.
    Measured { measurements: Vec<Measured> },
    /// Slack was told something.
    Slack {
        channel: String,
        thread: bool,
        text: String,
    },
    /// A Kubernetes Event of the Rollout or of its analyses.
    Event {
        reason: String,
        message: String,
        warning: bool,
    },
    /// Somebody else than the controller did something.
    Did { who: String, did: String },
    /// A fault began, bit or ended; `before` times it bit since the row before of the same fault.
    Fault {
        name: String,
        detail: String,
        before: u64,
    },
    /// A replica of the controller started, crashed or stopped.
    Controller { replica: String, did: String },
    /// An object is there for the first time, or is gone.
    Object { object: String, gone: bool },
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub metric: String,
    /// As the provider answered; empty when it did not.
    pub value: String,
    /// `Successful`, `Failed`, `Inconclusive` or `Error`.
    pub verdict: String,
    pub message: String,
    /// It has no say.
    pub dry_run: bool,
}

/// How it ended, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The Rollout's phase as clients read it; `Gone` when it is deleted.
    pub phase: String,
    pub message: String,
    /// Image tag of the stable version.
    pub stable: Option<String>,
    /// Seconds from the beginning of the last release to the last change of the phase; none without a release.
    pub took: Option<f64>,
    /// Seconds of the whole run.
    pub lasted: f64,
    /// In the order in which they came.
    pub versions: Vec<Version>,
    /// Requests that nobody answered.
    pub refused: f64,
    /// What users suffered from releases: errors of new versions before they were stable, and everything that nobody answered
    /// since the first release began.
    pub bad: f64,
    pub measurements: u64,
    pub messages: u64,
}

/// What a version answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its image tag.
    pub tag: String,
    pub hash: String,
    pub requests: f64,
    pub errors: f64,
    /// Of the errors, those from before it was the stable version.
    pub errors_as_canary: f64,
}

/// A timeline as text, in parts. Each ends with a line's end.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub head: String,
    /// Seconds since the beginning of the run, and the line or lines of what happened then.
    pub rows: Vec<(f64, String)>,
    pub summary: String,
}

impl Timeline {
    /// The timeline of the Rollout `(namespace, name)`. All records are needed: keep the transcript with `Keep::All`.
    pub fn of<'a>(
        records: impl IntoIterator<Item = &'a Record>,
        store: &Store,
        rollout: (&str, &str),
    ) -> Self {
        fold::fold(records, store, rollout)
    }

    /// The timeline of a run.
    pub fn of_run(outcome: &Outcome, rollout: (&str, &str)) -> Self {
        Self::of(outcome.transcript.records(), &outcome.store, rollout)
    }

    /// For people: aligned, at most 120 columns wide, with the summary at the end.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The same in parts, to be told at a pace.
    pub fn told(&self) -> Told {
        text::told(self)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        // Plain data: nothing in it can fail to be JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}
