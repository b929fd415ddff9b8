//! The application of these tests, as objects: a Rollout `web`, its Services and route, and analyses over windows of
//! a few seconds.

use serde_json::{Value, json};

use crate::support::app;

/// A Rollout `web` of `replicas` pods with this canary strategy.
pub fn rollout(replicas: i32, tag: &str, canary: Value) -> Value {
    let labels = json!({"app": "web"});
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers(tag)}},
            "strategy": {"canary": canary},
        },
    })
}

pub fn containers(tag: &str) -> Value {
    json!([{"name": "web", "image": format!("shop/web:{tag}")}])
}

/// A canary behind the Gateway API with these steps, and what it needs beside it: two Services and a route.
pub fn routed(replicas: i32, tag: &str, namespace: &str, mut canary: Value) -> Vec<Value> {
    canary["stableService"] = json!("web-stable");
    canary["canaryService"] = json!("web-canary");
    canary["trafficRouting"] =
        json!({"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": namespace}}});
    vec![
        service("web-stable"),
        service("web-canary"),
        app::route(&[("web-stable", 100), ("web-canary", 0)]),
        rollout(replicas, tag, canary),
    ]
}

pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
}

/// An AnalysisTemplate whose metrics ask for `namespace`, `canary` and `stable`.
pub fn template(name: &str, metrics: &[Value]) -> Value {
    let args = json!([{"name": "namespace"}, {"name": "canary"}, {"name": "stable"}]);
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": name},
        "spec": {"args": args, "metrics": metrics}})
}

/// The use of a template, with its arguments filled in the usual way.
pub fn analysis(template: &str) -> Value {
    json!({
    "templates": [{"templateName": template}],
    "args": [
        {"name": "namespace", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "canary", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
    ]})
}

/// The labels of one version's series.
fn of(version: &str) -> String {
    format!(r#"namespace="{{{{args.namespace}}}}",rollouts_pod_template_hash="{{{{args.{version}}}}}""#)
}

/// The share of a version's requests that end in a server error, over the last seconds.
pub fn error_rate(version: &str) -> String {
    let of = of(version);
    format!(
        r#"sum(rate(http_requests_total{{{of},code=~"5.."}}[5s])) / sum(rate(http_requests_total{{{of}}}[5s]))"#
    )
}

/// The 99th percentile of a version's latency in milliseconds, over the last seconds.
pub fn p99_ms(version: &str) -> String {
    let of = of(version);
    format!(
        "1000 * histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{{{of}}}[5s])))"
    )
}

/// A metric that is good below `threshold`, bad from there on, and inconclusive without a number. Two windows without one
/// are forgiven, for a version that has just begun; as there are four, two good ones are needed.
pub fn metric(name: &str, query: &str, threshold: &str) -> Value {
    let number = "len(result) == 1 && !isNaN(result[0])";
    json!({
        "name": name, "initialDelay": "2s", "interval": "2s", "count": 4, "inconclusiveLimit": 2,
        "successCondition": format!("{number} && result[0] < {threshold}"),
        "failureCondition": format!("{number} && result[0] >= {threshold}"),
        "provider": {"prometheus": {"query": query}}})
}
