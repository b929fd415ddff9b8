//! A pod's look as the status a kubelet would write. Pure: knows neither cluster nor clock.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{Life, Look};

/// The patch of the status subresource (strategic merge, so that conditions of others stay); none where
/// there is nothing to write.
pub fn patch(pod: &Value, look: &Look, life: Life, now: DateTime<Utc>) -> Option<Value> {
    let (phase, ready_since, gates_open) = match look {
        Look::Unbound | Look::Gone | Look::Unchanged => return None,
        Look::Starting | Look::NoImage => ("Pending", None, false),
        Look::Running | Look::Crashing { .. } => ("Running", None, false),
        Look::Ready { since, gates_open } => ("Running", Some(*since), *gates_open),
        Look::Finished { code: 0 } => ("Succeeded", None, false),
        Look::Finished { .. } => ("Failed", None, false),
    };
    let pod_ready = ready_since.is_some() && gates_open;
    let why_not = if ready_since.is_some() {
        "ReadinessGatesNotReady"
    } else {
        "ContainersNotReady"
    };
    let mut status = json!({
        "phase": phase,
        "hostIP": "127.0.0.1",
        "startTime": pod["status"]["startTime"].as_str().map_or_else(|| time(life.started.min(now)), str::to_owned),
        "containerStatuses": container_statuses(pod, look, life, now),
        "conditions": [
            condition(pod, "PodScheduled", true, now, ""),
            condition(pod, "Initialized", true, now, ""),
            condition(pod, "ContainersReady", ready_since.is_some(), now, why_not),
            condition(pod, "Ready", pod_ready, now, why_not),
        ],
    });
    // The address comes with the sandbox, before any container.
    if *look != Look::Starting {
        let ip = address(pod["metadata"]["uid"].as_str().unwrap_or_default());
        status["podIP"] = ip.as_str().into();
        status["podIPs"] = json!([{"ip": ip}]);
    }
    Some(json!({"status": status}))
}

/// The status of `pod` after such a patch: conditions are joined by type, everything else is replaced.
pub fn joined(pod: &Value, patch: &Value) -> Value {
    let mut status = pod["status"].clone();
    for (field, value) in patch["status"].as_object().into_iter().flatten() {
        if field != "conditions" {
            status[field] = value.clone();
        }
    }
    for one in patch["status"]["conditions"].as_array().into_iter().flatten() {
        set_condition(&mut status, one);
    }
    status
}

/// Puts a condition in its place among the others; nulls in it stand for absent fields.
pub fn set_condition(status: &mut Value, condition: &Value) {
    let mut condition = condition.clone();
    if let Value::Object(fields) = &mut condition {
        fields.retain(|_, value| !value.is_null());
    }
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(list) = status["conditions"].as_array_mut() else {
        return;
    };
    match list.iter_mut().find(|one| one["type"] == condition["type"]) {
        Some(known) => *known = condition,
        None => list.push(condition),
    }
}

/// Since when a condition holds or not changes only when that changes.
fn condition(pod: &Value, kind: &str, holds: bool, since: DateTime<Utc>, why_not: &str) -> Value {
    let status = if holds { "True" } else { "False" };
    let reason = if holds { Value::Null } else { why_not.into() };
    let known = pod["status"]["conditions"].as_array().into_iter().flatten();
    let same = known.filter(|one| one["type"] == kind && one["status"] == status);
    let since = same
        .filter_map(|one| one["lastTransitionTime"].as_str())
        .next()
        .map_or_else(|| time(since), str::to_owned);
    json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": since})
}

fn container_statuses(pod: &Value, look: &Look, life: Life, now: DateTime<Utc>) -> Vec<Value> {
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let ended = |code: i32, at: DateTime<Utc>| {
        json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
               "startedAt": time(life.started), "finishedAt": time(at)})
    };
    let known = |name: &Value| {
        let list = pod["status"]["containerStatuses"]
            .as_array()
            .into_iter()
            .flatten();
        list.clone()
            .find(|one| one["name"] == *name)
            .unwrap_or(&Value::Null)
    };
    let one = |container: &Value| {
        let image = &container["image"];
        let known = known(&container["name"]);
        let earlier = known["restartCount"].as_i64().unwrap_or(0);
        let kept = || {
            let last = &known["lastState"];
            if last.is_object() { last.clone() } else { json!({}) }
        };
        let (state, last, restarts) = match look {
            Look::Starting => (json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), 0),
            Look::NoImage => {
                let message = format!("failed to pull image {image}: not found");
                let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": message}});
                (waiting, json!({}), earlier)
            }
            Look::Crashing { restarts, since } => {
                let message = "back-off restarting failed container";
                let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
                let last = json!({"terminated": ended(1, *since)});
                (waiting, last, i64::from(*restarts))
            }
            Look::Finished { code } => (json!({"terminated": ended(*code, now)}), kept(), earlier),
            _ => (running(known, earlier, life, now), kept(), earlier),
        };
        json!({
            "name": container["name"], "image": image, "imageID": image, "restartCount": restarts,
            "ready": matches!(look, Look::Ready { .. }), "started": state.get("running").is_some(),
            "state": state, "lastState": last,
        })
    };
    containers.iter().map(one).collect()
}

/// A container that runs has run since it was first seen so; the first time, since the pod started.
fn running(known: &Value, restarts: i64, life: Life, now: DateTime<Utc>) -> Value {
    if known["state"]["running"].is_object() {
        return known["state"].clone();
    }
    let since = if restarts == 0 { life.started } else { now };
    json!({"running": {"startedAt": time(since)}})
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
            &Look::Crashing { restarts: 3, since },
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
