//! Read models for people: where a rollout stands, whether a wait is over, what an analysis measured, the tree of `serin get`.
//!
//! Everything here turns objects into facts and plain text. It must not know terminals, colours, clusters or a clock.

pub mod canary;
pub mod metrics;
pub mod outcome;
pub mod patches;
pub mod pod;
pub mod report;
pub mod text;
pub mod tree;
