//! What a reading means under a metric's conditions. The only door from runs to the condition language.

use super::condition;
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

/// Judges a reading taken at `at`. A success that rests on no data or on NaN is an error; see [`condition::judge_reading`].
pub fn judge(metric: &Metric, reading: &Reading, at: DateTime<Utc>) -> Verdict {
    let judgement = condition::judge_reading(metric, reading, at);
    Verdict {
        phase: judgement.phase.as_str(),
        message: judgement.message,
    }
}

/// Whether the conditions of a metric can be understood at all. `Err` names the condition and what is wrong.
pub fn check_conditions(metric: &Metric) -> Result<(), String> {
    let conditions = [
        ("successCondition", &metric.success_condition),
        ("failureCondition", &metric.failure_condition),
    ];
    for (field, text) in conditions {
        let text = text.as_deref().unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        condition::Program::compile(text).map_err(|why| format!("{field} \"{text}\": {why}"))?;
    }
    Ok(())
}
