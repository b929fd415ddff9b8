//! What a pod has counted: the numbers behind its metrics. Pure.

use super::profile::{BOUNDS_S, Profile};

/// What one pod has counted of the requests that came by one Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Never used for another counter.
    pub id: u64,
    pub namespace: String,
    pub service: String,
    pub pod: String,
    /// The label `rollouts-pod-template-hash` of the pod, and its `pod-template-hash`; empty if it has none.
    pub rollouts_hash: String,
    pub deployment_hash: String,
    /// Whether the pod reports nothing at present.
    pub silent: bool,
    pub(super) served: f64,
    pub(super) errors: f64,
    within: [f64; 11],
    seconds: f64,
}

/// A counter as a scrape sees it: whole requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reported {
    pub good: f64,
    pub errors: f64,
    /// Requests within each of [`BOUNDS_S`].
    pub buckets: [f64; 11],
    pub count: f64,
    pub seconds: f64,
}

impl Counter {
    pub(super) fn new(id: u64, namespace: &str, service: &str, pod: &str) -> Self {
        Self {
            id,
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            pod: pod.to_owned(),
            rollouts_hash: String::new(),
            deployment_hash: String::new(),
            silent: false,
            served: 0.0,
            errors: 0.0,
            within: [0.0; BOUNDS_S.len()],
            seconds: 0.0,
        }
    }

    /// Counts requests; the answer is how many of them were errors.
    pub(super) fn serve(&mut self, requests: f64, profile: &Profile) -> f64 {
        let errors = requests * profile.errors;
        self.served += requests;
        self.errors += errors;
        for (sum, share) in self.within.iter_mut().zip(profile.within) {
            *sum += requests * share;
        }
        self.seconds += requests * profile.mean_s();
        errors
    }

    /// The program starts again and counts from zero.
    pub(super) fn restart(&mut self) {
        (self.served, self.errors, self.seconds) = (0.0, 0.0, 0.0);
        self.within = [0.0; BOUNDS_S.len()];
    }

    pub fn reported(&self) -> Reported {
        let (count, errors) = (whole(self.served), whole(self.errors));
        Reported {
            good: (count - errors).max(0.0),
            errors: errors.min(count),
            buckets: self.within.map(|sum| whole(sum).min(count)),
            count,
            seconds: self.seconds,
        }
    }
}

/// Requests that are finished. Sums of many shares may lack a hair to the whole number that they are.
fn whole(requests: f64) -> f64 {
    (requests + 1e-6).floor()
}
