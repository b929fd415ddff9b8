//! Which object gets the next pass, and when. Knows keys and times, not what a pass does.
//!
//! A key waits at most once, and never has two passes at the same time. Keys come out in the order in which they went in. A key that
//! failed waits longer each time; a key that is asked for all the time is slowed to a bearable rate.

use crate::base::limits;
use crate::base::seed::Seed;
use crate::controller::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a pass says about the key's next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When something changes.
    OnChange,
    /// At this instant, or when something changes.
    At(Instant),
    /// After a wait that grows with each failure in a row.
    Backoff,
    /// After this wait; a failure too.
    After(Duration),
    /// The object is gone.
    Forget,
}

pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    timers: BTreeSet<(Instant, K)>,
    entries: BTreeMap<K, Entry>,
    seed: Seed,
}

#[derive(Default)]
struct Entry {
    /// Waiting in `ready` since then.
    ready_since: Option<Instant>,
    running: bool,
    /// Asked for during a pass.
    again: bool,
    wake: Option<Instant>,
    failures: u32,
    /// When the last pass ended.
    ended: Option<Instant>,
    /// Each pass moves it one interval on; how far it is ahead of now tells how busy the key has been.
    busy_until: Option<Instant>,
}

impl<K: Ord + Clone> Queue<K> {
    pub fn new(seed: Seed) -> Self {
        let state = State {
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            entries: BTreeMap::new(),
            seed,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Asks for a pass over `key` as soon as possible.
    pub fn add(&self, key: K) {
        self.lock().ask(&key, Instant::now());
        self.changed.notify_one();
    }

    /// The next key that may have its pass; it counts as running until [`Queue::done`]. One caller at a time.
    pub async fn next(&self) -> K {
        loop {
            let timer = {
                let mut state = self.lock();
                state.promote(Instant::now());
                if let Some(key) = state.start() {
                    return key;
                }
                state.timers.first().map(|(at, _)| *at)
            };
            match timer {
                None => self.changed.notified().await,
                Some(at) => tokio::select! {
                    biased;
                    () = self.changed.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Ends the pass of `key`.
    pub fn done(&self, key: &K, next: Next) {
        self.lock().done(key, next, Instant::now());
        self.changed.notify_one();
    }

    /// Keys waiting for a pass now.
    pub fn depth(&self) -> usize {
        self.lock().ready.len()
    }

    /// How long the first key in the line has been waiting.
    pub fn oldest_wait(&self) -> Duration {
        let state = self.lock();
        let first = state.ready.front().and_then(|key| state.entries.get(key));
        first
            .and_then(|entry| entry.ready_since)
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> State<K> {
    fn ask(&mut self, key: &K, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running {
            entry.again = true;
            return;
        }
        if entry.ready_since.is_some() {
            return;
        }
        match entry.free_at(now) {
            Some(at) if entry.wake.is_none_or(|wake| at < wake) => self.set_timer(key, at),
            Some(_) => {}
            None => {
                entry.ready_since = Some(now);
                self.ready.push_back(key.clone());
            }
        }
    }

    /// Moves keys whose time has come into the line.
    fn promote(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.timers.pop_first() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.wake = None;
            if entry.ready_since.is_none() && !entry.running {
                entry.ready_since = Some(now);
                self.ready.push_back(key);
            }
        }
    }

    fn start(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        let entry = self.entries.entry(key.clone()).or_default();
        entry.ready_since = None;
        entry.running = true;
        entry.again = false;
        if let Some(at) = entry.wake.take() {
            self.timers.remove(&(at, key.clone()));
        }
        Some(key)
    }

    fn done(&mut self, key: &K, next: Next, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.running = false;
        entry.count_pass(now);
        let again = std::mem::take(&mut entry.again);
        entry.failures = match next {
            Next::Backoff | Next::After(_) => entry.failures.saturating_add(1),
            _ => 0,
        };
        let failures = entry.failures;
        match next {
            Next::OnChange => {}
            Next::At(at) => self.set_timer(key, at),
            Next::After(wait) => self.set_timer(key, now + wait),
            Next::Backoff => {
                let wait = backoff(failures, &mut self.seed);
                self.set_timer(key, now + wait);
            }
            Next::Forget if again => {}
            Next::Forget => drop(self.entries.remove(key)),
        }
        if again {
            self.ask(key, now);
        }
    }

    fn set_timer(&mut self, key: &K, at: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(before) = entry.wake.replace(at) {
            self.timers.remove(&(before, key.clone()));
        }
        self.timers.insert((at, key.clone()));
    }
}

impl Entry {
    fn count_pass(&mut self, now: Instant) {
        self.ended = Some(now);
        let from = self.busy_until.map_or(now, |until| until.max(now));
        self.busy_until = Some(from + Duration::from_millis(limits::PASS_INTERVAL_MILLIS));
    }

    /// When the key may have its next pass; `None` when it may now.
    fn free_at(&self, now: Instant) -> Option<Instant> {
        let burst = Duration::from_millis(limits::PASS_INTERVAL_MILLIS) * limits::PASSES_BURST_MAX;
        let busy = self.busy_until.and_then(|until| until.checked_sub(burst));
        // What fails again and again is not brought back at once by each event that its own failing causes.
        let patience = Duration::from_millis(limits::PATIENCE_MILLIS);
        let failing = self.ended.filter(|_| self.failures >= limits::FAILURES_PATIENT);
        let at = busy.max(failing.map(|ended| ended + patience))?;
        (at > now).then_some(at)
    }
}

/// Doubles with each failure up to the limit; up to a fifth is random, so that many objects do not come back at once.
fn backoff(failures: u32, seed: &mut Seed) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let millis = (limits::RETRY_MILLIS_MIN << doublings).min(limits::RETRY_MILLIS_MAX);
    Duration::from_millis(millis).mul_f64(1.0 - 0.2 * seed.next_fraction())
}

/// Runs passes while this replica leads, at most `passes_max` at a time, until `stop`. Passes that began are never cut short; they
/// are in `running`.
pub async fn dispatch<K, F, P>(
    queue: Arc<Queue<K>>,
    mut leads: watch::Receiver<bool>,
    stop: CancellationToken,
    tasks: Tasks,
    running: TaskTracker,
    pass: F,
) where
    K: Ord + Clone + Send + Sync + 'static,
    F: Fn(K) -> P,
    P: Future<Output = Next> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limits::PASSES_IN_FLIGHT_MAX));
    loop {
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let key = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            key = next_while_leading(&queue, &mut leads) => key,
        };
        let (Ok(permit), Some(key)) = (permit, key) else {
            return;
        };
        let (queue, work) = (Arc::clone(&queue), pass(key.clone()));
        tasks.spawn(running.track_future(async move {
            let next = work.await;
            queue.done(&key, next);
            drop(permit);
        }));
    }
}

/// The next key; waits as long as another replica leads. `None` when there is nobody left to tell who leads.
async fn next_while_leading<K: Ord + Clone>(
    queue: &Queue<K>,
    leads: &mut watch::Receiver<bool>,
) -> Option<K> {
    loop {
        leads.wait_for(|leads| *leads).await.ok()?;
        tokio::select! {
            biased;
            lost = leads.wait_for(|leads| !leads) => drop(lost.ok()?),
            key = queue.next() => return Some(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn queue() -> Queue<&'static str> {
        Queue::new(Seed::new(1))
    }

    /// The next key if there is one without waiting.
    async fn poll(queue: &Queue<&'static str>) -> Option<&'static str> {
        tokio::time::timeout(Duration::ZERO, queue.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn keys_come_out_in_order_and_once() {
        let queue = queue();
        for key in ["b", "a", "b", "c", "a"] {
            queue.add(key);
        }
        assert_eq!(queue.depth(), 3);
        assert_eq!(
            [queue.next().await, queue.next().await, queue.next().await],
            ["b", "a", "c"]
        );
        assert_eq!(poll(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_never_has_two_passes_at_a_time() {
        let queue = queue();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert_eq!(poll(&queue).await, None);
        queue.done(&"a", Next::OnChange);
        assert_eq!(poll(&queue).await, Some("a"));
        queue.done(&"a", Next::OnChange);
        assert_eq!(poll(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_wakes_at_its_time_and_an_event_wakes_it_earlier() {
        let queue = queue();
        queue.add("a");
        queue.next().await;
        let start = Instant::now();
        queue.done(&"a", Next::At(start + Duration::from_secs(60)));
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed().as_secs(), 60);

        queue.done(&"a", Next::At(Instant::now() + Duration::from_secs(60)));
        queue.add("a");
        assert_eq!(poll(&queue).await, Some("a"));
        queue.done(&"a", Next::OnChange);
        tokio::time::advance(Duration::from_secs(120)).await;
        assert_eq!(poll(&queue).await, None, "the earlier timer is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_wait_longer_up_to_the_limit() {
        let queue = queue();
        queue.add("a");
        let mut waits = Vec::new();
        for _ in 0..16 {
            let before = Instant::now();
            queue.next().await;
            waits.push(before.elapsed());
            queue.done(&"a", Next::Backoff);
        }
        assert!(waits[1] <= Duration::from_millis(11), "{waits:?}");
        assert!(waits[15] >= Duration::from_secs(24), "{waits:?}");
        assert!(
            waits[15] <= Duration::from_millis(limits::RETRY_MILLIS_MAX + 1),
            "{waits:?}"
        );
        queue.next().await;
        queue.done(&"a", Next::OnChange);
        queue.add("a");
        queue.next().await;
        queue.done(&"a", Next::Backoff);
        let before = Instant::now();
        queue.next().await;
        assert!(
            before.elapsed() <= Duration::from_millis(11),
            "a success starts over"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_again_and_again_is_not_hurried_by_the_events_of_its_own_failing() {
        let queue = queue();
        let start = Instant::now();
        for _ in 0..12 {
            queue.add("a");
            queue.next().await;
            queue.add("a");
            queue.done(&"a", Next::Backoff);
        }
        // 10 + 20 + 40 + … ms, and never more than the patience.
        let patience = Duration::from_millis(limits::PATIENCE_MILLIS);
        assert!(start.elapsed() >= patience * 5, "{:?}", start.elapsed());
        assert!(start.elapsed() <= patience * 7, "nor is it left alone for long");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_asked_for_all_the_time_is_slowed_and_others_are_not() {
        let queue = queue();
        let start = Instant::now();
        for _ in 0..70 {
            queue.add("busy");
            assert_eq!(queue.next().await, "busy");
            queue.done(&"busy", Next::OnChange);
        }
        assert!(start.elapsed() >= Duration::from_secs(9), "{:?}", start.elapsed());
        queue.add("busy");
        queue.add("other");
        assert_eq!(poll(&queue).await, Some("other"));
    }

    #[tokio::test(start_paused = true)]
    async fn passes_stop_when_the_lead_is_lost_and_go_on_when_it_is_back() {
        let queue = Arc::new(queue());
        let (lead, leads) = watch::channel(false);
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let passes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&passes);
        let pass = move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Next::OnChange)
        };
        let task = tokio::spawn(dispatch(
            Arc::clone(&queue),
            leads,
            stop.clone(),
            Tasks::default(),
            running,
            pass,
        ));
        let settle = || tokio::time::sleep(Duration::from_millis(1));
        let check = |want| assert_eq!(passes.load(Ordering::SeqCst), want);
        queue.add("a");
        settle().await;
        check(0);
        lead.send_replace(true);
        settle().await;
        check(1);
        lead.send_replace(false);
        queue.add("a");
        settle().await;
        check(1);
        lead.send_replace(true);
        settle().await;
        check(2);
        stop.cancel();
        assert!(task.await.is_ok());
    }
}
