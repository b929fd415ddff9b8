//! Controllers as real processes under the shipped role, to be killed and started again. Unlike those of `support::serin` each is a
//! user of its own, so that the audit log tells which of two replicas wrote.

use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use serde_json::json;

use crate::support::manifest;
use crate::support::plane::Plane;
use crate::support::process::{Process, Scratch, free_port, tail};
use crate::support::serin::program;
use crate::support::wait::eventually;

/// A debug build on a busy machine takes its time to fill its caches.
const READY: Duration = Duration::from_secs(60);

/// One controller; dropping it kills it.
pub struct Serin {
    /// Who it is to the API server, for the audit log.
    pub user: String,
    process: Option<Process>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    log: PathBuf,
    health: u16,
    metrics: u16,
    http: reqwest::Client,
    _scratch: Scratch,
}

impl Serin {
    /// Allows `user` what the shipped role allows, and prepares a controller that has its Lease in `namespace`, whose
    /// name is its instance id too. It is not started yet.
    pub async fn new(plane: &Plane, client: &Client, namespace: &str, user: &str, args: &[&str]) -> Self {
        let user = format!("{namespace}-{user}");
        grant(client, namespace, &user).await;
        let kubeconfig = plane.kubeconfig_for(&user, &[]).unwrap();
        let scratch = Scratch::new("serin").unwrap();
        let (health, metrics) = (free_port().unwrap(), free_port().unwrap());
        let own = [
            "controller".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--instance-id={namespace}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--healthzPort={health}"),
            format!("--metricsPort={metrics}"),
            "--loglevel=info,serin=debug".to_owned(),
        ];
        Self {
            user,
            process: None,
            args: own
                .into_iter()
                .chain(args.iter().map(|&arg| arg.to_owned()))
                .collect(),
            env: vec![("POD_NAMESPACE".to_owned(), namespace.to_owned())],
            log: scratch.join("serin.log"),
            health,
            metrics,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(5))
                .build()
                .unwrap(),
            _scratch: scratch,
        }
    }

    /// Starts it, or starts it again on the same ports.
    pub fn start(&mut self) {
        let program = program().unwrap();
        let started = Process::start_with_env("serin", &program, &self.args, &self.env, &self.log);
        self.process = Some(started.unwrap());
    }

    /// SIGKILL. Returns when it is gone.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// SIGTERM. Does not wait.
    pub fn terminate(&self) {
        self.process.as_ref().unwrap().terminate().unwrap();
    }

    /// Its exit code once it has ended by itself.
    pub fn exited(&mut self) -> Option<i32> {
        self.process.as_mut().and_then(Process::exited)
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&self) {
        eventually(READY, "the controller is ready", || async move {
            match self.health("/readyz").await {
                Some((200, _)) => Ok(()),
                other => Err(format!("{other:?}; the end of its log:\n{}", tail(&self.log, 15))),
            }
        })
        .await;
    }

    /// Status code and body of a health endpoint; none while nobody listens.
    pub async fn health(&self, path: &str) -> Option<(u16, String)> {
        self.get(self.health, path).await
    }

    /// The value of a metric without labels, or of the one whose name and labels are `series`.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics().await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line?.parse().ok()
    }

    /// `/metrics` whole.
    pub async fn metrics(&self) -> Option<String> {
        Some(self.get(self.metrics, "/metrics").await?.1)
    }

    /// The last lines it logged.
    pub fn last_words(&self) -> String {
        tail(&self.log, 30)
    }

    async fn get(&self, port: u16, path: &str) -> Option<(u16, String)> {
        let answer = self
            .http
            .get(format!("http://127.0.0.1:{port}{path}"))
            .send()
            .await
            .ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }
}

/// Binds the role from `deploy/` to a user: the cluster role everywhere, the role of the Lease in `namespace`.
async fn grant(client: &Client, namespace: &str, user: &str) {
    let group = "rbac.authorization.k8s.io";
    let subjects = json!([{"kind": "User", "name": user, "apiGroup": group}]);
    let bind = |binding: &str, role: &str| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": binding, "metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": role, "name": "serin"}, "subjects": subjects})
    };
    let mut all = cluster_role();
    all.extend(own_role());
    for document in &mut all {
        if document["kind"] == "Role" {
            document["metadata"]["namespace"] = json!(namespace);
        }
    }
    all.push(bind("ClusterRoleBinding", "ClusterRole"));
    all.push(bind("RoleBinding", "Role"));
    for document in all {
        manifest::apply_one(client, namespace, &document).await.unwrap();
    }
}

/// The shipped role for the namespaces of Rollouts.
pub fn cluster_role() -> Vec<serde_json::Value> {
    manifest::documents(include_str!("../../../deploy/20-cluster-role.yaml")).unwrap()
}

/// The shipped role for the controller's own namespace.
pub fn own_role() -> Vec<serde_json::Value> {
    manifest::documents(include_str!("../../../deploy/22-role.yaml")).unwrap()
}
