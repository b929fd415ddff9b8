//! The time of day, for ages and for phases that depend on it.

use chrono::{DateTime, Utc};
use std::time::SystemTime;

pub fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
