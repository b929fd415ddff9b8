//! The tree of a Rollout.
