//! Tells Slack: a queue that never makes a decision wait, and a task that empties it.
//!
//! [`Outbox::send`] only takes note. One task posts, one message of a thread after the other and several threads side by side. While
//! Slack is slow, limits the rate or is down, everything waits; final outcomes wait as long as the process lives, progress
//! gives way when the queue is full and is dropped when it is old.
//!
//! *None lost, none repeated.* Slack has no idempotency key. When it is not known whether Slack took a message (time-out, 5xx, broken
//! connection), the message is first looked for, by the id that its metadata carries, and posted again only when it is not
//! there. That needs the scope `channels:history` (`groups:history` in private channels) and the channel by id. Where Slack does
//! not allow the look, a final outcome is posted again (better twice than never) and progress is dropped (better never than twice).

mod carrier;
mod queue;
mod refusal;
#[cfg(test)]
mod tests;
mod wire;

use crate::base::limits::clip;
use crate::base::secret::Secret;
use crate::controller::tasks::Tasks;
use crate::notify::slack::message;
use crate::plan::{Announcement, Moment};
pub use carrier::{Carried, Carrier};
use futures::FutureExt;
use futures::future::BoxFuture;
use queue::{Job, Outcome, Place, Pushed, Queue};
use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{Found, Letter, Sought, Trouble, Wire};

/// Causes of refusals that are remembered, to say each once.
const CAUSES_MAX: usize = 1_000;
/// How far the clocks of Slack and of this process may differ: with a wrong clock a message that arrived must still be found, or it is
/// told again and again. History comes newest first and in few pages, so that a wide margin costs nothing.
const CLOCK_SKEW_SECONDS: i64 = 6 * 3_600;

/// How Slack is used.
#[derive(Clone, Debug)]
pub struct Config {
    /// Base URL instead of Slack's, for a stand-in: `http://127.0.0.1:1234/api`.
    pub api_url: Option<String>,
    /// Channel of Rollouts that name none. An id (`C0123ABCD`) rather than a name: see the module.
    pub channel: Option<String>,
    /// One call of Slack's API.
    pub call_timeout: Duration,
    /// First and longest pause after failures.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// Progress older than this is not told any more.
    pub progress_age_max: Duration,
    /// Calls side by side.
    pub in_flight_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_url: None,
            channel: None,
            call_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            progress_age_max: Duration::from_secs(600),
            in_flight_max: 4,
        }
    }
}

impl Config {
    /// The pause after the `failures`-th failure in a row.
    fn backoff(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff_min.saturating_mul(doubled).min(self.backoff_max)
    }
}

/// Where the bot's token comes from. Read when the first message is sent and again when Slack refuses the token.
pub trait TokenSource: Send + Sync {
    /// The token; nothing when the Secret or its key does not exist; a cause when that cannot be known now.
    fn read(&self) -> BoxFuture<'_, Result<Option<Secret<String>>, String>>;
}

impl<F, R> TokenSource for F
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = Result<Option<Secret<String>>, String>> + Send + 'static,
{
    fn read(&self) -> BoxFuture<'_, Result<Option<Secret<String>>, String>> {
        self().boxed()
    }
}

/// Why Slack cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the Slack API URL {0:?} is neither http:// nor https://")]
    ApiUrl(String),
    #[error("cannot load the system's CA certificates for Slack: install ca-certificates ({0})")]
    Roots(std::io::Error),
}

/// How the messages fare, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages in Slack.
    pub sent: u64,
    /// Attempts without success, pauses asked for by Slack included.
    pub failed: u64,
    /// Messages given up: refused by Slack, too old, or without room.
    pub dropped: u64,
    /// Messages waiting, those on their way included.
    pub waiting: u64,
}

struct Shared {
    queue: Mutex<Queue>,
    /// A message came.
    changed: Notify,
    /// An attempt ended.
    settled: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    causes: Mutex<BTreeSet<String>>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `cause` is said for the first time since it was last forgotten.
    fn first_time(&self, cause: &str) -> bool {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.len() >= CAUSES_MAX {
            causes.clear();
        }
        causes.insert(cause.to_owned())
    }

    fn forget_causes(&self, channel: &str) {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        causes.retain(|cause| !cause.ends_with(&format!(" {channel}")) && !cause.ends_with(" *"));
    }
}

/// Takes announcements. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    shared: Option<Arc<Shared>>,
    channel: Option<String>,
}

/// Starts telling Slack, in a task of the current runtime. Without a source of tokens Slack is off, which is said once.
///
/// # Errors
/// When no message could ever be sent: see [`SetupError`].
pub fn spawn(
    config: Config,
    tokens: Option<Arc<dyn TokenSource>>,
    carrier: Option<Arc<dyn Carrier>>,
    tasks: &Tasks,
) -> Result<Outbox, SetupError> {
    let Some(tokens) = tokens else {
        tracing::info!("Slack is off: no Secret with a token is configured");
        return Ok(Outbox::off());
    };
    let channel = config.channel.as_deref().and_then(channel_name);
    if channel.is_none() {
        tracing::info!(
            "no default Slack channel: only Rollouts with the annotation serin.dev/slack-channel are told of"
        );
    }
    let wire = Arc::new(Wire::new(&config, tokens, carrier)?);
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue::new(config)),
        changed: Notify::new(),
        settled: Notify::new(),
        sent: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        causes: Mutex::new(BTreeSet::new()),
    });
    tasks.spawn(dispatch(shared.clone(), wire, tasks.clone()));
    Ok(Outbox {
        shared: Some(shared),
        channel,
    })
}

/// The channel that a configured text names, if any.
fn channel_name(text: &str) -> Option<String> {
    let name = text.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

impl Outbox {
    /// Takes announcements and tells nobody.
    pub fn off() -> Self {
        Self {
            shared: None,
            channel: None,
        }
    }

    /// Takes note of `what`. Never waits, for Slack or for anything.
    pub fn send(&self, what: Announcement) {
        let Some(shared) = &self.shared else { return };
        let channel = what
            .channel
            .as_deref()
            .and_then(channel_name)
            .or_else(|| self.channel.clone());
        let Some(channel) = channel else { return };
        let (pushed, waiting) = {
            let mut queue = shared.queue();
            let pushed = queue.push(Instant::now(), what, channel);
            (pushed, queue.len())
        };
        if pushed == Pushed::Dropped && shared.first_time("full *") {
            tracing::warn!(
                waiting,
                "the queue for Slack is full: progress messages are dropped, outcomes are kept"
            );
        }
        shared.changed.notify_one();
    }

    pub fn counts(&self) -> Counts {
        let Some(shared) = &self.shared else {
            return Counts::default();
        };
        let (waiting, given_up) = {
            let queue = shared.queue();
            (queue.len() as u64, queue.dropped())
        };
        Counts {
            sent: shared.sent.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            dropped: shared.refused.load(Ordering::Relaxed) + given_up,
            waiting,
        }
    }

    /// Returns when nothing waits any more: for an orderly end of the process, within a time limit of the caller.
    pub async fn drained(&self) {
        let Some(shared) = &self.shared else { return };
        loop {
            let settled = shared.settled.notified();
            if shared.queue().len() == 0 {
                return;
            }
            settled.await;
        }
    }
}

/// Empties the queue for as long as the runtime lives.
async fn dispatch(shared: Arc<Shared>, wire: Arc<Wire>, tasks: Tasks) {
    let mut flying: JoinSet<Option<(Job, Outcome)>> = JoinSet::new();
    loop {
        let wake_at = {
            let mut queue = shared.queue();
            while let Some(job) = queue.next(Instant::now()) {
                flying.spawn(tasks.bound(guarded(wire.clone(), shared.clone(), job)));
            }
            queue.wake_at()
        };
        shared.settled.notify_waiters();
        tokio::select! {
            biased;
            Some(ended) = flying.join_next(), if !flying.is_empty() => {
                if let Ok(Some((job, outcome))) = ended {
                    settle(&shared, &job, &outcome);
                }
            }
            () = shared.changed.notified() => {}
            // Without a time to wake at, only the branches above count.
            () = tokio::time::sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
        }
    }
}

/// An attempt that cannot take the task down: a panic costs that message only.
async fn guarded(wire: Arc<Wire>, shared: Arc<Shared>, job: Job) -> (Job, Outcome) {
    let outcome = AssertUnwindSafe(attempt(&wire, &shared, &job))
        .catch_unwind()
        .await;
    let outcome = outcome.unwrap_or_else(|_| Outcome::Unknowable("a panic while making the message".into()));
    (job, outcome)
}

async fn attempt(wire: &Wire, shared: &Shared, job: &Job) -> Outcome {
    let root = match older_thread(wire, job).await {
        Ok(root) => root.or_else(|| job.place.root.clone()),
        Err(outcome) => return outcome,
    };
    if job.doubt {
        match look_for_message(wire, job, root.as_deref()).await {
            Look::Found(place) => return Outcome::Posted(place),
            Look::Absent => {}
            Look::Later(outcome) => return outcome,
            Look::Forbidden(why) if job.is_final => say_lookup_is_forbidden(shared, job, &why),
            Look::Forbidden(why) => return Outcome::Unknowable(why),
        }
    }
    let message = message(&job.what);
    let letter = Letter {
        message: &message,
        channel: channel_of(job),
        root: root.as_deref(),
        broadcast: wants_attention(&job.what.moment),
        update: &job.key.update,
        id: &job.id,
    };
    match wire.post(&letter).await {
        Ok(place) => Outcome::Posted(place),
        Err(Trouble::Refused(code)) if root.is_some() && refusal::is_about_the_thread(&code) => {
            Outcome::RootGone
        }
        Err(trouble) => outcome_of(trouble, false),
    }
}

/// Replies that the whole channel should see, not only those who follow the thread.
fn wants_attention(moment: &Moment) -> bool {
    matches!(
        moment,
        Moment::Paused(_) | Moment::Aborted(_) | Moment::Invalid(_)
    )
}

fn channel_of(job: &Job) -> &str {
    job.place.channel_id.as_deref().unwrap_or(&job.key.channel)
}

/// `doubt` is about earlier attempts of the same message.
fn outcome_of(trouble: Trouble, doubt: bool) -> Outcome {
    match trouble {
        Trouble::Limited(pause) => Outcome::Limited(pause),
        Trouble::NotSent(why) => Outcome::Failed { doubt, why },
        Trouble::Unsure(why) => Outcome::Failed { doubt: true, why },
        Trouble::Refused(code) => Outcome::Refused(code),
    }
}

enum Look {
    Found(Place),
    Absent,
    /// Not now.
    Later(Outcome),
    /// Not with this token, or not in this channel.
    Forbidden(String),
}

/// Whether the message of an earlier attempt is in Slack: in the thread of `root`, where there is one.
async fn look_for_message(wire: &Wire, job: &Job, root: Option<&str>) -> Look {
    let place = &job.place;
    let after = place
        .latest
        .clone()
        .unwrap_or_else(|| seconds_before(job.what.at.timestamp()));
    match wire
        .find(channel_of(job), root, &after, &Sought::Message(&job.id))
        .await
    {
        Ok(Some(Found { ts, root })) => Look::Found(Place {
            root: Some(root),
            latest: Some(ts),
            searched: true,
            ..place.clone()
        }),
        Ok(None) => Look::Absent,
        // With its first message the whole thread is gone, this message too.
        Err(Trouble::Refused(code)) if refusal::is_about_the_thread(&code) => Look::Absent,
        Err(Trouble::Refused(code)) => Look::Forbidden(code),
        Err(trouble) => Look::Later(outcome_of(trouble, true)),
    }
}

/// The thread that an earlier life of the controller began for this update.
async fn older_thread(wire: &Wire, job: &Job) -> Result<Option<String>, Outcome> {
    let place = &job.place;
    let begun = job.what.since.filter(|_| job.what.moment != Moment::Started);
    let Some(begun) = begun.filter(|_| place.root.is_none() && !place.searched) else {
        return Ok(None);
    };
    let after = seconds_before(begun.timestamp());
    match wire
        .find(channel_of(job), None, &after, &Sought::Update(&job.key.update))
        .await
    {
        Ok(found) => Ok(found.map(|found| found.root)),
        // A thread of its own is better than no message.
        Err(Trouble::Refused(code)) if !wire::is_about_the_token(&code) => Ok(None),
        Err(trouble) => Err(outcome_of(trouble, job.doubt)),
    }
}

fn seconds_before(timestamp: i64) -> String {
    format!("{}.000000", timestamp.saturating_sub(CLOCK_SKEW_SECONDS).max(0))
}

fn say_lookup_is_forbidden(shared: &Shared, job: &Job, code: &str) {
    if shared.first_time(&format!("look {}", job.key.channel)) {
        tracing::warn!(
            channel = clip(&job.key.channel, 80),
            code,
            "cannot look into the Slack channel whether an outcome arrived, so it may appear twice: name the channel by id and add the \
             scope channels:history (groups:history for private channels)"
        );
    }
}

/// Books what came of an attempt, and says what an operator must know, once.
fn settle(shared: &Shared, job: &Job, outcome: &Outcome) {
    let (was_failing, waiting) = {
        let mut queue = shared.queue();
        let was_failing = queue.failing();
        queue.done(Instant::now(), job, outcome);
        (was_failing, queue.len())
    };
    let rollout = job.what.rollout.to_string();
    match outcome {
        Outcome::Posted(_) => {
            shared.sent.fetch_add(1, Ordering::Relaxed);
            shared.forget_causes(&job.key.channel);
            if was_failing {
                tracing::info!(waiting, "Slack answers again");
            }
        }
        Outcome::Limited(pause) => {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(seconds = pause.as_secs_f32(), waiting, "Slack asks for a pause");
        }
        Outcome::Failed { why, .. } => {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            if was_failing {
                tracing::debug!(why, waiting, "Slack still fails");
            } else {
                tracing::warn!(
                    why,
                    waiting,
                    "Slack fails; messages wait and are sent when it answers"
                );
            }
        }
        Outcome::RootGone => tracing::debug!(rollout, "the Slack thread is gone; a new one begins"),
        Outcome::Refused(code) => refused(shared, job, code),
        Outcome::Unknowable(why) => {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(
                rollout,
                why,
                "a progress message may or may not be in Slack; it is not repeated"
            );
        }
    }
}

fn refused(shared: &Shared, job: &Job, code: &str) {
    shared.refused.fetch_add(1, Ordering::Relaxed);
    let everywhere = code == wire::NO_TOKEN || wire::is_about_the_token(code);
    let place = if everywhere { "*" } else { job.key.channel.as_str() };
    if shared.first_time(&format!("{code} {place}")) {
        let channel = clip(&job.key.channel, 80);
        tracing::warn!(
            code,
            channel,
            "messages for Slack are dropped: {}",
            refusal::mend(code)
        );
    }
}
