//! End-to-end tests on a real control plane with a real Prometheus. One file per topic; all tests share the
//! world that `support::world` starts, each in a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::cmp_owned,
    clippy::semicolon_if_nothing_returned,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a failed test panics, and tests have deadlines"
)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod manifests;
mod record;

mod analysis;
mod basic;
mod blue_green;
mod budget;
mod conformance;
mod faults;
mod gateway;
mod harness;
mod objects;
mod person;
mod playground;
mod promql;
mod providers;
mod routers;
mod slack;
mod turns;
