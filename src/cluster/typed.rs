//! Built-in objects read through their Rust types: wrong types are found and unknown fields dropped, as the API
//! server does by decoding. Knows no defaults and no rules.

use k8s_openapi::api::{apps, autoscaling, batch, coordination, core, discovery, events, networking, policy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an object and writes it again; an error in words if a field has the wrong type.
pub type Typed = fn(Value) -> Result<Value, String>;

fn through<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(object).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}

macro_rules! typed {
    ($($name:ident = $kind:path;)*) => { $(
        pub fn $name() -> Typed { through::<$kind> }
    )* };
}

typed! {
    configmap = core::v1::ConfigMap;
    event = core::v1::Event;
    new_event = events::v1::Event;
    namespace = core::v1::Namespace;
    node = core::v1::Node;
    pod = core::v1::Pod;
    pod_template = core::v1::PodTemplate;
    secret = core::v1::Secret;
    service = core::v1::Service;
    service_account = core::v1::ServiceAccount;
    controller_revision = apps::v1::ControllerRevision;
    daemon_set = apps::v1::DaemonSet;
    deployment = apps::v1::Deployment;
    replica_set = apps::v1::ReplicaSet;
    stateful_set = apps::v1::StatefulSet;
    autoscaler = autoscaling::v2::HorizontalPodAutoscaler;
    job = batch::v1::Job;
    lease = coordination::v1::Lease;
    endpoint_slice = discovery::v1::EndpointSlice;
    ingress = networking::v1::Ingress;
    disruption_budget = policy::v1::PodDisruptionBudget;
}

/// Kinds that are kept as they come.
pub fn untyped() -> Typed {
    Ok
}

/// The paths that are in `sent` but not in `kept`, as the API server names unknown fields.
pub fn unknown_fields(sent: &Value, kept: &Value, path: &str, found: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (field, value) in sent {
                let path = if path.is_empty() {
                    field.clone()
                } else {
                    format!("{path}.{field}")
                };
                match kept.get(field) {
                    Some(kept) => unknown_fields(value, kept, &path, found),
                    None if empty(value) => {}
                    None => found.push(path),
                }
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            for (at, (sent, kept)) in sent.iter().zip(kept).enumerate() {
                unknown_fields(sent, kept, &format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

/// Fields that say nothing are dropped without a word.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_by_their_path() {
        let sent = json!({"metadata": {"name": "a"}, "spec": {"replicas": 1, "template": {"spec": {
            "containers": [{"name": "c", "imag": "x"}]}}, "selector": {}, "unk": 1}});
        let kept = replica_set()(sent.clone()).unwrap();
        let mut found = Vec::new();
        unknown_fields(&sent, &kept, "", &mut found);
        assert_eq!(found, ["spec.template.spec.containers[0].imag", "spec.unk"]);
        assert!(configmap()(json!({"data": {"a": 1}})).is_err());
    }
}
