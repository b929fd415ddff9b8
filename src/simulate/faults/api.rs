//! Faults of the API server: A1 to A18, but for what is wrong with kinds and webhooks.

use super::aim::{self, Aim, ROLLOUTS, ROUTES, RUNS, SERVICES, SETS};
use super::plot::{Dice, Made, Params, Plot};
use super::scene::{self, subject};
use crate::base::limits;
use crate::cluster::failure::{Cause, Failure};
use crate::cluster::request::{Call, Verb};
use crate::simulate::fault::{Deed, Mischief, Point};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Longer than anybody waits for an answer.
const NEVER: Duration = Duration::from_secs(3_600);
/// When a client gives a connection up that says nothing any more, and asks anew.
const SILENT: Duration = Duration::from_secs(limits::SILENT_CONNECTION_SECONDS_MAX);

fn refuse(failure: Failure) -> Option<Mischief> {
    Some(Mischief::Refuse(Box::new(failure)))
}

fn failure(code: u16, reason: &'static str, message: impl Into<String>) -> Failure {
    Failure {
        code,
        reason,
        ..Failure::internal(message)
    }
}

type Refusal = fn(&mut Dice, &Call) -> Failure;

/// Refuses the requests of an aim before they are applied.
fn refusing(params: &mut Params, aim: Aim, how: Refusal) -> Made {
    Plot::new(params, (aim, how))
        .on_request(|own, point, call, _| {
            let (aim, how) = &own.is;
            let hit = point == Point::Before && aim.hits(&mut own.dice, call);
            hit.then(|| Mischief::Refuse(Box::new(how(&mut own.dice, call))))
        })
        .made()
}

/// A1: somebody else writes the object right before us.
pub fn conflict(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            let guarded = matches!(call.verb, Verb::Patch | Verb::Update | Verb::Delete);
            if point != Point::Before || !guarded || !own.is.hits(&mut own.dice, call) {
                return None;
            }
            let (id, namespace, name) = (
                Arc::clone(&call.resource.id),
                call.namespace.clone(),
                call.name.clone(),
            );
            let mark = own.dice.seed().to_string();
            Some(Mischief::Meanwhile(Deed(Box::new(move |hand| {
                let patch = json!({"metadata": {"annotations": {"example.org/touched": mark}}});
                // Whoever is not there cannot be touched.
                let _ = hand.patch("someone-else", (&id, &namespace, &name, ""), &patch);
            }))))
        })
        .made()
}

/// A2.
pub fn throttled(params: &mut Params) -> Made {
    let aim = Aim::any(&mut params.dice);
    refusing(params, aim, |dice, _| {
        Failure::too_many_requests(dice.mostly_short(0, 120).as_millis() as u64)
    })
}

/// A3.
pub fn server_error(params: &mut Params) -> Made {
    let aim = Aim::any(&mut params.dice);
    refusing(params, aim, |dice, _| match dice.number(0, 2) {
        0 => failure(
            500,
            "InternalError",
            "Internal error occurred: etcdserver: leader changed",
        ),
        1 => failure(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        _ => failure(500, "InternalError", "etcdserver: request timed out"),
    })
}

/// A4: applied, and nobody hears of it; at once or after a while.
pub fn answer_lost(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            if point != Point::After || !own.is.hits(&mut own.dice, call) {
                return None;
            }
            Some(match own.dice.chance(0.5) {
                true => Mischief::Lose,
                false => Mischief::Delay(NEVER),
            })
        })
        .made()
}

/// A4: refused by a proxy though it was applied.
pub fn applied_and_refused(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            if point != Point::After || !own.is.hits(&mut own.dice, call) {
                return None;
            }
            let code = own.dice.one_of(&[500, 502, 504]);
            refuse(failure(code, "", "upstream request timeout"))
        })
        .made()
}

/// A4: lost, and applied all the same some time later.
pub fn arrives_late(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            let hit = point == Point::Before && own.is.hits(&mut own.dice, call);
            hit.then(|| Mischief::Late(own.dice.mostly_short(50, 60_000)))
        })
        .made()
}

/// A5: neither applied nor answered.
pub fn request_lost(params: &mut Params) -> Made {
    let aim = Aim::any(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            if point != Point::Before || !own.is.hits(&mut own.dice, call) {
                return None;
            }
            Some(match own.dice.chance(0.5) {
                true => Mischief::Lose,
                false if matches!(call.verb, Verb::Watch | Verb::List) => Mischief::Delay(SILENT),
                false => Mischief::Delay(NEVER),
            })
        })
        .made()
}

/// A6.
pub fn answer_truncated(params: &mut Params) -> Made {
    let aim = Aim::any(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, point, call, _| {
            let hit = point == Point::After && own.is.hits(&mut own.dice, call);
            hit.then_some(Mischief::Truncate)
        })
        .made()
}

/// A7: a verb on a kind, or all writes of one kind, is taken away for a while.
pub fn forbidden(params: &mut Params) -> Made {
    let resource = params.dice.one_of(&[ROLLOUTS, SETS, ROUTES, SERVICES, RUNS]);
    refusing(params, Aim::every_write().on(resource), |_, call| {
        let resource = &call.resource;
        let verb = format!("{:?}", call.verb).to_lowercase();
        let why = format!(
            "User \"system:serviceaccount:serin-system:serin\" cannot {verb} resource \"{}\" in API group \"{}\" in the namespace \
             \"{}\"",
            resource.plural, resource.group, call.namespace
        );
        Failure::forbidden(&resource.group, &resource.plural, &call.name, &why)
    })
}

/// What is away, as it was.
#[derive(Debug, Default)]
struct Away {
    kind: &'static str,
    objects: Vec<Arc<Value>>,
}

/// A8: something that the Rollout names is gone, and comes back.
fn gone(params: &Params, kind: &'static str) -> Made {
    let objects = Vec::new();
    Plot::new(params, Away { kind, objects })
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let mut there = hand.list(own.is.kind, Some(&subject.namespace));
            there.retain(|object| concerns(&subject, object));
            if there.is_empty() {
                return Some(own.dice.millis(200, 2_000));
            }
            let object = Arc::clone(&there[own.dice.index(there.len())]);
            let name = scene::text(&object["metadata"]["name"]);
            own.bites(hand, format!("{} {name} is deleted", own.is.kind));
            let at = (own.is.kind, subject.namespace.as_str(), name.as_str());
            if hand.delete("person", at, "").is_ok() {
                own.is.objects.push(object);
            }
            None
        })
        .on_end(|own, hand, _| {
            for object in own.is.objects.drain(..) {
                if let Err(failure) = scene::create_again(hand, "person", &object) {
                    hand.says("person", format!("cannot bring it back: {}", failure.message));
                }
            }
        })
        .made()
}

fn concerns(subject: &scene::Subject, object: &Value) -> bool {
    if object["kind"] != "Service" {
        return true;
    }
    let name = scene::text(&object["metadata"]["name"]);
    name == subject.service("canaryService") || name == subject.service("stableService")
}

pub fn service_gone(params: &mut Params) -> Made {
    gone(params, SERVICES)
}

pub fn route_gone(params: &mut Params) -> Made {
    gone(params, ROUTES)
}

/// A9.
pub fn denied(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    refusing(params, aim, |dice, call| match dice.chance(0.5) {
        true => failure(
            403,
            "Forbidden",
            "admission webhook \"policy.example.org\" denied the request: change freeze until Monday",
        ),
        false => {
            let cause = Cause::invalid("spec", "\"\"", "is not what the policy allows");
            call.resource.invalid(&call.name, &[cause])
        }
    })
}

/// A11.
pub fn too_large(params: &mut Params) -> Made {
    let aim = Aim::writes(&mut params.dice);
    refusing(params, aim, |dice, _| match dice.chance(0.5) {
        true => failure(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        ),
        false => failure(500, "", "etcdserver: request is too large"),
    })
}

/// A12.
pub fn slow(params: &mut Params) -> Made {
    let aim = Aim::any(&mut params.dice);
    Plot::new(params, aim)
        .on_request(|own, _, call, _| {
            let hit = own.is.hits(&mut own.dice, call);
            hit.then(|| Mischief::Delay(own.dice.mostly_short(1, 60_000)))
        })
        .made()
}

/// A13: away for a while, now and then.
pub fn restarts(params: &mut Params) -> Made {
    Plot::new(params, None::<DateTime<Utc>>)
        .on_time(|own, hand, now| {
            let away = own.dice.mostly_short(300, 20_000);
            own.is = now.checked_add_signed(TimeDelta::from_std(away).ok()?);
            own.bites(
                hand,
                format!("the API server is away for {} ms", away.as_millis()),
            );
            hand.cluster.hang_up(None);
            Some(away + own.dice.seconds(5, 60))
        })
        .on_request(|own, point, _, now| {
            let away = own.is.is_some_and(|until| now < until);
            (away && point == Point::Before).then_some(Mischief::Lose)
        })
        .made()
}

/// A14: it exists, and our cache will not say so for a while.
pub fn already_exists(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Hidden {
        kind: &'static str,
        until: BTreeMap<String, DateTime<Utc>>,
    }
    let kind = params.dice.one_of(&[SETS, RUNS]);
    let until = BTreeMap::new();
    Plot::new(params, Hidden { kind, until })
        .on_request(|own, point, call, now| {
            let created = call.verb == Verb::Create && aim::is(call, Some(own.is.kind));
            if point != Point::After || !created {
                return None;
            }
            let body: Value = serde_json::from_slice(&call.body).ok()?;
            let name = scene::text(&body["metadata"]["name"]);
            if own.is.until.contains_key(&name) {
                return None;
            }
            let hidden = TimeDelta::from_std(own.dice.seconds(1, 8)).ok()?;
            own.is.until.insert(name, now + hidden);
            Some(Mischief::Lose)
        })
        .on_event(|own, call, event, now| {
            let name = scene::text(&event["object"]["metadata"]["name"]);
            let until = own.is.until.get(&name)?;
            if !aim::is(call, Some(own.is.kind)) || now >= *until {
                return None;
            }
            let wait = (*until - now).to_std().ok()?;
            Some(crate::simulate::fault::Misdelivery::Delay(wait))
        })
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// A15: as in a namespace that is being deleted.
pub fn terminating(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_request(|_, point, call, _| {
            let ours = call.namespace != crate::simulate::crew::NAMESPACE;
            if point != Point::Before || call.verb != Verb::Create || !ours {
                return None;
            }
            let (resource, space) = (&call.resource, &call.namespace);
            let why =
                format!("unable to create new content in namespace {space} because it is being terminated");
            refuse(Failure::forbidden(
                &resource.group,
                &resource.plural,
                &call.name,
                &why,
            ))
        })
        .made()
}

/// A16: until the token is rotated, or for some requests while it is.
pub fn unauthorized(params: &mut Params) -> Made {
    let share = params.dice.one_of(&[0.3, 1.0]);
    refusing(params, Aim::all().share(share), |_, _| {
        failure(401, "Unauthorized", "Unauthorized")
    })
}

/// A18: each request waits for those before it, and some wait too long.
pub fn queued(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Line {
        each: TimeDelta,
        free_at: Option<DateTime<Utc>>,
    }
    let each = TimeDelta::milliseconds(params.dice.number(50, 3_000) as i64);
    Plot::new(params, Line { each, free_at: None })
        .on_request(|own, point, _, now| {
            if point != Point::Before {
                return None;
            }
            let turn = own.is.free_at.unwrap_or(now).max(now) + own.is.each;
            let wait = turn - now;
            if wait > TimeDelta::seconds(60) {
                return refuse(Failure::too_many_requests(1));
            }
            own.is.free_at = Some(turn);
            Some(Mischief::Delay(wait.to_std().ok()?))
        })
        .made()
}
