//! A whole world in one thread on virtual time: the real controller, the cluster in memory, traffic, Prometheus, Slack, people and
//! faults. Everything that happens is a [`record::Record`]; equal seeds give equal records.

pub mod crew;
pub mod example;
pub mod fault;
pub mod faults;
pub mod gate;
pub mod laws;
pub mod manifests;
pub mod options;
pub mod people;
pub mod play;
pub mod playground;
pub mod points;
pub mod prometheus;
pub mod provider;
pub mod record;
pub mod rehearsal;
pub mod slack;
pub mod stage;
pub mod story;
pub mod swarm;
pub mod timeline;
pub mod traffic;
pub mod transcript;
pub mod world;
