//! Faults of clocks: D4 and E1 to E6, but for the deadline that passes while nobody is up. The clocks of the replicas are wrong; the
//! world's own goes on.

use super::aim::{RUNS, SETS};
use super::plot::{Dice, Made, Params, Plot};
use super::scene::{subject, text};
use crate::base::gotime::Time;
use crate::base::names::annotation;
use crate::simulate::people::Hand;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::Duration;

const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;

fn signed(dice: &mut Dice, least_ms: u64, most_ms: u64) -> TimeDelta {
    let off = by(dice, least_ms, most_ms);
    if dice.chance(0.5) { off } else { -off }
}

fn by(dice: &mut Dice, least_ms: u64, most_ms: u64) -> TimeDelta {
    TimeDelta::from_std(dice.mostly_short(least_ms, most_ms)).unwrap_or_default()
}

fn skew_all(hand: &Hand, off: TimeDelta) {
    for name in hand.crew.names() {
        hand.crew.skew(&name, off);
    }
}

fn right_again<S>(_: &mut super::plot::Own<S>, hand: &Hand, _: DateTime<Utc>) {
    skew_all(hand, TimeDelta::zero());
}

/// D4: every replica has a clock of its own.
pub fn skewed(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_time(|own, hand, _| {
            for name in hand.crew.names() {
                let off = signed(&mut own.dice, 1_000, 3_600_000);
                own.bites(hand, format!("the clock of {name} is off by {off}"));
                hand.crew.skew(&name, off);
            }
            None
        })
        .on_end(right_again)
        .made()
}

/// All clocks jump at some moment in the window.
fn jumps(params: &mut Params, off: TimeDelta) -> Made {
    Plot::new(params, (off, false))
        .on_time(|own, hand, _| {
            if !own.is.1 {
                own.is.1 = true;
                return Some(own.dice.mostly_short(0, 60_000));
            }
            own.bites(hand, format!("all clocks jump by {}", own.is.0));
            skew_all(hand, own.is.0);
            None
        })
        .on_end(right_again)
        .made()
}

/// E1.
pub fn forward(params: &mut Params) -> Made {
    let off = by(&mut params.dice, 1_000, YEAR_MS);
    jumps(params, off)
}

/// E2.
pub fn backward(params: &mut Params) -> Made {
    let off = by(&mut params.dice, 1_000, YEAR_MS);
    jumps(params, -off)
}

/// E3.
pub fn drifts(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Drift {
        per_second: TimeDelta,
        off: TimeDelta,
    }
    let drift = Drift {
        per_second: signed(&mut params.dice, 1, 200),
        off: TimeDelta::zero(),
    };
    Plot::new(params, drift)
        .on_time(|own, hand, _| {
            if own.is.off.is_zero() {
                own.bites(
                    hand,
                    format!("all clocks drift by {} per second", own.is.per_second),
                );
            }
            own.is.off += own.is.per_second * 2;
            skew_all(hand, own.is.off);
            Some(Duration::from_secs(2))
        })
        .on_end(right_again)
        .made()
}

/// E4: somebody whose clock was ahead has written times into what we read.
pub fn from_the_future(params: &mut Params) -> Made {
    let ahead = by(&mut params.dice, 5_000, 600_000);
    Plot::new(params, ahead)
        .on_time(|own, hand, now| {
            let subject = subject(hand)?;
            if !subject.updating() {
                return Some(Duration::from_millis(500));
            }
            let then: Value = Time::new(now + own.is).rfc3339().into();
            let mut conditions = subject.status()["conditions"].clone();
            for condition in conditions.as_array_mut().into_iter().flatten() {
                condition["lastUpdateTime"] = then.clone();
                condition["lastTransitionTime"] = then.clone();
            }
            let mut status = json!({"conditions": conditions});
            let pauses = subject.status()["pauseConditions"].clone();
            if let Value::Array(mut pauses) = pauses {
                pauses
                    .iter_mut()
                    .for_each(|pause| pause["startTime"] = then.clone());
                status["pauseConditions"] = pauses.into();
            }
            own.bites(hand, "times from the future in the status");
            subject.patch(hand, "person", "status", &json!({"status": status}));
            for set in subject.sets(hand) {
                if set["metadata"]["annotations"][annotation::SCALE_DOWN_DEADLINE].is_string() {
                    let name = text(&set["metadata"]["name"]);
                    let patch =
                        json!({"metadata": {"annotations": {annotation::SCALE_DOWN_DEADLINE: then.clone()}}});
                    let _ = hand.patch("person", (SETS, &subject.namespace, &name, ""), &patch);
                }
            }
            for run in hand.list(RUNS, Some(&subject.namespace)) {
                if run["status"]["phase"] == "Running" {
                    let name = text(&run["metadata"]["name"]);
                    let patch = json!({"status": {"startedAt": then.clone()}});
                    let _ = hand.patch("person", (RUNS, &subject.namespace, &name, ""), &patch);
                }
            }
            None
        })
        .made()
}

/// E6: clocks that are off by less than the second that objects carry.
pub fn fractions(params: &mut Params) -> Made {
    Plot::new(params, ())
        .on_time(|own, hand, _| {
            for name in hand.crew.names() {
                let off = signed(&mut own.dice, 1, 999);
                hand.crew.skew(&name, off);
            }
            own.bites(hand, "clocks are off by fractions of a second");
            Some(own.dice.millis(500, 10_000))
        })
        .on_end(right_again)
        .made()
}
