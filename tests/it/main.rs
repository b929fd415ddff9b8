//! The in-process integration tests, one binary.

mod cli;
mod fake_api;
