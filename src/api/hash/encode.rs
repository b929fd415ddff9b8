//! Prints decoded values as Go's `encoding/json` does: no spaces, HTML characters escaped, floats in Go's spelling.

use crate::api::hash::shape::Node;
use serde_json::{Map, Number, Value};
use std::fmt::Write;

/// The JSON text of a node.
pub(super) fn json(node: &Node) -> String {
    let mut out = String::new();
    write_node(&mut out, node);
    out
}

/// The node as a JSON value; the order of struct fields is lost.
pub(super) fn value(node: &Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(flag) => Value::Bool(*flag),
        Node::Int(number) => Value::from(*number),
        Node::Text(text) => Value::from(text.clone()),
        Node::Amount(quantity) => Value::from(quantity.to_string()),
        Node::Raw(raw) => raw.clone(),
        Node::List(items) => Value::Array(items.iter().map(value).collect()),
        Node::Map(members) => object(members.iter().map(|(name, node)| (name.as_str(), node))),
        Node::Struct(fields) => object(fields.iter().map(|(name, node)| (*name, node))),
    }
}

fn object<'a>(members: impl Iterator<Item = (&'a str, &'a Node)>) -> Value {
    Value::Object(
        members
            .map(|(name, node)| (name.to_owned(), value(node)))
            .collect::<Map<_, _>>(),
    )
}

fn write_node(out: &mut String, node: &Node) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(flag) => write_flag(out, *flag),
        Node::Int(number) => out.push_str(&number.to_string()),
        Node::Text(text) => write_text(out, text),
        Node::Amount(quantity) => write_text(out, &quantity.to_string()),
        Node::Raw(raw) => write_value(out, raw),
        Node::List(items) => write_list(out, items, write_node),
        Node::Map(members) => write_members(
            out,
            members.iter().map(|(name, node)| (name.as_str(), node)),
            write_node,
        ),
        Node::Struct(fields) => {
            write_members(out, fields.iter().map(|(name, node)| (*name, node)), write_node);
        }
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => write_flag(out, *flag),
        Value::Number(given) => out.push_str(&number(given)),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => write_list(out, items, write_value),
        Value::Object(members) => {
            write_members(
                out,
                members.iter().map(|(name, value)| (name.as_str(), value)),
                write_value,
            );
        }
    }
}

fn write_flag(out: &mut String, flag: bool) {
    out.push_str(if flag { "true" } else { "false" });
}

fn write_list<T>(out: &mut String, items: &[T], write: fn(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

fn write_members<'a, T: 'a>(
    out: &mut String,
    members: impl Iterator<Item = (&'a str, &'a T)>,
    write: fn(&mut String, &T),
) {
    out.push('{');
    for (index, (name, item)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write(out, item);
    }
    out.push('}');
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// A number in Go's spelling: integers as they are, floats in the shortest form, with an exponent only when tiny or huge.
pub(super) fn number(number: &Number) -> String {
    if !number.is_f64() {
        return number.to_string();
    }
    let float = number.as_f64().unwrap_or_default();
    let size = float.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{float:e}");
        return if text.contains("e-") {
            text
        } else {
            text.replace('e', "e+")
        };
    }
    float.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_are_spelled_as_go_does() {
        let check = |value: Value, want: &str| {
            let Value::Number(given) = value else {
                panic!("not a number")
            };
            assert_eq!(number(&given), want);
        };
        check(json!(0.001), "0.001");
        check(json!(1e-7), "1e-7");
        check(json!(2.5e21), "2.5e+21");
        check(json!(1e20), "100000000000000000000");
        check(json!(3.0), "3");
        check(json!(-7), "-7");
    }

    #[test]
    fn html_characters_and_controls_are_escaped() {
        let mut out = String::new();
        write_text(&mut out, "<a href=\"x\">&\u{2028}\u{1}\n\u{8}\u{c}é\u{7f}");
        assert_eq!(
            out,
            "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u2028\\u0001\\n\\b\\fé\u{7f}\""
        );
    }
}
