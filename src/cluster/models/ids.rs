// flat table
//! The names of the resources that the models know, as the store keys them.

use std::sync::{Arc, LazyLock};

macro_rules! ids {
    ($($constant:ident $function:ident = $id:literal;)*) => { $(
        static $constant: LazyLock<Arc<str>> = LazyLock::new(|| $id.into());
        pub fn $function() -> &'static Arc<str> { &$constant }
    )* };
}

ids! {
    PODS pods = "pods";
    NODES nodes = "nodes";
    SERVICES services = "services";
    NAMESPACES namespaces = "namespaces";
    REPLICA_SETS replica_sets = "replicasets.apps";
    ENDPOINT_SLICES endpoint_slices = "endpointslices.discovery.k8s.io";
    BUDGETS budgets = "poddisruptionbudgets.policy";
}
