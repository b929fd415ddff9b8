//! The simulations: the real controller in worlds of its own.
//!
//! `make test` runs every story and every fault, and a sample of crash points, staleness points, seeds and planted bugs. `make sim` builds
//! them optimised and runs them all.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

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
mod points;
mod stories;
mod swarm;
