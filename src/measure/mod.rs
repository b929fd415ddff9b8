//! Metric providers, sans IO: a metric becomes a request, an answer becomes a reading.

pub mod prometheus;

use crate::api::analysis::Metric;
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
pub fn request(_metric: &Metric, _defaults: &Defaults, _now: DateTime<Utc>) -> Result<Request, String> {
    Err(String::new())
}

/// What an answer means. `Err` is the message for the measurement: never a success.
pub fn read(_metric: &Metric, _response: &Response) -> Result<Reading, String> {
    Err(String::new())
}
