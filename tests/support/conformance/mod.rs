//! Scripts of requests that anything which calls itself a Kubernetes API must answer as the real API server does.
//!
//! The scripts are data (`tests/conformance/*.yaml`), the answers of the real API server too
//! (`tests/data/conformance/*.txt`). This module reads, runs, masks and prints them through any `kube::Client`; it
//! knows neither which server is behind it nor what the answer should be.

mod compare;
mod mask;
mod print;
mod run;
mod script;

#[allow(unused_imports, reason = "each tier uses a part")]
pub use compare::{Difference, compare, record};
#[allow(
    unused_imports,
    reason = "the demo shares the harness but runs no conformance scripts"
)]
pub use run::Runner;
#[allow(
    unused_imports,
    reason = "the demo shares the harness but runs no conformance scripts"
)]
pub use script::{crds, topics};
