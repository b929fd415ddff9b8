//! `spec.strategy` without the steps, in the order of Argo Rollouts' own checks.

use crate::api::check::problem::{Json, Problem};
use crate::api::check::{go_json, steps};
use crate::api::rollout::Rollout;
use crate::api::strategy::{AntiAffinity, BlueGreenStrategy, CanaryStrategy, PingPong};
use crate::api::traffic::{Alb, Istio, TrafficRouting};
use crate::base::percent::IntOrString;

/// Argo's default of `spec.revisionHistoryLimit`.
pub(super) const REVISION_HISTORY_DEFAULT: i32 = 10;

pub(super) fn problems(rollout: &Rollout) -> Vec<Problem> {
    let strategy = &rollout.spec.strategy;
    match (&strategy.blue_green, &strategy.canary) {
        (None, None) => {
            let detail = "Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'";
            vec![Problem::required("spec.strategy.strategy", detail).at("spec.strategy")]
        }
        (Some(_), Some(_)) => {
            let value = "blueGreen: true canary: true";
            let problem = Problem::invalid(
                "spec.strategy.strategy",
                value,
                "Multiple Strategies can not be listed",
            );
            vec![problem.at("spec.strategy")]
        }
        (Some(blue_green), None) => {
            let found = blue_green_problems(rollout, blue_green);
            found
                .into_iter()
                .map(|problem| located(problem, "blueGreen"))
                .collect()
        }
        (None, Some(canary)) => {
            let found = canary_problems(canary);
            found
                .into_iter()
                .map(|problem| located(problem, "canary"))
                .collect()
        }
    }
}

/// Argo leaves the name of the strategy out of its paths; a user needs it.
fn located(problem: Problem, strategy: &str) -> Problem {
    let field = match problem.field.strip_prefix("spec.strategy.") {
        Some(rest) => format!("spec.strategy.{strategy}.{rest}"),
        None => return problem,
    };
    problem.at(field)
}

fn blue_green_problems(rollout: &Rollout, blue_green: &BlueGreenStrategy) -> Vec<Problem> {
    let mut found = Vec::new();
    let preview = blue_green.preview_service.as_deref().unwrap_or_default();
    if blue_green.active_service == preview {
        found.push(Problem::invalid(
            "spec.strategy.activeService",
            preview,
            &same_service("active and preview"),
        ));
    }
    let history = rollout
        .spec
        .revision_history_limit
        .unwrap_or(REVISION_HISTORY_DEFAULT);
    if let Some(limit) = blue_green
        .scale_down_delay_revision_limit
        .filter(|limit| history < *limit)
    {
        let detail =
            "This rollout's revision history limit can not be smaller than the rollout's scale down limit";
        found.push(Problem::invalid(
            "spec.strategy.scaleDownDelayRevisionLimit",
            limit,
            detail,
        ));
    }
    found.extend(anti_affinity(blue_green.anti_affinity.as_ref()));
    found
}

fn canary_problems(canary: &CanaryStrategy) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(budgets(canary));
    let (canary_service, stable_service) = (canary.canary_service.as_str(), canary.stable_service.as_str());
    if !canary_service.is_empty() && canary_service == stable_service {
        let detail = same_service("stable and canary");
        found.push(Problem::invalid(
            "spec.strategy.stableService",
            stable_service,
            &detail,
        ));
    }
    if let Some(pair) = &canary.ping_pong {
        found.extend(ping_pong(pair, canary.traffic_routing.as_ref()));
    }
    if needs_services(canary) {
        let detail = "Canary service and Stable service must to be set to use Traffic Routing";
        for (name, service) in [
            ("stableService", stable_service),
            ("canaryService", canary_service),
        ] {
            let missing = service
                .is_empty()
                .then(|| Problem::invalid(format!("spec.strategy.{name}"), "", detail));
            found.extend(missing);
        }
    }
    found.extend(routing_only(canary));
    for (index, step) in canary.steps.iter().enumerate() {
        found.extend(steps::problems(canary, index, step));
    }
    found.extend(anti_affinity(canary.anti_affinity.as_ref()));
    found
}

fn same_service(which: &str) -> String {
    format!(
        "This rollout uses the same service for the {which} services, but two different services are required."
    )
}

/// Neither above nor below the size: nothing could ever be replaced.
fn budgets(canary: &CanaryStrategy) -> Option<Problem> {
    let none = |budget: Option<&IntOrString>| match budget {
        None => false,
        Some(IntOrString::Int(number)) => *number == 0,
        // What is no number counts as zero; the peer reads it so.
        Some(IntOrString::String(text)) => {
            let digits = text.strip_suffix('%').unwrap_or(text);
            digits.parse::<i64>().unwrap_or_default() == 0
        }
    };
    if !none(canary.max_surge.as_ref()) || !none(canary.max_unavailable.as_ref()) {
        return None;
    }
    let value = go_json(&serde_json::to_value(&canary.max_surge).unwrap_or_default());
    let detail = "MaxSurge and MaxUnavailable both can not be zero";
    Some(Problem::invalid("spec.strategy.maxSurge", value, detail))
}

fn ping_pong(pair: &PingPong, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let mut found = Vec::new();
    let swapping = |routing: &TrafficRouting| {
        routing.alb.is_some()
            || routing.istio.is_some()
            || !routing.plugins.is_empty()
            || routing.gateway_api.is_some()
    };
    if routing.is_some_and(|routing| !swapping(routing)) {
        let detail = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only";
        let null = Json("null".to_owned());
        found.push(Problem::invalid("spec.strategy.trafficRouting.alb", null, detail));
    }
    let detail = "Ping service and Pong service must to be set to use Ping-Pong feature";
    for (name, service) in [
        ("pingService", &pair.ping_service),
        ("pongService", &pair.pong_service),
    ] {
        if service.is_empty() {
            found.push(Problem::invalid(
                format!("spec.strategy.pingPong.{name}"),
                "",
                detail,
            ));
        }
    }
    if pair.ping_service == pair.pong_service {
        let detail = same_service("ping and pong");
        found.push(Problem::invalid(
            "spec.strategy.pingPong.pingService",
            &pair.ping_service,
            &detail,
        ));
    }
    let rootless = |alb: &Alb| alb.root_service.as_deref().unwrap_or_default().is_empty();
    if routing
        .and_then(|routing| routing.alb.as_ref())
        .is_some_and(rootless)
    {
        let detail =
            "Root service field is required for the configuration with ALB and ping-pong feature enabled";
        found.push(Problem::invalid(
            "spec.strategy.trafficRouting.alb.rootService",
            "",
            detail,
        ));
    }
    found
}

/// Whether a router is configured that works on the two Services. Plugins look after themselves.
fn needs_services(canary: &CanaryStrategy) -> bool {
    let Some(routing) = &canary.traffic_routing else {
        return false;
    };
    let ping_pong = canary.ping_pong.is_some();
    let by_host = |istio: &Istio| istio.destination_rule.is_none();
    let alb = routing.alb.is_some() && !ping_pong;
    let istio = routing.istio.as_ref().is_some_and(by_host) && !ping_pong;
    let others = routing.smi.is_some()
        || routing.apisix.is_some()
        || routing.ambassador.is_some()
        || routing.nginx.is_some()
        || routing.app_mesh.is_some()
        || routing.traefik.is_some();
    alb || istio || others
}

/// Fields that mean something with a router only, or only with some routers.
fn routing_only(canary: &CanaryStrategy) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut stable_scale = |detail: &str| {
        if canary.dynamic_stable_scale {
            found.push(Problem::invalid("spec.strategy.dynamicStableScale", true, detail));
        }
    };
    let Some(routing) = &canary.traffic_routing else {
        stable_scale("Canary dynamicStableScale can only be used with traffic routing");
        let detail = "Canary scaleDownDelaySeconds can only be used with traffic routing";
        let delay = canary.scale_down_delay_seconds;
        let delay = delay.map(|delay| Problem::invalid("spec.strategy.scaleDownDelaySeconds", delay, detail));
        return delay.into_iter().chain(found).collect();
    };
    if canary.scale_down_delay_seconds.is_some() {
        stable_scale("Canary dynamicStableScale cannot be used with scaleDownDelaySeconds");
    }
    let weighted = routing.nginx.is_some() || !routing.plugins.is_empty() || routing.gateway_api.is_some();
    if let Some(weight) = routing.max_traffic_weight.filter(|_| !weighted) {
        let detail = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins";
        found.push(Problem::invalid(
            "spec.strategy.trafficRouting.maxTrafficWeight",
            weight,
            detail,
        ));
    }
    found
}

fn anti_affinity(anti_affinity: Option<&AntiAffinity>) -> Vec<Problem> {
    let mut found = Vec::new();
    let Some(anti_affinity) = anti_affinity else {
        return found;
    };
    let preferred = anti_affinity
        .preferred_during_scheduling_ignored_during_execution
        .as_ref();
    let required = anti_affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref();
    if preferred.is_some() == required.is_some() {
        let value = format!(
            "antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {} \
             antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {}",
            preferred.is_some(),
            required.is_some(),
        );
        let detail = "AntiAffinity must have exactly one strategy listed";
        found.push(Problem::invalid(
            "spec.strategy.antiAffinity",
            value.as_str(),
            detail,
        ));
    }
    if let Some(preferred) = preferred.filter(|preferred| !(1..=100).contains(&preferred.weight)) {
        let detail = "AntiAffinity weight must be between 1-100";
        found.push(Problem::invalid(
            "spec.strategy.antiAffinity.weight",
            preferred.weight,
            detail,
        ));
    }
    found
}
