//! What happens when something breaks: the controller dies, loses its lead, loses the API server, finds no CRDs,
//! meets objects that cannot be carried out, or a metric provider that never answers.
//!
//! Every test runs controllers of its own, with an instance id, a Lease and users of their own, so that what it
//! breaks is broken for nobody else. The oracle is the run without the fault: the same end, by the same creations.

mod api_server;
mod crash;
mod features;
mod lead;
mod role;
mod serin;
mod shop;
mod slow;
