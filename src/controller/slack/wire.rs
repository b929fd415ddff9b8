//! Slack's Web API over `slack-morphism`: posts a message, looks one up, and says what an error means.
//!
//! The client library brings sessions, types and connections. Its rate controller is not used: it waits inside the call, where our
//! time limit could not tell waiting from hanging; pauses are the queue's. Its errors print response bodies, so none of them is
//! ever printed: a [`Trouble`] holds a code or a cause, without the token.

use super::carrier::{Carrier, Courier};
use super::queue::Place;
use super::{Config, SetupError, TokenSource};
use crate::base::limits::{SLACK_RETRY_AFTER_SECONDS_MAX, clip};
use crate::base::secret::Secret;
use crate::notify::slack::Message;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use slack_morphism::api::SlackApiChatPostMessageRequest;
use slack_morphism::errors::{SlackClientApiError, SlackClientError};
use slack_morphism::hyper_tokio::{SlackClientHyperConnector, SlackClientHyperHttpsConnector};
use slack_morphism::{
    ClientResult, SlackApiToken, SlackApiTokenValue, SlackClient, SlackMessageContent, SlackMessageMetadata,
};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The metadata of each of our messages names the update and the message, so that a message of unknown fate can be found.
const EVENT_TYPE: &str = "serin_message";
const PAYLOAD_UPDATE: &str = "update";
const PAYLOAD_MESSAGE: &str = "message";
/// Pages of 200 messages that a search reads at most.
const SEARCH_PAGES_MAX: usize = 5;
/// The pause after a 429 that names none.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(30);
/// The refusal when the Secret has no token.
pub const NO_TOKEN: &str = "no_token";

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// Slack asks to wait.
    Limited(Duration),
    /// Slack has not taken the message.
    NotSent(String),
    /// Slack may have taken the message.
    Unsure(String),
    /// Slack refuses, with this code; it will again.
    Refused(String),
}

/// A message of ours found in Slack.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub ts: String,
    /// First message of its thread, itself when it is that.
    pub root: String,
}

/// A message to post, and where.
pub struct Letter<'a> {
    pub message: &'a Message,
    pub channel: &'a str,
    pub root: Option<&'a str>,
    /// Shown in the channel too, not only in the thread.
    pub broadcast: bool,
    pub update: &'a str,
    pub id: &'a str,
}

/// What to look for.
pub enum Sought<'a> {
    Message(&'a str),
    Update(&'a str),
}

enum Client {
    Https(SlackClient<SlackClientHyperHttpsConnector>),
    /// Only for a stand-in in tests and in the demo.
    Http(SlackClient<SlackClientHyperConnector<HttpConnector>>),
    /// Only for a simulation.
    Carried(SlackClient<Courier>),
}

enum Call<'a> {
    Post(&'a SlackApiChatPostMessageRequest),
    Get(&'static str, &'a [(&'static str, Option<String>)]),
}

pub struct Wire {
    client: Client,
    tokens: Arc<dyn TokenSource>,
    cached: Mutex<Option<Secret<String>>>,
    call_timeout: Duration,
}

#[derive(Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    messages: Vec<Listed>,
    #[serde(default)]
    response_metadata: Option<Cursor>,
}

#[derive(Deserialize)]
struct Cursor {
    #[serde(default)]
    next_cursor: String,
}

/// A message in a list. Lenient, because anyone's messages are in a channel.
#[derive(Deserialize)]
struct Listed {
    ts: String,
    #[serde(default)]
    thread_ts: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    event_type: String,
    #[serde(default)]
    event_payload: BTreeMap<String, serde_json::Value>,
}

impl Listed {
    fn is(&self, sought: &Sought<'_>) -> bool {
        let Some(metadata) = self
            .metadata
            .as_ref()
            .filter(|metadata| metadata.event_type == EVENT_TYPE)
        else {
            return false;
        };
        let (key, wanted) = match sought {
            Sought::Message(id) => (PAYLOAD_MESSAGE, id),
            Sought::Update(id) => (PAYLOAD_UPDATE, id),
        };
        metadata.event_payload.get(key).and_then(|value| value.as_str()) == Some(*wanted)
    }
}

impl Wire {
    pub fn new(
        config: &Config,
        tokens: Arc<dyn TokenSource>,
        carrier: Option<Arc<dyn Carrier>>,
    ) -> Result<Self, SetupError> {
        let client = match carrier {
            Some(carrier) => Client::Carried(SlackClient::new(Courier(carrier))),
            None => sockets(config)?,
        };
        Ok(Self {
            client,
            tokens,
            cached: Mutex::new(None),
            call_timeout: config.call_timeout,
        })
    }

    /// Posts, and says where the message is now.
    pub async fn post(&self, letter: &Letter<'_>) -> Result<Place, Trouble> {
        let request = request(letter)?;
        let posted: Posted = self.call(&Call::Post(&request)).await?;
        let root = letter.root.map_or_else(|| posted.ts.clone(), str::to_owned);
        Ok(Place {
            channel_id: Some(posted.channel),
            root: Some(root),
            latest: Some(posted.ts),
            searched: true,
        })
    }

    /// Looks for a message of ours: in the thread under `root`, or among the first messages of the channel; only messages later
    /// than the timestamp `after`.
    pub async fn find(
        &self,
        channel: &str,
        root: Option<&str>,
        after: &str,
        sought: &Sought<'_>,
    ) -> Result<Option<Found>, Trouble> {
        let method = if root.is_some() {
            "conversations.replies"
        } else {
            "conversations.history"
        };
        let mut cursor = None;
        for _ in 0..SEARCH_PAGES_MAX {
            let params = [
                ("channel", Some(channel.to_owned())),
                ("ts", root.map(str::to_owned)),
                ("oldest", Some(after.to_owned())),
                ("limit", Some("200".to_owned())),
                ("include_all_metadata", Some("true".to_owned())),
                ("cursor", cursor.take()),
            ];
            let page: Page = self.call(&Call::Get(method, &params)).await?;
            if let Some(found) = page.messages.iter().find(|listed| listed.is(sought)) {
                let root = found.thread_ts.as_ref().unwrap_or(&found.ts).clone();
                return Ok(Some(Found {
                    ts: found.ts.clone(),
                    root,
                }));
            }
            cursor = page
                .response_metadata
                .map(|next| next.next_cursor)
                .filter(|next| !next.is_empty());
            if cursor.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// One call, with a second one when Slack refuses the token and the Secret has a new one by now.
    async fn call<T: DeserializeOwned + Send>(&self, call: &Call<'_>) -> Result<T, Trouble> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let token = match cached {
            Some(token) => token,
            None => self.read_token().await?,
        };
        match self.call_once(call, &token).await {
            Err(Trouble::Refused(code)) if is_about_the_token(&code) => {
                let fresh = self.read_token().await?;
                if fresh == token {
                    return Err(Trouble::Refused(code));
                }
                self.call_once(call, &fresh).await
            }
            other => other,
        }
    }

    async fn read_token(&self) -> Result<Secret<String>, Trouble> {
        let read = tokio::time::timeout(self.call_timeout, self.tokens.read()).await;
        let token = match read {
            Err(_) => return Err(Trouble::NotSent("reading the token took too long".into())),
            Ok(Err(why)) => {
                return Err(Trouble::NotSent(format!(
                    "cannot read the token: {}",
                    clip(&why, 300)
                )));
            }
            Ok(Ok(token)) => token.filter(|token| !token.expose().trim().is_empty()),
        };
        let token = token.map(|token| Secret::new(token.expose().trim().to_owned()));
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        token.ok_or_else(|| Trouble::Refused(NO_TOKEN.into()))
    }

    async fn call_once<T: DeserializeOwned + Send>(
        &self,
        call: &Call<'_>,
        secret: &Secret<String>,
    ) -> Result<T, Trouble> {
        let token = SlackApiToken::new(SlackApiTokenValue(secret.expose().clone()));
        let answer = async {
            match &self.client {
                Client::Https(client) => send(client, &token, call).await,
                Client::Http(client) => send(client, &token, call).await,
                Client::Carried(client) => send(client, &token, call).await,
            }
        };
        match tokio::time::timeout(self.call_timeout, answer).await {
            Err(_) => Err(Trouble::Unsure(format!(
                "no answer within {} s",
                self.call_timeout.as_secs_f32()
            ))),
            Ok(answer) => answer.map_err(|error| trouble(&error, secret)),
        }
    }
}

/// Over the network.
fn sockets(config: &Config) -> Result<Client, SetupError> {
    // Nothing happens when the process has chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api_url = config.api_url.as_deref().map(|url| url.trim_end_matches('/'));
    Ok(match api_url {
        Some(url) if url.starts_with("http://") => {
            let connector = SlackClientHyperConnector::with_connector(HttpConnector::new());
            Client::Http(SlackClient::new(connector.with_slack_api_url(url)))
        }
        Some(url) if url.starts_with("https://") => {
            Client::Https(SlackClient::new(https()?.with_slack_api_url(url)))
        }
        Some(url) => return Err(SetupError::ApiUrl(url.to_owned())),
        None => Client::Https(SlackClient::new(https()?)),
    })
}

fn https() -> Result<SlackClientHyperHttpsConnector, SetupError> {
    SlackClientHyperHttpsConnector::new().map_err(SetupError::Roots)
}

async fn send<C, T>(client: &SlackClient<C>, token: &SlackApiToken, call: &Call<'_>) -> ClientResult<T>
where
    C: slack_morphism::SlackClientHttpConnector + Send + Sync,
    T: DeserializeOwned + Send,
{
    let session = client.open_session(token);
    match call {
        Call::Post(request) => {
            session
                .http_session_api
                .http_post("chat.postMessage", request, None)
                .await
        }
        Call::Get(method, params) => {
            session
                .http_session_api
                .http_get(method, &params.to_vec(), None)
                .await
        }
    }
}

fn request(letter: &Letter<'_>) -> Result<SlackApiChatPostMessageRequest, Trouble> {
    let blocks = serde_json::from_value(serde_json::Value::Array(letter.message.blocks.clone()));
    let blocks = blocks.map_err(|_| Trouble::Refused("invalid_blocks".into()))?;
    let payload = HashMap::from([
        (PAYLOAD_UPDATE.to_owned(), letter.update.to_owned()),
        (PAYLOAD_MESSAGE.to_owned(), letter.id.to_owned()),
    ]);
    let content = SlackMessageContent::new()
        .with_text(letter.message.text.clone())
        .with_blocks(blocks)
        .with_metadata(SlackMessageMetadata::new(EVENT_TYPE.into()).with_event_payload(payload));
    let request = SlackApiChatPostMessageRequest::new(letter.channel.into(), content)
        .with_parse("none".into())
        .with_link_names(false)
        .with_unfurl_links(false)
        .with_unfurl_media(false);
    Ok(match letter.root {
        Some(root) => request
            .with_thread_ts(root.into())
            .with_reply_broadcast(letter.broadcast),
        None => request,
    })
}

/// Codes with which Slack refuses a token rather than a message.
pub fn is_about_the_token(code: &str) -> bool {
    matches!(
        code,
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive"
    )
}

/// What an error of the client library means, without its text: that contains response bodies.
fn trouble(error: &SlackClientError, token: &Secret<String>) -> Trouble {
    match error {
        SlackClientError::RateLimitError(limit) => {
            let pause = limit.retry_after.unwrap_or(RETRY_AFTER_DEFAULT);
            Trouble::Limited(pause.min(Duration::from_secs(SLACK_RETRY_AFTER_SECONDS_MAX)))
        }
        SlackClientError::ApiError(api) => refusal(api),
        SlackClientError::HttpError(http) => {
            let status = http.status_code;
            let why = format!("HTTP status {}", status.as_u16());
            // A failing server, or one that waited too long, may have done its work before.
            if status.is_server_error() || status.as_u16() == 408 {
                Trouble::Unsure(why)
            } else {
                Trouble::NotSent(why)
            }
        }
        SlackClientError::HttpProtocolError(protocol) => {
            let cause = protocol
                .cause
                .as_deref()
                .map(|cause| cause as &(dyn Error + 'static));
            let why = redacted(&chain(cause), token);
            let client_error =
                cause.and_then(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>());
            if client_error.is_some_and(hyper_util::client::legacy::Error::is_connect) {
                Trouble::NotSent(why)
            } else {
                Trouble::Unsure(why)
            }
        }
        SlackClientError::ProtocolError(_) => Trouble::Unsure("the answer is not Slack's".into()),
        _ => Trouble::Unsure("the connection broke before the answer was complete".into()),
    }
}

fn refusal(api: &SlackClientApiError) -> Trouble {
    let word = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let code: String = api.code.chars().filter(word).take(80).collect();
    match code.as_str() {
        "ratelimited" | "rate_limited" => Trouble::Limited(RETRY_AFTER_DEFAULT),
        // Slack says of these that part of the work may have been done.
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => Trouble::Unsure(code),
        _ => Trouble::Refused(code),
    }
}

/// An error and its causes on one line.
fn chain(mut cause: Option<&(dyn Error + 'static)>) -> String {
    let mut texts: Vec<String> = Vec::new();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

fn redacted(text: &str, token: &Secret<String>) -> String {
    clip(&text.replace(token.expose().as_str(), "[token]"), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::slack::{message, samples};
    use crate::plan::Moment;
    use slack_morphism::errors::{SlackClientHttpError, SlackRateLimitError};

    #[test]
    fn errors_say_whether_the_message_may_have_arrived() {
        let check = |error: SlackClientError, want: Trouble| {
            assert_eq!(trouble(&error, &Secret::new("t".into())), want);
        };
        let api = |code: &str| SlackClientError::ApiError(SlackClientApiError::new(code.into()));
        let http =
            |status: u16| SlackClientError::HttpError(SlackClientHttpError::new(status.try_into().unwrap()));
        check(
            api("channel_not_found"),
            Trouble::Refused("channel_not_found".into()),
        );
        check(api("fatal_error"), Trouble::Unsure("fatal_error".into()));
        check(api("xoxb-Ä secret"), Trouble::Refused("xoxbsecret".into()));
        check(http(503), Trouble::Unsure("HTTP status 503".into()));
        check(http(404), Trouble::NotSent("HTTP status 404".into()));
        let limit = SlackRateLimitError::new().with_retry_after(Duration::from_secs(86_400));
        check(
            SlackClientError::RateLimitError(limit),
            Trouble::Limited(Duration::from_secs(3_600)),
        );
    }

    #[test]
    fn the_client_library_knows_every_block_we_build() {
        for moment in [
            Moment::Started,
            Moment::Aborted("why".into()),
            Moment::Paused("p".into()),
            Moment::Invalid("a\nb".into()),
        ] {
            let mut what = samples::update(moment);
            what.runs = vec![samples::background_run(), samples::failed_run()];
            let message = message(&what);
            let letter = Letter {
                message: &message,
                channel: "C1",
                root: Some("1.2"),
                broadcast: true,
                update: "u",
                id: "u/1",
            };
            let request = request(&letter).unwrap();
            let unknown = |block: &slack_morphism::blocks::SlackBlock| {
                matches!(block, slack_morphism::blocks::SlackBlock::Unknown(_))
            };
            assert!(!request.content.blocks.iter().flatten().any(unknown));
            let sent = serde_json::to_value(&request).unwrap();
            assert_eq!(
                sent["blocks"],
                serde_json::Value::Array(message.blocks.clone()),
                "nothing is lost on the way"
            );
            assert_eq!(
                (&sent["thread_ts"], &sent["reply_broadcast"]),
                (&"1.2".into(), &true.into())
            );
        }
    }
}
