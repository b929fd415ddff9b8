//! The in-process integration tests, one binary.

mod gateway;
mod lives;
mod world;
