//! Ingress NGINX: beside each Ingress of the stable Service a second one, made and owned by the controller, that leads the same hosts
//! and paths to the canary Service and carries the weight in annotations. It is never deleted: weight 0 is as good, and the Rollout
//! owns it. What others wrote into it stays.

use crate::api::traffic::Nginx;
use crate::base::json;
use crate::base::names;
use crate::base::object::{Key, Kind, Meta};
use crate::route::ingress::{canary_of, leads_to, names as names_of};
use crate::route::{Look, Object, Router, Subject, Wanted, Weights, Write};
use serde_json::{Map, Value, json};

const PREFIX: &str = "nginx.ingress.kubernetes.io";
const CLASS: &str = "kubernetes.io/ingress.class";
/// What the weights are parts of when the canary Ingress does not say.
const TOTAL_DEFAULT: i64 = 100;
/// The longest name of an object.
const NAME_LEN_MAX: usize = 253;

/// The Ingresses of one Rollout.
pub struct Ingresses<'a> {
    of: Subject<'a>,
    config: &'a Nginx,
}

impl<'a> Ingresses<'a> {
    pub fn new(of: Subject<'a>, config: &'a Nginx) -> Self {
        Self { of, config }
    }

    /// Each stable Ingress with its canary Ingress.
    fn pairs(&self) -> Vec<(Key, Key)> {
        let meta = self.of.rollout;
        let pair = |stable: String| {
            let canary = canary_name(&meta.name, &stable);
            (
                Key::new(&meta.namespace, stable),
                Key::new(&meta.namespace, canary),
            )
        };
        let listed = names_of(
            self.config.stable_ingress.as_deref(),
            &self.config.stable_ingresses,
        );
        listed.into_iter().map(pair).collect()
    }

    fn annotation(&self, name: &str) -> String {
        let prefix = self.config.annotation_prefix.as_deref();
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or(PREFIX);
        let own = format!("{prefix}/");
        if name.starts_with(&own) {
            name.to_owned()
        } else {
            own + name
        }
    }

    /// The annotations that the canary Ingress shall have; those that the controller needs win.
    fn annotations(&self, stable: &Value, wanted: &Wanted) -> Map<String, Value> {
        let mut all = Map::new();
        if let Some(class) = annotation(stable, CLASS) {
            all.insert(CLASS.to_owned(), json!(class));
        }
        for (name, value) in &self.config.additional_ingress_annotations {
            all.insert(self.annotation(name), json!(value));
        }
        for (name, value) in &self.config.canary_ingress_annotations {
            all.insert(name.clone(), json!(value));
        }
        all.insert(self.annotation("canary"), json!("true"));
        let weight = wanted.weights.canary.to_string();
        all.insert(self.annotation("canary-weight"), json!(weight));
        if let Some(total) = self.of.routing.max_traffic_weight {
            all.insert(self.annotation("canary-weight-total"), json!(total.to_string()));
        }
        all
    }

    fn desired(&self, name: &str, stable: &Value, wanted: &Wanted) -> Value {
        let meta = self.of.rollout;
        json!({"apiVersion": Kind::Ingress.api_version(), "kind": Kind::Ingress.name(),
            "metadata": {"name": name, "namespace": meta.namespace, "annotations": self.annotations(stable, wanted),
                "ownerReferences": [owner(meta)]},
            "spec": canary_of(stable, self.of.backends)})
    }

    fn write(&self, look: Look, stable: &Key, canary: &Key, wanted: &Wanted) -> Option<Write> {
        let desired = self.desired(&canary.name, look(Kind::Ingress, stable)?, wanted);
        let weight = wanted.weights.canary;
        let name = &canary.name;
        let (body, told) = match look(Kind::Ingress, canary) {
            None => {
                let message = format!("Creating canary ingress `{name}` with weight `{weight}`");
                (desired, ("CreatingCanaryIngress", message))
            }
            Some(seen) => {
                let message = format!("Updating Ingress `{name}` to desiredWeight '{weight}'");
                (difference(seen, &desired)?, ("PatchingCanaryIngress", message))
            }
        };
        Some(Write {
            kind: Kind::Ingress,
            key: canary.clone(),
            creates: look(Kind::Ingress, canary).is_none(),
            body,
            told: Some(told),
        })
    }

    fn problem(&self, look: Look, stable: &Key, canary: &Key) -> Option<String> {
        let service = self.of.backends.stable;
        if !leads_to(look(Kind::Ingress, stable)?, service) {
            let name = &stable.name;
            return Some(format!(
                "ingress `{name}` has no rules using service {service} backend: give it the path whose traffic the canary shall share"
            ));
        }
        let seen = look(Kind::Ingress, canary)?;
        // One that was left behind without its Rollout is taken up again, as pods are.
        let orphan = annotation(seen, &self.annotation("canary")) == Some("true");
        let ours = match controller(seen) {
            Some(owner) => owner["uid"] == self.of.rollout.uid.as_str(),
            None => orphan,
        };
        let name = &canary.name;
        (!ours).then(|| {
            format!("canary ingress `{name}` controlled by different object: delete it, and it is made anew, or rename it")
        })
    }
}

/// The name of the canary Ingress beside a stable one.
pub fn canary_name(rollout: &str, stable: &str) -> String {
    let suffix = "-canary";
    let name = format!("{rollout}-{stable}");
    let kept: String = name.chars().take(NAME_LEN_MAX - suffix.len()).collect();
    kept + suffix
}

fn owner(meta: &Meta) -> Value {
    json!({"apiVersion": names::API_VERSION, "kind": Kind::Rollout.name(), "name": meta.name, "uid": meta.uid,
        "controller": true, "blockOwnerDeletion": true})
}

/// Who controls an object.
fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true)
}

fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object["metadata"]["annotations"].get(name)?.as_str()
}

/// The merge patch from the canary Ingress as it was seen to the one desired. Annotations of others stay.
fn difference(seen: &Value, desired: &Value) -> Option<Value> {
    let wanted = desired["metadata"]["annotations"].as_object();
    let missing: Map<String, Value> = wanted
        .into_iter()
        .flatten()
        .filter(|(name, value)| annotation(seen, name) != value.as_str())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut metadata = Map::new();
    if !missing.is_empty() {
        metadata.insert("annotations".into(), missing.into());
    }
    if controller(seen).is_none() {
        let others = seen["metadata"]["ownerReferences"].as_array().cloned();
        let mut owners = others.unwrap_or_default();
        owners.extend(controller(desired).cloned());
        metadata.insert("ownerReferences".into(), owners.into());
    }
    let mut patch = Map::new();
    if !metadata.is_empty() {
        patch.insert("metadata".into(), metadata.into());
    }
    if let Some(spec) = json::merge_diff(&seen["spec"], &desired["spec"]) {
        patch.insert("spec".into(), spec);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

impl Router for Ingresses<'_> {
    fn objects(&self) -> Vec<Object> {
        let object = |key: Key, must_exist| Object {
            kind: Kind::Ingress,
            key,
            must_exist,
        };
        let both = |(stable, canary)| [object(stable, true), object(canary, false)];
        self.pairs().into_iter().flat_map(both).collect()
    }

    fn problems(&self, look: Look) -> Vec<String> {
        let problem = |(stable, canary): (Key, Key)| self.problem(look, &stable, &canary);
        self.pairs().into_iter().filter_map(problem).collect()
    }

    /// An Ingress that is no canary by its annotations could get anything: it tells no weight.
    fn weights(&self, look: Look) -> Vec<Option<Weights>> {
        let number = |object: &Value, name: &str| annotation(object, &self.annotation(name))?.parse().ok();
        let of = |(stable, canary): (Key, Key)| {
            look(Kind::Ingress, &stable)?;
            let Some(canary) = look(Kind::Ingress, &canary) else {
                return Some(Weights {
                    canary: 0,
                    stable: self.of.weight_max,
                });
            };
            if annotation(canary, &self.annotation("canary")) != Some("true") {
                return None;
            }
            let total: i64 = number(canary, "canary-weight-total").unwrap_or(TOTAL_DEFAULT);
            let weight: i64 = number(canary, "canary-weight").unwrap_or(0);
            Some(Weights {
                canary: weight,
                stable: total - weight,
            })
        };
        self.pairs().into_iter().map(of).collect()
    }

    fn writes(&self, look: Look, wanted: &Wanted) -> Vec<Write> {
        let write = |(stable, canary): (Key, Key)| self.write(look, &stable, &canary, wanted);
        self.pairs().into_iter().filter_map(write).collect()
    }
}

#[cfg(test)]
mod tests;
