//! The simulations: the real controller in worlds of its own.
//!
//! `make test` plays every story; `make sim` builds all of them optimised and runs them whole: crash points, staleness points, faults,
//! planted bugs, and 20,000 seeds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test ends by panicking, with the cause, and says how long its runs took"
)]

/// Worlds allocate all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whether all crash points, staleness points, seeds and planted bugs are run, not a sample.
pub fn whole() -> bool {
    std::env::var_os("SERIN_SIM_WHOLE").is_some()
}

/// Every `n`th of what there is, or all when the whole is run.
pub fn sample<T>(all: Vec<T>, n: usize) -> Vec<T> {
    let step = if whole() { 1 } else { n };
    all.into_iter().step_by(step).collect()
}

mod faults;
mod mutants;
mod pairs;
mod points;
mod stories;
mod swarm;
