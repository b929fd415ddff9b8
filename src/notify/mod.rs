//! Transitions to messages. Knows nothing of how a message is sent.

pub mod slack;
