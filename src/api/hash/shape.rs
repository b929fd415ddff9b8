//! The words that describe a Go struct's JSON form: kinds of fields, and when a field is printed.

use crate::api::hash::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Bool,
    I32,
    I64,
    /// `resource.Quantity`
    Amount,
    IntOrText,
    /// `metav1.Time`
    Instant,
    /// JSON kept as it is.
    Raw,
    List(&'static Kind),
    Map(&'static Kind),
    Struct(Fields),
}

/// When a field is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Printed {
    /// Whatever it holds; a zero value prints as such.
    Always,
    /// Unless it holds the zero value of its kind.
    Some,
    /// When it was given at all, zero or not.
    Pointer,
    /// Always, as `null` when it was not given.
    Nullable,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) printed: Printed,
}

/// The fields of a struct in the order in which Go prints them.
pub(super) type Fields = &'static [Field];

pub(super) const fn always(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        printed: Printed::Always,
    }
}

pub(super) const fn some(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        printed: Printed::Some,
    }
}

pub(super) const fn pointer(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        printed: Printed::Pointer,
    }
}

pub(super) const fn nullable(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        printed: Printed::Nullable,
    }
}

/// A decoded value: what would be printed, in order.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Amount(Quantity),
    Raw(Value),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    Struct(Vec<(&'static str, Node)>),
}

impl Node {
    /// Zero values in Go's sense: what `omitempty` leaves out. A struct is never empty.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Node::Null => true,
            Node::Bool(value) => !value,
            Node::Int(value) => *value == 0,
            Node::Text(text) => text.is_empty(),
            Node::List(items) => items.is_empty(),
            Node::Map(members) => members.is_empty(),
            Node::Raw(_) | Node::Amount(_) | Node::Struct(_) => false,
        }
    }
}
