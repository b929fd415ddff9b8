//! Where announcements go: to Slack, where a Secret with its token is named, else nowhere.

use crate::base::object::Key;
use crate::base::secret::Secret;
use crate::controller::edges::Edges;
use crate::controller::options::Options;
use crate::controller::secrets;
use crate::controller::slack::{self, Counts, Outbox, TokenSource};
use crate::plan::Announcement;
use anyhow::Context;
use futures::future::BoxFuture;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Tells people.
pub trait Announce: Send + Sync {
    /// Takes note of `announcement`. Must not block: it is called within a pass.
    fn send(&self, announcement: Announcement);

    /// Sends what is waiting, for at most `within`.
    fn flush(&self, within: Duration) -> BoxFuture<'_, ()>;

    fn counts(&self) -> Counts;
}

impl Announce for Outbox {
    fn send(&self, announcement: Announcement) {
        Outbox::send(self, announcement);
    }

    fn flush(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if timeout(within, self.drained()).await.is_err() {
                let waiting = self.counts().waiting;
                tracing::warn!("stopping with {waiting} messages that Slack did not take in time");
            }
        })
    }

    fn counts(&self) -> Counts {
        Outbox::counts(self)
    }
}

/// What the options ask for.
///
/// # Errors
/// When it can never work.
pub fn announcer(options: &Options, edges: &Edges) -> anyhow::Result<Arc<dyn Announce>> {
    let config = slack::Config {
        api_url: options.slack_api_url.clone(),
        channel: options.slack_channel.clone(),
        ..slack::Config::default()
    };
    let tokens = options.slack_secret.as_ref().map(|name| {
        let (client, key) = (edges.client.clone(), Key::new(edges.own_namespace.clone(), name));
        let field = options.slack_secret_key.clone();
        let source = move || token(client.clone(), key.clone(), field.clone());
        Arc::new(source) as Arc<dyn TokenSource>
    });
    let outbox =
        slack::spawn(config, tokens, edges.slack.clone(), &edges.tasks).context("cannot set up Slack")?;
    Ok(Arc::new(outbox))
}

/// The token as it is now: it may have been rotated.
async fn token(client: Client, key: Key, field: String) -> Result<Option<Secret<String>>, String> {
    let data = secrets::read(&client, &key).await?;
    let token = data.and_then(|mut data| data.remove(&field));
    Ok(token.map(|token| Secret::new(token.trim().to_owned())))
}
