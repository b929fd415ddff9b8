//! A value and those who wait for it to change, woken in the order in which they began to wait. Tokio's own `watch` wakes them in an
//! order that it draws at random, and two runs of one seed would differ.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Whoever changes the value.
#[derive(Debug)]
pub struct Bell<T>(Arc<Shared<T>>);

/// Whoever waits. A clone has heard as much as its original.
#[derive(Debug)]
pub struct Ear<T> {
    shared: Arc<Shared<T>>,
    /// The number of the last change that was heard.
    heard: u64,
}

/// The bell is gone: nothing will change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    rung: Notify,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    changes: u64,
    gone: bool,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Bell<T> {
    pub fn new(value: T) -> Self {
        let state = State {
            value,
            changes: 0,
            gone: false,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            rung: Notify::new(),
        }))
    }

    /// Changes the value, and wakes everybody if `change` says that it did.
    pub fn ring_if(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut state = self.0.state();
        if change(&mut state.value) {
            state.changes += 1;
            drop(state);
            self.0.rung.notify_waiters();
        }
    }

    /// An ear that has heard everything up to now.
    pub fn ear(&self) -> Ear<T> {
        Ear {
            heard: self.0.state().changes,
            shared: Arc::clone(&self.0),
        }
    }
}

impl<T> Drop for Bell<T> {
    fn drop(&mut self) {
        self.0.state().gone = true;
        self.0.rung.notify_waiters();
    }
}

impl<T> Clone for Ear<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            heard: self.heard,
        }
    }
}

impl<T> Ear<T> {
    /// What changed until now counts as heard.
    pub fn catch_up(&mut self) {
        self.heard = self.shared.state().changes;
    }

    /// What `read` makes of the value as it is now.
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.shared.state().value)
    }

    /// Waits for a change that was not heard yet.
    ///
    /// # Errors
    /// When there will be none.
    pub async fn changed(&mut self) -> Result<(), Gone> {
        loop {
            let mut rung = pin!(self.shared.rung.notified());
            // From here on no ring is missed.
            rung.as_mut().enable();
            {
                let state = self.shared.state();
                if state.changes != self.heard {
                    self.heard = state.changes;
                    return Ok(());
                }
                if state.gone {
                    return Err(Gone);
                }
            }
            rung.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_woken_in_their_order_and_told_when_it_is_over() {
        let bell = Bell::new(0);
        let woken = Arc::new(Mutex::new(Vec::new()));
        for number in 0..20 {
            let (mut ear, woken) = (bell.ear(), Arc::clone(&woken));
            tokio::spawn(async move {
                while ear.changed().await.is_ok() {
                    woken.lock().unwrap().push((number, ear.read(|value| *value)));
                }
            });
        }
        tokio::task::yield_now().await;
        bell.ring_if(|value| {
            *value = 7;
            true
        });
        bell.ring_if(|_| false);
        tokio::task::yield_now().await;
        let all: Vec<(i32, i32)> = (0..20).map(|number| (number, 7)).collect();
        assert_eq!(*woken.lock().unwrap(), all);
        let mut late = bell.ear();
        drop(bell);
        assert_eq!(late.changed().await, Err(Gone));
    }
}
