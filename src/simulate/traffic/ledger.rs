//! The safety of a route's whole history: was there any moment at which weight flowed to a Service without a
//! ready endpoint? Pure.
//!
//! Routes and endpoints come by different watches, and which of two events arrives first says nothing. But all
//! objects of a cluster lie in one etcd, so their resource versions put every change into one true order. The
//! ledger notes the changes as they come and replays them in that order when it is asked: no moment is
//! missed, and none is made up.

use std::collections::BTreeMap;

use super::split::Rules;

/// An object's namespace and name.
pub type Key = (String, String);

/// What an object became at a revision.
#[derive(Debug, Clone, PartialEq)]
pub enum Became {
    Route(Rules),
    /// An `EndpointSlice`: its Service and how many endpoints are ready.
    Endpoints {
        service: String,
        ready: usize,
    },
    RouteGone,
    EndpointsGone,
}

/// A span of revisions in which requests could not be carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The Service that had weight and no ready endpoint.
    pub service: String,
    pub weight: i64,
    /// The revision that brought it about, and the one that ended it.
    pub since: u64,
    pub until: Option<u64>,
}

/// All changes seen, by revision. One revision changes one object.
#[derive(Debug, Default)]
pub struct Ledger {
    changes: BTreeMap<u64, (Key, Became)>,
}

impl Ledger {
    /// Notes a change; the same change twice is one.
    pub fn note(&mut self, revision: u64, key: Key, became: Became) {
        self.changes.insert(revision, (key, became));
    }

    /// Every violation of one route after the revision `from`. One that lasts from before begins at `from`.
    pub fn violations(&self, route: &Key, from: u64) -> Vec<Violation> {
        let mut now = State::default();
        let mut spans = Spans::default();
        for (key, became) in self.changes.range(..=from).map(|(_, change)| change) {
            now.apply(route, key, became);
        }
        spans.look(from, now.uncarried());
        for (&revision, (key, became)) in self.changes.range(from + 1..) {
            if now.apply(route, key, became) {
                spans.look(revision, now.uncarried());
            }
        }
        spans.found
    }

    /// The same for requests that go to one Service directly: as a route that only knows this Service.
    pub fn violations_of_service(&self, namespace: &str, service: &str, from: u64) -> Vec<Violation> {
        let route = (namespace.to_owned(), String::new());
        let only = Became::Route(vec![BTreeMap::from([(service.to_owned(), 1)])]);
        let mut changes = self.changes.clone();
        changes.insert(0, (route.clone(), only));
        Self { changes }.violations(&route, from)
    }
}

/// Violations as they open and close; `open` has the place of each open one in `found`.
#[derive(Default)]
struct Spans {
    found: Vec<Violation>,
    open: BTreeMap<String, usize>,
}

impl Spans {
    fn look(&mut self, revision: u64, bad: BTreeMap<String, i64>) {
        let over: Vec<String> = self
            .open
            .keys()
            .filter(|&service| !bad.contains_key(service))
            .cloned()
            .collect();
        for index in over.iter().filter_map(|service| self.open.remove(service)) {
            self.found[index].until = Some(revision);
        }
        for (service, weight) in bad {
            if !self.open.contains_key(&service) {
                self.open.insert(service.clone(), self.found.len());
                self.found.push(Violation {
                    service,
                    weight,
                    since: revision,
                    until: None,
                });
            }
        }
    }
}

#[derive(Default)]
struct State {
    rules: Rules,
    slices: BTreeMap<String, (String, usize)>,
}

impl State {
    /// Takes a change in; false if it does not matter to the route.
    fn apply(&mut self, route: &Key, key: &Key, became: &Became) -> bool {
        if key.0 != route.0 {
            return false;
        }
        match became {
            Became::Route(rules) if key == route => self.rules.clone_from(rules),
            Became::RouteGone if key == route => self.rules.clear(),
            Became::Endpoints { service, ready } => {
                self.slices.insert(key.1.clone(), (service.clone(), *ready));
            }
            Became::EndpointsGone => drop(self.slices.remove(&key.1)),
            Became::Route(_) | Became::RouteGone => return false,
        }
        true
    }

    fn uncarried(&self) -> BTreeMap<String, i64> {
        let ready = |name: &str| self.slices.values().any(|(of, count)| of == name && *count > 0);
        let weights = self.rules.iter().flatten();
        weights
            .filter(|&(service, &weight)| weight > 0 && !ready(service))
            .map(|(service, &weight)| (service.clone(), weight))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("n".to_owned(), name.to_owned())
    }

    fn weights(stable: i64, canary: i64) -> Became {
        Became::Route(vec![BTreeMap::from([
            ("stable".to_owned(), stable),
            ("canary".to_owned(), canary),
        ])])
    }

    fn ready(service: &str, ready: usize) -> Became {
        Became::Endpoints {
            service: service.to_owned(),
            ready,
        }
    }

    fn violation(service: &str, weight: i64, since: u64, until: Option<u64>) -> Violation {
        Violation {
            service: service.to_owned(),
            weight,
            since,
            until,
        }
    }

    fn check(from: u64, changes: &[(u64, &str, Became)], expect: &[Violation]) {
        let mut ledger = Ledger::default();
        for (revision, name, became) in changes {
            ledger.note(*revision, key(name), became.clone());
        }
        assert_eq!(ledger.violations(&key("route"), from), expect);
    }

    #[test]
    fn weight_after_capacity_is_safe() {
        check(
            0,
            &[
                (1, "s", ready("stable", 3)),
                (2, "route", weights(100, 0)),
                (3, "c", ready("canary", 1)),
                (4, "route", weights(80, 20)),
                (5, "route", weights(100, 0)),
                (6, "c", ready("canary", 0)),
            ],
            &[],
        );
    }

    #[test]
    fn weight_before_capacity_is_found_whatever_the_order_of_arrival() {
        let expect = [violation("canary", 20, 3, Some(4))];
        let changes = [
            (4, "c", ready("canary", 1)),
            (2, "route", weights(100, 0)),
            (3, "route", weights(80, 20)),
            (1, "s", ready("stable", 3)),
        ];
        check(0, &changes, &expect);
    }

    #[test]
    fn capacity_taken_under_weight_is_found() {
        let gone = [
            (1, "s", ready("stable", 1)),
            (2, "c", ready("canary", 1)),
            (3, "route", weights(50, 50)),
            (4, "c", Became::EndpointsGone),
        ];
        check(0, &gone, &[violation("canary", 50, 4, None)]);
    }

    #[test]
    fn what_was_before_the_start_counts_only_if_it_lasts() {
        let changes = [
            (1, "route", weights(1, 0)),
            (2, "x", ready("other", 1)),
            (5, "s", ready("stable", 1)),
        ];
        check(0, &changes, &[violation("stable", 1, 1, Some(5))]);
        check(3, &changes, &[violation("stable", 1, 3, Some(5))]);
        check(6, &changes, &[]);
    }

    #[test]
    fn several_slices_of_a_service_count_together() {
        let changes = [
            (1, "s-1", ready("stable", 1)),
            (2, "route", weights(1, 0)),
            (3, "s-2", ready("stable", 1)),
            (4, "s-1", Became::EndpointsGone),
        ];
        check(0, &changes, &[]);
    }
}
