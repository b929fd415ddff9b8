//! The Gateway API as a router: its configuration under Argo's plugin name and under the native field.

use crate::api::check::problem::Problem;
use crate::api::rollout::Rollout;
use crate::api::strategy::CanaryStrategy;
use crate::api::traffic::TrafficRouting;
use crate::base::names;
use serde_json::{Map, Value};

const AT: &str = "spec.strategy.canary.trafficRouting";

/// What keeps the Gateway API router from doing all that its configuration asks for.
pub(super) fn problems(rollout: &Rollout) -> Vec<Problem> {
    let Some(canary) = &rollout.spec.strategy.canary else {
        return Vec::new();
    };
    let Some(routing) = &canary.traffic_routing else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (field, config) in configurations(routing) {
        match config.as_object() {
            Some(config) => found.extend(configuration(&field, config)),
            None => found.push(Problem::new(
                field,
                "must be an object with httpRoute or httpRoutes",
            )),
        }
        found.extend(services(canary));
    }
    if routing.gateway_api.is_some() && routing.plugins.contains_key(names::GATEWAY_API_PLUGIN) {
        let message = format!(
            "configures the Gateway API twice: keep this or plugins[{}]",
            names::GATEWAY_API_PLUGIN
        );
        found.push(Problem::new(format!("{AT}.gatewayAPI"), message));
    }
    found.dedup();
    found
}

fn configurations(routing: &TrafficRouting) -> Vec<(String, Value)> {
    let plugin = routing.plugins.get(names::GATEWAY_API_PLUGIN).cloned();
    let native = routing
        .gateway_api
        .as_ref()
        .map(|native| serde_json::to_value(native).unwrap_or_default());
    let plugin = plugin.map(|config| (format!("{AT}.plugins[{}]", names::GATEWAY_API_PLUGIN), config));
    plugin
        .into_iter()
        .chain(native.map(|config| (format!("{AT}.gatewayAPI"), config)))
        .collect()
}

fn configuration(field: &str, config: &Map<String, Value>) -> Vec<Problem> {
    let mut found = Vec::new();
    let text = |name: &str, value: &Value| {
        let wrong = value.as_str().is_none_or(str::is_empty);
        wrong.then(|| Problem::new(format!("{field}.{name}"), "must be a name"))
    };
    for (name, value) in config {
        match name.as_str() {
            "httpRoute" | "namespace" => found.extend(text(name, value)),
            "httpRoutes" => found.extend(routes(&format!("{field}.httpRoutes"), value)),
            _ => found.push(unknown(&format!("{field}.{name}"))),
        }
    }
    if !config.contains_key("httpRoute") && !config.contains_key("httpRoutes") {
        let message = "names no route: write httpRoute: NAME, or a list of them in httpRoutes";
        found.push(Problem::new(field, message));
    }
    found
}

fn routes(field: &str, value: &Value) -> Vec<Problem> {
    let Some(routes) = value.as_array().filter(|routes| !routes.is_empty()) else {
        return vec![Problem::new(field, "must list at least one route by its name")];
    };
    let mut found = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let at = format!("{field}[{index}]");
        if route["name"].as_str().unwrap_or_default().is_empty() {
            found.push(Problem::new(format!("{at}.name"), "must name an HTTPRoute"));
        }
        let members = route.as_object().into_iter().flat_map(|members| members.keys());
        found.extend(
            members
                .filter(|name| *name != "name")
                .map(|name| unknown(&format!("{at}.{name}"))),
        );
    }
    found
}

fn unknown(field: &str) -> Problem {
    let message = "this version of Serin does not carry out this setting of the Gateway API plugin yet: remove it (carried out \
                   are httpRoute, httpRoutes[].name and namespace)";
    Problem::new(field, message)
}

/// Weights are given to backends that are these Services.
fn services(canary: &CanaryStrategy) -> Vec<Problem> {
    let services = [
        ("stableService", &canary.stable_service),
        ("canaryService", &canary.canary_service),
    ];
    let missing = services.into_iter().filter(|(_, name)| name.is_empty());
    let message = "must name the Service whose weight the Gateway API routes carry";
    missing
        .map(|(name, _)| Problem::new(format!("spec.strategy.canary.{name}"), message))
        .collect()
}
