//! The canary's share in a router's object, as people read it there, and the same object with other weights, as people write it.

use crate::base::object::Kind;
use crate::simulate::people::id;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The kinds of objects that carry weights.
pub const KINDS: [Kind; 3] = [Kind::HttpRoute, Kind::Ingress, Kind::VirtualService];

/// The kind of a resource, if it carries weights.
pub fn kind(resource: &str) -> Option<Kind> {
    let plural = resource.split('.').next().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| kind.plural() == plural)?;
    (id(kind) == resource).then_some(kind)
}

/// By which name the canary is found among the destinations: its Service, or its subset.
fn canary(rollout: &Value) -> &str {
    let canary = &rollout["spec"]["strategy"]["canary"];
    let subset = &canary["trafficRouting"]["istio"]["destinationRule"]["canarySubsetName"];
    let pair = &canary["pingPong"];
    let service = match &rollout["status"]["canary"]["stablePingPong"] {
        stable if pair.is_object() && stable == "ping" => &pair["pongService"],
        _ if pair.is_object() => &pair["pingService"],
        _ => &canary["canaryService"],
    };
    subset.as_str().or(service.as_str()).unwrap_or_default()
}

/// What an object gives to a Rollout's canary, in percent; none when it does not name it.
pub fn canary_share(kind: Kind, object: &Value, rollout: &Value) -> Option<i64> {
    let name = canary(rollout);
    let splits: Vec<Split> = match kind {
        _ if name.is_empty() => return None,
        Kind::HttpRoute => rules(object),
        Kind::VirtualService => routes(object),
        _ => canary_ingress(object)
            .into_iter()
            .chain(actions(object))
            .collect(),
    };
    let share = |split: &Split| {
        let sum = |all: &mut dyn Iterator<Item = &(String, i64)>| all.map(|(_, weight)| weight).sum::<i64>();
        let mut ours = split.iter().filter(|(one, _)| one == name).peekable();
        ours.peek()?;
        let (ours, all) = (sum(&mut ours), sum(&mut split.iter()));
        (all > 0).then(|| ours * 100 / all)
    };
    splits.iter().filter_map(share).max()
}

/// Destinations with their weights.
type Split = Vec<(String, i64)>;

fn rules(route: &Value) -> Vec<Split> {
    let backends = |rule: &Value| {
        let backends = list(&rule["backendRefs"]).iter();
        let weight = |one: &Value| one["weight"].as_i64().unwrap_or(1);
        backends.map(|one| (text(&one["name"]), weight(one))).collect()
    };
    list(&route["spec"]["rules"]).iter().map(backends).collect()
}

/// Routes for headers lead to one destination, and are no split.
fn routes(service: &Value) -> Vec<Split> {
    let lists = ["http", "tls", "tcp"].into_iter();
    let routes = lists.flat_map(|protocol| list(&service["spec"][protocol]));
    let split = |route: &Value| {
        let parts = list(&route["route"]);
        let weight = |one: &Value| one["weight"].as_i64().unwrap_or(0);
        let split = parts.iter().map(|one| (destination(one), weight(one)));
        (parts.len() > 1).then(|| split.collect())
    };
    routes.filter_map(split).collect()
}

/// The name of a destination: its subset, or its host's first word.
fn destination(one: &Value) -> String {
    let to = &one["destination"];
    match to["subset"].as_str() {
        Some(subset) => subset.to_owned(),
        None => text(&to["host"]).split('.').next().unwrap_or_default().to_owned(),
    }
}

fn annotations(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
}

/// What a canary Ingress takes for its Services; whatever it leaves has no name there.
fn canary_ingress(ingress: &Value) -> Option<Split> {
    let prefix = annotations(ingress).find_map(|(name, value)| {
        let prefix = name.strip_suffix("/canary")?;
        (value == "true").then_some(prefix)
    })?;
    let number = |name: &str| -> Option<i64> {
        let all = &ingress["metadata"]["annotations"];
        all[format!("{prefix}/{name}")].as_str()?.parse().ok()
    };
    let weight = number("canary-weight").unwrap_or(0);
    let total = number("canary-weight-total").unwrap_or(100);
    let rules = list(&ingress["spec"]["rules"]).iter();
    let mut paths = rules.flat_map(|rule| list(&rule["http"]["paths"]));
    let service = text(&paths.next()?["backend"]["service"]["name"]);
    Some(vec![(service, weight), (String::new(), total - weight)])
}

/// The actions of an Ingress for AWS that split; those for headers lead to one Service.
fn actions(ingress: &Value) -> Vec<Split> {
    let forward = |(name, value): (&String, &Value)| {
        name.contains("/actions.").then_some(())?;
        let action: Value = serde_json::from_str(value.as_str()?).ok()?;
        let groups = list(&action["ForwardConfig"]["TargetGroups"]);
        let group = |one: &Value| (text(&one["ServiceName"]), one["Weight"].as_i64().unwrap_or(1));
        (groups.len() > 1).then(|| groups.iter().map(group).collect())
    };
    annotations(ingress).filter_map(forward).collect()
}

/// The merge patch that gives destinations these weights; none when the object names none of them.
pub fn reweighted(kind: Kind, object: &Value, weights: &BTreeMap<String, i64>) -> Option<Value> {
    let patch = match kind {
        Kind::HttpRoute => {
            let mut rules = object["spec"]["rules"].clone();
            let parts = each_of(&mut rules, "backendRefs");
            set(parts, |one| text(&one["name"]), weights)?;
            json!({"spec": {"rules": rules}})
        }
        Kind::VirtualService => {
            let mut spec = Map::new();
            for protocol in ["http", "tls", "tcp"] {
                let mut routes = object["spec"][protocol].clone();
                if set(each_of(&mut routes, "route"), destination, weights).is_some() {
                    spec.insert(protocol.into(), routes);
                }
            }
            (!spec.is_empty()).then(|| json!({"spec": spec}))?
        }
        _ => annotated(object, weights)?,
    };
    Some(patch)
}

fn each_of<'v>(rules: &'v mut Value, field: &str) -> Vec<&'v mut Value> {
    let rules = rules.as_array_mut().into_iter().flatten();
    let parts = rules.filter_map(|rule| rule.get_mut(field)?.as_array_mut());
    parts.flatten().collect()
}

fn set(
    parts: Vec<&mut Value>,
    name: impl Fn(&Value) -> String,
    weights: &BTreeMap<String, i64>,
) -> Option<()> {
    let mut found = None;
    for part in parts {
        if let Some(weight) = weights.get(&name(part)) {
            part["weight"] = json!(weight);
            found = Some(());
        }
    }
    found
}

/// Other weights in annotations: of a canary Ingress, or in the actions of a load balancer.
fn annotated(ingress: &Value, weights: &BTreeMap<String, i64>) -> Option<Value> {
    let mut changed = Map::new();
    let of_canary = canary_ingress(ingress).and_then(|split| weights.get(&split.first()?.0));
    for (name, value) in annotations(ingress) {
        if let Some(weight) = of_canary.filter(|_| name.ends_with("/canary-weight")) {
            changed.insert(name.clone(), json!(weight.to_string()));
        }
        let action = value.as_str().filter(|_| name.contains("/actions."));
        let Some(mut action) = action.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            continue;
        };
        let groups = action.pointer_mut("/ForwardConfig/TargetGroups");
        for group in groups.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(weight) = weights.get(&text(&group["ServiceName"])) {
                group["Weight"] = json!(weight);
                changed.insert(name.clone(), Value::Null);
            }
        }
        if changed.contains_key(name) && !name.ends_with("/canary-weight") {
            changed.insert(name.clone(), json!(action.to_string()));
        }
    }
    (!changed.is_empty()).then(|| json!({"metadata": {"annotations": changed}}))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::merge_apply;

    fn rollout(canary: Value) -> Value {
        json!({"spec": {"strategy": {"canary": canary}}})
    }

    /// The share, and the share after somebody set the canary's weight to 7.
    fn check(kind: Kind, object: Value, canary: Value, expect: (i64, i64)) {
        let rollout = rollout(canary);
        assert_eq!(canary_share(kind, &object, &rollout), Some(expect.0));
        let weights = [("canary".to_owned(), 7)].into();
        let mut after = object.clone();
        merge_apply(&mut after, &reweighted(kind, &object, &weights).unwrap());
        assert_eq!(canary_share(kind, &after, &rollout), Some(expect.1));
        assert_eq!(reweighted(kind, &object, &[("other".to_owned(), 1)].into()), None);
    }

    #[test]
    fn shares_are_read_and_weights_are_set_by_hand_in_every_router() {
        let plain = json!({"canaryService": "canary"});
        let backends = json!([{"name": "stable", "weight": 60}, {"name": "canary", "weight": 40}]);
        check(
            Kind::HttpRoute,
            json!({"spec": {"rules": [{"backendRefs": backends}]}}),
            plain.clone(),
            (40, 10),
        );
        let by_host = json!([{"destination": {"host": "stable"}, "weight": 60},
            {"destination": {"host": "canary.n.svc.cluster.local"}, "weight": 40}]);
        let beta = json!({"match": [{"headers": {}}], "route": [{"destination": {"host": "canary"}, "weight": 100}]});
        let service = json!({"spec": {"http": [beta, {"route": by_host}]}});
        check(Kind::VirtualService, service, plain.clone(), (40, 10));
        let by_subset = json!([{"destination": {"host": "shop", "subset": "stable"}, "weight": 60},
            {"destination": {"host": "shop", "subset": "canary"}, "weight": 40}]);
        let subset =
            json!({"trafficRouting": {"istio": {"destinationRule": {"canarySubsetName": "canary"}}}});
        check(
            Kind::VirtualService,
            json!({"spec": {"tcp": [{"route": by_subset}]}}),
            subset,
            (40, 10),
        );
        let paths = json!([{"backend": {"service": {"name": "canary"}}}]);
        let annotations = json!({"n/canary": "true", "n/canary-weight": "20", "n/canary-weight-total": "50"});
        let ingress = json!({"metadata": {"annotations": annotations}, "spec": {"rules": [{"http": {"paths": paths}}]}});
        check(Kind::Ingress, ingress, plain, (40, 14));
        let groups =
            json!([{"ServiceName": "canary", "Weight": 40}, {"ServiceName": "stable", "Weight": 60}]);
        let action = json!({"ForwardConfig": {"TargetGroups": groups}}).to_string();
        let ingress = json!({"metadata": {"annotations": {"alb/actions.root": action}}});
        check(
            Kind::Ingress,
            ingress,
            json!({"pingPong": {"pingService": "canary", "pongService": "stable"}}),
            (40, 10),
        );
    }
}
