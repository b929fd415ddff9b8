//! The in-process integration tests, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test tool ends by panicking, with the cause"
)]

mod anti_affinity;
mod blue_green;
mod blue_green_chance;
mod blue_green_crash;
mod blue_green_stage;
mod blue_green_trouble;
mod canary;
mod cli;
mod cli_actions;
mod cli_playground;
mod cli_simulate;
mod cli_simulate_routers;
#[cfg(feature = "simulate")]
mod conformance;
mod crash;
mod dynamic_stable;
mod exhaustive;
mod fake_api;
mod gateway;
mod honest;
#[cfg(feature = "simulate")]
mod judged;
mod last_word;
mod lives;
mod refused_route;
mod restart;
mod role_metadata;
mod routers;
mod strategy_change;
mod tidy;
mod web_answers;
mod workload_ref;
mod world;
