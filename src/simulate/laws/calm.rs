//! Whether the controller had its chance: which of its replicas run, which faults stand in its way, and since when nothing does.

use super::Facts;
use crate::simulate::record::{Record, ReplicaEvent, What};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Calm {
    up: BTreeSet<Arc<str>>,
    /// Faults that last, with how often each began.
    active: BTreeMap<&'static str, u32>,
    /// The last time that something stood in the controller's way.
    last: Option<DateTime<Utc>>,
    /// The same without faults of watches and caches.
    last_but_watches: Option<DateTime<Utc>>,
    /// The last fault, start or stop of any kind.
    pub disturbed: Option<DateTime<Utc>>,
    /// The last crash of a replica.
    pub crashed: Option<DateTime<Utc>>,
}

impl Calm {
    pub fn hear(&mut self, record: &Record, facts: &Facts) {
        let at = Some(record.at);
        match &record.what {
            What::Replica { name, what } => {
                match what {
                    ReplicaEvent::Started => drop(self.up.insert(Arc::clone(name))),
                    ReplicaEvent::Crashed => {
                        self.up.remove(name);
                        self.crashed = at;
                    }
                    ReplicaEvent::Stopping => {}
                    ReplicaEvent::Stopped => drop(self.up.remove(name)),
                }
                (self.last, self.last_but_watches, self.disturbed) = (at, at, at);
            }
            What::Fault { name, detail } => {
                self.disturbed = at;
                self.count(name, detail);
                if (facts.in_the_way)(name) {
                    self.last = at;
                    if !watches(name) {
                        self.last_but_watches = at;
                    }
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, name: &'static str, detail: &str) {
        if detail.starts_with("begin") {
            *self.active.entry(name).or_default() += 1;
        } else if detail.starts_with("end") {
            let left = self.active.get(name).map_or(0, |count| count.saturating_sub(1));
            if left == 0 {
                self.active.remove(name);
            } else {
                self.active.insert(name, left);
            }
        }
    }

    /// Since when a replica runs, has had the time to come to itself, and nothing is in its way; none while something is.
    pub fn since(&self, facts: &Facts) -> Option<DateTime<Utc>> {
        let blocked = self.active.keys().any(|name| (facts.in_the_way)(name));
        self.last
            .filter(|_| !blocked && !self.up.is_empty())
            .map(|last| last + facts.recovery_max)
    }

    /// The same, though watches may be late or silent.
    pub fn since_but_watches(&self, facts: &Facts) -> Option<DateTime<Utc>> {
        let blocked = self
            .active
            .keys()
            .any(|name| (facts.in_the_way)(name) && !watches(name));
        self.last_but_watches
            .filter(|_| !blocked && !self.up.is_empty())
            .map(|last| last + facts.recovery_max)
    }

    /// Faults that last now.
    pub fn active(&self) -> impl Iterator<Item = &'static str> {
        self.active.keys().copied()
    }

    pub fn up(&self) -> impl Iterator<Item = &Arc<str>> {
        self.up.iter()
    }
}

fn watches(fault: &str) -> bool {
    chapter(fault) == Some('B')
}

/// The letter of a fault of the catalogue (`B3`, `B3-lag`); none for other names.
pub fn chapter(fault: &str) -> Option<char> {
    let mut letters = fault.chars();
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    letters.next().filter(char::is_ascii_digit).map(|_| letter)
}

/// Faults of the API server, of watches, of the process, of leadership and of clocks stand in the controller's way, and so does any that
/// the catalogue does not number. Providers, Slack, pods and people are its daily work.
pub fn in_the_way(fault: &str) -> bool {
    !matches!(chapter(fault), Some('F' | 'G' | 'H' | 'I'))
}
