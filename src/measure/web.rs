//! Web metrics: a request to any HTTP server, and what of its answer is the measurement.
//!
//! The answer is JSON, of which a path takes a part, or else the text as it is. Anything but a status from 200 to 299 is an error.

use super::address::host;
use super::common::{client_credentials, excerpt, filled, headers};
use super::{Auth, Call, Request, Response, WebMethod};
use crate::api::analysis::WebMetric;
use crate::api::hash;
use crate::base::json_path::Path;
use crate::base::limits;
use crate::base::reading::{Reading, Value};
use crate::base::secret::Secret;
use chrono::TimeDelta;
use serde_json::{Number, Value as Json};

/// The request for a web metric. `Err` is the message for the measurement.
pub fn request(metric: &WebMetric) -> Result<Request, String> {
    if host(&metric.url).is_none() {
        return Err(format!(
            "web url {:?} is no http or https address",
            shown(&metric.url)
        ));
    }
    path(metric)?;
    let method = match filled(&metric.method) {
        None | Some("GET") => WebMethod::Get,
        Some("POST") => WebMethod::Post,
        Some("PUT") => WebMethod::Put,
        Some(other) => return Err(format!("web method {other:?} is none of GET, POST and PUT")),
    };
    let mut headers = headers("web", &metric.headers)?;
    let body = match (filled(&metric.body), &metric.json_body) {
        (Some(_), Some(_)) => return Err("web has both body and jsonBody: keep one".into()),
        (None, None) => Vec::new(),
        _ if method == WebMethod::Get => {
            return Err("web has a body, which a GET does not send: set method to POST or PUT".into());
        }
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(json)) => {
            put(&mut headers, "Content-Type", "application/json");
            json.to_string().into_bytes()
        }
    };
    let none = Default::default();
    let given = metric.authentication.as_ref().unwrap_or(&none);
    let auth = client_credentials("web", given)?.unwrap_or(Auth::None);
    Ok(Request {
        call: Call::Web {
            method,
            url: metric.url.clone(),
            body,
        },
        headers: last_of_each(headers),
        auth,
        insecure: metric.insecure,
        timeout: timeout(metric)?,
    })
}

fn put(headers: &mut Vec<(String, Secret<String>)>, name: &str, value: &str) {
    headers.push((name.to_owned(), Secret::new(value.to_owned())));
}

/// A header that is given twice is sent once, with its last value, as by Argo Rollouts.
fn last_of_each(headers: Vec<(String, Secret<String>)>) -> Vec<(String, Secret<String>)> {
    let mut kept: Vec<(String, Secret<String>)> = Vec::new();
    for (name, value) in headers {
        kept.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        kept.push((name, value));
    }
    kept
}

/// Zero and less mean the default.
fn timeout(metric: &WebMetric) -> Result<TimeDelta, String> {
    let seconds = metric.timeout_seconds.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or(limits::WEB_TIMEOUT_SECONDS_DEFAULT);
    TimeDelta::try_seconds(seconds).ok_or_else(|| "web timeoutSeconds is too long".into())
}

fn path(metric: &WebMetric) -> Result<Path, String> {
    let text = filled(&metric.json_path).unwrap_or("{$}");
    Path::parse(text).map_err(|why| format!("web jsonPath {text:?}: {why}"))
}

/// The part of an address that names the server; the rest may hold secrets.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The reading in an answer. `Err` is the message for the measurement.
pub fn read(metric: &WebMetric, response: &Response) -> Result<Reading, String> {
    let status = response.status;
    if !(200..300).contains(&status) {
        let from = host(&metric.url).unwrap_or("the server");
        // Argo Rollouts' words first.
        let said = match response.body.is_empty() {
            true => String::new(),
            false => format!(": {from} answered {}", excerpt(response)),
        };
        let mut message = format!("received non 2xx response code: {status}{said}");
        if (300..400).contains(&status) {
            message.push_str(" (redirects to another host are not followed)");
        }
        return Err(message);
    }
    let (result, value) = match serde_json::from_slice::<Json>(&response.body) {
        Ok(json) => {
            let found = path(metric)?.first(&json);
            let found = found.map_err(|why| format!("could not find jsonPath in body: {why}"))?;
            let found = found.ok_or("result of web metric produced no value")?;
            (Value::from(&found), hash::go_json(&floats(found)))
        }
        Err(_) => {
            let text = String::from_utf8_lossy(&response.body).into_owned();
            (Value::String(text.clone()), text)
        }
    };
    Ok(Reading {
        result,
        value: limits::clip(&value, limits::MEASUREMENT_VALUE_CHARS_MAX),
        ..Reading::default()
    })
}

/// Every number as the float that conditions see.
fn floats(mut json: Json) -> Json {
    match &mut json {
        Json::Number(number) => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = floats(item.take())),
        Json::Object(members) => members
            .values_mut()
            .for_each(|value| *value = floats(value.take())),
        _ => {}
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metric(fields: Json) -> WebMetric {
        let mut metric = json!({"url": "http://shop.example/health"});
        crate::base::json::merge_apply(&mut metric, &fields);
        serde_json::from_value(metric).unwrap()
    }

    fn answered(status: u16, body: &str) -> Response {
        Response {
            status,
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn check(fields: Json, body: &str, want: Result<(Value, &str), &str>) {
        let got = read(&metric(fields), &answered(200, body));
        let got = got.map(|reading| (reading.result, reading.value));
        assert_eq!(
            got,
            want.map(|(result, text)| (result, text.to_owned()))
                .map_err(str::to_owned)
        );
    }

    #[test]
    fn a_path_takes_a_part_of_a_json_answer() {
        let path = |path: &str| json!({"jsonPath": path});
        check(path("{$.value}"), r#"{"value": 1}"#, Ok((Value::Float(1.0), "1")));
        check(
            path("{$.value}"),
            r#"{"value": 0.25}"#,
            Ok((Value::Float(0.25), "0.25")),
        );
        check(
            path("{.state}"),
            r#"{"state": "ok"}"#,
            Ok((Value::String("ok".into()), "\"ok\"")),
        );
        check(path("{.ok}"), r#"{"ok": true}"#, Ok((Value::Bool(true), "true")));
        check(
            path("{.list}"),
            r#"{"list": [1, 2.5]}"#,
            Ok((Value::List(vec![Value::Float(1.0), Value::Float(2.5)]), "[1,2.5]")),
        );
        check(json!({}), "7", Ok((Value::Float(7.0), "7")));
        check(
            path("{.none[*]}"),
            r#"{"none": []}"#,
            Err("result of web metric produced no value"),
        );
        check(
            path("{.nope}"),
            "{}",
            Err("could not find jsonPath in body: nope is not found"),
        );
    }

    #[test]
    fn an_answer_that_is_no_json_is_a_text() {
        check(
            json!({"jsonPath": "{.x}"}),
            "all good",
            Ok((Value::String("all good".into()), "all good")),
        );
        check(json!({}), "", Ok((Value::String(String::new()), "")));
    }

    #[test]
    fn a_status_outside_of_200_to_299_is_an_error() {
        let message = |status| read(&metric(json!({})), &answered(status, "down\nfor repair")).unwrap_err();
        assert_eq!(
            message(503),
            "received non 2xx response code: 503: shop.example answered \"down for repair\""
        );
        let silent = read(&metric(json!({})), &answered(500, "")).unwrap_err();
        assert_eq!(silent, "received non 2xx response code: 500");
        assert!(message(302).ends_with("(redirects to another host are not followed)"));
        assert!(message(199).starts_with("received non 2xx"));
    }

    fn check_request(fields: Json, want: &str) {
        assert_eq!(request(&metric(fields)).err().unwrap(), want);
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused() {
        check_request(
            json!({"url": "shop/health?key=secret"}),
            "web url \"shop/health\" is no http or https address",
        );
        check_request(
            json!({"method": "DELETE"}),
            "web method \"DELETE\" is none of GET, POST and PUT",
        );
        check_request(
            json!({"method": "POST", "body": "a", "jsonBody": {}}),
            "web has both body and jsonBody: keep one",
        );
        check_request(
            json!({"body": "a"}),
            "web has a body, which a GET does not send: set method to POST or PUT",
        );
        check_request(
            json!({"headers": [{"key": "a b", "value": ""}]}),
            "web header \"a b\" cannot be sent: check its key and its value",
        );
        check_request(
            json!({"jsonPath": "$.x"}),
            "web jsonPath \"$.x\": a path stands in braces, for example {$.value}",
        );
        check_request(
            json!({"authentication": {"oauth2": {"clientId": "x"}}}),
            "web authentication.oauth2 needs tokenUrl, clientId and clientSecret",
        );
    }

    #[test]
    fn a_json_body_sets_the_content_type_whatever_the_headers_say() {
        let fields = json!({"method": "PUT", "jsonBody": {"b": [1], "a": "x"}, "timeoutSeconds": 3, "insecure": true,
            "headers": [{"key": "content-type", "value": "text/plain"}, {"key": "X", "value": "1"}, {"key": "x", "value": "2"}]});
        let request = request(&metric(fields)).ok().unwrap();
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose().as_str()))
            .collect();
        assert_eq!(headers, [("x", "2"), ("Content-Type", "application/json")]);
        let Call::Web { method, body, .. } = request.call else {
            panic!("another call");
        };
        assert_eq!((method, body), (WebMethod::Put, br#"{"a":"x","b":[1]}"#.to_vec()));
        assert_eq!((request.timeout, request.insecure), (TimeDelta::seconds(3), true));
    }

    #[test]
    fn without_a_positive_timeout_it_is_ten_seconds() {
        for seconds in [json!(null), json!(0), json!(-5)] {
            let request = request(&metric(json!({"timeoutSeconds": seconds}))).ok().unwrap();
            assert_eq!(request.timeout, TimeDelta::seconds(10));
        }
    }
}
