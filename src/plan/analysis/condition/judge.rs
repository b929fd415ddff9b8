//! From a measured value to the phase of a measurement.
//!
//! Decides what conditions make of a value, and that a success needs evidence. Must not know limits, counts or runs.

use super::{Env, Error, Outcome, Program};
use crate::api::analysis::Metric;
use crate::base::reading::{Reading, Value};
use chrono::{DateTime, Utc};

/// The phase of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Successful,
    Failed,
    Inconclusive,
    Error,
}

impl Phase {
    /// As the status spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Successful => "Successful",
            Phase::Failed => "Failed",
            Phase::Inconclusive => "Inconclusive",
            Phase::Error => "Error",
        }
    }
}

/// What the conditions say, and why when they could not say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub phase: Phase,
    /// Empty unless the phase is `Error`.
    pub message: String,
}

const NO_DATA: &str = "metric result is nil or empty: no data returned from the metric provider";
const NAN: &str = "metric result is NaN: nothing was measured (a condition that wants NaN says isNaN)";

/// Argo Rollouts' verdict on `env.result`. Neither condition: Successful. One: its answer. Both: a true failure condition wins, then a
/// true success condition, otherwise Inconclusive. An empty condition counts as none.
///
/// ```
/// use serin::base::reading::Value;
/// use serin::plan::analysis::condition::{Env, Phase, judge};
/// let result = Value::List(vec![Value::Float(0.01)]);
/// let env = Env { result: &result, numeric: true, now: chrono::DateTime::UNIX_EPOCH };
/// assert_eq!(judge(Some("result[0] < 0.05"), None, &env).phase, Phase::Successful);
/// assert_eq!(judge(Some("result[0] < 0.001"), None, &env).phase, Phase::Failed);
/// ```
pub fn judge(success: Option<&str>, failure: Option<&str>, env: &Env) -> Judgement {
    match weigh(success, failure, env) {
        Ok(weighed) => Judgement {
            phase: weighed.phase,
            message: String::new(),
        },
        Err(message) => Judgement {
            phase: Phase::Error,
            message,
        },
    }
}

/// The verdict on a provider's reading: that of [`judge`], except that a success which rests on nothing is an `Error`, so that the
/// limit of consecutive errors decides what becomes of the metric. It rests on nothing when
///
/// - the result is nil or an empty list, and no condition deals with that (`isNil`, `default`, `len(result)`, a comparison with nil or
///   `[]`, `??`): `all(result, # < 0.05)` is true of no data at all;
/// - the result is NaN or a list of nothing but NaN, or NaN was compared with something, and no condition says `isNaN`:
///   `result[0] > 0.05` is false of NaN, which a failure condition would take for health.
pub fn judge_reading(metric: &Metric, reading: &Reading, now: DateTime<Utc>) -> Judgement {
    let numeric = metric.provider.prometheus.is_some();
    let env = Env {
        result: &reading.result,
        numeric,
        now,
    };
    let (success, failure) = (
        metric.success_condition.as_deref(),
        metric.failure_condition.as_deref(),
    );
    let weighed = match weigh(success, failure, &env) {
        Ok(weighed) => weighed,
        Err(message) => {
            return Judgement {
                phase: Phase::Error,
                message,
            };
        }
    };
    let objection = if weighed.phase != Phase::Successful {
        None
    } else if nothing(env.result) && !weighed.expects_nothing {
        Some(NO_DATA)
    } else if (weighed.doubt || only_nan(env.result)) && !weighed.expects_nan {
        Some(NAN)
    } else {
        None
    };
    match objection {
        Some(message) => Judgement {
            phase: Phase::Error,
            message: message.to_owned(),
        },
        None => Judgement {
            phase: weighed.phase,
            message: String::new(),
        },
    }
}

/// A verdict and what it rests on.
struct Weighed {
    phase: Phase,
    doubt: bool,
    expects_nan: bool,
    expects_nothing: bool,
}

fn weigh(success: Option<&str>, failure: Option<&str>, env: &Env) -> Result<Weighed, String> {
    let success = side("successCondition", success, env)?;
    let failure = side("failureCondition", failure, env)?;
    let verdict = |side: &Option<Side>| side.as_ref().map(|side| side.holds);
    let phase = match (verdict(&success), verdict(&failure)) {
        (_, Some(true)) | (Some(false), None) => Phase::Failed,
        (Some(true), _) | (None, _) => Phase::Successful,
        (Some(false), Some(false)) => Phase::Inconclusive,
    };
    let sides = || success.iter().chain(&failure);
    Ok(Weighed {
        phase,
        doubt: sides().any(|side| side.doubt),
        expects_nan: sides().any(|side| side.program.expects_nan()),
        expects_nothing: sides().any(|side| side.program.expects_nothing()),
    })
}

/// One condition, evaluated.
struct Side {
    program: Program,
    holds: bool,
    doubt: bool,
}

fn side(field: &str, source: Option<&str>, env: &Env) -> Result<Option<Side>, String> {
    let Some(source) = source.filter(|source| !source.is_empty()) else {
        return Ok(None);
    };
    let evaluated = evaluate(source, env);
    match evaluated {
        Ok(side) => Ok(Some(side)),
        Err(_) if nothing(env.result) => Err(format!("could not evaluate {field} \"{source}\": {NO_DATA}")),
        Err(err) => Err(format!("could not evaluate {field} \"{source}\": {err}")),
    }
}

fn evaluate(source: &str, env: &Env) -> Result<Side, Error> {
    let program = Program::compile(source)?;
    let outcome: Outcome = program.run(env)?;
    let holds = outcome.verdict()?;
    Ok(Side {
        program,
        holds,
        doubt: outcome.doubt,
    })
}

fn nothing(result: &Value) -> bool {
    match result {
        Value::Nil => true,
        Value::List(items) => items.is_empty(),
        _ => false,
    }
}

fn only_nan(result: &Value) -> bool {
    let nan = |value: &Value| matches!(value, Value::Float(number) if number.is_nan());
    match result {
        Value::List(items) => !items.is_empty() && items.iter().all(nan),
        value => nan(value),
    }
}
