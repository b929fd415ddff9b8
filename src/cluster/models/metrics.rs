//! What autoscalers measure: numbers that somebody outside sets. Knows no autoscaler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The measured value of each autoscaler, in the unit of its target. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<(String, String), f64>>>);

impl Metrics {
    /// From now on the autoscaler of this name measures this, averaged over its pods.
    pub fn set(&self, namespace: &str, autoscaler: &str, value: f64) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert((namespace.to_owned(), autoscaler.to_owned()), value);
    }

    /// From now on it gets no answer.
    pub fn unset(&self, namespace: &str, autoscaler: &str) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.remove(&(namespace.to_owned(), autoscaler.to_owned()));
    }

    pub fn get(&self, namespace: &str, autoscaler: &str) -> Option<f64> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values
            .get(&(namespace.to_owned(), autoscaler.to_owned()))
            .copied()
    }
}
