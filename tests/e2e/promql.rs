//! The stand-in for Prometheus answers as the real one: both get the very same samples, and the same queries.
//!
//! The real one scrapes metrics that move with every scrape; what it stored is read back and loaded into the stand-in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use serin::simulate::prometheus::labels::Labels;
use serin::simulate::prometheus::{Edition, Prometheus as StandIn, Settings};
use tokio::net::TcpListener;

use crate::support::prometheus::Prometheus;
use crate::support::wait::eventually;

/// How many scrapes the comparison stands on, one a second.
const SCRAPES: u64 = 24;

/// A scrape without anything from here on would make every series end: these go on.
const PODS: [(&str, &str, u64); 5] = [
    ("stable-1", "old", 40),
    ("stable-2", "old", 37),
    ("stable-3", "old", 41),
    ("canary-1", "new", 9),
    ("canary-2", "new", 11),
];

/// What the pods report at their `n`th scrape.
fn exposition(n: u64) -> String {
    let mut text = String::new();
    for (index, (pod, hash, per_scrape)) in PODS.into_iter().enumerate() {
        // One pod comes late, one goes early, and one counts from zero again.
        let count = match pod {
            "canary-2" if n < 6 => continue,
            "stable-3" if n > 17 => continue,
            "stable-2" if n >= 12 => (n - 12) * per_scrape,
            _ => n * per_scrape + n * n,
        };
        let labels =
            format!(r#"namespace="shop",service="web",pod="{pod}",rollouts_pod_template_hash="{hash}""#);
        requests(&mut text, &labels, count, index as u64 + 1);
        let temperature = match (pod, n % 7) {
            ("stable-1", 3) => "NaN".to_owned(),
            _ => (f64::from(n as u32 % 7) * 1.7 - 4.0 + index as f64).to_string(),
        };
        let _ = writeln!(text, "temperature{{pod=\"{pod}\"}} {temperature}");
    }
    let _ = writeln!(text, "limit{{namespace=\"shop\",team=\"blue\"}} 0.05");
    let _ = writeln!(
        text,
        "owner{{pod=\"canary-1\",team=\"blue\"}} 1\nowner{{pod=\"stable-1\",team=\"red\"}} 1"
    );
    text
}

fn requests(text: &mut String, labels: &str, count: u64, share: u64) {
    let errors = count * share / 50;
    let name = "http_request_duration_seconds";
    let _ = writeln!(
        text,
        r#"http_requests_total{{{labels},code="200"}} {}"#,
        count - errors
    );
    let _ = writeln!(text, r#"http_requests_total{{{labels},code="500"}} {errors}"#);
    for (bound, part) in [("0.05", 20), ("0.1", 75), ("0.5", 92), ("1", 98), ("+Inf", 100)] {
        let _ = writeln!(
            text,
            r#"{name}_bucket{{{labels},le="{bound}"}} {}"#,
            count * part / 100
        );
    }
    let _ = writeln!(text, "{name}_sum{{{labels}}} {}", count as f64 * 0.0731);
    let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
}

/// Serves the next exposition to each scrape.
async fn serve(scrapes: Arc<Mutex<u64>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move || async move {
        let mut scrapes = scrapes.lock().unwrap();
        *scrapes += 1;
        exposition(*scrapes)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(answer))).await });
    address
}

/// Everything that the real one stored up to `end`, in a stand-in.
async fn copy(real: &Prometheus, edition: Edition, end: DateTime<Utc>) -> StandIn {
    let settings = Settings {
        edition,
        ..Settings::default()
    };
    let mut copy = StandIn::new(settings, end - TimeDelta::minutes(10));
    let time = seconds(end);
    let parameters = [("query", r#"{__name__=~".+"}[10m]"#), ("time", &time)];
    let (status, answer) = real.api("query", &parameters).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let all = answer["data"]["result"].as_array().unwrap();
    let scrapes: BTreeSet<i64> = all
        .iter()
        .filter(|one| one["metric"]["__name__"] == "up")
        .flat_map(samples)
        .map(|(at, _)| at)
        .collect();
    for one in all {
        let metric = one["metric"].as_object().unwrap();
        let pairs = metric
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let labels: Labels = pairs.collect();
        let samples: BTreeMap<i64, f64> = samples(one).into_iter().collect();
        for scrape in scrapes.range(samples.keys().next().unwrap()..) {
            let at = DateTime::from_timestamp_millis(*scrape).unwrap();
            match samples.get(scrape) {
                Some(value) => copy.append(&labels, at, *value),
                // A scrape that no longer finds a series ends it.
                None => copy.end(&labels, at),
            }
        }
    }
    copy
}

fn samples(series: &Value) -> Vec<(i64, f64)> {
    let pairs = series["values"].as_array().unwrap().iter();
    pairs
        .map(|pair| {
            let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (at, pair[1].as_str().unwrap().parse().unwrap())
        })
        .collect()
}

fn seconds(at: DateTime<Utc>) -> String {
    format!("{:.3}", at.timestamp_millis() as f64 / 1000.0)
}

/// Why two answers are not the same; numbers may differ by rounding.
fn difference(real: &(u16, Value), ours: &(u16, Value), ordered: bool) -> Option<String> {
    let kind = |answer: &Value| (answer["errorType"].clone(), answer["data"]["resultType"].clone());
    if real.0 != ours.0 || kind(&real.1) != kind(&ours.1) {
        return Some(format!("{} {}\n  ours {} {}", real.0, real.1, ours.0, ours.1));
    }
    let rows = |answer: &Value| {
        let mut rows = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        if !ordered && answer["data"]["resultType"] != "scalar" {
            rows.sort_by_key(|row| row["metric"].to_string());
        }
        rows
    };
    let (theirs, ours) = (rows(&real.1), rows(&ours.1));
    let same = theirs.len() == ours.len() && theirs.iter().zip(&ours).all(|(a, b)| equal(a, b));
    (!same).then(|| format!("{}\n  ours {}", Value::from(theirs), Value::from(ours)))
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => close(a.as_f64().unwrap(), b.as_f64().unwrap()),
        (Value::String(x), Value::String(y)) => x == y || both_close(x, y),
        _ => a == b,
    }
}

fn both_close(a: &str, b: &str) -> bool {
    matches!((a.parse(), b.parse()), (Ok(a), Ok(b)) if close(a, b))
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
}

/// Both sides of one comparison, with the differences found.
struct Comparison {
    real: Prometheus,
    copy: StandIn,
    compared: usize,
    differences: Vec<String>,
}

impl Comparison {
    async fn instant(&mut self, query: &str, at: DateTime<Utc>) {
        let time = seconds(at);
        let real = self
            .real
            .api("query", &[("query", query), ("time", &time)])
            .await
            .unwrap();
        let ours = self.copy.instant(query, at);
        self.note(query, &time, &real, ours);
    }

    async fn range(&mut self, query: &str, start: DateTime<Utc>, end: DateTime<Utc>, step: i64) {
        let (from, to, step_text) = (seconds(start), seconds(end), format!("{step}s"));
        let parameters = [
            ("query", query),
            ("start", &from),
            ("end", &to),
            ("step", &step_text),
        ];
        let real = self.real.api("query_range", &parameters).await.unwrap();
        let ours = self.copy.range(query, start, end, TimeDelta::seconds(step));
        self.note(query, &format!("{from}..{to}"), &real, ours);
    }

    fn note(&mut self, query: &str, when: &str, real: &(u16, Value), ours: (u16, String)) {
        let ours = (ours.0, serde_json::from_str(&ours.1).unwrap());
        self.compared += 1;
        if let Some(difference) = difference(real, &ours, query.starts_with("sort")) {
            self.differences
                .push(format!("{query} at {when}\n  real {difference}"));
        }
    }
}

fn queries() -> Vec<String> {
    let file = include_str!("../data/promql/queries.txt");
    let lines = file.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .chain(recording_rules())
        .collect()
}

/// The queries of the example's rules, over a window that fits in here.
fn recording_rules() -> Vec<String> {
    let text = include_str!("../../examples/analysis/recording-rules.yaml");
    let file: Value = serde_saphyr::from_str(text).unwrap();
    let rules = file["groups"][0]["rules"].as_array().unwrap();
    let windows = ["5m", "10s"];
    let queries = rules.iter().flat_map(|rule| {
        let query = rule["expr"].as_str().unwrap().to_owned();
        windows.map(|window| query.replace("5m", window))
    });
    queries.collect()
}

#[tokio::test]
async fn the_stand_in_for_prometheus_answers_as_the_real_one() {
    let scrapes = Arc::new(Mutex::new(0));
    let address = serve(scrapes.clone()).await;
    let real = Prometheus::start(&[address], &[]).await.unwrap();
    eventually(Duration::from_secs(90), "scrapes", || async {
        let done = *scrapes.lock().unwrap();
        if done > SCRAPES {
            Ok(())
        } else {
            Err(format!("{done} of {SCRAPES}"))
        }
    })
    .await;
    let (_, build) = real.api("status/buildinfo", &[]).await.unwrap();
    let version = build["data"]["version"].as_str().unwrap().to_owned();
    let edition = if version.starts_with("2.") {
        Edition::V2
    } else {
        Edition::V3
    };
    let (_, up) = real.api("query", &[("query", "up[5m]")]).await.unwrap();
    let times: Vec<i64> = samples(&up["data"]["result"][0])
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    let time = |index: usize, after: i64| DateTime::from_timestamp_millis(times[index] + after).unwrap();
    // Negative offsets look at what comes after.
    let (end, last) = (times.len() - 1, times.len() - 4);
    let copy = copy(&real, edition, time(end, 0)).await;
    let mut comparison = Comparison {
        real,
        copy,
        compared: 0,
        differences: Vec::new(),
    };
    let moments = [
        time(last, 0),
        time(last, 433),
        time(14, 0),
        time(14, 777),
        time(7, 1),
    ];
    let queries = queries();
    assert!(queries.len() >= 60, "{}", queries.len());
    for query in &queries {
        for at in moments {
            comparison.instant(query, at).await;
        }
        comparison.range(query, time(2, 0), time(last, 0), 3).await;
    }
    eprintln!(
        "Prometheus {version}: {} queries, {} answers compared",
        queries.len(),
        comparison.compared
    );
    let found = &comparison.differences;
    assert!(
        found.is_empty(),
        "{} differences\n{}",
        found.len(),
        found.join("\n")
    );
}
