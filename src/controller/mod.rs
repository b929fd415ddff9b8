//! Everything that touches the network or the clock.

pub mod act;
pub mod analysis;
pub mod cached;
pub mod caches;
pub mod error;
pub mod events;
pub mod http;
pub mod kinds;
pub mod lease;
pub mod metrics;
pub mod pass;
pub mod probe;
pub mod queue;
pub mod selector;
pub mod stores;
pub mod watch;
pub mod watermark;
