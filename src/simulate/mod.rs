//! A whole world in one thread on virtual time: the real controller, the cluster in memory, traffic, Prometheus, Slack, people and
//! faults. Everything that happens is a [`record::Record`]; equal seeds give equal records.

pub mod laws;
pub mod record;
