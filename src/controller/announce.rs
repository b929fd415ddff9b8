//! Where announcements go: to Slack, when the options name a Secret with its token.

use crate::base::secret::Secret as Hidden;
use crate::controller::options::Options;
use crate::controller::slack::{self, Config, Outbox, TokenSource};
use crate::plan::Announcement;
use anyhow::Context;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::sync::Arc;
use std::time::Duration;

/// Tells people.
pub trait Announce: Send + Sync {
    /// Takes note of `announcement`. Must not block: it is called within a pass.
    fn send(&self, announcement: Announcement);

    /// Sends what is waiting, for at most `within`.
    fn flush(&self, within: Duration) -> BoxFuture<'_, ()>;

    /// Messages sent, failed for good, dropped and waiting, for the metrics.
    fn counts(&self) -> slack::Counts {
        slack::Counts::default()
    }
}

impl Announce for Outbox {
    fn send(&self, announcement: Announcement) {
        Outbox::send(self, announcement);
    }

    fn flush(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if tokio::time::timeout(within, self.drained()).await.is_err() {
                tracing::warn!(
                    waiting = self.counts().waiting,
                    "stopping with messages that Slack did not take"
                );
            }
        })
    }

    fn counts(&self) -> slack::Counts {
        Outbox::counts(self)
    }
}

/// What the options ask for.
///
/// # Errors
/// When it can never work.
pub fn announcer(
    options: &Options,
    client: &Client,
    own_namespace: &str,
) -> anyhow::Result<Arc<dyn Announce>> {
    let config = Config {
        api_url: options.slack_api_url.clone(),
        channel: options.slack_channel.clone(),
        ..Config::default()
    };
    let tokens = options.slack_secret.as_ref().map(|name| {
        let source = TokenInSecret {
            secrets: Api::namespaced(client.clone(), own_namespace),
            name: name.clone(),
            key: options.slack_secret_key.clone(),
        };
        Arc::new(source) as Arc<dyn TokenSource>
    });
    let outbox = slack::spawn(config, tokens).context("cannot set up Slack")?;
    Ok(Arc::new(outbox))
}

/// The token, read from the Secret whenever Slack's part asks for it: it is never kept elsewhere.
struct TokenInSecret {
    secrets: Api<Secret>,
    name: String,
    key: String,
}

impl TokenSource for TokenInSecret {
    fn read(&self) -> BoxFuture<'_, Result<Option<Hidden<String>>, String>> {
        Box::pin(async move {
            let found = self.secrets.get_opt(&self.name).await;
            let secret = found.map_err(|error| format!("cannot read Secret \"{}\": {error}", self.name))?;
            let value = secret.and_then(|secret| secret.data?.remove(&self.key));
            let Some(value) = value else { return Ok(None) };
            let token = String::from_utf8(value.0)
                .map_err(|_| format!("key \"{}\" of Secret \"{}\" is not text", self.key, self.name))?;
            Ok(Some(Hidden::new(token.trim().to_owned())))
        })
    }
}
