//! Answers as Prometheus' HTTP API writes them.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::eval::{Sample, Value};
use super::labels::Labels;

/// Status and body.
pub type Answer = (u16, String);

/// The answer to an instant query at `now`.
pub fn instant(value: &Value, now: i64) -> Answer {
    let (kind, result) = match value {
        Value::Scalar(number) => ("scalar", pair(now, *number)),
        Value::Text(text) => ("string", format!("[{},{}]", time(now), quoted(text))),
        Value::Vector(samples) => ("vector", list(samples.iter().map(|one| sample(one, now)))),
        Value::Matrix(all) => ("matrix", matrix(all)),
    };
    success(kind, &result)
}

/// The answer to a range query.
pub fn range(all: &[(Labels, Vec<(i64, f64)>)]) -> Answer {
    success("matrix", &matrix(all))
}

/// A query that cannot be understood.
pub fn bad_data(message: &str) -> Answer {
    failure(400, "bad_data", message)
}

/// A query that cannot be carried out on the data that are there.
pub fn execution(message: &str) -> Answer {
    failure(422, "execution", message)
}

fn failure(status: u16, kind: &str, message: &str) -> Answer {
    let message = quoted(message);
    let body = format!(r#"{{"status":"error","errorType":"{kind}","error":{message}}}"#);
    (status, body)
}

fn success(kind: &str, result: &str) -> Answer {
    let data = format!(r#"{{"resultType":"{kind}","result":{result}}}"#);
    (200, format!(r#"{{"status":"success","data":{data}}}"#))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn sample(sample: &Sample, now: i64) -> String {
    let (metric, value) = (metric(&sample.labels), pair(now, sample.value));
    format!(r#"{{"metric":{metric},"value":{value}}}"#)
}

fn matrix(all: &[(Labels, Vec<(i64, f64)>)]) -> String {
    list(all.iter().map(|(labels, points)| {
        let values = list(points.iter().map(|(at, value)| pair(*at, *value)));
        format!(r#"{{"metric":{},"values":{values}}}"#, metric(labels))
    }))
}

fn metric(labels: &Labels) -> String {
    let mut text = String::from("{");
    for (name, value) in labels.iter() {
        let comma = if text.len() > 1 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{}:{}", quoted(name), quoted(value));
    }
    text + "}"
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

fn pair(at: i64, value: f64) -> String {
    format!(r#"[{},"{}"]"#, time(at), number(value))
}

/// Seconds, with milliseconds only where there are any.
fn time(at: i64) -> String {
    let (seconds, rest) = (at.div_euclid(1000), at.rem_euclid(1000));
    match rest {
        0 => seconds.to_string(),
        rest => format!("{seconds}.{rest:03}"),
    }
}

/// The shortest text that reads back as the number, with an exponent only where it is very small or very large.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value if size != 0.0 && !(1e-6..1e21).contains(&size) => {
            let text = format!("{value:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_writes_them() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(1.0, "1");
        check(0.1 + 0.2, "0.30000000000000004");
        check(-0.0, "-0");
        check(1e20, "100000000000000000000");
        check(1e21, "1e+21");
        check(2.5e-7, "2.5e-07");
        check(1e-6, "0.000001");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn answers_have_the_shape_of_the_http_api() {
        let labels: Labels = [("__name__", "up"), ("a", "x\"y")].into_iter().collect();
        let samples = vec![Sample { labels, value: 1.5 }];
        assert_eq!(
            instant(&Value::Vector(samples), 1_700_000_000_050).1,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","a":"x\"y"},"value":[1700000000.050,"1.5"]}]}}"#
        );
        assert_eq!(
            instant(&Value::Scalar(2.0), 5_000).1,
            r#"{"status":"success","data":{"resultType":"scalar","result":[5,"2"]}}"#
        );
        assert_eq!(
            bad_data("no"),
            (
                400,
                r#"{"status":"error","errorType":"bad_data","error":"no"}"#.to_owned()
            )
        );
    }
}
