//! The in-process integration tests, one binary.

mod canary;
mod gateway;
mod lives;
mod tidy;
mod world;
