//! Builtins that evaluate a closure for each element of a list.

use super::super::datum::{Datum, Held, Key, List};
use super::super::error::{Error, fail};
use super::super::eval::as_bool;
use super::super::machine::{Evaluated, Machine};
use super::super::syntax::Node;
use super::int;
use std::collections::BTreeMap;
use std::rc::Rc;

impl<'p> Machine<'p> {
    pub(super) fn with_closure(&mut self, name: &'static str, args: &'p [Node]) -> Evaluated {
        let list = match args.first() {
            Some(node) => self.eval(node)?,
            None => return super::wrong_arguments(name),
        };
        let Datum::List(list) = list else {
            return fail!("builtin {name} takes only array (got {})", list.type_name());
        };
        let Some(body) = args.get(1) else {
            return if name == "sum" {
                self.sum(&list, None)
            } else {
                self.count_plain(&list)
            };
        };
        match name {
            "all" => Ok(Datum::Bool(self.position(&list, body, false, false)?.is_none())),
            "none" => Ok(Datum::Bool(self.position(&list, body, true, false)?.is_none())),
            "any" => Ok(Datum::Bool(self.position(&list, body, true, false)?.is_some())),
            "one" => Ok(Datum::Bool(self.filter(&list, body)?.len() == 1)),
            "count" => Ok(int(self.filter(&list, body)?.len())),
            "filter" => {
                let items = self.filter(&list, body)?;
                self.list(items)
            }
            "map" => {
                let items = self.map_items(&list, body)?;
                self.list(items)
            }
            "find" | "findIndex" => self.find(&list, body, name == "findIndex", false),
            "findLast" | "findLastIndex" => self.find(&list, body, name == "findLastIndex", true),
            "sum" => self.sum(&list, Some(body)),
            "reduce" => self.reduce(&list, body, args.get(2)),
            "groupBy" => self.group(&list, body),
            "sortBy" => self.sort_by(&list, body, args.get(2)),
            _ => super::wrong_arguments(name),
        }
    }

    fn holds(&mut self, body: &'p Node, list: &List, index: usize) -> Result<bool, Error> {
        as_bool(&self.apply(body, &list.items[index], index, Datum::Nil)?)
    }

    /// The first position (the last one if `backwards`) where the closure says `wanted`.
    fn position(
        &mut self,
        list: &List,
        body: &'p Node,
        wanted: bool,
        backwards: bool,
    ) -> Result<Option<usize>, Error> {
        let length = list.items.len();
        for step in 0..length {
            let index = if backwards { length - 1 - step } else { step };
            if self.holds(body, list, index)? == wanted {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn find(&mut self, list: &List, body: &'p Node, index: bool, backwards: bool) -> Evaluated {
        Ok(match (self.position(list, body, true, backwards)?, index) {
            (Some(found), true) => int(found),
            (Some(found), false) => list.items[found].clone(),
            (None, _) => Datum::Nil,
        })
    }

    fn filter(&mut self, list: &List, body: &'p Node) -> Result<Vec<Datum>, Error> {
        let mut kept = Vec::new();
        for (index, item) in list.items.iter().enumerate() {
            if self.holds(body, list, index)? {
                kept.push(item.clone());
            }
        }
        Ok(kept)
    }

    fn map_items(&mut self, list: &List, body: &'p Node) -> Result<Vec<Datum>, Error> {
        let items = list.items.iter().enumerate();
        items
            .map(|(index, item)| self.apply(body, item, index, Datum::Nil))
            .collect()
    }

    /// `count(list)`: how many elements are true.
    fn count_plain(&mut self, list: &List) -> Evaluated {
        self.spend(list.items.len())?;
        let truths = list.items.iter().map(as_bool).collect::<Result<Vec<_>, _>>()?;
        Ok(int(truths.into_iter().filter(|truth| *truth).count()))
    }

    fn sum(&mut self, list: &List, body: Option<&'p Node>) -> Evaluated {
        let mut total = Datum::Int(0);
        for (index, item) in list.items.iter().enumerate() {
            let value = match body {
                Some(body) => self.apply(body, item, index, Datum::Nil)?,
                None => item.clone(),
            };
            self.spend(1)?;
            total = self.add(&value, &total)?;
        }
        Ok(total)
    }

    fn reduce(&mut self, list: &List, body: &'p Node, start: Option<&'p Node>) -> Evaluated {
        let mut items = list.items.iter().enumerate();
        let mut acc = match start {
            Some(start) => self.eval(start)?,
            None => match items.next() {
                Some((_, first)) => first.clone(),
                None => return fail!("reduce of empty array with no initial value"),
            },
        };
        for (index, item) in items {
            acc = self.apply(body, item, index, acc)?;
        }
        Ok(acc)
    }

    fn group(&mut self, list: &List, body: &'p Node) -> Evaluated {
        let mut groups: BTreeMap<Key, Vec<Datum>> = BTreeMap::new();
        for (index, item) in list.items.iter().enumerate() {
            let key = Key::of(&self.apply(body, item, index, Datum::Nil)?)?;
            groups.entry(key).or_default().push(item.clone());
        }
        let mut entries = BTreeMap::new();
        for (key, items) in groups {
            entries.insert(key, self.list(items)?);
        }
        self.map(entries, true)
    }

    fn sort_by(&mut self, list: &Rc<List>, body: &'p Node, order: Option<&'p Node>) -> Evaluated {
        let order = order.map(|node| self.eval(node)).transpose()?;
        let descending = super::lists::descending(order.as_ref())?;
        let keys = self.map_items(list, body)?;
        let pairs = keys.into_iter().zip(list.items.iter().cloned()).collect();
        let items = self.sorted(pairs, descending)?;
        self.list_of(items, Held::Anything)
    }
}
