//! A small Kubernetes in memory, which speaks HTTP to a client without a socket. It must not know what a Rollout is.
//!
//! **Real**: resource versions from one counter, uids and names from a seed, optimistic locking, generations with and
//! without a status subresource, writes that change nothing, merge, JSON and strategic-merge patches, server-side apply with its owners, status and scale
//! subresources, lists with selectors and consistent pages, watches with bookmarks and 410, deletion with preconditions,
//! grace and finalizers, evictions under disruption budgets, events in both of their forms, definitions of custom
//! resources with pruning, defaulting and validation, and for every refusal the code, reason, message and causes of kube-apiserver 1.36.
//!
//! **Models** ([`models`], once [`Cluster::start_models`] runs): ReplicaSets, pods with scheduler and kubelets, nodes,
//! EndpointSlices, garbage collection, Jobs, horizontal autoscalers, disruption budgets, namespaces that are deleted; each with
//! a delay of its own, and switches for what goes wrong. Without them no pod starts and nothing is collected. Deployments,
//! StatefulSets and DaemonSets are objects without a controller.
//!
//! **Absent**: authentication and authorization, webhooks, admission but for defaults, conversion between versions (the storage version is served), protobuf, tables, OpenAPI, logs and exec. Built-in
//! objects are validated only as far as `rules` says.
//!
//! Nothing here reads a clock but the one it was given, opens a socket or starts a thread: equal seeds and equal
//! requests give equal answers.

mod apply;
pub mod bell;
mod builtin;
pub mod catalog;
mod connections;
mod defaults;
pub mod discovery;
mod events;
pub mod failure;
pub mod gate;
mod golang;
mod labels;
pub mod models;
mod options;
mod patch;
mod read;
pub mod request;
mod rules;
mod schema;
pub mod select;
mod service;
pub mod store;
mod typed;
mod watch;
pub mod world;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::base::clock::Clock;
use bell::{Bell, Ear};
use connections::Connections;
use failure::Failure;
use gate::{Gate, Open};
use request::Call;
use world::World;
use write::Written;

pub use service::Service;

/// The cluster. Clones share it.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    gate: Mutex<Arc<dyn Gate>>,
    /// The version of the last write, for those who wait for one.
    changed: Bell<u64>,
    connections: Connections,
}

impl Cluster {
    /// An empty cluster with the namespaces `default` and `kube-system`.
    pub fn new(seed: u64, clock: Clock) -> Self {
        Self::from_world(World::new(seed, clock))
    }

    /// A client of this cluster, in the namespace `default`.
    pub fn client(&self) -> kube::Client {
        self.client_as("client")
    }

    /// A client whose requests carry the name of their caller to the gate.
    pub fn client_as(&self, caller: &str) -> kube::Client {
        kube::Client::new(self.service_as(caller), "default")
    }

    /// The HTTP service itself.
    pub fn service(&self) -> Service {
        self.service_as("client")
    }

    pub fn service_as(&self, caller: &str) -> Service {
        Service::new(self.clone(), caller)
    }

    /// Serves a custom resource.
    ///
    /// # Errors
    /// The API server's refusal if the definition is malformed, and one of our own if it has a validation rule that
    /// is not understood here.
    pub fn install_crd(&self, definition: Value) -> Result<(), Failure> {
        self.change(|world| service::install(world, definition))
    }

    /// Makes a namespace unless it is there.
    pub fn make_namespace(&self, name: &str) {
        self.change(|world| world.make_namespace(name));
    }

    /// From now on this gate decides what passes.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        *self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    pub fn gate(&self) -> Arc<dyn Gate> {
        Arc::clone(&self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state, to look at. Must not be held across an await.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a request at once and past the gate: how actors of the same process use the cluster. Not for watches.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn request(&self, call: &Call) -> Result<Value, Failure> {
        self.perform(call).map(|written| written.object)
    }

    fn perform(&self, call: &Call) -> Result<Written, Failure> {
        let code = |done: &Result<Written, Failure>| match done {
            Ok(written) => written.code,
            Err(failure) => failure.code,
        };
        self.change_by(Some(call), |world| service::perform(world, call), code)
    }

    /// A cluster that begins with what is in `world`.
    pub fn from_world(world: World) -> Self {
        let changed = Bell::new(world.store.version());
        let gate: Mutex<Arc<dyn Gate>> = Mutex::new(Arc::new(Open));
        Self {
            shared: Arc::new(Shared {
                world: Mutex::new(world),
                gate,
                changed,
                connections: Connections::default(),
            }),
        }
    }

    /// Changes the state and tells those who watch.
    pub fn change<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        self.change_by(None, work, |_| 0)
    }

    /// As [`Cluster::change`], by a request whose answer has this HTTP status.
    fn change_by<T>(
        &self,
        call: Option<&Call>,
        work: impl FnOnce(&mut World) -> T,
        code: impl FnOnce(&T) -> u16,
    ) -> T {
        let mut world = self.world();
        let before = world.store.version();
        let answer = work(&mut world);
        let version = world.store.version();
        let changes = world.store.changes_after(before);
        if call.is_some() || !changes.is_empty() {
            let by = call.map(|call| (call, code(&answer)));
            self.gate().done(&world.store, by, &changes);
        }
        drop(world);
        self.shared
            .changed
            .ring_if(|seen| std::mem::replace(seen, version) != version);
        answer
    }

    /// Forgets the past: watches from before must list again.
    pub fn compact(&self) {
        self.change(|world| world.store.compact());
    }

    /// Ends all watches of a caller, or of everybody: they may begin anew at once.
    pub fn hang_up(&self, caller: Option<&str>) {
        self.shared.connections.cut(caller);
    }

    /// Hears of every write.
    pub fn subscribe(&self) -> Ear<u64> {
        self.shared.changed.ear()
    }
}

#[cfg(test)]
mod tests;
