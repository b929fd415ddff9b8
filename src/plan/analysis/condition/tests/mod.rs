//! The language against recorded verdicts of Argo Rollouts, rule by rule, and against hostile input.

mod bounds;
mod language;
mod recorded;
mod verdicts;

use super::{Env, Program};
use crate::base::reading::Value;
use chrono::{DateTime, Utc};

/// The instant of all tests: 2026-11-21T08:00:00Z.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_248_000, 0).unwrap()
}

fn evaluate(source: &str, result: &Value) -> Result<Value, String> {
    let env = Env {
        result,
        numeric: false,
        now: now(),
    };
    let program = Program::compile(source).map_err(|err| err.to_string())?;
    program.evaluate(&env).map_err(|err| err.to_string())
}

fn json(text: &str) -> Value {
    Value::from(&serde_json::from_str::<serde_json::Value>(text).unwrap())
}
