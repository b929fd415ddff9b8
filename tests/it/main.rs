//! The in-process integration tests, one binary.

mod lives;
mod world;
