//! Health and metrics over HTTP, on leaders and standbys alike.

use crate::controller::caches::Caches;
use crate::controller::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Without a beat for this long the process is stuck and may be killed.
const PULSE_SECONDS_MAX: u64 = 30;

/// Shows that the event loop still turns.
#[derive(Clone, Default)]
pub struct Pulse {
    began: Arc<OnceLock<Instant>>,
    last_beat_seconds: Arc<AtomicU64>,
}

impl Pulse {
    /// Beats once a second, for ever.
    pub async fn beat(self) {
        loop {
            self.last_beat_seconds.store(self.seconds(), Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn alive(&self) -> bool {
        self.seconds()
            .saturating_sub(self.last_beat_seconds.load(Ordering::Relaxed))
            < PULSE_SECONDS_MAX
    }

    fn seconds(&self) -> u64 {
        self.began.get_or_init(Instant::now).elapsed().as_secs()
    }
}

/// `/healthz` for liveness and `/readyz` for readiness, which does not depend on leadership.
pub fn health(pulse: Pulse, caches: Arc<Caches>) -> Router {
    Router::new()
        .route("/healthz", get(healthz).with_state(pulse))
        .route("/readyz", get(readyz).with_state(caches))
}

/// `/metrics`; `refresh` brings gauges up to date.
pub fn metrics(metrics: Arc<Metrics>, caches: Arc<Caches>, refresh: Arc<dyn Fn() + Send + Sync>) -> Router {
    Router::new().route("/metrics", get(scrape).with_state((metrics, caches, refresh)))
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let stopped = stop.cancelled_owned();
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!("a server ended: {error}");
    }
}

/// Listens, and says where: port 0 means any free one.
///
/// # Errors
/// When the address cannot be used.
pub async fn listen(address: SocketAddr, what: &str) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving {what} at http://{address}");
    Ok(listener)
}

async fn healthz(State(pulse): State<Pulse>) -> (StatusCode, &'static str) {
    match pulse.alive() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::INTERNAL_SERVER_ERROR, "the event loop is stuck"),
    }
}

async fn readyz(State(caches): State<Arc<Caches>>) -> (StatusCode, String) {
    let missing = caches.missing().borrow().clone();
    match missing.is_empty() {
        true => (StatusCode::OK, "ok".into()),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}")),
    }
}

type Scrape = (Arc<Metrics>, Arc<Caches>, Arc<dyn Fn() + Send + Sync>);

async fn scrape(State((metrics, caches, refresh)): State<Scrape>) -> Response {
    refresh();
    match metrics.text(&caches.rollouts()) {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::object::Kind;
    use crate::controller::caches::Sync;

    #[tokio::test]
    async fn readiness_says_what_is_missing() {
        let caches = Arc::new(Caches::new(&[Kind::Rollout, Kind::HttpRoute]));
        let why = "the kind Rollout is not installed";
        caches.set_sync(Kind::Rollout, Sync::Waiting(why.into()));
        let (_, body) = readyz(State(Arc::clone(&caches))).await;
        assert!(
            body.contains("httproutes: not read yet"),
            "{body}: nobody has tried"
        );
        caches.set_sync(Kind::HttpRoute, Sync::Absent("not installed".into()));
        let (code, body) = readyz(State(Arc::clone(&caches))).await;
        assert_eq!(
            (code.as_u16(), body),
            (503, format!("not ready: rollouts: {why}"))
        );
        caches.set_sync(Kind::Rollout, Sync::Synced);
        let (code, _) = readyz(State(caches)).await;
        assert_eq!(code.as_u16(), 200, "HTTPRoutes need not be installed");
    }

    #[tokio::test(start_paused = true)]
    async fn liveness_ends_when_the_pulse_does() {
        let pulse = Pulse::default();
        let beating = tokio::spawn(pulse.clone().beat());
        sleep(Duration::from_secs(100)).await;
        assert!(pulse.alive());
        beating.abort();
        sleep(Duration::from_secs(PULSE_SECONDS_MAX + 1)).await;
        assert!(!pulse.alive());
    }
}
