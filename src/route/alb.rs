//! AWS load balancers: the forward action in an annotation of an Ingress, which names a Service and a weight per version, and for
//! header routes a path, an action and a condition of the controller's own. Annotations and paths of others stay. The texts are those
//! that Argo Rollouts writes, byte for byte: changing hands changes nothing.

use crate::api::steps::SetHeaderRoute;
use crate::api::traffic::Alb;
use crate::base::object::{Key, Kind};
use crate::route::ingress::{leads_to, names as names_of, rules};
use crate::route::{Look, Object, Router, Special, Subject, Wanted, Weights, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const PREFIX: &str = "alb.ingress.kubernetes.io";
/// JSON on the Ingress: the annotations that each Rollout manages there.
const MANAGED: &str = "rollouts.argoproj.io/managed-alb-annotations";
/// The name of a port that means: look for an action with the name of the Service.
const USE_ANNOTATION: &str = "use-annotation";

/// The Ingresses of one Rollout.
pub struct LoadBalancers<'a> {
    of: Subject<'a>,
    config: &'a Alb,
}

/// The members are in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    #[serde(rename = "Type")]
    type_: String,
    forward_config: Forward,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Forward {
    target_groups: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_group_stickiness_config: Option<Stickiness>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    service_name: String,
    service_port: String,
    weight: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stickiness {
    enabled: bool,
    duration_seconds: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition<'a> {
    field: &'static str,
    http_header_config: HeaderConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HeaderConfig<'a> {
    http_header_name: &'a str,
    values: Vec<&'a str>,
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn annotation<'v>(ingress: &'v Value, name: &str) -> Option<&'v str> {
    ingress["metadata"]["annotations"].get(name)?.as_str()
}

impl<'a> LoadBalancers<'a> {
    pub fn new(of: Subject<'a>, config: &'a Alb) -> Self {
        Self { of, config }
    }

    fn keys(&self) -> Vec<Key> {
        let names = names_of(self.config.ingress.as_deref(), &self.config.ingresses);
        let key = |name| Key::new(&self.of.rollout.namespace, name);
        names.into_iter().map(key).collect()
    }

    /// The Service that the Ingress's rules name.
    fn root(&self) -> &str {
        let root = self.config.root_service.as_deref();
        root.filter(|root| !root.is_empty())
            .unwrap_or(self.of.backends.stable)
    }

    fn annotation_name(&self, sort: &str, name: &str) -> String {
        let prefix = self.config.annotation_prefix.as_deref();
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or(PREFIX);
        format!("{prefix}/{sort}.{name}")
    }

    fn target(&self, service: &str, weight: i64) -> Target {
        Target {
            service_name: service.to_owned(),
            service_port: self.config.service_port.to_string(),
            weight: Some(weight),
        }
    }

    fn forward(&self, target_groups: Vec<Target>, sticky: Option<Stickiness>) -> String {
        text(&Action {
            type_: "forward".into(),
            forward_config: Forward {
                target_groups,
                target_group_stickiness_config: sticky,
            },
        })
    }

    fn sticky(&self) -> Option<Stickiness> {
        let sticky = self.config.stickiness_config.as_ref();
        sticky.filter(|sticky| sticky.enabled).map(|sticky| Stickiness {
            enabled: true,
            duration_seconds: sticky.duration_seconds,
        })
    }

    /// The controller's annotations as they shall be, in the order in which they came to be.
    fn annotations(&self, wanted: &Wanted) -> Vec<(String, String)> {
        let backends = self.of.backends;
        let split = vec![
            self.target(backends.canary, wanted.weights.canary),
            self.target(backends.stable, wanted.weights.stable),
        ];
        let split = self.forward(split, self.sticky());
        let mut all = vec![(self.annotation_name("actions", self.root()), split)];
        for step in headers(wanted) {
            let to_canary = vec![self.target(backends.canary, 100)];
            all.push((
                self.annotation_name("actions", &step.name),
                self.forward(to_canary, None),
            ));
            all.push((self.annotation_name("conditions", &step.name), conditions(step)));
        }
        all
    }

    /// What the Ingress says the Rollouts manage there, with this one's share brought up to date.
    fn managed(&self, ingress: &Value, names: Vec<String>) -> String {
        let seen = annotation(ingress, MANAGED).unwrap_or_default();
        let mut all: BTreeMap<String, Vec<String>> = serde_json::from_str(seen).unwrap_or_default();
        all.insert(self.of.rollout.name.clone(), names);
        text(&all)
    }

    /// What differs in the annotations; null for those of routes that are not wanted any more.
    fn annotations_patch(&self, ingress: &Value, wanted: &Wanted) -> Map<String, Value> {
        let desired = self.annotations(wanted);
        let names = desired.iter().map(|(name, _)| name.clone()).collect();
        let managed = (MANAGED.to_owned(), self.managed(ingress, names));
        let mut patch = Map::new();
        let owned = self.of.owned_routes();
        for name in
            owned.flat_map(|owned| ["actions", "conditions"].map(|sort| self.annotation_name(sort, owned)))
        {
            if annotation(ingress, &name).is_some() {
                patch.insert(name, Value::Null);
            }
        }
        for (name, value) in desired.into_iter().chain([managed]) {
            if annotation(ingress, &name) == Some(&value) {
                patch.remove(&name);
            } else {
                patch.insert(name, json!(value));
            }
        }
        patch
    }

    /// Whether a path is one of the controller's.
    fn owns(&self, path: &Value) -> bool {
        let service = &path["backend"]["service"];
        let name = service["name"].as_str().unwrap_or_default();
        service["port"]["name"] == USE_ANNOTATION && self.of.owned_routes().any(|owned| owned == name)
    }

    /// The rules as they shall be; `None` when they are so.
    fn rules(&self, ingress: &Value, wanted: &Wanted) -> Option<Value> {
        let seen = ingress.pointer("/spec/rules")?.as_array()?;
        let mut desired = seen.clone();
        for rule in &mut desired {
            let Some(paths) = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut) else {
                continue;
            };
            paths.retain(|path| !self.owns(path));
            let ours = headers(wanted).map(|step| {
                json!({"path": "/*", "pathType": "ImplementationSpecific",
                    "backend": {"service": {"name": step.name, "port": {"name": USE_ANNOTATION}}}})
            });
            paths.splice(0..0, ours.collect::<Vec<_>>());
        }
        (desired != *seen).then_some(Value::Array(desired))
    }

    fn patch(&self, ingress: &Value, wanted: &Wanted) -> Option<Value> {
        let mut patch = json!({});
        let annotations = self.annotations_patch(ingress, wanted);
        if !annotations.is_empty() {
            patch["metadata"]["annotations"] = Value::Object(annotations);
        }
        if let Some(rules) = self.rules(ingress, wanted) {
            patch["spec"]["rules"] = rules;
        }
        (patch != json!({})).then_some(patch)
    }

    /// Without an action nobody but the root Service is served; one that cannot be read tells nothing.
    fn weights_of(&self, ingress: &Value) -> Option<Weights> {
        let Some(seen) = annotation(ingress, &self.annotation_name("actions", self.root())) else {
            return Some(Weights {
                canary: 0,
                stable: self.of.weight_max,
            });
        };
        let action: Action = serde_json::from_str(seen).ok()?;
        let groups = action.forward_config.target_groups;
        let weight = |service: &str| {
            let of = groups.iter().filter(|group| group.service_name == service);
            of.filter_map(|group| group.weight).sum()
        };
        Some(Weights {
            canary: weight(self.of.backends.canary),
            stable: weight(self.of.backends.stable),
        })
    }
}

/// The header routes that are wanted; load balancers mirror nothing.
fn headers<'w>(wanted: &'w Wanted) -> impl Iterator<Item = &'w SetHeaderRoute> {
    wanted.specials.iter().filter_map(|special| match special {
        Special::Header(step) => Some(*step),
        Special::Mirror(_) => None,
    })
}

/// One condition per header; a header that is named again has several values.
fn conditions(step: &SetHeaderRoute) -> String {
    let mut all: Vec<Condition> = Vec::new();
    for one in &step.match_ {
        let value = one.header_value.as_ref().and_then(|value| value.exact.as_deref());
        let value = value.unwrap_or_default();
        let known = all
            .iter_mut()
            .find(|condition| condition.http_header_config.http_header_name == one.header_name);
        match known {
            Some(condition) => condition.http_header_config.values.push(value),
            None => all.push(Condition {
                field: "http-header",
                http_header_config: HeaderConfig {
                    http_header_name: &one.header_name,
                    values: vec![value],
                },
            }),
        }
    }
    text(&all)
}

impl Router for LoadBalancers<'_> {
    fn objects(&self) -> Vec<Object> {
        let object = |key| Object {
            kind: Kind::Ingress,
            key,
            must_exist: true,
        };
        self.keys().into_iter().map(object).collect()
    }

    fn problems(&self, look: Look) -> Vec<String> {
        let root = self.root();
        let problem = |key: Key| {
            let unfit = !leads_to(look(Kind::Ingress, &key)?, root);
            let name = key.name;
            unfit.then(|| {
                format!("ingress `{name}` has no rules using service {root} backend: give it a path to that Service, port use-annotation")
            })
        };
        self.keys().into_iter().filter_map(problem).collect()
    }

    fn weights(&self, look: Look) -> Vec<Option<Weights>> {
        let of = |key: &Key| self.weights_of(look(Kind::Ingress, key)?);
        self.keys().iter().map(of).collect()
    }

    fn pinned(&self, look: Look) -> bool {
        let has_ours = |ingress: &Value| {
            let mut paths = rules(ingress).flat_map(crate::route::ingress::paths);
            paths.any(|path| self.owns(path))
        };
        let mut keys = self.keys().into_iter();
        keys.any(|key| look(Kind::Ingress, &key).is_some_and(has_ours))
    }

    fn writes(&self, look: Look, wanted: &Wanted) -> Vec<Write> {
        let write = |key: Key| {
            let body = self.patch(look(Kind::Ingress, &key)?, wanted)?;
            let (name, weight) = (&key.name, wanted.weights.canary);
            let message = format!("Updating Ingress `{name}` to desiredWeight '{weight}'");
            Some(Write {
                kind: Kind::Ingress,
                key,
                body,
                creates: false,
                told: Some(("PatchingALBIngress", message)),
            })
        };
        self.keys().into_iter().filter_map(write).collect()
    }

    fn serves(&self, look: Look, wanted: &Wanted) -> bool {
        let seen = |key: Key| look(Kind::Ingress, &key).is_some();
        self.keys().into_iter().all(seen) && self.writes(look, wanted).is_empty()
    }
}

#[cfg(test)]
mod tests;
