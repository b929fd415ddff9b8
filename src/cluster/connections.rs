//! Who waits for what happens in the cluster: those who hear of every write, and the connections that watches hold.
//!
//! Each has a channel of its own, and all are told in the order in which they came: with a channel that many share, the runtime would
//! wake them in an order that no seed decides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bell::{Bell, Ear};

/// Those who hear of every write, by the version of the last.
#[derive(Debug, Default)]
pub struct Hearers(Mutex<Vec<watch::Sender<u64>>>);

impl Hearers {
    pub fn add(&self, version: u64) -> watch::Receiver<u64> {
        let (tell, hear) = watch::channel(version);
        lock(&self.0).push(tell);
        hear
    }

    /// Tells all that are still there.
    pub fn tell(&self, version: u64) {
        lock(&self.0).retain(|tell| {
            tell.send_if_modified(|seen| std::mem::replace(seen, version) != version);
            !tell.is_closed()
        });
    }
}

<<<<<<< HEAD
/// All connections.
#[derive(Debug)]
pub struct Connections(Bell<Cuts>);

impl Default for Connections {
    fn default() -> Self {
        Self(Bell::new(Cuts::default()))
    }
}
=======
/// All connections, each by its caller.
#[derive(Debug, Default)]
pub struct Connections(Mutex<Vec<(Arc<str>, watch::Sender<bool>)>>);
>>>>>>> faults

impl Connections {
    /// Cuts those of a caller, or all.
    pub fn cut(&self, caller: Option<&str>) {
<<<<<<< HEAD
        self.0.ring_if(|cuts| {
            match caller {
                None => cuts.of_all += 1,
                Some(caller) => *cuts.of_one.entry(caller.into()).or_default() += 1,
            }
            true
=======
        lock(&self.0).retain(|(of, cut)| {
            let meant = caller.is_none_or(|caller| caller == &**of);
            if meant {
                cut.send_replace(true);
            }
            !meant && !cut.is_closed()
>>>>>>> faults
        });
    }

    /// A new connection of a caller.
    pub fn open(&self, caller: &Arc<str>) -> Connection {
<<<<<<< HEAD
        let cuts = self.0.ear();
        let at = cuts.read(|cuts| cuts.of(caller));
        Connection {
            caller: Arc::clone(caller),
            cuts,
            at,
        }
=======
        let (cut, uncut) = watch::channel(false);
        let mut all = lock(&self.0);
        all.retain(|(_, cut)| !cut.is_closed());
        all.push((Arc::clone(caller), cut));
        Connection(uncut)
>>>>>>> faults
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection.
#[derive(Clone, Debug)]
<<<<<<< HEAD
pub struct Connection {
    caller: Arc<str>,
    cuts: Ear<Cuts>,
    at: u64,
}
=======
pub struct Connection(watch::Receiver<bool>);
>>>>>>> faults

impl Connection {
    /// Waits until it is cut.
    pub async fn cut(&mut self) {
<<<<<<< HEAD
        while self.cuts.read(|cuts| cuts.of(&self.caller)) == self.at {
            if self.cuts.changed().await.is_ok() {
                continue;
            }
            // The cluster is gone, and whoever waits for it goes too.
=======
        if self.0.wait_for(|cut| *cut).await.is_err() {
            // Whoever could cut it is gone.
>>>>>>> faults
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn only_the_connections_of_that_caller_are_cut() {
        let connections = Connections::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let (mut of_a, mut of_b) = (connections.open(&a), connections.open(&b));
        connections.cut(Some("a"));
        assert!(of_a.cut().now_or_never().is_some());
        assert!(of_b.cut().now_or_never().is_none());
        connections.cut(None);
        assert!(of_b.cut().now_or_never().is_some());
        assert!(
            connections.open(&a).cut().now_or_never().is_none(),
            "a new one is whole"
        );
    }

    #[test]
    fn everybody_hears_of_a_write_once() {
        let hearers = Hearers::default();
        let (mut one, mut other) = (hearers.add(1), hearers.add(1));
        hearers.tell(2);
        for hearer in [&mut one, &mut other] {
            assert!(hearer.changed().now_or_never().is_some());
            assert!(hearer.changed().now_or_never().is_none());
        }
        drop(one);
        hearers.tell(2);
        assert!(other.changed().now_or_never().is_none(), "no news");
    }
}
