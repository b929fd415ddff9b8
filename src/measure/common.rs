//! What providers that are asked over HTTP have in common: headers, tokens, and what is shown of an answer.

use super::address::host;
use super::{Auth, Response};
use crate::api::analysis::{Authentication, Header, OAuth2};
use crate::base::limits;
use crate::base::secret::Secret;

/// Characters shown of an answer that is no measurement.
pub const EXCERPT_CHARS_MAX: usize = 120;

pub fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The headers of a metric. `Err` names the one that HTTP does not allow; `who` is the provider.
pub fn headers(who: &str, given: &[Header]) -> Result<Vec<(String, Secret<String>)>, String> {
    let mut headers = Vec::new();
    for header in given {
        if !token(&header.key) || header.value.contains(['\r', '\n', '\0']) {
            return Err(format!(
                "{who} header {:?} cannot be sent: check its key and its value",
                header.key
            ));
        }
        headers.push((header.key.clone(), Secret::new(header.value.clone())));
    }
    Ok(headers)
}

/// The characters that HTTP allows in the name of a header.
fn token(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// OAuth 2 by client credentials, if they are given; `who` is the provider.
pub fn client_credentials(who: &str, given: &Authentication) -> Result<Option<Auth>, String> {
    let oauth2 = given.oauth2.as_ref();
    let Some(oauth2) = oauth2.filter(|oauth2| **oauth2 != OAuth2::default()) else {
        return Ok(None);
    };
    let fields = (
        filled(&oauth2.token_url),
        filled(&oauth2.client_id),
        filled(&oauth2.client_secret),
    );
    let (Some(token_url), Some(client_id), Some(client_secret)) = fields else {
        return Err(format!(
            "{who} authentication.oauth2 needs tokenUrl, clientId and clientSecret"
        ));
    };
    if host(token_url).is_none() {
        return Err(format!(
            "{who} authentication.oauth2.tokenUrl is no http or https address"
        ));
    }
    Ok(Some(Auth::OAuth2 {
        token_url: token_url.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: Secret::new(client_secret.to_owned()),
        scopes: oauth2.scopes.clone(),
    }))
}

/// The beginning of an answer, for people.
pub fn excerpt(response: &Response) -> String {
    let body = flat(&String::from_utf8_lossy(&response.body));
    match limits::clip(&body, EXCERPT_CHARS_MAX) {
        body if body.is_empty() => "an empty body".to_owned(),
        body => format!("{body:?}"),
    }
}

/// One line of plain characters.
pub fn flat(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().take(16 * EXCERPT_CHARS_MAX).map(plain).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
