//! One control plane: etcd, kube-apiserver and kube-controller-manager as child processes on loopback, with
//! RBAC, an audit log and certificates of its own. Or, with `SERIN_E2E_KUBECONFIG`, one that runs already.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::audit::{self, AuditEntry};
use super::certs::{Certs, file_name};
use super::process::{Process, Scratch, free_port};
use super::wait::within;

/// The user of the tests themselves. Like the harness's own users it is in `system:masters`.
pub const ADMIN: &str = "serin-admin";

/// A part that is not ready by then is broken. Generous, because test machines are shared.
const READY: Duration = Duration::from_secs(90);

const CONTROLLERS: &str = "deployment-controller,replicaset-controller,job-controller,endpointslice-controller,\
    horizontal-pod-autoscaler-controller,garbage-collector-controller,namespace-controller,\
    serviceaccount-controller,disruption-controller,pod-garbage-collector-controller";

/// A control plane that is ready. Dropping it stops its processes and removes its folder.
#[derive(Debug)]
pub struct Plane {
    kubeconfig: PathBuf,
    tools: Tools,
    local: Option<Local>,
    scratch: Scratch,
}

/// What only a plane that we started ourselves has. The order is the order of stopping.
#[derive(Debug)]
struct Local {
    certs: Certs,
    apiserver_port: u16,
    controllers: Mutex<Process>,
    apiserver: Mutex<Process>,
    etcd: Mutex<Process>,
}

/// Where the programs of the control plane are.
#[derive(Debug, Clone)]
struct Tools {
    cluster: PathBuf,
}

impl Plane {
    /// Starts a control plane of our own, or connects to the one that `SERIN_E2E_KUBECONFIG` names.
    pub async fn start() -> Result<Self> {
        match std::env::var_os("SERIN_E2E_KUBECONFIG") {
            Some(path) => Self::existing(Path::new(&path)).await,
            None => Self::start_local().await,
        }
    }

    async fn existing(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = std::fs::canonicalize(kubeconfig)
            .with_context(|| format!("SERIN_E2E_KUBECONFIG names {}", kubeconfig.display()))?;
        let plane = Self {
            kubeconfig,
            tools: Tools::find()?,
            local: None,
            scratch: Scratch::new("plane")?,
        };
        plane.wait_ready().await?;
        Ok(plane)
    }

    /// Starts etcd, kube-apiserver and kube-controller-manager and waits until all three do their work.
    pub async fn start_local() -> Result<Self> {
        let tools = Tools::find()?;
        let scratch = Scratch::new("plane")?;
        let certs = Certs::new(&scratch.join("certs"))?;
        let apiserver_port = free_port()?;
        let (etcd, etcd_url) = start_etcd(&tools, &scratch)?;
        let apiserver = start_apiserver(&tools, &scratch, &certs, apiserver_port, &etcd_url)?;
        let kubeconfig = write_kubeconfig(&scratch, &certs, apiserver_port, ADMIN, &["system:masters"])?;
        let own = write_kubeconfig(
            &scratch,
            &certs,
            apiserver_port,
            audit::CONTROLLERS,
            &["system:masters"],
        )?;
        let controllers = start_controllers(&tools, &scratch, &certs, &own)?;
        let local = Local {
            certs,
            apiserver_port,
            controllers: Mutex::new(controllers),
            apiserver: Mutex::new(apiserver),
            etcd: Mutex::new(etcd),
        };
        std::fs::write(scratch.join("etcd.url"), etcd_url)?;
        let plane = Self {
            kubeconfig,
            tools,
            local: Some(local),
            scratch,
        };
        plane.wait_ready().await?;
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

    /// The path of a kubeconfig whose client certificate says `user` and `groups`: what RBAC then allows is
    /// what that user's roles allow. Only a plane of our own can make one.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let local = self.local()?;
        write_kubeconfig(&self.scratch, &local.certs, local.apiserver_port, user, groups)
    }

    /// A client with the certificate of [`Plane::kubeconfig_for`]. On an existing cluster, which signs no
    /// certificates for us, the administrator impersonates the user: RBAC decides in the same way.
    pub async fn client_for(&self, user: &str, groups: &[&str]) -> Result<Client> {
        if self.local.is_some() {
            return client(&self.kubeconfig_for(user, groups)?).await;
        }
        let mut config = config(&self.kubeconfig).await?;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        Ok(Client::try_from(config)?)
    }

    /// Whether the processes are ours, and with them the audit log and the restart.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Runs kubectl as the administrator and returns what it answered.
    pub async fn kubectl(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.kubectl_command();
        command.args(args);
        tokio::task::spawn_blocking(move || command.output().context("failed to run kubectl")).await?
    }

    /// kubectl with its flags for this cluster, for callers that need pipes or another user.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.tools.cluster);
        command.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig);
        command.arg("--cache-dir").arg(self.scratch.join("kubectl-cache"));
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
        self.local()?
            .apiserver
            .lock()
            .map_err(|_| anyhow!("a restart panicked"))?
            .kill();
        Ok(())
    }

    pub async fn start_apiserver_again(&self) -> Result<()> {
        let local = self.local()?;
        let etcd_url = std::fs::read_to_string(self.scratch.join("etcd.url"))?;
        let new = start_apiserver(
            &self.tools,
            &self.scratch,
            &local.certs,
            local.apiserver_port,
            &etcd_url,
        )?;
        *local
            .apiserver
            .lock()
            .map_err(|_| anyhow!("a restart panicked"))? = new;
        self.wait_ready().await
    }

    /// Every request that the API server has answered so far, in the order of its log, without those of the
    /// harness's own parts (controller manager, pod model, traffic model).
    pub fn audit(&self) -> Result<Vec<AuditEntry>> {
        self.local()?;
        audit::read(&self.scratch.join("audit.log"))
    }

    /// The folder with certificates and logs (`etcd.log`, `kube-apiserver.log`, …), for what belongs to them.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Resident memory of each part in MiB, for reports.
    pub fn memory_mib(&self) -> Vec<(&'static str, u64)> {
        let Some(local) = &self.local else {
            return Vec::new();
        };
        [
            ("etcd", &local.etcd),
            ("kube-apiserver", &local.apiserver),
            ("controllers", &local.controllers),
        ]
        .into_iter()
        .filter_map(|(name, part)| Some((name, part.lock().ok()?.memory_mib()?)))
        .collect()
    }

    fn local(&self) -> Result<&Local> {
        self.local
            .as_ref()
            .ok_or_else(|| anyhow!("SERIN_E2E_KUBECONFIG is set; this needs a control plane of our own"))
    }

    fn check_alive(&self) -> Result<()> {
        let Some(local) = &self.local else { return Ok(()) };
        for part in [&local.etcd, &local.apiserver, &local.controllers] {
            part.lock()
                .map_err(|_| anyhow!("a restart panicked"))?
                .check_alive()?;
        }
        Ok(())
    }

    async fn wait_ready(&self) -> Result<()> {
        let client = self.admin_client().await?;
        self.wait("kube-apiserver", async || {
            let request = axum::http::Request::get("/readyz").body(Vec::new())?;
            let answer = client
                .request_text(request)
                .await
                .map_err(|error| anyhow!(error))?;
            if answer == "ok" {
                Ok(())
            } else {
                bail!("/readyz says {answer}")
            }
        })
        .await
    }

    /// The controller manager works when it has made the first thing that it makes in any cluster.
    async fn wait_controllers(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, "default");
        self.wait("kube-controller-manager", async || {
            accounts
                .get("default")
                .await
                .map(|_| ())
                .map_err(|error| anyhow!(error))
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
                "{part} was not ready after {READY:?}: {missing}; its log is in {}",
                self.scratch.path().display()
            ),
        }
    }
}

impl Tools {
    fn find() -> Result<Self> {
        let cluster = match std::env::var_os("SERIN_CLUSTER") {
            Some(path) => PathBuf::from(path),
            None => tool_path("build.sh")?,
        };
        if !cluster.exists() {
            bail!(
                "the control plane for tests is not built ({} is missing). Run: make cluster-tools",
                cluster.display()
            );
        }
        Ok(Self { cluster })
    }
}

/// Asks one of the scripts in `tests/cluster` where its tool is; it does not build anything then.
pub fn tool_path(script: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster")
        .join(script);
    let out = Command::new(&script)
        .arg("--path")
        .output()
        .with_context(|| format!("failed to run {}", script.display()))?;
    if !out.status.success() {
        bail!(
            "{} failed: {}",
            script.display(),
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    Ok(PathBuf::from(String::from_utf8(out.stdout)?.trim()))
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

fn start_etcd(tools: &Tools, scratch: &Scratch) -> Result<(Process, String)> {
    let clients = format!("http://127.0.0.1:{}", free_port()?);
    let peers = format!("http://127.0.0.1:{}", free_port()?);
    let args = flags(&[
        ("data-dir", scratch.join("etcd").display().to_string()),
        ("listen-client-urls", clients.clone()),
        ("advertise-client-urls", clients.clone()),
        ("listen-peer-urls", peers.clone()),
        ("initial-advertise-peer-urls", peers.clone()),
        ("initial-cluster", format!("default={peers}")),
        ("unsafe-no-fsync", "true".to_owned()),
        ("log-level", "warn".to_owned()),
    ]);
    Ok((start_part(tools, scratch, "etcd", args)?, clients))
}

fn start_apiserver(
    tools: &Tools,
    scratch: &Scratch,
    certs: &Certs,
    port: u16,
    etcd_url: &str,
) -> Result<Process> {
    let policy = scratch.join("audit-policy.json");
    std::fs::write(&policy, audit::policy().to_string())?;
    let args = flags(&[
        ("etcd-servers", etcd_url.to_owned()),
        ("secure-port", port.to_string()),
        ("bind-address", "127.0.0.1".to_owned()),
        ("advertise-address", "127.0.0.1".to_owned()),
        ("service-cluster-ip-range", "10.0.0.0/16".to_owned()),
        ("tls-cert-file", certs.path("server.crt")),
        ("tls-private-key-file", certs.path("server.key")),
        ("client-ca-file", certs.path("ca.crt")),
        ("service-account-key-file", certs.path("tokens.pub")),
        ("service-account-signing-key-file", certs.path("tokens.key")),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".to_owned(),
        ),
        ("authorization-mode", "RBAC".to_owned()),
        // It would refuse every pod until a controller has made the token it wants to mount.
        ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ("endpoint-reconciler-type", "none".to_owned()),
        ("audit-policy-file", policy.display().to_string()),
        ("audit-log-path", scratch.join("audit.log").display().to_string()),
    ]);
    start_part(tools, scratch, "kube-apiserver", args)
}

fn start_controllers(tools: &Tools, scratch: &Scratch, certs: &Certs, kubeconfig: &Path) -> Result<Process> {
    let args = flags(&[
        ("kubeconfig", kubeconfig.display().to_string()),
        ("secure-port", "0".to_owned()),
        ("service-account-private-key-file", certs.path("tokens.key")),
        ("root-ca-file", certs.path("ca.crt")),
        ("use-service-account-credentials", "false".to_owned()),
        ("leader-elect", "false".to_owned()),
        ("kube-api-qps", "500".to_owned()),
        ("kube-api-burst", "1000".to_owned()),
        ("concurrent-replicaset-syncs", "20".to_owned()),
        ("controllers", CONTROLLERS.to_owned()),
    ]);
    start_part(tools, scratch, "kube-controller-manager", args)
}

fn start_part(tools: &Tools, scratch: &Scratch, part: &str, flags: Vec<String>) -> Result<Process> {
    let args: Vec<String> = std::iter::once(part.to_owned()).chain(flags).collect();
    Process::start(part, &tools.cluster, &args, &scratch.join(&format!("{part}.log")))
}

fn flags(pairs: &[(&str, String)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

fn write_kubeconfig(
    scratch: &Scratch,
    certs: &Certs,
    port: u16,
    user: &str,
    groups: &[&str],
) -> Result<PathBuf> {
    let (certificate, key) = certs.client(user, groups)?;
    // JSON is YAML, so that no quoting can go wrong.
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": certs.path("ca.crt")}}],
        "users": [{"name": user, "user": {"client-certificate": certificate, "client-key": key}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
    });
    let number = Path::new(&key)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let path = scratch.join(&format!(
        "{}.kubeconfig",
        number.unwrap_or_else(|| file_name(user))
    ));
    std::fs::write(&path, text.to_string())?;
    Ok(path)
}
