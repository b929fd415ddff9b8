//! Which routes of a VirtualService the weights are for, and what is wrong with them, in Argo Rollouts' words.

use super::{Side, VirtualServices};
use crate::api::traffic::{IstioTlsRoute, IstioVirtualService};
use serde_json::Value;
use std::collections::BTreeSet;

/// The three lists of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Tls,
    Tcp,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Http, Self::Tls, Self::Tcp];

    pub fn field(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
        }
    }
}

/// Indexes of the routes of one protocol that carry the weights. `Err` says why they cannot be told.
pub fn chosen(
    router: &VirtualServices,
    service: &Value,
    of: &IstioVirtualService,
    protocol: Protocol,
) -> Result<Vec<usize>, String> {
    let routes = service["spec"][protocol.field()].as_array();
    let routes = routes.map_or(&[][..], Vec::as_slice);
    match protocol {
        Protocol::Http => http(router, routes, of),
        Protocol::Tls => tls(router, routes, of),
        Protocol::Tcp => tcp(router, routes, of),
    }
}

fn http(router: &VirtualServices, routes: &[Value], of: &IstioVirtualService) -> Result<Vec<usize>, String> {
    let own: Vec<usize> = (0..routes.len())
        .filter(|index| !router.owns(&routes[*index]))
        .collect();
    if !of.routes.is_empty() {
        let named = |name: &String| {
            let mut found = own
                .iter()
                .filter(|index| routes[**index]["name"] == name.as_str());
            let missing = || format!("HTTP Route '{name}' is not found in the defined Virtual Service.");
            found.next().copied().ok_or_else(missing)
        };
        return of.routes.iter().map(named).collect();
    }
    match own.len() {
        0 | 1 => Ok(own),
        _ if only_elsewhere(of) => Ok(Vec::new()),
        _ => Err(
            "spec.http[] should be set in VirtualService and it must have exactly one route when omitting \
                  spec.strategy.canary.trafficRouting.istio.virtualService.routes"
                .into(),
        ),
    }
}

/// Whether routes are listed, but none of HTTP.
fn only_elsewhere(of: &IstioVirtualService) -> bool {
    !of.tls_routes.is_empty() || !of.tcp_routes.is_empty()
}

/// The first route, when none is listed and it is one of ours at all: others may have routes of other protocols beside.
fn first(router: &VirtualServices, routes: &[Value], of: &IstioVirtualService) -> Vec<usize> {
    let listed = !of.routes.is_empty() || only_elsewhere(of);
    let taken = routes.first().filter(|route| router.has_both(route) || !listed);
    taken.map(|_| 0).into_iter().collect()
}

fn tls(router: &VirtualServices, routes: &[Value], of: &IstioVirtualService) -> Result<Vec<usize>, String> {
    if of.tls_routes.is_empty() {
        return Ok(first(router, routes, of));
    }
    let all = of
        .tls_routes
        .iter()
        .flat_map(|wanted| matching(routes, |route| fits_tls(route, wanted)));
    some(
        all.collect(),
        "No matching TLS routes found in the defined Virtual Service.",
    )
}

fn tcp(router: &VirtualServices, routes: &[Value], of: &IstioVirtualService) -> Result<Vec<usize>, String> {
    if of.tcp_routes.is_empty() {
        return Ok(first(router, routes, of));
    }
    let ports = of.tcp_routes.iter().map(|wanted| wanted.port);
    let all = ports.flat_map(|port| matching(routes, |route| only_port(route) == port));
    some(
        all.collect(),
        "No matching TCP routes found in the defined Virtual Service.",
    )
}

fn some(found: BTreeSet<usize>, otherwise: &str) -> Result<Vec<usize>, String> {
    if found.is_empty() {
        return Err(otherwise.to_owned());
    }
    Ok(found.into_iter().collect())
}

fn matching(routes: &[Value], fits: impl Fn(&Value) -> bool) -> Vec<usize> {
    let found = routes.iter().enumerate().filter(|(_, route)| fits(route));
    found.map(|(index, _)| index).collect()
}

fn matches(route: &Value) -> impl Iterator<Item = &Value> {
    route["match"].as_array().into_iter().flatten()
}

/// The one port of a route's matches.
fn only_port(route: &Value) -> Option<i64> {
    let ports: BTreeSet<i64> = matches(route).filter_map(|one| one["port"].as_i64()).collect();
    ports.first().copied().filter(|_| ports.len() == 1)
}

fn fits_tls(route: &Value, wanted: &IstioTlsRoute) -> bool {
    let hosts: BTreeSet<&str> = matches(route)
        .flat_map(|one| one["sniHosts"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let wanted_hosts: BTreeSet<&str> = wanted.sni_hosts.iter().map(String::as_str).collect();
    let port = wanted.port.filter(|port| *port != 0);
    (port.is_none() || only_port(route) == port) && (wanted_hosts.is_empty() || hosts == wanted_hosts)
}

/// Why the VirtualService cannot carry the weights.
pub fn problem(router: &VirtualServices, service: &Value, of: &IstioVirtualService) -> Option<String> {
    let mut any = false;
    for protocol in Protocol::ALL {
        let chosen = match chosen(router, service, of, protocol) {
            Ok(chosen) => chosen,
            Err(why) => return Some(why),
        };
        any |= !chosen.is_empty();
        let routes = &service["spec"][protocol.field()];
        let why = chosen.iter().find_map(|index| lacks(router, &routes[*index]));
        if let Some(why) = why {
            return Some(format!(
                "Istio VirtualService has invalid {} routes. Error: {why}",
                protocol.name()
            ));
        }
    }
    let none = "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService";
    (!any).then(|| none.to_owned())
}

/// Which of the two a route does not lead to.
fn lacks(router: &VirtualServices, route: &Value) -> Option<String> {
    let missing = [Side::Canary, Side::Stable]
        .into_iter()
        .find(|side| !router.has(route, *side))?;
    let (word, service, rule) = (
        if missing == Side::Canary {
            "Canary"
        } else {
            "Stable"
        },
        if missing == Side::Canary {
            router.of.backends.canary
        } else {
            router.of.backends.stable
        },
        router.config.destination_rule.as_ref(),
    );
    Some(match rule {
        None => format!("{word} Service '{service}' not found in route"),
        Some(rule) => {
            let name = if missing == Side::Canary {
                &rule.canary_subset_name
            } else {
                &rule.stable_subset_name
            };
            format!("{word} DestinationRule subset '{name}' not found in route")
        }
    })
}
