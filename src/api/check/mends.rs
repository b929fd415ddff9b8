// flat table
//! What to write instead, where Argo's words leave it open.

use crate::api::check::problem::Problem;

/// Part of the message, and the mend.
const MENDS: &[(&str, &str)] = &[
    (
        "missing field '.spec.selector'",
        "select the pods by their labels, for example selector: {matchLabels: {app: NAME}}",
    ),
    (
        "empty selector is invalid",
        "select the pods by at least one label, for example matchLabels: {app: NAME}",
    ),
    (
        "invalid label selector",
        "matchExpressions take the operators In, NotIn, Exists and DoesNotExist",
    ),
    (
        "`selector` does not match",
        "give spec.template.metadata.labels every label that spec.selector asks for",
    ),
    (
        "template must be empty",
        "remove either spec.template or spec.workloadRef",
    ),
    (
        "must be greater than minReadySeconds",
        "raise spec.progressDeadlineSeconds or lower spec.minReadySeconds",
    ),
    (
        ".spec.strategy.canary or",
        "write strategy: {canary: {}} for a rolling update, or list steps in it",
    ),
    ("Multiple Strategies", "keep one of canary and blueGreen"),
    (
        "two different services are required",
        "create a second Service with the same selector and name it here",
    ),
    (
        "MaxSurge and MaxUnavailable both",
        "set one of them to at least 1",
    ),
    (
        "must to be set to use Traffic Routing",
        "name a Service that selects the Rollout's pods",
    ),
    (
        "can only be used with traffic routing",
        "remove the field, or configure trafficRouting",
    ),
    (
        "dynamicStableScale cannot be used with",
        "keep one of the two fields",
    ),
    ("Step must have one of", "give each list item one kind of step"),
    (
        "Duration needs to be",
        "write seconds (30) or a duration (1h30m); leave it out to wait for a person",
    ),
    (
        "requires TrafficRouting to be set",
        "configure trafficRouting, or remove the setCanaryScale step",
    ),
    (
        "SetHeaderRoute requires TrafficRouting",
        "remove the step, or route through Istio or an AWS load balancer",
    ),
    (
        "SetMirrorRoute requires TrafficRouting",
        "remove the step, or route through Istio",
    ),
    (
        "ALB supports 'exact' value only",
        "write exact: VALUE, or route through Istio",
    ),
    (
        "managedRoutes'",
        "list the route's name in trafficRouting.managedRoutes",
    ),
    (
        "does not exist in spec.strategy",
        "list the route's name in trafficRouting.managedRoutes",
    ),
    (
        "supported by downwardAPI",
        "use metadata.name, .namespace, .uid, .labels['NAME'] or .annotations['NAME']",
    ),
    (
        "exactly one strategy listed",
        "keep one of required… and preferred…DuringSchedulingIgnoredDuringExecution",
    ),
    (
        "supported values: \"Always\"",
        "pods of a ReplicaSet always restart: remove restartPolicy",
    ),
    (
        "activeDeadlineSeconds in ReplicaSet",
        "remove the field: it would end the service",
    ),
];

/// The mend for a problem in Argo's words; empty when the words are enough.
pub(super) fn mend(problem: &Problem) -> &'static str {
    let known = MENDS.iter().find(|(words, _)| problem.message.contains(words));
    known.map_or("", |(_, mend)| mend)
}
