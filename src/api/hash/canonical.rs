//! A pod template in the spelling that an API server's strict decoder takes, without losing a field.

use crate::api::hash::normalised;
use serde_json::Value;

/// The pod template to put into a ReplicaSet: quantities, integers and times in the spelling in which Argo Rollouts would send them.
///
/// Unlike there, fields that are newer than its libraries stay, and what its decoder would drop because it cannot read it stays as
/// written, for the API server to refuse by name.
pub fn canonical(template: &Value) -> Value {
    let mut spelled = template.clone();
    adopt(&mut spelled, &normalised(template));
    spelled
}

/// Takes over the spelling of whatever both have.
fn adopt(written: &mut Value, canonical: &Value) {
    match (written, canonical) {
        (Value::Object(written), Value::Object(canonical)) => {
            for (name, member) in written {
                if let Some(canonical) = canonical.get(name) {
                    adopt(member, canonical);
                }
            }
        }
        (Value::Array(written), Value::Array(canonical)) => {
            for (item, canonical) in written.iter_mut().zip(canonical) {
                adopt(item, canonical);
            }
        }
        // A list or an object in place of a scalar, or the other way round: not what the decoder read.
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => {}
        (written, canonical) if same_kind(written, canonical) => *written = canonical.clone(),
        _ => {}
    }
}

/// A number may become a text (a quantity), and nothing else another kind: the decoder reads what it cannot take as zero.
fn same_kind(written: &Value, canonical: &Value) -> bool {
    let kind = |value: &Value| std::mem::discriminant(value);
    kind(written) == kind(canonical) || written.is_number() && canonical.is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::hash::pod_template_hash;
    use serde_json::json;

    fn check(container: Value, want: Value) {
        let template = |container: Value| json!({"spec": {"containers": [container]}});
        assert_eq!(canonical(&template(container)), template(want));
    }

    #[test]
    fn quantities_get_the_spelling_that_argo_rollouts_sends() {
        let limits = |limits: Value| json!({"name": "c", "resources": {"limits": limits}});
        check(
            limits(json!({"cpu": "1000m", "memory": "1024Mi"})),
            limits(json!({"cpu": "1", "memory": "1Gi"})),
        );
        check(
            limits(json!({"cpu": 0.5, "memory": 64})),
            limits(json!({"cpu": "500m", "memory": "64"})),
        );
        check(
            limits(json!({"cpu": "0.001", "gpu": 1})),
            limits(json!({"cpu": "1m", "gpu": "1"})),
        );
        check(limits(json!({"cpu": " 2 "})), limits(json!({"cpu": "2"})));
    }

    #[test]
    fn whole_numbers_are_written_as_integers() {
        let port = |port: Value| json!({"name": "c", "ports": [{"containerPort": port}]});
        check(port(json!(80.0)), port(json!(80)));
    }

    #[test]
    fn no_field_is_lost_and_what_cannot_be_read_stays_as_written() {
        let newer = json!({"name": "c", "newInKubernetes9": {"cpu": "1000m"}, "tty": false, "command": []});
        check(newer.clone(), newer);
        let broken = json!({"name": "c", "resources": {"limits": {"cpu": "many"}}, "tty": "yes"});
        check(broken.clone(), broken);
    }

    #[test]
    fn the_spelling_does_not_change_the_hash() {
        for line in include_str!("../../../tests/data/argo/pod-hash.jsonl").lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let template = &row["template"];
            let again = pod_template_hash(&canonical(template), None);
            assert_eq!(again, pod_template_hash(template, None), "{line}");
        }
    }
}
