//! NGINX, Istio and AWS load balancers of a Rollout that is rehearsed: where users enter, and the objects that nobody gave.

use super::needs::{has, namespace};
use crate::api::rollout::Rollout;
use crate::api::strategy::CanaryStrategy;
use crate::api::traffic::{Alb, Istio, Nginx};
use crate::base::object::Kind;
use crate::route::ingress::names;
use crate::simulate::traffic::Entry;
use serde_json::{Value, json};

/// Where users enter, with its namespace: by the first object of the first router.
pub(super) fn entry(rollout: &Rollout) -> Option<(Entry, String)> {
    let here = namespace(&rollout.metadata.namespace);
    let routing = rollout.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()?;
    let ingress = |names: Vec<String>| Some(Entry::Ingress(names.into_iter().next()?));
    let by_nginx = routing.nginx.as_ref().and_then(|one| ingress(stable(one)));
    let by_alb = || routing.alb.as_ref().and_then(|one| ingress(balanced(one)));
    let by_mesh = routing.istio.as_ref().and_then(|istio| mesh(istio, here).next());
    if let Some((space, name, _)) = by_mesh {
        return Some((Entry::VirtualService(name), space));
    }
    Some((by_nginx.or_else(by_alb)?, here.to_owned()))
}

fn stable(config: &Nginx) -> Vec<String> {
    names(config.stable_ingress.as_deref(), &config.stable_ingresses)
}

fn balanced(config: &Alb) -> Vec<String> {
    names(config.ingress.as_deref(), &config.ingresses)
}

/// Namespace, name and named routes of each VirtualService.
fn mesh<'c>(istio: &'c Istio, here: &'c str) -> impl Iterator<Item = (String, String, &'c [String])> {
    let all = istio.virtual_service.iter().chain(&istio.virtual_services);
    all.map(move |one| {
        let (name, space) = one.name.split_once('.').unwrap_or((&one.name, here));
        (space.to_owned(), name.to_owned(), one.routes.as_slice())
    })
}

/// What the routers need and nobody gave. Services are named only: (names, objects).
pub(super) fn missing(objects: &[Value], rollout: &Rollout) -> (Vec<String>, Vec<Value>) {
    let here = namespace(&rollout.metadata.namespace);
    let (mut services, mut made) = (Vec::new(), Vec::new());
    let Some(canary) = &rollout.spec.strategy.canary else {
        return (services, made);
    };
    let Some(routing) = &canary.traffic_routing else {
        return (services, made);
    };
    if let Some(pair) = &canary.ping_pong {
        services.extend([pair.ping_service.clone(), pair.pong_service.clone()]);
    }
    if let Some(config) = &routing.nginx {
        let to = backend(&canary.stable_service, &json!({"number": 80}));
        made.extend(
            stable(config)
                .iter()
                .map(|name| ingress(here, name, "nginx", &to)),
        );
    }
    if let Some(config) = &routing.alb {
        let root = config.root_service.as_deref().filter(|name| !name.is_empty());
        let root = root.unwrap_or(&canary.stable_service);
        services.push(root.to_owned());
        let to = backend(root, &json!({"name": "use-annotation"}));
        made.extend(
            balanced(config)
                .iter()
                .map(|name| ingress(here, name, "alb", &to)),
        );
    }
    if let Some(config) = &routing.istio {
        services.extend(subset_host(objects, rollout, config));
        made.extend(of_mesh(objects, rollout, canary, config));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    made.retain(|object| {
        let meta = &object["metadata"];
        !has(
            objects,
            &text(&object["kind"]),
            &text(&meta["namespace"]),
            &text(&meta["name"]),
        )
    });
    (services, made)
}

fn backend(service: &str, port: &Value) -> Value {
    json!({"service": {"name": service, "port": port}})
}

fn ingress(here: &str, name: &str, class: &str, to: &Value) -> Value {
    let path = json!({"path": "/", "pathType": "Prefix", "backend": to});
    json!({"apiVersion": Kind::Ingress.api_version(), "kind": "Ingress", "metadata": {"name": name, "namespace": here},
        "spec": {"ingressClassName": class, "rules": [{"http": {"paths": [path]}}]}})
}

/// The Service whose pods the subsets are parts of: as the DestinationRule says, else of the Rollout's name.
fn subset_host(objects: &[Value], rollout: &Rollout, istio: &Istio) -> Option<String> {
    let rule = istio.destination_rule.as_ref()?;
    let is_it = |object: &&Value| {
        object["kind"] == Kind::DestinationRule.name() && object["metadata"]["name"] == rule.name.as_str()
    };
    let given = objects
        .iter()
        .find(is_it)
        .and_then(|object| object["spec"]["host"].as_str());
    let host = given.unwrap_or(&rollout.metadata.name);
    Some(host.split('.').next().unwrap_or_default().to_owned())
}

fn of_mesh(objects: &[Value], rollout: &Rollout, canary: &CanaryStrategy, istio: &Istio) -> Vec<Value> {
    let here = namespace(&rollout.metadata.namespace);
    let host = subset_host(objects, rollout, istio);
    let destinations = match (&istio.destination_rule, &host) {
        (Some(rule), Some(host)) => json!([
            {"destination": {"host": host, "subset": rule.stable_subset_name}, "weight": 100},
            {"destination": {"host": host, "subset": rule.canary_subset_name}, "weight": 0}]),
        _ => json!([
            {"destination": {"host": canary.stable_service}, "weight": 100},
            {"destination": {"host": canary.canary_service}, "weight": 0}]),
    };
    let mut made: Vec<Value> = mesh(istio, here)
        .map(|(space, name, routes)| {
            let route = |name: &str| json!({"name": name, "route": destinations});
            let http: Vec<Value> = match routes {
                [] => vec![route("primary")],
                routes => routes.iter().map(|name| route(name)).collect(),
            };
            json!({"apiVersion": Kind::VirtualService.api_version(), "kind": "VirtualService",
                "metadata": {"name": name, "namespace": space}, "spec": {"hosts": [name], "http": http}})
        })
        .collect();
    if let (Some(rule), Some(host)) = (&istio.destination_rule, host) {
        let subset = |name: &str| json!({"name": name, "labels": {}});
        made.push(json!({"apiVersion": Kind::DestinationRule.api_version(), "kind": "DestinationRule",
            "metadata": {"name": rule.name, "namespace": here},
            "spec": {"host": host, "subsets": [subset(&rule.stable_subset_name), subset(&rule.canary_subset_name)]}}));
    }
    made
}

/// All versions in which Istio serves these kinds say the same of them; the cluster in memory has one.
pub(super) fn in_the_served_version(object: &mut Value) {
    let served = [Kind::VirtualService, Kind::DestinationRule];
    let of_istio = object["apiVersion"]
        .as_str()
        .is_some_and(|version| version.starts_with("networking.istio.io/"));
    if let Some(kind) = served
        .into_iter()
        .find(|kind| of_istio && object["kind"] == kind.name())
    {
        object["apiVersion"] = kind.api_version().into();
    }
}
