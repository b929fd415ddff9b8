//! At which requests a fault is aimed.

use super::plot::Dice;
use crate::cluster::request::{Call, Verb};

pub const ROLLOUTS: &str = "rollouts.argoproj.io";
pub const RUNS: &str = "analysisruns.argoproj.io";
pub const TEMPLATES: &str = "analysistemplates.argoproj.io";
pub const SETS: &str = "replicasets.apps";
pub const SERVICES: &str = "services";
pub const ROUTES: &str = "httproutes.gateway.networking.k8s.io";
pub const LEASES: &str = "leases.coordination.k8s.io";
pub const EVENTS: &str = "events";

/// What the controller writes, but for the Lease.
const WRITTEN: [&str; 6] = [ROLLOUTS, SETS, RUNS, ROUTES, SERVICES, EVENTS];
/// What it watches.
const WATCHED: [&str; 6] = [ROLLOUTS, SETS, RUNS, ROUTES, SERVICES, TEMPLATES];

/// Which requests.
#[derive(Clone, Debug)]
pub struct Aim {
    reads: bool,
    writes: bool,
    /// All when absent.
    resource: Option<&'static str>,
    /// So many of them.
    share: f64,
}

pub fn writes(verb: Verb) -> bool {
    !matches!(verb, Verb::Get | Verb::List | Verb::Watch)
}

/// A resource that is watched, or all of them.
pub fn watched(dice: &mut Dice) -> Option<&'static str> {
    dice.chance(0.6).then(|| dice.one_of(&WATCHED))
}

pub fn is(call: &Call, resource: Option<&'static str>) -> bool {
    resource.is_none_or(|wanted| &*call.resource.id == wanted)
}

impl Aim {
    /// Writes, of all kinds or of a drawn one.
    pub fn writes(dice: &mut Dice) -> Self {
        let resource = dice.chance(0.4).then(|| dice.one_of(&WRITTEN));
        // One kind is written seldom: then more of its writes must be met.
        let share = match resource {
            None => dice.share(0.05, 0.4),
            Some(_) => dice.share(0.6, 1.0),
        };
        Self {
            reads: false,
            writes: true,
            resource,
            share,
        }
    }

    /// Writes, and sometimes reads too.
    pub fn any(dice: &mut Dice) -> Self {
        let reads = dice.chance(0.5);
        Self {
            reads,
            ..Self::writes(dice)
        }
    }

    /// Every request.
    pub fn all() -> Self {
        Self {
            reads: true,
            writes: true,
            resource: None,
            share: 1.0,
        }
    }

    /// Every write.
    pub fn every_write() -> Self {
        Self {
            reads: false,
            ..Self::all()
        }
    }

    pub fn on(mut self, resource: &'static str) -> Self {
        self.resource = Some(resource);
        self
    }

    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Whether this request is one of those.
    pub fn hits(&self, dice: &mut Dice, call: &Call) -> bool {
        let meant = match writes(call.verb) {
            true => self.writes,
            false => self.reads,
        };
        meant && is(call, self.resource) && (self.share >= 1.0 || dice.chance(self.share))
    }
}
