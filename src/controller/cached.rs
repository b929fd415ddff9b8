//! Objects as the caches keep them: decoded once, small, and never able to break the watch they came from.

use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::json::text;
use crate::base::names::annotation;
use crate::base::object::{Key, OwnerRef};
use crate::plan::analysis::{Job, JobPod};
use crate::plan::experiment::{Experiment, ExperimentStatus};
use crate::plan::question::Service;
use crate::plan::{ReplicaSet, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A kind of object that the caches can hold.
pub trait Decode: Sized + std::fmt::Debug + Send + Sync + 'static {
    /// Reads the object as the API server sends it. `Err` names the field that cannot be read, for people.
    fn decode(json: Value) -> Result<Self, String>;
}

/// One object of a list or watch, whether it can be read or not.
#[derive(Debug)]
pub struct Seen<T> {
    /// Name, namespace, uid and resourceVersion; nothing else.
    meta: ObjectMeta,
    pub owner: Option<OwnerRef>,
    /// The Rollout that manages the selector of this Service.
    pub manager: Option<String>,
    pub deleting: bool,
    pub object: Result<Arc<T>, String>,
}

impl<T> Seen<T> {
    pub fn key(&self) -> Key {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        Key::new(part(&self.meta.namespace), part(&self.meta.name))
    }

    pub fn uid(&self) -> String {
        self.meta.uid.clone().unwrap_or_default()
    }

    pub fn version(&self) -> String {
        self.meta.resource_version.clone().unwrap_or_default()
    }
}

impl<T: Decode> Seen<T> {
    pub fn from_json(mut json: Value) -> Self {
        let part = |name: &str| Some(text(&json, &format!("/metadata/{name}")).to_owned());
        let meta = ObjectMeta {
            name: part("name"),
            namespace: part("namespace").filter(|namespace| !namespace.is_empty()),
            uid: part("uid"),
            resource_version: part("resourceVersion"),
            ..ObjectMeta::default()
        };
        let owner = controller(&json);
        let manager = json["metadata"]["annotations"][annotation::MANAGED_BY].as_str();
        let manager = manager.filter(|name| !name.is_empty()).map(str::to_owned);
        let deleting = !text(&json, "/metadata/deletionTimestamp").is_empty();
        drop_bulk(&mut json);
        Self {
            meta,
            owner,
            manager,
            deleting,
            object: T::decode(json).map(Arc::new),
        }
    }
}

/// The owner that controls the object. A reference that cannot be read is no owner.
fn controller(json: &Value) -> Option<OwnerRef> {
    let owners = json.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    serde_json::from_value(owner.clone()).ok()
}

/// Drops what no decision reads and what weighs most: managed fields and kubectl's copy of the manifest.
fn drop_bulk(json: &mut Value) {
    let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.remove("managedFields");
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(annotation::LAST_APPLIED);
    }
}

impl<'de, T: Decode> Deserialize<'de> for Seen<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from_json)
    }
}

// By hand: the derived one would ask for `T: Clone`.
impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self {
            meta: self.meta.clone(),
            owner: self.owner.clone(),
            manager: self.manager.clone(),
            deleting: self.deleting,
            object: self.object.clone(),
        }
    }
}

impl<T> Resource for Seen<T> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        dt.kind.as_str().into()
    }

    fn group(dt: &ApiResource) -> Cow<'_, str> {
        dt.group.as_str().into()
    }

    fn version(dt: &ApiResource) -> Cow<'_, str> {
        dt.version.as_str().into()
    }

    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        dt.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl Decode for Rollout {
    fn decode(json: Value) -> Result<Self, String> {
        decode(json)
    }
}

impl Decode for AnalysisRun {
    fn decode(json: Value) -> Result<Self, String> {
        decode(json)
    }
}

impl Decode for Experiment {
    fn decode(json: Value) -> Result<Self, String> {
        let status = &json["status"];
        Ok(Self {
            metadata: decode(json["metadata"].clone())?,
            status: ExperimentStatus {
                phase: text(status, "/phase").to_owned(),
                message: text(status, "/message").to_owned(),
            },
        })
    }
}

impl Decode for AnalysisTemplate {
    fn decode(json: Value) -> Result<Self, String> {
        decode(json)
    }
}

impl Decode for ReplicaSet {
    fn decode(json: Value) -> Result<Self, String> {
        ReplicaSet::from_json(json)
    }
}

impl Decode for Workload {
    fn decode(json: Value) -> Result<Self, String> {
        Workload::from_json(json)
    }
}

impl Decode for Job {
    fn decode(json: Value) -> Result<Self, String> {
        Ok(Self {
            metadata: decode(json["metadata"].clone())?,
            end: Self::end_in(&json["status"]),
            stuck: None,
        })
    }
}

impl Decode for JobPod {
    fn decode(json: Value) -> Result<Self, String> {
        Ok(Self {
            stuck: Self::stuck_in(&json),
        })
    }
}

impl Decode for Service {
    fn decode(mut json: Value) -> Result<Self, String> {
        let selector = json.pointer_mut("/spec/selector").map(Value::take);
        Ok(Self {
            metadata: decode(json["metadata"].take())?,
            selector: decode(selector.unwrap_or_else(|| Value::Object(serde_json::Map::new())))?,
        })
    }
}

/// Kept as it is: routes belong to others, and no field of theirs may be lost.
impl Decode for Value {
    fn decode(json: Value) -> Result<Self, String> {
        Ok(json)
    }
}

fn decode<T: DeserializeOwned>(json: Value) -> Result<T, String> {
    T::deserialize(&json).map_err(|error| match culprit::<T>(&json) {
        path if path.is_empty() => error.to_string(),
        path => format!("{path}: {error}"),
    })
}

/// The field that keeps `json` from being decoded: the deepest one without which the rest can be. Decoders do not tell, and people
/// must know what to mend; it costs time only for objects that are broken.
fn culprit<T: DeserializeOwned>(json: &Value) -> String {
    let (mut pointer, mut path) = (String::new(), String::new());
    loop {
        let blamed = members(json, &pointer)
            .into_iter()
            .find(|member| without(json, &pointer, member).is_some_and(|rest| T::deserialize(&rest).is_ok()));
        let Some(member) = blamed else {
            return path;
        };
        let is_index = json.pointer(&pointer).is_some_and(Value::is_array);
        match (is_index, path.is_empty()) {
            (true, _) => path.push_str(&format!("[{member}]")),
            (false, true) => path.push_str(&member),
            (false, false) => path.push_str(&format!(".{member}")),
        }
        pointer.push_str(&format!("/{}", member.replace('~', "~0").replace('/', "~1")));
    }
}

fn members(json: &Value, pointer: &str) -> Vec<String> {
    match json.pointer(pointer) {
        Some(Value::Object(object)) => object.keys().cloned().collect(),
        Some(Value::Array(list)) => (0..list.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn without(json: &Value, pointer: &str, member: &str) -> Option<Value> {
    let mut rest = json.clone();
    match rest.pointer_mut(pointer)? {
        Value::Object(object) => drop(object.remove(member)?),
        Value::Array(list) => drop(list.remove(member.parse().ok()?)),
        _ => return None,
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check_error(json: Value, want: &str) {
        let seen = Seen::<Rollout>::from_json(json);
        assert_eq!(seen.object.map(drop).unwrap_err(), want);
        assert_eq!(seen.meta.name.as_deref(), Some("web"));
    }

    #[test]
    fn an_undecodable_object_names_its_field() {
        check_error(
            json!({"metadata": {"name": "web"}, "spec": {"replicas": "three", "paused": true}}),
            "spec.replicas: invalid type: string \"three\", expected i32",
        );
        check_error(
            json!({"metadata": {"name": "web"}, "spec": {"strategy": {"canary": {"steps": [
                {"setWeight": 5}, {"setWeight": "many"}]}}}}),
            "spec.strategy.canary.steps[1].setWeight: invalid type: string \"many\", expected i32",
        );
    }

    #[test]
    fn managed_fields_and_the_last_applied_manifest_are_dropped() {
        let json = json!({"metadata": {"name": "web", "managedFields": [{}],
            "annotations": {annotation::LAST_APPLIED: "{}", "kept": "yes"}}});
        let seen = Seen::<Value>::from_json(json);
        assert_eq!(
            *seen.object.unwrap(),
            json!({"metadata": {"name": "web", "annotations": {"kept": "yes"}}})
        );
    }

    #[test]
    fn a_service_keeps_metadata_and_selector() {
        let json = json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
        let service = Seen::<Service>::from_json(json).object.unwrap();
        assert_eq!(service.selector.get("app").map(String::as_str), Some("web"));
        assert_eq!(service.metadata.namespace, "shop");
        let headless = Seen::<Service>::from_json(json!({"metadata": {"name": "x"}, "spec": {}}));
        assert!(headless.object.unwrap().selector.is_empty());
    }
}
