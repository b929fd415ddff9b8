//! The pod template, as far as mistakes in it are common: names, images, ports, volumes, probes, resources.
//!
//! An API server checks the rest when the ReplicaSet is created. The template is seen as the peer's decoder sees it, with the
//! defaults of an API server thought in.

use crate::api::check::problem::Problem;
use crate::api::check::{containers, selector, words};
use crate::api::hash::normalised;
use crate::api::rollout::LabelSelector;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const DNS_POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];

/// All problems of the template at `field`; `selector` is absent when the Rollout has none, and then nothing is selected.
pub(super) fn problems(field: &str, template: &Value, selector: Option<&LabelSelector>) -> Vec<Problem> {
    let template = normalised(template);
    let mut found = Vec::new();
    let labels = text_members(&template["metadata"]["labels"]);
    if !selector.is_some_and(|selector| selector::selects(selector, &labels)) {
        let value = super::go_json(&template["metadata"]["labels"]);
        let detail = "`selector` does not match template `labels`";
        found.push(Problem::invalid(
            format!("{field}.metadata.labels"),
            value,
            detail,
        ));
    }
    found.extend(metadata(field, &template, &labels));
    found.extend(spec(&format!("{field}.spec"), &template["spec"]));
    found
}

fn metadata(field: &str, template: &Value, labels: &BTreeMap<&str, &str>) -> Vec<Problem> {
    let pairs = labels.iter().map(|(name, value)| (*name, *value));
    let mut found = Vec::new();
    for problem in selector::labels(&format!("{field}.labels"), pairs) {
        found.push(problem.at(format!("{field}.metadata.labels")));
    }
    for name in text_members(&template["metadata"]["annotations"]).into_keys() {
        for complaint in words::qualified_name(&name.to_lowercase()) {
            let problem = Problem::invalid(format!("{field}.annotations"), name, &complaint);
            found.push(problem.at(format!("{field}.metadata.annotations")));
        }
    }
    found
}

fn spec(field: &str, spec: &Value) -> Vec<Problem> {
    let at = |member: &str| format!("{field}.{member}");
    let (volumes, mut found) = volumes(&at("volumes"), spec);
    found.extend(containers::regular(&at("containers"), spec, &volumes));
    found.extend(containers::init(&at("initContainers"), spec, &volumes));
    found.extend(one_of(
        &at("restartPolicy"),
        &spec["restartPolicy"],
        &RESTART_POLICIES,
    ));
    found.extend(one_of(&at("dnsPolicy"), &spec["dnsPolicy"], &DNS_POLICIES));
    found.extend(selector::labels(
        &at("nodeSelector"),
        text_members(&spec["nodeSelector"]).into_iter(),
    ));
    let named = |member: &str, judge: fn(&str) -> Vec<String>| {
        let name = text(spec, member).to_owned();
        let complaints = if name.is_empty() { Vec::new() } else { judge(&name) };
        let at = at(member);
        complaints
            .into_iter()
            .map(move |complaint| Problem::invalid(at.clone(), &name, &complaint))
    };
    found.extend(named("serviceAccountName", words::dns_subdomain));
    found.extend(named("nodeName", words::dns_subdomain));
    let deadline = spec["activeDeadlineSeconds"]
        .as_i64()
        .filter(|seconds| !(1..=i64::from(i32::MAX)).contains(seconds));
    let detail = "must be between 1 and 2147483647, inclusive";
    found.extend(deadline.map(|seconds| Problem::invalid(at("activeDeadlineSeconds"), seconds, detail)));
    found.extend(named("hostname", words::dns_label));
    found.extend(named("subdomain", words::dns_label));
    found.extend(named("priorityClassName", words::dns_subdomain));
    found.extend(named("runtimeClassName", words::dns_subdomain));
    found.extend(replica_set_rules(field, spec));
    found
}

/// What a ReplicaSet's template may not have although a pod may.
fn replica_set_rules(field: &str, spec: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    if !list(spec, "ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        found.push(Problem::forbidden(format!("{field}.ephemeralContainers"), detail));
    }
    found.extend(one_of(
        &format!("{field}.restartPolicy"),
        &spec["restartPolicy"],
        &RESTART_POLICIES[..1],
    ));
    if !spec["activeDeadlineSeconds"].is_null() {
        let detail = "activeDeadlineSeconds in ReplicaSet is not Supported";
        found.push(Problem::forbidden(
            format!("{field}.activeDeadlineSeconds"),
            detail,
        ));
    }
    found
}

/// The names of the volumes that are fit to be mounted, and the problems of the others.
fn volumes<'a>(field: &str, spec: &'a Value) -> (BTreeSet<&'a str>, Vec<Problem>) {
    let mut names = BTreeSet::new();
    let mut found = Vec::new();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let at = format!("{field}[{index}]");
        let sources = volume.as_object().into_iter().flat_map(|members| members.keys());
        let extra = sources.filter(|member| *member != "name").skip(1);
        let detail = "may not specify more than 1 volume type";
        let before = found.len();
        found.extend(extra.map(|source| Problem::forbidden(format!("{at}.{source}"), detail)));
        let name = text(volume, "name");
        found.extend(label(&format!("{at}.name"), name));
        if names.contains(name) {
            found.push(Problem::duplicate(format!("{at}.name"), name));
        }
        if found.len() == before {
            names.insert(name);
        }
    }
    (names, found)
}

/// Problems of a name that must be there and a DNS label.
pub(super) fn label(field: &str, name: &str) -> Vec<Problem> {
    if name.is_empty() {
        return vec![Problem::required(field, "")];
    }
    words::dns_label(name)
        .iter()
        .map(|complaint| Problem::invalid(field, name, complaint))
        .collect()
}

/// A problem when the value is given and none of `allowed`.
pub(super) fn one_of(field: &str, value: &Value, allowed: &[&str]) -> Option<Problem> {
    let value = value.as_str()?;
    (!allowed.contains(&value)).then(|| Problem::unsupported(field, value, allowed))
}

pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

fn text_members(value: &Value) -> BTreeMap<&str, &str> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect()
}
