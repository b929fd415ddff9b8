//! Values as text: the way Go prints them (`string`), and JSON.

use super::super::datum::{Datum, Held};
use super::super::error::{Error, fail};
use super::super::machine::{Evaluated, Machine};
use super::time;
use crate::base::reading::Value;
use std::fmt::Write;
use std::ops::Range;

impl Machine<'_> {
    /// Go's `%v`.
    pub(in super::super) fn print(&mut self, datum: &Datum, into: &mut String) -> Result<(), Error> {
        self.spend(1)?;
        match datum {
            Datum::Nil => into.push_str("<nil>"),
            Datum::Bool(value) => into.push_str(if *value { "true" } else { "false" }),
            Datum::Int(number) => into.push_str(&number.to_string()),
            Datum::Float(number) => into.push_str(&float(*number, -4..6)),
            Datum::Text(text) => {
                self.reserve_text(text.len())?;
                into.push_str(text);
            }
            Datum::List(list) => {
                into.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    into.push_str(if index > 0 { " " } else { "" });
                    self.print(item, into)?;
                }
                into.push(']');
            }
            Datum::Map(map) => {
                into.push_str("map[");
                for (index, (key, value)) in map.entries.iter().enumerate() {
                    into.push_str(if index > 0 { " " } else { "" });
                    self.print(&key.datum(), into)?;
                    into.push(':');
                    self.print(value, into)?;
                }
                into.push(']');
            }
            Datum::Time(at) => into.push_str(&at.format("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()),
            Datum::Duration(nanos) => into.push_str(&time::go_duration(*nanos)),
        }
        Ok(())
    }

    /// JSON, indented by two blanks as the peer's `toJSON` does.
    pub(super) fn print_json(&mut self, datum: &Datum, level: usize, into: &mut String) -> Result<(), Error> {
        self.spend(1)?;
        self.reserve(level / 8 + 1)?;
        match datum {
            Datum::Nil => into.push_str("null"),
            Datum::Float(number) if !number.is_finite() => {
                return fail!("json: unsupported value: {}", float(*number, -6..21));
            }
            Datum::Float(number) => into.push_str(&float(*number, -6..21).replace("e-0", "e-")),
            Datum::Text(text) => {
                self.reserve_text(text.len())?;
                quote(text, into);
            }
            Datum::List(list) if list.items.is_empty() => into.push_str("[]"),
            Datum::List(list) => {
                into.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    into.push_str(if index > 0 { ",\n" } else { "\n" });
                    into.push_str(&"  ".repeat(level + 1));
                    self.print_json(item, level + 1, into)?;
                }
                close(']', level, into);
            }
            Datum::Map(map) if map.any_key => return fail!("json: unsupported type: {}", datum.type_name()),
            Datum::Map(map) if map.entries.is_empty() => into.push_str("{}"),
            Datum::Map(map) => {
                into.push('{');
                for (index, (key, value)) in map.entries.iter().enumerate() {
                    into.push_str(if index > 0 { ",\n" } else { "\n" });
                    into.push_str(&"  ".repeat(level + 1));
                    self.print_json(&key.datum(), level + 1, into)?;
                    into.push_str(": ");
                    self.print_json(value, level + 1, into)?;
                }
                close('}', level, into);
            }
            Datum::Time(at) => quote(&at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), into),
            Datum::Duration(nanos) => into.push_str(&nanos.to_string()),
            Datum::Bool(_) | Datum::Int(_) => self.print(datum, into)?,
        }
        Ok(())
    }

    pub(super) fn decode_json(&mut self, text: &str) -> Evaluated {
        self.reserve_text(text.len().saturating_mul(16))?;
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Datum::from_value(&Value::from(&json), Held::Anything, 0),
            Err(err) => fail!("fromJSON: {err}"),
        }
    }
}

fn close(bracket: char, level: usize, into: &mut String) {
    into.push('\n');
    into.push_str(&"  ".repeat(level));
    into.push(bracket);
}

/// A JSON string, with the characters escaped that Go escapes for the sake of HTML.
fn quote(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            '\u{8}' => into.push_str("\\b"),
            '\u{c}' => into.push_str("\\f"),
            '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(into, "\\u{:04x}", u32::from(c));
            }
            c => into.push(c),
        }
    }
    into.push('"');
}

/// The shortest text that reads back as `number`, with an exponent when it would be outside `plain`.
fn float(number: f64, plain: Range<i32>) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "+Inf".into()
        } else {
            "-Inf".into()
        };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number == 0.0 || plain.contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
