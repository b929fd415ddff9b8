//! The labels of a series: sorted pairs, cheap to copy. Decides nothing.

use std::sync::Arc;

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";

type Pair = (Arc<str>, Arc<str>);

/// Sorted by name; a label that is absent and one that is empty are the same, so no value is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels(Arc<[Pair]>);

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl FromIterator<Pair> for Labels {
    /// Of two pairs with the same name the later counts.
    fn from_iter<I: IntoIterator<Item = Pair>>(pairs: I) -> Self {
        let mut all: Vec<Pair> = pairs.into_iter().collect();
        all.reverse();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|later, kept| later.0 == kept.0);
        all.retain(|(_, value)| !value.is_empty());
        Self(all.into())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .map(|(name, value)| (Arc::from(name), Arc::from(value)))
            .collect()
    }
}

impl Labels {
    /// Empty if absent.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|pair| &*pair.0 == name)
            .map_or("", |pair| &pair.1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Those for which `keep` says so.
    pub fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    pub fn without_name(&self) -> Self {
        self.filter(|name| name != NAME)
    }

    /// With one label set, or removed by an empty value.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let set = (Arc::from(name), Arc::from(value));
        self.0.iter().cloned().chain([set]).collect()
    }
}
