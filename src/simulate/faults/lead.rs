//! Faults of leadership: D1 to D7. All but the first need more than one replica to matter.

use super::aim::{LEASES, ROLLOUTS, is, writes};
use super::plot::{Made, Own, Params, Plot};
use super::scene::{leader, text};
use crate::cluster::failure::Failure;
use crate::cluster::gate::Delivery;
use crate::cluster::request::{Call, Verb};
use crate::simulate::crew::NAMESPACE;
use crate::simulate::fault::{Mischief, Misdelivery, Point};
use crate::simulate::people::Hand;
use serde_json::{Value, json};
use std::sync::Arc;

/// D1: stands still with a write in its hand for longer than its Lease lasts, wakes, and finishes it.
pub fn frozen_past_lease(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Freezes {
        times: u64,
        after: u64,
    }
    let freezes = Freezes {
        times: params.dice.number(1, 2),
        after: params.dice.number(0, 6),
    };
    Plot::new(params, freezes)
        .on_request(|own, point, call, _| {
            if point != Point::Before || !writes(call.verb) || is(call, Some(LEASES)) || own.is.times == 0 {
                return None;
            }
            if own.is.after > 0 {
                own.is.after -= 1;
                return None;
            }
            own.is.times -= 1;
            own.is.after = own.dice.number(0, 20);
            Some(Mischief::Freeze(own.dice.seconds(16, 60)))
        })
        .made()
}

/// D2: one replica cannot reach the Lease, and all else it can.
pub fn lease_unavailable(params: &mut Params) -> Made {
    Plot::new(params, None::<Arc<str>>)
        .on_time(|own, hand, _| {
            own.is = leader(hand);
            own.is.is_none().then(|| own.dice.millis(100, 1_000))
        })
        .on_request(|own, point, call, _| {
            let cut = is(call, Some(LEASES)) && own.is.as_ref() == Some(&call.caller);
            if point != Point::Before || !cut {
                return None;
            }
            Some(match own.dice.chance(0.5) {
                true => Mischief::Lose,
                false => Mischief::Refuse(Box::new(Failure::internal("etcdserver: request timed out"))),
            })
        })
        .made()
}

fn leases(hand: &Hand) -> Vec<Arc<Value>> {
    hand.list(LEASES, Some(NAMESPACE))
}

fn edit(hand: &Hand, lease: &Value, spec: &Value) {
    let name = text(&lease["metadata"]["name"]);
    let at = (LEASES, NAMESPACE, name.as_str(), "");
    let _ = hand.patch("person", at, &json!({"spec": spec}));
}

/// D3.
pub fn lease_edited(params: &mut Params) -> Made {
    let times = params.dice.number(1, 4);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            for lease in leases(hand) {
                own.is = own.is.checked_sub(1)?;
                let name = text(&lease["metadata"]["name"]);
                own.bites(hand, format!("the Lease {name} is edited or deleted"));
                match own.dice.number(0, 3) {
                    0 => {
                        let _ = hand.delete("person", (LEASES, NAMESPACE, &name), "");
                    }
                    1 => edit(hand, &lease, &json!({"holderIdentity": ""})),
                    2 => edit(hand, &lease, &json!({"holderIdentity": "somebody_else"})),
                    _ => edit(
                        hand,
                        &lease,
                        &json!({"leaseDurationSeconds": own.dice.number(1, 60), "renewTime": null}),
                    ),
                }
            }
            Some(own.dice.seconds(1, 30))
        })
        .made()
}

/// D5: the lead goes round.
pub fn flaps(params: &mut Params) -> Made {
    let every = params.dice.seconds(3, 20);
    Plot::new(params, every)
        .on_time(|own, hand, _| {
            take_the_lead_away(own, hand);
            Some(own.is)
        })
        .made()
}

fn take_the_lead_away<S>(own: &Own<S>, hand: &Hand) {
    for lease in leases(hand) {
        own.bites(hand, "the lead is taken away");
        edit(hand, &lease, &json!({"holderIdentity": ""}));
    }
}

/// D6: one of the replicas is of another version, which writes fewer fields; the lead goes to and fro.
pub fn two_versions(params: &mut Params) -> Made {
    let every = params.dice.seconds(5, 30);
    Plot::new(params, (every, None::<Arc<str>>))
        .on_time(|own, hand, _| {
            own.is.1 = hand.crew.names().last().cloned();
            take_the_lead_away(own, hand);
            Some(own.is.0)
        })
        .on_request(|own, point, call, _| {
            let other = own.is.1.as_ref() == Some(&call.caller);
            let status = call.verb == Verb::Patch && is(call, Some(ROLLOUTS)) && call.subresource == "status";
            if point != Point::Before || !other || !status {
                return None;
            }
            let mut body: Value = serde_json::from_slice(&call.body).ok()?;
            let fields = body["status"].as_object_mut()?;
            // What it does not know it does not miss either: a patch of that alone is one it would not send.
            if fields.len() < 2 || fields.remove("duration").is_none() {
                return None;
            }
            let mut older = Call::clone(call);
            older.body = body.to_string().into();
            Some(Mischief::Instead(Box::new(older)))
        })
        .made()
}

/// D7: cut off from the API server, and neither from Prometheus nor from Slack.
pub fn cut_off(params: &mut Params) -> Made {
    Plot::new(params, None::<Arc<str>>)
        .on_time(|own, hand, _| {
            if let Some(before) = own.is.take() {
                hand.cluster.hang_up(Some(&before));
                return Some(own.dice.seconds(5, 60));
            }
            let who = leader(hand)?;
            own.bites(hand, format!("{who} is cut off from the API server"));
            hand.cluster.hang_up(Some(&who));
            own.is = Some(who);
            Some(own.dice.seconds(5, 90))
        })
        .on_request(|own, point, call, _| {
            let cut = point == Point::Before && own.is.as_ref() == Some(&call.caller);
            cut.then_some(Mischief::Lose)
        })
        .on_event(|own, call, _, _| {
            let cut = own.is.as_ref() == Some(&call.caller);
            cut.then_some(Misdelivery::As(Delivery::Close))
        })
        .made()
}
