//! Values while a condition is evaluated: cheap to copy, and never nested deeper than the limit.

use super::error::{Error, fail};
use crate::base::limits;
use crate::base::reading::Value;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Clone, Debug)]
pub(super) enum Datum {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    Time(DateTime<Utc>),
    /// Nanoseconds.
    Duration(i64),
}

#[derive(Debug)]
pub(super) struct List {
    pub items: Vec<Datum>,
    pub held: Held,
    depth: usize,
}

/// What a list was made for. Go keeps lists of numbers apart from lists of anything, and so do the error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Anything,
    Ints,
    Floats,
    Texts,
}

#[derive(Debug)]
pub(super) struct Map {
    pub entries: BTreeMap<Key, Datum>,
    /// Keys may be anything, not only text.
    pub any_key: bool,
    depth: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Nil,
    Bool(bool),
    Int(i64),
    /// The bits of a float.
    Float(u64),
    Text(Rc<str>),
}

impl Held {
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Held::Anything => "[]interface {}",
            Held::Ints => "[]int",
            Held::Floats => "[]float64",
            Held::Texts => "[]string",
        }
    }
}

impl List {
    pub(super) fn new(items: Vec<Datum>, held: Held) -> Result<Self, Error> {
        let depth = 1 + items.iter().map(Datum::depth).max().unwrap_or_default();
        shallow(depth)?;
        Ok(Self { items, held, depth })
    }
}

impl Map {
    pub(super) fn new(entries: BTreeMap<Key, Datum>, any_key: bool) -> Result<Self, Error> {
        let depth = 1 + entries.values().map(Datum::depth).max().unwrap_or_default();
        shallow(depth)?;
        Ok(Self {
            entries,
            any_key,
            depth,
        })
    }

    /// The key that `datum` is in this map; `Err` when it cannot be one.
    pub(super) fn key(&self, datum: &Datum) -> Result<Key, Error> {
        match (datum, self.any_key) {
            (Datum::Nil, false) => Ok(Key::Text("".into())),
            (Datum::Text(text), _) => Ok(Key::Text(text.clone())),
            (_, true) => Key::of(datum),
            (_, false) => fail!("cannot use {} as a key of a map", datum.type_name()),
        }
    }
}

impl Key {
    pub(super) fn of(datum: &Datum) -> Result<Self, Error> {
        Ok(match datum {
            Datum::Nil => Key::Nil,
            Datum::Bool(value) => Key::Bool(*value),
            Datum::Int(number) => Key::Int(*number),
            Datum::Float(number) => Key::Float(number.to_bits()),
            Datum::Text(text) => Key::Text(text.clone()),
            other => return fail!("cannot use {} as a key of a map", other.type_name()),
        })
    }

    pub(super) fn datum(&self) -> Datum {
        match self {
            Key::Nil => Datum::Nil,
            Key::Bool(value) => Datum::Bool(*value),
            Key::Int(number) => Datum::Int(*number),
            Key::Float(bits) => Datum::Float(f64::from_bits(*bits)),
            Key::Text(text) => Datum::Text(text.clone()),
        }
    }
}

fn shallow(depth: usize) -> Result<(), Error> {
    if depth > limits::CONDITION_DEPTH_MAX {
        return fail!(
            "the value is nested more than {} levels deep",
            limits::CONDITION_DEPTH_MAX
        );
    }
    Ok(())
}

impl Datum {
    fn depth(&self) -> usize {
        match self {
            Datum::List(list) => list.depth,
            Datum::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// The type as Go prints it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Datum::Nil => "<nil>",
            Datum::Bool(_) => "bool",
            Datum::Int(_) => "int",
            Datum::Float(_) => "float64",
            Datum::Text(_) => "string",
            Datum::List(list) => list.held.type_name(),
            Datum::Map(map) if map.any_key => "map[interface {}]interface {}",
            Datum::Map(_) => "map[string]interface {}",
            Datum::Time(_) => "time.Time",
            Datum::Duration(_) => "time.Duration",
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Datum::Nil)
    }

    /// `level` is how deep the value lies: a measured value may be as deep as one that a condition builds.
    pub(super) fn from_value(value: &Value, held: Held, level: usize) -> Result<Self, Error> {
        shallow(level)?;
        let inside = |value: &Value| Datum::from_value(value, Held::Anything, level + 1);
        Ok(match value {
            Value::Nil => Datum::Nil,
            Value::Bool(value) => Datum::Bool(*value),
            Value::Int(number) => Datum::Int(*number),
            Value::Float(number) => Datum::Float(*number),
            Value::String(text) => Datum::Text(text.as_str().into()),
            Value::List(items) => {
                let items = items.iter().map(inside).collect::<Result<_, _>>()?;
                Datum::List(Rc::new(List::new(items, held)?))
            }
            Value::Map(members) => {
                let member = |(name, value): (&String, &Value)| {
                    inside(value).map(|value| (Key::Text(name.as_str().into()), value))
                };
                let entries = members.iter().map(member).collect::<Result<_, _>>()?;
                Datum::Map(Rc::new(Map::new(entries, false)?))
            }
            Value::Time(at) => Datum::Time(*at),
            Value::Duration(length) => Datum::Duration(nanos(*length)),
        })
    }
}

/// Nanoseconds as Go's `time.Duration` holds them: a length that does not fit is cut to the longest one.
pub(super) fn nanos(length: TimeDelta) -> i64 {
    let longest = if length < TimeDelta::zero() {
        i64::MIN
    } else {
        i64::MAX
    };
    length.num_nanoseconds().unwrap_or(longest)
}
