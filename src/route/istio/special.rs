//! Routes of the controller's own in a VirtualService: requests with a header go to the canary, or copies of some requests do.

use super::{VirtualServices, destinations};
use crate::api::steps::{RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch};
use crate::route::Special;
use serde_json::{Map, Value, json};

/// The share of the requests that is copied unless the step says.
const MIRROR_PERCENT_DEFAULT: i32 = 100;

/// The HTTP route for one step. `model` is the first route that carries the weights, with those that it shall have.
pub fn route(router: &VirtualServices, special: &Special, model: &Value) -> Value {
    match special {
        Special::Header(step) => header(router, step, model),
        Special::Mirror(step) => mirror(router, step, model),
    }
}

/// Where the canary is: its subset when there are some, its Service when not; on the port of the model.
fn canary(router: &VirtualServices, model: &Value) -> Value {
    let mut target = Map::new();
    let rule = router.config.destination_rule.as_ref();
    let by_subset = rule.and_then(|rule| {
        let of_subset = |one: &&Value| one["destination"]["subset"] == rule.canary_subset_name.as_str();
        let host = destinations(model).find(of_subset)?["destination"]["host"].clone();
        Some((host, &rule.canary_subset_name))
    });
    match by_subset {
        Some((host, subset)) => {
            target.insert("host".into(), host);
            target.insert("subset".into(), json!(subset));
        }
        None => drop(target.insert("host".into(), json!(router.of.backends.canary))),
    }
    let first = destinations(model).next();
    if let Some(port) = first.and_then(|one| one.pointer("/destination/port/number")) {
        target.insert("port".into(), json!({"number": port}));
    }
    Value::Object(target)
}

fn header(router: &VirtualServices, step: &SetHeaderRoute, model: &Value) -> Value {
    let matches = step.match_.iter().map(|one| {
        let value = one.header_value.as_ref().map(pattern).unwrap_or_default();
        json!({"headers": {&one.header_name: value}})
    });
    json!({"name": step.name, "match": matches.collect::<Vec<_>>(),
        "route": [{"destination": canary(router, model), "weight": 100}]})
}

fn mirror(router: &VirtualServices, step: &SetMirrorRoute, model: &Value) -> Value {
    let percent = step.percentage.unwrap_or(MIRROR_PERCENT_DEFAULT);
    let matches: Vec<Value> = step.match_.iter().map(request).collect();
    json!({"name": step.name, "match": matches, "route": model["route"], "mirror": canary(router, model),
        "mirrorPercentage": {"value": percent}})
}

fn request(of: &RouteMatch) -> Value {
    let mut all = Map::new();
    if let Some(method) = &of.method {
        all.insert("method".into(), pattern(method));
    }
    if let Some(path) = &of.path {
        all.insert("uri".into(), pattern(path));
    }
    if !of.headers.is_empty() {
        let headers = of
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), pattern(value)));
        all.insert("headers".into(), Value::Object(headers.collect()));
    }
    Value::Object(all)
}

fn pattern(of: &StringMatch) -> Value {
    let ways = [("exact", &of.exact), ("prefix", &of.prefix), ("regex", &of.regex)];
    let given = ways
        .into_iter()
        .filter_map(|(way, text)| Some((way, text.as_ref()?)));
    let given = given.filter(|(_, text)| !text.is_empty());
    given
        .map(|(way, text)| (way.to_owned(), json!(text)))
        .collect::<Map<_, _>>()
        .into()
}
