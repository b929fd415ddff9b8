//! Istio: the weights of routes of VirtualServices, by host or by subset of a DestinationRule, and routes of the controller's own for
//! headers and mirrors. Destinations and routes of others stay as they are; where they have weights, stable gets what is left.

mod select;
mod special;
pub mod subset;

use crate::api::traffic::{Istio, IstioVirtualService};
use crate::base::object::{Key, Kind};
use crate::route::{Look, Object, Router, Special, Subject, Wanted, Weights, Write};
use select::Protocol;
use serde_json::{Map, Value, json};

/// What a Service's full name ends with.
const CLUSTER_DOMAIN: &str = ".svc.cluster.local";

/// The VirtualServices of one Rollout.
pub struct VirtualServices<'a> {
    of: Subject<'a>,
    config: &'a Istio,
}

/// Who gets the requests of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Canary,
    Stable,
    Other,
}

impl<'a> VirtualServices<'a> {
    pub fn new(of: Subject<'a>, config: &'a Istio) -> Self {
        Self { of, config }
    }

    fn services(&self) -> impl Iterator<Item = (Key, &'a IstioVirtualService)> {
        let all = self
            .config
            .virtual_service
            .iter()
            .chain(&self.config.virtual_services);
        let namespace = &self.of.rollout.namespace;
        all.map(move |service| (key(&service.name, namespace), service))
    }

    fn side(&self, destination: &Value) -> Side {
        let target = &destination["destination"];
        let host = target["host"].as_str().unwrap_or_default();
        let host = host.split('.').next().unwrap_or_default();
        let subset = target["subset"].as_str().unwrap_or_default();
        let rule = self.config.destination_rule.as_ref();
        let is = |service: &str, of_rule: Option<&str>| {
            let by_host = !service.is_empty() && host == service;
            by_host || of_rule.is_some_and(|name| !name.is_empty() && name == subset)
        };
        let canary = rule.map(|rule| rule.canary_subset_name.as_str());
        let stable = rule.map(|rule| rule.stable_subset_name.as_str());
        if is(self.of.backends.canary, canary) {
            Side::Canary
        } else if is(self.of.backends.stable, stable) {
            Side::Stable
        } else {
            Side::Other
        }
    }

    fn sum(&self, route: &Value, side: Side) -> i64 {
        let on_side = destinations(route).filter(|destination| self.side(destination) == side);
        on_side.map(weight).sum()
    }

    fn has(&self, route: &Value, side: Side) -> bool {
        destinations(route).any(|destination| self.side(destination) == side)
    }

    fn has_both(&self, route: &Value) -> bool {
        self.has(route, Side::Canary) && self.has(route, Side::Stable)
    }

    /// The route with these weights; stable leaves others theirs. Of several destinations of one side the first gets all.
    fn weighted(&self, route: &Value, wanted: Weights) -> Value {
        let others = self.sum(route, Side::Other);
        let mut left = [
            (Side::Canary, wanted.canary),
            (Side::Stable, (wanted.stable - others).max(0)),
        ];
        let mut route = route.clone();
        let all = route["route"].as_array_mut().into_iter().flatten();
        for destination in all {
            let side = self.side(destination);
            let Some((_, share)) = left.iter_mut().find(|(of, _)| *of == side) else {
                continue;
            };
            let share = std::mem::take(share);
            if weight(destination) != share {
                destination["weight"] = json!(share);
            }
        }
        route
    }

    /// The routes of one protocol as they shall be; `None` when they are so or there are none.
    fn routes(
        &self,
        service: &Value,
        of: &IstioVirtualService,
        protocol: Protocol,
        wanted: &Wanted,
    ) -> Option<Value> {
        let seen = service["spec"].get(protocol.field())?.as_array()?;
        let chosen = select::chosen(self, service, of, protocol).unwrap_or_default();
        let all = seen.iter().enumerate();
        let mut routes: Vec<Value> = all
            .filter(|(_, route)| protocol != Protocol::Http || !self.owns(route))
            .map(|(index, route)| match chosen.contains(&index) {
                true => self.weighted(route, wanted.weights),
                false => route.clone(),
            })
            .collect();
        if protocol == Protocol::Http
            && let Some(model) = chosen
                .first()
                .map(|index| self.weighted(&seen[*index], wanted.weights))
        {
            let ours = wanted.specials.iter();
            let made: Vec<Value> = ours.map(|one| special::route(self, one, &model)).collect();
            routes.splice(0..0, made);
        }
        (routes != *seen).then_some(Value::Array(routes))
    }

    /// Whether a route of a VirtualService is one of the controller's.
    fn owns(&self, route: &Value) -> bool {
        let name = route["name"].as_str().unwrap_or_default();
        !name.is_empty() && self.of.owned_routes().any(|owned| owned == name)
    }

    fn patch(&self, service: &Value, of: &IstioVirtualService, wanted: &Wanted) -> Option<Value> {
        let mut spec = Map::new();
        for protocol in Protocol::ALL {
            if let Some(routes) = self.routes(service, of, protocol, wanted) {
                spec.insert(protocol.field().into(), routes);
            }
        }
        (!spec.is_empty()).then(|| json!({"spec": spec}))
    }

    /// What a write of the VirtualService `seen` is told as: its weights, or else the route beside them that is new.
    fn told(&self, seen: &Value, name: &str, wanted: &Wanted, look: Look) -> Option<String> {
        let weights = self.weights(look);
        if weights.iter().any(|weights| *weights != Some(wanted.weights)) {
            let weight = wanted.weights.canary;
            return Some(format!("VirtualService `{name}` set to desiredWeight '{weight}'"));
        }
        let there = |special: &&Special| {
            let mut routes = seen["spec"]["http"].as_array().into_iter().flatten();
            routes.any(|route| route["name"] == special.name())
        };
        let new = wanted.specials.iter().find(|special| !there(special))?;
        let what = match new {
            Special::Header(_) => "headerRoute",
            Special::Mirror(_) => "mirrorRoute",
        };
        Some(format!("VirtualService `{name}` set {what} '{}'", new.name()))
    }

    fn problem_of_rule(&self, look: Look) -> Option<String> {
        let config = self.config.destination_rule.as_ref()?;
        let rule = look(Kind::DestinationRule, &self.rule_key()?)?;
        let names = [&config.canary_subset_name, &config.stable_subset_name];
        let missing = names
            .into_iter()
            .find(|name| subset::hash(rule, name).is_none())?;
        Some(format!(
            "DestinationRule \"{}\" has no subset \"{missing}\": add it, or correct the name",
            config.name
        ))
    }

    fn rule_key(&self) -> Option<Key> {
        let rule = self.config.destination_rule.as_ref()?;
        Some(key(&rule.name, &self.of.rollout.namespace))
    }
}

/// `name`, or `name.namespace`, in the cluster's domain or without it.
pub fn key(name: &str, namespace: &str) -> Key {
    let name = name.strip_suffix(CLUSTER_DOMAIN).unwrap_or(name);
    match name.split_once('.') {
        Some((name, namespace)) => Key::new(namespace, name),
        None => Key::new(namespace, name),
    }
}

fn destinations(route: &Value) -> impl Iterator<Item = &Value> {
    route["route"].as_array().into_iter().flatten()
}

/// The weight of a destination; absent is none, since the controller's destinations are never alone.
fn weight(destination: &Value) -> i64 {
    let weight = &destination["weight"];
    let whole = || weight.as_f64().map(|weight| weight.round() as i64);
    weight.as_i64().or_else(whole).unwrap_or(0)
}

impl Router for VirtualServices<'_> {
    fn objects(&self) -> Vec<Object> {
        let object = |kind, key| Object {
            kind,
            key,
            must_exist: true,
        };
        let services = self.services().map(|(key, _)| object(Kind::VirtualService, key));
        let rule = self.rule_key().map(|key| object(Kind::DestinationRule, key));
        services.chain(rule).collect()
    }

    fn problems(&self, look: Look) -> Vec<String> {
        let of = |(key, config): (Key, &IstioVirtualService)| {
            let service = look(Kind::VirtualService, &key)?;
            let why = select::problem(self, service, config)?;
            Some(format!("VirtualService \"{key}\": {why}"))
        };
        let services = self.services().filter_map(of);
        services.chain(self.problem_of_rule(look)).collect()
    }

    fn weights(&self, look: Look) -> Vec<Option<Weights>> {
        let mut all = Vec::new();
        for (key, config) in self.services() {
            let Some(service) = look(Kind::VirtualService, &key) else {
                all.push(None);
                continue;
            };
            for protocol in Protocol::ALL {
                let chosen = select::chosen(self, service, config, protocol).unwrap_or_default();
                let routes = chosen
                    .into_iter()
                    .map(|index| &service["spec"][protocol.field()][index]);
                all.extend(routes.map(|route| {
                    Some(Weights {
                        canary: self.sum(route, Side::Canary),
                        stable: self.sum(route, Side::Stable),
                    })
                }));
            }
        }
        all
    }

    fn pinned(&self, look: Look) -> bool {
        let has_ours = |service: &Value| {
            let routes = service["spec"]["http"].as_array();
            routes.into_iter().flatten().any(|route| self.owns(route))
        };
        let mut services = self.services();
        services.any(|(key, _)| look(Kind::VirtualService, &key).is_some_and(has_ours))
    }

    fn writes(&self, look: Look, wanted: &Wanted) -> Vec<Write> {
        let write = |(key, config): (Key, &IstioVirtualService)| {
            let body = self.patch(look(Kind::VirtualService, &key)?, config, wanted)?;
            let told = self.told(look(Kind::VirtualService, &key)?, &config.name, wanted, look);
            Some(Write {
                kind: Kind::VirtualService,
                key,
                body,
                creates: false,
                told: told.map(|message| ("Updated VirtualService", message)),
            })
        };
        self.services().filter_map(write).collect()
    }

    fn serves(&self, look: Look, wanted: &Wanted) -> bool {
        let seen = |(key, _)| look(Kind::VirtualService, &key).is_some();
        self.services().all(seen) && self.writes(look, wanted).is_empty()
    }
}

#[cfg(test)]
mod tests;
