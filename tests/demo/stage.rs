//! Everything that runs during the demo, each part a real one where there is one: started in order, and
//! stopped in the reverse order whatever happens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::manifests::{self, Pace};
use crate::slack::Slack;
use crate::support::audit;
use crate::support::manifest::apply_one;
use crate::support::plane::{self, Plane};
use crate::support::pods::PodModel;
use crate::support::process::{self, Process, Scratch, free_port};
use crate::support::prometheus::Prometheus;
use crate::support::traffic::Traffic;
use crate::support::wait::within;
use crate::tell::Tell;

/// The namespace of the application: the one that the example names.
pub const NAMESPACE: &str = "default";

/// The namespace and the service account of `deploy/`.
const HOME: &str = "argo-rollouts";
const ACCOUNT: &str = "serin";

const SECRET: &str = "serin-slack";
const TOKEN: &str = "xoxb-demo";
const CHANNEL: &str = "C0000TEST";

const READY: Duration = Duration::from_secs(60);

/// The parts, in the order in which they stop.
pub struct Stage {
    pub controller: Process,
    pub slack: Arc<Slack>,
    pub prometheus: Prometheus,
    pub traffic: Traffic,
    _pods: PodModel,
    pub client: Client,
    /// The AnalysisTemplate as it was applied.
    pub template: Value,
    pub plane: Plane,
    _scratch: Scratch,
}

impl Stage {
    /// Starts everything and applies what people install before they use Serin.
    pub async fn set(pace: Pace, tell: Tell) -> Result<Self> {
        let serin = serin()?;
        let plane = Plane::start().await?;
        ensure!(
            plane.is_local(),
            "the demo runs on a control plane of its own: unset SERIN_E2E_KUBECONFIG"
        );
        tell.line("a control plane runs: etcd, kube-apiserver, kube-controller-manager; the CRDs from crds/ are served");
        let client = plane.admin_client().await?;
        let pods = PodModel::start(part(&plane, audit::PODS).await?, Default::default(), "").await?;
        let traffic = Traffic::start(part(&plane, audit::TRAFFIC).await?).await?;
        tell.line("models run pods (nothing here can run containers) and the application's traffic");
        let prometheus = Prometheus::start(&[traffic.address()], &[&manifests::rules(pace)?]).await?;
        tell.line(&format!(
            "Prometheus runs: it scrapes every second and evaluates examples/analysis/recording-rules.yaml over {}",
            pace.window
        ));
        let slack = Arc::new(Slack::start(TOKEN).await);
        let template = manifests::template(pace, &prometheus.url())?;
        install(&client, &template).await?;
        tell.line("applied deploy/ (namespace, service account, least RBAC), a Secret with the Slack token, and the AnalysisTemplate");
        let scratch = Scratch::new("demo")?;
        let controller = start_controller(&serin, &plane, &slack, &scratch).await?;
        tell.line(&format!(
            "serin controller runs as process {} with the rights of service account {HOME}/{ACCOUNT} and nothing else",
            controller.id()
        ));
        Ok(Self {
            controller,
            slack,
            prometheus,
            traffic,
            _pods: pods,
            client,
            template,
            plane,
            _scratch: scratch,
        })
    }

    /// Runs kubectl as the administrator; its answer.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let out = self.plane.kubectl(args).await?;
        let said = String::from_utf8_lossy(if out.status.success() {
            &out.stdout
        } else {
            &out.stderr
        });
        match out.status.success() {
            true => Ok(said.trim().to_owned()),
            false => bail!("kubectl {} failed: {}", args.join(" "), said.trim()),
        }
    }

    /// A `serin` command as the administrator.
    pub fn serin(&self, args: &[&str]) -> Result<tokio::process::Command> {
        let mut command = tokio::process::Command::new(serin()?);
        command
            .args(args)
            .arg("--kubeconfig")
            .arg(self.plane.admin_kubeconfig());
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Asks the controller to stop, as Kubernetes does; an error unless it ends well.
    pub async fn stop_controller(&mut self) -> Result<()> {
        self.controller.terminate()?;
        let controller = &mut self.controller;
        let ended = within(Duration::from_secs(30), || {
            let code = controller.exited();
            async move { code.ok_or("it still runs") }
        });
        match ended.await {
            Ok(0) => Ok(()),
            Ok(code) => bail!("the controller ended with exit code {code} after SIGTERM"),
            Err(missing) => bail!("the controller did not end after SIGTERM: {missing}"),
        }
    }

    /// Requests of the controller so far, and how many of them were writes.
    pub fn requests(&self) -> Result<(usize, usize)> {
        let audit = self.plane.audit()?;
        let ours: Vec<_> = audit.iter().filter(|entry| entry.user == user()).collect();
        Ok((ours.len(), ours.iter().filter(|entry| entry.is_write()).count()))
    }

    /// Requests of the controller that RBAC refused.
    pub fn forbidden(&self) -> Result<Vec<String>> {
        let audit = self.plane.audit()?;
        let refused = audit
            .iter()
            .filter(|entry| entry.user == user() && entry.code == 403);
        Ok(refused
            .map(|entry| format!("{} {}", entry.verb, entry.uri))
            .collect())
    }

    /// The end of the controller's log.
    pub fn log(&self) -> String {
        process::tail(self.controller.log(), 40)
    }
}

/// The binary beside this one.
fn serin() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent).context("no target folder")?;
    let serin = folder.join("serin");
    ensure!(
        serin.exists(),
        "{} is missing. Run: cargo build --bin serin",
        serin.display()
    );
    Ok(serin)
}

fn user() -> String {
    format!("system:serviceaccount:{HOME}:{ACCOUNT}")
}

/// A client under a name of its own.
async fn part(plane: &Plane, user: &str) -> Result<Client> {
    plane::client(&plane.kubeconfig_for(user, &["system:masters"])?).await
}

async fn install(client: &Client, template: &Value) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": HOME},
        "stringData": {"token": TOKEN}});
    for document in manifests::rights()?.iter().chain([&secret]) {
        apply_one(client, HOME, document).await?;
    }
    apply_one(client, NAMESPACE, template).await?;
    Ok(())
}

async fn start_controller(serin: &Path, plane: &Plane, slack: &Slack, scratch: &Scratch) -> Result<Process> {
    let kubeconfig = plane.kubeconfig_for(&user(), &["system:serviceaccounts"])?;
    let health = free_port()?;
    let args = [
        "controller".to_owned(),
        format!("--kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--healthzPort={health}"),
        "--metricsPort=0".to_owned(),
        format!("--slack-secret={SECRET}"),
        format!("--slack-channel={CHANNEL}"),
        format!("--slack-api-url={}", slack.url()),
    ];
    let env = [("POD_NAMESPACE".to_owned(), HOME.to_owned())];
    let log = scratch.join("serin.log");
    let mut process = Process::start_with_env("serin controller", serin, &args, &env, &log)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://127.0.0.1:{health}/readyz");
    let ready = within(READY, || {
        let (alive, http, url) = (process.check_alive(), &http, &url);
        async move {
            match alive {
                Err(dead) => Ok(Err(dead)),
                Ok(()) => http.get(url).send().await?.error_for_status().map(|_| Ok(())),
            }
        }
    });
    let ready = ready
        .await
        .map_err(|missing| anyhow!("the controller is not ready: {missing}"));
    ready?.with_context(|| process::tail(&log, 20))?;
    Ok(process)
}
