//! Pages that are not objects: what is served, in which version, and whether the server is well. Enough for kube's
//! Discovery and for kubectl; OpenAPI documents are absent (kubectl wants `--validate=false`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::catalog::{Catalog, Resource};
use super::failure::Failure;

/// A page's body: JSON, or words.
#[derive(Debug)]
pub enum Page {
    Json(Value),
    Text(&'static str),
}

pub fn page(catalog: &Catalog, path: &[String]) -> Result<Page, Failure> {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => Ok(Page::Text("ok")),
        ["version"] => Ok(Page::Json(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "", "platform": "memory",
        }))),
        ["api"] => Ok(Page::Json(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:443"}],
        }))),
        ["apis"] => {
            let groups: Vec<Value> = groups(catalog).keys().map(|name| group(catalog, name)).collect();
            Ok(Page::Json(
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
            ))
        }
        ["apis", name] if groups(catalog).contains_key(name) => {
            let mut page = group(catalog, name);
            page["kind"] = "APIGroup".into();
            page["apiVersion"] = "v1".into();
            Ok(Page::Json(page))
        }
        ["api", version] if catalog.serves("", version) => Ok(Page::Json(resources(catalog, "", version))),
        ["apis", name, version] if catalog.serves(name, version) => {
            Ok(Page::Json(resources(catalog, name, version)))
        }
        _ => Err(Failure::no_page()),
    }
}

/// The named groups with their versions.
fn groups(catalog: &Catalog) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in catalog.all().filter(|resource| !resource.group.is_empty()) {
        let versions = found.entry(&resource.group).or_default();
        if !versions.contains(&resource.version.as_str()) {
            versions.push(&resource.version);
        }
    }
    found
}

fn group(catalog: &Catalog, name: &str) -> Value {
    let found = groups(catalog);
    let versions: Vec<Value> = found
        .get(name)
        .into_iter()
        .flatten()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
}

fn resources(catalog: &Catalog, group: &str, version: &str) -> Value {
    let served = catalog
        .all()
        .filter(|resource| resource.group == group && resource.version == version);
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version,
        "resources": served.flat_map(rows).collect::<Vec<_>>(),
    })
}

fn rows(resource: &Arc<Resource>) -> Vec<Value> {
    let name = &resource.plural;
    let mut whole = json!({
        "name": name, "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    for (field, list) in [
        ("shortNames", &resource.short),
        ("categories", &resource.categories),
    ] {
        if !list.is_empty() {
            whole[field] = json!(list);
        }
    }
    let part = |subresource: &str, kind: &str, verbs: Value| json!({"name": format!("{name}/{subresource}"), "singularName": "", "namespaced": resource.namespaced, "kind": kind, "verbs": verbs});
    let mut rows = vec![whole];
    let written = json!(["get", "patch", "update"]);
    if resource.scale.is_some() {
        let mut scale = part("scale", "Scale", written.clone());
        scale["group"] = "autoscaling".into();
        scale["version"] = "v1".into();
        rows.push(scale);
    }
    if resource.status {
        rows.push(part("status", &resource.kind, written));
    }
    if &*resource.id == "pods" {
        rows.push(part("binding", "Binding", json!(["create"])));
        let mut eviction = part("eviction", "Eviction", json!(["create"]));
        eviction["group"] = "policy".into();
        eviction["version"] = "v1".into();
        rows.push(eviction);
    }
    rows
}
