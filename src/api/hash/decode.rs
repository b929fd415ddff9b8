//! Decodes JSON the way Argo Rollouts' tolerant reader does: unknown fields vanish, a value of the wrong type leaves its field
//! at zero, and text that its own parser refuses (quantities, times) ends the decoding there and then.

use crate::api::hash::quantity::Quantity;
use crate::api::hash::shape::{Fields, Kind, Node, Printed};
use crate::base::gotime::Time;
use serde_json::{Map, Value};

/// What `value` is as a `kind`.
pub(super) fn decode(kind: Kind, value: &Value) -> Node {
    Decoder { stopped: false }.any(kind, value)
}

struct Decoder {
    /// A parser refused its text: everything that would be read later stays absent. Members are read in the order of their
    /// names, because that is how the object was printed before.
    stopped: bool,
}

impl Decoder {
    fn any(&mut self, kind: Kind, value: &Value) -> Node {
        match kind {
            Kind::Text => Node::Text(value.as_str().unwrap_or_default().to_owned()),
            Kind::Bool => Node::Bool(value.as_bool().unwrap_or_default()),
            Kind::I64 => Node::Int(integer(value).unwrap_or_default()),
            Kind::I32 => Node::Int(
                integer(value)
                    .filter(|number| i32::try_from(*number).is_ok())
                    .unwrap_or_default(),
            ),
            Kind::Amount => self.amount(value),
            Kind::IntOrText => self.int_or_text(value),
            Kind::Instant => self.instant(value),
            Kind::Raw => Node::Raw(value.clone()),
            Kind::List(item) => self.list(*item, value),
            Kind::Map(item) => self.map(*item, value),
            Kind::Struct(fields) => self.fields(fields, value.as_object()),
        }
    }

    fn amount(&mut self, value: &Value) -> Node {
        let parsed = match value {
            Value::Null => Some(Quantity::zero()),
            Value::String(text) => Quantity::parse(text.trim()),
            Value::Number(number) => Quantity::parse(&super::encode::number(number)),
            _ => None,
        };
        // The peer prints and reads the object once more before it hashes, and a few texts change again: 62.5Ki is printed as
        // 64000, and that as 64k.
        let parsed = parsed.map(|once| Quantity::parse(&once.to_string()).unwrap_or(once));
        self.stopped |= parsed.is_none();
        Node::Amount(parsed.unwrap_or_else(Quantity::zero))
    }

    fn int_or_text(&mut self, value: &Value) -> Node {
        match value {
            Value::String(text) => Node::Text(text.clone()),
            Value::Null => Node::Int(0),
            _ => {
                let number = integer(value).filter(|number| i32::try_from(*number).is_ok());
                self.stopped |= number.is_none();
                Node::Int(number.unwrap_or_default())
            }
        }
    }

    fn instant(&mut self, value: &Value) -> Node {
        let Some(text) = value.as_str() else {
            self.stopped |= !value.is_null();
            return Node::Null;
        };
        let time = Time::parse(text);
        self.stopped |= time.is_none();
        time.map_or(Node::Null, |time| Node::Text(time.rfc3339()))
    }

    fn list(&mut self, item: Kind, value: &Value) -> Node {
        let Some(values) = value.as_array() else {
            return Node::Null;
        };
        let mut nodes = Vec::new();
        for value in values {
            nodes.push(self.any(item, value));
            if self.stopped {
                break;
            }
        }
        Node::List(nodes)
    }

    fn map(&mut self, item: Kind, value: &Value) -> Node {
        let mut nodes = std::collections::BTreeMap::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let node = self.any(item, value);
            if self.stopped {
                break;
            }
            nodes.insert(name.clone(), node);
        }
        Node::Map(nodes)
    }

    fn fields(&mut self, fields: Fields, object: Option<&Map<String, Value>>) -> Node {
        let mut read: Vec<Option<Node>> = vec![None; fields.len()];
        for (name, value) in object.into_iter().flatten() {
            if self.stopped {
                break;
            }
            let Some(index) = fields.iter().position(|field| field.name == name) else {
                continue;
            };
            let by_reference = matches!(fields[index].printed, Printed::Pointer | Printed::Nullable);
            if by_reference && value.is_null() {
                continue;
            }
            read[index] = Some(self.any(fields[index].kind, value));
        }
        let printed = fields.iter().zip(read).filter_map(|(field, node)| {
            let node = match (field.printed, node) {
                (Printed::Always, node) => node.unwrap_or_else(|| zero(field.kind)),
                (Printed::Some, node) => node.filter(|node| !node.is_zero())?,
                (Printed::Pointer, node) => node?,
                (Printed::Nullable, node) => node.unwrap_or(Node::Null),
            };
            Some((field.name, node))
        });
        Node::Struct(printed.collect())
    }
}

/// The zero value of a kind: what `null` decodes to.
fn zero(kind: Kind) -> Node {
    decode(kind, &Value::Null)
}

/// A whole number, also when spelled with a fraction of zero.
fn integer(value: &Value) -> Option<i64> {
    let exact = |number: &f64| number.fract() == 0.0 && number.abs() < 9.0e15;
    // The bound is far inside the range of i64, so the cast is exact.
    value
        .as_i64()
        .or_else(|| value.as_f64().filter(exact).map(|number| number as i64))
}
