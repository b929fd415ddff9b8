//! One control plane, pod model, traffic model and Prometheus for all tests of a binary: started by the first
//! test that asks, each test in a namespace of its own, all of them in parallel.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use tokio::runtime::{Builder, Handle, Runtime};

use super::audit;
use super::manifest;
use super::plane::{Plane, client};
use super::pods::PodModel;
use super::pods::model::Pace;
use super::prometheus::Prometheus;
use super::traffic::Traffic;

/// Everything that tests share.
#[derive(Debug)]
pub struct World {
    pub plane: Plane,
    pub traffic: Traffic,
    pub prometheus: Prometheus,
    /// How long each part took to start.
    pub timings: Timings,
    // Declared after what runs on it, so that it ends last.
    _pods: PodModel,
    runtime: Runtime,
}

/// What the namespaces of tests begin with.
pub const PREFIX: &str = "e2e-";

/// The shared world of this process, started if need be. It ends with the process.
pub async fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    // On a thread of its own: starting blocks, and its runtime must outlive the test that happens to be first.
    let start = || WORLD.get_or_init(|| World::start().unwrap_or_else(|error| panic!("{error:#}")));
    tokio::task::spawn_blocking(start)
        .await
        .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl World {
    /// Starts all parts. Not to be called on a thread that runs a tokio runtime.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let (plane, traffic, prometheus, pods, timings) = runtime.block_on(start_parts())?;
        Ok(Self {
            plane,
            traffic,
            prometheus,
            timings,
            _pods: pods,
            runtime,
        })
    }

    /// What the start cost, for reports: seconds since its beginning and resident MiB of each part.
    pub fn costs(&self) -> String {
        let times = self
            .timings
            .iter()
            .map(|(part, since)| format!("{part} {:.1} s", since.as_secs_f64()));
        let memory = self.plane.memory_mib().into_iter();
        let memory = memory.chain(self.prometheus.memory_mib().map(|mib| ("Prometheus", mib)));
        let memory = memory.map(|(part, mib)| format!("{part} {mib} MiB"));
        times.chain(memory).collect::<Vec<_>>().join(", ")
    }

    /// A new namespace and a client of the administrator for it. The namespace is deleted when it is dropped.
    pub async fn space(&self, name: &str) -> Space {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{PREFIX}{name}-{}-{number}", std::process::id());
        let client = self.plane.admin_client().await.expect("the plane was ready");
        let mut object = Namespace::default();
        object.metadata.name = Some(namespace.clone());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .expect("a namespace can be made");
        let kubeconfig = self.plane.admin_kubeconfig().to_owned();
        Space {
            namespace,
            client,
            kubeconfig,
            background: self.runtime.handle().clone(),
        }
    }
}

type Timings = Vec<(&'static str, Duration)>;

async fn start_parts() -> Result<(Plane, Traffic, Prometheus, PodModel, Timings)> {
    let begin = Instant::now();
    let plane = Plane::start().await?;
    let mut timings = vec![("control plane", begin.elapsed())];
    // In a cluster of somebody else's only the pods of tests are ours to play with.
    let only = if plane.is_local() { "" } else { PREFIX };
    let pods = PodModel::start(own_client(&plane, audit::PODS).await?, Pace::default(), only).await?;
    let traffic = Traffic::start(own_client(&plane, audit::TRAFFIC).await?).await?;
    timings.push(("pods and traffic", begin.elapsed()));
    let prometheus = Prometheus::start(&[traffic.address()], &[]).await?;
    timings.push(("Prometheus", begin.elapsed()));
    Ok((plane, traffic, prometheus, pods, timings))
}

/// A client under a name of its own, so that the audit log can leave the harness out.
async fn own_client(plane: &Plane, user: &str) -> Result<Client> {
    if !plane.is_local() {
        return plane.admin_client().await;
    }
    let kubeconfig = plane.kubeconfig_for(user, &["system:masters"])?;
    client(&kubeconfig)
        .await
        .with_context(|| format!("no client for {user}"))
}

/// A test's own namespace.
pub struct Space {
    pub namespace: String,
    /// Of the administrator, bound to the runtime of the test that asked for it.
    pub client: Client,
    kubeconfig: std::path::PathBuf,
    background: Handle,
}

impl Space {
    /// The API of a namespaced kind here.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies manifests here.
    pub async fn apply(&self, yaml: &str) {
        manifest::apply(&self.client, &self.namespace, yaml)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"));
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let (namespace, kubeconfig) = (self.namespace.clone(), self.kubeconfig.clone());
        let delete = async move {
            let namespaces: Api<Namespace> = Api::all(client(&kubeconfig).await?);
            namespaces.delete(&namespace, &DeleteParams::default()).await?;
            anyhow::Ok(())
        };
        // A thread of its own, because a test's runtime cannot wait inside a drop. The request is waited for,
        // so that the last namespace of a run is deleted too; the deletion itself is not.
        let background = self.background.clone();
        let _deleted = std::thread::spawn(move || background.block_on(delete)).join();
    }
}
