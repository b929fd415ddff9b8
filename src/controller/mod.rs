//! Everything that touches the network or the clock.

pub mod act;
pub mod cached;
pub mod caches;
pub mod error;
pub mod kinds;
pub mod metrics;
pub mod queue;
pub mod selector;
pub mod stores;
pub mod watch;
pub mod watermark;
