//! Where each kind lives in the API, and everything the controller may do there.
//!
//! The permission tables are the only statement of what Serin needs; the manifests in `deploy/` are tested against them.

use crate::base::object::Kind;
use crate::plan::Verb;
use kube::core::ApiResource;

/// The kinds that are watched; all but those of routers and [`Kind::Experiment`] must be installed.
pub const WATCHED: [Kind; 16] = [
    Kind::Rollout,
    Kind::ReplicaSet,
    Kind::AnalysisRun,
    Kind::AnalysisTemplate,
    Kind::ClusterAnalysisTemplate,
    Kind::Experiment,
    Kind::Service,
    Kind::HttpRoute,
    Kind::Ingress,
    Kind::VirtualService,
    Kind::DestinationRule,
    Kind::Job,
    // Those of metrics that are Jobs, by their label, and no others. Those of versions are listed when something is to change on them.
    Kind::Pod,
    Kind::Deployment,
    Kind::PodTemplate,
    Kind::PlainReplicaSet,
];

/// The kinds of traffic routers' objects: they need not be installed.
pub const ROUTES: [Kind; 4] = [
    Kind::HttpRoute,
    Kind::Ingress,
    Kind::VirtualService,
    Kind::DestinationRule,
];

/// The kinds that a Rollout may take its pod template from.
pub const WORKLOADS: [Kind; 3] = [Kind::Deployment, Kind::PodTemplate, Kind::PlainReplicaSet];

/// Whether a kind is read only once a Rollout asks about an object of it. Of these there may be many that are nobody's routers.
pub fn on_demand(kind: Kind) -> bool {
    WORKLOADS.contains(&kind) || ROUTES.contains(&kind) && kind != Kind::HttpRoute
}

/// The kind of a resource as RBAC names it, with or without a subresource: `rollouts/status`.
pub fn kind_of(resource: &str) -> Option<Kind> {
    let plural = resource.split('/').next().unwrap_or_default();
    WATCHED.into_iter().find(|kind| kind.plural() == plural)
}

/// Every write that a plan may ask for. Anything else is refused as a bug before it reaches the API server.
pub const WRITES: [(Kind, Verb); 20] = [
    (Kind::Rollout, Verb::Patch),
    (Kind::Rollout, Verb::PatchStatus),
    (Kind::ReplicaSet, Verb::Create),
    (Kind::ReplicaSet, Verb::Patch),
    (Kind::ReplicaSet, Verb::Delete),
    (Kind::AnalysisRun, Verb::Create),
    (Kind::AnalysisRun, Verb::Patch),
    (Kind::AnalysisRun, Verb::Delete),
    // Only to say that none is carried out.
    (Kind::Experiment, Verb::Patch),
    (Kind::Service, Verb::Patch),
    (Kind::HttpRoute, Verb::Patch),
    // The canary Ingress beside that of the user.
    (Kind::Ingress, Verb::Create),
    (Kind::Ingress, Verb::Patch),
    (Kind::VirtualService, Verb::Patch),
    (Kind::DestinationRule, Verb::Patch),
    (Kind::Job, Verb::Create),
    (Kind::Job, Verb::Delete),
    // What a version wears in its role.
    (Kind::Pod, Verb::Replace),
    // Restarts.
    (Kind::Pod, Verb::Evict),
    // The Deployment that a Rollout takes over from.
    (Kind::Deployment, Verb::Replace),
];

/// (API group, resource, verb) beyond [`WATCHED`] and [`WRITES`], in the namespaces of the Rollouts.
pub const OTHER_PERMISSIONS: [(&str, &str, &str); 6] = [
    // Secrets that an analysis names, one at a time; never listed or watched.
    ("", "secrets", "get"),
    // Whether a Rollout is really gone, before a Service that it managed is let go.
    ("argoproj.io", "rollouts", "get"),
    ("", "events", "create"),
    ("", "events", "patch"),
    // ReplicaSets and AnalysisRuns carry `blockOwnerDeletion`; clusters that enforce owner references ask for this.
    ("argoproj.io", "rollouts/finalizers", "update"),
    // So do Jobs, whose owner is an AnalysisRun.
    ("argoproj.io", "analysisruns/finalizers", "update"),
];

/// The same in the controller's own namespace: leader election, and the Slack token.
pub const OWN_NAMESPACE_PERMISSIONS: [(&str, &str, &str); 4] = [
    ("coordination.k8s.io", "leases", "create"),
    ("coordination.k8s.io", "leases", "get"),
    ("coordination.k8s.io", "leases", "update"),
    ("", "secrets", "get"),
];

/// API group; empty for the core group.
pub fn group(kind: Kind) -> &'static str {
    kind.api_version().split_once('/').map_or("", |(group, _)| group)
}

fn version(kind: Kind) -> &'static str {
    let api_version = kind.api_version();
    api_version
        .split_once('/')
        .map_or(api_version, |(_, version)| version)
}

/// What kube's generic API needs to know of a kind.
pub fn api_resource(kind: Kind) -> ApiResource {
    ApiResource {
        group: group(kind).to_owned(),
        version: version(kind).to_owned(),
        api_version: kind.api_version().to_owned(),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    }
}

/// Path of the collection, for example `/apis/apps/v1/namespaces/shop/replicasets`.
pub fn collection_path(kind: Kind, namespace: &str) -> String {
    let root = match group(kind) {
        "" => "/api",
        _ => "/apis",
    };
    let (api_version, plural) = (kind.api_version(), kind.plural());
    if namespace.is_empty() || !kind.namespaced() {
        return format!("{root}/{api_version}/{plural}");
    }
    format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
}

/// The verb as RBAC and the metrics name it.
pub fn verb_name(verb: Verb) -> &'static str {
    match verb {
        Verb::Create | Verb::Evict => "create",
        Verb::Patch | Verb::PatchStatus => "patch",
        Verb::Replace => "update",
        Verb::Delete => "delete",
    }
}

/// The resource as RBAC names it, with its subresource.
pub fn resource_name(kind: Kind, verb: Verb) -> String {
    match verb {
        Verb::PatchStatus => format!("{}/status", kind.plural()),
        Verb::Evict => format!("{}/eviction", kind.plural()),
        _ => kind.plural().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_api_groups() {
        let check = |kind, namespace: &str, want: &str| assert_eq!(collection_path(kind, namespace), want);
        check(Kind::Service, "shop", "/api/v1/namespaces/shop/services");
        check(
            Kind::ReplicaSet,
            "shop",
            "/apis/apps/v1/namespaces/shop/replicasets",
        );
        check(Kind::Rollout, "", "/apis/argoproj.io/v1alpha1/rollouts");
        check(
            Kind::ClusterAnalysisTemplate,
            "shop",
            "/apis/argoproj.io/v1alpha1/clusteranalysistemplates",
        );
    }
}
