//! The connections that watches hold. Knows who holds them, and cuts them; nothing of what goes over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// How often connections were cut.
#[derive(Clone, Debug, Default)]
struct Cuts {
    of_all: u64,
    of_one: BTreeMap<Arc<str>, u64>,
}

impl Cuts {
    fn of(&self, caller: &str) -> u64 {
        self.of_all + self.of_one.get(caller).copied().unwrap_or(0)
    }
}

/// All connections.
#[derive(Debug)]
pub struct Connections(watch::Sender<Cuts>);

impl Default for Connections {
    fn default() -> Self {
        Self(watch::channel(Cuts::default()).0)
    }
}

impl Connections {
    /// Cuts those of a caller, or all.
    pub fn cut(&self, caller: Option<&str>) {
        self.0.send_modify(|cuts| match caller {
            None => cuts.of_all += 1,
            Some(caller) => *cuts.of_one.entry(caller.into()).or_default() += 1,
        });
    }

    /// A new connection of a caller.
    pub fn open(&self, caller: &Arc<str>) -> Connection {
        let cuts = self.0.subscribe();
        let at = cuts.borrow().of(caller);
        Connection {
            caller: Arc::clone(caller),
            cuts,
            at,
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    caller: Arc<str>,
    cuts: watch::Receiver<Cuts>,
    at: u64,
}

impl Connection {
    /// Waits until it is cut.
    pub async fn cut(&mut self) {
        let (caller, at) = (Arc::clone(&self.caller), self.at);
        if self.cuts.wait_for(|cuts| cuts.of(&caller) != at).await.is_err() {
            // The cluster is gone, and whoever waits for it goes too.
            std::future::pending::<()>().await;
        }
    }
}
