//! From flags to a cluster: which kubeconfig, context and namespace, and how long an answer may take.
//!
//! Loading the configuration may run a credential plugin, which may hang: everything here is bounded in time.

use crate::base::gotime;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, chain};
use chrono::TimeDelta;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// How to reach the cluster; the names are kubectl's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Namespace of the rollout; the default is the one of the kubeconfig context
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Kubeconfig file; the default is $KUBECONFIG, ~/.kube/config, then the cluster this runs in
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Address of the API server, instead of the one in the kubeconfig
    #[arg(short, long, value_name = "URL")]
    pub server: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,
    /// Group to impersonate; may be given several times
    #[arg(long = "as-group", value_name = "GROUP")]
    pub as_groups: Vec<String>,
    /// Do not check the API server's certificate
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
    /// How long the API server may take to answer, for example 30s
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
}

/// A duration as Go spells it, above zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = gotime::parse_duration(text).and_then(|delta| delta.to_std().ok());
    let positive = parsed.filter(|duration| !duration.is_zero());
    positive.ok_or_else(|| "write a duration above zero, for example 90s, 10m or 1h30m".to_owned())
}

/// A duration as people write it: `90s` is 1m30s.
pub fn say(duration: Duration) -> String {
    match (duration.subsec_nanos(), TimeDelta::from_std(duration)) {
        (0, Ok(whole)) => gotime::human(whole),
        _ => format!("{duration:?}"),
    }
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Session {
    pub client: Client,
    pub namespace: String,
    /// The most that one request may take.
    pub request_timeout: Duration,
}

impl Connection {
    /// Loads the configuration and makes a client; opens no connection yet.
    pub async fn open(&self, deadline: Instant) -> Result<Session, Failure> {
        let (flags, handle) = (self.clone(), Handle::current());
        let opening = tokio::task::spawn_blocking(move || handle.block_on(flags.session()));
        match timeout_at(deadline, opening).await {
            Ok(Ok(session)) => session,
            Ok(Err(panic)) => Err(Failure::new(Exit::Failed, DOING, chain(&panic))),
            Err(_) => Err(Failure::unreachable(
                DOING,
                "the credential plugin did not answer in time",
            )),
        }
    }

    async fn session(&self) -> Result<Session, Failure> {
        let mut config = self.config().await?;
        // Retries are ours to count: the client's own would hide a server that is down.
        config.default_retry = false;
        config.connect_timeout = Some(self.request_timeout);
        config.accept_invalid_certs |= self.insecure_skip_tls_verify;
        if let Some(user) = &self.as_user {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups = Some(self.as_groups.clone());
        }
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|e| Failure::unreachable(DOING, &chain(&e)))?;
        Ok(Session {
            client,
            namespace,
            request_timeout: self.request_timeout,
        })
    }

    async fn config(&self) -> Result<Config, Failure> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
        };
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let mut config = match kubeconfig {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|e| Failure::unreachable(DOING, &chain(&e)))?,
            Err(e) => self.config_without_file(&e)?,
        };
        if let Some(url) = &self.server {
            config.cluster_url = url.parse().map_err(|e| bad_server(&e))?;
        }
        Ok(config)
    }

    /// Without a kubeconfig there is `--server`, or the cluster this runs in.
    fn config_without_file(&self, missing: &KubeconfigError) -> Result<Config, Failure> {
        let unreadable = || Failure::unreachable(DOING, &chain(missing));
        match &self.server {
            _ if self.names_a_kubeconfig() => Err(unreadable()),
            Some(url) => Ok(Config::new(url.parse().map_err(|e| bad_server(&e))?)),
            None => Config::incluster().map_err(|_| unreadable()),
        }
    }

    fn names_a_kubeconfig(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.cluster.is_some() || self.user.is_some()
    }
}

fn bad_server(error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Usage, "read --server", chain(error))
}

const DOING: &str = "load the connection to the cluster";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_go_durations_above_zero() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        for refused in ["0", "0s", "-5s", "10", "soon", ""] {
            assert!(duration(refused).is_err(), "{refused}");
        }
    }
}
