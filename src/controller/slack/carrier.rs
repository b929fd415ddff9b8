//! Slack without sockets: where a simulation takes the client library's calls and answers them. Knows HTTP statuses, not messages.

use futures::future::{BoxFuture, FutureExt, ready};
use reqwest::{StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError,
    SlackClientProtocolError, SlackRateLimitError,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
};
use std::sync::Arc;
use std::time::Duration;

/// What a call came to.
#[derive(Clone, Debug)]
pub struct Carried {
    pub status: u16,
    /// Of a 429.
    pub retry_after: Option<Duration>,
    pub body: String,
}

/// Carries calls of Slack's API.
pub trait Carrier: Send + Sync {
    /// A call with its method's URL, query included, and the body of a POST. `Err` says how the connection broke.
    fn carry(
        &self,
        url: &str,
        body: Option<Value>,
        token: &str,
    ) -> BoxFuture<'static, Result<Carried, String>>;
}

/// The client library's way to a carrier.
pub struct Courier(pub Arc<dyn Carrier>);

impl Courier {
    fn call<'a, T: DeserializeOwned + Send + 'a>(
        &'a self,
        url: &Url,
        body: Option<Value>,
        context: &SlackClientApiCallContext<'_>,
    ) -> BoxFuture<'a, ClientResult<T>> {
        let token = context.token.map_or("", |token| token.token_value.0.as_str());
        let carried = self.0.carry(url.as_str(), body, token);
        async move { read(carried.await) }.boxed()
    }
}

/// As the library reads the answers that come by sockets.
fn read<T: DeserializeOwned>(carried: Result<Carried, String>) -> ClientResult<T> {
    let Carried {
        status,
        retry_after,
        body,
    } = carried.map_err(|why| {
        let broken = SlackClientHttpProtocolError::new().with_cause(why.into());
        SlackClientError::HttpProtocolError(broken)
    })?;
    if status == 429 {
        let mut limit = SlackRateLimitError::new();
        limit.retry_after = retry_after;
        return Err(SlackClientError::RateLimitError(limit));
    }
    let not_slack = |error| SlackClientError::ProtocolError(SlackClientProtocolError::new(error));
    if status != 200 {
        let code = StatusCode::from_u16(status).unwrap_or_default();
        return Err(SlackClientError::HttpError(SlackClientHttpError::new(code)));
    }
    let answer: Value = serde_json::from_str(&body).map_err(not_slack)?;
    if answer["ok"] == Value::Bool(false) {
        let code = answer["error"].as_str().unwrap_or_default();
        return Err(SlackClientError::ApiError(SlackClientApiError::new(code.into())));
    }
    serde_json::from_value(answer).map_err(not_slack)
}

fn absent<'a, T: Send + 'a>() -> BoxFuture<'a, ClientResult<T>> {
    let code = StatusCode::NOT_IMPLEMENTED;
    let error = SlackClientError::HttpError(SlackClientHttpError::new(code));
    ready(Err(error)).boxed()
}

impl SlackClientHttpConnector for Courier {
    fn http_get_uri<'a, RS>(
        &'a self,
        full_uri: Url,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        self.call(&full_uri, None, &context)
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        full_uri: Url,
        request_body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: Serialize + Send + Sync,
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        let body = serde_json::to_value(request_body).ok();
        self.call(&full_uri, body, &context)
    }

    // The three below belong to parts of Slack's API that Serin does not use.

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _: Url,
        _: &'a SlackClientId,
        _: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        absent()
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _: Url,
        _: Option<FileMultipartData<'p>>,
        _: &'p PT,
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        absent()
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _: Url,
        _: String,
        _: &'a [u8],
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        absent()
    }
}
