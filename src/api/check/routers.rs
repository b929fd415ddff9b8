//! What the routers' configurations must say so that it is clear which objects they mean.

use crate::api::check::problem::Problem;
use crate::api::rollout::Rollout;
use crate::api::traffic::{Alb, Istio, Nginx, TrafficRouting};

const AT: &str = "spec.strategy.canary.trafficRouting";
/// A week: the longest that AWS keeps a client on a target group.
const STICKY_SECONDS_MAX: i64 = 604_800;

/// All problems of the routers' configurations, in the order in which Argo Rollouts visits the routers.
pub(super) fn problems(rollout: &Rollout) -> Vec<Problem> {
    let canary = rollout.spec.strategy.canary.as_ref();
    let Some(routing) = canary.and_then(|canary| canary.traffic_routing.as_ref()) else {
        return Vec::new();
    };
    let mut found = istio(routing);
    found.extend(routing.nginx.as_ref().and_then(nginx));
    found.extend(routing.alb.as_ref().map(alb).unwrap_or_default());
    found
}

fn istio(routing: &TrafficRouting) -> Vec<Problem> {
    let Some(config) = &routing.istio else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let Istio {
        virtual_service,
        virtual_services,
        destination_rule,
    } = config;
    if virtual_service.is_some() != virtual_services.is_empty() {
        let detail = "either VirtualService or VirtualServices must be configured";
        found.push(Problem::invalid(format!("{AT}.istio.virtualService"), "", detail));
    }
    let named = virtual_service.iter().chain(virtual_services);
    if named.clone().any(|service| service.name.is_empty()) {
        let message = "must name a VirtualService: NAME, or NAME.NAMESPACE";
        found.push(Problem::new(format!("{AT}.istio.virtualService.name"), message));
    }
    if let Some(rule) = destination_rule {
        let names = [&rule.name, &rule.canary_subset_name, &rule.stable_subset_name];
        if names.iter().any(|name| name.is_empty()) || rule.canary_subset_name == rule.stable_subset_name {
            let message =
                "must have name, canarySubsetName and stableSubsetName, and the subsets must differ";
            found.push(Problem::new(format!("{AT}.istio.destinationRule"), message));
        }
    }
    found
}

fn nginx(config: &Nginx) -> Option<Problem> {
    let one = config.stable_ingress.as_deref();
    either(
        one,
        &config.stable_ingresses,
        ("nginx.stableIngress", "StableIngress", "StableIngresses"),
    )
}

fn alb(config: &Alb) -> Vec<Problem> {
    let one = config.ingress.as_deref();
    let names = either(one, &config.ingresses, ("alb.ingress", "Ingress", "Ingresses"));
    let sticky = config.stickiness_config.as_ref();
    let wrong = sticky
        .filter(|sticky| sticky.enabled && !(1..=STICKY_SECONDS_MAX).contains(&sticky.duration_seconds));
    let wrong = wrong.map(|sticky| {
        let field = format!("{AT}.alb.stickinessConfig.durationSeconds");
        let detail = format!("must be between 1 and {STICKY_SECONDS_MAX} seconds");
        Problem::invalid(field, sticky.duration_seconds, &detail)
    });
    names.into_iter().chain(wrong).collect()
}

/// Exactly one of the singular and the plural field.
fn either(
    one: Option<&str>,
    several: &[String],
    (field, single, plural): (&str, &str, &str),
) -> Option<Problem> {
    let which = match (one.is_some_and(|name| !name.is_empty()), several.is_empty()) {
        (true, true) | (false, false) => return None,
        (true, false) => "Both",
        (false, true) => "Neither",
    };
    let detail = format!("Either {single} or {plural} must be configured. {which} are configured.");
    Some(Problem::invalid(
        format!("{AT}.{field}"),
        one.unwrap_or_default(),
        &detail,
    ))
}
