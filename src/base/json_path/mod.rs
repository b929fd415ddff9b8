//! JSONPath in the dialect of kubectl and Argo Rollouts' web metrics: `{$.data[0].rate}`, `{.items[*]['a']}`, `{..rate}`,
//! `{.checks[?(@.name=="p99")].value}`.
//!
//! Decides what a path finds. A path that finds nothing says so instead of finding null. Answers and paths are foreign, so both time
//! and size are bounded.

mod find;
mod parse;

use serde_json::Value;

/// A path that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(Vec<Vec<Node>>);

/// One step down from a set of values.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Field(String),
    /// Start, end and step of a slice.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    Index(i64),
    Wildcard,
    /// The values themselves and everything below them.
    Recursive,
    /// Each path in turn.
    Union(Vec<Vec<Node>>),
    Filter(Box<Filter>),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Operand,
    /// Absent: the left side must exist.
    test: Option<(Compare, Operand)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// From the element that is tested.
    Path(Vec<Node>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Path {
    /// Reads a path. `Err` says what is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::template(text).map(Self)
    }

    /// The first value that the path finds; `None` when it finds none without being wrong, as in an empty list.
    ///
    /// # Errors
    /// When the path names what is not there.
    pub fn first(&self, root: &Value) -> Result<Option<Value>, String> {
        let mut first = None;
        for path in &self.0 {
            let found = find::walk(path, vec![root], root)?;
            first = first.or_else(|| found.first().copied().cloned());
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests;
