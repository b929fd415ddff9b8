//! The in-process integration tests, one binary.

mod canary;
mod cli;
mod cli_actions;
mod fake_api;
mod gateway;
mod lives;
mod tidy;
mod world;
