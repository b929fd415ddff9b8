//! Web metrics against recorded lives of Argo Rollouts: the same answers give the same values, phases and messages.
//!
//! The recorded server answers `/v/1` with `{"value": 1}`, `/seq/id/1,0` with one value after the other, the last one again and again,
//! and `/err` with status 500.

use chrono::DateTime;
use serde_json::{Value, json};
use serin::api::analysis::Metric;
use serin::measure::{Response, read};
use serin::plan::analysis::verdict::judge;
use std::fs;

/// The answer number `index` of the recorded server.
fn answer(url: &str, index: usize) -> Response {
    let path = url.trim_start_matches("http://{stub}");
    let values = path.rsplit('/').next().unwrap_or_default();
    let values: Vec<&str> = values.split(',').collect();
    let body = match path {
        "/err" => String::new(),
        _ => json!({"value": values[index.min(values.len() - 1)].parse::<i64>().unwrap()}).to_string(),
    };
    Response {
        status: if path == "/err" { 500 } else { 200 },
        content_type: "application/json".into(),
        body: body.into_bytes(),
    }
}

/// Every object with metrics and their results, as the API server had it.
fn runs<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    if value.pointer("/status/metricResults").is_some() && value.pointer("/spec/metrics").is_some() {
        found.push(value);
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| runs(item, found)),
        Value::Object(members) => members.values().for_each(|member| runs(member, found)),
        _ => {}
    }
}

/// How many measurements were compared.
fn check(run: &Value) -> usize {
    let mut compared = 0;
    for result in run["status"]["metricResults"].as_array().unwrap() {
        let metrics = run["spec"]["metrics"].as_array().unwrap();
        let metric = metrics
            .iter()
            .find(|metric| metric["name"] == result["name"])
            .unwrap();
        let mut text = metric.to_string();
        for arg in run["spec"]["args"].as_array().into_iter().flatten() {
            let tag = format!("{{{{args.{}}}}}", arg["name"].as_str().unwrap());
            text = text.replace(&tag, arg["value"].as_str().unwrap_or_default());
        }
        let metric: Metric = serde_json::from_str(&text).unwrap();
        let url = &metric.provider.web.as_ref().unwrap().url;
        for (index, want) in result["measurements"].as_array().unwrap().iter().enumerate() {
            let got = match read(&metric, &answer(url, index)) {
                Ok(reading) => {
                    let phase = judge(&metric, &reading, DateTime::UNIX_EPOCH).phase;
                    json!({"phase": phase, "value": reading.value})
                }
                Err(message) => json!({"phase": "Error", "message": message}),
            };
            for field in ["phase", "value", "message"] {
                assert_eq!(got[field], want[field], "{field} of {want} for {text}");
            }
            compared += 1;
        }
    }
    compared
}

#[test]
fn recorded_measurements_of_web_metrics_are_met() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/argo/rollouts");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let life: Value = serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        let mut found = Vec::new();
        runs(&life, &mut found);
        compared += found.iter().map(|run| check(run)).sum::<usize>();
    }
    assert!(compared >= 30, "{compared}");
}
