//! The objects that actors act on: the Rollout that the world is about, and what belongs to it.

use super::aim::{LEASES, ROLLOUTS, ROUTES, SERVICES, SETS};
use crate::base::names::label;
use crate::cluster::failure::Failure;
use crate::cluster::request::{Call, Query, Verb};
use crate::cluster::store::Key;
use crate::simulate::crew::NAMESPACE;
use crate::simulate::people::Hand;
use serde_json::{Value, json};
use std::sync::Arc;

/// The name that faults give to what they add.
pub const ADDED: &str = "simulated-fault";

/// A Rollout as it is now.
#[derive(Clone, Debug)]
pub struct Subject {
    pub namespace: String,
    pub name: String,
    pub object: Arc<Value>,
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The first Rollout that no fault has added.
pub fn subject(hand: &Hand) -> Option<Subject> {
    let all = hand.list(ROLLOUTS, None);
    let object = all
        .into_iter()
        .find(|object| !text(&object["metadata"]["name"]).starts_with(ADDED))?;
    Some(Subject {
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        object,
    })
}

impl Subject {
    pub fn status(&self) -> &Value {
        &self.object["status"]
    }

    /// An update is under way, seen by the controller and not aborted.
    pub fn updating(&self) -> bool {
        let status = self.status();
        let (current, stable) = (&status["currentPodHash"], &status["stableRS"]);
        current.is_string() && stable.is_string() && current != stable && status["abort"] != true
    }

    pub fn stable_hash(&self) -> String {
        text(&self.status()["stableRS"])
    }

    pub fn canary_hash(&self) -> String {
        text(&self.status()["currentPodHash"])
    }

    pub fn service(&self, which: &str) -> String {
        text(&self.object["spec"]["strategy"]["canary"][which])
    }

    pub fn sets(&self, hand: &Hand) -> Vec<Arc<Value>> {
        let mut sets = hand.list(SETS, Some(&self.namespace));
        sets.retain(|set| {
            let owners = set["metadata"]["ownerReferences"]
                .as_array()
                .into_iter()
                .flatten();
            owners
                .into_iter()
                .any(|owner| owner["name"] == self.name.as_str())
        });
        sets
    }

    pub fn set(&self, hand: &Hand, hash: &str) -> Option<Arc<Value>> {
        let mut sets = self.sets(hand).into_iter();
        sets.find(|set| set["metadata"]["labels"][label::POD_HASH] == hash)
    }

    /// The routes of its namespace.
    pub fn routes(&self, hand: &Hand) -> Vec<Arc<Value>> {
        hand.list(ROUTES, Some(&self.namespace))
    }

    pub fn services(&self, hand: &Hand) -> Vec<Arc<Value>> {
        hand.list(SERVICES, Some(&self.namespace))
    }

    /// A merge patch of the Rollout, or of its status.
    pub fn patch(&self, hand: &Hand, who: &str, subresource: &str, patch: &Value) -> bool {
        let at = (ROLLOUTS, self.namespace.as_str(), self.name.as_str(), subresource);
        hand.patch(who, at, patch).is_ok()
    }

    /// A new image tag for the first container.
    pub fn set_tag(&self, hand: &Hand, who: &str, tag: &str) -> bool {
        let mut containers = self.object["spec"]["template"]["spec"]["containers"].clone();
        if containers.as_array().is_none_or(Vec::is_empty) {
            // Its template is somewhere else.
            return false;
        }
        let image = text(&containers[0]["image"]);
        let name = image.rsplit_once(':').map_or(image.as_str(), |(name, _)| name);
        containers[0]["image"] = format!("{name}:{tag}").into();
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.patch(hand, who, "", &patch)
    }

    /// The image tag of the stable version.
    pub fn stable_tag(&self, hand: &Hand) -> Option<String> {
        let set = self.set(hand, &self.stable_hash())?;
        let image = text(&set["spec"]["template"]["spec"]["containers"][0]["image"]);
        image.rsplit_once(':').map(|(_, tag)| tag.to_owned())
    }
}

/// An object as a manifest would say it.
pub fn manifest(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = object["metadata"].as_object_mut() {
        let system = [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "finalizers",
        ];
        for field in system {
            meta.remove(field);
        }
    }
    object
}

/// Creates an object again unless somebody else did.
pub fn create_again(hand: &Hand, who: &str, object: &Value) -> Result<(), Failure> {
    match hand.create(who, &manifest(object)) {
        Err(failure) if failure.code != 409 => Err(failure),
        _ => Ok(()),
    }
}

/// The replica that leads by the Lease, or the first that is up.
pub fn leader(hand: &Hand) -> Option<Arc<str>> {
    let names = hand.crew.names();
    let leases = hand.list(LEASES, Some(NAMESPACE));
    let holder = leases.iter().find_map(|lease| {
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        let (name, _) = holder.rsplit_once('_')?;
        names.iter().find(|one| &***one == name).cloned()
    });
    holder
        .filter(|name| hand.crew.is_up(name))
        .or_else(|| names.into_iter().find(|name| hand.crew.is_up(name)))
}

/// Writes what is stored behind the API: no validation, no admission. The version is a new one.
pub fn store(hand: &Hand, resource: &str, namespace: &str, name: &str, object: Value) {
    hand.cluster.change(|world| {
        let id = world.catalog.by_id(resource).map(|one| Arc::clone(&one.id));
        if let Some(id) = id {
            world.store.put(&Key::new(&id, namespace, name), object);
        }
    });
}

/// Evicts a pod, as `kubectl drain` does.
///
/// # Errors
/// The API server's refusal.
pub fn evict(hand: &Hand, who: &str, pod: &Value) -> Result<(), Failure> {
    let resource = {
        let world = hand.cluster.world();
        world
            .catalog
            .by_id("pods")
            .cloned()
            .ok_or_else(Failure::no_resource)?
    };
    let (namespace, name) = (
        text(&pod["metadata"]["namespace"]),
        text(&pod["metadata"]["name"]),
    );
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}});
    let call = Call {
        caller: who.into(),
        verb: Verb::Create,
        resource,
        namespace,
        name,
        subresource: "eviction".into(),
        query: Query::default(),
        content_type: "application/json".into(),
        partial: false,
        body: body.to_string().into(),
    };
    hand.cluster.request(&call).map(|_| ())
}
