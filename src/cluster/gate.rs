//! Where somebody else decides when a request is applied, answered or seen: the hook for simulation. By default
//! everything passes at once.

use std::fmt;

use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;

use super::failure::Failure;
use super::request::Call;
use super::store::{Change, Store};

/// What becomes of a request at a gate.
#[derive(Debug)]
pub enum Verdict {
    Pass,
    /// The caller gets this answer instead.
    Refuse(Box<Failure>),
    /// The connection breaks: the caller does not learn what happened.
    Lose,
    /// This is carried out instead: what a webhook made of it, or what an API server answers that is behind.
    Instead(Box<Call>),
    /// After it was applied: the second half of the answer is missing.
    Truncate,
}

/// What becomes of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Once,
    Twice,
    Never,
    /// The watch ends before it.
    Close,
    /// The watch ends instead of it, with 410: the version is too old to go on from.
    Expire,
    /// As it is, unless its object has changed again since: that event will do.
    IfNewest,
    /// After the next event, unless that is about the same object.
    AfterNext,
}

/// The gate. Each future may wait as long as it likes: that is a delay.
pub trait Gate: Send + Sync + fmt::Debug {
    /// Before a request is applied.
    fn before<'a>(&'a self, _call: &'a Call) -> BoxFuture<'a, Verdict> {
        ready(Verdict::Pass).boxed()
    }

    /// After a request was applied, before its answer goes out.
    fn after<'a>(&'a self, _call: &'a Call) -> BoxFuture<'a, Verdict> {
        ready(Verdict::Pass).boxed()
    }

    /// What was just done: by a request, with the HTTP status of its answer, or (without one) by the cluster itself. Told
    /// for every request but watches, and for every change. Must not look at the cluster but through `store`.
    fn done(&self, _store: &Store, _by: Option<(&Call, u16)>, _changes: &[Change]) {}

    /// Before a watch event goes out.
    fn deliver<'a>(&'a self, _call: &'a Call, _event: &'a Value) -> BoxFuture<'a, Delivery> {
        ready(Delivery::Once).boxed()
    }
}

/// Everything passes at once.
#[derive(Debug)]
pub struct Open;

impl Gate for Open {}
