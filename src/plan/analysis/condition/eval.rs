//! Walks the tree. Each method evaluates one kind of node; arithmetic and comparisons are in `operators`, functions in `builtins`.

use super::datum::{Datum, Key};
use super::error::{Error, fail};
use super::machine::{Evaluated, Machine};
use super::syntax::{Kind, Node, Pointer};
use std::collections::BTreeMap;

impl<'p> Machine<'p> {
    pub(super) fn eval(&mut self, node: &'p Node) -> Evaluated {
        self.spend(1)?;
        if let Some(truth) = node.settled {
            return Ok(Datum::Bool(truth));
        }
        match &*node.kind {
            Kind::Nil => Ok(Datum::Nil),
            Kind::Bool(value) => Ok(Datum::Bool(*value)),
            Kind::Int(number) => Ok(Datum::Int(*number)),
            Kind::Float(number) => Ok(Datum::Float(*number)),
            Kind::Text(text) => self.text(text.as_str()),
            Kind::Name(name) => Ok(self.name(name)),
            Kind::Pointer(pointer) => self.pointer(*pointer),
            Kind::Not(node) => self.truth(node).map(|truth| Datum::Bool(!truth)),
            Kind::Minus(node) => self.minus(node),
            Kind::Plus(node) | Kind::Chain(node) => self.inside(node),
            Kind::And(nodes) => self.logic(nodes, true),
            Kind::Or(nodes) => self.logic(nodes, false),
            Kind::Coalesce(nodes) => self.coalesce(nodes),
            Kind::Binary(operator, nodes) => self.binary(operator, nodes),
            Kind::Compare(first, others) => self.compare(first, others),
            Kind::Member { .. } | Kind::Method { .. } => self.inside(node),
            Kind::Slice { base, from, to } => self.slice(base, from.as_ref(), to.as_ref()),
            Kind::Call(name, args) => self.call(name, args),
            Kind::Builtin(name, args) => self.builtin(name, args),
            Kind::Let(name, parts) => self.declare(name, parts),
            Kind::Sequence(nodes) => self.sequence(nodes),
            Kind::Choice(parts) => self.choice(parts),
            Kind::List(nodes) => {
                let items = self.all(nodes)?;
                self.list(items)
            }
            Kind::Map(pairs) => self.map_literal(pairs),
        }
    }

    pub(super) fn all(&mut self, nodes: &'p [Node]) -> Result<Vec<Datum>, Error> {
        nodes.iter().map(|node| self.eval(node)).collect()
    }

    /// Evaluates something that has to be a bool.
    pub(super) fn truth(&mut self, node: &'p Node) -> Result<bool, Error> {
        as_bool(&self.eval(node)?)
    }

    fn name(&self, name: &str) -> Datum {
        let found = self.lets.iter().rev().find(|(known, _)| *known == name);
        // The checker let only known names pass: what is no variable is `result`.
        found.map_or_else(|| self.result.clone(), |(_, value)| value.clone())
    }

    fn pointer(&self, pointer: Pointer) -> Evaluated {
        let Some(frame) = self.frames.last() else {
            return fail!("# means something only inside a closure");
        };
        Ok(match pointer {
            Pointer::Item => frame.item.clone(),
            Pointer::Index => Datum::Int(i64::try_from(frame.index).unwrap_or(i64::MAX)),
            Pointer::Acc => frame.acc.clone(),
        })
    }

    fn minus(&mut self, node: &'p Node) -> Evaluated {
        match self.eval(node)? {
            Datum::Int(number) => Ok(Datum::Int(number.wrapping_neg())),
            Datum::Float(number) => Ok(Datum::Float(-number)),
            other => fail!("invalid operation: - {}", other.type_name()),
        }
    }

    /// `&&` (which goes on after true) and `||` (which goes on after false). The right side is the value, whatever it is.
    /// A right side that is known to change nothing is left out, as the peer does.
    fn logic(&mut self, nodes: &'p [Node; 2], go_on: bool) -> Evaluated {
        if nodes[1].settled == Some(go_on) {
            return self.eval(&nodes[0]);
        }
        if self.truth(&nodes[0])? == go_on {
            return self.eval(&nodes[1]);
        }
        Ok(Datum::Bool(!go_on))
    }

    fn coalesce(&mut self, nodes: &'p [Node; 2]) -> Evaluated {
        match self.eval(&nodes[0])? {
            Datum::Nil => self.eval(&nodes[1]),
            value => Ok(value),
        }
    }

    fn compare(&mut self, first: &'p Node, others: &'p [(&'static str, Node)]) -> Evaluated {
        let mut left = self.eval(first)?;
        for (operator, node) in others {
            let right = self.eval(node)?;
            if !self.ordered(operator, &left, &right)? {
                return Ok(Datum::Bool(false));
            }
            left = right;
        }
        Ok(Datum::Bool(true))
    }

    fn binary(&mut self, operator: &'static str, nodes: &'p [Node; 2]) -> Evaluated {
        let left = self.eval(&nodes[0])?;
        if operator == "in"
            && let Some(found) = self.in_literal(&left, &nodes[1])?
        {
            return Ok(Datum::Bool(found));
        }
        let right = self.eval(&nodes[1])?;
        if matches!(operator, "==" | "!=") && (left.is_nil() != right.is_nil()) && nodes.iter().any(position)
        {
            return fail!("nothing was found: nil is no position to compare with");
        }
        self.operate(operator, &left, &right)
    }

    /// `x in 200..299` and `x in ["a", "b"]`, without building the list. The second form takes only texts and nil for `x`, as the
    /// peer's does.
    fn in_literal(&mut self, needle: &Datum, list: &'p Node) -> Result<Option<bool>, Error> {
        match &*list.kind {
            Kind::Binary("..", bounds) => {
                let (from, to) = (self.eval(&bounds[0])?, self.eval(&bounds[1])?);
                let (from, to) = (whole(&from)?, whole(&to)?);
                Ok(Some(match needle {
                    Datum::Int(number) => (from..=to).contains(number),
                    Datum::Float(number) => {
                        number.fract() == 0.0 && *number >= from as f64 && *number <= to as f64
                    }
                    _ => false,
                }))
            }
            Kind::List(nodes) if !nodes.is_empty() => {
                let texts: Option<Vec<&str>> = nodes.iter().map(literal_text).collect();
                match (texts, needle) {
                    (None, _) => Ok(None),
                    (Some(texts), Datum::Text(needle)) => Ok(Some(texts.contains(&&**needle))),
                    (Some(texts), Datum::Nil) => Ok(Some(texts.contains(&""))),
                    (Some(_), other) => fail!("cannot look for {} in a list of texts", other.type_name()),
                }
            }
            _ => Ok(None),
        }
    }

    /// A member, a method or what a chain holds; nil when an optional member met nil on the way.
    fn inside(&mut self, node: &'p Node) -> Evaluated {
        Ok(self.link(node)?.unwrap_or(Datum::Nil))
    }

    /// `None` means that an optional member met nil: the rest of the chain is skipped.
    fn link(&mut self, node: &'p Node) -> Result<Option<Datum>, Error> {
        let (base, optional) = match &*node.kind {
            Kind::Member { parts, optional } => (&parts[0], *optional),
            Kind::Method { base, optional, .. } => (base, *optional),
            _ => return self.eval(node).map(Some),
        };
        self.spend(1)?;
        let Some(base) = self.link(base)? else {
            return Ok(None);
        };
        if optional && base.is_nil() {
            return Ok(None);
        }
        match &*node.kind {
            Kind::Member { parts, .. } => {
                let key = self.eval(&parts[1])?;
                fetch(&base, &key).map(Some)
            }
            Kind::Method { name, args, .. } => {
                let args = self.all(args)?;
                super::builtins::time::method(&base, name, &args).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn slice(&mut self, base: &'p Node, from: Option<&'p Node>, to: Option<&'p Node>) -> Evaluated {
        let base = self.eval(base)?;
        let length = match &base {
            Datum::List(list) => list.items.len(),
            Datum::Text(text) => text.len(),
            other => return fail!("cannot slice {}", other.type_name()),
        };
        let to = self.bound(to, length, length)?;
        let from = self.bound(from, length, 0)?.min(to);
        match &base {
            Datum::List(list) => {
                let items = list.items.get(from..to).unwrap_or_default().to_vec();
                self.list_of(items, list.held)
            }
            Datum::Text(text) => match text.get(from..to) {
                Some(part) => self.text(part),
                None => fail!("the slice cuts a character in two"),
            },
            _ => Ok(Datum::Nil),
        }
    }

    /// A bound of a slice: negative ones count from the end, too large ones mean the end.
    fn bound(&mut self, node: Option<&'p Node>, length: usize, missing: usize) -> Result<usize, Error> {
        let Some(node) = node else {
            return Ok(missing);
        };
        let bound = whole(&self.eval(node)?)?;
        let from_end = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(if bound < 0 {
            length.saturating_sub(from_end)
        } else {
            from_end.min(length)
        })
    }

    fn declare(&mut self, name: &'p str, parts: &'p [Node; 2]) -> Evaluated {
        let value = self.eval(&parts[0])?;
        self.lets.push((name, value));
        let body = self.eval(&parts[1]);
        self.lets.pop();
        body
    }

    fn sequence(&mut self, nodes: &'p [Node]) -> Evaluated {
        Ok(self.all(nodes)?.pop().unwrap_or(Datum::Nil))
    }

    fn choice(&mut self, parts: &'p [Node; 3]) -> Evaluated {
        let taken = if self.truth(&parts[0])? { 1 } else { 2 };
        self.eval(&parts[taken])
    }

    fn map_literal(&mut self, pairs: &'p [(Node, Node)]) -> Evaluated {
        let mut entries = BTreeMap::new();
        for (key, value) in pairs {
            let key = match self.eval(key)? {
                Datum::Text(text) => Key::Text(text),
                other => return fail!("cannot use {} as a key of a map", other.type_name()),
            };
            let value = self.eval(value)?;
            entries.insert(key, value);
        }
        self.map(entries, false)
    }
}

/// Whether the node gives the position of an element. Where there is none it gives nil, which is an error to compare with a number, as
/// for the peer.
fn position(node: &Node) -> bool {
    matches!(&*node.kind, Kind::Builtin("findIndex" | "findLastIndex", _))
}

fn literal_text(node: &Node) -> Option<&str> {
    match &*node.kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}

pub(super) fn as_bool(datum: &Datum) -> Result<bool, Error> {
    match datum {
        Datum::Bool(value) => Ok(*value),
        other => fail!("expected bool, but got {}", other.type_name()),
    }
}

/// A whole number; the fraction of a float is cut off.
pub(super) fn whole(datum: &Datum) -> Result<i64, Error> {
    match datum {
        Datum::Int(number) => Ok(*number),
        Datum::Float(number) => truncate(*number),
        other => fail!("invalid operation: int({})", other.type_name()),
    }
}

/// Cuts the fraction off. NaN is no number at all; what is too large becomes the largest whole number.
pub(super) fn truncate(number: f64) -> Result<i64, Error> {
    if number.is_nan() {
        return fail!("NaN is no whole number");
    }
    Ok(number as i64)
}

/// The element of a list, the member of a map or the byte of a text.
pub(super) fn fetch(base: &Datum, key: &Datum) -> Evaluated {
    match base {
        Datum::List(list) => at(list.items.len(), key).map(|index| list.items[index].clone()),
        Datum::Text(text) => at(text.len(), key).map(|index| Datum::Int(text.as_bytes()[index].into())),
        Datum::Map(map) => Ok(map.entries.get(&map.key(key)?).cloned().unwrap_or(Datum::Nil)),
        other => match key {
            Datum::Text(field) => fail!("cannot fetch {field} from {}", other.type_name()),
            _ => fail!("cannot fetch an element from {}", other.type_name()),
        },
    }
}

/// The position that `key` means in a list of `length`: negative ones count from the end. Out of range is an error, because no data
/// must never pass for an answer.
fn at(length: usize, key: &Datum) -> Result<usize, Error> {
    let index = whole(key)?;
    let length_signed = i64::try_from(length).unwrap_or(i64::MAX);
    let index = if index < 0 {
        index.saturating_add(length_signed)
    } else {
        index
    };
    match usize::try_from(index).ok().filter(|index| *index < length) {
        Some(index) => Ok(index),
        None => fail!("index out of range: {index} (array length is {length})"),
    }
}
