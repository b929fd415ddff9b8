//! Recording rules: read from a rule file or a `PrometheusRule`, and evaluated at their interval.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;

use super::eval::{Eval, Value};
use super::labels::{Labels, NAME};
use super::query::{Node, parse};
use super::series::SeriesStore;
use crate::base::gotime::parse_duration;

/// How often a group without an interval of its own is evaluated.
const INTERVAL_MS: i64 = 60_000;

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    pub interval: i64,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    record: String,
    query: Arc<Node>,
    labels: Vec<(String, String)>,
    /// The series of the last evaluation.
    last: BTreeSet<usize>,
}

/// Reads the groups of a rule file, or of an object that has them under `spec`. Alerts are left out.
pub fn read(text: &str) -> Result<Vec<Group>, String> {
    let file: Json = serde_saphyr::from_str(text).map_err(|error| format!("rules: {error}"))?;
    let groups = [&file["groups"], &file["spec"]["groups"]]
        .into_iter()
        .find_map(Json::as_array);
    let groups = groups.ok_or("rules: there are no groups, neither at the top nor under spec")?;
    groups.iter().map(group).collect()
}

fn group(group: &Json) -> Result<Group, String> {
    let name = group["name"].as_str().unwrap_or_default();
    let interval = match &group["interval"] {
        Json::Null => INTERVAL_MS,
        text => text
            .as_str()
            .and_then(parse_duration)
            .map(|interval| interval.num_milliseconds())
            .filter(|interval| *interval > 0)
            .ok_or_else(|| format!("rules: group {name}: interval {text} is not a duration such as 15s"))?,
    };
    let rules = group["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let recording = rules.iter().filter(|rule| rule["record"].is_string());
    let rules: Result<Vec<Rule>, String> = recording.map(|one| rule(name, one)).collect();
    Ok(Group {
        interval,
        rules: rules?,
    })
}

fn rule(group: &str, rule: &Json) -> Result<Rule, String> {
    let record = rule["record"].as_str().unwrap_or_default().to_owned();
    // A number without quotes is a query too.
    let text = match &rule["expr"] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let query = parse(&text).map_err(|error| format!("rules: group {group}: {record}: {error}"))?;
    let labels = rule["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    Ok(Rule {
        record,
        query,
        labels: labels.collect(),
        last: BTreeSet::new(),
    })
}

impl Group {
    /// Ends no series at the next evaluation.
    pub fn forget(&mut self) {
        for rule in &mut self.rules {
            rule.last.clear();
        }
    }

    /// Evaluates every rule and keeps what it gives. A rule that cannot be evaluated gives nothing, as in Prometheus.
    pub fn evaluate(&mut self, eval: impl Fn(&SeriesStore) -> Eval<'_>, series: &mut SeriesStore, now: i64) {
        for rule in &mut self.rules {
            let samples = match eval(series).value(&rule.query, now) {
                Ok(Value::Vector(samples)) => samples,
                Ok(Value::Scalar(value)) => vec![super::eval::Sample {
                    labels: Labels::default(),
                    value,
                }],
                _ => Vec::new(),
            };
            let mut present = BTreeSet::new();
            for sample in samples {
                let named = sample.labels.with(NAME, &rule.record);
                let set = rule.labels.iter();
                let labels = set.fold(named, |labels, (name, value)| labels.with(name, value));
                let id = series.id(&labels);
                series.append(id, now, sample.value);
                present.insert(id);
            }
            for gone in rule.last.difference(&present) {
                series.end(*gone, now);
            }
            rule.last = present;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_rule_files_and_from_prometheus_rules() {
        let group =
            "[{name: g, interval: 15s, rules: [{record: a, expr: 1}, {alert: b, expr: up}]}, {name: h}]";
        for text in [format!("groups: {group}"), format!("spec: {{groups: {group}}}")] {
            let groups = read(&text).unwrap();
            let found: Vec<(i64, usize)> = groups.iter().map(|one| (one.interval, one.rules.len())).collect();
            assert_eq!(found, [(15_000, 1), (60_000, 0)]);
        }
    }

    #[test]
    fn a_mistake_in_a_rule_file_is_named() {
        let check = |text: &str, expect: &str| {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{error}");
        };
        check("a: 1", "there are no groups");
        check(
            "groups: [{name: g, interval: soon}]",
            "group g: interval \"soon\"",
        );
        check(
            "groups: [{name: g, rules: [{record: a, expr: 'sum('}]}]",
            "group g: a: parse error",
        );
    }
}
