//! The catalogue of faults.

use crate::simulate::fault::Fault;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// The fault of this name, from now on for as long as `lasts`, or for good.
pub fn named(_name: &str, _now: DateTime<Utc>, _lasts: Option<Duration>) -> Option<Box<dyn Fault>> {
    None
}

/// One fault of the catalogue.
pub struct Entry {
    pub name: &'static str,
}

pub const CATALOGUE: &[Entry] = &[Entry { name: "none" }];

/// The fault with parameters drawn from the seed.
pub fn drawn(
    _: &mut crate::base::seed::Seed,
    _: &Entry,
    _: (DateTime<Utc>, DateTime<Utc>),
) -> Box<dyn Fault> {
    #[derive(Debug)]
    struct None;
    impl Fault for None {
        fn name(&self) -> &'static str {
            "none"
        }
    }
    Box::new(None)
}

/// What the laws must allow while this fault lasts.
pub fn excuse(_: &str, _: &mut crate::simulate::laws::Facts) {}
