//! The phase of a Rollout as a client must report it.
