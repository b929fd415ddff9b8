//! The functions of the language. Arguments are evaluated first, except closures.

mod closures;
mod lists;
mod numbers;
mod print;
pub(super) mod table;
pub(super) mod text;
pub(super) mod time;

use super::datum::Datum;
use super::error::{Error, fail};
use super::machine::{Evaluated, Machine};
use super::syntax::{Kind, Node};
use std::rc::Rc;

impl<'p> Machine<'p> {
    /// A builtin of the language.
    pub(super) fn builtin(&mut self, name: &'static str, args: &'p [Node]) -> Evaluated {
        if table::closure(name).is_some() {
            return self.with_closure(name, args);
        }
        let args = self.all(args)?;
        match name {
            "len" | "type" | "string" | "toJSON" | "fromJSON" => self.general(name, &args),
            "abs" | "ceil" | "floor" | "round" | "int" | "float" => numbers::scalar(name, &args),
            "max" | "min" | "mean" | "median" => self.aggregate(name, &args),
            "now" | "duration" | "date" | "timezone" => time::function(name, &args, self.now),
            "first" | "last" | "get" | "take" | "keys" | "values" | "toPairs" | "fromPairs" | "reverse"
            | "uniq" | "concat" | "flatten" | "sort" => self.list_function(name, &args),
            _ if name.starts_with("bit") => numbers::bits(name, &args),
            _ => self.text_function(name, &args),
        }
    }

    /// A function that Argo Rollouts adds. `isNil` and `default` look at the overall result, whatever they are given, as the
    /// peer's do.
    pub(super) fn call(&mut self, name: &str, nodes: &'p [Node]) -> Evaluated {
        let args = self.all(nodes)?;
        match (name, args.as_slice()) {
            ("asInt", [value]) => numbers::as_int(value),
            ("asFloat", [value]) => numbers::as_float(value),
            ("isNaN", [value]) => exact_float(value, &nodes[0]).map(|number| Datum::Bool(number.is_nan())),
            ("isInf", [value]) => {
                exact_float(value, &nodes[0]).map(|number| Datum::Bool(number.is_infinite()))
            }
            ("isNil", [_]) => Ok(Datum::Bool(self.result.is_nil())),
            ("default", [_, default]) if self.result.is_nil() => Ok(default.clone()),
            ("default", [_, _]) => Ok(self.result.clone()),
            _ => fail!("unknown name {name}"),
        }
    }

    fn general(&mut self, name: &str, args: &[Datum]) -> Evaluated {
        let [value] = args else {
            return wrong_arguments(name);
        };
        match name {
            "len" => length(value),
            "type" => self.text(type_word(value)),
            "string" => {
                let mut text = String::new();
                self.print(value, &mut text)?;
                self.text(text)
            }
            "toJSON" => {
                let mut text = String::new();
                self.print_json(value, 0, &mut text)?;
                self.text(text)
            }
            _ => self.decode_json(&as_text(value, name)?),
        }
    }
}

/// `isNaN` and `isInf` take floats. A whole number passes only when it was written as one: then it counts as a float.
fn exact_float(value: &Datum, node: &Node) -> Result<f64, Error> {
    match value {
        Datum::Float(number) => Ok(*number),
        Datum::Int(number) if written_whole(node) => Ok(*number as f64),
        other => fail!("cannot use {} as a float64", other.type_name()),
    }
}

fn written_whole(node: &Node) -> bool {
    match &*node.kind {
        Kind::Int(_) => true,
        Kind::Minus(node) | Kind::Plus(node) => written_whole(node),
        Kind::Binary("+" | "-" | "*", nodes) => nodes.iter().all(written_whole),
        _ => false,
    }
}

fn length(value: &Datum) -> Evaluated {
    let length = match value {
        Datum::List(list) => list.items.len(),
        Datum::Map(map) => map.entries.len(),
        Datum::Text(text) => text.chars().count(),
        other => return fail!("invalid argument for len (type {})", other.type_name()),
    };
    Ok(int(length))
}

fn int(number: usize) -> Datum {
    Datum::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn type_word(value: &Datum) -> &'static str {
    match value {
        Datum::Nil => "nil",
        Datum::Float(_) => "float",
        Datum::List(_) => "array",
        Datum::Map(_) => "map",
        other => other.type_name(),
    }
}

fn as_text(value: &Datum, function: &str) -> Result<Rc<str>, Error> {
    match value {
        Datum::Text(text) => Ok(text.clone()),
        other => fail!(
            "cannot use {} as argument (type string) to call {function}",
            other.type_name()
        ),
    }
}

/// The checker counts arguments; this is what remains if a list of forms and a function ever disagree.
fn wrong_arguments<A>(function: &str) -> Result<A, Error> {
    fail!("invalid number of arguments to call {function}")
}
