//! A pod's look as the status a kubelet would write. Pure.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::model::{Life, Look};

/// The patch of the status subresource (strategic merge, so that conditions of others stay); none where
/// there is nothing to write.
pub fn patch(pod: &Value, look: &Look, life: Life, now: DateTime<Utc>) -> Option<Value> {
    let (phase, ready_since, gates_open) = match look {
        Look::Unbound | Look::Gone | Look::Unchanged => return None,
        Look::NoImage => ("Pending", None, false),
        Look::Running | Look::Crashing { .. } => ("Running", None, false),
        Look::Ready { since, gates_open } => ("Running", Some(*since), *gates_open),
        Look::Finished { code: 0 } => ("Succeeded", None, false),
        Look::Finished { .. } => ("Failed", None, false),
    };
    let pod_ready = ready_since.is_some() && gates_open;
    let containers = container_statuses(pod, look, life, now);
    let ip = address(pod["metadata"]["uid"].as_str().unwrap_or_default());
    Some(json!({"status": {
        "phase": phase,
        "hostIP": "127.0.0.1",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": time(life.started),
        "containerStatuses": containers,
        "conditions": [
            condition("PodScheduled", true, life.started, ""),
            condition("Initialized", true, life.started, ""),
            condition("ContainersReady", ready_since.is_some(), ready_since.unwrap_or(now), "ContainersNotReady"),
            condition("Ready", pod_ready, now, if ready_since.is_some() { "ReadinessGatesNotReady" } else { "ContainersNotReady" }),
        ],
    }}))
}

fn condition(kind: &str, holds: bool, since: DateTime<Utc>, why_not: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    let reason = if holds { Value::Null } else { why_not.into() };
    json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": time(since)})
}

fn container_statuses(pod: &Value, look: &Look, life: Life, now: DateTime<Utc>) -> Vec<Value> {
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let ended = |code: i32| {
        json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
               "startedAt": time(life.started), "finishedAt": time(now)})
    };
    let one = |container: &Value| {
        let image = &container["image"];
        let (state, last, restarts) = match look {
            Look::NoImage => {
                let message = format!("failed to pull image {image}: not found");
                (
                    json!({"waiting": {"reason": "ErrImagePull", "message": message}}),
                    json!({}),
                    0,
                )
            }
            Look::Crashing { restarts } => {
                let message = "back-off restarting failed container";
                let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
                (waiting, json!({"terminated": ended(1)}), *restarts)
            }
            Look::Finished { code } => (json!({"terminated": ended(*code)}), json!({}), 0),
            _ => (
                json!({"running": {"startedAt": time(life.started)}}),
                json!({}),
                0,
            ),
        };
        json!({
            "name": container["name"], "image": image, "imageID": image, "restartCount": restarts,
            "ready": matches!(look, Look::Ready { .. }), "started": state.get("running").is_some(),
            "state": state, "lastState": last,
        })
    };
    containers.iter().map(one).collect()
}

/// An address of 10.128.0.0/9 that belongs to the pod with this uid, the same each time it is asked for.
pub fn address(uid: &str) -> String {
    let hash = uid.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [_, b, c, d] = hash.to_be_bytes();
    format!("10.{}.{c}.{d}", 128 | b)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(look: &Look, pointer: &str, expect: Value) {
        let pod =
            json!({"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}});
        let life = Life {
            started: DateTime::UNIX_EPOCH,
            deleted: None,
        };
        let patch = patch(&pod, look, life, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(
            patch.pointer(pointer).unwrap_or(&Value::Null),
            &expect,
            "{look:?} {pointer}"
        );
    }

    #[test]
    fn a_look_becomes_phase_and_conditions() {
        let since = DateTime::UNIX_EPOCH;
        let ready = Look::Ready {
            since,
            gates_open: true,
        };
        let gated = Look::Ready {
            since,
            gates_open: false,
        };
        check(&ready, "/status/phase", json!("Running"));
        check(&ready, "/status/conditions/3/status", json!("True"));
        check(&gated, "/status/conditions/2/status", json!("True"));
        check(&gated, "/status/conditions/3/status", json!("False"));
        check(
            &gated,
            "/status/conditions/3/reason",
            json!("ReadinessGatesNotReady"),
        );
        check(&Look::Running, "/status/conditions/3/status", json!("False"));
        check(&Look::NoImage, "/status/phase", json!("Pending"));
        check(
            &Look::NoImage,
            "/status/containerStatuses/0/state/waiting/reason",
            json!("ErrImagePull"),
        );
        check(
            &Look::Crashing { restarts: 3 },
            "/status/containerStatuses/0/restartCount",
            json!(3),
        );
        check(&Look::Finished { code: 0 }, "/status/phase", json!("Succeeded"));
        check(&Look::Finished { code: 4 }, "/status/phase", json!("Failed"));
        check(
            &Look::Finished { code: 4 },
            "/status/containerStatuses/0/state/terminated/exitCode",
            json!(4),
        );
    }

    #[test]
    fn addresses_are_those_of_pods_and_differ() {
        assert_eq!(address("a"), address("a"));
        assert_ne!(address("a"), address("b"));
        assert!(address("a").starts_with("10."));
    }
}
