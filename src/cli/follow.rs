//! Follows one Rollout until a wait for it is over: reads it, watches it, and starts again whenever the connection ends.
//!
//! Restarts of the API server are sat out. A read comes before every watch, so nothing can be missed between two watches,
//! and a job that may read but not watch still gets its answer, a little later.

use crate::api::rollout::Rollout;
use crate::base::clock::Clock;
use crate::cli::connection::{Connection, Session};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::session::read_rollout;
use crate::view::outcome::{Outcome, Sight, Wait};
use futures::{StreamExt, pin_mut};
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// A watch is renewed after this long, so that a server that fell silent is noticed.
const WATCH_SECONDS: u32 = 20;
/// How much longer than asked for a server may keep a watch open.
const WATCH_GRACE: Duration = Duration::from_secs(5);
/// The most that one read may take while there is time for another.
const READ_MAX: Duration = Duration::from_secs(10);
const WATCH_SHORT: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// What is known when a wait ends.
#[derive(Default)]
pub struct Followed {
    pub rollout: Option<Rollout>,
    pub sight: Option<Sight>,
    /// Why the cluster cannot be asked, while it cannot.
    pub trouble: Option<Failure>,
    pub session: Option<Session>,
}

/// A wait in progress.
pub struct Follow<'a> {
    pub name: &'a str,
    pub wait: Wait,
    /// Told each distinct line.
    pub tell: &'a mut dyn FnMut(&str),
    pub state: Followed,
    line: String,
    pause: Duration,
}

impl<'a> Follow<'a> {
    pub fn new(name: &'a str, wait: Wait, tell: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            name,
            wait,
            tell,
            state: Followed::default(),
            line: String::new(),
            pause: PAUSE_MIN,
        }
    }

    /// One look. `Err` when there was none by `deadline`.
    pub async fn once(&mut self, connection: &Connection, deadline: Instant) -> Result<(), Failure> {
        let session = connection.open(deadline).await?;
        let limit = deadline.saturating_duration_since(Instant::now());
        let rollout = session.rollout(self.name, limit).await;
        self.state.session = Some(session);
        self.see(rollout.map(Some).or_else(absent)?);
        Ok(())
    }

    /// Looks until the wait is over or `deadline` comes; `Ok(false)` is the deadline. `Err` when the cluster could not be
    /// asked at all for as long as one request may take, or refuses to answer.
    pub async fn until(&mut self, connection: &Connection, deadline: Instant) -> Result<bool, Failure> {
        let first_answer_by = deadline.min(Instant::now() + connection.request_timeout);
        let session = connection.open(first_answer_by).await?;
        self.state.session = Some(session.clone());
        match timeout_at(deadline, self.look_until_over(&session, first_answer_by)).await {
            Ok(ended) => ended.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    async fn look_until_over(&mut self, session: &Session, first_answer_by: Instant) -> Result<(), Failure> {
        loop {
            let began = Instant::now();
            match self.read_and_watch(session).await {
                Ok(true) => return Ok(()),
                // A watch that ended at once may be one that is not permitted: then this is a poll, and it slows down.
                Ok(false) if began.elapsed() > WATCH_SHORT => self.pause = PAUSE_MIN,
                Ok(false) => {}
                Err(failure) => self.forgive(failure, first_answer_by)?,
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// Once the rollout has been seen, every failure may be a server in the middle of a restart; before that, only silence
    /// may, and not for long.
    fn forgive(&mut self, failure: Failure, first_answer_by: Instant) -> Result<(), Failure> {
        let silent = failure.exit == Exit::Unreachable && Instant::now() < first_answer_by;
        if self.state.rollout.is_none() && !silent {
            return Err(failure);
        }
        self.state.trouble = Some(failure);
        Ok(())
    }

    /// Reads the Rollout and watches it for a while; true when the wait is over.
    async fn read_and_watch(&mut self, session: &Session) -> Result<bool, Failure> {
        let doing = session.doing("read", self.name);
        let limit = session.request_timeout.min(READ_MAX);
        let trouble = self.state.trouble.take();
        // Until the answer is here, the cluster counts as silent: the deadline may fall into this wait.
        self.state.trouble =
            trouble.or_else(|| Some(Failure::unreachable(&doing, "the API server does not answer")));
        let rollout = session
            .rollout(self.name, limit)
            .await
            .map(Some)
            .or_else(absent)?;
        self.state.trouble = None;
        let version = rollout
            .as_ref()
            .map(|r| r.metadata.resource_version.clone())
            .unwrap_or_default();
        if self.see(rollout) {
            return Ok(true);
        }
        Ok(self.watch(session, &version).await)
    }

    /// True when an event ended the wait. A watch that ends or fails is no news: the next read will tell.
    async fn watch(&mut self, session: &Session, version: &str) -> bool {
        let params = WatchParams::default()
            .fields(&format!("metadata.name={}", self.name))
            .timeout(WATCH_SECONDS);
        let api = session.rollouts();
        let Ok(Ok(events)) =
            timeout(session.request_timeout.min(READ_MAX), api.watch(&params, version)).await
        else {
            return false;
        };
        pin_mut!(events);
        let give_up = Instant::now() + Duration::from_secs(WATCH_SECONDS.into()) + WATCH_GRACE;
        while let Ok(Some(Ok(event))) = timeout_at(give_up, events.next()).await {
            match self.take(event, session) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
        false
    }

    /// Judges one event: is the wait over? `None` when the watch is of no more use.
    fn take(&mut self, event: WatchEvent<DynamicObject>, session: &Session) -> Option<bool> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let rollout = read_rollout(&object, &session.doing("read", self.name)).ok()?;
                Some(self.see(Some(rollout)))
            }
            WatchEvent::Deleted(_) => Some(self.see(None)),
            WatchEvent::Bookmark(_) => Some(false),
            WatchEvent::Error(_) => None,
        }
    }

    /// Judges what was seen and tells it if it is new; true when the wait is over.
    fn see(&mut self, rollout: Option<Rollout>) -> bool {
        let sight = self.wait.see(rollout.as_ref(), Clock::Wall.now());
        let line = sight.line();
        if sight.outcome != Outcome::NotFound && line != self.line {
            (self.tell)(&line);
            self.line = line;
        }
        let over = sight.outcome.is_final();
        self.state.sight = Some(sight);
        self.state.rollout = rollout.or(self.state.rollout.take());
        over
    }
}

/// A Rollout that does not exist is an answer; a cluster that does not know Rollouts is not.
fn absent(failure: Failure) -> Result<Option<Rollout>, Failure> {
    let gone = failure.exit == Exit::NotFound && !failure.unknown_kind;
    if gone { Ok(None) } else { Err(failure) }
}
