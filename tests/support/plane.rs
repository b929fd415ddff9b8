//! One control plane: etcd, kube-apiserver and kube-controller-manager as child processes on loopback, with
//! RBAC, an audit log and certificates of its own. Or, with `SERIN_E2E_KUBECONFIG`, one that runs already.

pub mod parts;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::audit::{self, AuditEntry};
use super::manifest;
use super::process::Process;
use super::wait::within;
use parts::{Parts, find_program};

/// The user of the tests themselves. Like the harness's own users it is in `system:masters`.
pub const ADMIN: &str = "serin-admin";

/// A part that is not ready by then is broken. Generous, because test machines are shared.
const READY: Duration = Duration::from_secs(90);

/// A control plane that is ready. Dropping it stops its processes and removes its folder.
#[derive(Debug)]
pub struct Plane {
    kubeconfig: PathBuf,
    program: PathBuf,
    local: Option<Local>,
}

/// What only a plane that we started ourselves has. The order is the order of stopping.
#[derive(Debug)]
struct Local {
    controllers: Slot,
    apiserver: Slot,
    etcd: Slot,
    parts: Parts,
}

/// A part while it runs.
type Slot = Mutex<Option<Process>>;

fn lock(slot: &Slot) -> MutexGuard<'_, Option<Process>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plane {
    /// Starts a control plane of our own, or connects to the one that `SERIN_E2E_KUBECONFIG` names, and
    /// installs [`manifest::crds`].
    pub async fn start() -> Result<Self> {
        let crds = manifest::crds()?;
        match std::env::var_os("SERIN_E2E_KUBECONFIG") {
            Some(path) => Self::connect(Path::new(&path), &crds).await,
            None => Self::start_local(&crds).await,
        }
    }

    /// Uses a cluster that runs already. CRDs that it has stay as they are.
    async fn connect(kubeconfig: &Path, crds: &[String]) -> Result<Self> {
        let found = std::fs::canonicalize(kubeconfig);
        let kubeconfig =
            found.with_context(|| format!("SERIN_E2E_KUBECONFIG names {}", kubeconfig.display()))?;
        let plane = Self {
            kubeconfig,
            program: find_program()?,
            local: None,
        };
        plane.wait_ready().await?;
        let client = plane.admin_client().await?;
        try_join_all(crds.iter().map(|crd| manifest::apply_missing(&client, crd))).await?;
        Ok(plane)
    }

    /// Starts etcd, kube-apiserver and kube-controller-manager, and waits until all three do their work.
    pub async fn start_local(crds: &[String]) -> Result<Self> {
        Self::start_with(crds, parts::CONTROLLERS).await
    }

    /// As [`Plane::start_local`] with only the `controllers` named: without those of workloads nothing writes
    /// to an object but the test.
    pub async fn start_with(crds: &[String], controllers: &str) -> Result<Self> {
        let parts = Parts::new(find_program()?)?;
        let etcd = parts.start_etcd()?;
        let apiserver = parts.start_apiserver()?;
        let kubeconfig = parts.kubeconfig(ADMIN, &["system:masters"])?;
        let program = parts.program.clone();
        let (etcd, apiserver) = (Mutex::new(Some(etcd)), Mutex::new(Some(apiserver)));
        let local = Local {
            controllers: Mutex::default(),
            apiserver,
            etcd,
            parts,
        };
        let plane = Self {
            kubeconfig,
            program,
            local: Some(local),
        };
        plane.wait_ready().await?;
        let client = plane.admin_client().await?;
        // Before the controllers: the garbage collector looks for new kinds when it starts and then only
        // every 30 seconds, and until it knows a kind it deletes nothing that such an object owns.
        try_join_all(crds.iter().map(|crd| manifest::apply(&client, "default", crd))).await?;
        let local = plane.local()?;
        *lock(&local.controllers) = Some(local.parts.start_controllers(controllers)?);
        plane.wait_controllers().await?;
        Ok(plane)
    }

    /// A client of the cluster's administrator, bound to the runtime it is made in.
    pub async fn admin_client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// The administrator's kubeconfig.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The path of a kubeconfig whose client certificate says `user` and `groups` (two at most): what RBAC
    /// then allows is what that user's roles allow. Only a plane of our own can make one.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        self.local()?.parts.kubeconfig(user, groups)
    }

    /// A client with the certificate of [`Plane::kubeconfig_for`]. On an existing cluster, which signs no
    /// certificates for us, the administrator impersonates the user: RBAC decides in the same way.
    pub async fn client_for(&self, user: &str, groups: &[&str]) -> Result<Client> {
        if self.is_local() {
            return client(&self.kubeconfig_for(user, groups)?).await;
        }
        let mut config = config(&self.kubeconfig).await?;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        Ok(Client::try_from(config)?)
    }

    /// Whether the processes are ours, and with them the audit log, the restarts and other users' kubeconfigs.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Runs kubectl as the administrator and returns what it answered.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.kubectl_command();
        command.args(args);
        tokio::task::spawn_blocking(move || command.output().context("failed to run kubectl")).await?
    }

    /// kubectl of the control plane's tools, without any flag: for other servers than this.
    pub fn bare_kubectl() -> Result<Command> {
        let mut command = Command::new(find_program()?);
        command.arg("kubectl");
        Ok(command)
    }

    /// kubectl with its flags for this cluster, for callers that need pipes or another user.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(local) = &self.local {
            command
                .arg("--cache-dir")
                .arg(local.parts.scratch.join("kubectl-cache"));
        }
        command
    }

    /// Kills the API server, starts it again on the same port and waits until it is ready. Watches break,
    /// clients are refused for about three seconds, nothing is lost.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver()?;
        self.start_apiserver_again().await
    }

    /// Kills the API server. Until [`Plane::start_apiserver_again`] every connection is refused.
    pub fn stop_apiserver(&self) -> Result<()> {
        *lock(&self.local()?.apiserver) = None;
        Ok(())
    }

    /// The second half of [`Plane::restart_apiserver`].
    pub async fn start_apiserver_again(&self) -> Result<()> {
        let local = self.local()?;
        *lock(&local.apiserver) = Some(local.parts.start_apiserver()?);
        self.wait_ready().await
    }

    /// Every request that the API server has answered so far, in the order of its log, without those of the
    /// harness's own parts (controller manager, pod model, traffic model).
    pub fn audit(&self) -> Result<Vec<AuditEntry>> {
        audit::read(&self.local()?.parts.audit_log())
    }

    /// The folder with certificates, kubeconfigs and logs (`etcd.log`, `kube-apiserver.log`, …).
    pub fn folder(&self) -> Result<&Path> {
        Ok(self.local()?.parts.scratch.path())
    }

    /// Resident memory of each part in MiB, for reports.
    pub fn memory_mib(&self) -> Vec<(&'static str, u64)> {
        self.slots()
            .into_iter()
            .filter_map(|(name, slot)| Some((name, lock(slot).as_ref()?.memory_mib()?)))
            .collect()
    }

    fn slots(&self) -> Vec<(&'static str, &Slot)> {
        let Some(local) = &self.local else {
            return Vec::new();
        };
        vec![
            ("etcd", &local.etcd),
            ("kube-apiserver", &local.apiserver),
            ("kube-controller-manager", &local.controllers),
        ]
    }

    fn local(&self) -> Result<&Local> {
        let why = "SERIN_E2E_KUBECONFIG is set, and this needs a control plane of our own";
        self.local.as_ref().ok_or_else(|| anyhow!(why))
    }

    fn check_alive(&self) -> Result<()> {
        self.slots()
            .into_iter()
            .try_for_each(|(_, slot)| lock(slot).as_mut().map_or(Ok(()), Process::check_alive))
    }

    async fn wait_ready(&self) -> Result<()> {
        let client = self.admin_client().await?;
        self.wait("kube-apiserver", async || {
            let request = axum::http::Request::get("/readyz").body(Vec::new())?;
            match client.request_text(request).await?.as_str() {
                "ok" => Ok(()),
                other => bail!("/readyz says {other}"),
            }
        })
        .await
    }

    /// The controller manager works when it has made the first thing that it makes in any cluster.
    async fn wait_controllers(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, "default");
        self.wait("kube-controller-manager", async || {
            accounts.get("default").await?;
            Ok(())
        })
        .await
    }

    /// Waits for one part, but not for one that has died.
    async fn wait<F: AsyncFn() -> Result<()>>(&self, part: &str, check: F) -> Result<()> {
        let outcome = within(READY, async || match self.check_alive() {
            Err(dead) => Ok(Err(dead)),
            Ok(()) => check().await.map(Ok),
        });
        match outcome.await {
            Ok(result) => result,
            Err(missing) => bail!(
                "{part} was not ready after {READY:?}: {missing}. {}",
                self.last_words(part)
            ),
        }
    }

    fn last_words(&self, part: &str) -> String {
        let slot = self.slots().into_iter().find(|(name, _)| *name == part);
        let log = slot.and_then(|(_, slot)| lock(slot).as_ref().map(|process| process.log().to_owned()));
        log.map_or_else(String::new, |log| {
            format!("The end of its log:\n{}", super::process::tail(&log, 20))
        })
    }
}

/// A client from a kubeconfig file. It does not repeat requests by itself: a test wants to see the answer.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    Ok(Client::try_from(config(kubeconfig).await?)?)
}

/// Every TLS client of this process uses ring; the HTTP client we build on refuses to choose by itself.
pub fn install_tls() {
    // An error says that it is installed already.
    let _already = rustls::crypto::ring::default_provider().install_default();
}

async fn config(kubeconfig: &Path) -> Result<Config> {
    install_tls();
    let file = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(config)
}
