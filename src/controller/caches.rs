//! What the API server holds, as far as decisions need it: one store per kind, who owns what, and who asked about what.
//!
//! Every change tells which Rollouts and AnalysisRuns it concerns. Knows nothing of watches; [`super::watch`] feeds it.

use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::object::{Key, Kind};
use crate::controller::cached::Seen;
use crate::controller::kinds::{ROUTES, WORKLOADS, on_demand};
use crate::controller::stores::{Stored, Stores, kind_of, older};
use crate::plan::analysis::Job;
use crate::plan::experiment::Experiment;
use crate::plan::{Answer, Question, ReplicaSet, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// An object whose pass is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kick {
    Rollout(Key),
    Run(Key),
    Experiment(Key),
}

impl Kick {
    /// Kind and key of the object.
    pub fn object(&self) -> (Kind, &Key) {
        match self {
            Kick::Rollout(key) => (Kind::Rollout, key),
            Kick::Run(key) => (Kind::AnalysisRun, key),
            Kick::Experiment(key) => (Kind::Experiment, key),
        }
    }
}

/// How far the cache of one kind is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Not tried yet.
    Unread,
    /// Tried, and not read yet; why, for people.
    Waiting(String),
    /// Read whole once, and followed since.
    Synced,
    /// The kind is not installed, and does not have to be; why, for people.
    Absent(String),
}

/// Shared by the watches that fill it and the passes that read it.
pub struct Caches {
    stores: RwLock<Stores>,
    /// Empty when every kind that must be installed has been read; else what is missing, for people.
    missing: watch::Sender<String>,
    /// Told when a kind's cache seems to be behind.
    doubts: BTreeMap<Kind, Notify>,
    /// Told when somebody asks about an object of a kind that need not be there.
    wanted: BTreeMap<Kind, Notify>,
}

/// A Rollout and everything it owns, sorted by name.
pub struct Family {
    pub rollout: Arc<Rollout>,
    pub replica_sets: Vec<Arc<ReplicaSet>>,
    pub runs: Vec<Arc<AnalysisRun>>,
    pub managed: Vec<Service>,
    /// Objects that routers made or manage.
    pub routed: Vec<(Kind, Arc<serde_json::Value>)>,
    /// One that cannot be decoded, and so is missing above: deciding without it could create it twice.
    pub broken: Option<Box<Broken>>,
}

/// An object that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub kind: Kind,
    pub key: Key,
    pub uid: String,
    pub version: String,
    pub message: String,
}

impl Caches {
    /// Caches of these kinds. Passes wait until all have been read; of HTTPRoutes, until it is known whether they can be.
    pub fn new(kinds: &[Kind]) -> Self {
        let mut stores = Stores::default();
        stores.sync = kinds.iter().map(|kind| (*kind, Sync::Unread)).collect();
        let missing = watch::Sender::new(stores.missing());
        Self {
            stores: RwLock::new(stores),
            missing,
            doubts: kinds.iter().map(|kind| (*kind, Notify::new())).collect(),
            wanted: ROUTES
                .into_iter()
                .chain(WORKLOADS)
                .map(|kind| (kind, Notify::new()))
                .collect(),
        }
    }

    /// Says that the cache of a kind seems to be behind: a write was refused again and again because of what it shows.
    pub fn doubt(&self, kind: Kind) {
        if let Some(doubt) = self.doubts.get(&kind) {
            doubt.notify_one();
        }
    }

    /// Waits for such a word.
    pub async fn doubted(&self, kind: Kind) {
        match self.doubts.get(&kind) {
            Some(doubt) => doubt.notified().await,
            None => std::future::pending().await,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Stores> {
        self.stores.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Stores> {
        self.stores.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps the caches from being complete; empty when nothing does.
    pub fn missing(&self) -> watch::Receiver<String> {
        self.missing.subscribe()
    }

    /// Whether a kind was listed to the end.
    pub fn is_read(&self, kind: Kind) -> bool {
        self.read().sync.get(&kind) == Some(&Sync::Synced)
    }

    /// Says how far the reading of a kind has come; returns whom that concerns.
    pub fn set_sync(&self, kind: Kind, sync: Sync) -> Vec<Kick> {
        let mut stores = self.write();
        let before = stores.sync.insert(kind, sync.clone());
        self.missing.send_replace(stores.missing());
        if before == Some(sync) {
            return Vec::new();
        }
        let of_kind = stores
            .askers
            .keys()
            .filter(|question| kind_of(question) == kind)
            .cloned();
        let questions: Vec<_> = of_kind.collect();
        questions
            .iter()
            .flat_map(|question| stores.askers_of(question))
            .collect()
    }

    /// Until when nothing may be decided from what is cached of this Rollout, because a list showed it as it was before.
    pub fn shown_as_it_was(&self, rollout: &Key) -> Option<Instant> {
        self.read().past.until(rollout)
    }

    /// A list of the kind begins: what it does not name is gone when it ends.
    pub fn begin_list(&self, kind: Kind) {
        self.write().listed.insert(kind, BTreeSet::new());
    }

    /// An object of a list. The list is the whole truth, so even an older version replaces what is cached.
    pub fn list<T: Stored>(&self, kind: Kind, seen: Seen<T>) -> Vec<Kick> {
        let mut stores = self.write();
        let key = seen.key();
        if let Some(listed) = stores.listed.get_mut(&kind) {
            listed.insert(key.clone());
        }
        if let Some(cached) = T::store(&stores, kind)
            .get(&key)
            .filter(|_| kind == Kind::Rollout)
        {
            let (uid, version) = (cached.uid.clone(), cached.version.clone());
            if uid == seen.uid() {
                stores.past.listed(&key, &uid, &version, &seen.version());
            }
        }
        stores.put(kind, seen)
    }

    /// The list is complete.
    pub fn end_list<T: Stored>(&self, kind: Kind) -> Vec<Kick> {
        let mut stores = self.write();
        let listed = stores.listed.remove(&kind).unwrap_or_default();
        let gone = T::store(&stores, kind).keys().filter(|key| !listed.contains(key));
        let gone: Vec<Key> = gone.cloned().collect();
        let mut kicks: Vec<Kick> = gone
            .iter()
            .flat_map(|key| stores.remove::<T>(kind, key))
            .collect();
        drop(stores);
        // Who asked about an object that the list does not have learns that it is missing, and not unknown any more.
        kicks.extend(self.set_sync(kind, Sync::Synced));
        kicks
    }

    /// A list failed. Once a kind has been read that changes nothing: what is cached is old at worst, and guards refuse what is
    /// decided from it, whereas answers that turn unknown would make sound Rollouts invalid.
    pub fn cannot_list(&self, kind: Kind, why: String) -> Vec<Kick> {
        let read_before = matches!(self.read().sync.get(&kind), Some(Sync::Synced));
        if read_before {
            return Vec::new();
        }
        self.set_sync(kind, Sync::Waiting(why))
    }

    /// A change told by a watch. One that is older than what is cached is left out: a watch may repeat itself.
    pub fn change<T: Stored>(&self, kind: Kind, seen: Seen<T>) -> Vec<Kick> {
        let mut stores = self.write();
        let cached = T::store(&stores, kind).get(&seen.key());
        if cached.is_some_and(|cached| cached.uid == seen.uid() && older(&seen.version(), &cached.version)) {
            return Vec::new();
        }
        stores.put(kind, seen)
    }

    pub fn delete<T: Stored>(&self, kind: Kind, key: &Key) -> Vec<Kick> {
        self.write().remove::<T>(kind, key)
    }

    /// Remembers what `rollout` asked about, so that changes there concern it, and calls for the kinds that are read on demand.
    pub fn ask(&self, rollout: &Key, questions: BTreeSet<Question>) {
        let of_routes = questions.iter().filter_map(|question| match question {
            Question::Route(kind, _) | Question::Workload(kind, _) => self.wanted.get(kind),
            _ => None,
        });
        of_routes.for_each(Notify::notify_one);
        if self.read().asked.get(rollout) != Some(&questions) {
            self.write().set_asked(rollout, questions);
        }
    }

    /// True while any Rollout asks about objects of this kind.
    pub fn asks_for(&self, kind: Kind) -> bool {
        let stores = self.read();
        stores.askers.keys().any(|question| kind_of(question) == kind)
    }

    /// Waits until somebody asks about an object of this kind.
    pub async fn wanted(&self, kind: Kind) {
        match self.wanted.get(&kind) {
            Some(wanted) => wanted.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Whether `rollout` asks about a kind that nobody asked about before, and that is being read only now.
    pub fn reads_for(&self, rollout: &Key) -> bool {
        let stores = self.read();
        let mut asked = stores.asked.get(rollout).into_iter().flatten().map(kind_of);
        asked.any(|kind| on_demand(kind) && stores.sync.get(&kind) == Some(&Sync::Unread))
    }

    pub fn answer(&self, question: &Question) -> Answer {
        self.read().answer(question)
    }

    /// The Rollout with everything it owns. `Err` when the Rollout itself cannot be decoded.
    pub fn family(&self, key: &Key) -> Option<Result<Family, Box<Broken>>> {
        let stores = self.read();
        let cached = stores.rollouts.get(key)?;
        Some(match &cached.object {
            Ok(rollout) => Ok(stores.family(rollout, &cached.uid)),
            Err(message) => Err(cached.broken(Kind::Rollout, key, message)),
        })
    }

    /// The Services that say that this Rollout manages their selector, whether it exists or not.
    pub fn managed_by(&self, rollout: &Key) -> Vec<Service> {
        self.read().managed_by(rollout)
    }

    pub fn run(&self, key: &Key) -> Option<Result<Arc<AnalysisRun>, Box<Broken>>> {
        let stores = self.read();
        let cached = stores.runs.get(key)?;
        Some(match &cached.object {
            Ok(run) => Ok(Arc::clone(run)),
            Err(message) => Err(cached.broken(Kind::AnalysisRun, key, message)),
        })
    }

    /// uid and resourceVersion of an object, and whether it is being deleted.
    pub fn version(&self, kind: Kind, key: &Key) -> Option<(String, String, bool)> {
        self.read().version(kind, key)
    }

    /// resourceVersions of everything of a kind.
    pub fn versions(&self, kind: Kind) -> BTreeMap<Key, String> {
        self.read().versions(kind)
    }

    /// The Jobs that this AnalysisRun controls; `None` while Jobs cannot be read.
    pub fn jobs_of(&self, run_uid: &str) -> Option<Vec<Job>> {
        self.read().jobs_of(run_uid)
    }

    pub fn experiment(&self, key: &Key) -> Option<Result<Arc<Experiment>, Box<Broken>>> {
        let stores = self.read();
        let cached = stores.experiments.get(key)?;
        Some(match &cached.object {
            Ok(experiment) => Ok(Arc::clone(experiment)),
            Err(message) => Err(cached.broken(Kind::Experiment, key, message)),
        })
    }

    /// Every object that has passes.
    pub fn all(&self) -> Vec<Kick> {
        let stores = self.read();
        let rollouts = stores.rollouts.keys().cloned().map(Kick::Rollout);
        rollouts
            .chain(stores.runs.keys().cloned().map(Kick::Run))
            .chain(stores.experiments.keys().cloned().map(Kick::Experiment))
            .collect()
    }

    /// Every readable Rollout, for the metrics.
    pub fn rollouts(&self) -> Vec<Arc<Rollout>> {
        let stores = self.read();
        let readable = stores
            .rollouts
            .values()
            .filter_map(|cached| cached.object.as_ref().ok());
        readable.map(Arc::clone).collect()
    }
}
