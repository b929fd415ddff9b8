//! What a fault may do, at each point where the controller meets the world. The catalogue of faults is in [`super::faults`].

use crate::cluster::failure::Failure;
use crate::cluster::gate::Delivery;
use crate::cluster::request::Call;
use crate::simulate::people::Hand;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Sent, not applied.
    Before,
    /// Applied, not answered.
    After,
}

/// What befalls a request.
#[derive(Debug)]
pub enum Mischief {
    /// It is answered with this failure.
    Refuse(Box<Failure>),
    /// The connection breaks.
    Lose,
    /// It takes so much longer.
    Delay(Duration),
    /// The replica that sent it dies here, and starts again after this time, if at all.
    Crash(Option<Duration>),
    /// The replica that sent it stands still for this time, with the request where it is.
    Freeze(Duration),
    /// Somebody does something in this very moment.
    Meanwhile(Deed),
    /// Before it is applied: this is carried out instead.
    Instead(Box<Call>),
    /// After it was applied: the answer breaks off in the middle.
    Truncate,
    /// Before it is applied: the connection breaks, and the request arrives all the same, so much later.
    Late(Duration),
}

/// What somebody does.
pub struct Deed(pub Box<dyn FnOnce(&Hand) + Send>);

impl Debug for Deed {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Deed")
    }
}

/// What befalls a watch event.
#[derive(Clone, Copy, Debug)]
pub enum Misdelivery {
    Delay(Duration),
    As(Delivery),
    /// Both.
    DelayAs(Duration, Delivery),
}

/// What befalls a call of a metric provider.
#[derive(Clone, Debug)]
pub enum Misanswer {
    /// No connection: why.
    Refuse(String),
    /// No answer, ever.
    Hang,
    Delay(Duration),
    /// This answer: HTTP status, content type, body.
    Say(u16, &'static str, Vec<u8>),
    /// A redirect to this address.
    Redirect(String),
    /// One byte of the true answer per pause.
    Drip(Duration),
    /// The first half of the true answer, and then the connection breaks.
    Truncate,
    /// An answer without end.
    Endless,
    /// This sample value instead of the true one.
    Value(String),
    /// What this makes of the true answer's body.
    Rewrite(fn(&str) -> String),
}

/// What befalls a call of Slack.
#[derive(Clone, Debug)]
pub enum Mismail {
    /// Not delivered; the connection breaks.
    Refuse,
    /// Not delivered: this HTTP status, with a pause to keep before the next.
    Status(u16, Option<Duration>),
    /// Not delivered: refused with this code.
    Code(&'static str),
    /// Delivered, and the answer is lost after this time.
    DeliverAndHang(Duration),
    /// Nothing happens for this time, then it goes on.
    Delay(Duration),
    /// Delivered, and the replica dies before it hears of that; a new one starts after this time.
    DeliverAndCrash(Duration),
}

/// A call of a metric provider, as faults see it.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub replica: &'a str,
    pub query: &'a str,
}

/// A call of Slack, as faults see it.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    pub replica: &'a str,
    pub method: &'a str,
}

/// A fault. Each method is asked at its point, in the order in which things happen; what a fault does depends on what it was
/// asked before and on nothing else.
pub trait Fault: Debug + Send {
    /// Its name in the catalogue.
    fn name(&self) -> &'static str;

    /// A request of a replica of the controller.
    fn request(&mut self, _point: Point, _call: &Call, _now: DateTime<Utc>) -> Option<Mischief> {
        None
    }

    /// A watch event to a replica of the controller.
    fn deliver(&mut self, _call: &Call, _event: &Value, _now: DateTime<Utc>) -> Option<Misdelivery> {
        None
    }

    fn ask(&mut self, _query: &Query<'_>, _now: DateTime<Utc>) -> Option<Misanswer> {
        None
    }

    fn mail(&mut self, _mail: &Mail<'_>, _now: DateTime<Utc>) -> Option<Mismail> {
        None
    }

    /// Whether a request of another actor is gated too: by default people are never hindered.
    fn hinders(&self, _caller: &str) -> bool {
        false
    }

    /// Called at the beginning and whenever the returned time has come: for faults that act by themselves. `None` when
    /// there is nothing more to do.
    fn act(&mut self, _hand: &Hand, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    /// Takes back whatever the fault changed: the world heals.
    fn heal(&mut self, _hand: &Hand, _now: DateTime<Utc>) {}
}
