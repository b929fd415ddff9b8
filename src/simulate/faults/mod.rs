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
