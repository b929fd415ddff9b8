//! The in-process integration tests, one binary.

mod cli;
mod cli_actions;
mod fake_api;
