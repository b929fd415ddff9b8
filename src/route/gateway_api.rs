//! Gateway API HTTPRoutes: which routes a Rollout drives, what weights they carry, and the patch that changes them.
//!
//! A rule is driven when its `backendRefs` name both the canary and the stable Service; every other rule, and every other field,
//! stays as it is. Knows nothing of pods or steps.

use crate::api::traffic::{GatewayApi, TrafficRouting};
use crate::base::names::GATEWAY_API_PLUGIN;
use crate::base::object::{Key, Kind};
use crate::route::{Backends, Look, Object, Router, Wanted, Weights, Write};
use serde_json::{Value, json};

/// The Gateway API configuration of a Rollout, under Argo's plugin name or our own key; `None` when it has none. `Err` says what
/// cannot be read.
pub fn config(routing: &TrafficRouting) -> Option<Result<GatewayApi, String>> {
    if let Some(own) = &routing.gateway_api {
        return Some(Ok(own.clone()));
    }
    let raw = routing.plugins.get(GATEWAY_API_PLUGIN)?;
    Some(serde_json::from_value(raw.clone()).map_err(|error| error.to_string()))
}

/// The routes that the configuration names, in order, each once.
pub fn routes(config: &GatewayApi, namespace: &str) -> Vec<Key> {
    let namespace = config
        .namespace
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or(namespace);
    let listed = config.http_routes.iter().map(|route| route.name.as_str());
    let mut names: Vec<&str> = config.http_route.as_deref().into_iter().chain(listed).collect();
    names.retain(|name| !name.is_empty());
    let mut keys: Vec<Key> = Vec::new();
    for name in names {
        let key = Key::new(namespace, name);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// The HTTPRoutes of one Rollout.
pub struct Routes<'a> {
    keys: Vec<Key>,
    backends: Backends<'a>,
}

impl<'a> Routes<'a> {
    pub fn new(keys: Vec<Key>, backends: Backends<'a>) -> Self {
        Self { keys, backends }
    }
}

impl Router for Routes<'_> {
    fn objects(&self) -> Vec<Object> {
        let object = |key: &Key| Object {
            kind: Kind::HttpRoute,
            key: key.clone(),
            must_exist: true,
        };
        self.keys.iter().map(object).collect()
    }

    fn problems(&self, look: Look) -> Vec<String> {
        let unfit = |key: &&Key| {
            let route = look(Kind::HttpRoute, key);
            route.is_some_and(|route| weights(route, self.backends).is_empty())
        };
        let Backends { canary, stable } = self.backends;
        let told = |key: &Key| {
            format!(
                "HTTPRoute \"{key}\" has no rule whose backendRefs name both \"{stable}\" and \"{canary}\": add both to the rule \
                 whose traffic the canary shall share"
            )
        };
        self.keys.iter().filter(unfit).map(told).collect()
    }

    fn weights(&self, look: Look) -> Vec<Option<Weights>> {
        let of = |key: &Key| match look(Kind::HttpRoute, key) {
            None => vec![None],
            Some(route) => weights(route, self.backends).into_iter().map(Some).collect(),
        };
        self.keys.iter().flat_map(of).collect()
    }

    fn refusal(&self, look: Look) -> Option<String> {
        let refused = |key: &Key| {
            let why = refusal(look(Kind::HttpRoute, key)?)?;
            Some(format!("HTTPRoute \"{key}\" is not served: {why}"))
        };
        self.keys.iter().find_map(refused)
    }

    fn writes(&self, look: Look, wanted: &Wanted) -> Vec<Write> {
        let write = |key: &Key| {
            let body = patch(look(Kind::HttpRoute, key)?, self.backends, wanted.weights)?;
            Some(Write {
                kind: Kind::HttpRoute,
                key: key.clone(),
                body,
                creates: false,
                told: None,
            })
        };
        self.keys.iter().filter_map(write).collect()
    }
}

/// The weights that each driven rule carries; empty when no rule names both Services.
pub fn weights(route: &Value, backends: Backends) -> Vec<Weights> {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array);
    rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule_weights(rule, backends))
        .collect()
}

fn rule_weights(rule: &Value, backends: Backends) -> Option<Weights> {
    let refs = rule["backendRefs"].as_array()?;
    let weight = |name: &str| {
        refs.iter()
            .find(|r| is_service(r, name))
            .map(|r| r["weight"].as_i64().unwrap_or(1))
    };
    Some(Weights {
        canary: weight(backends.canary)?,
        stable: weight(backends.stable)?,
    })
}

/// `group` and `kind` default to the core group's Service.
fn is_service(backend: &Value, name: &str) -> bool {
    let kind = backend["kind"].as_str().unwrap_or("Service");
    let group = backend["group"].as_str().unwrap_or_default();
    backend["name"] == name && kind == "Service" && group.is_empty()
}

/// The merge patch that gives every driven rule these weights; `None` when they have them. Lists are replaced whole by a merge
/// patch, so it carries all rules as they were seen: the write must be guarded by the resourceVersion.
pub fn patch(route: &Value, backends: Backends, wanted: Weights) -> Option<Value> {
    if weights(route, backends).iter().all(|weights| *weights == wanted) {
        return None;
    }
    let mut rules = route.pointer("/spec/rules")?.clone();
    for rule in rules
        .as_array_mut()?
        .iter_mut()
        .filter(|rule| rule_weights(rule, backends).is_some())
    {
        for backend in rule["backendRefs"].as_array_mut()? {
            if is_service(backend, backends.canary) {
                backend["weight"] = json!(wanted.canary);
            } else if is_service(backend, backends.stable) {
                backend["weight"] = json!(wanted.stable);
            }
        }
    }
    Some(json!({"spec": {"rules": rules}}))
}

/// Why the route is not served, when every Gateway that it names has refused it, in the words of one of them.
///
/// A refusal stands until the Gateway takes it back, also over changes of the route that it has not looked at yet: a weight must not
/// count in the moment before it is refused again. A route that no Gateway has said anything about counts as served: not everything
/// that serves routes tells.
pub fn refusal(route: &Value) -> Option<String> {
    let list = |pointer: &str| {
        route
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let answers = list("/status/parents");
    if answers.len() < list("/spec/parentRefs").len() {
        return None;
    }
    let refusals: Option<Vec<String>> = answers.iter().map(refused_by).collect();
    refusals?.into_iter().next()
}

fn refused_by(parent: &Value) -> Option<String> {
    let conditions = parent["conditions"].as_array()?;
    let refused = conditions.iter().find(|condition| {
        let vital = condition["type"] == "Accepted" || condition["type"] == "ResolvedRefs";
        vital && condition["status"] == "False"
    })?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (reason, message) = (word(&refused["reason"]), word(&refused["message"]));
    let (type_, gateway) = (word(&refused["type"]), word(&parent["parentRef"]["name"]));
    Some(format!(
        "Gateway \"{gateway}\" says {type_}=False, {reason}: {message}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Backends = Backends {
        canary: "web-canary",
        stable: "web-stable",
    };

    fn route() -> Value {
        json!({"spec": {"hostnames": ["x"], "rules": [
            {"matches": [{"path": {"value": "/"}}], "backendRefs": [
                {"name": "web-stable", "port": 80, "weight": 100},
                {"name": "web-canary", "port": 80, "weight": 0, "filters": [{"type": "X"}]}]},
            {"backendRefs": [{"name": "other", "port": 80}]}]}})
    }

    #[test]
    fn only_rules_with_both_services_get_weights_and_keep_every_other_field() {
        let patch = patch(
            &route(),
            BOTH,
            Weights {
                canary: 5,
                stable: 95,
            },
        )
        .unwrap();
        let mut want = route();
        want["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(95);
        want["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(5);
        assert_eq!(patch, json!({"spec": {"rules": want["spec"]["rules"]}}));
    }

    #[test]
    fn right_weights_need_no_write() {
        assert_eq!(
            patch(
                &route(),
                BOTH,
                Weights {
                    canary: 0,
                    stable: 100
                }
            ),
            None
        );
    }

    #[test]
    fn an_absent_weight_is_one() {
        let route =
            json!({"spec": {"rules": [{"backendRefs": [{"name": "web-stable"}, {"name": "web-canary"}]}]}});
        assert_eq!(weights(&route, BOTH), vec![Weights { canary: 1, stable: 1 }]);
    }

    #[test]
    fn a_reference_to_another_kind_is_not_the_service() {
        let backend = json!({"name": "web-stable", "kind": "ServiceImport", "group": "x"});
        assert!(!is_service(&backend, "web-stable"));
    }

    #[test]
    fn argos_plugin_key_and_our_own_name_the_same_routes() {
        let plugin = json!({"plugins": {GATEWAY_API_PLUGIN: {"httpRoute": "a", "httpRoutes": [{"name": "b"}, {"name": "a"}]}}});
        let own = json!({"gatewayAPI": {"httpRoute": "a", "httpRoutes": [{"name": "b"}], "namespace": "ns"}});
        for raw in [plugin, own] {
            let routing: TrafficRouting = serde_json::from_value(raw).unwrap();
            let config = config(&routing).unwrap().unwrap();
            assert_eq!(
                routes(&config, "ns"),
                vec![Key::new("ns", "a"), Key::new("ns", "b")]
            );
        }
    }

    fn parent(type_: &str, status: &str) -> Value {
        json!({"parentRef": {"name": "edge"}, "conditions": [
            {"type": "Programmed", "status": "False"},
            {"type": type_, "status": status, "reason": "NotAllowedByListeners", "message": "no listener takes it"}]})
    }

    fn check_refusal(parents: Value, want: Option<&str>) {
        let route = json!({"spec": {"parentRefs": [{"name": "edge"}]}, "status": {"parents": parents}});
        assert_eq!(refusal(&route).as_deref(), want, "{parents}");
    }

    #[test]
    fn a_route_is_refused_when_every_gateway_says_no() {
        let why = |type_: &str| {
            format!("Gateway \"edge\" says {type_}=False, NotAllowedByListeners: no listener takes it")
        };
        for type_ in ["Accepted", "ResolvedRefs"] {
            let no = parent(type_, "False");
            check_refusal(json!([no]), Some(&why(type_)));
            check_refusal(json!([no, no]), Some(&why(type_)));
            check_refusal(json!([no, parent(type_, "True")]), None);
            check_refusal(json!([parent(type_, "Unknown")]), None);
        }
    }

    #[test]
    fn a_route_that_a_gateway_has_not_answered_for_counts_as_served() {
        check_refusal(json!([]), None);
        check_refusal(json!(null), None);
        check_refusal(json!([{"parentRef": {"name": "edge"}}]), None);
        let mut two = json!({"spec": {"parentRefs": [{"name": "edge"}, {"name": "mesh"}]}});
        two["status"]["parents"] = json!([parent("Accepted", "False")]);
        assert_eq!(refusal(&two), None);
    }
}
