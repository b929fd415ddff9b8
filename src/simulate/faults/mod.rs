//! The catalogue of faults: everything that has gone wrong for somebody between a controller and its world, each with a name, each
//! with parameters drawn from a seed, each over when it is healed. Knows the world through [`crate::simulate::fault`] and
//! [`crate::simulate::people::Hand`]; knows nothing of how the controller decides.

mod admission;
mod aim;
mod api;
mod excuse;
mod lead;
mod mail;
mod people;
mod plot;
mod process;
mod provider;
mod restore;
mod rivals;
mod scene;
mod table;
mod time;
mod watch;
mod workload;

use crate::base::seed::Seed;
use crate::simulate::fault::Fault;
use chrono::{DateTime, TimeDelta, Utc};
use plot::Made;
use std::time::Duration;

pub use excuse::{excuse, in_the_way};
pub use plot::Params;
pub use table::CATALOGUE;

/// A fault of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As stories name it.
    pub name: &'static str,
    /// Group and number: faults of one number are faces of the same fault.
    pub id: &'static str,
    /// One line for people.
    pub says: &'static str,
    /// What it leaves of the Rollout when it is over.
    pub leaves: Leaves,
    make: fn(&mut Params) -> Made,
}

/// What a fault leaves of the Rollout that it was about, when it is over and the world has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// What would be there without it.
    TheSame,
    /// The Rollout, with another version than it would have, or aborted: somebody wanted that, or the canary was judged by it.
    AnotherEnd,
    /// Nothing.
    NoRollout,
}

impl Entry {
    /// Makes the fault with parameters from `seed`, from `from` until `until`, or for good.
    fn made(&self, seed: Seed, from: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Box<dyn Fault> {
        (self.make)(&mut Params::new(self.name, seed, from, until))
    }
}

/// The entry of this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

/// The fault of this name, from now on for as long as `lasts`, or for good. Its parameters are drawn from its name, so that a story
/// tells the same each time.
pub fn named(name: &str, now: DateTime<Utc>, lasts: Option<Duration>) -> Option<Box<dyn Fault>> {
    let entry = entry(name)?;
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let until = lasts.and_then(|lasts| now.checked_add_signed(TimeDelta::from_std(lasts).ok()?));
    Some(entry.made(Seed::new(seed), now, until))
}

/// A fault for a swarm: its parameters are drawn from `seed`, and it is at work within the window only.
pub fn drawn(seed: &mut Seed, entry: &Entry, window: (DateTime<Utc>, DateTime<Utc>)) -> Box<dyn Fault> {
    let own = Seed::new(seed.next_u64());
    entry.made(own, window.0, Some(window.1))
}
<<<<<<< HEAD

/// What the laws must allow a controller that lives with this fault: it may know late, its requests may arrive late, and its
/// clock may be wrong.
pub fn excuse(name: &str, facts: &mut Facts) {
    let id = entry(name).map_or("", |entry| entry.id);
    let (group, late) = (id.get(..1).unwrap_or_default(), TimeDelta::minutes(6));
    if group == "B" || matches!(id, "A13" | "C6" | "D1" | "D7") {
        facts.lag_max = facts.lag_max.max(late);
        facts.recovery_max = facts.recovery_max.max(late);
        facts.reaction_max = facts.reaction_max.max(late);
    }
    if group == "C" || group == "D" || matches!(id, "A4" | "A5" | "A12" | "A18") {
        facts.in_flight_max = facts.in_flight_max.max(late);
    }
    if matches!(id, "A2" | "A16" | "A18") {
        // A Retry-After of two minutes is kept.
        facts.recovery_max = facts.recovery_max.max(TimeDelta::seconds(180));
    }
    if group == "E" || id == "D4" {
        facts.clock_skew_max = facts.clock_skew_max.max(TimeDelta::days(400));
    }
}
=======
>>>>>>> faults
