//! What the routers that work on Ingresses have in common: which are named, and which paths lead to a Service.

use crate::route::Backends;
use serde_json::{Map, Value, json};

/// The named Ingresses, in order, each once.
pub fn names(one: Option<&str>, several: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in one.into_iter().chain(several.iter().map(String::as_str)) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

pub fn rules(ingress: &Value) -> impl Iterator<Item = &Value> {
    let rules = ingress.pointer("/spec/rules").and_then(Value::as_array);
    rules.into_iter().flatten()
}

pub fn paths(rule: &Value) -> impl Iterator<Item = &Value> {
    let paths = rule.pointer("/http/paths").and_then(Value::as_array);
    paths.into_iter().flatten()
}

fn is_to(path: &Value, service: &str) -> bool {
    let name = path.pointer("/backend/service/name").and_then(Value::as_str);
    name == Some(service)
}

/// Whether a path of the Ingress leads to this Service.
pub fn leads_to(ingress: &Value, service: &str) -> bool {
    rules(ingress).any(|rule| paths(rule).any(|path| is_to(path, service)))
}

/// The `spec` of a canary Ingress: the rules that lead to stable, with its paths leading to the canary. Other paths of such a rule stay
/// as they are.
pub fn canary_of(stable: &Value, backends: Backends) -> Value {
    let mut spec = Map::new();
    for name in ["ingressClassName", "tls"] {
        if let Some(value) = stable["spec"].get(name) {
            spec.insert(name.into(), value.clone());
        }
    }
    let to_stable = rules(stable).filter(|rule| paths(rule).any(|path| is_to(path, backends.stable)));
    let to_canary = |rule: &Value| {
        let mut rule = rule.clone();
        let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
        for path in paths
            .into_iter()
            .flatten()
            .filter(|path| is_to(path, backends.stable))
        {
            path["backend"]["service"]["name"] = json!(backends.canary);
        }
        rule
    };
    spec.insert("rules".into(), to_stable.map(to_canary).collect());
    Value::Object(spec)
}
