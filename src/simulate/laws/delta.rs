//! What one record changed, in the words of the laws: versions' shares, sizes, Services, routes, Rollouts, runs.

use super::objects::{Route, Run};
use super::read::Id;
use super::rollout::Rollout;
use super::tale::Tale;
use crate::cluster::store::Change;
use crate::simulate::record::{Record, What};
use std::sync::Arc;

/// What one record changed.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// An object that laws know was written, whether or not any of the below came of it.
    pub any: bool,
    pub rollouts: Vec<Turn>,
    pub runs: Vec<RunTurn>,
    pub shares: Vec<ShareMove>,
    pub sizes: Vec<SizeMove>,
    pub switches: Vec<Switch>,
    /// With the route as it was before.
    pub routes: Vec<(Id, Option<Arc<Route>>)>,
    /// A scale-down delay of a ReplicaSet began, changed or ended.
    pub deadlines: bool,
}

/// A Rollout came, changed or went.
#[derive(Clone, Debug)]
pub struct Turn {
    pub before: Option<Arc<Rollout>>,
    pub after: Option<Arc<Rollout>>,
    /// What had happened to it until then.
    pub tale: Tale,
}

/// A run came, changed or went.
#[derive(Clone, Debug)]
pub struct RunTurn {
    pub before: Option<Arc<Run>>,
    pub after: Option<Arc<Run>>,
}

/// The share of a version changed.
#[derive(Clone, Debug)]
pub struct ShareMove {
    pub rollout: Id,
    pub hash: String,
    pub from: i64,
    pub to: i64,
}

/// `spec.replicas` of a ReplicaSet changed, or one came or went.
#[derive(Clone, Debug)]
pub struct SizeMove {
    pub set: Id,
    pub from: i64,
    pub to: i64,
}

/// A Service selects another version.
#[derive(Clone, Debug)]
pub struct Switch {
    pub service: Id,
    pub from: String,
    pub to: String,
}

/// What a record changed in the store.
pub fn changes(record: &Record) -> &[Change] {
    match &record.what {
        What::Request(request) => &request.changes,
        What::Changed(changes) => changes,
        _ => &[],
    }
}
