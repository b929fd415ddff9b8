//! Prometheus queries: what to ask, and what an answer means.
//!
//! Knows the HTTP API's answers well enough to never take anything else for a measurement: error bodies, pages of proxies, other
//! types of results and native histograms all become a message that says who answered what.

use super::address::host;
use super::common::{EXCERPT_CHARS_MAX, client_credentials, excerpt, filled, flat, headers};
use super::{Auth, Call, Defaults, Request, Response};
use crate::api::analysis::{Authentication, PrometheusMetric, RangeQuery};
use crate::base::gotime::parse_duration;
use crate::base::limits;
use crate::base::reading::{Reading, Value};
use crate::base::secret::Secret;
use crate::plan::analysis::condition;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The request for a Prometheus metric. `Err` is the message for the measurement.
pub fn request(
    metric: &PrometheusMetric,
    defaults: &Defaults,
    now: DateTime<Utc>,
) -> Result<Request, String> {
    let address = filled(&metric.address).or(filled(&defaults.prometheus_address));
    let address = address.ok_or("prometheus address is not configured")?.to_owned();
    if host(&address).is_none() {
        // Argo Rollouts' words.
        return Err("prometheus address is not is url format".into());
    }
    if metric.query.trim().is_empty() {
        return Err("prometheus query is empty".into());
    }
    let auth = authentication(metric, &address)?;
    let query = metric.query.clone();
    let call = match &metric.range_query {
        None => Call::PrometheusInstant {
            address,
            query,
            at: now,
        },
        Some(range) => {
            let (start, end, step) = window(range, now)?;
            Call::PrometheusRange {
                address,
                query,
                start,
                end,
                step,
            }
        }
    };
    Ok(Request {
        call,
        headers: headers("prometheus", &metric.headers)?,
        auth,
        insecure: metric.insecure,
        timeout: timeout(metric)?,
    })
}

/// Zero means the default: a query without any time could never be answered.
fn timeout(metric: &PrometheusMetric) -> Result<TimeDelta, String> {
    match metric.timeout {
        Some(seconds) if seconds < 0 => Err("prometheus timeout should not be negative".into()),
        Some(seconds) if seconds > 0 => {
            TimeDelta::try_seconds(seconds).ok_or_else(|| "prometheus timeout is too long".into())
        }
        _ => Ok(TimeDelta::seconds(limits::PROMETHEUS_TIMEOUT_SECONDS_DEFAULT)),
    }
}

fn authentication(metric: &PrometheusMetric, address: &str) -> Result<Auth, String> {
    let none = Authentication::default();
    let given = metric.authentication.as_ref().unwrap_or(&none);
    let sigv4 = given.sigv4.as_ref();
    let signs = sigv4.is_some_and(|sigv4| {
        [&sigv4.region, &sigv4.profile, &sigv4.role_arn]
            .into_iter()
            .any(|field| filled(field).is_some())
    });
    // Argo Rollouts signs requests to Amazon's managed Prometheus only; elsewhere it ignores the block.
    if signs && address.contains("aps-workspaces") {
        return Err("prometheus authentication.sigv4 is not carried out by this version of Serin".into());
    }
    if let Some(auth) = client_credentials("prometheus", given)? {
        return Ok(auth);
    }
    let Some(basic) = &given.basic_auth else {
        return Ok(Auth::None);
    };
    match (filled(&basic.username), filled(&basic.password)) {
        (None, None) => Ok(Auth::None),
        (Some(username), Some(password)) => Ok(Auth::Basic {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        }),
        _ => Err("prometheus authentication.basicAuth needs username and password".into()),
    }
}

type Window = (DateTime<Utc>, DateTime<Utc>, TimeDelta);

fn window(range: &RangeQuery, now: DateTime<Utc>) -> Result<Window, String> {
    let start = instant("start", &range.start, now)?;
    let end = instant("end", &range.end, now)?;
    let step = filled(&range.step).ok_or("prometheus rangeQuery.step is missing: say for example 1m")?;
    let step = parse_duration(step)
        .filter(|step| *step > TimeDelta::zero())
        .ok_or_else(|| format!("prometheus rangeQuery.step {step:?} is not a duration such as 30s or 1m"))?;
    if end < start {
        return Err("prometheus rangeQuery.end is before rangeQuery.start".into());
    }
    Ok((start, end, step))
}

fn instant(field: &str, source: &Option<String>, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let source = filled(source)
        .ok_or_else(|| format!("prometheus rangeQuery.{field} is missing: say for example now()"))?;
    condition::instant(source, now)
        .map_err(|err| format!("could not evaluate prometheus rangeQuery.{field} \"{source}\": {err}"))
}

/// The reading in a Prometheus server's answer. `Err` is the message for the measurement.
pub fn read(metric: &PrometheusMetric, response: &Response) -> Result<Reading, String> {
    let from = filled(&metric.address).and_then(host).unwrap_or("prometheus");
    let json: Option<Json> = serde_json::from_slice(&response.body).ok();
    let envelope = json
        .as_ref()
        .filter(|json| json.get("status").is_some_and(Json::is_string));
    let Some(envelope) = envelope else {
        return Err(stranger(from, response));
    };
    let text = |field: &str| envelope[field].as_str().unwrap_or_default();
    let accepted = (200..300).contains(&response.status);
    if text("status") != "success" || !accepted {
        let kind = Some(text("errorType"))
            .filter(|kind| !kind.is_empty())
            .unwrap_or("error");
        let reason = limits::clip(&flat(text("error")), 4 * EXCERPT_CHARS_MAX);
        return Err(format!(
            "{from} answered with status {}: {kind}: {reason}",
            response.status
        ));
    }
    let (result, value) =
        decode(&envelope["data"]).map_err(|problem| format!("{from} answered: {problem}"))?;
    Ok(Reading {
        result,
        value: limits::clip(&value, limits::MEASUREMENT_VALUE_CHARS_MAX),
        begun: false,
        metadata: warnings(&envelope["warnings"]),
        metric_metadata: BTreeMap::from([("ResolvedPrometheusQuery".to_owned(), metric.query.clone())]),
    })
}

/// The message about an answer that no Prometheus gave: the page of a proxy, a login form, nothing at all.
fn stranger(from: &str, response: &Response) -> String {
    let kind = match response.content_type.split(';').next().map(str::trim) {
        None | Some("") => "no content type",
        Some(kind) => kind,
    };
    let shown = excerpt(response);
    let status = response.status;
    format!("{from} answered with status {status} ({kind}), which is no answer of Prometheus: {shown}")
}

fn warnings(warnings: &Json) -> BTreeMap<String, String> {
    let texts = warnings.as_array().into_iter().flatten().filter_map(Json::as_str);
    let quoted: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
    match quoted.is_empty() {
        true => BTreeMap::new(),
        false => BTreeMap::from([("warnings".to_owned(), quoted.join(", "))]),
    }
}

/// What conditions see, and how people read it.
fn decode(data: &Json) -> Result<(Value, String), String> {
    let result = &data["result"];
    let numbers = match data["resultType"].as_str() {
        Some("scalar") => {
            let number = sample(result)?;
            return Ok((Value::Float(number), shown(number)));
        }
        Some("vector") => vector(result)?,
        Some("matrix") => matrix(result)?,
        // Argo Rollouts' words.
        Some("string") => return Err("Prometheus metric type not supported".into()),
        Some(other) => return Err(format!("a result of type {other:?} is not supported")),
        None => return Err("success, but without a result".into()),
    };
    let texts: Vec<String> = numbers.iter().copied().map(shown).collect();
    Ok((
        Value::List(numbers.into_iter().map(Value::Float).collect()),
        format!("[{}]", texts.join(",")),
    ))
}

fn series(result: &Json) -> Result<&[Json], String> {
    result
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| "success, but the result is no list".into())
}

fn vector(result: &Json) -> Result<Vec<f64>, String> {
    let number = |series: &Json| no_histogram(series).and_then(|()| sample(&series["value"]));
    series(result)?.iter().map(number).collect()
}

/// The samples of all series, one series after the other.
fn matrix(result: &Json) -> Result<Vec<f64>, String> {
    let mut numbers = Vec::new();
    for one in series(result)? {
        no_histogram(one)?;
        let values = one["values"].as_array().ok_or("a series without values")?;
        for value in values {
            numbers.push(sample(value)?);
        }
    }
    Ok(numbers)
}

fn no_histogram(series: &Json) -> Result<(), String> {
    if series.get("histogram").is_some() || series.get("histograms").is_some() {
        return Err(
            "a native histogram is no number: query histogram_quantile or histogram_avg of it".into(),
        );
    }
    Ok(())
}

/// The number of a `[time, "number"]` pair.
fn sample(pair: &Json) -> Result<f64, String> {
    match pair.as_array().map(Vec::as_slice) {
        Some([_, Json::String(text)]) => {
            let number = text.parse().ok();
            number.ok_or_else(|| format!("{:?} is no number", limits::clip(text, EXCERPT_CHARS_MAX)))
        }
        _ => Err("a sample that is no pair of time and value".into()),
    }
}

/// The shortest plain decimal that reads back as the number.
fn shown(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
