//! Pods without a kubelet: binds every pod to one pretended node and lets it start, become ready, crash, end
//! and terminate as [`model`] says, by the same requests a scheduler and a kubelet would make.

pub use serin::cluster::models::pods as model;
use serin::cluster::models::pods::status;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use model::{Facts, Life, Look, Pace};

/// The node that all pods run on.
pub const NODE: &str = "serin-model-node";

/// After a refused or failed request, until the next look.
const RETRY: Duration = Duration::from_millis(200);

/// The running model. Dropping it freezes all pods.
#[derive(Debug)]
pub struct PodModel {
    task: JoinHandle<()>,
}

impl Drop for PodModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PodModel {
    /// Makes the node and tends every pod that is unbound or bound to it, in the namespaces whose names begin
    /// with `namespaces` (all, if it is empty).
    pub async fn start(client: Client, pace: Pace, namespaces: &str) -> Result<Self> {
        make_node(&client).await?;
        let herd = Herd {
            client,
            pace,
            namespaces: namespaces.to_owned(),
            tended: HashMap::new(),
        };
        Ok(Self {
            task: tokio::spawn(herd.tend()),
        })
    }
}

/// The endpoint controller and the pod collector want the node of a pod to exist.
async fn make_node(client: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    nodes
        .patch(
            NODE,
            &PatchParams::apply("serin-pod-model").force(),
            &Patch::Apply(node),
        )
        .await?;
    let capacity = json!({"cpu": "1000", "memory": "4Ti", "pods": "100000"});
    let status = json!({"status": {
        "capacity": capacity, "allocatable": capacity,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Model"}]}});
    nodes
        .patch_status(NODE, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// One task per pod; each sees the newest state of its pod through a channel of one value.
struct Herd {
    client: Client,
    pace: Pace,
    namespaces: String,
    tended: HashMap<String, watch::Sender<Value>>,
}

impl Herd {
    async fn tend(mut self) {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let mut stream = std::pin::pin!(watcher::watcher(pods, watcher::Config::default()));
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => self.see(&pod),
                Ok(Event::Delete(pod)) => drop(self.tended.remove(&pod.uid().unwrap_or_default())),
                Ok(Event::Init | Event::InitDone) => {}
                // The API server is away or restarting; the watcher goes on where it was.
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    fn see(&mut self, pod: &Pod) {
        let node = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .unwrap_or(NODE);
        let ours = (node == NODE || node.is_empty())
            && pod
                .namespace()
                .is_some_and(|name| name.starts_with(&self.namespaces));
        let Ok(value) = serde_json::to_value(pod) else {
            return;
        };
        if !ours {
            return;
        }
        let uid = pod.uid().unwrap_or_default();
        if let Some(channel) = self.tended.get(&uid).filter(|channel| !channel.is_closed()) {
            channel.send_replace(value);
            return;
        }
        let (sender, receiver) = watch::channel(value);
        self.tended.insert(uid, sender);
        tokio::spawn(tend(self.client.clone(), self.pace, receiver));
    }
}

/// Tends one pod until it is deleted: its sender is dropped then.
async fn tend(client: Client, pace: Pace, mut pod: watch::Receiver<Value>) {
    let mut life = Life {
        started: now(),
        deleted: None,
    };
    let mut shown = Look::Unchanged;
    loop {
        let seen = pod.borrow_and_update().clone();
        let (now, facts) = (now(), Facts::of(&seen));
        if facts.deleting.is_some() {
            life.deleted.get_or_insert(now);
        }
        let next = model::next(&facts, life, pace, now);
        let mut again = next.again.map(|at| (at - now).to_std().unwrap_or_default());
        if next.look != shown {
            match show(&client, &seen, &next.look, life).await {
                Ok(()) => shown = next.look,
                Err(_) => again = Some(RETRY),
            }
        }
        let wake = async {
            match again {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = pod.changed() => if changed.is_err() { return },
            () = wake => {}
        }
    }
}

/// Makes the API server show `look`. A pod that is gone, or is another one by now, is no error: its deletion
/// is on the way to us.
async fn show(client: &Client, pod: &Value, look: &Look, life: Life) -> kube::Result<()> {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (name, uid) = (text("name"), text("uid"));
    let pods: Api<Pod> = Api::namespaced(client.clone(), &text("namespace"));
    let answer = match look {
        Look::Unchanged => Ok(()),
        Look::Unbound => bind(&pods, &name, &uid).await,
        Look::Gone => {
            let exactly = Preconditions {
                uid: Some(uid),
                resource_version: None,
            };
            let now = DeleteParams::default().grace_period(0).preconditions(exactly);
            pods.delete(&name, &now).await.map(|_| ())
        }
        look => {
            let Some(mut patch) = status::patch(pod, look, life, now()) else {
                return Ok(());
            };
            patch["metadata"] = json!({"uid": uid});
            pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch))
                .await
                .map(|_| ())
        }
    };
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => other,
    }
}

async fn bind(pods: &Api<Pod>, name: &str, uid: &str) -> kube::Result<()> {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "uid": uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}});
    pods.create_subresource::<_, Value>("binding", name, &PostParams::default(), &binding)
        .await
        .map(|_| ())
}

fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}
