//! Writes as values. One executor in the shell carries them out; nothing else writes to Kubernetes.

use crate::base::object::{Key, Kind};
use serde_json::Value;

/// One guarded write.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub verb: Verb,
    pub kind: Kind,
    pub key: Key,
    pub guard: Guard,
    /// `Create`: the whole object. `Patch`, `PatchStatus` and `Replace`: a JSON merge patch without the
    /// guard's fields. `Delete` and `Evict`: null.
    pub body: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    /// JSON merge patch of the main resource.
    Patch,
    /// JSON merge patch of the `status` subresource.
    PatchStatus,
    /// Read, changed by a JSON merge patch and written whole: for kinds that Argo Rollouts' role lets nobody patch.
    Replace,
    /// Eviction of a pod, with the guard's uid as a precondition. A refusal is no failure: a disruption budget has its reasons, and whoever
    /// wants the pod gone asks again later.
    Evict,
    /// Delete in the background, with the guard as preconditions.
    Delete,
}

/// The state of the object that the decision was made from; a write that finds another state must fail with a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The object must not exist.
    Absent,
    /// The object must still have this uid and resourceVersion. After an earlier write of the same plan to the same object, the
    /// executor uses the resourceVersion which that write returned.
    Seen { uid: String, resource_version: String },
}
