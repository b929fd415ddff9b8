//! Faults of watches and caches: B1 to B12, but for objects that nobody can read.

use super::aim::{ROUTES, RUNS, SERVICES, SETS, is, watched};
use super::plot::{Made, Params, Plot};
use super::scene::{self, subject};
use crate::cluster::failure::Failure;
use crate::cluster::gate::Delivery;
use crate::cluster::request::{Call, Verb};
use crate::simulate::fault::{Mischief, Misdelivery, Point};
use crate::simulate::people::Hand;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A share of the events of one kind, or of all.
#[derive(Debug)]
struct Events {
    kind: Option<&'static str>,
    share: f64,
}

impl Events {
    fn drawn(params: &mut Params, least: f64, most: f64) -> Self {
        Self {
            kind: watched(&mut params.dice),
            share: params.dice.share(least, most),
        }
    }
}

fn bookmark(event: &Value) -> bool {
    event["type"] == "BOOKMARK"
}

/// What happens to a drawn share of the events.
fn befalling(params: &Params, events: Events, as_what: Delivery) -> Made {
    Plot::new(params, (events, as_what))
        .on_event(|own, call, event, _| {
            let (events, delivery) = &own.is;
            let hit = is(call, events.kind) && !bookmark(event) && own.dice.chance(events.share);
            hit.then_some(Misdelivery::As(*delivery))
        })
        .made()
}

/// B1: connections end, and watches go on where they were.
pub fn disconnects(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_time(|own, hand, _| {
            own.bites(hand, "all connections end");
            hand.cluster.hang_up(None);
            Some(own.dice.mostly_short(500, 60_000))
        })
        .made()
}

/// B2: 410, in the watch and when it is opened again.
pub fn expires(params: &mut Params) -> Made {
    let events = Events::drawn(params, 0.05, 0.5);
    Plot::new(params, events)
        .on_event(|own, call, _, _| {
            let hit = is(call, own.is.kind) && own.dice.chance(own.is.share);
            hit.then_some(Misdelivery::As(Delivery::Expire))
        })
        .on_request(|own, point, call, _| {
            let again = call.verb == Verb::Watch && call.query.text("resourceVersion").len() > 1;
            let hit = point == Point::Before && again && own.dice.chance(0.3);
            hit.then(too_old)
        })
        .made()
}

/// B3: one cache, or all, are behind by up to minutes.
pub fn lags(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Lag {
        kind: Option<&'static str>,
        by: Duration,
    }
    let kind = watched(&mut params.dice);
    let by = params.dice.mostly_short(300, 300_000);
    Plot::new(params, Lag { kind, by })
        .on_event(|own, call, _, _| is(call, own.is.kind).then_some(Misdelivery::Delay(own.is.by)))
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// B3: caches stand still from time to time.
pub fn freezes(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Frozen {
        kind: Option<&'static str>,
        until: Option<DateTime<Utc>>,
    }
    let frozen = Frozen {
        kind: None,
        until: None,
    };
    Plot::new(params, frozen)
        .on_time(|own, _, now| {
            own.is.kind = watched(&mut own.dice);
            let lasts = own.dice.mostly_short(500, 60_000);
            own.is.until = now.checked_add_signed(TimeDelta::from_std(lasts).ok()?);
            Some(lasts + own.dice.seconds(1, 20))
        })
        .on_event(|own, call, _, now| {
            let until = own
                .is
                .until
                .filter(|until| now < *until && is(call, own.is.kind))?;
            (until - now).to_std().ok().map(Misdelivery::Delay)
        })
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// B4.
pub fn twice(params: &mut Params) -> Made {
    let events = Events::drawn(params, 0.2, 0.9);
    befalling(params, events, Delivery::Twice)
}

/// B5: of several changes of an object, only the last is seen.
pub fn coalesced(params: &mut Params) -> Made {
    let by = params.dice.mostly_short(50, 10_000);
    Plot::new(params, by)
        .on_event(|own, _, event, _| {
            let delivery = match bookmark(event) {
                true => Delivery::Once,
                false => Delivery::IfNewest,
            };
            Some(Misdelivery::DelayAs(own.is, delivery))
        })
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// B6: between kinds by delays, within one between objects.
pub fn reordered(params: &mut Params) -> Made {
    let events = Events::drawn(params, 0.1, 0.6);
    Plot::new(params, events)
        .on_event(|own, call, event, _| {
            if bookmark(event) || !own.dice.chance(own.is.share) {
                return None;
            }
            Some(match is(call, own.is.kind) && own.dice.chance(0.5) {
                true => Misdelivery::As(Delivery::AfterNext),
                false => Misdelivery::Delay(own.dice.mostly_short(20, 5_000)),
            })
        })
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// Makes watches begin with a new list.
#[derive(Debug, Default)]
struct Relists {
    wanted: u64,
    done: BTreeMap<(Arc<str>, Arc<str>), u64>,
}

impl Relists {
    /// All connections end, and no watch may go on from where it was.
    fn all(&mut self, hand: &Hand) {
        self.wanted += 1;
        hand.cluster.hang_up(None);
    }

    /// The refusal of a watch that would go on.
    fn refuse(&mut self, call: &Call) -> Option<Mischief> {
        if call.verb != Verb::Watch {
            return None;
        }
        let id = (Arc::clone(&call.caller), Arc::clone(&call.resource.id));
        let done = self.done.entry(id).or_default();
        let refused = std::mem::replace(done, self.wanted) < self.wanted;
        refused.then(too_old)
    }
}

fn too_old() -> Mischief {
    Mischief::Refuse(Box::new(Failure::expired("too old resource version: 1 (2)")))
}

/// B7: lists come from an API server that is behind, and its watches begin there.
pub fn relist_behind(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Behind {
        /// What was there at some time in the past.
        version: u64,
        kind: Option<&'static str>,
        slow: Duration,
        relists: Relists,
    }
    let behind = Behind {
        version: 0,
        kind: watched(&mut params.dice),
        slow: params.dice.mostly_short(100, 5_000),
        relists: Relists::default(),
    };
    Plot::new(params, behind)
        .on_time(|own, hand, _| {
            // Not at the beginning: it has to be behind something.
            if own.is.version > 0 {
                own.bites(
                    hand,
                    format!("an API server answers as of version {}", own.is.version),
                );
                own.is.relists.all(hand);
            } else {
                own.is.version = hand.cluster.world().store.version();
            }
            Some(own.dice.seconds(3, 30))
        })
        .on_request(|own, point, call, _| {
            if point != Point::Before || !is(call, own.is.kind) {
                return None;
            }
            let fresh = call.verb == Verb::List && call.query.text("continue").is_empty();
            if !fresh || own.is.version == 0 {
                return own.is.relists.refuse(call);
            }
            let mut behind = Call::clone(call);
            let version = own.is.version.to_string();
            behind.query = behind
                .query
                .with("resourceVersion", version)
                .with("resourceVersionMatch", "Exact");
            Some(Mischief::Instead(Box::new(behind)))
        })
        .on_event(|own, call, _, _| is(call, own.is.kind).then_some(Misdelivery::Delay(own.is.slow)))
        .on_end(|_, hand, _| hand.cluster.hang_up(None))
        .made()
}

/// B8: an object is deleted and made again under its name while nobody watches.
pub fn recreated(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Recreated {
        kind: &'static str,
        relists: Relists,
        blind: bool,
    }
    let recreated = Recreated {
        kind: params.dice.one_of(&[SERVICES, ROUTES, SETS]),
        relists: Relists::default(),
        blind: false,
    };
    Plot::new(params, recreated)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let objects = match own.is.kind {
                SETS => subject.sets(hand),
                SERVICES => subject.services(hand),
                _ => subject.routes(hand),
            };
            if own.is.blind || objects.is_empty() {
                return Some(own.dice.millis(200, 3_000));
            }
            let object = &objects[own.dice.index(objects.len())];
            let name = scene::text(&object["metadata"]["name"]);
            own.bites(hand, format!("{} {name} is deleted and made again", own.is.kind));
            own.is.blind = true;
            own.is.relists.all(hand);
            let at = (own.is.kind, subject.namespace.as_str(), name.as_str());
            let deleted = hand.delete("person", at, "");
            let _ = deleted.and_then(|_| scene::create_again(hand, "person", object).map(|()| Value::Null));
            None
        })
        .on_request(|own, point, call, _| match point {
            Point::Before => own.is.relists.refuse(call),
            Point::After => None,
        })
        .made()
}

/// B9: nobody hears that an object is gone, until everything is listed again. A person deletes one.
pub fn deletion_lost(params: &mut Params) -> Made {
    let kind = params.dice.one_of(&[SETS, RUNS]);
    Plot::new(params, kind)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let there = match own.is {
                SETS => subject.sets(hand),
                kind => hand.list(kind, Some(&subject.namespace)),
            };
            if there.is_empty() || !subject.updating() {
                return Some(own.dice.millis(200, 2_000));
            }
            let name = scene::text(&there[own.dice.index(there.len())]["metadata"]["name"]);
            own.bites(hand, format!("{name} is deleted"));
            let _ = hand.delete("person", (own.is, &subject.namespace, &name), "");
            None
        })
        .on_event(|_, _, event, _| (event["type"] == "DELETED").then_some(Misdelivery::As(Delivery::Never)))
        .on_end(|_, hand, _| relist_all(hand))
        .made()
}

/// Nobody may go on from where it is: everything is listed again.
fn relist_all(hand: &Hand) {
    // A version that nobody has seen yet, so that nobody is at the newest.
    let mark = hand.cluster.world().store.version().to_string();
    let patch = json!({"metadata": {"annotations": {"example.org/compacted-at": mark}}});
    let _ = hand.patch("person", ("namespaces", "", "kube-system", ""), &patch);
    hand.cluster.compact();
    hand.cluster.hang_up(None);
}

/// Events that are never delivered, until everything is listed again.
pub fn events_lost(params: &mut Params) -> Made {
    let events = Events::drawn(params, 0.3, 1.0);
    Plot::new(params, events)
        .on_event(|own, call, event, _| {
            let hit = is(call, own.is.kind) && !bookmark(event) && own.dice.chance(own.is.share);
            hit.then_some(Misdelivery::As(Delivery::Never))
        })
        .on_end(|_, hand, _| relist_all(hand))
        .made()
}

/// B11: a connection that is dead without anybody having said so. A watch that is opened later is well.
pub fn silent(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Silent {
        kind: Option<&'static str>,
        bookmarks_come: bool,
        opened: BTreeSet<(Arc<str>, Arc<str>)>,
    }
    let silent = Silent {
        kind: watched(&mut params.dice),
        bookmarks_come: params.dice.chance(0.3),
        opened: BTreeSet::new(),
    };
    Plot::new(params, silent)
        .on_event(|own, call, event, _| {
            let id = (Arc::clone(&call.caller), Arc::clone(&call.resource.id));
            let dead = is(call, own.is.kind) && !own.is.opened.contains(&id);
            let passes = own.is.bookmarks_come && bookmark(event);
            (dead && !passes).then_some(Misdelivery::As(Delivery::Never))
        })
        .on_request(|own, point, call, _| {
            if point == Point::Before && call.verb == Verb::Watch {
                own.is
                    .opened
                    .insert((Arc::clone(&call.caller), Arc::clone(&call.resource.id)));
            }
            None
        })
        .on_end(|own, hand, _| {
            if own.is.bookmarks_come {
                relist_all(hand);
            }
            hand.cluster.hang_up(None);
        })
        .made()
}

/// B12: pages are small, and the token of the next has expired when it is used.
pub fn pages_expire(params: &mut Params) -> Made {
    let share = params.dice.share(0.2, 0.8);
    Plot::new(params, (share, Relists::default()))
        .on_time(|own, hand, _| {
            own.bites(hand, "everything is listed again");
            own.is.1.all(hand);
            Some(own.dice.seconds(2, 30))
        })
        .on_request(|own, point, call, _| {
            if point != Point::Before {
                return None;
            }
            if call.verb != Verb::List {
                return own.is.1.refuse(call);
            }
            if !call.query.text("continue").is_empty() && own.dice.chance(own.is.0) {
                return Some(Mischief::Refuse(Box::new(Failure::expired(
                    "The provided continue parameter is too old to display a consistent list result.",
                ))));
            }
            let mut small = Call::clone(call);
            small.query = small.query.with("limit", own.dice.number(1, 2).to_string());
            Some(Mischief::Instead(Box::new(small)))
        })
        .made()
}
