//! The garbage collector: what becomes of objects whose owners go.
//!
//! Real: background and foreground deletion, orphans, `blockOwnerDeletion`, owners told apart by their uid, owners of
//! another namespace, objects with several owners. An owner of a kind that is not served is never taken for gone.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Models, Task, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What an owner is to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Solid,
    /// Being deleted, and waits for what it owns.
    Waiting,
    Absent,
}

fn holds(object: &Value, finalizer: &str) -> bool {
    reading::list(&object["metadata"]["finalizers"])
        .iter()
        .any(|one| one == finalizer)
}

fn references(object: Option<&Value>) -> Option<&Value> {
    object.map(|object| &object["metadata"]["ownerReferences"])
}

fn waits(object: &Value) -> bool {
    reading::deleting(object) && holds(object, FOREGROUND)
}

impl Models {
    /// Puts on the agenda what a change means for owners and owned.
    pub(super) fn enqueue_collector(
        &mut self,
        world: &World,
        key: &Key,
        before: Option<&Value>,
        after: Option<&Value>,
        now: DateTime<Utc>,
    ) {
        let replaced = after.is_none() || after.map(reading::uid) != before.map(reading::uid);
        if let Some(old) = before.filter(|_| replaced) {
            self.collect_children(reading::uid(old), now);
        }
        if let Some(old) = before
            && references(before) != references(after)
        {
            self.wake_waiting(world, old, now);
        }
        let Some(object) = after else { return };
        let ends = reading::deleting(object) && (holds(object, ORPHAN) || holds(object, FOREGROUND));
        let had_ended = before.is_some_and(reading::deleting);
        if ends && !had_ended {
            self.later(Task::Collect(key.clone()), self.settings.collector, now);
            self.collect_children(reading::uid(object), now);
        }
        let fresh = replaced || references(before) != references(after);
        if fresh && self.has_doubtful_owner(world, key, object) {
            self.later(Task::Collect(key.clone()), self.settings.collector, now);
        }
    }

    fn collect_children(&mut self, uid: &str, now: DateTime<Utc>) {
        let children: Vec<Key> = self.index.children(uid).cloned().collect();
        for child in children {
            self.later(Task::Collect(child), self.settings.collector, now);
        }
    }

    /// Owners that wait for what they own hear that one of them has gone.
    fn wake_waiting(&mut self, world: &World, owned: &Value, now: DateTime<Utc>) {
        for owner in reading::owners(owned) {
            let key = self.index.by_uid(owner["uid"].as_str().unwrap_or_default());
            let waiting = key.filter(|key| world.store.get(key).is_some_and(|object| waits(object)));
            if let Some(key) = waiting.cloned() {
                self.later(Task::Collect(key), self.settings.collector, now);
            }
        }
    }

    fn has_doubtful_owner(&self, world: &World, key: &Key, object: &Value) -> bool {
        let mut owners = reading::owners(object).iter();
        owners.any(|owner| self.judge(world, &key.namespace, owner) != Owner::Solid)
    }

    fn judge(&self, world: &World, namespace: &str, reference: &Value) -> Owner {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let Some(key) = self.index.by_uid(text("uid")) else {
            let served = world.catalog.by_kind(text("apiVersion"), text("kind")).is_some();
            return if served { Owner::Absent } else { Owner::Solid };
        };
        if namespace.is_empty() && !key.namespace.is_empty() {
            // What belongs to no namespace cannot be owned from inside one: a mistake, not an absent owner.
            return Owner::Solid;
        }
        let elsewhere = !key.namespace.is_empty() && key.namespace != namespace;
        let kind = world
            .catalog
            .by_id(&key.resource)
            .map(|resource| resource.kind.as_str());
        match world.store.get(key) {
            Some(owner) if !elsewhere && key.name == text("name") && kind == Some(text("kind")) => {
                if waits(owner) {
                    Owner::Waiting
                } else {
                    Owner::Solid
                }
            }
            _ => Owner::Absent,
        }
    }

    pub(super) fn collect(&mut self, world: &mut World, key: &Key) {
        if self.switches.collector_paused {
            return;
        }
        let Some(object) = world.store.get(key).cloned() else {
            return;
        };
        if reading::deleting(&object) {
            if holds(&object, ORPHAN) {
                self.orphan(world, key, &object);
            } else if holds(&object, FOREGROUND) && !self.is_blocked(world, &object) {
                without_finalizer(world, key, &object, FOREGROUND);
            }
            return;
        }
        let judged: Vec<(String, Owner)> = reading::owners(&object)
            .iter()
            .map(|owner| {
                let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
                (uid, self.judge(world, &key.namespace, owner))
            })
            .collect();
        let some = |wanted: Owner| judged.iter().any(|(_, owner)| *owner == wanted);
        if judged.is_empty() {
            return;
        }
        if some(Owner::Solid) {
            let mut kept = Value::clone(&object);
            writes::drop_owners(&mut kept, |uid| {
                judged
                    .iter()
                    .any(|(one, owner)| one == uid && *owner != Owner::Solid)
            });
            writes::replace(world, key, kept);
            return;
        }
        let has_children = self.index.children(reading::uid(&object)).next().is_some();
        let policy = match () {
            () if some(Owner::Waiting) && has_children => "Foreground",
            () if holds(&object, ORPHAN) => "Orphan",
            () if holds(&object, FOREGROUND) => "Foreground",
            () => "Background",
        };
        writes::delete_by(world, key, policy);
    }

    /// Whether something that the object owns keeps it from going.
    fn is_blocked(&self, world: &World, object: &Value) -> bool {
        let uid = reading::uid(object);
        let mut children = self.index.children(uid).filter_map(|key| world.store.get(key));
        children.any(|child| {
            let mut owners = reading::owners(child).iter();
            owners.any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
        })
    }

    /// Lets go of everything that the object owns, and then of the object.
    fn orphan(&mut self, world: &mut World, key: &Key, object: &Value) {
        let uid = reading::uid(object);
        for child_key in self.index.children(uid) {
            let Some(child) = world.store.get(child_key) else {
                continue;
            };
            let mut free = Value::clone(child);
            writes::drop_owners(&mut free, |owner| owner == uid);
            writes::replace(world, child_key, free);
        }
        without_finalizer(world, key, object, ORPHAN);
    }
}

fn without_finalizer(world: &mut World, key: &Key, object: &Value, finalizer: &str) {
    let mut object = object.clone();
    let mut finalizers = reading::list(&object["metadata"]["finalizers"]).to_vec();
    finalizers.retain(|one| one != finalizer);
    if let Value::Object(meta) = &mut object["metadata"] {
        if finalizers.is_empty() {
            meta.remove("finalizers");
        } else {
            meta.insert("finalizers".to_owned(), finalizers.into());
        }
    }
    writes::replace(world, key, object);
}
