//! A cluster, its models and a clock for the tests.

use std::time::Duration;

use chrono::DateTime;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::base::clock::Clock;

pub struct Play {
    pub cluster: Cluster,
    pub models: Models,
    pub faults: Faults,
}

impl Play {
    pub fn new() -> Self {
        Self::seeded(1, Settings::default())
    }

    pub fn seeded(seed: u64, settings: Settings) -> Self {
        let faults = settings.faults.clone();
        Self {
            cluster: Cluster::new(seed, Clock::starting_at(DateTime::UNIX_EPOCH)),
            models: Models::new(settings, seed),
            faults,
        }
    }

    /// Lets so much time pass.
    pub async fn run(&mut self, seconds: f64) {
        let (cluster, models) = (self.cluster.clone(), &mut self.models);
        let end = cluster.world().now() + TimeDelta::milliseconds((seconds * 1_000.0) as i64);
        loop {
            let now = cluster.world().now();
            let due = cluster.change(|world| models.step(world, now));
            let next = due.filter(|&due| due <= end).unwrap_or(end);
            if next <= now {
                assert!(
                    due.is_none_or(|due| due > now),
                    "a step does everything that is due"
                );
                return;
            }
            tokio::time::advance((next - now).to_std().unwrap()).await;
        }
    }

    /// Runs until nothing is left to do.
    pub async fn settle(&mut self) {
        for _ in 0..10_000 {
            let now = self.cluster.world().now();
            let models = &mut self.models;
            match self.cluster.change(|world| models.step(world, now)) {
                Some(due) => tokio::time::advance((due - now).to_std().unwrap_or(Duration::ZERO)).await,
                None => return,
            }
        }
        panic!("the models never come to rest");
    }

    /// Creates an object as the server would, without asking it.
    pub fn make(&self, object: Value) -> Value {
        self.cluster.change(|world| {
            let (version, kind) = (
                object["apiVersion"].as_str().unwrap(),
                object["kind"].as_str().unwrap(),
            );
            let resource = world.catalog.by_kind(version, kind).unwrap().clone();
            let namespace = if resource.namespaced { "default" } else { "" };
            let key = writes::create(world, &resource, namespace, object.clone()).unwrap();
            Value::clone(world.store.get(&key).unwrap())
        })
    }

    pub fn find(&self, resource: &str, name: &str) -> Option<Arc<Value>> {
        let world = self.cluster.world();
        let resource = world.catalog.by_id(resource).unwrap().clone();
        let namespace = if resource.namespaced { "default" } else { "" };
        world.store.get(&Key::new(&resource.id, namespace, name)).cloned()
    }

    pub fn get(&self, resource: &str, name: &str) -> Arc<Value> {
        self.find(resource, name)
            .unwrap_or_else(|| panic!("no {resource} {name}"))
    }

    pub fn list(&self, resource: &str) -> Vec<(String, Arc<Value>)> {
        let world = self.cluster.world();
        let id: Arc<str> = resource.into();
        let all = world.store.list(&id, Some("default"));
        all.map(|(key, object)| (key.name.clone(), Arc::clone(object)))
            .collect()
    }

    pub fn pods(&self) -> Vec<(String, Arc<Value>)> {
        self.list("pods")
    }

    pub fn ready(&self) -> usize {
        self.pods()
            .iter()
            .filter(|(_, pod)| reading::ready_since(pod).is_some())
            .count()
    }

    pub async fn ask(&self, method: &str, path: &str, body: Value, kind: &str) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", kind);
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let service = self.cluster.service();
        let response = service.oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub fn path(&self, resource: &str, name: &str) -> String {
        let world = self.cluster.world();
        let resource = world.catalog.by_id(resource).unwrap();
        let root = if resource.group.is_empty() {
            "/api".to_owned()
        } else {
            format!("/apis/{}", resource.group)
        };
        let space = if resource.namespaced {
            "/namespaces/default"
        } else {
            ""
        };
        format!("{root}/{}{space}/{}/{name}", resource.version, resource.plural)
    }

    pub async fn patch(&self, resource: &str, name: &str, patch: Value) -> Value {
        let path = self.path(resource, name);
        let (code, body) = self
            .ask("PATCH", &path, patch, "application/merge-patch+json")
            .await;
        assert_eq!(code, 200, "{body}");
        body
    }

    pub async fn delete(&self, resource: &str, name: &str, options: Value) {
        let path = self.path(resource, name);
        let (code, body) = self.ask("DELETE", &path, options, "application/json").await;
        assert_eq!(code, 200, "{body}");
    }

    /// Every built-in object is as its type would print it.
    pub fn check_forms(&self) {
        let world = self.cluster.world();
        for (key, object) in world.store.all() {
            let typed = world
                .catalog
                .by_id(&key.resource)
                .and_then(|resource| resource.typed);
            if let Some(typed) = typed {
                let mut want = typed(Value::clone(object)).unwrap();
                want["apiVersion"] = object["apiVersion"].clone();
                want["kind"] = object["kind"].clone();
                assert_eq!(**object, want, "{key:?}");
            }
        }
    }
}

pub fn labels(app: &str, hash: &str) -> Value {
    json!({"app": app, "hash": hash})
}

/// A set of pods labelled with the app before the dash and the hash after it.
pub fn replica_set(name: &str, replicas: u32, image: &str) -> Value {
    let (app, hash) = name.split_once('-').unwrap();
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": labels(app, hash)},
        "template": {"metadata": {"labels": labels(app, hash)}, "spec": {
            "containers": [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]}}}})
}

pub fn service(name: &str, selector: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "selector": selector, "ports": [{"port": 80, "targetPort": "http"}]}})
}
