//! What all faults share: a name, a window of time, dice, and a function for each point at which they may strike.

use crate::base::seed::Seed;
use crate::cluster::request::Call;
use crate::simulate::fault::{Fault, Mail, Misanswer, Mischief, Misdelivery, Mismail, Point, Query};
use crate::simulate::people::Hand;
use crate::simulate::record::What;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

pub type Made = Box<dyn Fault>;

/// What a fault is made of.
#[derive(Debug)]
pub struct Params {
    name: &'static str,
    pub dice: Dice,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

impl Params {
    pub fn new(name: &'static str, seed: Seed, from: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Self {
        let dice = Dice(seed);
        Self {
            name,
            dice,
            from,
            until,
        }
    }
}

/// Draws from a seed.
#[derive(Clone, Debug)]
pub struct Dice(Seed);

impl Dice {
    /// True so often.
    pub fn chance(&mut self, share: f64) -> bool {
        self.0.next_fraction() < share
    }

    /// A share from `least` to `most`.
    pub fn share(&mut self, least: f64, most: f64) -> f64 {
        least + self.0.next_fraction() * (most - least)
    }

    /// A number from `least` to `most`, both included.
    pub fn number(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.next_u64() % (most - least + 1)
    }

    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.0.next_u64() % len.max(1) as u64).unwrap_or_default()
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(least, most))
    }

    pub fn seconds(&mut self, least: u64, most: u64) -> Duration {
        self.millis(least * 1_000, most * 1_000)
    }

    /// Far more often short than long.
    pub fn mostly_short(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let share = self.0.next_fraction().powi(3);
        Duration::from_millis(least_ms + ((most_ms - least_ms) as f64 * share) as u64)
    }

    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// What a fault remembers.
#[derive(Debug)]
pub struct Own<S> {
    pub name: &'static str,
    pub dice: Dice,
    /// Its parameters and what it has done.
    pub is: S,
}

impl<S> Own<S> {
    /// The fault did something by itself.
    pub fn bites(&self, hand: &Hand, detail: impl Into<String>) {
        hand.crew.bitten(self.name, || detail.into());
    }
}

type OnRequest<S> = fn(&mut Own<S>, Point, &Call, DateTime<Utc>) -> Option<Mischief>;
type OnEvent<S> = fn(&mut Own<S>, &Call, &Value, DateTime<Utc>) -> Option<Misdelivery>;
type OnQuery<S> = fn(&mut Own<S>, &Query<'_>, DateTime<Utc>) -> Option<Misanswer>;
type OnMail<S> = fn(&mut Own<S>, &Mail<'_>, DateTime<Utc>) -> Option<Mismail>;
/// The answer is the time until it acts again; none when it never does.
type OnTime<S> = fn(&mut Own<S>, &Hand, DateTime<Utc>) -> Option<Duration>;
type OnEnd<S> = fn(&mut Own<S>, &Hand, DateTime<Utc>);

/// Where a fault is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ahead,
    /// And acts again then.
    On(Option<DateTime<Utc>>),
    Over,
}

/// A fault: functions over what it remembers.
#[derive(Debug)]
pub struct Plot<S> {
    own: Own<S>,
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    stage: Stage,
    request: Option<OnRequest<S>>,
    event: Option<OnEvent<S>>,
    query: Option<OnQuery<S>>,
    mail: Option<OnMail<S>>,
    time: Option<OnTime<S>>,
    end: Option<OnEnd<S>>,
}

impl<S: Debug + Send + 'static> Plot<S> {
    pub fn new(params: &Params, is: S) -> Self {
        Self {
            own: Own {
                name: params.name,
                dice: params.dice.clone(),
                is,
            },
            from: params.from,
            until: params.until,
            stage: Stage::Ahead,
            request: None,
            event: None,
            query: None,
            mail: None,
            time: None,
            end: None,
        }
    }

    pub fn on_request(mut self, does: OnRequest<S>) -> Self {
        self.request = Some(does);
        self
    }

    pub fn on_event(mut self, does: OnEvent<S>) -> Self {
        self.event = Some(does);
        self
    }

    pub fn on_query(mut self, does: OnQuery<S>) -> Self {
        self.query = Some(does);
        self
    }

    pub fn on_mail(mut self, does: OnMail<S>) -> Self {
        self.mail = Some(does);
        self
    }

    pub fn on_time(mut self, does: OnTime<S>) -> Self {
        self.time = Some(does);
        self
    }

    /// When it is over, if it ever began.
    pub fn on_end(mut self, does: OnEnd<S>) -> Self {
        self.end = Some(does);
        self
    }

    pub fn made(self) -> Made {
        Box::new(self)
    }

    fn open(&self, now: DateTime<Utc>) -> bool {
        self.stage != Stage::Over && now >= self.from && self.until.is_none_or(|until| now < until)
    }

    fn tell(&self, hand: &Hand, detail: &str) {
        let what = What::Fault {
            name: self.own.name,
            detail: detail.to_owned(),
        };
        hand.stage.tell(&hand.cluster, what);
    }

    fn finish(&mut self, hand: &Hand, now: DateTime<Utc>) {
        let before = std::mem::replace(&mut self.stage, Stage::Over);
        if matches!(before, Stage::On(_)) {
            if let Some(end) = self.end {
                end(&mut self.own, hand, now);
            }
            self.tell(hand, "ends");
        }
    }

    fn step(&mut self, hand: &Hand, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let again = self.time.and_then(|time| time(&mut self.own, hand, now))?;
        now.checked_add_signed(TimeDelta::from_std(again.max(Duration::from_millis(1))).ok()?)
    }
}

impl<S: Debug + Send + 'static> Fault for Plot<S> {
    fn name(&self) -> &'static str {
        self.own.name
    }

    fn request(&mut self, point: Point, call: &Call, now: DateTime<Utc>) -> Option<Mischief> {
        let does = self.request.filter(|_| self.open(now))?;
        does(&mut self.own, point, call, now)
    }

    fn deliver(&mut self, call: &Call, event: &Value, now: DateTime<Utc>) -> Option<Misdelivery> {
        let does = self.event.filter(|_| self.open(now))?;
        does(&mut self.own, call, event, now)
    }

    fn ask(&mut self, query: &Query<'_>, now: DateTime<Utc>) -> Option<Misanswer> {
        let does = self.query.filter(|_| self.open(now))?;
        does(&mut self.own, query, now)
    }

    fn mail(&mut self, mail: &Mail<'_>, now: DateTime<Utc>) -> Option<Mismail> {
        let does = self.mail.filter(|_| self.open(now))?;
        does(&mut self.own, mail, now)
    }

    fn act(&mut self, hand: &Hand, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.stage == Stage::Over {
            return None;
        }
        if now < self.from {
            return Some(self.from);
        }
        if self.until.is_some_and(|until| now >= until) {
            self.finish(hand, now);
            return None;
        }
        let due = match self.stage {
            Stage::On(due) => due.is_some_and(|due| now >= due),
            _ => {
                self.tell(hand, "begins");
                true
            }
        };
        if due {
            let again = self.step(hand, now);
            self.stage = Stage::On(again);
        }
        let Stage::On(again) = self.stage else {
            return None;
        };
        match (again, self.until) {
            (Some(again), Some(until)) => Some(again.min(until)),
            (again, until) => again.or(until),
        }
    }

    fn heal(&mut self, hand: &Hand, now: DateTime<Utc>) {
        self.finish(hand, now);
    }
}
