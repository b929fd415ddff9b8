//! Starts tasks, so that all of one replica can be stopped at one blow. In production that blow is the end of the process;
//! a simulation, where many replicas share a process, deals it with a [`Life`].

use futures::FutureExt;
use futures::future::Either;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::task::JoinHandle;

/// Starts tasks. Clones belong to the same replica.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Option<Arc<Life>>);

/// The life of a replica in a simulation.
#[derive(Debug, Default)]
pub struct Life(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pulse: Pulse,
    next: u64,
    /// Those who wait, by the order in which they were started.
    wakers: BTreeMap<u64, Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pulse {
    #[default]
    Alive,
    /// Nothing moves, but time does.
    Frozen,
    Dead,
}

impl Tasks {
    /// Tasks that live and die with `life`.
    pub fn of(life: Arc<Life>) -> Self {
        Self(Some(life))
    }

    /// Starts a task. It yields nothing when its replica died first.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.bound(work))
    }

    /// The same work, bound to the replica's life, for those who start it themselves.
    pub fn bound<F: Future>(&self, work: F) -> impl Future<Output = Option<F::Output>> + use<F> {
        match &self.0 {
            None => Either::Left(work.map(Some)),
            Some(life) => Either::Right(Lived::new(Arc::clone(life), work)),
        }
    }
}

impl Life {
    /// Nothing of the replica takes another step; what it was doing is dropped.
    pub fn end(&self) {
        self.set(Pulse::Dead);
    }

    /// Nothing of the replica takes another step until [`Life::thaw`].
    pub fn freeze(&self) {
        if self.lock().pulse == Pulse::Alive {
            self.set(Pulse::Frozen);
        }
    }

    pub fn thaw(&self) {
        if self.lock().pulse == Pulse::Frozen {
            self.set(Pulse::Alive);
        }
    }

    pub fn ended(&self) -> bool {
        self.lock().pulse == Pulse::Dead
    }

    fn set(&self, pulse: Pulse) {
        let wakers = {
            let mut state = self.lock();
            state.pulse = pulse;
            std::mem::take(&mut state.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Work that is done only while its replica lives.
struct Lived<F> {
    life: Arc<Life>,
    id: u64,
    work: Pin<Box<F>>,
}

impl<F> Lived<F> {
    fn new(life: Arc<Life>, work: F) -> Self {
        let id = {
            let mut state = life.lock();
            state.next += 1;
            state.next
        };
        let work = Box::pin(work);
        Self { life, id, work }
    }
}

impl<F: Future> Future for Lived<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pulse = {
            let mut state = self.life.lock();
            state.wakers.insert(self.id, context.waker().clone());
            state.pulse
        };
        match pulse {
            Pulse::Dead => Poll::Ready(None),
            Pulse::Frozen => Poll::Pending,
            Pulse::Alive => self.work.as_mut().poll(context).map(Some),
        }
    }
}

impl<F> Drop for Lived<F> {
    fn drop(&mut self) {
        self.life.lock().wakers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use tokio::time::sleep;

    fn count(tasks: &Tasks) -> (Arc<AtomicU32>, JoinHandle<Option<()>>) {
        let seen = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&seen);
        let handle = tasks.spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        (seen, handle)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_replica_takes_no_step() {
        let life = Arc::new(Life::default());
        let (seen, handle) = count(&Tasks::of(Arc::clone(&life)));
        sleep(Duration::from_millis(2_500)).await;
        assert_eq!(seen.load(Ordering::Relaxed), 2);
        life.end();
        assert_eq!(handle.await.unwrap(), None);
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_replica_goes_on_when_it_thaws() {
        let life = Arc::new(Life::default());
        let (seen, handle) = count(&Tasks::of(Arc::clone(&life)));
        life.freeze();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(seen.load(Ordering::Relaxed), 0);
        life.thaw();
        sleep(Duration::from_millis(1_500)).await;
        assert!(seen.load(Ordering::Relaxed) >= 1);
        handle.abort();
    }

    #[tokio::test]
    async fn without_a_life_a_task_is_just_a_task() {
        assert_eq!(Tasks::default().spawn(async { 7 }).await.unwrap(), Some(7));
    }
}
