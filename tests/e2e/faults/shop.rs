//! The canary that the faults strike: a routed one with an analysis, a timed pause and one for a person. And what is
//! left of it in the end, without what differs from run to run.

use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::app::route;
use crate::support::audit::AuditEntry;
use crate::support::manifest;
use crate::support::wait::eventually;

/// A whole canary, controllers that die included, on a machine that does much else.
pub const LONG: Duration = Duration::from_secs(150);

/// The step that waits for a person.
pub const LAST_PAUSE: i64 = 4;

pub const ROLLOUT: (&str, &str) = ("argoproj.io/v1alpha1", "Rollout");
pub const RUN: (&str, &str) = ("argoproj.io/v1alpha1", "AnalysisRun");
pub const SET: (&str, &str) = ("apps/v1", "ReplicaSet");
pub const SERVICE: (&str, &str) = ("v1", "Service");
pub const ROUTE: (&str, &str) = ("gateway.networking.k8s.io/v1", "HTTPRoute");
const ID: &str = "argo-rollouts.argoproj.io/controller-instance-id";
const HASH: &str = "rollouts-pod-template-hash";

/// A namespace with the Rollout `web` in it.
pub struct Shop {
    pub client: Client,
    pub namespace: String,
}

impl Shop {
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.to_owned(),
        }
    }

    pub fn api(&self, kind: (&str, &str)) -> Api<DynamicObject> {
        let (group, version) = kind.0.split_once('/').unwrap_or(("", kind.0));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind.1));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    pub async fn apply(&self, document: &Value) {
        manifest::apply_one(&self.client, &self.namespace, document)
            .await
            .unwrap();
    }

    /// Services, route and template; then the first release, until it is healthy.
    pub async fn open(&self, prometheus: &str) {
        for name in ["web-stable", "web-canary"] {
            let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
            self.apply(&service).await;
        }
        self.apply(&route(&[("web-stable", 100), ("web-canary", 0)]))
            .await;
        self.apply(&self.template(prometheus)).await;
        self.release("shop/web:v1").await;
        self.healthy("web").await;
    }

    /// Two measurements, one second apart, that are always good.
    fn template(&self, prometheus: &str) -> Value {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
            "metadata": {"name": "good", "labels": {ID: self.namespace}},
            "spec": {"metrics": [{
                "name": "one", "count": 2, "interval": "1s", "successCondition": "result[0] == 1",
                "provider": {"prometheus": {"address": prometheus, "query": "vector(1)"}}}]}})
    }

    pub async fn release(&self, image: &str) {
        self.apply(&self.rollout(image)).await;
    }

    pub fn rollout(&self, image: &str) -> Value {
        let steps = json!([
            {"setWeight": 20}, {"pause": {"duration": "1s"}}, {"analysis": {"templates": [{"templateName": "good"}]}},
            {"setWeight": 60}, {"pause": {}}]);
        let canary = json!({
            "stableService": "web-stable", "canaryService": "web-canary", "scaleDownDelaySeconds": 1, "steps": steps,
            "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI":
                {"httpRoute": "web", "namespace": self.namespace}}}});
        self.plain_rollout("web", image, &json!({"canary": canary}))
    }

    /// A Rollout of three pods.
    pub fn plain_rollout(&self, name: &str, image: &str, strategy: &Value) -> Value {
        let labels = json!({"app": name});
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": name, "labels": {ID: self.namespace}},
            "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "strategy": strategy,
                "template": {"metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "web", "image": image}]}}}})
    }

    pub async fn get(&self, kind: (&str, &str), name: &str) -> Result<Value, String> {
        let object = self
            .api(kind)
            .get(name)
            .await
            .map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(object).unwrap_or_default())
    }

    pub async fn list(&self, kind: (&str, &str)) -> Vec<Value> {
        let list = self.api(kind).list(&ListParams::default()).await.unwrap();
        list.items
            .into_iter()
            .map(|object| serde_json::to_value(object).unwrap())
            .collect()
    }

    /// Waits until all of the newest release is stable and the old pods are gone.
    pub async fn healthy(&self, name: &str) {
        eventually(LONG, &format!("{name} is healthy"), || async move {
            let rollout = self.get(ROLLOUT, name).await?;
            let status = &rollout["status"];
            let settled = status["phase"] == "Healthy"
                && status["stableRS"] == status["currentPodHash"]
                && status["observedGeneration"] == rollout["metadata"]["generation"].to_string()
                && status["replicas"] == rollout["spec"]["replicas"];
            if settled { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }

    /// Waits for the pause that a person ends, and ends it as the commands do.
    pub async fn promote(&self) {
        eventually(LONG, "the pause for a person", || async move {
            let status = self.get(ROLLOUT, "web").await?["status"].take();
            if paused(&status) && status["currentStepIndex"] == LAST_PAUSE {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await;
        let resume = json!({"status": {"pauseConditions": null}});
        self.patch_status(ROLLOUT, "web", &resume).await;
    }

    pub async fn patch_status(&self, kind: (&str, &str), name: &str, patch: &Value) {
        let params = PatchParams::default();
        let patched = self
            .api(kind)
            .patch_status(name, &params, &Patch::Merge(patch))
            .await;
        patched.unwrap();
    }

    /// Waits for the first state of any object of `kind` that satisfies `when`.
    pub async fn first_seen(&self, kind: (&str, &str), what: &str, when: impl Fn(&Value) -> bool) {
        let mut stream = std::pin::pin!(watcher::watcher(self.api(kind), watcher::Config::default()));
        let seen = async {
            while let Some(event) = stream.next().await {
                if let Ok(Event::Apply(object) | Event::InitApply(object)) = event
                    && when(&serde_json::to_value(object).unwrap_or_default())
                {
                    return;
                }
            }
        };
        let outcome = tokio::time::timeout(LONG, seen).await;
        assert!(outcome.is_ok(), "{what}: not seen within {LONG:?}");
    }

    /// Everything that is left, as far as it must be the same each time.
    pub async fn end(&self) -> Value {
        let mut end = json!({"rollout": self.list(ROLLOUT).await, "sets": self.list(SET).await,
            "runs": self.list(RUN).await, "services": self.list(SERVICE).await, "routes": self.list(ROUTE).await});
        mask(&mut end, &self.namespace);
        end
    }
}

pub fn paused(status: &Value) -> bool {
    status["pauseConditions"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
}

/// The pod-template hash that a ReplicaSet or a Service's selector names.
pub fn hash_of(object: &Value) -> &str {
    let label = &object["metadata"]["labels"][HASH];
    let selected = &object["spec"]["selector"][HASH];
    label.as_str().or(selected.as_str()).unwrap_or_default()
}

/// The weight of the second backend of a route: the canary's.
pub fn canary_weight(route: &Value) -> i64 {
    route["spec"]["rules"][0]["backendRefs"][1]["weight"]
        .as_i64()
        .unwrap_or_default()
}

/// Takes out what each run has its own of: identities, versions, times and the namespace; and puts lists whose order
/// tells of the past into one order.
fn mask(value: &mut Value, namespace: &str) {
    match value {
        Value::Object(members) => {
            for own in [
                "uid",
                "resourceVersion",
                "totalManualPauseDurationSeconds",
                "managedFields",
                "generation",
                "clusterIP",
                "clusterIPs",
            ] {
                members.remove(own);
            }
            if let Some(Value::Array(conditions)) = members.get_mut("conditions") {
                conditions.sort_by_key(|one| one["type"].to_string());
            }
            members.values_mut().for_each(|member| mask(member, namespace));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, namespace)),
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => {
            "a time".clone_into(text)
        }
        Value::String(text) => *text = text.replace(namespace, "the namespace"),
        _ => {}
    }
}

/// How many objects of a resource a user has made.
pub fn created(audit: &[AuditEntry], user: &str, resource: &str) -> usize {
    let made = |one: &&AuditEntry| {
        one.user == user && one.verb == "create" && one.resource == resource && one.code < 300
    };
    audit.iter().filter(made).count()
}
