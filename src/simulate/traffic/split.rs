//! Where requests go: route weights, then ready endpoints, evenly. Pure, on the objects' JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// Weights per Service of each rule that ordinary requests take. Rules that ask for headers take none.
pub type Rules = Vec<BTreeMap<String, i64>>;

/// Reads the rules of an `HTTPRoute`.
pub fn rules(route: &Value) -> Rules {
    let rules = route["spec"]["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let ordinary = rules.iter().filter(|rule| !wants_headers(rule));
    let weights = ordinary.map(|rule| {
        let backends = rule["backendRefs"].as_array().map_or(&[][..], Vec::as_slice);
        backends.iter().fold(BTreeMap::new(), |mut sums, backend| {
            let name = backend["name"].as_str().unwrap_or_default().to_owned();
            *sums.entry(name).or_insert(0) += backend["weight"].as_i64().unwrap_or(1);
            sums
        })
    });
    weights.filter(|backends| !backends.is_empty()).collect()
}

fn wants_headers(rule: &Value) -> bool {
    let matches = rule["matches"].as_array().map_or(&[][..], Vec::as_slice);
    !matches.is_empty()
        && matches
            .iter()
            .all(|one| one["headers"].as_array().is_some_and(|all| !all.is_empty()))
}

/// The Service that an `EndpointSlice` belongs to.
pub fn service_of(slice: &Value) -> Option<&str> {
    slice["metadata"]["labels"]["kubernetes.io/service-name"].as_str()
}

/// The names of the pods that an `EndpointSlice` lists as ready.
pub fn ready_pods(slice: &Value) -> Vec<String> {
    let endpoints = slice["endpoints"].as_array().map_or(&[][..], Vec::as_slice);
    // No word about readiness means ready, by the API's definition.
    let ready = endpoints
        .iter()
        .filter(|one| one["conditions"]["ready"] != Value::Bool(false));
    ready
        .filter_map(|one| one["targetRef"]["name"].as_str().map(str::to_owned))
        .collect()
}

/// What becomes of a number of requests.
#[derive(Debug, Default, PartialEq)]
pub struct Shares {
    /// By Service and pod.
    pub carried: BTreeMap<(String, String), f64>,
    /// By Service: weight, and nobody to take it.
    pub refused: BTreeMap<String, f64>,
}

/// Splits `requests` evenly over the rules, by weight over their Services, evenly over those's ready pods.
pub fn split(requests: f64, rules: &Rules, ready: &BTreeMap<String, Vec<String>>) -> Shares {
    let mut shares = Shares::default();
    for backends in rules {
        let part = requests / rules.len() as f64;
        let total: i64 = backends.values().sum();
        for (service, &weight) in backends {
            // Without any weight a route answers with an error; all its Services lose evenly.
            let share = match total {
                0 => 1.0 / backends.len() as f64,
                total => weight as f64 / total as f64,
            };
            let pods = if total == 0 {
                &[][..]
            } else {
                ready.get(service).map_or(&[][..], Vec::as_slice)
            };
            shares.add(service, part * share, pods);
        }
    }
    shares
}

impl Shares {
    fn add(&mut self, service: &str, requests: f64, pods: &[String]) {
        if requests <= 0.0 {
            return;
        }
        if pods.is_empty() {
            *self.refused.entry(service.to_owned()).or_default() += requests;
        }
        for pod in pods {
            let key = (service.to_owned(), pod.clone());
            *self.carried.entry(key).or_default() += requests / pods.len() as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(weights: &[(&str, i64)]) -> Value {
        let backends: Vec<Value> = weights
            .iter()
            .map(|(name, weight)| json!({"name": name, "weight": weight}))
            .collect();
        json!({"spec": {"rules": [{"backendRefs": backends}]}})
    }

    fn check(route: &Value, carried: &[(&str, f64)], refused: &[(&str, f64)]) {
        let ready = BTreeMap::from([
            ("stable".to_owned(), vec!["s1".to_owned(), "s2".to_owned()]),
            ("canary".to_owned(), vec!["c1".to_owned()]),
        ]);
        let shares = split(100.0, &rules(route), &ready);
        let by_pod: Vec<(&str, f64)> = shares
            .carried
            .iter()
            .map(|((_, pod), share)| (pod.as_str(), *share))
            .collect();
        let lost: Vec<(&str, f64)> = shares
            .refused
            .iter()
            .map(|(name, share)| (name.as_str(), *share))
            .collect();
        assert_eq!((by_pod.as_slice(), lost.as_slice()), (carried, refused));
    }

    #[test]
    fn weights_split_over_services_and_evenly_over_ready_pods() {
        check(
            &route(&[("stable", 80), ("canary", 20)]),
            &[("c1", 20.0), ("s1", 40.0), ("s2", 40.0)],
            &[],
        );
        check(
            &route(&[("stable", 1), ("canary", 0)]),
            &[("s1", 50.0), ("s2", 50.0)],
            &[],
        );
    }

    #[test]
    fn weight_without_a_ready_pod_is_refused() {
        check(
            &route(&[("stable", 90), ("gone", 10)]),
            &[("s1", 45.0), ("s2", 45.0)],
            &[("gone", 10.0)],
        );
        check(
            &route(&[("stable", 0), ("canary", 0)]),
            &[],
            &[("canary", 50.0), ("stable", 50.0)],
        );
    }

    #[test]
    fn rules_that_ask_for_headers_take_no_ordinary_request() {
        let mut route = route(&[("stable", 1)]);
        let header = json!({"matches": [{"headers": [{"name": "x"}]}], "backendRefs": [{"name": "canary"}]});
        route["spec"]["rules"].as_array_mut().unwrap().push(header);
        check(&route, &[("s1", 50.0), ("s2", 50.0)], &[]);
    }

    #[test]
    fn endpoints_are_ready_unless_they_say_no() {
        let slice = json!({"endpoints": [
            {"targetRef": {"name": "a"}, "conditions": {"ready": true}},
            {"targetRef": {"name": "b"}, "conditions": {"ready": false}},
            {"targetRef": {"name": "c"}},
        ]});
        assert_eq!(ready_pods(&slice), ["a", "c"]);
    }
}
