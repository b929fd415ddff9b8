//! Answers that a story dictates, whatever the series say.

use chrono::{DateTime, TimeDelta, Utc};

use super::eval::{Sample, Value};
use super::labels::Labels;

/// What a dictated answer is.
#[derive(Clone, Debug, PartialEq)]
pub enum Say {
    /// One series without labels; NaN and infinities too.
    Number(f64),
    /// No series.
    Nothing,
    /// The whole answer: HTTP status and body.
    Body(u16, String),
}

/// Answers to every query that contains some text.
#[derive(Clone, Debug, PartialEq)]
pub struct Scripted {
    pub contains: String,
    /// When the offsets count from.
    pub since: DateTime<Utc>,
    /// What is said from each offset on, sorted by it. Before the first one the series answer.
    pub values: Vec<(TimeDelta, Say)>,
}

impl Scripted {
    pub(super) fn at(&self, query: &str, now: i64) -> Option<&Say> {
        if !query.contains(&self.contains) {
            return None;
        }
        let passed = now - self.since.timestamp_millis();
        let said = self.values.iter().rev();
        said.into_iter()
            .find(|(offset, _)| offset.num_milliseconds() <= passed)
            .map(|(_, say)| say)
    }
}

impl Say {
    /// The samples that it is; an answer that is no data has none.
    pub(super) fn value(&self) -> Value {
        Value::Vector(match self {
            Self::Number(value) => vec![Sample {
                labels: Labels::default(),
                value: *value,
            }],
            Self::Nothing | Self::Body(..) => Vec::new(),
        })
    }
}
