//! Equality, order, arithmetic, membership and the text operators.

use super::datum::{Datum, Held, nanos};
use super::error::{Error, fail};
use super::eval::whole;
use super::machine::{Evaluated, Machine};
use chrono::TimeDelta;
use std::cmp::Ordering;
use std::rc::Rc;

impl Machine<'_> {
    pub(super) fn operate(&mut self, operator: &str, left: &Datum, right: &Datum) -> Evaluated {
        match operator {
            "==" => self.equal(left, right).map(Datum::Bool),
            "!=" => self.equal(left, right).map(|equal| Datum::Bool(!equal)),
            "in" => self.contains(right, left).map(Datum::Bool),
            "matches" | "contains" | "startsWith" | "endsWith" => {
                self.text_operator(operator, left, right).map(Datum::Bool)
            }
            ".." => self.range(whole(left)?, whole(right)?),
            "+" => self.add(left, right),
            "-" => subtract(left, right),
            "*" => multiply(left, right),
            "/" => Ok(Datum::Float(float(left)? / float(right)?)),
            "**" => Ok(Datum::Float(float(left)?.powf(float(right)?))),
            "%" => modulo(left, right),
            _ => fail!("unknown operator {operator}"),
        }
    }

    /// Equality: numbers by value whatever their kind, lists element by element, maps exactly.
    pub(super) fn equal(&mut self, left: &Datum, right: &Datum) -> Result<bool, Error> {
        self.spend(1)?;
        Ok(match (left, right) {
            (Datum::Nil, Datum::Nil) => true,
            (Datum::Int(a), Datum::Int(b)) => a == b,
            (Datum::Int(a), Datum::Float(b)) | (Datum::Float(b), Datum::Int(a)) => {
                self.doubt |= b.is_nan();
                *a as f64 == *b
            }
            (Datum::Float(a), Datum::Float(b)) => {
                self.doubt |= a.is_nan() || b.is_nan();
                a == b
            }
            (Datum::List(a), Datum::List(b)) => {
                let kinds = a.held == b.held || a.held == Held::Anything || b.held == Held::Anything;
                kinds && a.items.len() == b.items.len() && self.all_equal(&a.items, &b.items)?
            }
            _ => self.identical(left, right)?,
        })
    }

    fn all_equal(&mut self, left: &[Datum], right: &[Datum]) -> Result<bool, Error> {
        for (a, b) in left.iter().zip(right) {
            if !self.equal(a, b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Equality inside maps: a whole number is not a float there.
    fn identical(&mut self, left: &Datum, right: &Datum) -> Result<bool, Error> {
        self.spend(1)?;
        Ok(match (left, right) {
            (Datum::Nil, Datum::Nil) => true,
            (Datum::Bool(a), Datum::Bool(b)) => a == b,
            (Datum::Int(a), Datum::Int(b)) | (Datum::Duration(a), Datum::Duration(b)) => a == b,
            (Datum::Float(a), Datum::Float(b)) => {
                self.doubt |= a.is_nan() || b.is_nan();
                a == b
            }
            (Datum::Text(a), Datum::Text(b)) => {
                self.spend(a.len().min(b.len()) / 64)?;
                a == b
            }
            (Datum::Time(a), Datum::Time(b)) => a == b,
            (Datum::List(a), Datum::List(b)) => {
                let alike = a.held == b.held && a.items.len() == b.items.len();
                alike && self.all_identical(a.items.iter().zip(&b.items))?
            }
            (Datum::Map(a), Datum::Map(b)) => {
                let alike = a.any_key == b.any_key && a.entries.keys().eq(b.entries.keys());
                Rc::ptr_eq(a, b) || alike && self.all_identical(a.entries.values().zip(b.entries.values()))?
            }
            _ => false,
        })
    }

    fn all_identical<'d>(
        &mut self,
        mut pairs: impl Iterator<Item = (&'d Datum, &'d Datum)>,
    ) -> Result<bool, Error> {
        pairs.try_fold(true, |so_far, (a, b)| Ok(so_far && self.identical(a, b)?))
    }

    /// `<`, `<=`, `>` and `>=`. A comparison with NaN is false and casts doubt on what follows from it.
    pub(super) fn ordered(&mut self, operator: &str, left: &Datum, right: &Datum) -> Result<bool, Error> {
        self.spend(1)?;
        let order = match (left, right) {
            (Datum::Int(a), Datum::Int(b)) | (Datum::Duration(a), Datum::Duration(b)) => Some(a.cmp(b)),
            (Datum::Int(_) | Datum::Float(_), Datum::Int(_) | Datum::Float(_)) => {
                float(left)?.partial_cmp(&float(right)?)
            }
            (Datum::Text(a), Datum::Text(b)) => {
                self.spend(a.len().min(b.len()) / 64)?;
                Some(a.cmp(b))
            }
            (Datum::Time(a), Datum::Time(b)) => Some(a.cmp(b)),
            _ => {
                let (left, right) = (left.type_name(), right.type_name());
                return fail!("invalid operation: {left} {operator} {right}");
            }
        };
        self.doubt |= order.is_none();
        Ok(match operator {
            "<" => order == Some(Ordering::Less),
            ">" => order == Some(Ordering::Greater),
            "<=" => order.is_some_and(Ordering::is_le),
            _ => order.is_some_and(Ordering::is_ge),
        })
    }

    /// Whether a list has `needle` as an element, or a map as a key. Nothing is in nil.
    fn contains(&mut self, inside: &Datum, needle: &Datum) -> Result<bool, Error> {
        match inside {
            Datum::Nil => Ok(false),
            Datum::List(list) => {
                let mut items = list.items.iter();
                items.try_fold(false, |found, item| Ok(found || self.equal(item, needle)?))
            }
            Datum::Map(map) => Ok(map.entries.contains_key(&map.key(needle)?)),
            other => fail!("operator \"in\" not defined on {}", other.type_name()),
        }
    }

    fn text_operator(&mut self, operator: &str, left: &Datum, right: &Datum) -> Result<bool, Error> {
        let (text, part) = match (left, right) {
            (Datum::Nil, _) | (_, Datum::Nil) => return Ok(false),
            (Datum::Text(text), Datum::Text(part)) => (text, part),
            _ => {
                let (left, right) = (left.type_name(), right.type_name());
                return fail!("invalid operation: {left} {operator} {right}");
            }
        };
        self.spend(text.len() / 16 + 1)?;
        match operator {
            "matches" => self.matches(part, text),
            "contains" => Ok(text.contains(&**part)),
            "startsWith" => Ok(text.starts_with(&**part)),
            _ => Ok(text.ends_with(&**part)),
        }
    }

    fn range(&mut self, from: i64, to: i64) -> Evaluated {
        let size = (i128::from(to) - i128::from(from) + 1).max(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // Asked before anything is built: `1..9223372036854775807` must not even try.
        self.reserve(size)?;
        self.list_of((from..=to).map(Datum::Int).collect(), Held::Ints)
    }

    pub(super) fn add(&mut self, left: &Datum, right: &Datum) -> Evaluated {
        match (left, right) {
            (Datum::Int(a), Datum::Int(b)) => Ok(Datum::Int(a.wrapping_add(*b))),
            (Datum::Int(_) | Datum::Float(_), Datum::Int(_) | Datum::Float(_)) => {
                Ok(Datum::Float(float(left)? + float(right)?))
            }
            (Datum::Text(a), Datum::Text(b)) => {
                self.reserve_text(a.len() + b.len())?;
                Ok(Datum::Text(format!("{a}{b}").into()))
            }
            (Datum::Duration(a), Datum::Duration(b)) => Ok(Datum::Duration(a.wrapping_add(*b))),
            (Datum::Time(at), Datum::Duration(length)) | (Datum::Duration(length), Datum::Time(at)) => {
                match at.checked_add_signed(TimeDelta::nanoseconds(*length)) {
                    Some(at) => Ok(Datum::Time(at)),
                    None => fail!("the time is out of range"),
                }
            }
            _ => invalid("+", left, right),
        }
    }
}

fn invalid<A>(operator: &str, left: &Datum, right: &Datum) -> Result<A, Error> {
    fail!(
        "invalid operation: {} {operator} {}",
        left.type_name(),
        right.type_name()
    )
}

pub(super) fn float(datum: &Datum) -> Result<f64, Error> {
    match datum {
        Datum::Int(number) => Ok(*number as f64),
        Datum::Float(number) => Ok(*number),
        other => fail!("invalid operation: float({})", other.type_name()),
    }
}

fn subtract(left: &Datum, right: &Datum) -> Evaluated {
    match (left, right) {
        (Datum::Int(a), Datum::Int(b)) => Ok(Datum::Int(a.wrapping_sub(*b))),
        (Datum::Int(_) | Datum::Float(_), Datum::Int(_) | Datum::Float(_)) => {
            Ok(Datum::Float(float(left)? - float(right)?))
        }
        (Datum::Duration(a), Datum::Duration(b)) => Ok(Datum::Duration(a.wrapping_sub(*b))),
        (Datum::Time(a), Datum::Time(b)) => Ok(Datum::Duration(nanos(a.signed_duration_since(*b)))),
        (Datum::Time(at), Datum::Duration(length)) => {
            match at.checked_sub_signed(TimeDelta::nanoseconds(*length)) {
                Some(at) => Ok(Datum::Time(at)),
                None => fail!("the time is out of range"),
            }
        }
        _ => invalid("-", left, right),
    }
}

fn multiply(left: &Datum, right: &Datum) -> Evaluated {
    match (left, right) {
        (Datum::Int(a), Datum::Int(b)) => Ok(Datum::Int(a.wrapping_mul(*b))),
        (Datum::Duration(a), Datum::Duration(b) | Datum::Int(b)) | (Datum::Int(a), Datum::Duration(b)) => {
            Ok(Datum::Duration(a.wrapping_mul(*b)))
        }
        (Datum::Duration(length), Datum::Float(factor)) | (Datum::Float(factor), Datum::Duration(length)) => {
            super::eval::truncate(*length as f64 * factor).map(Datum::Duration)
        }
        (Datum::Int(_) | Datum::Float(_), Datum::Int(_) | Datum::Float(_)) => {
            Ok(Datum::Float(float(left)? * float(right)?))
        }
        _ => invalid("*", left, right),
    }
}

fn modulo(left: &Datum, right: &Datum) -> Evaluated {
    match (left, right) {
        (Datum::Int(_), Datum::Int(0)) => fail!("integer divide by zero"),
        (Datum::Int(a), Datum::Int(b)) => Ok(Datum::Int(a.wrapping_rem(*b))),
        _ => invalid("%", left, right),
    }
}
