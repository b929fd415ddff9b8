//! The laws of the simulator, listening to the small world of these tests: what the planner writes in them breaks none.

use crate::world::{By, Told, World};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use serin::base::object::Kind;
use serin::cluster::request::Verb as ApiVerb;
use serin::cluster::store::{Key, Store};
use serin::plan::Verb;
use serin::simulate::laws::{Facts, Laws};
use serin::simulate::record::{Moment, Record, ReplicaEvent, Requested, What};
use std::sync::Arc;

const REPLICA: &str = "serin-a";

/// The laws beside a world, with a store of their own that shows what the world shows.
struct Judge {
    store: Store,
    laws: Laws,
}

/// Lets the laws listen to a world from now on: the first one that breaks ends the test. In this world the controller sees everything as
/// it is, so no lag is excused.
pub fn judge(world: &mut World) {
    let facts = Facts {
        lag_max: TimeDelta::zero(),
        ..Facts::default()
    };
    let mut judge = Judge {
        store: Store::default(),
        laws: Laws::all(facts),
    };
    judge.replica(world.now, ReplicaEvent::Started);
    world.listener = Some(Box::new(move |now, told| judge.hear(now, told)));
}

fn resource(kind: Kind) -> Arc<str> {
    match kind.api_version().split_once('/') {
        Some((group, _)) => format!("{}.{group}", kind.plural()).into(),
        None => kind.plural().into(),
    }
}

impl Judge {
    fn tell(&mut self, now: DateTime<Utc>, what: What) {
        let record = Record { at: now, what };
        let moment = Moment {
            record: &record,
            store: &self.store,
        };
        let broken = self.laws.look(&moment);
        let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "{}", told.join("\n"));
    }

    fn replica(&mut self, now: DateTime<Utc>, what: ReplicaEvent) {
        self.tell(
            now,
            What::Replica {
                name: REPLICA.into(),
                what,
            },
        );
    }

    fn hear(&mut self, now: DateTime<Utc>, told: Told) {
        let Told::Wrote {
            by,
            verb,
            kind,
            name,
            body,
            object,
        } = told
        else {
            let crashed = matches!(told, Told::Crashed);
            let what = if crashed {
                ReplicaEvent::Crashed
            } else {
                ReplicaEvent::Started
            };
            return self.replica(now, what);
        };
        let key = Key::new(&resource(kind), crate::world::NAMESPACE, name);
        let version = self.store.version();
        match object {
            Some(object) => drop(self.store.put(&key, object.clone())),
            None => drop(self.store.remove(&key)),
        }
        let changes = self.store.changes_after(version);
        if by == By::Pods {
            return self.tell(now, What::Changed(changes));
        }
        let verb_and_part = match verb {
            Verb::Create => (ApiVerb::Create, ""),
            Verb::Patch => (ApiVerb::Patch, ""),
            Verb::PatchStatus => (ApiVerb::Patch, "status"),
            Verb::Replace => (ApiVerb::Update, ""),
            Verb::Evict => (ApiVerb::Create, "eviction"),
            Verb::Delete => (ApiVerb::Delete, ""),
        };
        let request = Requested {
            caller: if by == By::Controller { REPLICA } else { "person" }.into(),
            verb: verb_and_part.0,
            resource: key.resource.clone(),
            namespace: key.namespace.clone(),
            name: if verb == Verb::Create {
                String::new()
            } else {
                key.name.clone()
            },
            subresource: verb_and_part.1.into(),
            body: without_stamp(body),
            code: 200,
            changes,
        };
        self.tell(now, What::Request(Box::new(request)));
    }
}

/// The world stamps what it creates; a request has no such stamp.
fn without_stamp(mut body: Value) -> Value {
    if let Some(meta) = body["metadata"].as_object_mut() {
        meta.remove("creationTimestamp");
    }
    body
}
