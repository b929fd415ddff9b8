//! `IntOrString` with an explicit rounding direction.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Kubernetes' int-or-string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    Int(i32),
    String(String),
}

/// Which way a fraction of a replica goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Up,
    Down,
}

impl IntOrString {
    /// The absolute number that this value means of `total`. A string is a percentage with or without the sign: Argo Rollouts
    /// reads `"25"` as 25 %. `None` when the string is no whole percentage.
    pub fn of(&self, total: i32, round: Round) -> Option<i32> {
        let percent: i64 = match self {
            IntOrString::Int(number) => return Some(*number),
            IntOrString::String(text) => text.strip_suffix('%').unwrap_or(text).parse().ok()?,
        };
        let parts = percent.checked_mul(i64::from(total))?;
        let whole = match round {
            Round::Up => parts.div_euclid(100) + i64::from(parts.rem_euclid(100) != 0),
            Round::Down => parts.div_euclid(100),
        };
        i32::try_from(whole).ok()
    }

    /// A plain number, also when spelled as a string.
    pub fn as_int(&self) -> Option<i32> {
        match self {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(text) => text.trim().parse().ok(),
        }
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrString::Int(number) => write!(f, "{number}"),
            IntOrString::String(text) => f.write_str(text),
        }
    }
}

impl JsonSchema for IntOrString {
    fn schema_name() -> Cow<'static, str> {
        "IntOrString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        let quarter = IntOrString::String("25%".into());
        assert_eq!(quarter.of(5, Round::Up), Some(2));
        assert_eq!(quarter.of(5, Round::Down), Some(1));
        assert_eq!(IntOrString::String("25".into()).of(4, Round::Down), Some(1));
        assert_eq!(IntOrString::Int(3).of(100, Round::Up), Some(3));
        assert_eq!(IntOrString::String("x%".into()).of(4, Round::Up), None);
    }
}
