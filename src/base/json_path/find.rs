//! What a path finds.

use super::{Compare, Filter, Node, Operand};
use serde_json::Value;
use std::cmp::Ordering;

/// Values that a path may have in hand at once: `{......}` would have more of them with every pair of dots.
const VALUES_MAX: usize = 1_000_000;

type Found<'v> = Vec<&'v Value>;

/// Goes down `path` from `from`.
pub(super) fn walk<'v>(path: &[Node], from: Found<'v>, root: &'v Value) -> Result<Found<'v>, String> {
    let mut at = from;
    for node in path {
        at = step(node, &at, root)?;
        if at.len() > VALUES_MAX {
            return Err("the path finds too many values".into());
        }
    }
    Ok(at)
}

fn step<'v>(node: &Node, from: &[&'v Value], root: &'v Value) -> Result<Found<'v>, String> {
    let present = from.iter().copied().filter(|value| !value.is_null());
    match node {
        Node::Field(name) => {
            let found: Found = present.filter_map(|value| value.get(name)).collect();
            // An empty set of values has no such field either.
            match found.is_empty() {
                true => Err(format!("{name} is not found")),
                false => Ok(found),
            }
        }
        Node::Index(index) => present.map(|value| item(value, *index)).collect(),
        Node::Slice(start, end, step) => {
            let mut found = Vec::new();
            for value in present {
                found.extend(slice(value, *start, *end, *step)?);
            }
            Ok(found)
        }
        Node::Wildcard => Ok(present.flat_map(children).collect()),
        Node::Recursive => {
            let mut found = Vec::new();
            for value in present {
                below(value, &mut found)?;
            }
            Ok(found)
        }
        Node::Union(paths) => {
            let mut found = Vec::new();
            for path in paths {
                found.extend(walk(path, from.to_vec(), root)?);
            }
            Ok(found)
        }
        Node::Filter(filter) => {
            let mut found = Vec::new();
            for value in present {
                for item in list(value)? {
                    if passes(filter, item, root)? {
                        found.push(item);
                    }
                }
            }
            Ok(found)
        }
    }
}

fn list(value: &Value) -> Result<&[Value], String> {
    match value.as_array() {
        Some(items) => Ok(items),
        None => Err(format!("{} is not a list", kind(value))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The item at `index`; from the end when that is negative.
fn item(value: &Value, index: i64) -> Result<&Value, String> {
    let items = list(value)?;
    let missing = || format!("array index out of bounds: index {index}, length {}", items.len());
    items
        .get(place(index, items.len()).ok_or_else(missing)?)
        .ok_or_else(missing)
}

fn place(index: i64, len: usize) -> Option<usize> {
    let from_end = if index < 0 { i64::try_from(len).ok()? } else { 0 };
    usize::try_from(index.checked_add(from_end)?).ok()
}

fn slice(
    value: &Value,
    start: Option<i64>,
    end: Option<i64>,
    step: Option<i64>,
) -> Result<Found<'_>, String> {
    let items = list(value)?;
    let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0);
    let step = step.ok_or("the step of a slice must be greater than 0")?;
    let bound = |index: i64| {
        let place = place(index, items.len()).filter(|place| *place <= items.len());
        place.ok_or_else(|| format!("array index out of bounds: index {index}, length {}", items.len()))
    };
    let (start, end) = (start.map_or(Ok(0), bound)?, end.map_or(Ok(items.len()), bound)?);
    if start > end {
        return Err(format!(
            "starting index {start} is greater than ending index {end}"
        ));
    }
    Ok(items[start..end].iter().step_by(step).collect())
}

/// The members of an object by name, or the items of a list.
fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The value and all that is below it, as far as it has members of its own.
fn below<'v>(value: &'v Value, found: &mut Found<'v>) -> Result<(), String> {
    let mut open = vec![value];
    while let Some(next) = open.pop() {
        let inner: Found = children(next).collect();
        if inner.is_empty() {
            continue;
        }
        found.push(next);
        if found.len() > VALUES_MAX {
            return Err("the path finds too many values".into());
        }
        open.extend(inner.into_iter().rev());
    }
    Ok(())
}

fn passes(filter: &Filter, item: &Value, root: &Value) -> Result<bool, String> {
    let left = operand(&filter.left, item, root);
    let Some((compare, right)) = &filter.test else {
        return Ok(left.is_some());
    };
    let (Some(left), Some(right)) = (left, operand(right, item, root)) else {
        return Ok(false);
    };
    let equal = left == right || order(&left, &right) == Some(Ordering::Equal);
    let ordered = |wanted: &[Ordering]| match order(&left, &right) {
        Some(order) => Ok(wanted.contains(&order)),
        None => Err(format!("{} and {} cannot be compared", kind(&left), kind(&right))),
    };
    match compare {
        Compare::Equal => Ok(equal),
        Compare::Unequal => Ok(!equal),
        Compare::Less => ordered(&[Ordering::Less]),
        Compare::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Compare::Greater => ordered(&[Ordering::Greater]),
        Compare::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
    }
}

/// One value, or none: an element without the field is passed over.
fn operand(operand: &Operand, item: &Value, root: &Value) -> Option<Value> {
    match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(path) => walk(path, vec![item], root).ok()?.first().copied().cloned(),
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}
