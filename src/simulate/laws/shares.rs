//! Which version gets which share of a Rollout's traffic: the weights of its routers as they are, by the version that each Service or
//! subset leads to.

use super::picture::Picture;
use super::read::{Id, WHOLE};
use super::rollout::Rollout;
use super::routers;
use std::collections::BTreeMap;

impl Picture {
    /// The share of each version, in parts of [`WHOLE`]; the larger one where rules differ.
    pub(super) fn shares_now(&self, rollout: &Rollout) -> BTreeMap<String, i64> {
        let mut shares = BTreeMap::new();
        let spec = &rollout.spec;
        let hash = |name: &str| {
            let service = self.services.get(&(rollout.id.0.clone(), name.to_owned()));
            service
                .map(|service| service.hash.clone())
                .filter(|hash| !hash.is_empty())
        };
        if !spec.active_service.is_empty() {
            shares.extend(hash(&spec.active_service).map(|hash| (hash, WHOLE)));
            return shares;
        }
        let sides = rollout.sides();
        let rules = spec.routes.iter().flat_map(|id| self.split(id, sides));
        for (canary, stable) in rules.filter(|(canary, stable)| canary + stable > 0) {
            let mut of_rule: BTreeMap<String, i64> = BTreeMap::new();
            for (service, weight) in [(sides[0], canary), (sides[1], stable)] {
                if let Some(hash) = hash(service) {
                    *of_rule.entry(hash).or_default() += weight * WHOLE / (canary + stable);
                }
            }
            for (hash, share) in of_rule {
                let most = shares.entry(hash).or_insert(0);
                *most = share.max(*most);
            }
        }
        shares
    }

    /// The weights of canary and stable in one object. Without a canary Ingress, or without an action, there is no canary.
    fn split(&self, id: &Id, sides: [&str; 2]) -> Vec<(i64, i64)> {
        match self.routes.get(id) {
            Some(route) => route.driven(sides).collect(),
            None if id.1.starts_with(routers::INGRESSES) => vec![(0, 1)],
            None => Vec::new(),
        }
    }
}
