//! The controllers and nodes around the API server, as models: they look at what changed, wait as long as their kind
//! of controller takes, and write what it would write. They know nothing of who uses them, and no Rollouts.
//!
//! [`Models::step`] does everything that is due and says when it wants to be called again though nothing changes.
//! Between a change and the reaction lies a delay drawn from the seed; equal seeds and equal requests give equal
//! stores. Each thing to do is a task on one agenda; a task reads the newest state when its time comes, so a burst of
//! changes is one reaction, as with a work queue.
//!
//! Real: what each file here says of itself. Absent: events, Deployments, StatefulSets, DaemonSets, volumes, preemption,
//! resources, probes but for their initial delay.

mod agenda;
mod autoscalers;
mod budgets;
mod collector;
mod endpoints;
pub mod faults;
mod ids;
mod index;
mod jobs;
mod kubelet;
pub mod metrics;
mod namespaces;
mod nodes;
pub mod pods;
mod reading;
mod replica_sets;
pub mod settings;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::Cluster;
use super::store::Key;
use super::world::World;
use crate::base::seed::Seed;
use agenda::Agenda;
use faults::Switches;
use index::Index;
use kubelet::Tended;

pub use faults::Faults;
pub use settings::Settings;

/// The most that is done in one step; the rest is done in the next, at the same time.
const TASKS_PER_STEP_MAX: usize = 10_000;

/// What is to be done about one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    ReplicaSet(Key),
    Bind(Key),
    Pod(Key),
    Endpoints(Key),
    /// Whether its owners are there, or what it waits for as an owner itself.
    Collect(Key),
    Job(Key),
    Autoscaler(Key),
    Budget(Key),
    Namespace(String),
    /// The node of this name was not heard of for a while.
    NodeSilent(String),
    NodeEvict(String),
}

/// The state of all models.
#[derive(Debug)]
pub struct Models {
    settings: Settings,
    seed: Seed,
    agenda: Agenda<Task>,
    index: Index,
    /// Everything up to this version was looked at; none before the first step.
    seen: Option<u64>,
    switches: Arc<Switches>,
    /// The count of the switches that were looked at.
    faults_seen: u64,
    tended: BTreeMap<Key, Tended>,
    /// How often in a row something was refused.
    refusals: BTreeMap<Key, u32>,
    lost_nodes: BTreeSet<String>,
    /// Namespaces that are being deleted.
    closing: BTreeSet<String>,
    autoscalers: BTreeMap<Key, autoscalers::Memory>,
    /// The version of the last status that a model wrote.
    quiet: Option<u64>,
}

impl Models {
    /// Equal settings, seeds and worlds give equal lives.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            seed: Seed::new(seed),
            agenda: Agenda::default(),
            index: Index::default(),
            seen: None,
            switches: Arc::default(),
            faults_seen: 0,
            tended: BTreeMap::new(),
            refusals: BTreeMap::new(),
            lost_nodes: BTreeSet::new(),
            closing: BTreeSet::new(),
            autoscalers: BTreeMap::new(),
            quiet: None,
        }
    }

    /// The switches of these models.
    pub fn faults(&self) -> Faults {
        self.settings.faults.clone()
    }

    /// Takes in what changed since the last step, does everything that is due, and says when to call again though
    /// nothing changes. `now` is the world's time.
    pub fn step(&mut self, world: &mut World, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.seen.is_none() {
            self.make_nodes(world);
        }
        self.observe(world, now);
        self.look_at_switches(world, now);
        for _ in 0..TASKS_PER_STEP_MAX {
            let Some(task) = self.agenda.pop(now) else {
                break;
            };
            self.perform(world, task, now);
            self.observe(world, now);
        }
        self.agenda.next()
    }

    fn perform(&mut self, world: &mut World, task: Task, now: DateTime<Utc>) {
        match task {
            Task::ReplicaSet(key) => self.sync_replica_set(world, &key, now),
            Task::Bind(key) => self.bind_pod(world, &key, now),
            Task::Pod(key) => self.tend_pod(world, &key, now),
            Task::Endpoints(key) => self.sync_endpoints(world, &key, now),
            Task::Collect(key) => self.collect(world, &key),
            Task::Job(key) => self.sync_job(world, &key, now),
            Task::Autoscaler(key) => self.sync_autoscaler(world, &key, now),
            Task::Budget(key) => self.sync_budget(world, &key, now),
            Task::Namespace(name) => self.empty_namespace(world, &name),
            Task::NodeSilent(name) => self.silence_node(world, &name, now),
            Task::NodeEvict(name) => self.evict_from_node(world, &name),
        }
    }

    /// Takes in the changes that were not looked at yet.
    fn observe(&mut self, world: &World, now: DateTime<Utc>) {
        let version = world.store.version();
        if self.seen == Some(version) {
            return;
        }
        let known = self.seen.filter(|&seen| seen <= version);
        match known.and_then(|seen| world.store.since(seen)) {
            Some(changes) => {
                for change in changes {
                    let (before, after) = (change.before.as_deref(), change.after.as_deref());
                    self.notice(world, &change.key, before, after, change.version, now);
                }
            }
            None => self.relist(world, now),
        }
        self.seen = Some(version);
    }

    /// Looks at everything: in the beginning, after the past was forgotten, and after time was turned back.
    fn relist(&mut self, world: &World, now: DateTime<Utc>) {
        self.index = Index::default();
        for (key, object) in world.store.all() {
            self.index.apply(&world.store, key, None, Some(object));
        }
        let store = &world.store;
        self.tended
            .retain(|key, tended| store.get(key).is_some_and(|pod| reading::uid(pod) == tended.uid));
        // Versions may come again after time was turned back.
        self.quiet = None;
        self.requeue(world, now);
    }

    /// Everything is looked at by its model again.
    fn requeue(&mut self, world: &World, now: DateTime<Utc>) {
        for (key, object) in world.store.all() {
            self.enqueue_collector(world, key, None, Some(object), now);
            self.enqueue_namespace(key, Some(object), now);
            self.enqueue(key, None, Some(object), now);
            if *key.resource == **ids::pods() {
                self.enqueue_owner(world, key, Some(object), now);
            }
        }
    }

    fn notice(
        &mut self,
        world: &World,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
        version: u64,
        now: DateTime<Utc>,
    ) {
        let pod = &*key.resource == "pods";
        let mut services = if pod {
            self.index.services_of(key)
        } else {
            Vec::new()
        };
        self.index.apply(&world.store, key, before, after);
        if pod && !endpoints::concerned(before, after) {
            services.clear();
        } else if pod {
            services.extend(self.index.services_of(key));
        }
        for service in services {
            self.later_endpoints(service, now);
        }
        self.enqueue_collector(world, key, before, after, now);
        self.enqueue_namespace(key, after, now);
        let quiet = self.quiet == Some(version);
        if !quiet {
            self.enqueue(key, before, after, now);
        }
        if pod && !reading::stands_as_before(before, after) {
            self.enqueue_owner(world, key, before, now);
            self.enqueue_owner(world, key, after, now);
        }
    }

    /// Writes a status. Whoever wrote it needs not hear of it.
    fn write_status(&mut self, world: &mut World, key: &Key, status: Value) {
        if writes::status(world, key, status) {
            self.quiet = Some(world.store.version());
        }
    }

    /// Puts on the agenda what a change of this object asks for.
    fn enqueue(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>, now: DateTime<Utc>) {
        match &*key.resource {
            "pods" => self.enqueue_pod(key, after, now),
            "replicasets.apps" => self.later(Task::ReplicaSet(key.clone()), self.settings.replica_sets, now),
            "services" | "endpointslices.discovery.k8s.io" => self.enqueue_service(key, before, after, now),
            "jobs.batch" => self.later(Task::Job(key.clone()), self.settings.jobs, now),
            "horizontalpodautoscalers.autoscaling" => self.enqueue_autoscaler(key, after, now),
            "poddisruptionbudgets.policy" => {
                self.later(Task::Budget(key.clone()), self.settings.budgets, now);
            }
            _ => {}
        }
    }

    /// Whoever controls a pod hears of it, of one that nobody controls those who might adopt it, and budgets in any case.
    fn enqueue_owner(&mut self, world: &World, key: &Key, pod: Option<&Value>, now: DateTime<Utc>) {
        let Some(pod) = pod else { return };
        self.enqueue_budgets(world, key, pod, now);
        let Some(uid) = reading::controller(pod) else {
            self.enqueue_adopters(world, key, pod, now);
            return;
        };
        let Some(owner) = self.index.by_uid(uid).cloned() else {
            return;
        };
        match &*owner.resource {
            "replicasets.apps" => self.later(Task::ReplicaSet(owner), self.settings.replica_sets, now),
            "jobs.batch" => self.later(Task::Job(owner), self.settings.jobs, now),
            _ => {}
        }
    }

    fn later(&mut self, task: Task, delay: settings::Delay, now: DateTime<Utc>) {
        let wait = delay.draw(&mut self.seed);
        self.agenda.add(task, now + wait);
    }

    /// When to try again what was refused; each time in a row it takes twice as long.
    fn after_refusal(&mut self, key: &Key) -> TimeDelta {
        let count = self.refusals.entry(key.clone()).or_default();
        let times = 1_i32 << (*count).min(20);
        *count += 1;
        (self.settings.retry_least * times).min(self.settings.retry_most)
    }

    /// Looks at the switches if they were thrown since the last step.
    fn look_at_switches(&mut self, world: &mut World, now: DateTime<Utc>) {
        let count = self.settings.faults.count();
        if count == self.faults_seen {
            return;
        }
        self.faults_seen = count;
        let switches = self.settings.faults.switches();
        if switches != self.switches {
            self.switches = switches;
            self.look_at_lost_nodes(world, now);
            self.requeue(world, now);
        }
        for (which, strike) in self.settings.faults.take_strikes() {
            self.strike(world, &which, strike, now);
        }
        self.observe(world, now);
    }
}

impl Cluster {
    /// Runs the models until the future is dropped. Their seed comes from the cluster's.
    pub fn start_models(&self, settings: Settings) -> impl Future<Output = ()> + Send + 'static + use<> {
        let cluster = self.clone();
        let clock = self.world().clock().clone();
        let mut models = Models::new(settings, self.world().split_seed());
        let mut changed = self.subscribe();
        let mut thrown = models.settings.faults.subscribe();
        async move {
            loop {
                changed.catch_up();
                thrown.borrow_and_update();
                let due = cluster.change(|world| {
                    let now = world.now();
                    models.step(world, now)
                });
                let wake = async {
                    match due {
                        Some(due) => tokio::time::sleep_until(clock.instant_of(due)).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    heard = changed.changed() => if heard.is_err() { return },
                    _ = thrown.changed() => {}
                    () = wake => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
