//! How fast the models are. The defaults are those of a small, healthy cluster.

use chrono::TimeDelta;

use super::faults::Faults;
use super::metrics::Metrics;
use super::pods::Pace;
use crate::base::seed::Seed;

/// A time between two bounds, drawn anew each time, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    pub least: TimeDelta,
    pub most: TimeDelta,
}

impl Delay {
    pub const fn between(least_ms: i64, most_ms: i64) -> Self {
        Self {
            least: TimeDelta::milliseconds(least_ms),
            most: TimeDelta::milliseconds(most_ms),
        }
    }

    pub const fn exactly(ms: i64) -> Self {
        Self::between(ms, ms)
    }

    pub fn draw(self, seed: &mut Seed) -> TimeDelta {
        let (least, most) = (self.least.num_milliseconds(), self.most.num_milliseconds());
        let span = u64::try_from(most - least).unwrap_or(0) + 1;
        TimeDelta::milliseconds(least + i64::try_from(seed.next_u64() % span).unwrap_or(0))
    }
}

/// Everything that can be set before the models start. Each delay is that from a change to the reaction.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many nodes there are; the models make them. Without any, pods are bound to a node that does not exist.
    pub nodes: usize,
    pub replica_sets: Delay,
    pub scheduler: Delay,
    pub kubelet: Delay,
    /// From bound to running: image and container.
    pub pod_start: Delay,
    /// From running to ready, where the pod does not say.
    pub pod_ready: Delay,
    /// How long a process takes to stop, at most its grace period.
    pub pod_stop: Delay,
    /// How crashing containers are started again. Its other times are drawn from the delays above.
    pub pace: Pace,
    pub endpoint_slices: Delay,
    pub collector: Delay,
    pub jobs: Delay,
    pub budgets: Delay,
    pub namespaces: Delay,
    /// Between two looks of a horizontal autoscaler.
    pub autoscaler_period: TimeDelta,
    /// After a refused creation of a pod; doubles up to `retry_most`.
    pub retry_least: TimeDelta,
    pub retry_most: TimeDelta,
    /// From the loss of a node until its pods are not ready, and from then until they are deleted.
    pub node_silence: TimeDelta,
    pub node_eviction: TimeDelta,
    /// The switches. Keep a clone to throw them.
    pub faults: Faults,
    /// What autoscalers measure. Keep a clone to set it.
    pub metrics: Metrics,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodes: 3,
            replica_sets: Delay::between(5, 50),
            scheduler: Delay::between(5, 50),
            kubelet: Delay::between(10, 100),
            pod_start: Delay::between(500, 2_000),
            pod_ready: Delay::between(1_000, 3_000),
            pod_stop: Delay::between(500, 3_000),
            pace: Pace {
                ready_after: TimeDelta::seconds(1),
                terminate_within: TimeDelta::seconds(30),
                crash_after: TimeDelta::seconds(2),
                crash_every_max: TimeDelta::seconds(300),
            },
            endpoint_slices: Delay::between(10, 200),
            collector: Delay::between(50, 150),
            jobs: Delay::between(10, 100),
            budgets: Delay::between(10, 100),
            namespaces: Delay::between(100, 500),
            autoscaler_period: TimeDelta::seconds(15),
            retry_least: TimeDelta::seconds(1),
            retry_most: TimeDelta::seconds(60),
            node_silence: TimeDelta::seconds(40),
            node_eviction: TimeDelta::seconds(300),
            faults: Faults::default(),
            metrics: Metrics::default(),
        }
    }
}
