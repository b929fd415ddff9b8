//! The containers of a pod template.

use crate::api::check::pod::{label, list, one_of, text};
use crate::api::check::problem::Problem;
use crate::api::check::words;
use crate::api::hash::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

type Names<'a> = BTreeSet<&'a str>;

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn regular(field: &str, spec: &Value, volumes: &Names) -> Vec<Problem> {
    let containers = list(spec, "containers");
    if containers.is_empty() {
        return vec![Problem::required(field, "")];
    }
    let mut found = Vec::new();
    let mut names = Names::new();
    let mut ports = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let at = format!("{field}[{index}]");
        found.extend(common(&at, container, volumes));
        found.extend(unique(&at, text(container, "name"), &mut names));
        found.extend(PROBES.iter().flat_map(|name| probe(&at, name, container)));
    }
    for (index, container) in containers.iter().enumerate() {
        found.extend(host_ports(&format!("{field}[{index}]"), container, &mut ports));
    }
    found
}

pub(super) fn init(field: &str, spec: &Value, volumes: &Names) -> Vec<Problem> {
    let mut names: Names = list(spec, "containers")
        .iter()
        .map(|one| text(one, "name"))
        .collect();
    let mut found = Vec::new();
    for (index, container) in list(spec, "initContainers").iter().enumerate() {
        let at = format!("{field}[{index}]");
        found.extend(common(&at, container, volumes));
        let name = text(container, "name");
        if !name.is_empty() || names.contains(name) {
            found.extend(unique(&at, name, &mut names));
        }
        // Each runs alone, and the peer always names the first.
        let clashes = host_ports(&format!("{field}[0]"), container, &mut BTreeSet::new());
        found.extend(clashes.into_iter().map(|clash| {
            let own = clash.field.replacen(&format!("{field}[0]"), &at, 1);
            clash.at(own)
        }));
        if text(container, "restartPolicy") == "Always" {
            found.extend(PROBES.iter().flat_map(|name| probe(&at, name, container)));
            continue;
        }
        let banned = ["lifecycle"]
            .iter()
            .chain(&PROBES)
            .filter(|name| !container[**name].is_null());
        let detail = "may not be set for init containers without restartPolicy=Always";
        found.extend(banned.map(|name| Problem::forbidden(format!("{at}.{name}"), detail)));
    }
    found
}

fn unique<'a>(at: &str, name: &'a str, names: &mut Names<'a>) -> Option<Problem> {
    (!names.insert(name)).then(|| Problem::duplicate(format!("{at}.name"), name))
}

fn common(at: &str, container: &Value, volumes: &Names) -> Vec<Problem> {
    let mut found = label(&format!("{at}.name"), text(container, "name"));
    if text(container, "image").is_empty() {
        found.push(Problem::required(format!("{at}.image"), ""));
    }
    let policy = &container["terminationMessagePolicy"];
    found.extend(one_of(
        &format!("{at}.terminationMessagePolicy"),
        policy,
        &MESSAGE_POLICIES,
    ));
    found.extend(ports(at, container));
    found.extend(env(at, container));
    found.extend(mounts(at, container, volumes));
    found.extend(one_of(
        &format!("{at}.imagePullPolicy"),
        &container["imagePullPolicy"],
        &PULL_POLICIES,
    ));
    found.extend(resources(&format!("{at}.resources"), &container["resources"]));
    found
}

fn ports(at: &str, container: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut names = Names::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let at = format!("{at}.ports[{index}]");
        let name = text(port, "name");
        if !name.is_empty() {
            let complaints = words::port_name(name);
            found.extend(
                complaints
                    .iter()
                    .map(|one| Problem::invalid(format!("{at}.name"), name, one)),
            );
            found.extend(
                complaints
                    .is_empty()
                    .then(|| unique(&at, name, &mut names))
                    .flatten(),
            );
        }
        match port["containerPort"].as_i64().unwrap_or_default() {
            0 => found.push(Problem::required(format!("{at}.containerPort"), "")),
            number => found.extend(port_number(&format!("{at}.containerPort"), number)),
        }
        let host = port["hostPort"].as_i64().filter(|number| *number != 0);
        found.extend(host.and_then(|number| port_number(&format!("{at}.hostPort"), number)));
        found.extend(one_of(&format!("{at}.protocol"), &port["protocol"], &PROTOCOLS));
    }
    found
}

fn port_number(field: &str, number: i64) -> Option<Problem> {
    words::port_number(number).map(|complaint| Problem::invalid(field, number, complaint))
}

fn host_ports(at: &str, container: &Value, taken: &mut BTreeSet<String>) -> Vec<Problem> {
    let mut found = Vec::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let Some(number) = port["hostPort"].as_i64().filter(|number| *number != 0) else {
            continue;
        };
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let place = format!("{protocol}/{}/{number}", text(port, "hostIP"));
        if !taken.insert(place.clone()) {
            found.push(Problem::duplicate(
                format!("{at}.ports[{index}].hostPort"),
                &place,
            ));
        }
    }
    found
}

fn env(at: &str, container: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    for (index, variable) in list(container, "env").iter().enumerate() {
        let at = format!("{at}.env[{index}]");
        let name = text(variable, "name");
        if name.is_empty() {
            found.push(Problem::required(format!("{at}.name"), ""));
        } else {
            let complaints = words::env_name(name);
            found.extend(
                complaints
                    .iter()
                    .map(|one| Problem::invalid(format!("{at}.name"), name, one)),
            );
        }
        let Some(sources) = variable["valueFrom"].as_object() else {
            continue;
        };
        let detail = match sources.len() {
            0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
            _ if !text(variable, "value").is_empty() => "may not be specified when `value` is not empty",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        found.push(Problem::invalid(format!("{at}.valueFrom"), "", detail));
    }
    found
}

fn mounts(at: &str, container: &Value, volumes: &Names) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut paths = Names::new();
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        let (name, path) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            found.push(Problem::required(format!("{at}.name"), ""));
        }
        if !volumes.contains(name) {
            found.push(Problem::not_found(format!("{at}.name"), name));
        }
        if path.is_empty() {
            found.push(Problem::required(format!("{at}.mountPath"), ""));
        }
        if !paths.insert(path) {
            found.push(Problem::invalid(
                format!("{at}.mountPath"),
                path,
                "must be unique",
            ));
        }
    }
    found
}

fn resources(field: &str, resources: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let amount = |kind: &str, name: &str| resources[kind][name].as_str().and_then(Quantity::parse);
    for kind in ["limits", "requests"] {
        for name in resources[kind]
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys())
        {
            let Some(quantity) = amount(kind, name) else {
                continue;
            };
            if quantity.is_negative() {
                let detail = "must be greater than or equal to 0";
                found.push(Problem::invalid(
                    format!("{field}.{kind}[{name}]"),
                    &quantity.to_string(),
                    detail,
                ));
            }
            let limit = (kind == "requests").then(|| amount("limits", name)).flatten();
            if let Some(limit) = limit.filter(|limit| quantity > *limit) {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                found.push(Problem::invalid(
                    format!("{field}.requests"),
                    &quantity.to_string(),
                    &detail,
                ));
            }
        }
    }
    found
}

fn probe(at: &str, name: &str, container: &Value) -> Vec<Problem> {
    let probe = &container[name];
    if probe.is_null() {
        return Vec::new();
    }
    let at = format!("{at}.{name}");
    let mut found = Vec::new();
    let given: Vec<&str> = HANDLERS
        .into_iter()
        .filter(|handler| !probe[*handler].is_null())
        .collect();
    if given.is_empty() {
        found.push(Problem::required(at.clone(), "must specify a handler type"));
    }
    // Only the first handler is looked into.
    for (index, handler) in given.iter().enumerate() {
        if index > 0 {
            let detail = "may not specify more than 1 handler type";
            found.push(Problem::forbidden(format!("{at}.{handler}"), detail));
        } else {
            found.extend(handler_port(
                &format!("{at}.{handler}.port"),
                &probe[*handler]["port"],
            ));
        }
    }
    for member in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        let negative = probe[member].as_i64().filter(|number| *number < 0);
        let detail = "must be greater than or equal to 0";
        found.extend(negative.map(|number| Problem::invalid(format!("{at}.{member}"), number, detail)));
    }
    let threshold = probe["successThreshold"]
        .as_i64()
        .filter(|number| *number != 1 && name != "readinessProbe");
    found.extend(
        threshold.map(|number| Problem::invalid(format!("{at}.successThreshold"), number, "must be 1")),
    );
    found
}

fn handler_port(field: &str, port: &Value) -> Vec<Problem> {
    match port {
        Value::Number(number) => port_number(field, number.as_i64().unwrap_or_default())
            .into_iter()
            .collect(),
        Value::String(name) => {
            let complaints = words::port_name(name);
            complaints
                .iter()
                .map(|complaint| Problem::invalid(field, name, complaint))
                .collect()
        }
        _ => Vec::new(),
    }
}
