//! What an evaluation has at hand and what it may still spend: steps and memory, so that no condition can hang or exhaust the
//! process, however hostile.

use super::datum::{Datum, Held, Key, List, Map};
use super::error::{Error, fail};
use super::syntax::Node;
use crate::base::limits;
use crate::base::reading::Value;
use chrono::{DateTime, TimeDelta, Utc};
use regex::Regex;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) struct Machine<'p> {
    pub result: Datum,
    pub now: DateTime<Utc>,
    pub lets: Vec<(&'p str, Datum)>,
    pub frames: Vec<Frame>,
    /// A comparison met NaN, which makes every answer false: whatever follows from it is no evidence.
    pub doubt: bool,
    patterns: BTreeMap<Rc<str>, Regex>,
    steps_left: usize,
    elements_left: usize,
}

/// What `#`, `#index` and `#acc` stand for.
pub(super) struct Frame {
    pub item: Datum,
    pub index: usize,
    pub acc: Datum,
}

/// What an evaluation step gives.
pub(super) type Evaluated = Result<Datum, Error>;

impl<'p> Machine<'p> {
    pub(super) fn new(result: Datum, now: DateTime<Utc>) -> Self {
        Self {
            result,
            now,
            lets: Vec::new(),
            frames: Vec::new(),
            doubt: false,
            patterns: BTreeMap::new(),
            steps_left: limits::CONDITION_STEPS_MAX,
            elements_left: limits::CONDITION_ELEMENTS_MAX,
        }
    }

    /// Spends `steps`.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Error> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => fail!(
                "the condition takes more than {} steps",
                limits::CONDITION_STEPS_MAX
            ),
        }
    }

    /// Reserves room for `elements` before they are built.
    pub(super) fn reserve(&mut self, elements: usize) -> Result<(), Error> {
        match self.elements_left.checked_sub(elements) {
            Some(left) => {
                self.elements_left = left;
                Ok(())
            }
            None => fail!(
                "memory budget exceeded ({} elements)",
                limits::CONDITION_ELEMENTS_MAX
            ),
        }
    }

    /// Spends and reserves for a text of so many bytes that is about to be made or read.
    pub(super) fn reserve_text(&mut self, bytes: usize) -> Result<(), Error> {
        self.spend(bytes / 64 + 1)?;
        self.reserve(bytes / 16 + 1)
    }

    pub(super) fn text(&mut self, text: impl Into<Rc<str>>) -> Evaluated {
        let text = text.into();
        self.reserve_text(text.len())?;
        Ok(Datum::Text(text))
    }

    pub(super) fn list(&mut self, items: Vec<Datum>) -> Evaluated {
        self.list_of(items, Held::Anything)
    }

    pub(super) fn list_of(&mut self, items: Vec<Datum>, held: Held) -> Evaluated {
        self.spend(items.len() / 16 + 1)?;
        self.reserve(items.len() + 1)?;
        Ok(Datum::List(Rc::new(List::new(items, held)?)))
    }

    pub(super) fn map(&mut self, entries: BTreeMap<Key, Datum>, any_key: bool) -> Evaluated {
        self.reserve(entries.len() + 1)?;
        Ok(Datum::Map(Rc::new(Map::new(entries, any_key)?)))
    }

    /// Evaluates the body of a closure for one element.
    pub(super) fn apply(&mut self, body: &'p Node, item: &Datum, index: usize, acc: Datum) -> Evaluated {
        self.spend(1)?;
        let item = item.clone();
        self.frames.push(Frame { item, index, acc });
        let value = self.eval(body);
        self.frames.pop();
        value
    }

    /// Whether `text` matches a regular expression. Each pattern is compiled once per evaluation.
    pub(super) fn matches(&mut self, pattern: &Rc<str>, text: &str) -> Result<bool, Error> {
        self.spend(text.len() / 16 + 1)?;
        if let Some(known) = self.patterns.get(pattern) {
            return Ok(known.is_match(text));
        }
        // Compiling may take milliseconds: a closure that makes a new pattern for each element must not get far.
        self.spend(limits::CONDITION_STEPS_MAX / 100)?;
        let compiled = super::builtins::text::pattern(pattern)?;
        let found = compiled.is_match(text);
        self.patterns.insert(pattern.clone(), compiled);
        Ok(found)
    }

    /// The value for the world outside. Shared parts are written out, so this has to be paid for.
    pub(super) fn export(&mut self, datum: &Datum) -> Result<Value, Error> {
        self.spend(1)?;
        Ok(match datum {
            Datum::Nil => Value::Nil,
            Datum::Bool(value) => Value::Bool(*value),
            Datum::Int(number) => Value::Int(*number),
            Datum::Float(number) => Value::Float(*number),
            Datum::Text(text) => {
                self.spend(text.len() / 64)?;
                Value::String(text.to_string())
            }
            Datum::List(list) => Value::List(
                list.items
                    .iter()
                    .map(|item| self.export(item))
                    .collect::<Result<_, _>>()?,
            ),
            Datum::Map(map) => {
                let mut members = BTreeMap::new();
                for (key, value) in &map.entries {
                    let mut name = String::new();
                    self.print(&key.datum(), &mut name)?;
                    members.insert(name, self.export(value)?);
                }
                Value::Map(members)
            }
            Datum::Time(at) => Value::Time(*at),
            Datum::Duration(nanos) => Value::Duration(TimeDelta::nanoseconds(*nanos)),
        })
    }
}
