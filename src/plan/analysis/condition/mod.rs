//! The condition language of AnalysisTemplates: `result[0] < 0.05`, `all(result, # < 1)`, `asFloat(result.rate) > 0.9`.
//!
//! This is the dialect of expr-lang that Argo Rollouts evaluates, with its functions (`asInt`, `asFloat`, `isNaN`, `isInf`, `isNil`,
//! `default`) and its quirks (`isNil` and `default` look at the overall result, whatever they are given). It gives the same verdicts
//! and the same refusals: unknown names, wrong types and an index out of range are errors, never false.
//!
//! Every evaluation is bounded (source, nesting, steps, memory), so a condition from a user can neither crash nor hang anything.
//! There is no clock here: `now()` is what the caller says.
//!
//! **No verdict without evidence.** Two doors lead in: [`judge`] answers exactly as Argo Rollouts does, where a comparison with NaN is
//! false: `result[0] < 0.05` as success condition makes NaN `Failed`, and `result[0] > 0.05` as *failure* condition makes it
//! `Successful`. [`judge_reading`] is what the controller uses: it takes the same answers but for a success that rests on nothing.
//!
//! Differences that remain on purpose: `asInt(NaN)` is an error here (in Go it is a huge negative number); an index or a
//! conversion that is too large is cut to the largest number; functions as values, closures over the letters of a text, byte strings, `date` with a layout, `timezone` and methods of times
//! beyond the common ones are refused with a message.

mod builtins;
mod check;
mod datum;
mod error;
mod eval;
mod judge;
mod lexer;
mod literal;
mod machine;
mod operators;
mod parser;
mod primary;
mod syntax;
mod types;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use judge::{Judgement, Phase, judge, judge_reading};

use crate::base::reading::Value;
use check::Names;
use chrono::{DateTime, Utc};
use datum::{Datum, Held};
use error::fail;
use machine::Machine;
use syntax::{Kind, Node};
use types::Type;

/// What a condition sees.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    pub result: &'a Value,
    /// The provider measures numbers: a list in `result` is a list of numbers even when it is empty. True for Prometheus, whose
    /// `result == "x"` is then refused as in Argo Rollouts.
    pub numeric: bool,
    /// What `now()` is.
    pub now: DateTime<Utc>,
}

/// A condition that was understood. It can be evaluated any number of times, from any thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    root: Node,
}

/// What came of an evaluation.
struct Outcome {
    value: Value,
    type_name: &'static str,
    /// A comparison with NaN was made on the way.
    doubt: bool,
}

impl Program {
    /// Understands `source`. `Err` says in one line what is wrong: syntax, an unknown name, types that can never fit.
    pub fn compile(source: &str) -> Result<Self, Error> {
        let root = parser::parse(source)?;
        check::check(&root, &Names::Condition(Type::Unknown))?;
        Ok(Self { root })
    }

    /// The value of the condition. `Err` when a type does not fit the result, an index is out of range, or a bound was hit.
    pub fn evaluate(&self, env: &Env) -> Result<Value, Error> {
        self.run(env).map(|outcome| outcome.value)
    }

    /// The verdict of the condition; a value that is no bool is an error.
    pub fn holds(&self, env: &Env) -> Result<bool, Error> {
        self.run(env)?.verdict()
    }

    fn run(&self, env: &Env) -> Result<Outcome, Error> {
        let held = if env.numeric { Held::Floats } else { Held::Anything };
        check::check(&self.root, &Names::Condition(type_of(env.result, held)))?;
        let result = Datum::from_value(env.result, held, 0)?;
        run(&self.root, result, env.now)
    }

    /// Whether a part of the condition deals with NaN: it calls `isNaN`.
    fn expects_nan(&self) -> bool {
        self.root
            .any(&|kind| matches!(kind, Kind::Call(name, _) if name == "isNaN"))
    }

    /// Whether a part of the condition deals with missing data: it calls `isNil` or `default`, takes the length of `result`,
    /// compares it with nil or an empty list, or gives a substitute with `??`.
    fn expects_nothing(&self) -> bool {
        let result = |node: &Node| matches!(&*node.kind, Kind::Name(name) if name == "result");
        let nothing = |node: &Node| match &*node.kind {
            Kind::Nil => true,
            Kind::List(items) => items.is_empty(),
            _ => false,
        };
        self.root.any(&|kind| match kind {
            Kind::Call(name, _) => matches!(name.as_str(), "isNil" | "default"),
            Kind::Builtin("len", args) => args.iter().any(result),
            Kind::Binary("==" | "!=", sides) => sides.iter().any(result) && sides.iter().any(nothing),
            Kind::Coalesce(sides) => result(&sides[0]),
            _ => false,
        })
    }
}

impl Outcome {
    fn verdict(&self) -> Result<bool, Error> {
        match self.value {
            Value::Bool(verdict) => Ok(verdict),
            _ => fail!("expected bool, but got {}", self.type_name),
        }
    }
}

fn run(root: &Node, result: Datum, now: DateTime<Utc>) -> Result<Outcome, Error> {
    let mut machine = Machine::new(result, now);
    let datum = machine.eval(root)?;
    let value = machine.export(&datum)?;
    Ok(Outcome {
        value,
        type_name: datum.type_name(),
        doubt: machine.doubt,
    })
}

/// The instant that an expression such as `now() - duration("5m")` means: the start or the end of a range query. It knows the
/// builtins of the language, but no `result`.
pub fn instant(source: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let root = parser::parse(source)?;
    check::check(&root, &Names::Instant)?;
    let outcome = run(&root, Datum::Nil, now)?;
    match outcome.value {
        Value::Time(at) => Ok(at),
        _ => fail!("expected time.Time, but got {}", outcome.type_name),
    }
}

fn type_of(value: &Value, held: Held) -> Type {
    match value {
        Value::Nil => Type::Nil,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::String(_) => Type::Text,
        Value::List(_) if held == Held::Floats => Type::List(Box::new(Type::Float), held),
        Value::List(_) => Type::list_of(Type::Unknown),
        Value::Map(_) => Type::Map(Box::new(Type::Unknown), false),
        Value::Time(_) => Type::Time,
        Value::Duration(_) => Type::Duration,
    }
}
