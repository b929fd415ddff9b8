//! Read models for people: the phase as clients see it, the tree of `serin get`.

pub mod phase;
pub mod tree;
