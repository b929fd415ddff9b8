//! A Pod as people see it in a list: one word for its state, how many containers are ready, how often they restarted.
//!
//! The word is the one `kubectl get pods` would show, because that is what people know.

use crate::base::gotime::Time;
use crate::base::json::{int, text};
use serde_json::Value;

/// The facts of one pod row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    /// uid of the ReplicaSet that controls the pod.
    pub owner: String,
    pub created: Option<Time>,
    /// `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating`, …
    pub state: String,
    pub containers: usize,
    pub ready: usize,
    pub restarts: i64,
}

impl Pod {
    /// Reads a Pod as the API server sends it; what is missing or odd is left empty.
    pub fn from_json(pod: &Value) -> Self {
        let owners = list(pod, "/metadata/ownerReferences").iter();
        let controller = owners.into_iter().find(|owner| owner["controller"] == true);
        let statuses = list(pod, "/status/containerStatuses");
        let restarts = |path| {
            list(pod, path)
                .iter()
                .filter_map(|c| int(c, "/restartCount"))
                .sum::<i64>()
        };
        Self {
            name: text(pod, "/metadata/name").to_owned(),
            owner: controller.map_or("", |owner| text(owner, "/uid")).to_owned(),
            created: Time::parse(text(pod, "/metadata/creationTimestamp")),
            state: state(pod),
            containers: list(pod, "/spec/containers").len(),
            ready: statuses.iter().filter(|c| runs(c) && c["ready"] == true).count(),
            restarts: restarts("/status/containerStatuses") + restarts("/status/initContainerStatuses"),
        }
    }
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn runs(container: &Value) -> bool {
    container["state"]["running"].is_object()
}

fn state(pod: &Value) -> String {
    let lost = text(pod, "/status/reason") == "NodeLost";
    if pod
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(Value::is_string)
    {
        return if lost { "Unknown" } else { "Terminating" }.to_owned();
    }
    init_state(pod).unwrap_or_else(|| main_state(pod))
}

/// `Init:…` while an init container has yet to finish. An init container that restarts by policy is a sidecar: it only
/// has to start.
fn init_state(pod: &Value) -> Option<String> {
    let specs = list(pod, "/spec/initContainers");
    let statuses = list(pod, "/status/initContainerStatuses");
    let sidecar = |name: &Value| {
        specs
            .iter()
            .any(|spec| spec["name"] == *name && spec["restartPolicy"] == "Always")
    };
    for (index, status) in statuses.iter().enumerate() {
        let started = sidecar(&status["name"]) && status["started"] == true;
        let exited = &status["state"]["terminated"];
        if started || int(exited, "/exitCode") == Some(0) {
            continue;
        }
        let waits = text(status, "/state/waiting/reason");
        return Some(match ended(exited) {
            Some(reason) => format!("Init:{reason}"),
            None if waits.is_empty() || waits == "PodInitializing" => format!("Init:{index}/{}", specs.len()),
            None => format!("Init:{waits}"),
        });
    }
    None
}

fn main_state(pod: &Value) -> String {
    let statuses = list(pod, "/status/containerStatuses");
    let word = |c: &Value| match text(c, "/state/waiting/reason") {
        "" => ended(&c["state"]["terminated"]),
        reason => Some(reason.to_owned()),
    };
    let whole = match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase"),
        reason => reason,
    };
    let state = statuses.iter().find_map(word).unwrap_or_else(|| whole.to_owned());
    let alive = statuses.iter().any(|c| runs(c) && c["ready"] == true);
    match (state.as_str(), alive) {
        ("Completed", true) => "Running".to_owned(),
        ("", _) => "Unknown".to_owned(),
        _ => state,
    }
}

/// Why a container ended: the reason, else the signal or the exit code.
fn ended(terminated: &Value) -> Option<String> {
    if !terminated.is_object() {
        return None;
    }
    match (
        text(terminated, "/reason"),
        int(terminated, "/signal"),
        int(terminated, "/exitCode"),
    ) {
        ("", Some(signal), _) if signal != 0 => Some(format!("Signal:{signal}")),
        ("", _, code) => Some(format!("ExitCode:{}", code.unwrap_or(0))),
        (reason, _, _) => Some(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_state_of_a_pod_is_the_word_that_kubectl_shows() {
        let check = |pod: Value, want: &str| assert_eq!(Pod::from_json(&pod).state, want, "{pod}");
        let container =
            |state: Value| json!({"status": {"phase": "Running", "containerStatuses": [{"state": state}]}});
        check(json!({"status": {"phase": "Pending"}}), "Pending");
        check(
            json!({"status": {"phase": "Failed", "reason": "Evicted"}}),
            "Evicted",
        );
        check(json!({}), "Unknown");
        check(container(json!({"running": {}})), "Running");
        check(
            container(json!({"waiting": {"reason": "CrashLoopBackOff"}})),
            "CrashLoopBackOff",
        );
        check(
            container(json!({"terminated": {"signal": 9, "exitCode": 137}})),
            "Signal:9",
        );
        check(container(json!({"terminated": {"exitCode": 3}})), "ExitCode:3");
        check(
            container(json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}})),
            "OOMKilled",
        );
        check(
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            "Terminating",
        );
    }

    #[test]
    fn a_pod_is_initialising_until_its_init_containers_are_done() {
        let check = |states: Value, want: &str| {
            let pod = json!({
                "spec": {"initContainers": [{"name": "a"}, {"name": "proxy", "restartPolicy": "Always"}]},
                "status": {"phase": "Pending", "initContainerStatuses": states},
            });
            assert_eq!(Pod::from_json(&pod).state, want, "{pod}");
        };
        let done = json!({"name": "a", "state": {"terminated": {"exitCode": 0}}});
        check(json!([{"name": "a", "state": {"running": {}}}]), "Init:0/2");
        check(
            json!([{"name": "a", "state": {"terminated": {"exitCode": 1}}}]),
            "Init:ExitCode:1",
        );
        check(
            json!([done, {"name": "proxy", "state": {"waiting": {"reason": "ErrImagePull"}}}]),
            "Init:ErrImagePull",
        );
        check(
            json!([done, {"name": "proxy", "started": true, "state": {"running": {}}}]),
            "Pending",
        );
    }
}
