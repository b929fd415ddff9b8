//! Faults of kinds and of what stands before the API server: A10 and A17.

use super::aim::{ROLLOUTS, ROUTES, RUNS, SERVICES, SETS, TEMPLATES, is};
use super::plot::{Made, Params, Plot};
use super::scene::{self, text};
use crate::cluster::catalog::DEFINITIONS;
use crate::cluster::request::{Call, Verb};
use crate::cluster::store::Key;
use crate::simulate::fault::{Mischief, Point};
use crate::simulate::people::Hand;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a webhook does to what is written.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// Notes on the object.
    Annotates,
    /// Adds to the pod template.
    Injects,
    /// Fills in what it wants to see in a route.
    Completes,
}

impl Mutation {
    fn apply(self, resource: &str, body: &mut Value) -> bool {
        match self {
            Self::Annotates => {
                body["metadata"]["annotations"]["policy.example.org/checked"] = "true".into();
                true
            }
            Self::Injects if resource == SETS && body["spec"]["template"].is_object() => {
                let template = &mut body["spec"]["template"];
                template["metadata"]["annotations"]["sidecar.example.org/injected"] = "true".into();
                template["spec"]["terminationGracePeriodSeconds"] = 20.into();
                true
            }
            Self::Completes if resource == ROUTES && body["spec"]["rules"].is_array() => {
                let rules = body["spec"]["rules"].as_array_mut().into_iter().flatten();
                for rule in rules {
                    rule["timeouts"] = json!({"request": "30s"});
                }
                true
            }
            _ => false,
        }
    }
}

/// A10.
pub fn mutates(params: &mut Params) -> Made {
    let mutation = params
        .dice
        .one_of(&[Mutation::Annotates, Mutation::Injects, Mutation::Completes]);
    Plot::new(params, mutation)
        .on_request(|own, point, call, _| {
            let written = matches!(call.verb, Verb::Create | Verb::Update | Verb::Patch);
            let meant = [SETS, ROUTES, SERVICES].iter().any(|kind| is(call, Some(kind)));
            if point != Point::Before || !written || !meant || !call.subresource.is_empty() {
                return None;
            }
            let mut body: Value = serde_json::from_slice(&call.body).ok()?;
            if !own.is.apply(&call.resource.id, &mut body) {
                return None;
            }
            let mut mutated = Call::clone(call);
            mutated.body = body.to_string().into();
            Some(Mischief::Instead(Box::new(mutated)))
        })
        .made()
}

fn definition(hand: &Hand, kind: &str) -> Option<Arc<Value>> {
    hand.get(DEFINITIONS, "", kind)
}

/// A17: a kind is not served for a while; its objects stay where they are.
pub fn not_served(params: &mut Params) -> Made {
    let kind = params.dice.one_of(&[ROLLOUTS, RUNS, ROUTES]);
    Plot::new(params, kind)
        .on_time(|own, hand, _| {
            own.bites(hand, format!("{} is not served", own.is));
            hand.cluster.change(|world| world.catalog.forget(own.is));
            hand.cluster.hang_up(None);
            None
        })
        .on_end(|own, hand, _| serve_again(hand, own.is))
        .made()
}

fn serve_again(hand: &Hand, kind: &str) {
    hand.cluster.change(|world| {
        let id: Arc<str> = DEFINITIONS.into();
        let definition = world.store.get(&Key::new(&id, "", kind)).cloned();
        // It was served before, so it can be.
        let now = world.store.version();
        let _ = definition.map(|definition| world.catalog.define(&definition, now));
    });
}

/// A17: a definition is deleted with all its objects; later both are there again.
pub fn reinstalled(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Reinstalled {
        kind: &'static str,
        objects: Vec<Arc<Value>>,
        definition: Option<Arc<Value>>,
        begun: bool,
    }
    let reinstalled = Reinstalled {
        kind: params.dice.one_of(&[ROUTES, TEMPLATES]),
        objects: Vec::new(),
        definition: None,
        begun: false,
    };
    fn back(is: &mut Reinstalled, hand: &Hand) {
        let Some(definition) = is.definition.take() else {
            return;
        };
        for object in std::iter::once(definition).chain(is.objects.drain(..)) {
            if let Err(failure) = scene::create_again(hand, "person", &object) {
                hand.says("person", format!("cannot bring it back: {}", failure.message));
            }
        }
    }
    Plot::new(params, reinstalled)
        .on_time(|own, hand, _| {
            if own.is.begun {
                back(&mut own.is, hand);
                return None;
            }
            own.is.begun = true;
            own.is.definition = definition(hand, own.is.kind);
            own.is.objects = hand.list(own.is.kind, None);
            own.bites(hand, format!("{} is uninstalled", own.is.kind));
            let _ = hand.delete("person", (DEFINITIONS, "", own.is.kind), "");
            hand.cluster.hang_up(None);
            Some(own.dice.seconds(1, 60))
        })
        .on_end(|own, hand, _| back(&mut own.is, hand))
        .made()
}

/// A17: an older definition, which does not know all fields, prunes them.
pub fn pruned(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Pruned {
        /// The kind, and the way to a field in its schema.
        kind: &'static str,
        field: &'static [&'static str],
        before: Option<Value>,
    }
    let (kind, field): (&str, &[&str]) = params.dice.one_of(&[
        (ROLLOUTS, &["status", "duration"] as &[&str]),
        (ROLLOUTS, &["status", "canary", "weights"]),
        (ROLLOUTS, &["status", "alb"]),
        (RUNS, &["status", "dryRunSummary"]),
    ]);
    let before = None;
    Plot::new(params, Pruned { kind, field, before })
        .on_time(|own, hand, _| {
            let definition = definition(hand, own.is.kind)?;
            let mut versions = definition["spec"]["versions"].clone();
            own.is.before = Some(versions.clone());
            for version in versions.as_array_mut().into_iter().flatten() {
                let mut schema = &mut version["schema"]["openAPIV3Schema"];
                let (last, way) = own.is.field.split_last()?;
                for step in way {
                    schema = &mut schema["properties"][*step];
                }
                if let Some(properties) = schema["properties"].as_object_mut() {
                    properties.remove(*last);
                }
            }
            own.bites(
                hand,
                format!(
                    "{} does not know {} any more",
                    own.is.kind,
                    own.is.field.join(".")
                ),
            );
            install(hand, own.is.kind, &versions);
            None
        })
        .on_end(|own, hand, _| {
            if let Some(versions) = own.is.before.take() {
                install(hand, own.is.kind, &versions);
            }
        })
        .made()
}

fn install(hand: &Hand, kind: &str, versions: &Value) {
    let patch = json!({"spec": {"versions": versions}});
    if let Err(failure) = hand.patch("person", (DEFINITIONS, "", kind, ""), &patch) {
        hand.says(
            "person",
            format!("cannot change {}: {}", text(&kind.into()), failure.message),
        );
    }
}
