//! Objects that somebody else changes back again and again: a GitOps tool, an autoscaler, another controller. Writing them faster helps
//! nobody, so after a few losses the same write waits. A different write never does: an abort must not wait for a quarrel.
//!
//! Knows writes and times; decides nothing.

use crate::base::limits;
use crate::base::object::{Key, Kind};
use crate::controller::kinds::ROUTES;
use crate::plan::{Action, Note, Verb};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The last write to each object of one Rollout, and how often it was needed again.
#[derive(Default)]
pub struct Contest(BTreeMap<(Kind, Key), Quarrel>);

struct Quarrel {
    body: Value,
    written: Instant,
    /// When the same write was needed again: each time somebody had undone it.
    losses: VecDeque<Instant>,
}

/// A write that waits, and those after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// Its index in the plan.
    pub from: usize,
    pub until: Instant,
}

fn contestable(action: &Action) -> bool {
    let kind = matches!(action.kind, Kind::Service | Kind::ReplicaSet);
    (kind || ROUTES.contains(&action.kind)) && action.verb == Verb::Patch
}

impl Contest {
    /// Remembers writes that succeeded. Returns what to tell when a quarrel has just become one.
    pub fn wrote(&mut self, actions: &[Action], now: Instant) -> Vec<Note> {
        let mut notes = Vec::new();
        // Of a Rollout that lives for years no more is kept than of its last minutes.
        self.0
            .retain(|_, quarrel| Quarrel::is_recent(quarrel.written, now));
        for action in actions.iter().filter(|action| contestable(action)) {
            let id = (action.kind, action.key.clone());
            let quarrel = self.0.entry(id).or_insert_with(|| Quarrel::new(action, now));
            if quarrel.body != action.body {
                *quarrel = Quarrel::new(action, now);
            }
            if quarrel.written == now {
                continue;
            }
            quarrel.written = now;
            quarrel.losses.push_back(now);
            quarrel.losses.retain(|lost| Quarrel::is_recent(*lost, now));
            if quarrel.losses.len() == limits::CONTEST_LOSSES_MAX {
                notes.push(told(action));
            }
        }
        notes
    }

    /// The first of these writes that has to wait.
    pub fn held(&self, actions: &[Action], now: Instant) -> Option<Held> {
        let pause = Duration::from_secs(limits::CONTEST_SECONDS_MIN);
        actions.iter().enumerate().find_map(|(from, action)| {
            let quarrel = self.0.get(&(action.kind, action.key.clone()))?;
            let until = quarrel.written + pause;
            // The loss that this write would answer counts, too.
            let losses = quarrel.lately(now) + 1;
            let waits = contestable(action)
                && quarrel.body == action.body
                && losses >= limits::CONTEST_LOSSES_MAX
                && until > now;
            waits.then_some(Held { from, until })
        })
    }
}

impl Quarrel {
    fn new(action: &Action, now: Instant) -> Self {
        Self {
            body: action.body.clone(),
            written: now,
            losses: VecDeque::new(),
        }
    }

    fn is_recent(lost: Instant, now: Instant) -> bool {
        now.duration_since(lost) < Duration::from_secs(limits::CONTEST_MEMORY_SECONDS)
    }

    fn lately(&self, now: Instant) -> usize {
        self.losses
            .iter()
            .filter(|lost| Self::is_recent(**lost, now))
            .count()
    }
}

fn told(action: &Action) -> Note {
    let message = format!(
        "Somebody else undid the same change of {} \"{}\" {} times: it is now made at most once in {} s. Let the other tool ignore \
         this field",
        action.kind.name(),
        action.key.name,
        limits::CONTEST_LOSSES_MAX,
        limits::CONTEST_SECONDS_MIN,
    );
    Note::warning("ContestedField", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Guard;
    use serde_json::json;

    fn write(weight: i64) -> Vec<Action> {
        vec![Action {
            verb: Verb::Patch,
            kind: Kind::HttpRoute,
            key: Key::new("shop", "web"),
            guard: Guard::Absent,
            body: json!({"spec": {"weight": weight}}),
        }]
    }

    fn at(begin: Instant, seconds: u64) -> Instant {
        begin + Duration::from_secs(seconds)
    }

    /// One write, lost three times within two seconds each.
    fn quarrel(begin: Instant) -> (Contest, Vec<Note>) {
        let mut contest = Contest::default();
        let told = [0, 2, 4].map(|seconds| contest.wrote(&write(20), at(begin, seconds)));
        (contest, told.concat())
    }

    #[test]
    fn after_three_losses_the_same_write_waits_ten_seconds() {
        let begin = Instant::now();
        let (contest, _) = quarrel(begin);
        let (from, until) = (0, at(begin, 14));
        assert_eq!(contest.held(&write(20), at(begin, 6)), Some(Held { from, until }));
        assert_eq!(contest.held(&write(20), until), None);
    }

    #[test]
    fn a_different_write_never_waits() {
        let begin = Instant::now();
        let (contest, _) = quarrel(begin);
        assert_eq!(contest.held(&write(0), at(begin, 8)), None);
    }

    #[test]
    fn a_quarrel_is_told_once() {
        let begin = Instant::now();
        let (mut contest, told) = quarrel(begin);
        assert_eq!(told, []);
        let told = [14, 24]
            .map(|seconds| contest.wrote(&write(20), at(begin, seconds)))
            .concat();
        assert_eq!(told.len(), 1);
        assert!(
            told[0].message.contains("HTTPRoute \"web\" 3 times"),
            "{}",
            told[0].message
        );
    }

    #[test]
    fn losses_are_forgotten_after_ten_minutes() {
        let begin = Instant::now();
        let (mut contest, _) = quarrel(begin);
        contest.wrote(&write(20), at(begin, 700));
        assert_eq!(contest.held(&write(20), at(begin, 701)), None);
    }

    #[test]
    fn a_write_that_nobody_undid_for_ten_minutes_is_forgotten() {
        let begin = Instant::now();
        let mut contest = Contest::default();
        contest.wrote(&write(20), begin);
        contest.wrote(&[], at(begin, 700));
        assert!(contest.0.is_empty());
    }
}
