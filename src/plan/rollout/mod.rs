//! What to do about a Rollout.

pub mod scale;
pub mod steps;

use crate::plan::{Observed, Plan, Question};
use chrono::{DateTime, Utc};

/// Facts still missing to decide. Ask, add the answers, and call again until it is empty: templates may name further templates.
pub fn survey(_seen: &Observed) -> Vec<Question> {
    Vec::new()
}

/// What to do now.
pub fn plan(_seen: &Observed, _now: DateTime<Utc>) -> Plan {
    Plan::default()
}
