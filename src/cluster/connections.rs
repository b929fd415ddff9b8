//! The connections that watches hold. Knows who holds them, and cuts them; nothing of what goes over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bell::{Bell, Ear};

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
pub struct Connections(Bell<Cuts>);

impl Default for Connections {
    fn default() -> Self {
        Self(Bell::new(Cuts::default()))
    }
}

impl Connections {
    /// Cuts those of a caller, or all.
    pub fn cut(&self, caller: Option<&str>) {
        self.0.ring_if(|cuts| {
            match caller {
                None => cuts.of_all += 1,
                Some(caller) => *cuts.of_one.entry(caller.into()).or_default() += 1,
            }
            true
        });
    }

    /// A new connection of a caller.
    pub fn open(&self, caller: &Arc<str>) -> Connection {
        let cuts = self.0.ear();
        let at = cuts.read(|cuts| cuts.of(caller));
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
    cuts: Ear<Cuts>,
    at: u64,
}

impl Connection {
    /// Waits until it is cut.
    pub async fn cut(&mut self) {
        while self.cuts.read(|cuts| cuts.of(&self.caller)) == self.at {
            if self.cuts.changed().await.is_ok() {
                continue;
            }
            // The cluster is gone, and whoever waits for it goes too.
            std::future::pending::<()>().await;
        }
    }
}
