//! Rollouts that need the rights which a canary behind the Gateway API does not: other routers, other people's templates, roles on pods,
//! restarts. What these features do is told by tests of their own.

use super::shop::Shop;
use serde_json::{Value, json};

/// First releases of all of them, side by side.
pub async fn open(shop: &Shop) {
    for name in ["edge-stable", "edge-canary", "mesh", "worn"] {
        let app = name.split('-').next().unwrap_or(name);
        shop.apply(&service(name, app)).await;
    }
    for object in [ingress(), virtual_service(), destination_rule()] {
        shop.apply(&object).await;
    }
    for kind in ["Deployment", "PodTemplate"] {
        shop.apply(&template(kind)).await;
    }
    release(shop, "shop/web:v1").await;
    for rollout in lent(shop) {
        shop.apply(&rollout).await;
    }
    for name in ["edge", "mesh", "worn", "of-deployment", "of-podtemplate"] {
        shop.healthy(name).await;
    }
}

/// A second release of those that do something then, and a restart.
pub async fn go_on(shop: &Shop) {
    release(shop, "shop/web:v2").await;
    for name in ["edge", "mesh", "worn"] {
        shop.healthy(name).await;
    }
    let mut worn = worn(shop, "shop/web:v2");
    // Later than any pod, whatever the second.
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(2);
    worn["spec"]["restartAt"] = json!(soon.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    shop.apply(&worn).await;
}

async fn release(shop: &Shop, image: &str) {
    let steps = json!([{"setWeight": 50}, {"pause": {"duration": "1s"}}]);
    let nginx = json!({"canaryService": "edge-canary", "stableService": "edge-stable", "scaleDownDelaySeconds": 1, "steps": steps,
        "trafficRouting": {"nginx": {"stableIngress": "edge"}}});
    let rule = json!({"name": "mesh", "canarySubsetName": "canary", "stableSubsetName": "stable"});
    let istio = json!({"scaleDownDelaySeconds": 1, "steps": steps,
        "trafficRouting": {"istio": {"virtualService": {"name": "mesh"}, "destinationRule": rule}}});
    for (name, canary) in [("edge", nginx), ("mesh", istio)] {
        shop.apply(&shop.plain_rollout(name, image, &json!({"canary": canary})))
            .await;
    }
    shop.apply(&worn(shop, image)).await;
}

/// Its pods wear their role.
fn worn(shop: &Shop, image: &str) -> Value {
    let canary = json!({"maxUnavailable": 1, "steps": [{"setWeight": 50}, {"pause": {"duration": "1s"}}],
        "canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}});
    shop.plain_rollout("worn", image, &json!({"canary": canary}))
}

/// Rollouts whose template is somebody else's.
fn lent(shop: &Shop) -> [Value; 2] {
    ["Deployment", "PodTemplate"].map(|kind| {
        let name = format!("of-{}", kind.to_lowercase());
        let mut rollout = shop.plain_rollout(&name, "", &json!({"canary": {}}));
        let mut reference =
            json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "scaleDown": "progressively"});
        if kind == "PodTemplate" {
            reference["apiVersion"] = "v1".into();
            reference["scaleDown"] = "never".into();
        } else {
            rollout["spec"]["selector"].take();
        }
        rollout["spec"]["template"].take();
        rollout["spec"]["workloadRef"] = reference;
        if let Some(spec) = rollout["spec"].as_object_mut() {
            spec.retain(|_, value| !value.is_null());
        }
        rollout
    })
}

fn template(kind: &str) -> Value {
    let name = format!("of-{}", kind.to_lowercase());
    let labels = json!({"app": name});
    let pods = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "shop/web:v1"}]}});
    match kind {
        "Deployment" => json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pods}}),
        _ => json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "template": pods}),
    }
}

fn service(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": 80}]}})
}

fn ingress() -> Value {
    let backend = json!({"service": {"name": "edge-stable", "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "ImplementationSpecific", "backend": backend});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "edge"},
        "spec": {"rules": [{"host": "shop.example.org", "http": {"paths": [path]}}]}})
}

fn virtual_service() -> Value {
    let part = |subset: &str, weight: i64| json!({"destination": {"host": "mesh", "subset": subset}, "weight": weight});
    json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "VirtualService", "metadata": {"name": "mesh"},
        "spec": {"hosts": ["mesh"], "http": [{"route": [part("stable", 100), part("canary", 0)]}]}})
}

fn destination_rule() -> Value {
    let subset = |name: &str| json!({"name": name, "labels": {"app": "mesh"}});
    json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "DestinationRule", "metadata": {"name": "mesh"},
        "spec": {"host": "mesh", "subsets": [subset("stable"), subset("canary")]}})
}
