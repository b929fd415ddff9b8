//! What a metric provider said, between the provider that reads it and the conditions that judge it.

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
}

/// A provider's answer, ready for the conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What conditions see as `result`.
    pub result: Value,
    /// The value as people read it.
    pub value: String,
    /// Goes to the measurement's metadata, for example `warnings`.
    pub metadata: BTreeMap<String, String>,
    /// Goes to the metric result's metadata, for example `ResolvedPrometheusQuery`.
    pub metric_metadata: BTreeMap<String, String>,
}
