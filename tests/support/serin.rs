//! The controller as its users run it: the real program, under the permissions that `deploy/` ships and nothing
//! more, with a lease, ports and a log of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use kube::config::Kubeconfig;

use super::manifest;
use super::plane::Plane;
use super::process::{Process, Scratch, free_port, tail};
use super::wait::within;

/// The program under test: cargo tells tests where it is; beside other programs it lies one folder up.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = option_env!("CARGO_BIN_EXE_serin") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let beside = here
        .parent()
        .and_then(Path::parent)
        .map(|folder| folder.join("serin"));
    let found = beside.filter(|path| path.exists());
    found.with_context(|| {
        format!(
            "no program `serin` belongs to {}; run: cargo build --bin serin",
            here.display()
        )
    })
}

/// Where `deploy/` puts the controller.
pub const NAMESPACE: &str = "argo-rollouts";

/// From the start of the process to filled caches and the lead.
const READY: Duration = Duration::from_secs(60);

/// How a controller is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Chooses the Rollouts (by label) and the lease, so that controllers do not meet.
    pub instance_id: String,
    /// Manages only this namespace, under the roles of `deploy/namespaced`, with its lease there.
    pub namespaced: Option<String>,
    /// The Prometheus of metrics that name none.
    pub prometheus: Option<String>,
    /// More flags.
    pub args: Vec<String>,
    /// Whether to wait until it leads. A second replica never does while the first one lives.
    pub standby: bool,
}

/// A running controller. Dropping it kills it.
#[derive(Debug)]
pub struct Serin {
    process: Option<Process>,
    kubeconfig: PathBuf,
    options: Options,
    ports: (u16, u16),
    http: reqwest::Client,
    scratch: Scratch,
}

/// Installs what `deploy/` ships, apart from the Deployment itself: the process is started by hand.
pub async fn install(plane: &Plane) -> Result<()> {
    apply_shipped(plane, "deploy", NAMESPACE).await
}

/// The same from `deploy/namespaced`, for a controller that manages one namespace only.
pub async fn install_namespaced(plane: &Plane, namespace: &str) -> Result<()> {
    apply_shipped(plane, "deploy/namespaced", namespace).await
}

async fn apply_shipped(plane: &Plane, folder: &str, namespace: &str) -> Result<()> {
    let client = plane.admin_client().await?;
    for document in shipped(folder)? {
        if !matches!(document["kind"].as_str(), Some("Deployment" | "Service")) {
            manifest::apply_one(&client, namespace, &document).await?;
        }
    }
    Ok(())
}

/// The documents of a folder, in the order of their file names.
fn shipped(folder: &str) -> Result<Vec<serde_json::Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(manifest::documents(&std::fs::read_to_string(&file)?)?);
    }
    Ok(all)
}

impl Options {
    /// Where its service account and its lease are.
    fn namespace(&self) -> &str {
        self.namespaced.as_deref().unwrap_or(NAMESPACE)
    }

    /// Who it is for the API server.
    pub fn user(&self) -> String {
        user(self.namespace())
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if !self.instance_id.is_empty() {
            flags.push(format!("--instance-id={}", self.instance_id));
        }
        if let Some(namespace) = &self.namespaced {
            flags.extend(["--namespaced".to_owned(), format!("--namespace={namespace}")]);
        }
        if let Some(url) = &self.prometheus {
            flags.push(format!("--prometheus-address={url}"));
        }
        flags.extend(self.args.iter().cloned());
        flags
    }
}

fn user(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:serin")
}

impl Serin {
    /// Starts a controller and waits until it leads. [`install`] comes first, once for a plane.
    pub async fn start(plane: &Plane, options: &Options) -> Result<Self> {
        let scratch = Scratch::new("controller")?;
        let mut serin = Self {
            process: None,
            kubeconfig: kubeconfig(plane, &scratch, options.namespace())?,
            options: options.clone(),
            ports: (free_port()?, free_port()?),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(5))
                .build()?,
            scratch,
        };
        serin.restart().await?;
        Ok(serin)
    }

    /// Starts it again (killing it first if it runs), on the same ports, and waits until it leads.
    pub async fn restart(&mut self) -> Result<()> {
        self.launch()?;
        self.wait_ready().await
    }

    /// Starts the process and waits for nothing.
    pub fn launch(&mut self) -> Result<()> {
        self.process = None;
        let mut args = [
            "controller",
            "--loglevel=info,serin=debug",
            "--bind-address=127.0.0.1",
        ]
        .map(str::to_owned)
        .to_vec();
        args.push(format!("--kubeconfig={}", self.kubeconfig.display()));
        args.push(format!("--healthzPort={}", self.ports.0));
        args.push(format!("--metricsPort={}", self.ports.1));
        args.extend(self.options.flags());
        let env = [("POD_NAMESPACE".to_owned(), self.options.namespace().to_owned())];
        let log = self.log();
        self.process = Some(Process::start_with_env("serin", &program()?, &args, &env, &log)?);
        Ok(())
    }

    /// Waits until the caches are filled and, unless it is a standby, until it leads.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            bail!("the controller is not running");
        };
        let (this, child) = (&*self, &mut process);
        let ready = within(READY, || {
            let alive = child.check_alive();
            async move {
                match alive {
                    Err(dead) => Ok(Err(dead)),
                    Ok(()) => this.check_ready().await.map(Ok),
                }
            }
        })
        .await;
        self.process = Some(process);
        ready.map_err(|missing| {
            let log = tail(&self.log(), 30);
            anyhow!("the controller was not ready after {READY:?}: {missing}. Its log ends with:\n{log}")
        })?
    }

    async fn check_ready(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports.0);
        let text = self.http.get(url).send().await?.text().await?;
        if text != "ok" {
            bail!("/readyz says {text}");
        }
        let leads = self.metrics().await?.lines().any(|line| line == "serin_leader 1");
        if leads || self.options.standby {
            Ok(())
        } else {
            bail!("it does not lead yet")
        }
    }

    /// What it reports at `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports.1);
        Ok(self.http.get(url).send().await?.text().await?)
    }

    /// Kills it (SIGKILL). [`Serin::restart`] brings it back.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it to stop (SIGTERM), as Kubernetes does; see [`Serin::exited`].
    pub fn terminate(&self) -> Result<()> {
        self.process
            .as_ref()
            .context("the controller is not running")?
            .terminate()
    }

    /// The exit code, once it has ended by itself.
    pub fn exited(&mut self) -> Option<i32> {
        self.process.as_mut()?.exited()
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The file with everything it logged, over all its restarts.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("serin.log")
    }

    /// The last `lines` lines of its log that contain `word`, for the message of a failed test.
    pub fn log_about(&self, word: &str, lines: usize) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let about: Vec<&str> = text.lines().filter(|line| line.contains(word)).collect();
        about[about.len().saturating_sub(lines)..].join("\n")
    }
}

/// A kubeconfig for the controller's own user. On an existing cluster, which signs no certificates for us, the
/// administrator impersonates that user.
fn kubeconfig(plane: &Plane, scratch: &Scratch, namespace: &str) -> Result<PathBuf> {
    let own_group = format!("system:serviceaccounts:{namespace}");
    let groups = ["system:serviceaccounts", own_group.as_str()];
    if plane.is_local() {
        return plane.kubeconfig_for(&user(namespace), &groups);
    }
    let mut file = Kubeconfig::read_from(plane.admin_kubeconfig())?;
    for named in &mut file.auth_infos {
        let info = named.auth_info.get_or_insert_default();
        info.impersonate = Some(user(namespace));
        info.impersonate_groups = Some(groups.map(str::to_owned).to_vec());
    }
    let path = scratch.join("kubeconfig");
    std::fs::write(&path, serde_json::to_string(&file)?)?;
    Ok(path)
}
