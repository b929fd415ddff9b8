//! Where announcements go.

use crate::controller::options::Options;
use crate::plan::Announcement;
use futures::future::BoxFuture;
use kube::Client;
use std::sync::Arc;
use std::time::Duration;

/// Tells people.
pub trait Announce: Send + Sync {
    /// Takes note of `announcement`. Must not block: it is called within a pass.
    fn send(&self, announcement: Announcement);

    /// Sends what is waiting, for at most `within`.
    fn flush(&self, within: Duration) -> BoxFuture<'_, ()>;
}

/// Tells nobody.
struct Silent;

impl Announce for Silent {
    fn send(&self, announcement: Announcement) {
        tracing::info!(rollout = %announcement.rollout, moment = ?announcement.moment, "announcement");
    }

    fn flush(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What the options ask for.
///
/// # Errors
/// When it can never work.
pub fn announcer(
    _options: &Options,
    _client: &Client,
    _own_namespace: &str,
) -> anyhow::Result<Arc<dyn Announce>> {
    Ok(Arc::new(Silent))
}
