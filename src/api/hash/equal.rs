//! Whether two pod templates mean the same pods, however they are spelled.

use crate::api::hash::decode::decode;
use crate::api::hash::shape::Node;
use crate::api::hash::{defaults, normalised, pod_fields};
use crate::base::names::label;
use serde_json::Value;

/// Whether a ReplicaSet was made from this template, although its hash label says otherwise (another version computed it).
///
/// Compares what the peer's decoder sees, with the API server's defaults on both sides. Ignored are the hash label and
/// `serviceAccount`, the deprecated twin of `serviceAccountName` that API servers fill in.
pub fn templates_equal(replica_set_template: &Value, desired: &Value) -> bool {
    same(&comparable(replica_set_template), &comparable(desired))
}

fn comparable(template: &Value) -> Node {
    let mut template = normalised(template);
    defaults::apply(&mut template);
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove(label::POD_HASH);
    }
    if let Some(spec) = template["spec"].as_object_mut() {
        spec.remove("serviceAccount");
    }
    decode(pod_fields::TEMPLATE, &template)
}

/// Equal values; nothing equals an empty list or map, and quantities are compared by amount.
fn same(left: &Node, right: &Node) -> bool {
    match (left, right) {
        (Node::Amount(left), Node::Amount(right)) => left == right,
        (Node::List(left), Node::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Node::Map(left), Node::Map(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| left.0 == right.0 && same(left.1, right.1))
        }
        (Node::Struct(left), Node::Struct(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs.all(|(left, right)| left.0 == right.0 && same(&left.1, &right.1))
        }
        (Node::Bool(left), Node::Bool(right)) => left == right,
        (Node::Int(left), Node::Int(right)) => left == right,
        (Node::Text(left), Node::Text(right)) => left == right,
        (Node::Raw(left), Node::Raw(right)) => left == right,
        (Node::Null, other) | (other, Node::Null) => other.is_zero(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn desired() -> Value {
        json!({
            "metadata": {"labels": {"app": "a"}},
            "spec": {
                "serviceAccountName": "robot",
                "containers": [{
                    "name": "c", "image": "registry:5000/app:1.2",
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"memory": "1Gi", "cpu": 1}},
                    "readinessProbe": {"httpGet": {"port": "http"}},
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                }],
                "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
            },
        })
    }

    /// What an API server makes of [`desired`] in a ReplicaSet.
    fn stored() -> Value {
        json!({
            "metadata": {"creationTimestamp": null, "labels": {"app": "a", "rollouts-pod-template-hash": "abc"}},
            "spec": {
                "serviceAccountName": "robot", "serviceAccount": "robot",
                "containers": [{
                    "name": "c", "image": "registry:5000/app:1.2", "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "resources": {"limits": {"memory": "1073741824", "cpu": "1000m"}},
                    "readinessProbe": {
                        "httpGet": {"port": "http", "path": "/", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                    },
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                }],
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                "securityContext": {}, "schedulerName": "default-scheduler", "newInKubernetes9": true,
            },
        })
    }

    #[test]
    fn a_stored_template_equals_the_one_it_was_made_from() {
        assert!(templates_equal(&stored(), &desired()));
        assert!(templates_equal(&desired(), &desired()));
    }

    #[test]
    fn any_real_difference_is_seen() {
        let check = |pointer: &str, value: Value| {
            let mut changed = desired();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert!(!templates_equal(&stored(), &changed), "{pointer}");
        };
        check("/spec/containers/0/image", json!("registry:5000/app:1.3"));
        check("/spec/containers/0/resources/limits/memory", json!("1G"));
        check("/spec/containers/0/env", json!([]));
        check("/metadata/labels", json!({"app": "b"}));
        check(
            "/spec/volumes/0",
            json!({"name": "v", "emptyDir": {"medium": "Memory"}}),
        );
        check("/spec/serviceAccountName", json!("other"));
    }

    #[test]
    fn the_pull_policy_follows_the_tag() {
        let check = |image: &str, policy: &str| {
            let given = json!({"spec": {"containers": [{"name": "c", "image": image}]}});
            let stored =
                json!({"spec": {"containers": [{"name": "c", "image": image, "imagePullPolicy": policy}]}});
            assert!(templates_equal(&stored, &given), "{image}");
        };
        check("app", "Always");
        check("host:5000/app", "Always");
        check("app:latest", "Always");
        check("app:v1", "IfNotPresent");
        check("app@sha256:0123", "IfNotPresent");
    }
}
