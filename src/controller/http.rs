//! Calls metric providers. Knows requests and answers, not what they mean.
//!
//! Every answer is bounded in size, redirects stay on the host that was asked, and no credential is in any error.

use crate::base::limits;
use crate::base::secret::Secret;
use crate::controller::watch::chain;
use crate::measure::{Auth, Call, Request, Response, WebMethod};
use futures::future::BoxFuture;
use prometheus_http_query::Client as Prometheus;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The connections to metric providers.
pub struct Http {
    wire: Arc<dyn Wire>,
    tokens: Mutex<BTreeMap<TokenKey, Token>>,
}

/// Token URL, client id and scopes.
type TokenKey = (String, String, String);

struct Token {
    client_secret: Secret<String>,
    value: Secret<String>,
    until: Instant,
}

impl Http {
    /// Fails when the machine's certificate store cannot be read.
    pub fn new() -> Result<Self, reqwest::Error> {
        let sockets = Sockets {
            secure: client(false)?,
            insecure: client(true)?,
        };
        Ok(Self::over(Arc::new(sockets)))
    }

    /// Over another wire: a simulation's.
    pub fn over(wire: Arc<dyn Wire>) -> Self {
        let tokens = Mutex::new(BTreeMap::new());
        Self { wire, tokens }
    }

    /// Sends the request. `Err` is the message for the measurement.
    pub async fn call(&self, request: &Request) -> Result<Response, String> {
        let (address, limit) = (
            address(&request.call),
            request.timeout.to_std().unwrap_or_default(),
        );
        match timeout(limit, self.exchange(request)).await {
            Ok(result) => result.map_err(|why| format!("{}: {why}", shown(address))),
            Err(_) => Err(format!(
                "{}: no answer within {}s",
                shown(address),
                limit.as_secs_f64()
            )),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Response, String> {
        let headers = self.headers(request).await?;
        if let Call::Web { method, .. } = &request.call {
            let method = match method {
                WebMethod::Get => Method::Get,
                WebMethod::Post => Method::Post,
                WebMethod::Put => Method::Put,
            };
            return read(self.wire.query(request, &headers, method).await?).await;
        }
        let answer = self.wire.query(request, &headers, Method::Post).await?;
        let answer = match answer.status().as_u16() {
            // Some proxies let only GET through.
            405 | 501 => self.wire.query(request, &headers, Method::Get).await?,
            _ => answer,
        };
        read(answer).await
    }

    async fn headers(&self, request: &Request) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name_parsed = HeaderName::from_bytes(name.as_bytes());
            let name_parsed = name_parsed.map_err(|_| format!("{name:?} is not a header name"))?;
            headers.append(name_parsed, header_value(name, value.expose())?);
        }
        match &request.auth {
            Auth::None => {}
            Auth::Basic { username, password } => {
                let client = self.wire.client(request.insecure);
                headers.insert(AUTHORIZATION, basic(client, username, password.expose())?);
            }
            Auth::OAuth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
            } => {
                let key = (token_url.clone(), client_id.clone(), scopes.join(" "));
                let client = self.wire.client(request.insecure);
                let token = self.token(client, key, client_secret).await?;
                headers.insert(
                    AUTHORIZATION,
                    header_value("Authorization", &format!("Bearer {}", token.expose()))?,
                );
            }
        }
        Ok(headers)
    }

    /// An OAuth 2 token by client credentials, kept until shortly before it ends.
    async fn token(
        &self,
        client: &Client,
        key: TokenKey,
        client_secret: &Secret<String>,
    ) -> Result<Secret<String>, String> {
        if let Some(token) = self.lock().get(&key)
            && token.client_secret == *client_secret
            && Instant::now() < token.until
        {
            return Ok(token.value.clone());
        }
        let (value, seconds) = fetch_token(client, &key, client_secret).await?;
        let token = Token {
            client_secret: client_secret.clone(),
            value: Secret::new(value),
            until: Instant::now() + Duration::from_secs(seconds.saturating_sub(10)),
        };
        let value = token.value.clone();
        self.lock().insert(key, token);
        Ok(value)
    }

    /// Forgets tokens that a provider did not accept.
    pub fn forget_tokens(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TokenKey, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the request goes.
pub fn address(call: &Call) -> &str {
    match call {
        Call::PrometheusInstant { address, .. } | Call::PrometheusRange { address, .. } => address,
        Call::Web { url, .. } => url,
    }
}

/// Host and port of an address: what a provider's share of the permits is counted by.
pub fn host(address: &str) -> String {
    let url = Url::parse(address).ok();
    let host = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    host.map_or_else(String::new, |(host, port)| format!("{host}:{port}"))
}

/// The address without user, password and query, which may be secret.
fn shown(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return "the address of the metric provider".into();
    };
    // Fails only for addresses that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

fn client(insecure: bool) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("serin/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::custom(same_host))
        .tls_danger_accept_invalid_certs(insecure)
        .connect_timeout(Duration::from_secs(limits::WRITE_TIMEOUT_SECONDS))
        .pool_max_idle_per_host(limits::PROBES_PER_HOST_MAX)
        .build()
}

/// Headers of ours may hold credentials, so no redirect may lead them elsewhere. The answer to refuse is the redirect itself.
fn same_host(attempt: redirect::Attempt) -> redirect::Action {
    let to = attempt.url();
    let same = attempt.previous().first().is_some_and(|from| {
        from.scheme() == to.scheme()
            && from.host_str() == to.host_str()
            && from.port_or_known_default() == to.port_or_known_default()
    });
    match same && attempt.previous().len() <= limits::REDIRECTS_MAX {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Method {
    Get,
    Post,
    Put,
}

/// What carries requests to a provider and answers back.
pub trait Wire: Send + Sync {
    /// Asks. `Err` says why no answer came.
    fn query<'a>(
        &'a self,
        request: &'a Request,
        headers: &'a HeaderMap,
        method: Method,
    ) -> BoxFuture<'a, Result<reqwest::Response, String>>;

    /// For what is no query: credentials.
    fn client(&self, insecure: bool) -> &Client;
}

/// The network.
struct Sockets {
    secure: Client,
    insecure: Client,
}

impl Wire for Sockets {
    fn query<'a>(
        &'a self,
        request: &'a Request,
        headers: &'a HeaderMap,
        method: Method,
    ) -> BoxFuture<'a, Result<reqwest::Response, String>> {
        Box::pin(async move {
            let client = self.client(request.insecure).clone();
            if let Call::Web { url, body, .. } = &request.call {
                let verb = match method {
                    Method::Get => reqwest::Method::GET,
                    Method::Post => reqwest::Method::POST,
                    Method::Put => reqwest::Method::PUT,
                };
                let sent = client
                    .request(verb, url)
                    .headers(headers.clone())
                    .body(body.clone())
                    .send();
                return sent.await.map_err(|error| cause(&error));
            }
            let prometheus =
                Prometheus::from(client, address(&request.call)).map_err(|error| chain(&error))?;
            let millis = request.timeout.num_milliseconds();
            query(&prometheus, &request.call, headers, millis, method).await
        })
    }

    fn client(&self, insecure: bool) -> &Client {
        match insecure {
            true => &self.insecure,
            false => &self.secure,
        }
    }
}

async fn query(
    prometheus: &Prometheus,
    call: &Call,
    headers: &HeaderMap,
    millis: i64,
    method: Method,
) -> Result<reqwest::Response, String> {
    let sent = match call {
        Call::PrometheusInstant { query, at, .. } => {
            // The builder's own `at` cuts to whole seconds.
            let time = at.timestamp_millis() as f64 / 1000.0;
            let mut builder = prometheus.query(query).query("time", time).timeout(millis);
            for (name, value) in headers {
                builder = builder.header(name.clone(), value.clone());
            }
            match method {
                Method::Get => builder.get_raw().await,
                _ => builder.post_raw().await,
            }
        }
        Call::PrometheusRange {
            query,
            start,
            end,
            step,
            ..
        } => {
            let step = step.num_milliseconds() as f64 / 1000.0;
            let mut builder = prometheus
                .query_range(query, start.timestamp(), end.timestamp(), step)
                .timeout(millis);
            for (name, value) in headers {
                builder = builder.header(name.clone(), value.clone());
            }
            match method {
                Method::Get => builder.get_raw().await,
                _ => builder.post_raw().await,
            }
        }
        Call::Web { .. } => return Err("a web metric is no query".into()),
    };
    sent.map_err(|error| match &error {
        prometheus_http_query::Error::Client(_) => cause(&error),
        _ => chain(&error),
    })
}

/// The innermost reasons of a failed request without its URL, which may hold credentials.
fn cause(error: &dyn std::error::Error) -> String {
    let mut parts = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.downcast_ref::<reqwest::Error>().is_none() {
            parts.push(inner.to_string());
        }
        source = inner.source();
    }
    parts.dedup();
    match parts.is_empty() {
        true => "the request failed".into(),
        false => parts.join(": "),
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Response, String> {
    let status = answer.status().as_u16();
    let content_type = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| format!("the answer ended early: {}", cause(&error));
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limits::PROVIDER_BODY_BYTES_MAX {
            let mebibytes = limits::PROVIDER_BODY_BYTES_MAX / (1024 * 1024);
            return Err(format!(
                "the answer is larger than {mebibytes} MiB; narrow the query"
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response {
        status,
        content_type,
        body,
    })
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut parsed =
        HeaderValue::from_str(value).map_err(|_| format!("the value of header {name:?} cannot be sent"))?;
    parsed.set_sensitive(true);
    Ok(parsed)
}

/// reqwest knows how to encode the pair; a request that is never sent lends it.
fn basic(client: &Client, username: &str, password: &str) -> Result<HeaderValue, String> {
    let lender = client
        .get("http://localhost")
        .basic_auth(username, Some(password))
        .build();
    let header = lender
        .ok()
        .and_then(|mut request| request.headers_mut().remove(AUTHORIZATION));
    header.ok_or_else(|| "user and password cannot be sent".to_owned())
}

/// Asks with the credentials in the header and, where that is refused, in the form, as OAuth 2 servers differ.
async fn fetch_token(
    client: &Client,
    key: &TokenKey,
    secret: &Secret<String>,
) -> Result<(String, u64), String> {
    let (token_url, client_id, scope) = key;
    let mut form = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        form.push(("scope", scope));
    }
    let by_header = client
        .post(token_url)
        .basic_auth(client_id, Some(secret.expose()))
        .form(&form);
    let failed = |error: reqwest::Error| {
        format!(
            "the token endpoint {} failed: {}",
            shown(token_url),
            cause(&error)
        )
    };
    let mut answer = by_header.send().await.map_err(failed)?;
    if answer.status().is_client_error() {
        form.extend([
            ("client_id", client_id.as_str()),
            ("client_secret", secret.expose().as_str()),
        ]);
        answer = client.post(token_url).form(&form).send().await.map_err(failed)?;
    }
    let status = answer.status();
    if !status.is_success() {
        return Err(format!(
            "the token endpoint {} answered with {status}",
            shown(token_url)
        ));
    }
    let body = read(answer).await?.body;
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(token) = json["access_token"].as_str() else {
        return Err(format!(
            "the token endpoint {} sent no access_token",
            shown(token_url)
        ));
    };
    // Servers that do not say how long it lasts are asked each time.
    Ok((token.to_owned(), json["expires_in"].as_u64().unwrap_or(0)))
}
