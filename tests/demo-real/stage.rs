//! Everything that runs during the demo, each part a real one where there is one: started in order, and
//! stopped in the reverse order whatever happens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::manifests::{self, Pace};
use crate::support::audit;
use crate::support::manifest::apply_one;
use crate::support::plane::{self, Plane};
use crate::support::pods::PodModel;
use crate::support::pods::model::Pace as PodPace;
use crate::support::process;
use crate::support::prometheus::Prometheus;
use crate::support::serin::{self, Options, Serin, program};
use crate::support::slack::Slack;
use crate::support::traffic::Traffic;
use crate::support::wait::within;
use crate::tell::Tell;

/// The namespace of the application: the one that the example names.
pub const NAMESPACE: &str = "default";

const SECRET: &str = "serin-slack";
const TOKEN: &str = "xoxb-demo";
const CHANNEL: &str = "C0000TEST";

/// The parts, in the order in which they stop.
pub struct Stage {
    pub controller: Serin,
    pub slack: Arc<Slack>,
    pub prometheus: Prometheus,
    pub traffic: Traffic,
    _pods: PodModel,
    pub client: Client,
    /// The AnalysisTemplate as it was applied.
    pub template: Value,
    pub plane: Plane,
}

impl Stage {
    /// Starts everything and applies what people install before they use Serin.
    pub async fn set(pace: Pace, tell: Tell) -> Result<Self> {
        program()?;
        let plane = Plane::start().await?;
        ensure!(
            plane.is_local(),
            "the demo runs on a control plane of its own: unset SERIN_E2E_KUBECONFIG"
        );
        tell.line("a control plane runs: etcd, kube-apiserver, kube-controller-manager; the CRDs from crds/ are served");
        let client = plane.admin_client().await?;
        let pods = PodModel::start(part(&plane, audit::PODS).await?, PodPace::default(), "").await?;
        let traffic = Traffic::start(part(&plane, audit::TRAFFIC).await?).await?;
        tell.line("models run pods (nothing here can run containers) and the application's traffic");
        let prometheus = Prometheus::start(&[traffic.address()], &[&manifests::rules(pace)?]).await?;
        tell.line(&format!(
            "Prometheus runs: it scrapes every second and evaluates examples/analysis/recording-rules.yaml over {}",
            pace.window
        ));
        let slack = Arc::new(Slack::start(TOKEN).await);
        let template = manifests::template(pace, &prometheus.url())?;
        install(&plane, &client, &template).await?;
        tell.line("applied deploy/ (namespace, service account, least RBAC), a Secret with the Slack token, and the AnalysisTemplate");
        let options = Options {
            args: vec![
                format!("--slack-secret={SECRET}"),
                format!("--slack-channel={CHANNEL}"),
                format!("--slack-api-url={}", slack.url()),
            ],
            ..Options::default()
        };
        let user = options.user();
        let controller = Serin::start(&plane, &options).await?;
        let id = controller.id().unwrap_or_default();
        tell.line(&format!(
            "serin controller runs as process {id}, with the rights of {user} and no others"
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
        })
    }

    /// Waits until Prometheus has something to say about the application.
    pub async fn wait_for_numbers(&self) -> Result<()> {
        let counted = format!(r#"sum(increase(http_requests_total{{namespace="{NAMESPACE}"}}[10s]))"#);
        let waited = within(Duration::from_secs(60), || async {
            match self.prometheus.value(&counted).await {
                Ok(Some(requests)) if requests > 0.0 => Ok(()),
                other => Err(format!("it says {other:?}")),
            }
        });
        waited
            .await
            .map_err(|missing| anyhow!("Prometheus does not see the traffic: {missing}"))
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
        let mut command = tokio::process::Command::new(program()?);
        command
            .args(args)
            .arg("--kubeconfig")
            .arg(self.plane.admin_kubeconfig());
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Runs a `serin` command and tells what it prints.
    pub async fn show(&self, args: &[&str], tell: Tell) -> Result<()> {
        let out = self.serin(args)?.output().await?;
        tell.line(&format!("$ serin {}", args.join(" ")));
        tell.under(&String::from_utf8_lossy(&out.stdout));
        ensure!(
            out.status.success(),
            "serin {} failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
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
        let (audit, user) = (self.plane.audit()?, Options::default().user());
        let ours: Vec<_> = audit.iter().filter(|entry| entry.user == user).collect();
        Ok((ours.len(), ours.iter().filter(|entry| entry.is_write()).count()))
    }

    /// Requests of the controller that RBAC refused.
    pub fn forbidden(&self) -> Result<Vec<String>> {
        let (audit, user) = (self.plane.audit()?, Options::default().user());
        let refused = audit
            .iter()
            .filter(|entry| entry.user == user && entry.code == 403);
        Ok(refused
            .map(|entry| format!("{} {}", entry.verb, entry.uri))
            .collect())
    }

    /// The end of the controller's log.
    pub fn log(&self) -> String {
        process::tail(&self.controller.log(), 40)
    }
}

/// A client under a name of its own.
async fn part(plane: &Plane, user: &str) -> Result<Client> {
    plane::client(&plane.kubeconfig_for(user, &["system:masters"])?).await
}

/// What people install before they use Serin: its rights, the Slack token, and the template of their analyses.
async fn install(plane: &Plane, client: &Client, template: &Value) -> Result<()> {
    serin::install(plane).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": serin::NAMESPACE},
        "stringData": {"token": TOKEN}});
    apply_one(client, serin::NAMESPACE, &secret).await?;
    apply_one(client, NAMESPACE, template).await?;
    Ok(())
}
