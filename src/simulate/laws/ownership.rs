//! S8: ownership. The controller changes only what belongs to a Rollout, and of that only its own fields: sizes and annotations of
//! ReplicaSets, what roles put on pods, the version in a Service's selector, the weights of its own backends in a route, the stop of an
//! analysis.

use super::read::{Id, controller, list, text};
use super::rollout::{Rollout, hash_of};
use super::routers;
use super::{Found, Law, Sight, write};
use crate::base::names::{annotation, label};
use crate::cluster::store::Change;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub struct OnlyItsOwn {
    /// uids of all Rollouts that ever were: what belonged to one that is gone may still be tidied.
    uids: BTreeSet<String>,
    /// Labels and annotations that any Rollout ever gave its pods by their role.
    worn: BTreeSet<String>,
}

impl Law for OnlyItsOwn {
    fn id(&self) -> &'static str {
        "S8"
    }

    fn says(&self) -> &'static str {
        "the controller changes only objects of its Rollouts, and of those only its own fields"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        if sight.picture.delta.any {
            let new = sight
                .picture
                .rollouts
                .values()
                .filter(|rollout| !self.uids.contains(&rollout.uid));
            let new: Vec<String> = new.map(|rollout| rollout.uid.clone()).collect();
            self.uids.extend(new);
            let rollouts = sight.picture.rollouts.values();
            self.worn.extend(rollouts.flat_map(|rollout| worn(&rollout.raw)));
        }
        let request = write::done(sight).filter(|request| !write::is_housekeeping(request))?;
        let own = |change: &&Change| {
            *change.key.name == write::id(request).1 && change.key.resource == request.resource
        };
        let change = request.changes.iter().find(own)?;
        let why = self.refuses(sight, change)?;
        let evidence = format!("{}: {why}", write::told(request));
        Some(Found::new(evidence, [write::object(request)]))
    }
}

const NOTHING: Value = Value::Null;

impl OnlyItsOwn {
    fn refuses(&self, sight: &Sight<'_>, change: &Change) -> Option<String> {
        let id = (change.key.namespace.clone(), change.key.name.clone());
        let before = change.before.as_deref().unwrap_or(&NOTHING);
        let after = change.after.as_deref().unwrap_or(&NOTHING);
        match &*change.key.resource {
            "replicasets.apps" => self.set(before, after),
            "analysisruns.argoproj.io" => self.run(before, after),
            "services" => service(sight, &id, before, after),
            "httproutes.gateway.networking.k8s.io" => route(sight, &id, before, after),
            "rollouts.argoproj.io" => rollout(before, after),
            "pods" => self.pod(before, after),
            "deployments.apps" => deployment(sight, &id, before, after),
            routers::INGRESSES
                if routers::made_for(if before.is_null() { after } else { before }, &self.uids) =>
            {
                None
            }
            routers::DESTINATION_RULES if is_let_go(before, after) => None,
            resource @ (routers::INGRESSES | routers::VIRTUAL_SERVICES | routers::DESTINATION_RULES) => {
                of_router(sight, resource, &id, before, after)
            }
            other => Some(format!("{other} are none of its business")),
        }
    }

    /// Whether the controlling owner of an object is a Rollout that is or was.
    fn of_a_rollout(&self, object: &Value) -> bool {
        let (kind, uid) = controller(object);
        kind == "Rollout" && self.uids.contains(uid)
    }

    fn owner_told(object: &Value) -> String {
        match controller(object) {
            ("", _) => "nobody controls it".to_owned(),
            (kind, uid) => format!("it is controlled by {kind} with uid {uid}"),
        }
    }

    fn set(&self, before: &Value, after: &Value) -> Option<String> {
        let adopted = controller(before).0.is_empty() && self.of_a_rollout(after);
        let object = if before.is_null() { after } else { before };
        if !self.of_a_rollout(object) && !adopted {
            return Some(Self::owner_told(object));
        }
        if adopted && !before.is_null() && hash_of(before).is_empty() {
            return Some(
                "it adopted a ReplicaSet that no Rollout made: it has no pod-template hash".to_owned(),
            );
        }
        let changed = !before.is_null() && !after.is_null();
        let same = |path: &str| before.pointer(path) == after.pointer(path);
        let kept = [
            "/spec/selector",
            "/spec/template/spec/containers",
            "/metadata/uid",
        ];
        let lost = kept.into_iter().find(|path| changed && !same(path))?;
        Some(format!("it changed {lost}, which is fixed"))
    }

    /// Of a version's pod only what its role gives it.
    fn pod(&self, before: &Value, after: &Value) -> Option<String> {
        if controller(before).0 != "ReplicaSet" || hash_of(before).is_empty() {
            return Some("it is the pod of no version".to_owned());
        }
        if evicted(before, after) {
            return None;
        }
        let masked = |object: &Value| {
            let mut object = object.clone();
            for member in ["labels", "annotations"] {
                if let Some(members) = object["metadata"][member].as_object_mut() {
                    members.retain(|key, _| !self.worn.contains(key));
                }
                if object["metadata"][member] == json!({}) {
                    object["metadata"][member] = Value::Null;
                }
            }
            bare(&mut object);
            // The API server writes some members of a pod's status as null, whoever patches it.
            without_nulls(&object)
        };
        differs(&masked(before), &masked(after))
    }

    fn run(&self, before: &Value, after: &Value) -> Option<String> {
        let object = if before.is_null() { after } else { before };
        if self.of_a_rollout(object) {
            return None;
        }
        let expires = after.is_null() && object["spec"]["ttlStrategy"].is_object();
        let only_status = !before.is_null() && !after.is_null() && before["spec"] == after["spec"];
        (!expires && !only_status).then(|| Self::owner_told(object))
    }
}

/// An eviction only makes a pod go.
fn evicted(before: &Value, after: &Value) -> bool {
    // First marked, then gone: two changes, of which either may be the one that is seen.
    let goes = after.is_null() || !after["metadata"]["deletionTimestamp"].is_null();
    goes && !before.is_null()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// Of a Deployment only its size, where a Rollout that refers to it asks for that.
fn deployment(sight: &Sight<'_>, id: &Id, before: &Value, after: &Value) -> Option<String> {
    let asks = |rollout: &&Arc<Rollout>| {
        let reference = &rollout.raw["spec"]["workloadRef"];
        let sizes = matches!(text(reference, "scaleDown"), "onsuccess" | "progressively");
        rollout.id.0 == id.0
            && sizes
            && text(reference, "kind") == "Deployment"
            && text(reference, "name") == id.1
    };
    if !sight.picture.rollouts.values().any(|rollout| asks(&rollout)) {
        return Some("no Rollout asks for its size".to_owned());
    }
    let masked = |object: &Value| {
        let mut object = object.clone();
        object["spec"]["replicas"] = Value::Null;
        bare(&mut object);
        object
    };
    differs(&masked(before), &masked(after))
}

/// The keys that the roles of a Rollout give.
fn worn(rollout: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for role in [
        "canary/canaryMetadata",
        "canary/stableMetadata",
        "blueGreen/previewMetadata",
        "blueGreen/activeMetadata",
    ] {
        let metadata = rollout.pointer(&format!("/spec/strategy/{role}"));
        let members = ["labels", "annotations"].map(|member| metadata?.get(member)?.as_object());
        keys.extend(
            members
                .into_iter()
                .flatten()
                .flat_map(|members| members.keys().cloned()),
        );
    }
    keys
}

fn service(sight: &Sight<'_>, id: &Id, before: &Value, after: &Value) -> Option<String> {
    let uses = |rollout: &&Arc<Rollout>| rollout.id.0 == id.0 && rollout.spec.names(&id.1);
    let users: Vec<&Arc<Rollout>> = sight.picture.rollouts_lately().filter(uses).collect();
    let manager = super::read::annotation(before, annotation::MANAGED_BY);
    let cleans = after["spec"]["selector"][label::POD_HASH].is_null();
    if users.is_empty() && !cleans {
        return Some("no Rollout names this Service".to_owned());
    }
    if let Some(manager) =
        manager.filter(|manager| !users.is_empty() && !users.iter().any(|user| user.id.1 == *manager))
    {
        return Some(format!("it is managed by rollout {manager}"));
    }
    let masked = |object: &Value| {
        let mut object = object.clone();
        object["spec"]["selector"][label::POD_HASH] = Value::Null;
        object["metadata"]["annotations"][annotation::MANAGED_BY] = Value::Null;
        bare(&mut object);
        object
    };
    differs(&masked(before), &masked(after))
}

/// Whether all that happened to a rule is that its management ended: no subset selects by hash any more.
fn is_let_go(before: &Value, after: &Value) -> bool {
    let hashes = |rule: &Value| {
        let subsets = list(&rule["spec"], "subsets").iter();
        subsets
            .filter(|subset| !subset["labels"][label::POD_HASH].is_null())
            .count()
    };
    let managed = |rule: &Value| super::read::annotation(rule, annotation::MANAGED_BY).is_some();
    let masked = |rule: &Value| {
        let mut rule = rule.clone();
        let subsets = rule["spec"]["subsets"].as_array_mut();
        for subset in subsets.into_iter().flatten() {
            subset["labels"][label::POD_HASH] = Value::Null;
        }
        rule["metadata"]["annotations"][annotation::MANAGED_BY] = Value::Null;
        bare(&mut rule);
        rule
    };
    let ended = managed(before) && !managed(after) && hashes(after) == 0;
    ended && differs(&masked(before), &masked(after)).is_none()
}

fn of_router(sight: &Sight<'_>, resource: &str, id: &Id, before: &Value, after: &Value) -> Option<String> {
    let rollouts: Vec<&Arc<Rollout>> = sight.picture.rollouts.values().collect();
    let masked = |object: &Value| {
        let mut object = routers::masked(resource, id, object, &rollouts)?;
        bare(&mut object);
        Some(object)
    };
    match (masked(before), masked(after)) {
        (Some(before), Some(after)) => differs(&before, &after),
        _ => Some("no Rollout names this object".to_owned()),
    }
}

fn route(sight: &Sight<'_>, id: &Id, before: &Value, after: &Value) -> Option<String> {
    let users: Vec<&Arc<Rollout>> = sight
        .picture
        .rollouts_lately()
        .filter(|rollout| rollout.spec.routes.contains(id))
        .collect();
    if users.is_empty() {
        return Some("no Rollout names this route".to_owned());
    }
    let masked = |object: &Value| {
        let mut object = object.clone();
        users.iter().for_each(|user| mask_weights(&mut object, user));
        bare(&mut object);
        object
    };
    differs(&masked(before), &masked(after))
}

/// Takes out the weights that a Rollout owns: those in rules that name both its Services.
fn mask_weights(route: &mut Value, rollout: &Rollout) {
    let services = [&rollout.spec.canary_service, &rollout.spec.stable_service];
    let rules = route["spec"]["rules"].as_array_mut();
    for rule in rules.into_iter().flatten() {
        let names = |name: &str| {
            list(rule, "backendRefs")
                .iter()
                .any(|backend| text(backend, "name") == name)
        };
        if !services.iter().all(|service| names(service)) {
            continue;
        }
        let backends = rule["backendRefs"].as_array_mut().into_iter().flatten();
        for backend in
            backends.filter(|backend| services.iter().any(|service| text(backend, "name") == **service))
        {
            backend["weight"] = Value::Null;
        }
    }
}

fn rollout(before: &Value, after: &Value) -> Option<String> {
    let same = |field: &str| before["metadata"][field] == after["metadata"][field];
    if before["spec"] == after["spec"]
        && ["labels", "annotations", "ownerReferences", "finalizers"]
            .into_iter()
            .all(same)
    {
        // Only the status, as nearly always.
        return None;
    }
    let filled = before["spec"]["replicas"].is_null();
    let masked = |object: &Value| {
        let mut object = object.clone();
        if filled {
            object["spec"]["replicas"] = Value::Null;
        }
        for name in [annotation::REVISION, annotation::WORKLOAD_GENERATION] {
            object["metadata"]["annotations"][name] = Value::Null;
        }
        object["status"] = Value::Null;
        bare(&mut object);
        object
    };
    differs(&masked(before), &masked(after))
}

/// Takes out what every write changes.
fn bare(object: &mut Value) {
    for field in ["resourceVersion", "generation", "managedFields"] {
        object["metadata"][field] = json!(null);
    }
}

/// Says which part of two objects is different.
fn differs(before: &Value, after: &Value) -> Option<String> {
    if before == after {
        return None;
    }
    let parts = [
        "/metadata/labels",
        "/metadata/annotations",
        "/spec/selector",
        "/spec/rules",
        "/spec",
        "/metadata",
        "/status",
        "/apiVersion",
        "/kind",
    ];
    let part = parts
        .into_iter()
        .find(|part| before.pointer(part) != after.pointer(part))
        .unwrap_or("/");
    let show = |object: &Value| {
        object
            .pointer(part)
            .map_or("nothing".to_owned(), ToString::to_string)
    };
    Some(format!(
        "it changed what is not its own at {part}: {} became {}",
        show(before),
        show(after)
    ))
}
