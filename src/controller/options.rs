//! How the controller is started. Flags have Argo Rollouts' names where they mean the same.

use clap::{ArgAction, Args, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// Run the controller
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Kubeconfig file to use; without it $KUBECONFIG or ~/.kube/config, and inside a pod the pod's service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use instead of the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Manage only one namespace: --namespace, else the one of the context or pod
    #[arg(long)]
    pub namespaced: bool,
    /// The namespace to manage with --namespaced
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Manage only Rollouts, AnalysisRuns and templates whose label argo-rollouts.argoproj.io/controller-instance-id has this
    /// value; without it, only those without the label
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub instance_id: String,
    /// Elect a leader, so that several replicas can run
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
        default_missing_value = "true", action = ArgAction::Set)]
    pub leader_elect: bool,
    /// Only say in the log what would be written: no writes, no measurements, no Slack, no leader election
    #[arg(long)]
    pub shadow: bool,
    /// Address that health and metrics are served on
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    pub bind_address: IpAddr,
    /// Port of /metrics; 0 takes a free one and logs it
    #[arg(
        long = "metricsPort",
        alias = "metrics-port",
        value_name = "PORT",
        default_value_t = 8090
    )]
    pub metrics_port: u16,
    /// Port of /healthz and /readyz; 0 takes a free one and logs it
    #[arg(
        long = "healthzPort",
        alias = "healthz-port",
        value_name = "PORT",
        default_value_t = 8080
    )]
    pub healthz_port: u16,
    /// Least level that is logged: error, warn, info, debug or trace, also by module (info,serin=debug)
    #[arg(
        long = "loglevel",
        alias = "log-level",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
    /// How log lines look
    #[arg(
        long = "logformat",
        alias = "log-format",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// Prometheus for metrics that name no address; else $ARGO_ROLLOUTS_PROMETHEUS_ADDRESS
    #[arg(long, value_name = "URL")]
    pub prometheus_address: Option<String>,
    /// Secret in the controller's namespace with Slack's bot token; without it nothing is sent to Slack
    #[arg(long, value_name = "NAME")]
    pub slack_secret: Option<String>,
    /// Key of the token in that Secret
    #[arg(long, value_name = "KEY", default_value = "token")]
    pub slack_secret_key: String,
    /// Slack channel for Rollouts without the annotation serin.dev/slack-channel
    #[arg(long, value_name = "CHANNEL")]
    pub slack_channel: Option<String>,
    /// Address of Slack's API, for a stand-in
    #[arg(long, value_name = "URL")]
    pub slack_api_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

impl Options {
    /// The Prometheus for metrics that name none.
    pub fn default_prometheus(&self) -> Option<String> {
        let named = self.prometheus_address.clone();
        let named = named.or_else(|| std::env::var("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS").ok());
        named.filter(|address| !address.is_empty())
    }
}

/// The namespace of the controller itself: its Lease and its Slack Secret are there. Argo Rollouts looks in the same places, so that
/// two controllers that would fight over the same objects meet at the same Lease instead.
pub fn own_namespace() -> String {
    let of_pod = std::env::var("POD_NAMESPACE").ok();
    let of_account =
        || std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok();
    let named = of_pod.filter(|name| !name.is_empty()).or_else(of_account);
    named.map_or_else(|| "argo-rollouts".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &[&str]) -> Options {
        Line::try_parse_from([&["serin"], line].concat()).unwrap().options
    }

    #[test]
    fn flags_have_argo_rollouts_names_and_defaults() {
        let options = parse(&[]);
        assert_eq!((options.metrics_port, options.healthz_port), (8090, 8080));
        assert!(options.leader_elect && !options.namespaced && options.instance_id.is_empty());
        let options = parse(&[
            "--metricsPort",
            "0",
            "--healthz-port",
            "1",
            "--leader-elect=false",
            "--logformat",
            "json",
        ]);
        assert_eq!((options.metrics_port, options.healthz_port), (0, 1));
        assert!(!options.leader_elect && options.log_format == LogFormat::Json);
    }
}
