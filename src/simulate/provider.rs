//! The metric provider of the world: takes the controller's queries where sockets would, and answers from what was scraped.

use crate::cluster::Cluster;
use crate::controller::http::{Method, Wire};
use crate::measure::{Call, Request};
use crate::simulate::crew::Crew;
use crate::simulate::fault::{Misanswer, Query};
use crate::simulate::gate::{Faults, Turns, lock};
use crate::simulate::record::{Asked, What};
use crate::simulate::stage::Stage;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, pending};
use http_body::{Body, Frame, SizeHint};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep, sleep_until};

/// How long an answer takes, in virtual milliseconds: at least, and how much more at most.
const ANSWER_MS: (u64, u64) = (3, 40);
const CHUNK_BYTES: usize = 64 * 1024;
const JSON: &str = "application/json";

/// One replica's way to it.
pub struct Provider {
    pub replica: Arc<str>,
    pub cluster: Cluster,
    pub stage: Stage,
    pub turns: Arc<Mutex<Turns>>,
    pub faults: Faults,
    pub crew: Crew,
}

impl Provider {
    fn struck(&self, query: &str) -> Option<Misanswer> {
        let now = self.stage.now();
        let asked = Query {
            replica: &self.replica,
            query,
        };
        let (name, misanswer) = lock(&self.faults)
            .iter_mut()
            .find_map(|fault| Some((fault.name(), fault.ask(&asked, now)?)))?;
        self.crew.bitten(name, || format!("a query of {}", self.replica));
        Some(misanswer)
    }

    /// What Prometheus knows: status and body.
    fn truth(&self, call: &Call) -> (u16, String) {
        let state = self.stage.state();
        match call {
            Call::PrometheusInstant { query, at, .. } => state.prometheus.instant(query, *at),
            Call::PrometheusRange {
                query,
                start,
                end,
                step,
                ..
            } => state.prometheus.range(query, *start, *end, *step),
            Call::Web { .. } => (404, "nobody serves this in the simulation".to_owned()),
        }
    }

    fn tell(&self, query: &str, answer: Result<(u16, String), String>) {
        let asked = Asked {
            replica: Arc::clone(&self.replica),
            query: query.to_owned(),
            answer,
        };
        self.stage.tell(&self.cluster, What::Asked(Box::new(asked)));
    }

    async fn answer(&self, call: &Call) -> Result<Response, String> {
        let turn = lock(&self.turns).draw(ANSWER_MS);
        sleep_until(turn).await;
        let query = query_of(call);
        let Some(misanswer) = self.struck(query) else {
            let (status, body) = self.truth(call);
            self.tell(query, Ok((status, body.clone())));
            return response(status, JSON, Whole::of(body.into_bytes()));
        };
        let (status, truth) = match misanswer {
            Misanswer::Hang => pending().await,
            Misanswer::Refuse(why) => {
                self.tell(query, Err(why.clone()));
                return Err(why);
            }
            Misanswer::Delay(wait) => {
                sleep(wait).await;
                self.truth(call)
            }
            _ => self.truth(call),
        };
        let said = |status, body: &str| self.tell(query, Ok((status, body.to_owned())));
        match misanswer {
            Misanswer::Say(status, kind, body) => {
                said(status, &String::from_utf8_lossy(&body[..body.len().min(1_000)]));
                response(status, kind, Whole::of(body))
            }
            Misanswer::Rewrite(how) => {
                let body = how(&truth);
                said(status, &body);
                response(status, JSON, Whole::of(body.into_bytes()))
            }
            Misanswer::Redirect(to) => {
                said(302, &to);
                let redirect = http::Response::builder().status(302).header("location", to);
                let redirect = redirect.body(Vec::new()).map_err(|error| error.to_string())?;
                Ok(Response::from(redirect))
            }
            Misanswer::Value(value) => {
                let body = vector(&value, self.stage.now().timestamp());
                said(200, &body);
                response(200, JSON, Whole::of(body.into_bytes()))
            }
            Misanswer::Drip(pause) => {
                self.tell(query, Err("an answer that drips".into()));
                response(status, JSON, Whole::of(truth.into_bytes()).dripping(pause))
            }
            Misanswer::Truncate => {
                self.tell(query, Err("an answer cut short".into()));
                let half = truth.len() / 2;
                response(status, JSON, Whole::of(truth.into_bytes()).cut_at(half))
            }
            Misanswer::Endless => {
                self.tell(query, Err("an answer without end".into()));
                response(200, JSON, Whole::of(vec![b' '; CHUNK_BYTES]).endless())
            }
            _ => {
                said(status, &truth);
                response(status, JSON, Whole::of(truth.into_bytes()))
            }
        }
    }
}

impl Wire for Provider {
    fn query<'a>(
        &'a self,
        request: &'a Request,
        _: &'a HeaderMap,
        _: Method,
    ) -> BoxFuture<'a, Result<Response, String>> {
        self.answer(&request.call).boxed()
    }

    fn client(&self, _: bool) -> &Client {
        static LENDER: OnceLock<Client> = OnceLock::new();
        LENDER.get_or_init(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
            Client::new()
        })
    }
}

fn query_of(call: &Call) -> &str {
    match call {
        Call::PrometheusInstant { query, .. } | Call::PrometheusRange { query, .. } => query,
        Call::Web { url, .. } => url,
    }
}

/// A vector of one sample.
fn vector(value: &str, at: i64) -> String {
    let sample = serde_json::json!({"metric": {}, "value": [at, value]});
    serde_json::json!({"status": "success", "data": {"resultType": "vector", "result": [sample]}}).to_string()
}

fn response(status: u16, kind: &str, body: Whole) -> Result<Response, String> {
    let response = http::Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(reqwest::Body::wrap(body))
        .map_err(|error| error.to_string())?;
    Ok(Response::from(response))
}

/// A body as a healthy or an unhealthy server sends it.
struct Whole {
    rest: Bytes,
    /// Between single bytes.
    pause: Option<Duration>,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
    /// The connection breaks when this much is left.
    broken_at: Option<usize>,
    endless: bool,
}

impl Whole {
    fn of(body: Vec<u8>) -> Self {
        Self {
            rest: body.into(),
            pause: None,
            timer: Mutex::new(None),
            broken_at: None,
            endless: false,
        }
    }

    fn dripping(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    fn cut_at(mut self, sent: usize) -> Self {
        self.broken_at = Some(self.rest.len() - sent);
        self
    }

    fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// Whether the pause before the next byte is over.
    fn paused(&mut self, context: &mut Context<'_>) -> bool {
        let Some(pause) = self.pause else {
            return false;
        };
        let mut timer = lock(&self.timer);
        let waiting = timer.get_or_insert_with(|| Box::pin(sleep(pause)));
        if waiting.as_mut().poll(context).is_pending() {
            return true;
        }
        *timer = None;
        false
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.endless {
            return Poll::Ready(Some(Ok(Frame::data(self.rest.clone()))));
        }
        if self.paused(context) {
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let wanted = match (self.pause, self.broken_at) {
            (Some(_), _) => 1,
            (None, Some(left)) if left >= self.rest.len() => {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
            }
            (None, Some(left)) => self.rest.len() - left,
            (None, None) => self.rest.len(),
        };
        let data = self.rest.split_to(wanted);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
