//! Read your own writes: an object gets no new pass before the caches show what its last pass wrote; nor, for a moment, before they show
//! what a refused write did not know.
//!
//! Without it a pass right after a write would decide from the state before the write: create twice, scale back and forth. And a pass
//! right after a conflict would decide once more from the state that has just turned out to be old.

use crate::base::limits;
use crate::base::object::{Key, Kind};
use crate::controller::act::{Stamp, Written};
use crate::controller::caches::{Caches, Kick};
use crate::controller::stores::older;
use crate::plan::Verb;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Writes that the caches have not shown yet, by the object whose pass made them.
#[derive(Default)]
pub struct Watermark(Mutex<BTreeMap<Kick, Pending>>);

struct Pending {
    writes: BTreeMap<(Kind, Key), Written>,
    /// Versions that are known to be old.
    outdated: BTreeMap<(Kind, Key), Stamp>,
    /// From then on the pass goes on regardless.
    until: Instant,
}

impl Pending {
    fn new() -> Self {
        Self {
            writes: BTreeMap::new(),
            outdated: BTreeMap::new(),
            until: Instant::now(),
        }
    }

    /// A kind whose cache is behind.
    fn behind(&self) -> Option<Kind> {
        let places = self.writes.keys().chain(self.outdated.keys());
        places.map(|(kind, _)| *kind).next()
    }
}

/// Whether a pass may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// The caches are behind; look again then, or when something changes.
    Wait(Instant),
    /// The cache of this kind is behind for too long; the guards will refuse what is decided from a stale state.
    Overdue(Kind),
}

impl Watermark {
    /// Remembers what the pass over `subject` wrote.
    pub fn wrote(&self, subject: &Kick, mut written: Vec<Written>) {
        // No cache holds the pods of versions: who asks about them has them listed.
        written.retain(|write| write.kind != Kind::Pod);
        if written.is_empty() {
            return;
        }
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = pending.entry(subject.clone()).or_insert_with(Pending::new);
        entry.until = Instant::now() + Duration::from_secs(limits::WATERMARK_SECONDS_MAX);
        for write in written {
            entry.writes.insert((write.kind, write.key.clone()), write);
        }
    }

    /// Remembers that a write was refused because the object is no more as `seen`.
    pub fn refused(&self, subject: &Kick, kind: Kind, key: &Key, seen: Stamp) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = pending.entry(subject.clone()).or_insert_with(Pending::new);
        let until = Instant::now() + Duration::from_secs(limits::OUTDATED_SECONDS_MAX);
        entry.until = entry.until.max(until);
        entry.outdated.insert((kind, key.clone()), seen);
    }

    pub fn gate(&self, subject: &Kick, caches: &Caches) -> Gate {
        if let Kick::Rollout(key) = subject
            && let Some(until) = caches.shown_as_it_was(key)
        {
            return Gate::Wait(until);
        }
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = pending.get_mut(subject) else {
            return Gate::Open;
        };
        entry.writes.retain(|_, write| !shown(write, caches));
        entry
            .outdated
            .retain(|(kind, key), seen| is_still(*kind, key, seen, caches));
        let gate = match entry.behind() {
            None => Gate::Open,
            Some(_) if Instant::now() < entry.until => return Gate::Wait(entry.until),
            Some(kind) => Gate::Overdue(kind),
        };
        pending.remove(subject);
        gate
    }

    pub fn forget(&self, subject: &Kick) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(subject);
    }

    /// What an earlier term as leader wrote says nothing any more.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// True when the cache shows the write, or something after it.
fn shown(write: &Written, caches: &Caches) -> bool {
    let cached = caches.version(write.kind, &write.key);
    match (write.verb, cached) {
        (Verb::Delete, Some((uid, _, deleting))) => deleting || uid != write.stamp.uid,
        // Not in the cache: not there yet after a create, gone again after anything else.
        (verb, None) => verb != Verb::Create,
        (Verb::Create, Some((uid, version, _))) => {
            uid == write.stamp.uid && !behind(&version, &write.stamp.version)
        }
        (_, Some((uid, version, _))) => uid != write.stamp.uid || !behind(&version, &write.stamp.version),
    }
}

/// True when the cache still shows the very version that is known to be old.
fn is_still(kind: Kind, key: &Key, seen: &Stamp, caches: &Caches) -> bool {
    caches
        .version(kind, key)
        .is_some_and(|(uid, version, _)| uid == seen.uid && version == seen.version)
}

/// Where versions are not numbers, only the very version that was written is proof.
fn behind(cached: &str, written: &str) -> bool {
    let numbers = cached.parse::<u64>().is_ok() && written.parse::<u64>().is_ok();
    match numbers {
        true => older(cached, written),
        false => cached != written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::cached::Seen;
    use crate::plan::ReplicaSet;
    use serde_json::json;

    fn key() -> Key {
        Key::new("shop", "web-1")
    }

    fn subject() -> Kick {
        Kick::Rollout(Key::new("shop", "web"))
    }

    fn written(verb: Verb, version: &str) -> Vec<Written> {
        vec![Written {
            kind: Kind::ReplicaSet,
            key: key(),
            verb,
            stamp: Stamp {
                uid: "u1".into(),
                version: version.into(),
            },
        }]
    }

    fn show(caches: &Caches, uid: &str, version: &str) {
        let json = json!({"metadata": {"namespace": "shop", "name": "web-1", "uid": uid, "resourceVersion": version}});
        caches.change(Kind::ReplicaSet, Seen::<ReplicaSet>::from_json(json));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_waits_until_the_cache_shows_the_patch() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        show(&caches, "u1", "9");
        watermark.wrote(&subject(), written(Verb::Patch, "10"));
        assert!(matches!(watermark.gate(&subject(), &caches), Gate::Wait(_)));
        show(&caches, "u1", "10");
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_created_object_is_waited_for_and_a_replaced_one_is_not() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        watermark.wrote(&subject(), written(Verb::Create, "5"));
        assert!(matches!(watermark.gate(&subject(), &caches), Gate::Wait(_)));
        show(&caches, "u1", "7");
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
        watermark.wrote(&subject(), written(Verb::Patch, "8"));
        show(&caches, "u2", "20");
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delete_is_shown_when_the_object_is_gone() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        show(&caches, "u1", "3");
        watermark.wrote(&subject(), written(Verb::Delete, "3"));
        assert!(matches!(watermark.gate(&subject(), &caches), Gate::Wait(_)));
        caches.delete::<ReplicaSet>(Kind::ReplicaSet, &key());
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_that_never_catches_up_stops_a_pass_only_for_a_time() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        watermark.wrote(&subject(), written(Verb::Create, "5"));
        tokio::time::advance(Duration::from_secs(limits::WATERMARK_SECONDS_MAX)).await;
        assert_eq!(
            watermark.gate(&subject(), &caches),
            Gate::Overdue(Kind::ReplicaSet)
        );
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_conflict_nothing_is_decided_from_the_version_that_was_refused() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        let old = Stamp {
            uid: "u1".into(),
            version: "9".into(),
        };
        show(&caches, "u1", "9");
        watermark.refused(&subject(), Kind::ReplicaSet, &key(), old.clone());
        assert!(matches!(watermark.gate(&subject(), &caches), Gate::Wait(_)));
        show(&caches, "u1", "10");
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open);
        watermark.refused(&subject(), Kind::ReplicaSet, &key(), old);
        assert_eq!(watermark.gate(&subject(), &caches), Gate::Open, "known by now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cache_that_keeps_a_refused_version_is_doubted_after_a_moment() {
        let (caches, watermark) = (Caches::new(&[Kind::ReplicaSet]), Watermark::default());
        let old = Stamp {
            uid: "u1".into(),
            version: "9".into(),
        };
        show(&caches, "u1", "9");
        watermark.refused(&subject(), Kind::ReplicaSet, &key(), old);
        tokio::time::advance(Duration::from_secs(limits::OUTDATED_SECONDS_MAX)).await;
        assert_eq!(
            watermark.gate(&subject(), &caches),
            Gate::Overdue(Kind::ReplicaSet)
        );
    }
}
