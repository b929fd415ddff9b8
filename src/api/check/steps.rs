//! One step of a canary, in the order of Argo Rollouts' own checks.

use crate::api::check::problem::{Json, Problem};
use crate::api::check::words;
use crate::api::hash;
use crate::api::strategy::{AnalysisArg, CanaryStep, CanaryStrategy, Pause, StringMatch};
use crate::api::traffic::TrafficRouting;
use crate::base::gotime;
use crate::base::percent::IntOrString;

const ONE_TYPE: &str =
    "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";

pub(super) fn problems(canary: &CanaryStrategy, index: usize, step: &CanaryStep) -> Vec<Problem> {
    let at = format!("spec.strategy.steps[{index}]");
    let routing = canary.traffic_routing.as_ref();
    let mut found = kinds(&at, step);
    found.extend(numbers(&at, step, routing));
    found.extend(header_route(&at, step, routing));
    found.extend(mirror_route(&at, step, routing));
    found.extend(managed_routes(&at, step, routing));
    found.extend(experiment_weights(&at, step, routing));
    found.extend(argument_fields(&at, step));
    found
}

/// Exactly one kind is meant, but only four of them are counted: the others may stand beside one.
fn kinds(at: &str, step: &CanaryStep) -> Vec<Problem> {
    let (experiment, pause) = (step.experiment.is_some(), step.pause.is_some());
    let (weight, analysis) = (step.set_weight.is_some(), step.analysis.is_some());
    if [experiment, pause, weight, analysis]
        .into_iter()
        .filter(|given| *given)
        .count()
        > 1
    {
        let value = format!(
            "step.Experiment: {experiment} step.Pause: {pause} step.SetWeight: {weight} step.Analysis: {analysis}"
        );
        return vec![Problem::invalid(at, value.as_str(), ONE_TYPE)];
    }
    let (scale, plugin) = (step.set_canary_scale.is_some(), step.plugin.is_some());
    let routes = step.set_header_route.is_some() || step.set_mirror_route.is_some();
    if experiment || pause || weight || analysis || scale || plugin || routes {
        return Vec::new();
    }
    // The original prints what is missing.
    let value = "step.Experiment: true step.Pause: true step.SetWeight: true step.Analysis: true \
                 step.SetCanaryScale: true step.SetHeaderRoute: true step.SetMirrorRoute: true step.Plugin: true";
    vec![Problem::invalid(at, value, ONE_TYPE)]
}

fn numbers(at: &str, step: &CanaryStep, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let mut found = Vec::new();
    let max = routing
        .and_then(|routing| routing.max_traffic_weight)
        .unwrap_or(100);
    if let Some(weight) = step.set_weight.filter(|weight| *weight < 0 || *weight > max) {
        let detail = format!("SetWeight needs to be between 0 and {max}");
        found.push(Problem::invalid(format!("{at}.setWeight"), weight, &detail));
    }
    if let Some(seconds) = step
        .pause
        .as_ref()
        .map(pause_seconds)
        .filter(|seconds| *seconds < 0)
    {
        let detail = "Duration needs to be greater than 0";
        found.push(Problem::invalid(format!("{at}.pause.duration"), seconds, detail));
    }
    if step.set_canary_scale.is_some() && routing.is_none() {
        let detail = "SetCanaryScale requires TrafficRouting to be set";
        found.push(Problem::required("spec.strategy.trafficRouting", detail));
    }
    found
}

/// Seconds of a pause as the peer reads them: a bare number is seconds, -1 stands for what cannot be read.
fn pause_seconds(pause: &Pause) -> i64 {
    match &pause.duration {
        None => 0,
        Some(IntOrString::Int(seconds)) => i64::from(*seconds),
        Some(IntOrString::String(text)) => match text.parse::<i32>() {
            Ok(seconds) => i64::from(seconds),
            Err(_) => gotime::parse_duration(text).map_or(-1, |duration| duration.num_seconds()),
        },
    }
}

fn header_route(at: &str, step: &CanaryStep, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let Some(route) = &step.set_header_route else {
        return Vec::new();
    };
    let able = |routing: &&TrafficRouting| {
        let native = routing.istio.is_some() || routing.alb.is_some() || routing.apisix.is_some();
        native || !routing.plugins.is_empty() || routing.gateway_api.is_some()
    };
    let Some(routing) = routing.filter(able) else {
        let value = Json(hash::header_route_json(route));
        let detail = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix";
        return vec![Problem::invalid(format!("{at}.setHeaderRoute"), value, detail)];
    };
    let rule = if routing.alb.is_some() {
        exact_only
    } else {
        one_pattern
    };
    let checked = route.match_.iter().enumerate().filter_map(|(index, header)| {
        rule(
            &format!("{at}.setHeaderRoute.match[{index}]"),
            header.header_value.as_ref(),
        )
    });
    checked.collect()
}

fn mirror_route(at: &str, step: &CanaryStep, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let Some(route) = &step.set_mirror_route else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let able = |routing: &TrafficRouting| {
        routing.istio.is_some() || !routing.plugins.is_empty() || routing.gateway_api.is_some()
    };
    if !routing.is_some_and(able) {
        let value = Json(hash::mirror_route_json(route));
        let detail = "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins";
        found.push(Problem::invalid(format!("{at}.setMirrorRoute"), value, detail));
    }
    for (index, one) in route.match_.iter().enumerate() {
        let at = format!("{at}.setMirrorRoute.match[{index}]");
        // The peer looks at the method twice and at the headers never.
        let patterns = [&one.method, &one.path, &one.method].into_iter().flatten();
        found.extend(patterns.filter_map(|pattern| one_pattern(&at, Some(pattern))));
    }
    found
}

/// Exactly one of the three ways to match.
fn one_pattern(at: &str, pattern: Option<&StringMatch>) -> Option<Problem> {
    let detail = match pattern.map_or(0, |pattern| given(pattern).into_iter().flatten().count()) {
        0 => "StringMatch value missed, match value must have one of the following: exact, regex, prefix",
        1 => return None,
        _ => "StringMatch match value must have exactly one of the following: exact, regex, prefix",
    };
    Some(Problem::invalid(
        at,
        Json(hash::string_match_json(pattern)),
        detail,
    ))
}

fn exact_only(at: &str, pattern: Option<&StringMatch>) -> Option<Problem> {
    let detail = match pattern.map(given) {
        None => "StringMatch value missed, match value must have one of the following: exact, regex, prefix",
        Some([Some(_), None, None]) => return None,
        Some(_) => "SetHeaderRoute match value invalid. ALB supports 'exact' value only",
    };
    Some(Problem::invalid(
        at,
        Json(hash::string_match_json(pattern)),
        detail,
    ))
}

fn given(pattern: &StringMatch) -> [Option<&str>; 3] {
    let ways = [&pattern.exact, &pattern.regex, &pattern.prefix];
    ways.map(|way| way.as_deref().filter(|text| !text.is_empty()))
}

/// Routes that steps make must be declared, so that the controller knows what it owns.
fn managed_routes(at: &str, step: &CanaryStep, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let header = step
        .set_header_route
        .as_ref()
        .map(|route| ("setHeaderRoute", &route.name));
    let mirror = step
        .set_mirror_route
        .as_ref()
        .map(|route| ("setMirrorRoute", &route.name));
    let Some(routing) = routing.filter(|_| header.is_some() || mirror.is_some()) else {
        return Vec::new();
    };
    if routing.managed_routes.is_empty() {
        let detail = "Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'";
        return vec![Problem::required(
            "spec.strategy.trafficRouting.managedRoutes",
            detail,
        )];
    }
    let declared = |name: &str| routing.managed_routes.iter().any(|route| route.name == name);
    let unknown = [header, mirror]
        .into_iter()
        .flatten()
        .filter(|(_, name)| !declared(name));
    let detail =
        "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
    unknown
        .map(|(kind, name)| Problem::invalid(format!("{at}.{kind}"), name, detail))
        .collect()
}

fn experiment_weights(at: &str, step: &CanaryStep, routing: Option<&TrafficRouting>) -> Vec<Problem> {
    let able = |routing: &TrafficRouting| {
        let native = routing.alb.is_some() || routing.smi.is_some() || routing.istio.is_some();
        native || !routing.plugins.is_empty()
    };
    let detail = match routing {
        None => "Experiment template weight cannot be set unless TrafficRouting is enabled",
        Some(routing) if able(routing) => return Vec::new(),
        Some(_) => {
            "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time"
        }
    };
    let templates = step
        .experiment
        .iter()
        .flat_map(|experiment| &experiment.templates)
        .enumerate();
    let weights = templates.filter_map(|(index, template)| Some((index, template.weight?)));
    let at = |index| format!("{at}.experiment.templates[{index}].weight");
    weights
        .map(|(index, weight)| Problem::invalid(at(index), weight, detail))
        .collect()
}

/// Arguments that point into metadata must name what a pod could see of its own.
fn argument_fields(at: &str, step: &CanaryStep) -> Vec<Problem> {
    let of_experiment = step.experiment.iter().flat_map(|experiment| &experiment.analyses);
    let of_analysis = step.analysis.iter().flat_map(|analysis| &analysis.args);
    let args: Vec<&AnalysisArg> = of_experiment
        .flat_map(|analysis| &analysis.args)
        .chain(of_analysis)
        .collect();
    let path = |arg: &&&AnalysisArg| {
        let field = arg.value_from.as_ref().and_then(|from| from.field_ref.as_ref());
        field.is_some_and(|field| field.field_path.starts_with("metadata") && !readable(&field.field_path))
    };
    let detail = "Analyses arguments must refer to valid object metadata supported by downwardAPI";
    let value = || Json(hash::analysis_args_json(&args));
    let field = if step.analysis.is_some() {
        ".analysis.args"
    } else {
        ""
    };
    let problem = || Problem::invalid(format!("{at}.analyses"), value(), detail).at(format!("{at}{field}"));
    args.iter().filter(path).map(|_| problem()).collect()
}

/// `metadata.name`, `.namespace`, `.uid`, `.labels`, `.annotations`, or one label or annotation by name.
fn readable(path: &str) -> bool {
    let subscript = path.strip_suffix("']").and_then(|start| start.split_once("['"));
    match subscript.filter(|(map, _)| !map.is_empty()) {
        Some(("metadata.labels", name)) => words::qualified_name(name).is_empty(),
        Some(("metadata.annotations", name)) => words::qualified_name(&name.to_lowercase()).is_empty(),
        Some(_) => false,
        None => {
            let plain = ["annotations", "labels", "name", "namespace", "uid"];
            path.strip_prefix("metadata.")
                .is_some_and(|member| plain.contains(&member))
        }
    }
}
