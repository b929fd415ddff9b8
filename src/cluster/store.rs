//! Objects by key, one counter of versions, and a bounded history of changes. Knows no kinds and no requests.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

/// How many changes are kept for watches and pages unless told otherwise.
const HISTORY: usize = 20_000;

/// Where an object is stored. Ordered as lists are: by resource, and then as the texts `namespace/name` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// `plural.group`, or `plural` in the core group.
    pub resource: Arc<str>,
    /// Empty for cluster-wide resources.
    pub namespace: String,
    pub name: String,
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let same = Arc::ptr_eq(&self.resource, &other.resource) || self.resource == other.resource;
        if !same {
            return self.resource.cmp(&other.resource);
        }
        if self.namespace == other.namespace {
            return self.name.cmp(&other.name);
        }
        // A slash is after a dash: `a-b/x` comes before `a/x`.
        let one = self.namespace.bytes().chain([b'/']);
        one.cmp(other.namespace.bytes().chain([b'/']))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Key {
    pub fn new(resource: &Arc<str>, namespace: &str, name: &str) -> Self {
        Self {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// One write: what was there before and what is there after. A deletion's `after` is none, and its last state,
/// with the version of the deletion, is in `last`.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    pub after: Option<Arc<Value>>,
    pub last: Arc<Value>,
}

/// The objects and their past.
#[derive(Clone, Debug)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    history_len_max: usize,
    version: u64,
    /// The version of the newest change that is no longer kept.
    compacted: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            history_len_max: HISTORY,
            version: 1,
            compacted: 0,
        }
    }
}

impl Store {
    /// The version of the last write.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a resource, in one namespace or in all, in order.
    pub fn list<'a>(
        &'a self,
        resource: &Arc<str>,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let start = Key::new(resource, namespace.unwrap_or_default(), "");
        let resource = Arc::clone(resource);
        self.objects.range(start..).take_while(move |(key, _)| {
            key.resource == resource && namespace.is_none_or(|wanted| key.namespace == wanted)
        })
    }

    /// All objects of all resources, in order.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Writes an object and gives it the next version.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let after = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&after));
        self.remember(key, before, Some(Arc::clone(&after)), Arc::clone(&after));
        after
    }

    /// Removes an object; the answer is its last state with the version of the deletion.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        let last = Arc::new(last);
        self.remember(key, Some(before), None, Arc::clone(&last));
        Some(last)
    }

    fn remember(
        &mut self,
        key: &Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
        last: Arc<Value>,
    ) {
        self.history.push_back(Change {
            version: self.version,
            key: key.clone(),
            before,
            after,
            last,
        });
        self.trim();
    }

    fn trim(&mut self) {
        while self.history.len() > self.history_len_max {
            if let Some(gone) = self.history.pop_front() {
                self.compacted = gone.version;
            }
        }
    }

    /// Keeps at most so many changes from now on.
    pub fn keep(&mut self, changes: usize) {
        self.history_len_max = changes;
        self.trim();
    }

    /// Forgets all changes: whoever did not see them must list again.
    pub fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    /// The changes after `version`, oldest first; none if some of them are no longer kept.
    pub fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        if version < self.compacted {
            return None;
        }
        let start = self.history.partition_point(|change| change.version <= version);
        Some(self.history.range(start..))
    }

    /// The changes after `version` that are still kept, oldest first.
    pub fn changes_after(&self, version: u64) -> Vec<Change> {
        let start = self.history.partition_point(|change| change.version <= version);
        self.history.range(start..).cloned().collect()
    }

    /// The objects of a resource as they were at `version`; none if that is no longer known.
    pub fn list_at(
        &self,
        resource: &Arc<str>,
        namespace: Option<&str>,
        version: u64,
    ) -> Option<BTreeMap<Key, Arc<Value>>> {
        let mut then: BTreeMap<Key, Arc<Value>> = self
            .list(resource, namespace)
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        let changes: Vec<&Change> = self.since(version)?.collect();
        for change in changes.into_iter().rev() {
            let ours = change.key.resource == *resource
                && namespace.is_none_or(|wanted| change.key.namespace == wanted);
            if !ours {
                continue;
            }
            match &change.before {
                Some(before) => then.insert(change.key.clone(), Arc::clone(before)),
                None => then.remove(&change.key),
            };
        }
        Some(then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(objects: Option<BTreeMap<Key, Arc<Value>>>) -> Option<Vec<String>> {
        Some(
            objects?
                .into_iter()
                .map(|(key, object)| format!("{}={}", key.name, object["n"]))
                .collect(),
        )
    }

    #[test]
    fn a_list_at_an_older_version_shows_what_was_there_then() {
        let mut store = Store::default();
        let pods: Arc<str> = "pods".into();
        let key = |name: &str| Key::new(&pods, "default", name);
        store.put(&key("a"), json!({"n": 1}));
        let then = store.version();
        store.put(&key("a"), json!({"n": 2}));
        store.put(&key("b"), json!({"n": 3}));
        store.remove(&key("a"));
        assert_eq!(
            names(store.list_at(&pods, None, then)),
            Some(vec!["a=1".to_owned()])
        );
        assert_eq!(
            names(store.list_at(&pods, None, store.version())),
            Some(vec!["b=3".to_owned()])
        );
        store.compact();
        assert_eq!(names(store.list_at(&pods, None, then)), None);
    }

    #[test]
    fn a_full_history_forgets_the_oldest_change() {
        let mut store = Store::default();
        store.keep(2);
        let pods: Arc<str> = "pods".into();
        for n in 0..4 {
            store.put(&Key::new(&pods, "default", "a"), json!({"n": n}));
        }
        assert_eq!(store.compacted(), 3);
        assert!(store.since(2).is_none());
        assert_eq!(store.since(3).map(Iterator::count), Some(2));
    }
}
