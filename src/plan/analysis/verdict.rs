//! What a reading means under a metric's conditions. The only door from runs to the condition language.

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

/// Judges a reading taken at `_at`. An empty condition counts as absent, as with Argo Rollouts.
pub fn judge(metric: &Metric, reading: &Reading, _at: DateTime<Utc>) -> Verdict {
    let condition = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let success = condition(&metric.success_condition);
    let failure = condition(&metric.failure_condition);
    stand_in::judge_reading(success.as_deref(), failure.as_deref(), &reading.result)
}

/// Understands `result OP number` and `result[0] OP number`; everything else is an error, never a success.
mod stand_in {
    use super::Verdict;
    use crate::base::reading::Value;

    pub fn judge_reading(success: Option<&str>, failure: Option<&str>, result: &Value) -> Verdict {
        let answer = |name: &str, text: Option<&str>| match text {
            None => Ok(None),
            Some(text) => holds(text, result)
                .map(Some)
                .map_err(|why| format!("could not evaluate {name} \"{text}\": {why}")),
        };
        let phase = match (
            answer("successCondition", success),
            answer("failureCondition", failure),
        ) {
            (Err(message), _) | (_, Err(message)) => {
                return Verdict {
                    phase: "Error",
                    message,
                };
            }
            (Ok(_), Ok(Some(true))) | (Ok(Some(false)), Ok(None)) => "Failed",
            (Ok(Some(false)), Ok(Some(false))) => "Inconclusive",
            (Ok(_), Ok(_)) => "Successful",
        };
        Verdict {
            phase,
            message: String::new(),
        }
    }

    fn holds(text: &str, result: &Value) -> Result<bool, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [subject, operator, limit] = words[..] else {
            return Err("not understood".into());
        };
        let value = match (subject, result) {
            ("result", value) => value.clone(),
            ("result[0]", Value::List(items)) => items.first().cloned().ok_or("index out of range")?,
            _ => return Err("not understood".into()),
        };
        let value = match value {
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            _ => return Err("not a number".into()),
        };
        let limit: f64 = limit.parse().map_err(|_| "not a number")?;
        match operator {
            "==" => Ok(value == limit),
            "<" => Ok(value < limit),
            ">=" => Ok(value >= limit),
            _ => Err("not understood".into()),
        }
    }
}
