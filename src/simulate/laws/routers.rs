//! What the laws know of the objects of NGINX, Istio and AWS load balancers: which of them a Rollout drives, the weights in them, and
//! which of their fields are the controller's. They are named `resource/name` among the routes, since names repeat between kinds.

use super::objects::{REST, Route};
use super::read::{Id, annotation, flag, list, owned, text};
use super::rollout::Rollout;
use crate::base::names::annotation as annotations;
use crate::base::names::label;
use serde_json::{Value, json};
use std::sync::Arc;

pub const HTTP_ROUTES: &str = "httproutes.gateway.networking.k8s.io";
pub const INGRESSES: &str = "ingresses.networking.k8s.io";
pub const VIRTUAL_SERVICES: &str = "virtualservices.networking.istio.io";
pub const DESTINATION_RULES: &str = "destinationrules.networking.istio.io";

/// An object among the routes.
pub fn read(resource: &str, id: &Id, raw: Option<&Arc<Value>>) -> (Id, Option<Route>) {
    match resource {
        INGRESSES => (
            route_id(resource, id),
            raw.and_then(|raw| ingress(raw).or_else(|| balanced(raw))),
        ),
        VIRTUAL_SERVICES => (route_id(resource, id), raw.map(|raw| virtual_service(raw))),
        _ => (id.clone(), raw.map(|raw| Route::read(raw))),
    }
}

/// The id of an object among the routes.
pub fn route_id(resource: &str, (namespace, name): &Id) -> Id {
    (namespace.clone(), format!("{resource}/{name}"))
}

/// The objects with weights by Service that a Rollout drives.
pub fn driven(rollout: &Id, routing: &Value) -> Vec<Id> {
    let (nginx, istio) = (&routing["nginx"], &routing["istio"]);
    let ingresses = given(nginx, "stableIngress", "stableIngresses").map(|stable| {
        let name = format!("{}-{}-canary", rollout.1, stable.as_str().unwrap_or_default());
        route_id(INGRESSES, &(rollout.0.clone(), name))
    });
    let services = virtual_services(rollout, istio).map(|id| route_id(VIRTUAL_SERVICES, &id));
    let balanced = given(&routing["alb"], "ingress", "ingresses").map(|name| {
        let name = name.as_str().unwrap_or_default().to_owned();
        route_id(INGRESSES, &(rollout.0.clone(), name))
    });
    ingresses.chain(services).chain(balanced).collect()
}

/// The subsets in the parts of canary and stable, each as `rule/subset`.
pub fn subsets(routing: &Value) -> Option<[String; 2]> {
    let rule = &routing["istio"]["destinationRule"];
    let name = rule["name"].as_str().filter(|name| !name.is_empty())?;
    let subset = |field: &str| format!("{name}/{}", text(rule, field));
    Some([subset("canarySubsetName"), subset("stableSubsetName")])
}

/// The version that each subset of a DestinationRule leads to; no version where it leads to all.
pub fn versions<'v>(name: &'v str, raw: &'v Value) -> impl Iterator<Item = (String, String)> + 'v {
    let version = |subset: &Value| owned(&subset["labels"], label::POD_HASH);
    let subsets = list(&raw["spec"], "subsets").iter();
    subsets.map(move |subset| (format!("{name}/{}", text(subset, "name")), version(subset)))
}

fn given<'v>(config: &'v Value, one: &str, several: &str) -> impl Iterator<Item = &'v Value> {
    let one = Some(&config[one]).filter(|one| !one.is_null());
    one.into_iter().chain(list(config, several))
}

fn virtual_services<'v>(rollout: &Id, istio: &'v Value) -> impl Iterator<Item = Id> + use<'v> {
    let namespace = rollout.0.clone();
    given(istio, "virtualService", "virtualServices").map(move |one| (namespace.clone(), owned(one, "name")))
}

/// The weights of a canary Ingress; `None` for any other.
fn ingress(raw: &Value) -> Option<Route> {
    let all = raw["metadata"]["annotations"].as_object()?;
    let prefix = all.iter().find_map(|(name, value)| {
        let prefix = name.strip_suffix("/canary")?;
        (value == "true").then_some(prefix)
    })?;
    let number = |name: &str| annotation(raw, &format!("{prefix}/{name}"))?.parse::<i64>().ok();
    let weight = number("canary-weight").unwrap_or(0);
    let total = number("canary-weight-total").unwrap_or(100);
    let rules = list(&raw["spec"], "rules").iter();
    let paths = rules.flat_map(|rule| list(&rule["http"], "paths"));
    let rule = |path: &Value| {
        let to = owned(&path["backend"]["service"], "name");
        vec![(to, weight), (REST.to_owned(), total - weight)]
    };
    Some(Route {
        rules: paths.map(rule).collect(),
    })
}

/// The weights in the actions of a load balancer's Ingress; `None` for an Ingress without any.
fn balanced(raw: &Value) -> Option<Route> {
    let all = raw["metadata"]["annotations"].as_object()?;
    let forward = |(name, value): (&String, &Value)| {
        let action = value.as_str().filter(|_| name.contains("/actions."))?;
        let action: Value = serde_json::from_str(action).ok()?;
        let groups = list(&action["ForwardConfig"], "TargetGroups").iter();
        let weight = |group: &Value| {
            let weight = group["Weight"].as_i64().unwrap_or(1);
            (owned(group, "ServiceName"), weight)
        };
        Some(groups.map(weight).collect())
    };
    let rules: Vec<_> = all.iter().filter_map(forward).collect();
    (!rules.is_empty()).then_some(Route { rules })
}

/// The weights of a VirtualService, by host or by subset (`/canary`).
fn virtual_service(raw: &Value) -> Route {
    let lists = ["http", "tls", "tcp"]
        .into_iter()
        .flat_map(|name| list(&raw["spec"], name));
    let rule = |route: &Value| {
        let parts = list(route, "route").iter();
        parts
            .map(|part| {
                let to = &part["destination"];
                let host = text(to, "host").split('.').next().unwrap_or_default();
                let name = match text(to, "subset") {
                    "" => host.to_owned(),
                    subset => format!("/{subset}"),
                };
                (name, part["weight"].as_i64().unwrap_or(0))
            })
            .collect()
    };
    Route {
        rules: lists.map(rule).collect(),
    }
}

/// An object without the fields that are the controller's to write; `None` when no Rollout names it.
pub fn masked(resource: &str, id: &Id, object: &Value, rollouts: &[&Arc<Rollout>]) -> Option<Value> {
    let mut object = object.clone();
    let mut named = false;
    for rollout in rollouts.iter().filter(|rollout| rollout.id.0 == id.0) {
        let routing = &rollout.raw["spec"]["strategy"]["canary"]["trafficRouting"];
        let ours: Vec<&str> = list(routing, "managedRoutes")
            .iter()
            .map(|route| text(route, "name"))
            .collect();
        let istio = &routing["istio"];
        let rule = &istio["destinationRule"];
        if resource == VIRTUAL_SERVICES && virtual_services(&rollout.id, istio).any(|one| one == *id) {
            named = true;
            mask_routes(&mut object, rollout, rule, &ours);
        }
        if resource == DESTINATION_RULES && text(rule, "name") == id.1 {
            named = true;
            mask_subsets(&mut object, rule);
        }
        // A canary Ingress that is left without an owner is taken up again by the Rollout that it is named after.
        let owners = object["metadata"]["ownerReferences"].as_array();
        let owned = |owner: &Value| owner["controller"] == true && owner["uid"] != rollout.uid.as_str();
        let free = !owners.into_iter().flatten().any(owned);
        if resource == INGRESSES && free && driven(&rollout.id, routing).contains(&route_id(resource, id)) {
            named = true;
            object = json!({});
        }
        let of_balancer = given(&routing["alb"], "ingress", "ingresses").any(|one| *one == id.1.as_str());
        if resource == INGRESSES && of_balancer {
            named = true;
            mask_actions(&mut object, &ours);
        }
    }
    named.then_some(object)
}

fn mask_routes(service: &mut Value, rollout: &Rollout, rule: &Value, ours: &[&str]) {
    let Some(spec) = service["spec"].as_object_mut() else {
        return;
    };
    if let Some(routes) = spec.get_mut("http").and_then(Value::as_array_mut) {
        routes.retain(|route| !ours.contains(&text(route, "name")));
    }
    let lists = ["http", "tls", "tcp"].into_iter();
    let lists: Vec<Value> = lists.map(|name| json!(name)).collect();
    for name in lists.iter().filter_map(Value::as_str) {
        let routes = spec.get_mut(name).and_then(Value::as_array_mut);
        let parts = routes.into_iter().flatten();
        for part in parts.flat_map(|route| route["route"].as_array_mut().into_iter().flatten()) {
            let target = &part["destination"];
            let host = text(target, "host").split('.').next().unwrap_or_default();
            let by_host = rollout.spec.names(host) && !host.is_empty();
            let subsets = ["canarySubsetName", "stableSubsetName"];
            let by_subset = subsets
                .iter()
                .any(|name| !target["subset"].is_null() && target["subset"] == rule[name]);
            if by_host || by_subset {
                part["weight"] = Value::Null;
            }
        }
    }
}

fn mask_subsets(of: &mut Value, rule: &Value) {
    of["metadata"]["annotations"][annotations::MANAGED_BY] = Value::Null;
    for subset in of["spec"]["subsets"].as_array_mut().into_iter().flatten() {
        if subset["name"] == rule["canarySubsetName"] || subset["name"] == rule["stableSubsetName"] {
            subset["labels"][label::POD_HASH] = Value::Null;
        }
    }
}

fn mask_actions(ingress: &mut Value, ours: &[&str]) {
    if let Some(all) = ingress["metadata"]["annotations"].as_object_mut() {
        all.retain(|name, _| {
            let last = name.rsplit('/').next().unwrap_or_default();
            !last.starts_with("actions.")
                && !last.starts_with("conditions.")
                && last != "managed-alb-annotations"
        });
    }
    if ingress["metadata"]["annotations"] == json!({}) {
        ingress["metadata"]["annotations"] = Value::Null;
    }
    for rule in ingress["spec"]["rules"].as_array_mut().into_iter().flatten() {
        if let Some(paths) = rule["http"]["paths"].as_array_mut() {
            paths.retain(|path| !ours.contains(&text(&path["backend"]["service"], "name")));
        }
    }
}

/// Whether the controller made the object for a Rollout.
pub fn made_for(object: &Value, uids: &std::collections::BTreeSet<String>) -> bool {
    let owners = list(&object["metadata"], "ownerReferences").iter();
    owners
        .filter(|owner| flag(owner, "controller") && text(owner, "kind") == "Rollout")
        .any(|owner| uids.contains(text(owner, "uid")))
}
