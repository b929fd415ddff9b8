//! Metric providers, sans IO: a metric becomes a request, an answer becomes a reading.
//!
//! Decides what to ask and what an answer means. Must not know limits, counts, phases or how a request travels. Whatever goes wrong is
//! the message of a measurement that ended in an error: it says who answered what, and is never a reading.

pub mod address;
mod common;
pub mod job;
pub mod prometheus;
pub mod web;

use crate::api::analysis::{Metric, Provider};
use crate::base::reading::Reading;
use crate::base::secret::Secret;
use chrono::{DateTime, TimeDelta, Utc};

/// A question to a metric provider; one executor in the shell carries it out.
pub struct Request {
    pub call: Call,
    /// Header name and value. Values may hold credentials.
    pub headers: Vec<(String, Secret<String>)>,
    pub auth: Auth,
    /// Accept any server certificate.
    pub insecure: bool,
    pub timeout: TimeDelta,
}

/// What to call.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    PrometheusInstant {
        address: String,
        query: String,
        at: DateTime<Utc>,
    },
    PrometheusRange {
        address: String,
        query: String,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        step: TimeDelta,
    },
    Web {
        method: WebMethod,
        url: String,
        /// Empty for none.
        body: Vec<u8>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebMethod {
    Get,
    Post,
    Put,
}

/// How to authenticate.
pub enum Auth {
    None,
    Basic {
        username: String,
        password: Secret<String>,
    },
    OAuth2 {
        token_url: String,
        client_id: String,
        client_secret: Secret<String>,
        scopes: Vec<String>,
    },
}

/// What came back.
pub struct Response {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// What the shell is told of its surroundings: defaults for metrics that leave them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Used when a Prometheus metric has no address (Argo's `ARGO_ROLLOUTS_PROMETHEUS_ADDRESS`).
    pub prometheus_address: Option<String>,
}

/// The request that measures `metric` now. `Err` is the message for the measurement.
pub fn request(metric: &Metric, defaults: &Defaults, now: DateTime<Utc>) -> Result<Request, String> {
    match &metric.provider {
        Provider {
            prometheus: Some(prometheus),
            ..
        } => prometheus::request(prometheus, defaults, now),
        Provider { web: Some(web), .. } => web::request(web),
        other => Err(not_yet(other)),
    }
}

/// What an answer means. `Err` is the message for the measurement: never a success.
pub fn read(metric: &Metric, response: &Response) -> Result<Reading, String> {
    match &metric.provider {
        Provider {
            prometheus: Some(prometheus),
            ..
        } => prometheus::read(prometheus, response),
        Provider { web: Some(web), .. } => web::read(web, response),
        other => Err(not_yet(other)),
    }
}

fn not_yet(provider: &Provider) -> String {
    let fields = [
        ("datadog", provider.datadog.is_some()),
        ("newRelic", provider.new_relic.is_some()),
        ("wavefront", provider.wavefront.is_some()),
        ("cloudWatch", provider.cloud_watch.is_some()),
        ("graphite", provider.graphite.is_some()),
        ("influxdb", provider.influxdb.is_some()),
        ("skywalking", provider.skywalking.is_some()),
        ("kayenta", provider.kayenta.is_some()),
    ];
    let named = fields
        .into_iter()
        .find(|(_, named)| *named)
        .map(|(name, _)| name.to_owned());
    let plugin = || provider.plugin.keys().next().map(|name| format!("plugin.{name}"));
    match named.or_else(plugin) {
        Some(name) => {
            format!(
                "provider.{name} is not carried out by this version of Serin: use provider.prometheus, web or job"
            )
        }
        None => "the metric has no provider: set provider.prometheus".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_is_not_carried_out_is_named() {
        let mut metric = Metric::default();
        let message = |metric: &Metric| {
            request(metric, &Defaults::default(), DateTime::UNIX_EPOCH)
                .err()
                .unwrap()
        };
        assert!(message(&metric).contains("no provider"));
        metric
            .provider
            .plugin
            .insert("acme/steps".into(), serde_json::Value::Null);
        assert!(message(&metric).starts_with("provider.plugin.acme/steps is not carried out"));
        metric.provider.datadog = Some(Default::default());
        assert!(message(&metric).starts_with("provider.datadog is not carried out"));
    }
}
