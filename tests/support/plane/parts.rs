//! How each part of the control plane is started: its program, its flags, its log. Decides nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::super::audit;
use super::super::certs::Certs;
use super::super::process::{Process, Scratch, free_port};

/// Everything that moves on its own in the tests' clusters.
pub const CONTROLLERS: &str = "deployment-controller,replicaset-controller,job-controller,endpointslice-controller,\
    horizontal-pod-autoscaler-controller,garbage-collector-controller,namespace-controller,\
    serviceaccount-controller,disruption-controller,pod-garbage-collector-controller";

/// Only what cleans up: nothing changes an object that a test has made.
pub const CLEANERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller";

/// What every part needs to know.
#[derive(Debug)]
pub struct Parts {
    /// The one binary that has them all.
    pub program: PathBuf,
    pub scratch: Scratch,
    pub certs: Certs,
    pub apiserver_port: u16,
    etcd_url: String,
    etcd_peer_url: String,
}

impl Parts {
    /// Chooses ports and makes certificates; starts nothing.
    pub fn new(program: PathBuf) -> Result<Self> {
        let scratch = Scratch::new("plane")?;
        let url = || anyhow::Ok(format!("http://127.0.0.1:{}", free_port()?));
        Ok(Self {
            program,
            certs: Certs::new(&scratch.join("certs"))?,
            scratch,
            apiserver_port: free_port()?,
            etcd_url: url()?,
            etcd_peer_url: url()?,
        })
    }

    pub fn start_etcd(&self) -> Result<Process> {
        let flags = [
            ("data-dir", self.scratch.join("etcd").display().to_string()),
            ("listen-client-urls", self.etcd_url.clone()),
            ("advertise-client-urls", self.etcd_url.clone()),
            ("listen-peer-urls", self.etcd_peer_url.clone()),
            ("initial-advertise-peer-urls", self.etcd_peer_url.clone()),
            ("initial-cluster", format!("default={}", self.etcd_peer_url)),
            // Nothing here has to survive the machine.
            ("unsafe-no-fsync", "true".to_owned()),
            ("log-level", "warn".to_owned()),
        ];
        self.start("etcd", &flags)
    }

    pub fn start_apiserver(&self) -> Result<Process> {
        let policy = self.scratch.join("audit-policy.json");
        std::fs::write(&policy, audit::policy().to_string())?;
        let flags = [
            ("etcd-servers", self.etcd_url.clone()),
            ("secure-port", self.apiserver_port.to_string()),
            ("bind-address", "127.0.0.1".to_owned()),
            ("advertise-address", "127.0.0.1".to_owned()),
            ("service-cluster-ip-range", "10.0.0.0/16".to_owned()),
            ("tls-cert-file", self.certs.path("server.crt")),
            ("tls-private-key-file", self.certs.path("server.key")),
            ("client-ca-file", self.certs.path("ca.crt")),
            ("service-account-key-file", self.certs.path("tokens.pub")),
            ("service-account-signing-key-file", self.certs.path("tokens.key")),
            (
                "service-account-issuer",
                "https://kubernetes.default.svc".to_owned(),
            ),
            ("authorization-mode", "RBAC".to_owned()),
            // It would refuse every pod until its service account exists, which a test need not wait for.
            ("disable-admission-plugins", "ServiceAccount".to_owned()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("audit-policy-file", policy.display().to_string()),
            ("audit-log-path", self.audit_log().display().to_string()),
        ];
        self.start("kube-apiserver", &flags)
    }

    /// `controllers`: their names with commas between.
    pub fn start_controllers(&self, controllers: &str) -> Result<Process> {
        let kubeconfig = self.kubeconfig(audit::CONTROLLERS, &["system:masters"])?;
        let flags = [
            ("kubeconfig", kubeconfig.display().to_string()),
            ("secure-port", "0".to_owned()),
            ("service-account-private-key-file", self.certs.path("tokens.key")),
            ("root-ca-file", self.certs.path("ca.crt")),
            ("use-service-account-credentials", "false".to_owned()),
            ("leader-elect", "false".to_owned()),
            ("kube-api-qps", "500".to_owned()),
            ("kube-api-burst", "1000".to_owned()),
            ("concurrent-replicaset-syncs", "20".to_owned()),
            ("controllers", controllers.to_owned()),
        ];
        self.start("kube-controller-manager", &flags)
    }

    pub fn audit_log(&self) -> PathBuf {
        self.scratch.join("audit.log")
    }

    fn start(&self, part: &str, flags: &[(&str, String)]) -> Result<Process> {
        let flags = flags.iter().map(|(name, value)| format!("--{name}={value}"));
        let args: Vec<String> = std::iter::once(part.to_owned()).chain(flags).collect();
        Process::start(
            part,
            &self.program,
            &args,
            &self.scratch.join(&format!("{part}.log")),
        )
    }

    /// Writes a kubeconfig with a client certificate that says `user` and `groups`.
    pub fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let (certificate, key) = self.certs.client(user, groups)?;
        let server = format!("https://127.0.0.1:{}", self.apiserver_port);
        // JSON is YAML, so that no quoting can go wrong.
        let text = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": server, "certificate-authority": self.certs.path("ca.crt")}}],
            "users": [{"name": user, "user": {"client-certificate": certificate, "client-key": key}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        });
        let path = Path::new(&key).with_extension("kubeconfig");
        std::fs::write(&path, text.to_string())?;
        Ok(path)
    }
}

/// Where the binary of the control plane is; an error that says how to build it if it is not there.
pub fn find_program() -> Result<PathBuf> {
    let program = match std::env::var_os("SERIN_CLUSTER") {
        Some(path) => PathBuf::from(path),
        None => tool_path("build.sh")?,
    };
    if !program.exists() {
        let missing = program.display();
        bail!("the control plane for tests is not built ({missing} is missing). Run: make cluster-tools");
    }
    Ok(program)
}

/// Asks one of the scripts in `tests/cluster` where its tool is; it does not build anything then.
pub fn tool_path(script: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster")
        .join(script);
    let run = Command::new(&script).arg("--path").output();
    let out = run.with_context(|| format!("failed to run {}", script.display()))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        bail!("{} failed: {}", script.display(), said.trim());
    }
    Ok(PathBuf::from(String::from_utf8(out.stdout)?.trim()))
}
