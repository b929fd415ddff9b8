//! What a metric provider said, between the provider that reads it and the conditions that judge it.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// A value of the condition language. Unlike JSON it keeps whole and fractional numbers apart and has NaN and infinities.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Time(DateTime<Utc>),
    Duration(TimeDelta),
}

impl From<&serde_json::Value> for Value {
    /// As Go decodes JSON: every number is a float.
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Value::String(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Value::from).collect()),
            serde_json::Value::Object(members) => {
                let member =
                    |(name, value): (&String, &serde_json::Value)| (name.clone(), Value::from(value));
                Value::Map(members.iter().map(member).collect())
            }
        }
    }
}

/// A provider's answer, ready for the conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What conditions see as `result`.
    pub result: Value,
    /// The value as people read it.
    pub value: String,
    /// The measurement has only begun: what ends it is named in the metadata, and there is no result yet.
    pub begun: bool,
    /// Goes to the measurement's metadata, for example `warnings`.
    pub metadata: BTreeMap<String, String>,
    /// Goes to the metric result's metadata, for example `ResolvedPrometheusQuery`.
    pub metric_metadata: BTreeMap<String, String>,
}
