//! Faults that are people: I1 to I10, I14 to I16. What they did stays done, unless they would have taken it back.

use super::aim::{ROLLOUTS, ROUTES, SERVICES, SETS, TEMPLATES, is};
use super::plot::{Dice, Made, Own, Params, Plot};
use super::scene::{self, Subject, manifest, subject, text};
use crate::cluster::request::Verb;
use crate::simulate::fault::{Deed, Mischief, Point};
use crate::simulate::people::Hand;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const WHO: &str = "person";

fn soon(dice: &mut Dice) -> Option<Duration> {
    Some(dice.millis(100, 1_000))
}

/// Does something once, in the middle of an update.
fn once(params: &Params, does: fn(&mut Own<Once>, &Hand, &Subject) -> bool) -> Made {
    let once = Once {
        does,
        before: None,
        waits: true,
    };
    Plot::new(params, once)
        .on_time(|own, hand, _| {
            let subject = subject(hand).filter(Subject::updating);
            let Some(subject) = subject else {
                return soon(&mut own.dice);
            };
            if std::mem::take(&mut own.is.waits) {
                return Some(own.dice.mostly_short(1, 60_000));
            }
            match (own.is.does)(own, hand, &subject) {
                true => None,
                false => soon(&mut own.dice),
            }
        })
        .on_end(|own, hand, _| {
            let before = own.is.before.take();
            if let (Some(before), Some(subject)) = (before, subject(hand)) {
                subject.patch(hand, WHO, "", &before);
            }
        })
        .made()
}

#[derive(Debug)]
struct Once {
    does: fn(&mut Own<Once>, &Hand, &Subject) -> bool,
    /// Not at the very beginning of the update, but at any moment of it.
    waits: bool,
    /// The patch that takes it back.
    before: Option<Value>,
}

/// I1.
pub fn pushed_again(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        own.bites(hand, "a third version is pushed");
        subject.set_tag(hand, "pipeline", "v3")
    })
}

/// I2.
pub fn back_to_stable(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        let Some(tag) = subject.stable_tag(hand) else {
            return false;
        };
        own.bites(hand, format!("back to {tag}"));
        subject.set_tag(hand, "pipeline", &tag)
    })
}

/// I3.
pub fn steps_edited(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        let mut steps = subject.object["spec"]["strategy"]["canary"]["steps"].clone();
        let Some(list) = steps.as_array_mut().filter(|list| !list.is_empty()) else {
            return true;
        };
        match own.dice.number(0, 2) {
            0 => drop(list.remove(0)),
            1 => list.insert(
                0,
                json!({"pause": {"duration": format!("{}s", own.dice.number(1, 20))}}),
            ),
            _ => list.push(json!({"setWeight": own.dice.number(60, 90)})),
        }
        own.bites(hand, "the steps are edited");
        let patch = json!({"spec": {"strategy": {"canary": {"steps": steps}}}});
        subject.patch(hand, WHO, "", &patch)
    })
}

/// I4: an autoscaler writes `spec.replicas`, also between our look and our write.
pub fn autoscaled(params: &mut Params) -> Made {
    let share = params.dice.share(0.02, 0.2);
    Plot::new(params, (share, None::<Value>))
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            own.is
                .1
                .get_or_insert_with(|| subject.object["spec"]["replicas"].clone());
            own.bites(hand, "an autoscaler writes");
            scale(hand, &subject, own.dice.number(1, 9).into());
            Some(own.dice.mostly_short(500, 30_000))
        })
        .on_request(|own, point, call, _| {
            let wrote = super::aim::writes(call.verb) && is(call, Some(ROLLOUTS));
            if point != Point::Before || !wrote || own.is.1.is_none() || !own.dice.chance(own.is.0) {
                return None;
            }
            let replicas = Value::from(own.dice.number(1, 9));
            Some(Mischief::Meanwhile(Deed(Box::new(move |hand| {
                if let Some(subject) = subject(hand) {
                    scale(hand, &subject, replicas);
                }
            }))))
        })
        .on_end(|own, hand, _| {
            if let (Some(before), Some(subject)) = (own.is.1.take(), subject(hand)) {
                scale(hand, &subject, before);
            }
        })
        .made()
}

fn scale(hand: &Hand, subject: &Subject, replicas: Value) {
    subject.patch(hand, "autoscaler", "", &json!({"spec": {"replicas": replicas}}));
}

/// I5.
pub fn scaled_to_zero(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        let before = subject.object["spec"]["replicas"].clone();
        own.is.before = Some(json!({"spec": {"replicas": before}}));
        own.bites(hand, "scaled to nothing");
        scale(hand, subject, 0.into());
        true
    })
}

/// I6: to blue-green and back.
pub fn strategy_switched(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        let canary = subject.object["spec"]["strategy"]["canary"].clone();
        let mut service = subject.service("stableService");
        if service.is_empty() {
            service = subject
                .services(hand)
                .first()
                .map(|one| text(&one["metadata"]["name"]))
                .unwrap_or_default();
        }
        own.is.before = Some(json!({"spec": {"strategy": {"canary": canary, "blueGreen": null}}}));
        own.bites(hand, "the strategy is blue-green");
        let patch = json!({"spec": {"strategy": {"canary": null, "blueGreen": {"activeService": service}}}});
        subject.patch(hand, WHO, "", &patch)
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Command {
    Pause,
    Resume,
    Abort,
    Retry,
    Promote,
    PromoteFull,
}

impl Command {
    fn give(self, hand: &Hand, subject: &Subject) {
        let (subresource, patch) = match self {
            Self::Pause => ("", json!({"spec": {"paused": true}})),
            Self::Resume => ("", json!({"spec": {"paused": false}})),
            Self::Abort => ("status", json!({"status": {"abort": true}})),
            Self::Retry => ("status", json!({"status": {"abort": false}})),
            Self::Promote => ("status", json!({"status": {"pauseConditions": null}})),
            Self::PromoteFull => ("status", json!({"status": {"promoteFull": true}})),
        };
        subject.patch(hand, WHO, subresource, &patch);
    }
}

/// I7: commands right before the controller writes the status, and what takes them back afterwards.
pub fn commands(params: &mut Params) -> Made {
    let pair = params.dice.one_of(&[
        (Command::Pause, Command::Resume),
        (Command::Abort, Command::Retry),
        (Command::Promote, Command::Promote),
        (Command::PromoteFull, Command::PromoteFull),
    ]);
    Plot::new(params, (pair, params.dice.clone().number(1, 4), false))
        .on_request(|own, point, call, _| {
            let status = call.verb == Verb::Patch && is(call, Some(ROLLOUTS)) && call.subresource == "status";
            if point != Point::Before || !status || own.is.1 == 0 || own.dice.chance(0.6) {
                return None;
            }
            own.is.1 -= 1;
            own.is.2 = true;
            let command = own.is.0.0;
            Some(Mischief::Meanwhile(Deed(Box::new(move |hand| {
                if let Some(subject) = subject(hand).filter(Subject::updating) {
                    command.give(hand, &subject);
                }
            }))))
        })
        .on_time(|own, hand, _| {
            if std::mem::take(&mut own.is.2)
                && let Some(subject) = subject(hand)
            {
                own.is.0.1.give(hand, &subject);
            }
            Some(own.dice.seconds(2, 15))
        })
        .on_end(take_back)
        .made()
}

type Commands = ((Command, Command), u64, bool);

fn take_back(own: &mut Own<Commands>, hand: &Hand, _: DateTime<Utc>) {
    let (_, back) = own.is.0;
    if let Some(subject) = subject(hand)
        && matches!(back, Command::Resume | Command::Retry)
    {
        back.give(hand, &subject);
    }
}

/// I7: back to the stable version while a step completes.
pub fn undone(params: &mut Params) -> Made {
    Plot::new(params, false)
        .on_request(|own, point, call, _| {
            let status = call.verb == Verb::Patch && is(call, Some(ROLLOUTS)) && call.subresource == "status";
            let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
            let steps = body["status"]["currentStepIndex"].as_i64() > Some(0);
            if point != Point::Before || !status || own.is || !steps {
                return None;
            }
            own.is = true;
            Some(Mischief::Meanwhile(Deed(Box::new(move |hand| {
                if let Some(subject) = subject(hand).filter(Subject::updating)
                    && let Some(tag) = subject.stable_tag(hand)
                {
                    subject.set_tag(hand, WHO, &tag);
                }
            }))))
        })
        .made()
}

/// I8.
pub fn deleted(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        let policy = own.dice.one_of(&["", "Background", "Foreground", "Orphan"]);
        own.bites(hand, format!("the Rollout is deleted ({policy})"));
        let at = (ROLLOUTS, subject.namespace.as_str(), subject.name.as_str());
        let _ = hand.delete(WHO, at, policy);
        true
    })
}

/// I9: edited or deleted, and as it was again later.
pub fn template_touched(params: &mut Params) -> Made {
    Plot::new(params, Vec::<Arc<Value>>::new())
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let templates = hand.list(TEMPLATES, Some(&subject.namespace));
            if templates.is_empty() {
                return soon(&mut own.dice);
            }
            for template in templates {
                let name = text(&template["metadata"]["name"]);
                own.bites(hand, format!("{name} is edited or deleted"));
                let space = subject.namespace.as_str();
                let _ = match own.dice.chance(0.5) {
                    true => hand.delete(WHO, (TEMPLATES, space, &name), ""),
                    false => {
                        let mut metrics = template["spec"]["metrics"].clone();
                        for metric in metrics.as_array_mut().into_iter().flatten() {
                            metric["interval"] = "7s".into();
                            metric["count"] = 2.into();
                        }
                        let patch = json!({"spec": {"metrics": metrics}});
                        hand.patch(WHO, (TEMPLATES, space, &name, ""), &patch)
                    }
                };
                own.is.push(template);
            }
            None
        })
        .on_end(|own, hand, _| own.is.drain(..).for_each(|object| as_before(hand, &object)))
        .made()
}

/// Makes the spec of an object what it was, or the object.
fn as_before(hand: &Hand, object: &Value) {
    if let Err(failure) = hand.apply(WHO, &manifest(object)) {
        hand.says(WHO, format!("cannot bring it back: {}", failure.message));
    }
}

/// I10: weights of the route, or selectors of the Services, by hand.
pub fn route_edited(params: &mut Params) -> Made {
    let times = params.dice.number(1, 5);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let (routes, space) = (subject.routes(hand), subject.namespace.as_str());
            own.is = own.is.checked_sub(1)?;
            if own.dice.chance(0.5) {
                own.bites(hand, "weights by hand");
                for route in routes {
                    let mut rules = route["spec"]["rules"].clone();
                    let backends = rules.as_array_mut().into_iter().flatten();
                    for backend in
                        backends.flat_map(|rule| rule["backendRefs"].as_array_mut().into_iter().flatten())
                    {
                        backend["weight"] = own.dice.number(0, 100).into();
                    }
                    let name = text(&route["metadata"]["name"]);
                    let patch = json!({"spec": {"rules": rules}});
                    let _ = hand.patch(WHO, (ROUTES, space, &name, ""), &patch);
                }
            } else {
                own.bites(hand, "a selector by hand");
                let name = subject.service(own.dice.one_of(&["canaryService", "stableService"]));
                let hash = own.dice.one_of(&[None, Some("nobody")]);
                let patch = json!({"spec": {"selector": {crate::base::names::label::POD_HASH: hash}}});
                let _ = hand.patch(WHO, (SERVICES, space, &name, ""), &patch);
            }
            Some(own.dice.mostly_short(200, 40_000))
        })
        .made()
}

/// I14: from the Rollout and its ReplicaSets.
pub fn stripped(params: &mut Params) -> Made {
    let times = params.dice.number(1, 3);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let sets = subject.sets(hand);
            if sets.is_empty() {
                return soon(&mut own.dice);
            }
            own.is = own.is.checked_sub(1)?;
            own.bites(hand, "annotations are stripped");
            let none = json!({"metadata": {"annotations": null}});
            subject.patch(hand, WHO, "", &none);
            for set in sets {
                let name = text(&set["metadata"]["name"]);
                let _ = hand.patch(WHO, (SETS, &subject.namespace, &name, ""), &none);
            }
            Some(own.dice.seconds(1, 30))
        })
        .made()
}

/// I15: credentials of the Rollout's namespace change, and change back.
pub fn secret_rotated(params: &mut Params) -> Made {
    Plot::new(params, Vec::<Arc<Value>>::new())
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let secrets = hand.list("secrets", Some(&subject.namespace));
            if secrets.is_empty() {
                return soon(&mut own.dice);
            }
            for secret in secrets {
                let name = text(&secret["metadata"]["name"]);
                own.bites(hand, format!("the Secret {name} is rotated"));
                let data = secret["data"].as_object().cloned().unwrap_or_default();
                // "rotated", as Secrets hold it.
                let data: serde_json::Map<String, Value> = data
                    .into_iter()
                    .map(|(key, _)| (key, "cm90YXRlZA==".into()))
                    .collect();
                let at = ("secrets", subject.namespace.as_str(), name.as_str(), "");
                let _ = hand.patch(WHO, at, &json!({"data": data}));
                own.is.push(secret);
            }
            None
        })
        .on_end(|own, hand, _| own.is.drain(..).for_each(|object| as_before(hand, &object)))
        .made()
}

/// I16.
pub fn namespace_deleted(params: &mut Params) -> Made {
    once(params, |own, hand, subject| {
        own.bites(hand, format!("the namespace {} is deleted", subject.namespace));
        let _ = hand.delete(WHO, ("namespaces", "", &subject.namespace), "");
        // What a namespace's deletion comes to, should nobody in this world do it.
        for kind in [ROLLOUTS, TEMPLATES, SETS, SERVICES, ROUTES, super::aim::RUNS] {
            for object in hand.list(kind, Some(&subject.namespace)) {
                let name = text(&object["metadata"]["name"]);
                let _ = hand.delete("namespace-controller", (kind, &subject.namespace, &name), "");
            }
        }
        for pod in hand.list("pods", Some(&subject.namespace)) {
            let name = text(&pod["metadata"]["name"]);
            let _ = hand.delete("namespace-controller", ("pods", &subject.namespace, &name), "");
        }
        true
    })
}

/// I18: whoever injects into pods does so after they were made.
pub fn pods_mutated(params: &mut Params) -> Made {
    let every = params.dice.millis(200, 3_000);
    Plot::new(params, every)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            for pod in hand.list("pods", Some(&subject.namespace)) {
                if pod["metadata"]["annotations"]["sidecar.example.org/status"].is_string() {
                    continue;
                }
                let name = text(&pod["metadata"]["name"]);
                own.bites(hand, format!("{name} is injected into"));
                let mut containers = pod["spec"]["containers"].clone();
                let image = text(&containers[0]["image"]);
                containers[0]["image"] = format!("{image}@sha256:0123").into();
                let patch = json!({"metadata": {"annotations": {"sidecar.example.org/status": "injected"},
                    "labels": {"service.example.org/canonical-name": subject.name}}, "spec": {"containers": containers}});
                let _ = hand.patch("injector", ("pods", &subject.namespace, &name, ""), &patch);
            }
            Some(own.is)
        })
        .made()
}

/// A8: what somebody deletes and makes again is a scene of its own.
pub fn configuration_gone(params: &mut Params) -> Made {
    Plot::new(params, Vec::<Arc<Value>>::new())
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let mut all = subject.services(hand);
            all.extend(subject.routes(hand));
            all.extend(hand.list(TEMPLATES, Some(&subject.namespace)));
            if all.is_empty() {
                return soon(&mut own.dice);
            }
            own.bites(hand, "Services, routes and templates are deleted");
            for object in &all {
                let kind = match text(&object["kind"]).as_str() {
                    "Service" => SERVICES,
                    "HTTPRoute" => ROUTES,
                    _ => TEMPLATES,
                };
                let name = text(&object["metadata"]["name"]);
                let _ = hand.delete("gitops", (kind, &subject.namespace, &name), "");
            }
            own.is = all;
            None
        })
        .on_end(|own, hand, _| {
            for object in own.is.drain(..) {
                let _ = scene::create_again(hand, "gitops", &object);
            }
        })
        .made()
}
