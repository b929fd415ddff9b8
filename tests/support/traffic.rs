//! A data plane without containers: follows the weights of `HTTPRoutes` and the ready endpoints of Services,
//! lets a stated rate of requests flow over them, and reports what the pods would report, at `/metrics`, for a
//! real Prometheus to scrape.
//!
//! It also keeps the [`ledger`]: whether weight ever flowed to a Service that could not carry it.

pub mod metrics;
pub mod seen;

pub use serin::simulate::traffic::{ledger, profile, split};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use kube::Client;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use ledger::Violation;
use seen::Seen;
use split::Rules;

/// How often requests are counted. Well below any scrape interval.
const TICK: Duration = Duration::from_millis(100);

/// Where a load enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An `HTTPRoute`: by its weights.
    Route(String),
    /// A Service: evenly over its ready endpoints, as without any router.
    Service(String),
}

/// The running model. Dropping it ends the traffic and its `/metrics`.
#[derive(Debug)]
pub struct Traffic {
    flow: Arc<Mutex<Flow>>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Everything that changes: what the cluster looks like, the loads, and what has been served.
#[derive(Debug, Default)]
pub struct Flow {
    pub(crate) seen: Seen,
    loads: BTreeMap<u64, LoadState>,
    loads_ever: u64,
    /// Requests by namespace, Service and pod.
    pub(crate) served: BTreeMap<(String, String, String), f64>,
    /// Requests that found no endpoint, by namespace and Service.
    pub(crate) refused: BTreeMap<(String, String), f64>,
}

#[derive(Debug)]
struct LoadState {
    namespace: String,
    target: Target,
    per_second: f64,
    refused: f64,
    by_hash: BTreeMap<String, f64>,
}

impl Traffic {
    /// Follows the whole cluster and serves `/metrics` on a free port of 127.0.0.1.
    pub async fn start(client: Client) -> Result<Self> {
        let flow = Arc::new(Mutex::new(Flow::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        seen::follow(&mut tasks, &client, &flow);
        tasks.spawn(run_ticks(flow.clone()));
        tasks.spawn(metrics::serve(listener, flow.clone()));
        Ok(Self {
            flow,
            address,
            _tasks: tasks,
        })
    }

    /// Where `/metrics` is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets `per_second` requests flow to `target` until the load is dropped. Safety is judged from the
    /// present revision on, so that a Service may be without pods before.
    pub async fn drive(
        &self,
        client: &Client,
        namespace: &str,
        target: Target,
        per_second: f64,
    ) -> Result<Load> {
        let since = seen::present_revision(client, namespace).await?;
        let state = LoadState {
            namespace: namespace.to_owned(),
            target: target.clone(),
            per_second,
            refused: 0.0,
            by_hash: BTreeMap::new(),
        };
        let mut flow = lock(&self.flow);
        flow.loads_ever += 1;
        let id = flow.loads_ever;
        flow.loads.insert(id, state);
        drop(flow);
        Ok(Load {
            flow: self.flow.clone(),
            id,
            namespace: namespace.to_owned(),
            target,
            since,
        })
    }
}

/// A stream of requests. Dropping it ends it.
#[derive(Debug)]
pub struct Load {
    flow: Arc<Mutex<Flow>>,
    id: u64,
    namespace: String,
    target: Target,
    since: u64,
}

impl Load {
    /// Changes the rate.
    pub fn set_rate(&self, per_second: f64) {
        self.with(|load| load.per_second = per_second);
    }

    /// How many requests found no ready endpoint so far.
    pub fn refused(&self) -> f64 {
        self.with(|load| load.refused)
    }

    /// How many requests each version has served so far, by its pod-template hash.
    pub fn served(&self) -> BTreeMap<String, f64> {
        self.with(|load| load.by_hash.clone())
    }

    /// Every span of time since the start of this load in which its route (or Service) sent requests to
    /// where nobody could carry them. Exact: see [`ledger`].
    pub async fn violations(&self, client: &Client) -> Result<Vec<Violation>> {
        let latest = seen::list_present(client, &self.namespace).await?;
        let mut flow = lock(&self.flow);
        flow.seen.note_all(latest);
        let found = match &self.target {
            Target::Route(name) => flow
                .seen
                .ledger
                .violations(&(self.namespace.clone(), name.clone()), self.since),
            Target::Service(name) => {
                flow.seen
                    .ledger
                    .violations_of_service(&self.namespace, name, self.since)
            }
        };
        Ok(found)
    }

    fn with<T: Default>(&self, read: impl FnOnce(&mut LoadState) -> T) -> T {
        lock(&self.flow)
            .loads
            .get_mut(&self.id)
            .map(read)
            .unwrap_or_default()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        lock(&self.flow).loads.remove(&self.id);
    }
}

pub(crate) fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    // A panic elsewhere must not hide its own message behind this one.
    flow.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run_ticks(flow: Arc<Mutex<Flow>>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        let now = ticks.tick().await;
        lock(&flow).tick((now - last).as_secs_f64());
        last = now;
    }
}

impl Flow {
    /// Lets the requests of `seconds` flow.
    fn tick(&mut self, seconds: f64) {
        for load in self.loads.values_mut() {
            let rules = match &load.target {
                Target::Route(name) => self.seen.rules(&load.namespace, name),
                Target::Service(name) => Rules::from([BTreeMap::from([(name.clone(), 1)])]),
            };
            let ready = self.seen.ready(&load.namespace);
            let shares = split::split(load.per_second * seconds, &rules, &ready);
            for ((service, pod), requests) in shares.carried {
                let hash = self.seen.hash(&load.namespace, &pod);
                *load.by_hash.entry(hash).or_default() += requests;
                *self
                    .served
                    .entry((load.namespace.clone(), service, pod))
                    .or_default() += requests;
            }
            for (service, requests) in shares.refused {
                load.refused += requests;
                *self.refused.entry((load.namespace.clone(), service)).or_default() += requests;
            }
        }
    }
}
