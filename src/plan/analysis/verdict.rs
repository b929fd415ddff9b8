//! What a reading means under a metric's conditions. The only door from runs to the condition language.

use super::condition::judge_reading;
use crate::api::analysis::Metric;
use crate::base::reading::Reading;
use chrono::{DateTime, Utc};

/// Phase of a measurement, and the message for people when there is something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `Successful`, `Failed`, `Inconclusive` or `Error`.
    pub phase: &'static str,
    pub message: String,
}

/// Judges a reading taken at `at`.
pub fn judge(metric: &Metric, reading: &Reading, at: DateTime<Utc>) -> Verdict {
    let judgement = judge_reading(metric, reading, at);
    Verdict {
        phase: judgement.phase.as_str(),
        message: judgement.message,
    }
}
