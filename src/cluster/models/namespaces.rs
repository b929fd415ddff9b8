//! Namespaces that are deleted: first everything in them, then they themselves. Absent: their status conditions.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Models, Task, ids, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

impl Models {
    /// A namespace was changed, or something in it has gone.
    pub(super) fn enqueue_namespace(&mut self, key: &Key, after: Option<&Value>, now: DateTime<Utc>) {
        let name = if key.resource == *ids::namespaces() {
            match after {
                Some(space) if reading::deleting(space) => drop(self.closing.insert(key.name.clone())),
                _ => drop(self.closing.remove(&key.name)),
            }
            &key.name
        } else if after.is_none() {
            &key.namespace
        } else {
            return;
        };
        if self.closing.contains(name) {
            let task = Task::Namespace(name.clone());
            self.later(task, self.settings.namespaces, now);
        }
    }

    pub(super) fn empty_namespace(&mut self, world: &mut World, name: &str) {
        if self.switches.namespaces_paused {
            return;
        }
        let key = Key::new(ids::namespaces(), "", name);
        let Some(space) = world
            .store
            .get(&key)
            .filter(|space| reading::deleting(space))
            .cloned()
        else {
            return;
        };
        let resources = world.catalog.all().filter(|resource| resource.namespaced);
        let resources: Vec<Arc<str>> = resources.map(|resource| Arc::clone(&resource.id)).collect();
        let mut rest: Vec<(Key, bool)> = Vec::new();
        for resource in &resources {
            let here = world.store.list(resource, Some(name));
            rest.extend(here.map(|(key, object)| (key.clone(), reading::deleting(object))));
        }
        if rest.is_empty() {
            let mut empty = Value::clone(&space);
            if let Value::Object(spec) = &mut empty["spec"] {
                spec.remove("finalizers");
            }
            writes::replace(world, &key, empty);
            return;
        }
        for (key, _) in rest.iter().filter(|(_, deleting)| !deleting) {
            writes::delete_by(world, key, "Background");
        }
    }
}
