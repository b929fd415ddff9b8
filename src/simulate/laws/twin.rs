//! D1 and D2: the run beside its twin, the same story without faults. The world ends in the same state, and the controller needed not
//! many more writes to get there.

use super::read::text;
use super::routers;
use super::{End, Facts, Found, Law, Picture, Sight, write};
use crate::cluster::store::Store;
use chrono::DateTime;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What must be equal.
const COMPARED: [&str; 8] = [
    "rollouts.argoproj.io",
    "replicasets.apps",
    "services",
    "httproutes.gateway.networking.k8s.io",
    routers::INGRESSES,
    routers::VIRTUAL_SERVICES,
    routers::DESTINATION_RULES,
    "analysisruns.argoproj.io",
];

/// Members that differ from run to run without meaning anything.
const MASKED: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "observedGeneration",
    "creationTimestamp",
    "managedFields",
    "measurements",
    "clusterIP",
    "clusterIPs",
];

/// How a run without faults ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Twin {
    /// `resource namespace/name` to the object, masked.
    pub objects: BTreeMap<String, Value>,
    /// Successful writes of the controller by `verb resource`, Leases and Events left out.
    pub writes: BTreeMap<String, usize>,
    /// How many writes more, of each kind, a run with faults may need.
    pub allowance: usize,
}

/// The objects that D1 compares, as it compares them.
pub fn masked(store: &Store) -> BTreeMap<String, Value> {
    let compared = store.all().filter(|(key, _)| COMPARED.contains(&&*key.resource));
    compared
        .map(|(key, object)| {
            (
                format!("{} {}/{}", key.resource, key.namespace, key.name),
                mask(object),
            )
        })
        .collect()
}

fn mask(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| !MASKED.contains(&name.as_str()));
            let masked: Map<String, Value> = kept
                .map(|(name, member)| (name.clone(), mask_member(name, member)))
                .collect();
            Value::Object(masked)
        }
        Value::Array(items) => items.iter().map(mask).collect(),
        Value::String(text) if DateTime::parse_from_rfc3339(text).is_ok() => "a time".into(),
        other => other.clone(),
    }
}

/// Conditions stand in the order of their last changes, which faults may change; what they say may not.
fn mask_member(name: &str, member: &Value) -> Value {
    let masked = mask(member);
    match (name, masked) {
        ("conditions", Value::Array(mut conditions)) => {
            conditions.sort_by_key(|condition| text(condition, "type").to_owned());
            Value::Array(conditions)
        }
        (_, masked) => masked,
    }
}

/// D1: see the module's description.
pub struct SameEnd;

impl Law for SameEnd {
    fn id(&self) -> &'static str {
        "D1"
    }

    fn says(&self) -> &'static str {
        "the world ends as it would have without faults"
    }

    fn look(&mut self, _: &Sight<'_>) -> Option<Found> {
        None
    }

    fn end(&mut self, _: &Picture, _: &Facts, end: &End<'_>) -> Option<Found> {
        let (twin, own) = (end.twin?, masked(end.store));
        let names = twin.objects.keys().chain(own.keys());
        let differs = |name: &&String| twin.objects.get(*name) != own.get(*name);
        let name = names
            .min_by_key(|name| (!differs(name), (*name).clone()))
            .filter(differs)?;
        let (one, other) = (twin.objects.get(name), own.get(name));
        let evidence = match (one, other) {
            (Some(_), None) => format!("{name} is not there; without faults it is"),
            (None, Some(_)) => format!("{name} is there; without faults it is not"),
            (one, other) => {
                let nothing = Value::Null;
                let (path, one, other) =
                    difference(one.unwrap_or(&nothing), other.unwrap_or(&nothing), String::new());
                format!("{name} differs at {path}: {other} instead of {one}")
            }
        };
        Some(Found::new(evidence, [name.clone()]))
    }
}

/// Where two values differ first, and how.
fn difference(one: &Value, other: &Value, path: String) -> (String, Value, Value) {
    if let (Value::Object(left), Value::Object(right)) = (one, other) {
        let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
        names.sort();
        let differing = names.into_iter().find(|name| left.get(*name) != right.get(*name));
        if let Some(name) = differing {
            return difference(
                &one[name.as_str()],
                &other[name.as_str()],
                format!("{path}.{name}"),
            );
        }
    }
    if let (Value::Array(left), Value::Array(right)) = (one, other)
        && left.len() == right.len()
        && let Some(index) = (0..left.len()).find(|index| left.get(*index) != right.get(*index))
    {
        return difference(&one[index], &other[index], format!("{path}[{index}]"));
    }
    (path, one.clone(), other.clone())
}

/// D2: see the module's description.
#[derive(Default)]
pub struct FewWrites {
    pub counts: BTreeMap<String, usize>,
}

impl Law for FewWrites {
    fn id(&self) -> &'static str {
        "D2"
    }

    fn says(&self) -> &'static str {
        "faults cost few writes"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight).filter(|request| !write::is_housekeeping(request))?;
        *self.counts.entry(kind_of(request)).or_default() += 1;
        None
    }

    fn end(&mut self, _: &Picture, _: &Facts, end: &End<'_>) -> Option<Found> {
        let twin = end.twin?;
        let allowed = |kind: &str| twin.writes.get(kind).copied().unwrap_or(0) + twin.allowance;
        let (kind, count) = self.counts.iter().find(|(kind, count)| **count > allowed(kind))?;
        let without = twin.writes.get(kind).copied().unwrap_or(0);
        let evidence = format!(
            "{count} times {kind}; without faults {without}, and {} more are allowed",
            twin.allowance
        );
        Some(Found::new(evidence, [kind.clone()]))
    }
}

/// `Patch rollouts`
pub fn kind_of(request: &crate::simulate::record::Requested) -> String {
    format!("{:?} {}", request.verb, write::plural(request))
}
