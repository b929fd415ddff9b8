//! Everything that touches the network or the clock.

pub mod slack;
