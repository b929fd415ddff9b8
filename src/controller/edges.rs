//! By what the controller reaches the world: in production sockets and the machine's clock, in a simulation neither.

use crate::base::clock::Clock;
use crate::base::seed::Seed;
use crate::controller::http::Http;
use crate::controller::lease::host;
use crate::controller::options::own_namespace;
use crate::controller::pass::Core;
use crate::controller::probe::Provider;
use crate::controller::slack::Carrier;
use crate::controller::tasks::Tasks;
use anyhow::Context;
use kube::Client;
use std::sync::Arc;

/// Everything from outside.
pub struct Edges {
    /// The API server.
    pub client: Client,
    /// Metric providers.
    pub http: Http,
    /// Slack, when it is not reached by sockets.
    pub slack: Option<Arc<dyn Carrier>>,
    pub clock: Clock,
    pub seed: Seed,
    pub tasks: Tasks,
    /// What decides: the core, unless a test plants a bug in it.
    pub core: Core,
    /// What asks and reads metrics: likewise.
    pub provider: Provider,
    /// The namespace of the controller itself.
    pub own_namespace: String,
    /// What the replica's name in the Lease begins with.
    pub host: String,
    /// Whether health and metrics are served.
    pub serves: bool,
}

impl Edges {
    /// Those of a process in production.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn real(client: Client) -> anyhow::Result<Self> {
        Ok(Self {
            client,
            http: Http::new().context("cannot set up the connection to metric providers")?,
            slack: None,
            clock: Clock::Wall,
            seed: Seed::from_entropy(),
            tasks: Tasks::default(),
            core: Core::default(),
            provider: Provider::default(),
            own_namespace: own_namespace(),
            host: host(),
            serves: true,
        })
    }
}
