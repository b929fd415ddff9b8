//! What a seed of the routers picks: one of NGINX, Istio by host or by subset, an AWS load balancer; and the steps and options that only
//! they know.

use super::case::{self, Draw, service};
use super::{NAME, NAMESPACE};
use crate::base::object::Kind;
use crate::simulate::traffic::Entry;
use serde_json::{Value, json};

/// A router other than the Gateway API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// One stable Ingress, or two.
    Nginx { two: bool },
    /// A VirtualService that tells versions apart by two Services.
    Hosts,
    /// By subsets of a DestinationRule.
    Subsets,
    /// An AWS load balancer, with Services that swap their parts or without.
    Balancer { swaps: bool },
}

/// The names of header and mirror routes.
const HEADER: &str = "beta";
const MIRROR: &str = "copy";

pub(super) fn router(draw: &mut Draw) -> Router {
    draw.of(&[
        Router::Nginx { two: false },
        Router::Nginx { two: true },
        Router::Hosts,
        Router::Subsets,
        Router::Balancer { swaps: false },
        Router::Balancer { swaps: true },
    ])
}

/// Where users enter: by every stable Ingress.
pub(super) fn entries(router: Router) -> Vec<Entry> {
    match router {
        Router::Nginx { two: true } => [NAME, "inner"].map(|name| Entry::Ingress(name.into())).into(),
        Router::Nginx { .. } | Router::Balancer { .. } => vec![Entry::Ingress(NAME.into())],
        Router::Hosts | Router::Subsets => vec![Entry::VirtualService(NAME.into())],
    }
}

fn ingress(name: &str, host: &str, to: &str, port: &Value) -> Value {
    let path = json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": to, "port": port}}});
    json!({"apiVersion": Kind::Ingress.api_version(), "kind": "Ingress", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]}})
}

fn mesh(kind: Kind, spec: &Value) -> Value {
    json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": spec})
}

fn virtual_service(destinations: [Value; 2]) -> Value {
    let [stable, canary] = destinations;
    let split = json!([{"destination": stable, "weight": 100}, {"destination": canary, "weight": 0}]);
    mesh(
        Kind::VirtualService,
        &json!({"hosts": [NAME], "http": [{"name": "main", "route": split}]}),
    )
}

/// The Services and what the router reads.
pub(super) fn objects(router: Router) -> Vec<Value> {
    let (number, annotation) = (json!({"number": 80}), json!({"name": "use-annotation"}));
    let mut objects: Vec<Value> = match router {
        Router::Subsets => vec![service(NAME)],
        Router::Balancer { swaps: true } => {
            vec![service("web-ping"), service("web-pong"), service("web-root")]
        }
        _ => vec![service("web-stable"), service("web-canary")],
    };
    match router {
        Router::Nginx { two } => {
            objects.push(ingress(NAME, "web.example.org", "web-stable", &number));
            objects.extend(two.then(|| ingress("inner", "web.internal", "web-stable", &number)));
        }
        Router::Hosts => {
            let to = |host: &str| json!({"host": host});
            objects.push(virtual_service([to("web-stable"), to("web-canary")]));
        }
        Router::Subsets => {
            let to = |subset: &str| json!({"host": NAME, "subset": subset});
            objects.push(virtual_service([to("stable"), to("canary")]));
            let subset = |name: &str| json!({"name": name, "labels": {"app": NAME}});
            let rule = json!({"host": NAME, "subsets": [subset("stable"), subset("canary")]});
            objects.push(mesh(Kind::DestinationRule, &rule));
        }
        Router::Balancer { swaps } => {
            let root = if swaps { "web-root" } else { "web-stable" };
            objects.push(ingress(NAME, "web.example.org", root, &annotation));
        }
    }
    objects
}

fn routing(draw: &mut Draw, router: Router) -> Value {
    match router {
        Router::Nginx { two } => {
            let mut nginx = match two {
                true => json!({"stableIngresses": [NAME, "inner"]}),
                false => json!({"stableIngress": NAME}),
            };
            if draw.one_in(4) {
                nginx["annotationPrefix"] = "edge.example.org".into();
            }
            if draw.one_in(4) {
                nginx["additionalIngressAnnotations"] = json!({"canary-by-header": "x-beta"});
            }
            json!({"nginx": nginx})
        }
        Router::Hosts => json!({"istio": {"virtualService": {"name": NAME, "routes": ["main"]}}}),
        Router::Subsets => json!({"istio": {"virtualService": {"name": NAME, "routes": ["main"]},
            "destinationRule": {"name": NAME, "canarySubsetName": "canary", "stableSubsetName": "stable"}}}),
        Router::Balancer { swaps: true } => {
            json!({"alb": {"ingress": NAME, "rootService": "web-root", "servicePort": 80}})
        }
        Router::Balancer { swaps: false } => json!({"alb": {"ingress": NAME, "servicePort": 80}}),
    }
}

/// A step for a header route or a mirror, or one that takes it away, where the router can.
fn special(draw: &mut Draw, router: Router) -> Option<Value> {
    let mirrors = matches!(router, Router::Hosts | Router::Subsets);
    if matches!(router, Router::Nginx { .. }) {
        return None;
    }
    let header = json!([{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]);
    let step = match draw.below(if mirrors { 4 } else { 2 }) {
        0 => json!({"setHeaderRoute": {"name": HEADER, "match": header}}),
        1 => json!({"setHeaderRoute": {"name": HEADER}}),
        2 => json!({"setMirrorRoute": {"name": MIRROR, "percentage": draw.of(&[10, 100]),
            "match": [{"path": {"prefix": "/"}}]}}),
        _ => json!({"setMirrorRoute": {"name": MIRROR}}),
    };
    Some(step)
}

/// A Service or subset that leads to pods before they are ready reaches them when they are endpoints, a moment after they are: whoever
/// does so is told to wait that long.
pub(super) fn patient(rollout: &mut Value, router: Router) {
    if matches!(router, Router::Subsets | Router::Balancer { swaps: true }) {
        rollout["spec"]["minReadySeconds"] = json!(3);
    }
}

/// The canary of the HTTPRoutes, with this router in place of theirs and more options.
pub(super) fn canary(draw: &mut Draw, router: Router) -> Value {
    let mut canary = case::canary(draw, true);
    let mut routing = routing(draw, router);
    let mut managed = false;
    if let Some(steps) = canary["steps"].as_array_mut() {
        for _ in 0..draw.below(3) {
            let at = usize::try_from(draw.below(steps.len() as u64 + 1)).unwrap_or_default();
            if let Some(step) = special(draw, router) {
                steps.insert(at, step);
                managed = true;
            }
        }
    }
    if managed {
        let mirrors = matches!(router, Router::Hosts | Router::Subsets);
        let names = std::iter::once(HEADER).chain(mirrors.then_some(MIRROR));
        routing["managedRoutes"] = names.map(|name| json!({"name": name})).collect();
    }
    // Weights of a mesh are percent.
    if matches!(router, Router::Nginx { .. }) && draw.one_in(4) {
        routing["maxTrafficWeight"] = json!(1_000);
    }
    canary["trafficRouting"] = routing;
    if matches!(router, Router::Subsets | Router::Balancer { swaps: true }) {
        for name in ["canaryService", "stableService"] {
            canary.as_object_mut().map(|canary| canary.remove(name));
        }
    }
    if router == (Router::Balancer { swaps: true }) {
        canary["pingPong"] = json!({"pingService": "web-ping", "pongService": "web-pong"});
    }
    if draw.one_in(4) {
        canary["dynamicStableScale"] = json!(true);
        // It decides by itself how long stable pods stay.
        canary
            .as_object_mut()
            .map(|canary| canary.remove("scaleDownDelaySeconds"));
    }
    if draw.one_in(4) {
        canary["minPodsPerReplicaSet"] = json!(2);
    }
    canary
}
