//! Faults that are other programs: I11, I12, I19.

use super::aim::{ROLLOUTS, ROUTES, SERVICES, SETS};
use super::plot::{Made, Params, Plot};
use super::scene::{ADDED, manifest, subject, text};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// I11: what the repository says is applied again and again: the route's weights and the Services' selectors as they were.
pub fn gitops(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Repository {
        every: Duration,
        objects: Vec<Arc<Value>>,
    }
    let repository = Repository {
        every: params.dice.mostly_short(1_000, 120_000),
        objects: Vec::new(),
    };
    Plot::new(params, repository)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            if own.is.objects.is_empty() {
                let mut objects = subject.routes(hand);
                objects.extend(subject.services(hand));
                own.is.objects = objects;
                return Some(own.is.every);
            }
            own.bites(hand, "the repository is applied");
            for object in &own.is.objects {
                let kind = match text(&object["kind"]).as_str() {
                    "Service" => SERVICES,
                    _ => ROUTES,
                };
                let name = text(&object["metadata"]["name"]);
                let same = hand
                    .get(kind, &subject.namespace, &name)
                    .is_some_and(|now| now["spec"] == object["spec"]);
                if !same {
                    let _ = hand.apply("gitops", &manifest(object));
                }
            }
            Some(own.is.every)
        })
        .made()
}

/// The replica that nobody elected.
const USURPER: &str = "serin-x";

/// I12: a second controller of the same instance, which asks for no Lease.
pub fn second_controller(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_time(|own, hand, _| {
            own.bites(hand, "a second controller starts");
            hand.crew.start_usurper(USURPER);
            None
        })
        .on_end(|_, hand, _| hand.crew.dismiss(USURPER))
        .made()
}

/// I19: another Rollout with the same selector, Services and route.
pub fn twin(params: &mut Params) -> Made {
    Plot::new(params, String::new())
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let mut twin = manifest(&subject.object);
            twin["metadata"]["name"] = ADDED.into();
            twin["spec"]["replicas"] = own.dice.number(1, 3).into();
            own.is = subject.namespace;
            own.bites(hand, "a second Rollout with the same selector");
            let _ = hand.create("person", &twin);
            None
        })
        .on_end(|own, hand, _| {
            if own.is.is_empty() {
                return;
            }
            let _ = hand.delete("person", (ROLLOUTS, &own.is, ADDED), "");
            for set in hand.list(SETS, Some(&own.is)) {
                let owners = set["metadata"]["ownerReferences"]
                    .as_array()
                    .into_iter()
                    .flatten();
                let twins = owners.into_iter().any(|owner| owner["name"] == ADDED);
                if twins {
                    let name = text(&set["metadata"]["name"]);
                    // Collected anyway, where somebody collects.
                    let _ = hand.delete("person", (SETS, &own.is, &name), "");
                }
            }
        })
        .made()
}
