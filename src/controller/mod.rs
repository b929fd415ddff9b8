//! Everything that touches the network or the clock: looks, asks the core what to do, does it, and tells.
//!
//! Decides nothing: no replica arithmetic and no strategy is known here. Only [`act`] writes to Kubernetes; only [`http`] calls metric
//! providers; passes never wait for either but for their own writes.

pub mod act;
pub mod analysis;
pub mod announce;
pub mod cached;
pub mod caches;
mod contest;
pub mod edges;
pub mod error;
pub mod events;
pub mod experiment;
pub mod http;
pub mod kinds;
pub mod lease;
pub mod memory;
pub mod metrics;
pub mod options;
pub mod pass;
pub mod past;
pub mod probe;
pub mod queue;
pub mod run;
pub mod secrets;
pub mod selector;
pub mod serve;
pub mod shadow;
pub mod slack;
pub mod stores;
pub mod tasks;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod unsure;
pub mod watch;
pub mod watermark;

pub use options::Options;
pub use run::run;
