//! Builtins over lists and maps that take no closure.

use super::super::datum::{Datum, Held, Key, List, Map};
use super::super::error::{Error, fail};
use super::super::eval::fetch;
use super::super::machine::{Evaluated, Machine};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

impl Machine<'_> {
    pub(super) fn list_function(&mut self, name: &str, args: &[Datum]) -> Evaluated {
        match (name, args) {
            ("first", [list]) => Ok(end(list, 0)),
            ("last", [list]) => Ok(end(list, -1)),
            ("get", [base, key]) => get(base, key),
            ("take", [list, count]) => self.take(list, count),
            ("keys", [map]) => {
                let keys = as_map(map, name)?.entries.keys().map(Key::datum).collect();
                self.list(keys)
            }
            ("values", [map]) => {
                let values = as_map(map, name)?.entries.values().cloned().collect();
                self.list(values)
            }
            ("toPairs", [map]) => self.pairs(as_map(map, name)?),
            ("fromPairs", [list]) => self.map_of_pairs(as_list(list, name)?),
            ("reverse", [list]) => {
                let items = as_list(list, name)?.items.iter().rev().cloned().collect();
                self.list(items)
            }
            ("uniq", [list]) => self.unique(as_list(list, name)?),
            ("concat", lists) => self.concat(lists),
            ("flatten", [list]) => {
                let mut items = Vec::new();
                self.flatten(as_list(list, name)?, &mut items)?;
                self.list(items)
            }
            ("sort", [list, order @ ..]) => {
                let descending = descending(order.first())?;
                let items = as_list(list, name)?
                    .items
                    .iter()
                    .map(|item| (item.clone(), item.clone()));
                let items = self.sorted(items.collect(), descending)?;
                self.list(items)
            }
            _ => super::wrong_arguments(name),
        }
    }

    fn take(&mut self, list: &Datum, count: &Datum) -> Evaluated {
        let list = as_list(list, "take")?;
        let Datum::Int(count) = count else {
            return fail!("cannot take {} elements", count.type_name());
        };
        let Ok(count) = usize::try_from(*count) else {
            return fail!("cannot take {count} elements");
        };
        let items = list.items.iter().take(count).cloned().collect();
        self.list_of(items, list.held)
    }

    fn pairs(&mut self, map: &Map) -> Evaluated {
        let mut pairs = Vec::new();
        for (key, value) in &map.entries {
            pairs.push(self.list(vec![key.datum(), value.clone()])?);
        }
        self.list(pairs)
    }

    fn map_of_pairs(&mut self, list: &List) -> Evaluated {
        let mut entries = BTreeMap::new();
        for pair in &list.items {
            match pair {
                Datum::List(pair) if pair.items.len() == 2 => {
                    entries.insert(Key::of(&pair.items[0])?, pair.items[1].clone());
                }
                _ => return fail!("invalid pair: fromPairs takes lists of two elements"),
            }
        }
        self.map(entries, true)
    }

    fn unique(&mut self, list: &List) -> Evaluated {
        let mut kept: Vec<Datum> = Vec::new();
        for item in &list.items {
            let mut known = false;
            for other in &kept {
                known = known || self.equal(item, other)?;
            }
            if !known {
                kept.push(item.clone());
            }
        }
        self.list(kept)
    }

    fn concat(&mut self, lists: &[Datum]) -> Evaluated {
        let mut items = Vec::new();
        for list in lists {
            let list = as_list(list, "concat")?;
            // A list may be given many times over: pay before copying.
            self.reserve(list.items.len())?;
            items.extend(list.items.iter().cloned());
        }
        self.list(items)
    }

    fn flatten(&mut self, list: &List, into: &mut Vec<Datum>) -> Result<(), Error> {
        for item in &list.items {
            self.spend(1)?;
            match item {
                Datum::List(inner) => self.flatten(inner, into)?,
                other => {
                    self.reserve(1)?;
                    into.push(other.clone());
                }
            }
        }
        Ok(())
    }

    /// The second halves in the order of the first ones. Elements that compare equal keep their order.
    pub(super) fn sorted(
        &mut self,
        mut pairs: Vec<(Datum, Datum)>,
        descending: bool,
    ) -> Result<Vec<Datum>, Error> {
        let length = pairs.len();
        // A comparison sort of n elements compares about n log n times.
        self.spend(length * (usize::BITS - length.leading_zeros()) as usize)?;
        for pair in pairs.windows(2) {
            if order(&pair[0].0, &pair[1].0).is_none() {
                return fail!(
                    "cannot sort {} with {}",
                    pair[0].0.type_name(),
                    pair[1].0.type_name()
                );
            }
        }
        self.doubt |= pairs
            .iter()
            .any(|(key, _)| matches!(key, Datum::Float(number) if number.is_nan()));
        pairs.sort_by(|(a, _), (b, _)| {
            let order = order(a, b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        });
        Ok(pairs.into_iter().map(|(_, item)| item).collect())
    }
}

/// A total order over what can be sorted together; NaN stands at an end. `None` for what cannot be compared.
fn order(left: &Datum, right: &Datum) -> Option<Ordering> {
    Some(match (left, right) {
        (Datum::Int(a), Datum::Int(b)) | (Datum::Duration(a), Datum::Duration(b)) => a.cmp(b),
        (Datum::Int(a), Datum::Float(b)) => (*a as f64).total_cmp(b),
        (Datum::Float(a), Datum::Int(b)) => a.total_cmp(&(*b as f64)),
        (Datum::Float(a), Datum::Float(b)) => a.total_cmp(b),
        (Datum::Text(a), Datum::Text(b)) => a.cmp(b),
        (Datum::Time(a), Datum::Time(b)) => a.cmp(b),
        _ => return None,
    })
}

pub(super) fn descending(order: Option<&Datum>) -> Result<bool, Error> {
    match order {
        None => Ok(false),
        Some(Datum::Text(order)) if **order == *"asc" => Ok(false),
        Some(Datum::Text(order)) if **order == *"desc" => Ok(true),
        Some(_) => fail!("unknown order, use \"asc\" or \"desc\""),
    }
}

/// The first or last element; nil where there is none.
fn end(list: &Datum, index: i64) -> Datum {
    match list {
        Datum::List(_) | Datum::Text(_) => fetch(list, &Datum::Int(index)).unwrap_or(Datum::Nil),
        _ => Datum::Nil,
    }
}

/// A member, or nil where `base[key]` would be an error.
fn get(base: &Datum, key: &Datum) -> Evaluated {
    match (base, key) {
        (Datum::List(_) | Datum::Text(_), Datum::Int(_) | Datum::Float(_)) => {
            Ok(fetch(base, key).unwrap_or(Datum::Nil))
        }
        (Datum::List(_) | Datum::Text(_), other) => fail!("invalid operation: int({})", other.type_name()),
        (Datum::Map(_), _) => fetch(base, key),
        _ => Ok(Datum::Nil),
    }
}

fn as_list<'a>(datum: &'a Datum, function: &str) -> Result<&'a List, Error> {
    match datum {
        Datum::List(list) => Ok(list),
        other => fail!("cannot use {} as a list to call {function}", other.type_name()),
    }
}

fn as_map<'a>(datum: &'a Datum, function: &str) -> Result<&'a Map, Error> {
    match datum {
        Datum::Map(map) => Ok(map),
        other => fail!("cannot use {} as a map to call {function}", other.type_name()),
    }
}

/// The texts of a list, for `join`.
pub(super) fn texts(datum: &Datum) -> Result<Vec<Rc<str>>, Error> {
    let list = as_list(datum, "join")?;
    if matches!(list.held, Held::Ints | Held::Floats) {
        return fail!("invalid argument for join (type {})", list.held.type_name());
    }
    list.items
        .iter()
        .map(|item| super::as_text(item, "join"))
        .collect()
}
