//! Builtins over numbers.

use super::super::datum::Datum;
use super::super::error::{Error, fail};
use super::super::eval::truncate;
use super::super::literal::parse_float;
use super::super::machine::{Evaluated, Machine};
use super::super::operators::float;

/// Go's rule: halves are rounded away from zero.
fn rounded(name: &str, number: f64) -> f64 {
    match name {
        "ceil" => number.ceil(),
        "floor" => number.floor(),
        _ => number.round(),
    }
}

pub(super) fn scalar(name: &str, args: &[Datum]) -> Evaluated {
    let [value] = args else {
        return super::wrong_arguments(name);
    };
    match (name, value) {
        ("abs", Datum::Int(number)) => Ok(Datum::Int(number.wrapping_abs())),
        ("abs", Datum::Float(number)) => Ok(Datum::Float(number.abs())),
        ("ceil" | "floor" | "round", Datum::Int(_) | Datum::Float(_)) => {
            Ok(Datum::Float(rounded(name, float(value)?)))
        }
        ("int", Datum::Duration(nanos)) => Ok(Datum::Int(*nanos)),
        ("int", Datum::Int(_) | Datum::Float(_) | Datum::Text(_)) => match as_int(value) {
            Err(_) => fail!("invalid operation: int({})", shown(value)),
            number => number,
        },
        ("float", Datum::Int(_) | Datum::Float(_) | Datum::Text(_)) => match as_float(value) {
            Err(_) => fail!("invalid operation: float({})", shown(value)),
            number => number,
        },
        ("int" | "float", other) => fail!("invalid operation: {name}({})", other.type_name()),
        (_, other) => fail!("invalid argument for {name} (type {})", other.type_name()),
    }
}

fn shown(value: &Datum) -> String {
    match value {
        Datum::Text(text) => text.to_string(),
        Datum::Float(number) => number.to_string(),
        other => other.type_name().to_owned(),
    }
}

/// A number or a text of decimal digits as a whole number.
pub(super) fn as_int(value: &Datum) -> Evaluated {
    match value {
        Datum::Int(number) => Ok(Datum::Int(*number)),
        Datum::Float(number) => truncate(*number).map(Datum::Int),
        Datum::Text(text) => match text.parse() {
            Ok(number) => Ok(Datum::Int(number)),
            Err(_) => fail!("asInt: {text:?} is not a whole number"),
        },
        other => fail!("asInt() not supported on {}", other.type_name()),
    }
}

/// A number or a text that spells one as a float.
pub(super) fn as_float(value: &Datum) -> Evaluated {
    match value {
        Datum::Int(_) | Datum::Float(_) => float(value).map(Datum::Float),
        Datum::Text(text) => match parse_float(text) {
            Some(number) => Ok(Datum::Float(number)),
            None => fail!("asFloat: {text:?} is not a number"),
        },
        other => fail!("asFloat() not supported on {}", other.type_name()),
    }
}

pub(super) fn bits(name: &str, args: &[Datum]) -> Evaluated {
    let (x, y) = match args {
        [Datum::Int(x), Datum::Int(y)] => (*x, *y),
        [Datum::Int(x)] => (*x, 0),
        _ => return fail!("{name} takes whole numbers"),
    };
    let shift = u32::try_from(y).ok();
    let shifted = |function: fn(i64, u32) -> i64| match shift {
        Some(shift) => Ok(function(x, shift)),
        None => fail!("invalid operation: shift count {y}"),
    };
    Ok(Datum::Int(match name {
        "bitand" => x & y,
        "bitor" => x | y,
        "bitxor" => x ^ y,
        "bitnand" => x & !y,
        "bitnot" => !x,
        "bitshl" => shifted(|x, by| x.checked_shl(by).unwrap_or(0))?,
        "bitshr" => shifted(|x, by| x >> by.min(63))?,
        _ => shifted(|x, by| x.cast_unsigned().checked_shr(by).unwrap_or(0).cast_signed())?,
    }))
}

impl Machine<'_> {
    /// `max`, `min`, `mean` and `median` of numbers and of lists of them, however nested.
    pub(super) fn aggregate(&mut self, name: &str, args: &[Datum]) -> Evaluated {
        if let [value] = args
            && matches!(name, "max" | "min")
            && !matches!(value, Datum::List(_) | Datum::Int(_) | Datum::Float(_))
        {
            // The peer hands a single value that it cannot compare back as it is.
            return Ok(value.clone());
        }
        let mut numbers = Vec::new();
        for arg in args {
            self.numbers(name, arg, &mut numbers)?;
        }
        match name {
            "max" => self.extreme("<", numbers),
            "min" => self.extreme(">", numbers),
            "mean" => mean(&numbers),
            _ => self.median(&numbers),
        }
    }

    fn numbers(&mut self, name: &str, datum: &Datum, into: &mut Vec<Datum>) -> Result<(), Error> {
        self.spend(1)?;
        match datum {
            Datum::Int(_) | Datum::Float(_) => {
                self.reserve(1)?;
                into.push(datum.clone());
                Ok(())
            }
            Datum::List(list) => list
                .items
                .iter()
                .try_for_each(|item| self.numbers(name, item, into)),
            other => fail!("invalid argument for {name} (type {})", other.type_name()),
        }
    }

    /// The number that is not `operator` than any other one; nil when there is none.
    fn extreme(&mut self, operator: &str, numbers: Vec<Datum>) -> Evaluated {
        let mut numbers = numbers.into_iter();
        let Some(mut best) = numbers.next() else {
            return Ok(Datum::Nil);
        };
        for number in numbers {
            if self.ordered(operator, &best, &number)? {
                best = number;
            }
        }
        Ok(best)
    }

    fn median(&mut self, numbers: &[Datum]) -> Evaluated {
        let floats = numbers.iter().map(float).collect::<Result<Vec<f64>, _>>()?;
        self.doubt |= floats.iter().any(|number| number.is_nan());
        let mut floats = floats;
        floats.sort_by(f64::total_cmp);
        let middle = floats.len() / 2;
        Ok(Datum::Float(match floats.len() {
            0 => 0.0,
            length if length % 2 == 1 => floats[middle],
            _ => (floats[middle - 1] + floats[middle]) / 2.0,
        }))
    }
}

fn mean(numbers: &[Datum]) -> Evaluated {
    let mut total = 0.0;
    for number in numbers {
        total += float(number)?;
    }
    Ok(Datum::Float(if numbers.is_empty() {
        0.0
    } else {
        total / numbers.len() as f64
    }))
}
