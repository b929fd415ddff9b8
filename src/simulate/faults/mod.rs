//! The catalogue of faults.

use crate::simulate::fault::Fault;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// The fault of this name, from now on for as long as `lasts`, or for good.
pub fn named(_name: &str, _now: DateTime<Utc>, _lasts: Option<Duration>) -> Option<Box<dyn Fault>> {
    None
}
