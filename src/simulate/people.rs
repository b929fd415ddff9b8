//! Everyone who is not the controller: people, programs and faults, acting on the world at once and by name.

use crate::base::object::Kind;
use crate::cluster::failure::Failure;
use crate::cluster::models;
use crate::cluster::request::{Call, Query, Verb};
use crate::cluster::store::Key;
use crate::cluster::{Cluster, catalog::Resource};
use crate::simulate::crew::Crew;
use crate::simulate::record::What;
use crate::simulate::stage::Stage;
use serde_json::Value;
use std::sync::Arc;

/// What an actor needs. Clones act on the same world.
#[derive(Clone)]
pub struct Hand {
    pub cluster: Cluster,
    pub stage: Stage,
    pub crew: Crew,
    /// How nodes and the cluster's own controllers misbehave.
    pub nodes: models::Faults,
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Hand")
    }
}

impl Hand {
    /// Says what an actor is about to do.
    pub fn says(&self, name: &str, does: impl Into<String>) {
        let what = What::Actor {
            name: name.to_owned(),
            does: does.into(),
        };
        self.stage.tell(&self.cluster, what);
    }

    fn resource(&self, id: &str) -> Result<Arc<Resource>, Failure> {
        let world = self.cluster.world();
        world.catalog.by_id(id).cloned().ok_or_else(Failure::no_resource)
    }

    /// An object, by the `plural.group` of its kind.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let resource = self.resource(resource).ok()?;
        let world = self.cluster.world();
        world.store.get(&Key::new(&resource.id, namespace, name)).cloned()
    }

    pub fn rollout(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.get(&id(Kind::Rollout), namespace, name)
    }

    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Ok(resource) = self.resource(resource) else {
            return Vec::new();
        };
        let world = self.cluster.world();
        let listed = world.store.list(&resource.id, namespace);
        listed.map(|(_, object)| Arc::clone(object)).collect()
    }

    fn send(
        &self,
        who: &str,
        verb: Verb,
        at: (&Arc<Resource>, &str, &str, &str),
        query: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let (resource, namespace, name, subresource) = at;
        let content_type = match verb {
            Verb::Patch => "application/merge-patch+json",
            _ => "application/json",
        };
        self.cluster.request(&Call {
            caller: who.into(),
            verb,
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            query: Query::parse(query),
            content_type: content_type.to_owned(),
            partial: false,
            body: body.map(Value::to_string).unwrap_or_default().into(),
        })
    }

    /// Creates an object, in `default` when it names no namespace and its kind has some.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn create(&self, who: &str, object: &Value) -> Result<Value, Failure> {
        let (resource, namespace, _) = self.place(object)?;
        self.send(
            who,
            Verb::Create,
            (&resource, &namespace, "", ""),
            "",
            Some(object),
        )
    }

    /// Creates an object or, where it exists, merges this one into it: as people apply manifests.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn apply(&self, who: &str, object: &Value) -> Result<Value, Failure> {
        let (resource, namespace, name) = self.place(object)?;
        if self.get(&resource.id, &namespace, &name).is_none() {
            return self.create(who, object);
        }
        let at = (&resource, namespace.as_str(), name.as_str(), "");
        self.send(who, Verb::Patch, at, "", Some(object))
    }

    fn place(&self, object: &Value) -> Result<(Arc<Resource>, String, String), Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let resource = {
            let world = self.cluster.world();
            world.catalog.by_kind(&version, &kind).cloned()
        };
        let resource = resource
            .ok_or_else(|| Failure::bad_request(format!("no kind {kind:?} in version {version:?} here")))?;
        let mut namespace = text(&object["metadata"]["namespace"]);
        if namespace.is_empty() && resource.namespaced {
            namespace = "default".into();
        }
        Ok((resource, namespace, text(&object["metadata"]["name"])))
    }

    /// A merge patch, of a subresource when that is not empty.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn patch(
        &self,
        who: &str,
        (resource, namespace, name, subresource): (&str, &str, &str, &str),
        patch: &Value,
    ) -> Result<Value, Failure> {
        let resource = self.resource(resource)?;
        let at = (&resource, namespace, name, subresource);
        self.send(who, Verb::Patch, at, "", Some(patch))
    }

    /// Deletes in the background, or as `policy` (`Foreground`, `Orphan`) says.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn delete(
        &self,
        who: &str,
        (resource, namespace, name): (&str, &str, &str),
        policy: &str,
    ) -> Result<Value, Failure> {
        let resource = self.resource(resource)?;
        let query = match policy {
            "" => String::new(),
            policy => format!("propagationPolicy={policy}"),
        };
        let at = (&resource, namespace, name, "");
        self.send(who, Verb::Delete, at, &query, None)
    }
}

/// `plural.group` of a kind that the controller knows.
pub fn id(kind: Kind) -> String {
    match kind.api_version().split_once('/') {
        Some((group, _)) => format!("{}.{group}", kind.plural()),
        None => kind.plural().to_owned(),
    }
}
