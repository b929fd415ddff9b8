//! The state behind the service: catalog, store, clock and the source of names. Knows no requests.

use std::sync::Arc;

use serde_json::{Value, json};

use super::catalog::{Catalog, Resource};
use super::failure::Failure;
use super::store::{Key, Store};
use crate::base::clock::Clock;
use crate::base::gotime::Time;
use crate::base::seed::Seed;

/// Letters of generated names: no vowels, so that no words come about.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const NAME_LEN_MAX: usize = 63;
const SUFFIX_LEN: usize = 5;

/// Everything the cluster remembers.
#[derive(Clone, Debug)]
pub struct World {
    pub catalog: Catalog,
    pub store: Store,
    clock: Clock,
    seed: Seed,
    services: u32,
}

impl World {
    pub fn new(seed: u64, clock: Clock) -> Self {
        let mut world = Self {
            catalog: Catalog::default(),
            store: Store::default(),
            clock,
            seed: Seed::new(seed),
            services: 0,
        };
        for name in ["default", "kube-system"] {
            world.make_namespace(name);
        }
        world
    }

    /// The same things at the beginning of another history.
    pub fn reborn(&self, seed: u64, clock: Clock) -> Self {
        Self {
            clock,
            seed: Seed::new(seed),
            ..self.clone()
        }
    }

    /// Makes a namespace unless it is there.
    pub fn make_namespace(&mut self, name: &str) {
        let Some(resource) = self.catalog.by_id("namespaces").cloned() else {
            return;
        };
        let key = Key::new(&resource.id, "", name);
        if self.store.get(&key).is_some() {
            return;
        }
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": name, "uid": self.uid(), "creationTimestamp": self.stamp(),
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        self.store.put(&key, object);
    }

    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A seed for somebody who needs one of his own.
    pub fn split_seed(&mut self) -> u64 {
        self.seed.next_u64()
    }

    /// The time as objects carry it.
    pub fn stamp(&self) -> String {
        Time::new(self.clock.now()).rfc3339()
    }

    /// The next uid: looks random, comes from the seed.
    pub fn uid(&mut self) -> String {
        let (a, b) = (self.seed.next_u64(), self.seed.next_u64());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }

    /// A name from `metadata.generateName`.
    pub fn generated_name(&mut self, base: &str) -> String {
        let base: String = base.chars().take(NAME_LEN_MAX - SUFFIX_LEN).collect();
        let mut random = self.seed.next_u64();
        let suffix = (0..SUFFIX_LEN).map(|_| {
            let letter = LETTERS[(random % LETTERS.len() as u64) as usize];
            random /= LETTERS.len() as u64;
            char::from(letter)
        });
        base.chars().chain(suffix).collect()
    }

    /// The next address for a Service.
    pub fn service_address(&mut self) -> String {
        self.services += 1;
        format!("10.0.{}.{}", self.services / 250, self.services % 250 + 2)
    }

    pub fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Arc<Value>, Failure> {
        let key = Key::new(&resource.id, namespace, name);
        self.store
            .get(&key)
            .cloned()
            .ok_or_else(|| resource.not_found(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_names() {
        let mut worlds = [World::new(7, Clock::Wall), World::new(7, Clock::Wall)];
        let [a, b] = worlds
            .each_mut()
            .map(|world| (world.uid(), world.generated_name("pod-")));
        assert_eq!(a, b);
        assert_eq!(a.0.len(), 36);
        assert!(a.1.starts_with("pod-") && a.1.len() == 9, "{}", a.1);
    }
}
