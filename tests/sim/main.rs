//! The simulations: the real controller in worlds of its own. They are many, so `make test` builds them optimised; a few run well
//! enough without (`cargo test --test sim stories`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod faults;
mod mutants;
mod points;
mod stories;
mod swarm;
