//! Where everything that happens is told: the traffic flows between two happenings, the laws look, the transcript grows.

use crate::base::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::request::Call;
use crate::cluster::store::{Change, Store};
use crate::simulate::laws::{Broken, Laws};
use crate::simulate::prometheus::Prometheus;
use crate::simulate::record::{Moment, Record, Requested, Served, What};
use crate::simulate::traffic::Traffic;
use crate::simulate::transcript::Transcript;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The stage. Clones share it.
#[derive(Clone, Debug)]
pub struct Stage {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

/// What is on it.
#[derive(Debug)]
pub struct State {
    pub traffic: Traffic,
    pub prometheus: Prometheus,
    pub transcript: Transcript,
    pub laws: Option<Laws>,
    pub broken: Vec<Broken>,
    pub tally: Tally,
}

/// What was counted over a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Requests of the controller's replicas, by verb and resource.
    pub requests: BTreeMap<(String, String), u64>,
    /// Things that happened.
    pub records: u64,
    /// Users' requests: answered, answered with an error, by version; and not answered at all.
    pub served: BTreeMap<String, (f64, f64)>,
    pub refused: f64,
    pub measurements: u64,
    /// What Slack was told.
    pub said: Vec<String>,
}

impl Stage {
    pub fn new(clock: Clock, state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        Self { clock, state }
    }

    /// The state. Lock the cluster's world first where both are needed, and hold neither across an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened that changed nothing in the cluster.
    pub fn tell(&self, cluster: &Cluster, what: What) {
        let world = cluster.world();
        self.happened(&world.store, what);
    }

    /// A request was answered, or the cluster changed by itself.
    pub fn done(&self, store: &Store, by: Option<(&Call, u16)>, changes: &[Change]) {
        self.flow(store, changes);
        let what = match by {
            None => What::Changed(changes.to_vec()),
            Some((call, code)) => What::Request(Box::new(requested(call, code, changes))),
        };
        self.happened(store, what);
    }

    /// Lets the requests of users flow until now, by what held before `changes`.
    pub fn flow(&self, store: &Store, changes: &[Change]) {
        let now = self.clock.now();
        let mut state = self.state();
        if !changes.is_empty() && !changes.iter().any(Traffic::concerns) {
            return;
        }
        let served = state.traffic.advance(store, now);
        changes.iter().for_each(|change| state.traffic.note(change));
        drop(state);
        if !served.is_empty() {
            self.happened(store, What::Traffic(served));
        }
    }

    fn happened(&self, store: &Store, what: What) {
        let record = Record {
            at: self.clock.now(),
            what,
        };
        let mut state = self.state();
        state.tally.count(&record);
        if let Some(laws) = &mut state.laws {
            let broken = laws.look(&Moment {
                record: &record,
                store,
            });
            state.broken.extend(broken);
        }
        state.transcript.add(record);
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl Tally {
    fn count(&mut self, record: &Record) {
        self.records += 1;
        match &record.what {
            What::Request(request) if request.caller.starts_with("serin") => {
                let kind = (format!("{:?}", request.verb), request.resource.to_string());
                *self.requests.entry(kind).or_default() += 1;
            }
            What::Traffic(served) => served.iter().for_each(|one| self.count_served(one)),
            What::Asked(_) => self.measurements += 1,
            What::Slack(sent) => self.said.push(sent.text.clone()),
            _ => {}
        }
    }

    fn count_served(&mut self, served: &Served) {
        if served.pod.is_empty() {
            self.refused += served.requests;
            return;
        }
        let (requests, errors) = self.served.entry(served.hash.clone()).or_default();
        *requests += served.requests;
        *errors += served.errors;
    }
}

fn requested(call: &Call, code: u16, changes: &[Change]) -> Requested {
    let body = match call.body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&call.body).unwrap_or_default(),
    };
    Requested {
        caller: Arc::clone(&call.caller),
        verb: call.verb,
        resource: Arc::clone(&call.resource.id),
        namespace: call.namespace.clone(),
        name: call.name.clone(),
        subresource: call.subresource.clone(),
        body,
        code,
        changes: changes.to_vec(),
    }
}
