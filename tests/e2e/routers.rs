//! Releases behind NGINX, Istio and AWS load balancers: their objects, on the real API server. What reads these objects is not here;
//! the annotations, weights and selectors are what it would read.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::case::{Case, SOON};
use crate::manifests::{rollout, service};
use crate::support::wait::eventually;

fn ingresses(case: &Case) -> Api<DynamicObject> {
    case.api("networking.k8s.io/v1", "Ingress", "ingresses")
}

fn istio(case: &Case, kind: &str, plural: &str) -> Api<DynamicObject> {
    case.api("networking.istio.io/v1alpha3", kind, plural)
}

/// Waits until an object looks as `read` wants it.
async fn until(
    api: &Api<DynamicObject>,
    name: &str,
    what: &str,
    wanted: Value,
    read: impl Fn(&Value) -> Value,
) {
    eventually(SOON, what, || async {
        let object = api.get(name).await.map_err(|error| error.to_string())?;
        let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
        match read(&object) {
            seen if seen == wanted => Ok(()),
            seen => Err(format!("{seen} instead of {wanted}")),
        }
    })
    .await;
}

fn ingress(name: &str, to: &str, port: Value) -> Value {
    let path = json!({"path": "/", "pathType": "ImplementationSpecific", "backend": {"service": {"name": to, "port": port}}});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"rules": [{"host": "shop.example.org", "http": {"paths": [path]}}]}})
}

fn strategy(routing: Value, steps: Value) -> Value {
    json!({"canaryService": "web-canary", "stableService": "web-stable", "scaleDownDelaySeconds": 2,
        "abortScaleDownDelaySeconds": 2, "trafficRouting": routing, "steps": steps})
}

fn pauses() -> Value {
    json!([{"setWeight": 20}, {"pause": {}}])
}

#[tokio::test]
async fn nginx_gets_a_canary_ingress_that_follows_the_weights_and_the_abort() {
    let case = Case::new("nginx").await;
    let web = strategy(json!({"nginx": {"stableIngress": "shop"}}), pauses());
    let shop = ingress("shop", "web-stable", json!({"number": 80}));
    case.apply([
        service("web-stable"),
        service("web-canary"),
        shop,
        rollout(2, "v1", web),
    ])
    .await;
    case.until_healthy("v1").await;
    let (all, name) = (ingresses(&case), "web-shop-canary");
    let weight = |object: &Value| {
        let annotations = &object["metadata"]["annotations"];
        json!([
            annotations["nginx.ingress.kubernetes.io/canary"],
            annotations["nginx.ingress.kubernetes.io/canary-weight"],
            object["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"],
            object["metadata"]["ownerReferences"][0]["kind"]
        ])
    };
    let with = |weight: &str| json!(["true", weight, "web-canary", "Rollout"]);
    until(&all, name, "made with weight 0", with("0"), weight).await;
    case.release("v2").await;
    case.until_phase("Paused", "").await;
    until(&all, name, "the weight of the step", with("20"), weight).await;
    // Whatever a person adds to the stable Ingress is followed.
    let tls = json!({"spec": {"tls": [{"hosts": ["shop.example.org"]}]}});
    all.patch("shop", &PatchParams::default(), &Patch::Merge(tls))
        .await
        .unwrap();
    let hosts = |object: &Value| object["spec"]["tls"][0]["hosts"].clone();
    until(&all, name, "follows stable", json!(["shop.example.org"]), hosts).await;
    case.serin_ok(&["abort", "web"]).await;
    case.until_phase("Degraded", "").await;
    until(&all, name, "no weight after the abort", with("0"), weight).await;
}

/// A canary by subset, with a header route.
fn meshed() -> Vec<Value> {
    let header = json!({"name": "beta", "match": [{"headerName": "x-beta", "headerValue": {"exact": "1"}}]});
    let steps = json!([{"setWeight": 20}, {"setHeaderRoute": header}, {"pause": {}}]);
    let rule = json!({"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"});
    let routing = json!({"istio": {"virtualService": {"name": "web"}, "destinationRule": rule}, "managedRoutes": [{"name": "beta"}]});
    let part = |subset: &str, weight: i64| json!({"destination": {"host": "web", "subset": subset}, "weight": weight});
    let mesh = |kind: &str, spec: Value| json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": kind, "metadata": {"name": "web"}, "spec": spec});
    let http = json!([{"route": [part("stable", 100), part("canary", 0)]}]);
    let subsets =
        json!([{"name": "stable", "labels": {"app": "web"}}, {"name": "canary", "labels": {"app": "web"}}]);
    let canary = json!({"trafficRouting": routing, "steps": steps, "scaleDownDelaySeconds": 2});
    vec![
        service("web"),
        mesh("VirtualService", json!({"hosts": ["web"], "http": http})),
        mesh("DestinationRule", json!({"host": "web", "subsets": subsets})),
        rollout(2, "v1", canary),
    ]
}

#[tokio::test]
async fn istio_serves_by_subset_and_by_header_as_the_steps_say() {
    let case = Case::new("istio").await;
    case.apply(meshed()).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    let web = case.until_phase("Paused", "").await;
    let (services, rules) = (
        istio(&case, "VirtualService", "virtualservices"),
        istio(&case, "DestinationRule", "destinationrules"),
    );
    let routes = |object: &Value| {
        let http = object["spec"]["http"].as_array().unwrap();
        let one = |route: &Value| {
            json!([
                route["name"],
                route["route"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one["weight"].clone())
                    .collect::<Vec<_>>()
            ])
        };
        http.iter().map(one).collect()
    };
    until(
        &services,
        "web",
        "header route and weights",
        json!([["beta", [100]], [null, [80, 20]]]),
        routes,
    )
    .await;
    let versions = |object: &Value| {
        let subsets = object["spec"]["subsets"].as_array().unwrap();
        subsets
            .iter()
            .map(|one| one["labels"]["rollouts-pod-template-hash"].clone())
            .collect()
    };
    let status = &web["status"];
    let both = json!([status["stableRS"], status["currentPodHash"]]);
    until(&rules, "web", "a subset for each version", both, versions).await;
    case.serin_ok(&["promote", "web"]).await;
    let web = case.until_healthy("v2").await;
    until(
        &services,
        "web",
        "all to stable, no header route",
        json!([[null, [100, 0]]]),
        routes,
    )
    .await;
    let both = json!([web["status"]["stableRS"], web["status"]["stableRS"]]);
    until(&rules, "web", "both subsets on the new version", both, versions).await;
}

#[tokio::test]
async fn a_load_balancer_splits_between_two_services_that_swap_their_parts() {
    let case = Case::new("alb").await;
    let canary = json!({"pingPong": {"pingService": "ping", "pongService": "pong"}, "scaleDownDelaySeconds": 2,
        "trafficRouting": {"alb": {"ingress": "shop", "rootService": "root", "servicePort": 80}}, "steps": pauses()});
    let shop = ingress("shop", "root", json!({"name": "use-annotation"}));
    case.apply([
        service("ping"),
        service("pong"),
        service("root"),
        shop,
        rollout(2, "v1", canary),
    ])
    .await;
    case.until_healthy("v1").await;
    let all = ingresses(&case);
    let groups = |object: &Value| {
        let action = &object["metadata"]["annotations"]["alb.ingress.kubernetes.io/actions.root"];
        let action: Value = serde_json::from_str(action.as_str().unwrap_or("null")).unwrap();
        let groups = action["ForwardConfig"]["TargetGroups"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        groups
            .iter()
            .map(|group| json!([group["ServiceName"], group["Weight"]]))
            .collect()
    };
    until(
        &all,
        "shop",
        "the first release",
        json!([["pong", 0], ["ping", 100]]),
        groups,
    )
    .await;
    case.release("v2").await;
    let web = case.until_phase("Paused", "").await;
    assert_eq!(web["status"]["canary"]["stablePingPong"], "ping");
    until(
        &all,
        "shop",
        "a canary",
        json!([["pong", 20], ["ping", 80]]),
        groups,
    )
    .await;
    case.serin_ok(&["promote", "web"]).await;
    let web = case.until_healthy("v2").await;
    assert_eq!(web["status"]["canary"]["stablePingPong"], "pong");
    until(
        &all,
        "shop",
        "the parts are swapped",
        json!([["ping", 0], ["pong", 100]]),
        groups,
    )
    .await;
}
