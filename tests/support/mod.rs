//! What the end-to-end tests and the demo stand on: a real control plane, a real Prometheus, and models of
//! the two things a machine without containers cannot have, pods that run and traffic that flows.
//!
//! Nothing here may know what a Rollout is: a harness that knew the rules would agree with the controller's
//! mistakes. Each test binary mounts this folder as a module and uses a part of it.
#![allow(
    dead_code,
    reason = "each binary that mounts this folder uses another part of it"
)]

pub mod app;
pub mod audit;
pub mod certs;
pub mod conformance;
pub mod manifest;
pub mod plane;
pub mod pods;
pub mod process;
pub mod prometheus;
pub mod serin;
pub mod slack;
pub mod traffic;
pub mod wait;
pub mod world;
