//! What is remembered of each object between passes, for the sake of manners: losing it changes no decision.

use crate::base::limits;
use crate::base::names::reason;
use crate::controller::act::{Done, Written};
use crate::controller::caches::Kick;
use crate::controller::contest::{Contest, Held};
use crate::controller::unsure::Unsure;
use crate::plan::{Action, Note, Plan, Verb};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// By the object whose passes it is about.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<Kick, Remembered>>);

#[derive(Default)]
struct Remembered {
    status_written: Option<Instant>,
    failure: String,
    failures_in_a_row: u32,
    /// Why the ReplicaSet of the current template could not be created, until something is written about the Rollout.
    create_failure: Option<String>,
    unsure: Unsure,
    contest: Contest,
    /// That a disruption budget holds a restart up was told, and no pod was evicted since.
    restart_held: bool,
    /// Until when readings wait for those of other metrics of the same tick.
    company_until: Option<Instant>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kick, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what matters later of the writes of a pass.
    pub fn wrote(&self, subject: &Kick, written: &[Written]) {
        let (kind, key) = subject.object();
        if written.iter().all(|one| (one.kind, &one.key) != (kind, key)) {
            return;
        }
        let mut memory = self.lock();
        let remembered = memory.entry(subject.clone()).or_default();
        remembered.create_failure = None;
        // The guard held: the object was as this pass saw it, and that showed none of the earlier writes.
        remembered.unsure.settle();
        if written.iter().any(|one| one.verb == Verb::PatchStatus) {
            remembered.status_written = Some(Instant::now());
        }
    }

    pub fn unsure<T>(&self, subject: &Kick, with: impl FnOnce(&mut Unsure) -> T) -> T {
        with(&mut self.lock().entry(subject.clone()).or_default().unsure)
    }

    /// Remembers writes that somebody else may undo; returns what to tell when that has become a habit.
    pub fn contested(&self, subject: &Kick, written: &[Action]) -> Vec<Note> {
        if written.is_empty() {
            return Vec::new();
        }
        let mut memory = self.lock();
        let contest = &mut memory.entry(subject.clone()).or_default().contest;
        contest.wrote(written, Instant::now())
    }

    /// What to tell of a pass in which evictions were asked for and one of them refused: once, until a restart goes on.
    pub fn restart_held(&self, subject: &Kick, done: &Done) -> Option<Note> {
        let asked = done.written.iter().filter(|one| one.verb == Verb::Evict).count();
        if asked == 0 {
            return None;
        }
        let mut memory = self.lock();
        let held = &mut memory.entry(subject.clone()).or_default().restart_held;
        let told = *held && asked == done.kept.len();
        *held = !done.kept.is_empty();
        let pod = done.kept.first()?;
        let why = format!(
            "Restart waits: pod {} is not evicted, since a disruption budget does not allow that now",
            pod.name
        );
        (!told).then(|| Note::warning(reason::RESTART_HELD, why))
    }

    /// The first of these writes that has to wait, because it was undone too often.
    pub fn held(&self, subject: &Kick, actions: &[Action]) -> Option<Held> {
        self.lock().get(subject)?.contest.held(actions, Instant::now())
    }

    /// When a plan that only moves counters may be carried out, if not now.
    pub fn deferred_until(&self, subject: &Kick, plan: &Plan) -> Option<Instant> {
        if !plan.deferrable || plan.actions.is_empty() {
            return None;
        }
        let pause = Duration::from_secs(limits::COUNTER_STATUS_SECONDS_MIN.unsigned_abs());
        let due = self.lock().get(subject)?.status_written? + pause;
        (due > Instant::now()).then_some(due)
    }

    /// Until when readings wait for the other metrics of their tick, so that one write carries them all. `None` when
    /// they need not wait, or have waited long enough.
    pub fn company_until(&self, subject: &Kick, deferrable: bool) -> Option<Instant> {
        let mut memory = self.lock();
        if !deferrable {
            if let Some(remembered) = memory.get_mut(subject) {
                remembered.company_until = None;
            }
            return None;
        }
        let pause = Duration::from_millis(limits::RUN_COMPANY_MS_MAX);
        let remembered = memory.entry(subject.clone()).or_default();
        let due = *remembered
            .company_until
            .get_or_insert_with(|| Instant::now() + pause);
        if due > Instant::now() {
            return Some(due);
        }
        remembered.company_until = None;
        None
    }

    /// Why the ReplicaSet could not be created, until that is told or it was.
    pub fn create_failure(&self, subject: &Kick) -> Option<String> {
        self.lock().get(subject)?.create_failure.clone()
    }

    pub fn cannot_create(&self, subject: &Kick, why: &str) {
        self.lock().entry(subject.clone()).or_default().create_failure = Some(why.to_owned());
    }

    pub fn succeeded(&self, subject: &Kick) {
        if let Some(remembered) = self.lock().get_mut(subject) {
            remembered.failure.clear();
            remembered.failures_in_a_row = 0;
        }
    }

    /// Whether the last failure was the same, and how many there were in a row.
    pub fn failed(&self, subject: &Kick, message: &str) -> (bool, u32) {
        let mut memory = self.lock();
        let remembered = memory.entry(subject.clone()).or_default();
        let repeated = remembered.failure == message;
        remembered.failure = message.to_owned();
        remembered.failures_in_a_row = remembered.failures_in_a_row.saturating_add(1);
        (repeated, remembered.failures_in_a_row)
    }

    pub fn forget(&self, subject: &Kick) {
        self.lock().remove(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::object::{Key, Kind};
    use crate::controller::act::Stamp;

    #[test]
    fn a_restart_that_a_budget_holds_up_is_told_once_until_it_goes_on() {
        let (memory, web) = (Memory::default(), Kick::Rollout(Key::new("shop", "web")));
        let pod = Key::new("shop", "web-a");
        let told = |asked: usize, kept: usize| {
            let eviction = Written {
                kind: Kind::Pod,
                key: pod.clone(),
                verb: Verb::Evict,
                stamp: Stamp::default(),
            };
            let done = Done {
                written: vec![eviction; asked],
                kept: vec![pod.clone(); kept],
                ..Done::default()
            };
            memory.restart_held(&web, &done).is_some()
        };
        assert!(!told(1, 0));
        assert!(told(2, 2));
        assert!(!told(1, 1), "said already");
        assert!(!told(0, 0), "a pass without evictions changes nothing");
        assert!(!told(1, 1));
        assert!(told(2, 1), "it went on, and stands again");
        assert!(!told(1, 0));
        assert!(told(1, 1));
    }
}
