//! What is known of a value before the evaluation. As in Argo Rollouts, the type of `result` is the type of the measured value, so that
//! `result < "a"` is an error for a number and fine for a text.

use super::datum::Held;
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known only when evaluated: members of JSON values.
    Unknown,
    Nil,
    Bool,
    Int,
    Float,
    Text,
    List(Box<Type>, Held),
    /// A map; true when its keys may be anything, not only text.
    Map(Box<Type>, bool),
    Time,
    Duration,
}

/// Groups of types that an operator accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Bool,
    Int,
    Number,
    Text,
    Time,
    Duration,
}

impl Type {
    pub(super) fn list_of(element: Type) -> Self {
        Type::List(Box::new(element), Held::Anything)
    }

    pub(super) fn unknown(&self) -> bool {
        *self == Type::Unknown
    }

    pub(super) fn list(&self) -> bool {
        matches!(self, Type::List(..))
    }

    pub(super) fn number(&self) -> bool {
        self.is(Class::Number)
    }

    pub(super) fn element(&self) -> Type {
        match self {
            Type::List(element, _) | Type::Map(element, _) => (**element).clone(),
            _ => Type::Unknown,
        }
    }

    /// The type as a builtin hands it on, which remembers a list's elements only where the list was made for them.
    pub(super) fn erased(&self) -> Type {
        match self {
            Type::List(_, Held::Anything) => Type::list_of(Type::Unknown),
            other => other.clone(),
        }
    }

    pub(super) fn is(&self, class: Class) -> bool {
        match class {
            Class::Bool => *self == Type::Bool,
            Class::Int => *self == Type::Int,
            Class::Number => matches!(self, Type::Int | Type::Float),
            Class::Text => *self == Type::Text,
            Class::Time => *self == Type::Time,
            Class::Duration => *self == Type::Duration,
        }
    }

    /// Whether `==` between the two can mean anything.
    pub(super) fn comparable(&self, other: &Type) -> bool {
        let loose = |t: &Type| matches!(t, Type::Unknown | Type::Nil);
        loose(self)
            || loose(other)
            || self.number() && other.number()
            || self.list() && other.list()
            || self.same(other)
    }

    /// The same Go type. What a list or map is known to hold does not count.
    pub(super) fn same(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Unknown | Type::Nil, _) | (_, Type::Unknown | Type::Nil) => false,
            (Type::List(_, a), Type::List(_, b)) => a == b,
            (Type::Map(_, a), Type::Map(_, b)) => a == b,
            _ => self == other,
        }
    }

    /// Whether one of the two is unknown and the other one may still fit an operator for `classes`.
    pub(super) fn may_fit(&self, other: &Type, classes: &[Class]) -> bool {
        let fits = |t: &Type| classes.iter().any(|class| t.is(*class));
        match (self.unknown(), other.unknown()) {
            (true, true) => true,
            (true, false) => fits(other),
            (false, true) => fits(self),
            (false, false) => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Unknown => "unknown",
            Type::Nil => "nil",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Float => "float64",
            Type::Text => "string",
            Type::List(_, held) => held.type_name(),
            Type::Map(_, false) => "map[string]interface {}",
            Type::Map(_, true) => "map[interface {}]interface {}",
            Type::Time => "time.Time",
            Type::Duration => "time.Duration",
        })
    }
}
