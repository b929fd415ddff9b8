//! What is sent next, what waits, what is dropped.
//!
//! Decides order within a thread, fairness between threads, pauses after failures, and what gives way when the queue is full.
//! Knows neither Slack's protocol nor a clock: every call is told what time it is.

use super::Config;
use crate::base::limits::{OUTBOX_LEN_MAX, SLACK_THREAD_MESSAGES_MAX, SLACK_THREADS_MAX};
use crate::plan::{Announcement, Moment};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One thread: one update of one Rollout in one channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreadKey {
    /// Uid, pod hash and revision.
    pub update: String,
    /// As configured: an id or a name.
    pub channel: String,
}

/// Where a thread is, as far as known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// The id of the channel, which Slack tells with the first message.
    pub channel_id: Option<String>,
    /// Timestamp of the first message.
    pub root: Option<String>,
    /// Timestamp of the latest message of ours.
    pub latest: Option<String>,
    /// Whether looking for an older thread in the channel is no longer of use.
    pub searched: bool,
}

/// One attempt to send the first waiting message of a thread.
#[derive(Clone, Debug)]
pub struct Job {
    pub key: ThreadKey,
    pub id: String,
    pub what: Arc<Announcement>,
    pub place: Place,
    /// An earlier attempt may have reached Slack.
    pub doubt: bool,
    /// Must not be lost.
    pub is_final: bool,
    round: u64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// In Slack, now or already before.
    Posted(Place),
    /// Slack asks for a pause; nothing was posted.
    Limited(Duration),
    /// Worth another try. With `doubt`, the message may be in Slack already.
    Failed { doubt: bool, why: String },
    /// The first message of the thread is gone: start a new one.
    RootGone,
    /// Slack will never take it: its error code.
    Refused(String),
    /// It may be in Slack, nobody can tell, and a repetition would be worse than a loss.
    Unknowable(String),
}

struct Item {
    id: String,
    what: Arc<Announcement>,
    is_final: bool,
    queued: Instant,
    tries: u32,
    doubt: bool,
}

#[derive(Default)]
struct Thread {
    waiting: VecDeque<Item>,
    /// In the queue's order.
    listed: bool,
    /// An attempt for the first waiting message is under way.
    busy: bool,
    not_before: Option<Instant>,
    place: Place,
    seen: VecDeque<String>,
    used: u64,
}

/// Whether a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// The same message was taken before.
    Repeated,
    /// Queued, but one progress message had to go; or this one.
    Dropped,
}

pub struct Queue {
    config: Config,
    threads: BTreeMap<ThreadKey, Thread>,
    /// Threads with waiting messages, the next one first.
    order: VecDeque<ThreadKey>,
    len: usize,
    flying: usize,
    hold_until: Option<Instant>,
    /// Failures since the last success that were not of the same round.
    failures: u32,
    round: u64,
    tick: u64,
    dropped: u64,
}

impl Queue {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            threads: BTreeMap::new(),
            order: VecDeque::new(),
            len: 0,
            flying: 0,
            hold_until: None,
            failures: 0,
            round: 0,
            tick: 0,
            dropped: 0,
        }
    }

    /// Messages that wait, those on their way included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Messages that were given up to make room or because they were too old.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub fn failing(&self) -> bool {
        self.failures > 0
    }

    pub fn push(&mut self, now: Instant, what: Announcement, channel: String) -> Pushed {
        let key = ThreadKey {
            update: update_id(&what),
            channel,
        };
        let id = format!("{}/{}", key.update, moment_id(&what));
        if self
            .threads
            .get(&key)
            .is_some_and(|thread| thread.seen.contains(&id))
        {
            return Pushed::Repeated;
        }
        let is_final = is_final(&what.moment);
        let full = self.len >= OUTBOX_LEN_MAX;
        if full && !is_final {
            self.dropped += 1;
            return Pushed::Dropped;
        }
        let evicted = full && self.evict_progress();
        self.tick += 1;
        let thread = self.threads.entry(key.clone()).or_default();
        thread.used = self.tick;
        remember(&mut thread.seen, id.clone());
        if !thread.listed {
            thread.listed = true;
            self.order.push_back(key);
        }
        thread.waiting.push_back(Item {
            id,
            what: Arc::new(what),
            is_final,
            queued: now,
            tries: 0,
            doubt: false,
        });
        self.len += 1;
        self.forget_old_threads();
        if evicted { Pushed::Dropped } else { Pushed::Queued }
    }

    /// Drops the progress message that has waited longest in the queue's order, if there is any.
    fn evict_progress(&mut self) -> bool {
        for key in &self.order {
            let Some(thread) = self.threads.get_mut(key) else {
                continue;
            };
            let from = usize::from(thread.busy);
            let found = thread.waiting.iter().skip(from).position(|item| !item.is_final);
            if let Some(index) = found {
                thread.waiting.remove(from + index);
                self.len -= 1;
                self.dropped += 1;
                return true;
            }
        }
        false
    }

    fn forget_old_threads(&mut self) {
        while self.threads.len() > SLACK_THREADS_MAX {
            let idle = self
                .threads
                .iter()
                .filter(|(_, thread)| thread.waiting.is_empty());
            let Some(oldest) = idle
                .min_by_key(|(_, thread)| thread.used)
                .map(|(key, _)| key.clone())
            else {
                return;
            };
            self.threads.remove(&oldest);
        }
    }

    /// Whether no further attempt may start until one ends.
    fn occupied(&self) -> bool {
        self.flying
            >= if self.failing() {
                1
            } else {
                self.config.in_flight_max
            }
    }

    /// The next attempt that may start now. While Slack fails, one at a time asks whether it is back.
    pub fn next(&mut self, now: Instant) -> Option<Job> {
        if self.occupied() || self.hold_until.is_some_and(|until| now < until) {
            return None;
        }
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let Some(thread) = self.threads.get_mut(&key) else {
                continue;
            };
            let stale = |item: &Item| {
                !item.is_final && now.duration_since(item.queued) > self.config.progress_age_max
            };
            while !thread.busy && thread.waiting.front().is_some_and(stale) {
                thread.waiting.pop_front();
                self.len -= 1;
                self.dropped += 1;
            }
            let Some(item) = thread.waiting.front() else {
                thread.listed = false;
                continue;
            };
            self.order.push_back(key.clone());
            if thread.busy || thread.not_before.is_some_and(|at| now < at) {
                continue;
            }
            thread.busy = true;
            self.flying += 1;
            return Some(Job {
                key,
                id: item.id.clone(),
                what: item.what.clone(),
                place: thread.place.clone(),
                doubt: item.doubt,
                is_final: item.is_final,
                round: self.round,
            });
        }
        None
    }

    /// When to ask again although no attempt ends. Right after [`Queue::next`] had nothing, this is in the future.
    pub fn wake_at(&self) -> Option<Instant> {
        if self.occupied() {
            return None;
        }
        let waits = self
            .order
            .iter()
            .filter_map(|key| self.threads.get(key))
            .filter(|thread| !thread.busy);
        let earliest = waits
            .filter_map(|thread| thread.not_before.or(self.hold_until))
            .min()?;
        Some(self.hold_until.map_or(earliest, |hold| hold.max(earliest)))
    }

    /// Takes note of what came of `job`.
    pub fn done(&mut self, now: Instant, job: &Job, outcome: &Outcome) {
        self.flying = self.flying.saturating_sub(1);
        let Some(thread) = self.threads.get_mut(&job.key) else {
            return;
        };
        thread.busy = false;
        let finished = match outcome {
            Outcome::Posted(place) => {
                thread.place = place.clone();
                (self.failures, self.hold_until) = (0, None);
                true
            }
            Outcome::Refused(_) | Outcome::Unknowable(_) => {
                // Slack answers, whatever it says.
                (self.failures, self.hold_until) = (0, None);
                true
            }
            Outcome::RootGone => {
                thread.place = Place {
                    searched: true,
                    root: None,
                    latest: None,
                    ..job.place.clone()
                };
                false
            }
            Outcome::Limited(pause) => {
                self.hold_until = self.hold_until.max(Some(now + *pause));
                false
            }
            Outcome::Failed { doubt, .. } => {
                self.failed(now, job, *doubt);
                false
            }
        };
        if finished {
            self.finish(job);
        }
    }

    fn failed(&mut self, now: Instant, job: &Job, doubt: bool) {
        // Attempts that failed side by side are one failure of Slack, not several.
        if job.round == self.round {
            self.failures = self.failures.saturating_add(1);
            self.round += 1;
        }
        self.hold_until = self
            .hold_until
            .max(Some(now + self.config.backoff(self.failures)));
        let Some(thread) = self.threads.get_mut(&job.key) else {
            return;
        };
        if let Some(item) = thread.waiting.front_mut() {
            item.tries = item.tries.saturating_add(1);
            item.doubt = doubt;
            thread.not_before = Some(now + self.config.backoff(item.tries));
        }
    }

    fn finish(&mut self, job: &Job) {
        self.tick += 1;
        if let Some(thread) = self.threads.get_mut(&job.key) {
            thread.used = self.tick;
            thread.not_before = None;
            thread.waiting.pop_front();
            self.len -= 1;
        }
    }
}

fn remember(seen: &mut VecDeque<String>, id: String) {
    seen.push_back(id);
    if seen.len() > SLACK_THREAD_MESSAGES_MAX {
        seen.pop_front();
    }
}

/// Final outcomes are what people act on; the rest is progress.
pub fn is_final(moment: &Moment) -> bool {
    matches!(
        moment,
        Moment::Promoted(_) | Moment::Aborted(_) | Moment::Invalid(_)
    )
}

/// Identifies the update, over restarts of the controller.
pub fn update_id(what: &Announcement) -> String {
    format!("{}/{}/{}", what.rollout_uid, what.pod_hash, what.revision)
}

/// Identifies the message in its thread. What can happen once has no time in it, so that a repeated pass repeats no message; what
/// can happen again (an abort after a retry) has.
fn moment_id(what: &Announcement) -> String {
    let second = what.at.timestamp();
    match &what.moment {
        Moment::Started => "started".into(),
        Moment::Verdict(run) => format!("verdict/{run}"),
        Moment::Paused(_) => format!("paused/{second}"),
        Moment::Promoted(_) => "promoted".into(),
        Moment::Aborted(_) => format!("aborted/{second}"),
        Moment::Invalid(problems) => format!("invalid/{:016x}", fingerprint(problems)),
    }
}

/// FNV-1a: enough to tell texts of one thread apart, and the same in every process.
fn fingerprint(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
