//! Faults of the controller's processes: C1 to C9. A controller writes no files, so a full disk (C10) cannot hurt it.

use super::aim::{Aim, RUNS, SETS};
use super::plot::{Made, Params, Plot};
use super::scene::{leader, subject};
use crate::cluster::request::Verb;
use crate::simulate::fault::{Mischief, Point};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a new process is on its way.
const BACK_MS: (u64, u64) = (200, 30_000);

/// Dies at the request of this number among those it is aimed at, and again after as many.
fn crash_at(params: &mut Params, at: Point, aim: Aim, most: u64) -> Made {
    #[derive(Debug)]
    struct Crashes {
        at: Point,
        aim: Aim,
        /// Requests until the next.
        left: u64,
        times: u64,
        most: u64,
    }
    let crashes = Crashes {
        at,
        aim,
        left: params.dice.number(0, most),
        times: params.dice.number(1, 3),
        most,
    };
    Plot::new(params, crashes)
        .on_request(|own, point, call, _| {
            if point != own.is.at || own.is.times == 0 || !own.is.aim.hits(&mut own.dice, call) {
                return None;
            }
            if own.is.left > 0 {
                own.is.left -= 1;
                return None;
            }
            own.is.left = own.dice.number(0, own.is.most);
            own.is.times -= 1;
            Some(Mischief::Crash(Some(own.dice.mostly_short(BACK_MS.0, BACK_MS.1))))
        })
        .made()
}

/// C1.
pub fn before_call(params: &mut Params) -> Made {
    crash_at(params, Point::Before, Aim::all(), 30)
}

/// C2.
pub fn after_call(params: &mut Params) -> Made {
    crash_at(params, Point::After, Aim::all(), 30)
}

/// C3: what was decided is never written.
pub fn before_write(params: &mut Params) -> Made {
    let kind = params.dice.one_of(&[SETS, RUNS, super::aim::ROLLOUTS]);
    crash_at(params, Point::Before, Aim::every_write().on(kind), 4)
}

/// C4: SIGTERM, and a new one.
pub fn terminated(params: &mut Params) -> Made {
    ends(params, false)
}

/// C5: killed while it ends.
pub fn killed_draining(params: &mut Params) -> Made {
    ends(params, true)
}

fn ends(params: &mut Params, killed: bool) -> Made {
    #[derive(Debug)]
    struct Ends {
        killed: bool,
        times: u64,
        /// Who is ending, and is to come back.
        who: Option<Arc<str>>,
        ends: bool,
    }
    let ends = Ends {
        killed,
        times: params.dice.number(1, 3),
        who: None,
        ends: false,
    };
    Plot::new(params, ends)
        .on_time(|own, hand, _| {
            if let Some(who) = own.is.who.clone().filter(|_| own.is.ends) {
                own.is.ends = false;
                if own.is.killed {
                    hand.crew.crash(&who, None);
                }
                return Some(own.dice.seconds(1, 10));
            }
            if let Some(who) = own.is.who.take() {
                hand.crew.crash(&who, None);
                hand.crew.start(&who);
                return Some(own.dice.seconds(2, 60));
            }
            own.is.times = own.is.times.checked_sub(1)?;
            let who = leader(hand)?;
            own.bites(hand, format!("{who} is told to stop"));
            hand.crew.stop(&who);
            own.is.who = Some(who);
            own.is.ends = true;
            Some(match own.is.killed {
                true => own.dice.millis(1, 300),
                false => own.dice.seconds(1, 20),
            })
        })
        .on_end(|own, hand, _| {
            if let Some(who) = own.is.who.take() {
                hand.crew.crash(&who, None);
                hand.crew.start(&who);
            }
        })
        .made()
}

/// C6: stands still for up to two minutes, wherever it is.
pub fn frozen(params: &mut Params) -> Made {
    Plot::new(params, params.dice.clone().number(1, 4))
        .on_time(|own, hand, _| {
            own.is = own.is.checked_sub(1)?;
            let lasts = own.dice.mostly_short(1_000, 120_000);
            let names = hand.crew.names();
            let who = names.get(own.dice.index(names.len()))?;
            own.bites(hand, format!("{who} stands still for {} ms", lasts.as_millis()));
            hand.crew.freeze(who, lasts);
            Some(lasts + own.dice.seconds(1, 60))
        })
        .made()
}

/// C7: while no replica is up, another version of the controller was, which knows fewer fields and other annotations.
pub fn other_version(params: &mut Params) -> Made {
    #[derive(Debug, PartialEq)]
    enum At {
        Before,
        Away,
        Done,
    }
    Plot::new(params, At::Before)
        .on_time(|own, hand, _| match own.is {
            At::Before => {
                own.bites(hand, "all replicas end, and another version starts");
                for name in hand.crew.names() {
                    hand.crew.crash(&name, None);
                }
                own.is = At::Away;
                Some(own.dice.seconds(1, 30))
            }
            At::Away => {
                if let Some(subject) = subject(hand) {
                    let older = json!({"status": {
                        "duration": Value::Null, "aborted": Value::Null, "message": "written by another version",
                        "conditions": [], "observedGeneration": "0", "canary": {"weights": Value::Null},
                    }});
                    subject.patch(hand, "other-version", "status", &older);
                }
                for name in hand.crew.names() {
                    hand.crew.start(&name);
                }
                own.is = At::Done;
                None
            }
            At::Done => None,
        })
        .on_end(|own, hand, _| {
            if own.is == At::Away {
                for name in hand.crew.names() {
                    hand.crew.start(&name);
                }
            }
        })
        .made()
}

/// C8: up for some seconds, down for some, over and over.
pub fn crash_loop(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Pace {
        up: Duration,
        down: Duration,
    }
    let pace = Pace {
        up: params.dice.mostly_short(500, 30_000),
        down: params.dice.mostly_short(500, 20_000),
    };
    Plot::new(params, pace)
        .on_time(|own, hand, _| {
            own.bites(hand, "every replica crashes");
            for name in hand.crew.names() {
                hand.crew.crash(&name, Some(own.is.down));
            }
            Some(own.is.down + own.is.up)
        })
        .made()
}

/// C9: dies while it fills its caches, as when it needs more memory than it may have.
pub fn at_first_sync(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Sync {
        times: u64,
        lists: BTreeMap<Arc<str>, u64>,
        dies_at: u64,
    }
    let sync = Sync {
        times: params.dice.number(1, 5),
        lists: BTreeMap::new(),
        dies_at: params.dice.number(1, 6),
    };
    Plot::new(params, sync)
        .on_time(|own, hand, _| {
            // Starts again from nothing.
            let who = leader(hand)?;
            own.is.lists.clear();
            hand.crew.crash(&who, Some(Duration::from_millis(500)));
            None
        })
        .on_request(|own, point, call, _| {
            if point != Point::After || call.verb != Verb::List || own.is.times == 0 {
                return None;
            }
            let lists = own.is.lists.entry(Arc::clone(&call.caller)).or_default();
            *lists += 1;
            if *lists < own.is.dies_at {
                return None;
            }
            *lists = 0;
            own.is.times -= 1;
            Some(Mischief::Crash(Some(own.dice.mostly_short(500, 40_000))))
        })
        .made()
}

/// E5: nobody is there when a pause or a deadline ends.
pub fn away_at_deadline(params: &mut Params) -> Made {
    Plot::new(params, None::<DateTime<Utc>>)
        .on_time(|own, hand, now| {
            if let Some(until) = own.is {
                if now < until {
                    return (until - now).to_std().ok();
                }
                for name in hand.crew.names() {
                    hand.crew.start(&name);
                }
                return None;
            }
            let paused = subject(hand)
                .is_some_and(|subject| subject.updating() && subject.status()["pauseConditions"].is_array());
            if !paused {
                return Some(Duration::from_millis(500));
            }
            own.bites(hand, "nobody is up while it is paused");
            for name in hand.crew.names() {
                hand.crew.crash(&name, None);
            }
            let away = own.dice.seconds(20, 180);
            own.is = now.checked_add_signed(TimeDelta::from_std(away).ok()?);
            Some(away)
        })
        .on_end(|_, hand, _| {
            for name in hand.crew.names() {
                hand.crew.start(&name);
            }
        })
        .made()
}
