//! Traffic routers: objects in, patches out, on untyped JSON so that no field of someone else's is ever lost.
//!
//! A router knows which objects carry its weights, reads the weights that these serve, and says which writes make them serve others.
//! What the weights shall be, and when, is decided elsewhere. Knows nothing of pods.

mod alb;
pub mod gateway_api;
pub(crate) mod ingress;
pub mod istio;
pub mod nginx;

use crate::api::steps::{SetHeaderRoute, SetMirrorRoute};
use crate::api::strategy::{CanaryStep, CanaryStrategy};
use crate::api::traffic::TrafficRouting;
use crate::base::object::{Key, Kind, Meta};
use serde_json::Value;

/// The two Services of a canary.
#[derive(Clone, Copy, Debug)]
pub struct Backends<'a> {
    pub canary: &'a str,
    pub stable: &'a str,
}

/// Weights of the canary and of stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    pub canary: i64,
    pub stable: i64,
}

/// What a router is told of the Rollout.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub rollout: &'a Meta,
    pub canary: &'a CanaryStrategy,
    pub routing: &'a TrafficRouting,
    /// The Services as they take part now.
    pub backends: Backends<'a>,
    /// Weights are parts of this.
    pub weight_max: i64,
}

impl<'a> Subject<'a> {
    /// Names of the routes beside the weights that are the controller's: made when a step asks for one, removed when none does.
    pub fn owned_routes(&self) -> impl Iterator<Item = &'a str> {
        let declared = self
            .routing
            .managed_routes
            .iter()
            .map(|route| route.name.as_str());
        let steps = self.canary.steps.iter();
        declared.chain(steps.filter_map(|step| Special::of(step).map(|special| special.name())))
    }
}

/// An object that a router reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub kind: Kind,
    pub key: Key,
    /// False for what the controller makes itself.
    pub must_exist: bool,
}

/// A route beside the weights, for the step that asks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Special<'a> {
    Header(&'a SetHeaderRoute),
    Mirror(&'a SetMirrorRoute),
}

impl<'a> Special<'a> {
    /// What a step sets, or removes.
    pub fn of(step: &'a CanaryStep) -> Option<Self> {
        let header = step.set_header_route.as_ref().map(Special::Header);
        header.or_else(|| step.set_mirror_route.as_ref().map(Special::Mirror))
    }

    /// Without any condition on requests the step removes the route.
    pub fn removes(&self) -> bool {
        match self {
            Special::Header(route) => route.match_.is_empty(),
            Special::Mirror(route) => route.match_.is_empty(),
        }
    }

    pub fn name(&self) -> &'a str {
        match self {
            Special::Header(route) => &route.name,
            Special::Mirror(route) => &route.name,
        }
    }
}

/// What the routers shall serve.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted<'a> {
    pub weights: Weights,
    /// In the order in which they take precedence; every other route of the controller goes.
    pub specials: Vec<Special<'a>>,
}

/// A write, guarded by what was seen: a merge patch of an object that exists, or the whole of one that does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub kind: Kind,
    pub key: Key,
    pub body: Value,
    pub creates: bool,
    /// Reason and message of the Event, as Argo Rollouts words them.
    pub told: Option<(&'static str, String)>,
}

/// The objects as they were seen; `None` for what is missing or cannot be read.
pub type Look<'l, 'v> = &'l (dyn Fn(Kind, &Key) -> Option<&'v Value> + 'l);

/// One router of one Rollout.
pub trait Router {
    /// Everything that it reads and writes.
    fn objects(&self) -> Vec<Object>;

    /// Why it cannot work with the objects as they are, for people; missing ones are not its business.
    fn problems(&self, look: Look) -> Vec<String>;

    /// The weights of every rule that it drives; `None` for an object that tells none.
    fn weights(&self, look: Look) -> Vec<Option<Weights>>;

    /// Whether some requests go to the canary whatever the weights.
    fn pinned(&self, _look: Look) -> bool {
        false
    }

    /// Why nobody serves its objects, when that is known.
    fn refusal(&self, _look: Look) -> Option<String> {
        None
    }

    /// What to write so that `wanted` is served; empty when it is written already.
    fn writes(&self, look: Look, wanted: &Wanted) -> Vec<Write>;

    /// Whether the objects, as they were seen, serve exactly `wanted`.
    fn serves(&self, look: Look, wanted: &Wanted) -> bool {
        let of_all = self.weights(look);
        self.refusal(look).is_none() && of_all.iter().all(|weights| *weights == Some(wanted.weights))
    }
}

/// The routers of a Rollout, in the order in which they are written.
pub fn routers<'a>(of: &Subject<'a>) -> Vec<Box<dyn Router + 'a>> {
    let mut all: Vec<Box<dyn Router + 'a>> = Vec::new();
    if let Some(config) = &of.routing.istio {
        all.push(Box::new(istio::VirtualServices::new(*of, config)));
    }
    if let Some(config) = &of.routing.nginx {
        all.push(Box::new(nginx::Ingresses::new(*of, config)));
    }
    if let Some(config) = &of.routing.alb {
        all.push(Box::new(alb::LoadBalancers::new(*of, config)));
    }
    if let Some(Ok(config)) = gateway_api::config(of.routing) {
        let keys = gateway_api::routes(&config, &of.rollout.namespace);
        all.push(Box::new(gateway_api::Routes::new(keys, of.backends)));
    }
    all
}
