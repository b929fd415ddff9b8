//! The application that tests of the harness deploy, without anything of ours: manifests as text, and waiting
//! until its Service has endpoints.

use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::wait::eventually;
use super::world::Space;

/// The deadline of things that take a second or two on an idle machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A Deployment of `replicas` pods with `image`, and a Service of the same name for them.
pub fn workload(name: &str, image: &str, replicas: i32) -> String {
    let labels = json!({"app": name});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}}});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"port": 80}]}});
    format!("{deployment}\n---\n{service}\n")
}

/// An `HTTPRoute` `web` with one rule and these weights.
pub fn route(weights: &[(&str, i64)]) -> Value {
    let backends: Vec<Value> = weights
        .iter()
        .map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight}))
        .collect();
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"},
        "spec": {"rules": [{"backendRefs": backends}]}})
}

/// Waits until exactly `count` endpoints of a Service are ready.
pub async fn endpoints_ready(space: &Space, service: &str, count: usize) {
    let slices: &Api<EndpointSlice> = &space.api();
    let of = &ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    eventually(SOON, "ready endpoints", || async move {
        let list = slices.list(of).await.map_err(|error| error.to_string())?;
        let endpoints = list
            .items
            .into_iter()
            .flat_map(|slice| slice.endpoints.unwrap_or_default());
        let ready =
            endpoints.filter(|one| one.conditions.as_ref().is_none_or(|all| all.ready != Some(false)));
        let ready = ready.count();
        if ready == count {
            Ok(())
        } else {
            Err(format!("{service} has {ready} of {count}"))
        }
    })
    .await;
}
