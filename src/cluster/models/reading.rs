//! What the models read of objects. Decides nothing.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::base::gotime::Time;

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub fn deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub fn owners(object: &Value) -> &[Value] {
    list(&object["metadata"]["ownerReferences"])
}

/// The uid of the owner that controls the object.
pub fn controller(object: &Value) -> Option<&str> {
    let controls = owners(object).iter().find(|one| one["controller"] == true)?;
    controls["uid"].as_str()
}

/// The items of a list; none if it is absent.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A time in an object.
pub fn time(value: &Value) -> Option<DateTime<Utc>> {
    Time::parse(value.as_str()?).map(Time::get)
}

/// A time as objects carry it.
pub fn stamp(at: DateTime<Utc>) -> Value {
    Time::new(at).rfc3339().into()
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&object["status"]["conditions"])
        .iter()
        .find(|one| one["type"] == kind)
}

/// Since when a pod is ready; none if it is not.
pub fn ready_since(pod: &Value) -> Option<DateTime<Utc>> {
    let ready = condition(pod, "Ready").filter(|one| one["status"] == "True")?;
    Some(time(&ready["lastTransitionTime"]).unwrap_or(DateTime::UNIX_EPOCH))
}

/// Whether a pod has succeeded or failed for good.
pub fn ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether a change of a pod is none to those who count pods.
pub fn stands_as_before(before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    let meta = |field: &str| before["metadata"][field] == after["metadata"][field];
    meta("uid")
        && meta("labels")
        && meta("ownerReferences")
        && deleting(before) == deleting(after)
        && before["status"]["phase"] == after["status"]["phase"]
        && ready_since(before) == ready_since(after)
        && restarts(before) == restarts(after)
}

/// Whether a pod counts: it has not ended and is not being deleted.
pub fn active(pod: &Value) -> bool {
    !ended(pod) && !deleting(pod)
}

/// How often the containers of a pod were started again.
pub fn restarts(pod: &Value) -> i64 {
    list(&pod["status"]["containerStatuses"])
        .iter()
        .filter_map(|one| one["restartCount"].as_i64())
        .sum()
}
