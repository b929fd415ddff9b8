//! The simulations: the real controller in worlds of its own.
//!
//! `make test` builds them optimised and runs most: every story, fault, planted bug and pair of options, 20,000 seeds, and a part of the
//! crash and staleness points. `make sim` runs those whole, too. A plain `cargo test` is not optimised and runs a sample of each.
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

/// Whether everything is run.
pub fn whole() -> bool {
    std::env::var_os("SERIN_SIM_WHOLE").is_some()
}

/// Whether all is run but most of the points.
pub fn most() -> bool {
    whole() || std::env::var_os("SERIN_SIM_MOST").is_some()
}

/// One of how many is run. Primes, so that it is another kind of point in each story.
#[derive(Clone, Copy)]
pub struct Share {
    pub least: usize,
    pub most: usize,
}

/// Every so many of what there is, or all when the whole is run.
pub fn sample<T>(all: Vec<T>, share: Share) -> Vec<T> {
    let step = match (whole(), most()) {
        (true, _) => 1,
        (false, true) => share.most,
        (false, false) => share.least,
    };
    all.into_iter().step_by(step).collect()
}

mod faults;
mod mutants;
mod pairs;
mod points;
mod stories;
mod swarm;
