//! The shell against an API server in memory: no sockets, no real time.

mod act;
mod deploy;
mod election;
mod events;
mod experiments;
mod fake;
mod job_caches;
mod passes;
mod probes;
mod rescue;
mod watches;
