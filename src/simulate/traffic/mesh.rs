//! Where a mesh leads requests: routes of a VirtualService, and subsets of a DestinationRule. Pure, on the objects' JSON.

use std::collections::BTreeMap;

use serde_json::Value;

use super::split::Rules;

/// Labels that a pod must have to be of a subset.
pub(super) type Labels = BTreeMap<String, String>;

/// A subset among the Services: its pods are those of the Service that have its labels.
pub(super) fn subset(service: &str, name: &str) -> String {
    format!("{service}/{name}")
}

/// The Service of a subset; a Service's name is its own.
pub(super) fn service(target: &str) -> &str {
    target.split('/').next().unwrap_or_default()
}

/// Reads the routes of a VirtualService that ordinary requests take. Routes are tried in order: behind one that takes everything none is
/// reached. Copies for a mirror are nobody's requests.
pub(super) fn rules(object: &Value) -> Rules {
    let spec = &object["spec"];
    let of = |protocol: &str| {
        let routes = list(&spec[protocol]);
        let last = routes.iter().position(takes_everything);
        let reached = &routes[..last.map_or(routes.len(), |last| last + 1)];
        let ordinary = reached.iter().filter(|route| takes_ordinary(route));
        ordinary.map(weights).collect::<Rules>()
    };
    let all = ["http", "tls", "tcp"].into_iter().flat_map(of);
    all.filter(|weights| !weights.is_empty()).collect()
}

fn takes_everything(route: &Value) -> bool {
    let all = list(&route["match"]);
    let everything = |one: &Value| {
        let asks = one.as_object().into_iter().flatten();
        let mut asks = asks.filter(|(name, _)| *name != "name");
        asks.all(|(name, what)| name == "uri" && what["prefix"] == "/")
    };
    all.is_empty() || all.iter().any(everything)
}

/// Whether a request without any special header can get there.
fn takes_ordinary(route: &Value) -> bool {
    let asks_more = |one: &Value| {
        let special = ["headers", "queryParams", "sourceLabels"];
        special
            .into_iter()
            .any(|name| one[name].as_object().is_some_and(|all| !all.is_empty()))
    };
    let all = list(&route["match"]);
    all.is_empty() || !all.iter().all(asks_more)
}

fn weights(route: &Value) -> BTreeMap<String, i64> {
    let targets = list(&route["route"]);
    let mut sums = BTreeMap::new();
    for one in targets {
        let to = &one["destination"];
        let host = host(&to["host"]);
        let target = match to["subset"].as_str() {
            Some(name) if !name.is_empty() => subset(host, name),
            _ => host.to_owned(),
        };
        // Alone a destination gets everything, whatever it says.
        let weight = match targets.len() {
            1 => 1,
            _ => one["weight"].as_i64().unwrap_or(0),
        };
        *sums.entry(target).or_insert(0) += weight;
    }
    sums
}

/// A Service's name, short or in full.
fn host(name: &Value) -> &str {
    let name = name.as_str().unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

/// The subsets of a DestinationRule: each by its place among the Services, with the Service and the labels that narrow it.
pub(super) fn subsets(object: &Value) -> Vec<(String, Labels)> {
    let service = host(&object["spec"]["host"]);
    let read = |one: &Value| {
        let name = one["name"].as_str().unwrap_or_default();
        (subset(service, name), labels(&one["labels"]))
    };
    list(&object["spec"]["subsets"]).iter().map(read).collect()
}

pub(super) fn labels(object: &Value) -> Labels {
    let all = object.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn to(host: &str, subset: Option<&str>, weight: i64) -> Value {
        match subset {
            Some(subset) => json!({"destination": {"host": host, "subset": subset}, "weight": weight}),
            None => json!({"destination": {"host": host}, "weight": weight}),
        }
    }

    fn split() -> Value {
        json!([
            to("stable.shop.svc.cluster.local", None, 80),
            to("canary", None, 20)
        ])
    }

    fn check(spec: Value, expect: &[&[(&str, i64)]]) {
        let rules = rules(&json!({"spec": spec}));
        let got: Vec<Vec<(&str, i64)>> = rules
            .iter()
            .map(|rule| {
                rule.iter()
                    .map(|(name, weight)| (name.as_str(), *weight))
                    .collect()
            })
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn weights_are_by_host_or_by_subset() {
        check(
            json!({"http": [{"route": split()}]}),
            &[&[("canary", 20), ("stable", 80)]],
        );
        let subsets = json!([to("shop", Some("stable"), 80), to("shop", Some("canary"), 20)]);
        check(
            json!({"http": [{"route": subsets}]}),
            &[&[("shop/canary", 20), ("shop/stable", 80)]],
        );
        check(
            json!({"http": [{"route": [to("stable", None, 0)]}]}),
            &[&[("stable", 1)]],
        );
        let both = json!({"tls": [{"route": split()}], "tcp": [{"route": split()}]});
        check(
            both,
            &[
                &[("canary", 20), ("stable", 80)],
                &[("canary", 20), ("stable", 80)],
            ],
        );
    }

    #[test]
    fn a_route_for_headers_takes_no_ordinary_request_and_a_mirror_takes_none_away() {
        let beta = json!({"name": "beta", "match": [{"headers": {"x": {"exact": "1"}}}], "route": [to("canary", None, 100)]});
        check(
            json!({"http": [beta, {"route": split()}]}),
            &[&[("canary", 20), ("stable", 80)]],
        );
        let copies = json!({"name": "copy", "match": [{"uri": {"prefix": "/"}}], "route": split(), "mirror": {"host": "canary"},
            "mirrorPercentage": {"value": 100}});
        check(
            json!({"http": [copies, {"route": [to("stable", None, 100)]}]}),
            &[&[("canary", 20), ("stable", 80)]],
        );
    }

    #[test]
    fn no_request_gets_behind_a_route_that_takes_everything() {
        let api = json!({"match": [{"uri": {"prefix": "/api"}}], "route": [to("api", None, 1)]});
        let rest = json!({"route": split()});
        check(
            json!({"http": [api, rest]}),
            &[&[("api", 1)], &[("canary", 20), ("stable", 80)]],
        );
        check(json!({"http": [rest, api]}), &[&[("canary", 20), ("stable", 80)]]);
    }

    #[test]
    fn a_subset_is_its_service_narrowed_by_labels() {
        let rule = json!({"spec": {"host": "shop.n.svc.cluster.local", "subsets": [{"name": "canary", "labels": {"v": "2"}}, {"name": "all"}]}});
        let narrowed = Labels::from([("v".to_owned(), "2".to_owned())]);
        let expect = [
            ("shop/canary".to_owned(), narrowed),
            ("shop/all".to_owned(), Labels::new()),
        ];
        assert_eq!(subsets(&rule), expect);
        assert_eq!(service("shop/canary"), "shop");
    }
}
