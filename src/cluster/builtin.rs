// flat table
//! The built-in resources, one row each.

use super::catalog::Generation;
use super::typed::{self, Typed};

/// One row of the table of built-in resources.
pub struct Row(
    pub &'static str,            // group
    pub &'static str,            // version
    pub &'static str,            // kind
    pub &'static str,            // plural
    pub &'static [&'static str], // short names
    pub Flags,
    pub &'static [&'static str], // fields it can be selected by
    pub Typed,
);

/// What a resource has.
#[derive(Clone, Copy)]
pub struct Flags {
    pub namespaced: bool,
    pub status: bool,
    pub scale: bool,
    pub generation: Generation,
}

pub const PLAIN: Flags = Flags {
    namespaced: true,
    status: false,
    scale: false,
    generation: Generation::Never,
};
pub const CLUSTER: Flags = Flags {
    namespaced: false,
    ..PLAIN
};
pub const STATUS: Flags = Flags {
    status: true,
    ..PLAIN
};
pub const CLUSTER_STATUS: Flags = Flags {
    status: true,
    ..CLUSTER
};
pub const GENERATION: Flags = Flags {
    generation: Generation::All,
    ..PLAIN
};
pub const SPEC_STATUS: Flags = Flags {
    generation: Generation::Spec,
    ..STATUS
};
pub const SCALED: Flags = Flags {
    scale: true,
    ..SPEC_STATUS
};

/// The table.
pub fn builtin() -> Vec<Row> {
    let pods: &[&str] = &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ];
    let events: &[&str] = &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ];
    vec![
        Row(
            "",
            "v1",
            "ConfigMap",
            "configmaps",
            &["cm"],
            PLAIN,
            &[],
            typed::configmap(),
        ),
        Row(
            "",
            "v1",
            "Event",
            "events",
            &["ev"],
            PLAIN,
            events,
            typed::event(),
        ),
        Row(
            "",
            "v1",
            "Namespace",
            "namespaces",
            &["ns"],
            CLUSTER_STATUS,
            &["status.phase"],
            typed::namespace(),
        ),
        Row(
            "",
            "v1",
            "Node",
            "nodes",
            &["no"],
            CLUSTER_STATUS,
            &["spec.unschedulable"],
            typed::node(),
        ),
        Row("", "v1", "Pod", "pods", &["po"], SPEC_STATUS, pods, typed::pod()),
        Row(
            "",
            "v1",
            "PodTemplate",
            "podtemplates",
            &[],
            GENERATION,
            &[],
            typed::pod_template(),
        ),
        Row(
            "",
            "v1",
            "Secret",
            "secrets",
            &[],
            PLAIN,
            &["type"],
            typed::secret(),
        ),
        Row(
            "",
            "v1",
            "Service",
            "services",
            &["svc"],
            STATUS,
            &["spec.clusterIP", "spec.type"],
            typed::service(),
        ),
        Row(
            "",
            "v1",
            "ServiceAccount",
            "serviceaccounts",
            &["sa"],
            PLAIN,
            &[],
            typed::service_account(),
        ),
        Row(
            "apps",
            "v1",
            "ControllerRevision",
            "controllerrevisions",
            &[],
            PLAIN,
            &[],
            typed::controller_revision(),
        ),
        Row(
            "apps",
            "v1",
            "DaemonSet",
            "daemonsets",
            &["ds"],
            SPEC_STATUS,
            &[],
            typed::daemon_set(),
        ),
        Row(
            "apps",
            "v1",
            "Deployment",
            "deployments",
            &["deploy"],
            SCALED,
            &[],
            typed::deployment(),
        ),
        Row(
            "apps",
            "v1",
            "ReplicaSet",
            "replicasets",
            &["rs"],
            SCALED,
            &["status.replicas"],
            typed::replica_set(),
        ),
        Row(
            "apps",
            "v1",
            "StatefulSet",
            "statefulsets",
            &["sts"],
            SCALED,
            &[],
            typed::stateful_set(),
        ),
        Row(
            "autoscaling",
            "v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            &["hpa"],
            STATUS,
            &[],
            typed::autoscaler(),
        ),
        Row(
            "batch",
            "v1",
            "Job",
            "jobs",
            &[],
            SPEC_STATUS,
            &["status.successful"],
            typed::job(),
        ),
        Row(
            "coordination.k8s.io",
            "v1",
            "Lease",
            "leases",
            &[],
            PLAIN,
            &[],
            typed::lease(),
        ),
        Row(
            "discovery.k8s.io",
            "v1",
            "EndpointSlice",
            "endpointslices",
            &[],
            GENERATION,
            &[],
            typed::endpoint_slice(),
        ),
        Row(
            "networking.k8s.io",
            "v1",
            "Ingress",
            "ingresses",
            &["ing"],
            SPEC_STATUS,
            &[],
            typed::ingress(),
        ),
        Row(
            "policy",
            "v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            &["pdb"],
            SPEC_STATUS,
            &[],
            typed::disruption_budget(),
        ),
    ]
}
