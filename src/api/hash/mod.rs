//! Pod-template and step hashes, bit-compatible with the Go JSON form that Argo Rollouts hashes, and the equality of
//! pod templates that recognises a ReplicaSet whose hash came from elsewhere.
//!
//! Decides what a pod template *is* once its accidental spelling is gone. Knows no Rollout and no cluster.

mod canonical;
mod decode;
mod defaults;
mod encode;
mod equal;
mod pod_fields;
pub mod quantity;
mod shape;
mod step_fields;

pub use canonical::canonical;
pub use equal::templates_equal;

use crate::api::rollout::LabelSelector;
use crate::api::strategy::{AnalysisArg, CanaryStep, SetHeaderRoute, SetMirrorRoute, StringMatch};
use serde::Serialize;
use serde_json::Value;
use shape::Kind;

/// The value of `rollouts-pod-template-hash` for a pod template, as Argo Rollouts 1.9 and later compute it (its Kubernetes
/// libraries omit an empty `creationTimestamp`; older ones printed it and so gave other hashes).
///
/// `collision_count` is `status.collisionCount`: `None` and `Some(0)` differ.
pub fn pod_template_hash(template: &Value, collision_count: Option<i32>) -> String {
    let text = encode::json(&decode::decode(pod_fields::TEMPLATE, template));
    let sum = fnv1a(FNV_OFFSET, text.as_bytes());
    let sum = match collision_count {
        // Eight bytes, of which only four are ever written: that is how the peer does it.
        Some(count) => fnv1a(fnv1a(sum, &count.to_le_bytes()), &[0; 4]),
        None => sum,
    };
    safe_text(sum)
}

/// The value of `status.currentStepHash` for the steps of a canary. No steps hash as the absent list does.
pub fn step_hash(steps: &[CanaryStep]) -> String {
    let value = serde_json::to_value(steps).unwrap_or_default();
    step_hash_of_json(&value)
}

/// [`step_hash`] of steps as written in a manifest. An empty list counts as none.
pub fn step_hash_of_json(steps: &Value) -> String {
    let text = match steps.as_array() {
        Some(list) if !list.is_empty() => encode::json(&decode::decode(step_fields::STEPS, steps)),
        _ => "null".to_owned(),
    };
    safe_text(fnv1a(FNV_OFFSET, text.as_bytes()))
}

/// The pod template as Argo Rollouts would write it into a ReplicaSet: unknown fields dropped, quantities in canonical form,
/// and nothing that its decoder could not read (a quantity such as `memory: invalid` takes everything after it along).
pub fn normalised(template: &Value) -> Value {
    encode::value(&decode::decode(pod_fields::TEMPLATE, template))
}

/// JSON in Go's spelling, as error messages show values.
pub fn go_json(value: &Value) -> String {
    encode::json(&shape::Node::Raw(value.clone()))
}

pub(in crate::api) fn selector_json(selector: &LabelSelector) -> String {
    typed_json(Kind::Struct(pod_fields::LABEL_SELECTOR), selector)
}

pub(in crate::api) fn header_route_json(route: &SetHeaderRoute) -> String {
    typed_json(Kind::Struct(step_fields::SET_HEADER_ROUTE), route)
}

pub(in crate::api) fn mirror_route_json(route: &SetMirrorRoute) -> String {
    typed_json(Kind::Struct(step_fields::SET_MIRROR_ROUTE), route)
}

pub(in crate::api) fn string_match_json(pattern: Option<&StringMatch>) -> String {
    pattern.map_or("null".to_owned(), |pattern| {
        typed_json(Kind::Struct(step_fields::STRING_MATCH), pattern)
    })
}

pub(in crate::api) fn analysis_args_json(args: &[&AnalysisArg]) -> String {
    typed_json(
        Kind::List(&Kind::Struct(step_fields::ANALYSIS_RUN_ARGUMENT)),
        &args,
    )
}

fn typed_json(kind: Kind, value: &impl Serialize) -> String {
    encode::json(&decode::decode(
        kind,
        &serde_json::to_value(value).unwrap_or_default(),
    ))
}

const FNV_OFFSET: u32 = 2_166_136_261;
const FNV_PRIME: u32 = 16_777_619;

/// FNV-1a over `bytes`, continued from `sum`.
fn fnv1a(sum: u32, bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(sum, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// Kubernetes' alphabet without vowels and look-alikes, indexed by the bytes of the decimal number.
fn safe_text(sum: u32) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let digits = sum.to_string();
    digits
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct PodRow {
        template: Value,
        collision_count: Option<i32>,
        want: String,
    }

    #[derive(Deserialize)]
    struct StepRow {
        #[serde(default)]
        steps: Value,
        want: String,
    }

    #[test]
    fn pod_template_hashes_equal_the_peers() {
        let rows = include_str!("../../../tests/data/argo/pod-hash.jsonl");
        let mut count = 0;
        for line in rows.lines() {
            let row: PodRow = serde_json::from_str(line).unwrap();
            let got = pod_template_hash(&row.template, row.collision_count);
            assert_eq!(got, row.want, "{line}");
            count += 1;
        }
        assert_eq!(count, 400);
    }

    #[test]
    fn step_hashes_equal_the_peers_raw_and_typed() {
        let rows = include_str!("../../../tests/data/argo/step-hash.jsonl");
        let mut count = 0;
        for line in rows.lines() {
            let row: StepRow = serde_json::from_str(line).unwrap();
            assert_eq!(step_hash_of_json(&row.steps), row.want, "{line}");
            let typed: Option<Vec<CanaryStep>> = serde_json::from_value(row.steps).unwrap();
            assert_eq!(step_hash(&typed.unwrap_or_default()), row.want, "typed: {line}");
            count += 1;
        }
        assert_eq!(count, 150);
    }

    /// Two templates whose hashes Argo's own end-to-end tests name.
    #[test]
    fn published_hashes_are_met() {
        let check = |app: &str, gate: bool, want: &str| {
            let mut template = json!({
                "metadata": {"labels": {"app": app}},
                "spec": {"containers": [{"name": app, "image": "nginx:1.19-alpine",
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                    "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}}]},
            });
            if gate {
                template["spec"]["readinessGates"] = json!([{"conditionType": "argoproj.io/e2e-readiness"}]);
            }
            assert_eq!(pod_template_hash(&template, None), want);
        };
        check("canary-scaledowndelay", false, "674d8cf959");
        check("dynamic-stable-scale", true, "6b56c8cdb4");
    }

    #[test]
    fn a_collision_count_of_zero_is_not_none() {
        let template = json!({"spec": {"containers": []}});
        assert_ne!(
            pod_template_hash(&template, None),
            pod_template_hash(&template, Some(0))
        );
    }

    #[test]
    fn typed_steps_hash_as_their_manifest_does() {
        let steps = json!([
            {"analysis": {"templates": [{"templateName": "a", "clusterScope": false}, {"templateName": "b"}], "args": [
                {"name": "x", "value": ""}, {"name": "y", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}},
            {"pause": {}}, {"pause": {"duration": "10"}}, {"setCanaryScale": {"weight": 0, "matchTrafficWeight": false}},
            {"setHeaderRoute": {"name": "h", "match": []}}, {"setHeaderRoute": {"match": [{"headerName": "x"}]}},
            {"experiment": {"templates": [], "analyses": [{"name": "e", "templateName": "a", "clusterScope": false}]}},
            {"plugin": {"name": "p", "config": {"z": "<b>", "a": [1.5, 1e-7, null]}}}, {"setWeight": 0}, {},
        ]);
        let typed: Vec<CanaryStep> = serde_json::from_value(steps.clone()).unwrap();
        for (index, (step, raw)) in typed.iter().zip(steps.as_array().unwrap()).enumerate() {
            let raw = step_hash_of_json(&json!([raw]));
            assert_eq!(step_hash(std::slice::from_ref(step)), raw, "step {index}");
        }
    }

    #[test]
    fn an_unreadable_quantity_takes_what_follows_it_along() {
        let template = json!({"spec": {
            "containers": [
                {"image": "i", "name": "c", "resources": {"limits": {"cpu": 1, "memory": "invalid"}}, "tty": true},
                {"image": "j", "name": "d"},
            ],
            "automountServiceAccountToken": false,
            "hostNetwork": true,
        }});
        let want = json!({"metadata": {}, "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"image": "i", "name": "c", "resources": {"limits": {"cpu": "1"}}}],
        }});
        assert_eq!(normalised(&template), want);
    }

    #[test]
    fn a_normalised_template_hashes_as_before() {
        for line in include_str!("../../../tests/data/argo/pod-hash.jsonl").lines() {
            let row: PodRow = serde_json::from_str(line).unwrap();
            let again = pod_template_hash(&normalised(&row.template), row.collision_count);
            assert_eq!(again, row.want, "{line}");
        }
    }
}
