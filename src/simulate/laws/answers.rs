//! What metric providers answered lately, by query, and which query a metric of a run asks.

use super::objects::Run;
use super::read::{list, text};
use crate::simulate::record::Asked;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Answers kept per query.
const KEPT: usize = 16;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<String, VecDeque<Answer>>);

/// One answer: the numbers in it, or none when it was no answer at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub at: DateTime<Utc>,
    pub numbers: Option<Vec<f64>>,
}

impl Answer {
    pub fn measured(&self) -> bool {
        self.numbers
            .as_ref()
            .is_some_and(|numbers| numbers.iter().any(|number| !number.is_nan()))
    }
}

impl Answers {
    pub fn hear(&mut self, asked: &Asked, at: DateTime<Utc>) {
        let answers = self.0.entry(asked.query.clone()).or_default();
        let numbers = match &asked.answer {
            Ok((200, body)) => numbers(body),
            _ => None,
        };
        answers.push_back(Answer { at, numbers });
        if answers.len() > KEPT {
            answers.pop_front();
        }
    }

    /// Oldest first; none when the query was never asked.
    pub fn to(&self, query: &str) -> Option<&VecDeque<Answer>> {
        self.0.get(query)
    }
}

/// The numbers of an instant, range or scalar answer of Prometheus; none when the body is something else.
fn numbers(body: &str) -> Option<Vec<f64>> {
    let body: Value = serde_json::from_str(body).ok()?;
    if text(&body, "status") != "success" {
        return None;
    }
    let result = body["data"]["result"].as_array()?;
    let mut numbers = Vec::new();
    let mut push = |pair: &Value| numbers.extend(pair[1].as_str().and_then(number));
    if text(&body["data"], "resultType") == "scalar" {
        push(&body["data"]["result"]);
        return Some(numbers);
    }
    for series in result {
        push(&series["value"]);
        list(series, "values").iter().for_each(&mut push);
    }
    Some(numbers)
}

/// As Prometheus prints numbers.
fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// One metric of a run as its object has it.
pub struct Metric<'r> {
    pub name: &'r str,
    pub spec: &'r Value,
    /// With the arguments filled in; none when it asks no Prometheus or an argument comes from a secret.
    pub query: Option<String>,
    /// Its result so far.
    pub result: &'r Value,
}

/// The metrics of a run.
pub fn metrics(run: &Run) -> impl Iterator<Item = Metric<'_>> {
    let results = list(&run.raw["status"], "metricResults");
    list(&run.raw["spec"], "metrics").iter().map(move |spec| {
        let name = text(spec, "name");
        let result = results.iter().find(|result| text(result, "name") == name);
        Metric {
            name,
            spec,
            query: query(run, spec),
            result: result.unwrap_or(&Value::Null),
        }
    })
}

fn query(run: &Run, metric: &Value) -> Option<String> {
    let mut query = metric["provider"]["prometheus"]["query"].as_str()?.to_owned();
    for arg in list(&run.raw["spec"], "args") {
        let (name, value) = (text(arg, "name"), arg["value"].as_str());
        for spelled in [format!("{{{{args.{name}}}}}"), format!("{{{{ args.{name} }}}}")] {
            if query.contains(&spelled) {
                query = query.replace(&spelled, value?);
            }
        }
    }
    Some(query)
}
