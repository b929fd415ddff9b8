//! Which store holds which kind.

use super::{Store, Stored, Stores, in_namespace};
use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::{LabelSelector, Rollout};
use crate::base::object::{Key, Kind};
use crate::plan::analysis::{Job, JobPod};
use crate::plan::experiment::Experiment;
use crate::plan::question::Service;
use crate::plan::rollout::former_routers::is_routed;
use crate::plan::workload;
use crate::plan::{ReplicaSet, Workload};
use serde_json::Value;
use std::sync::Arc;

/// `stored!(Type, field)`: the kind's store is that field.
macro_rules! stored {
    ($object:ty, $field:ident) => {
        impl Stored for $object {
            fn store(stores: &Stores, _: Kind) -> &Store<Self> {
                &stores.$field
            }

            fn store_mut(stores: &mut Stores, _: Kind) -> &mut Store<Self> {
                &mut stores.$field
            }
        }
    };
}

impl Stores {
    /// The selector of a Rollout: its own, or that of the workload that it refers to.
    pub fn selector<'s>(&'s self, rollout: &'s Rollout) -> Option<&'s LabelSelector> {
        let referenced = || {
            let reference = rollout.spec.workload_ref.as_ref()?;
            let key = Key::new(&rollout.metadata.namespace, &reference.name);
            let cached = Workload::store(self, workload::kind(reference)?).get(&key)?;
            cached.object.as_ref().ok()?.selector.as_ref()
        };
        rollout.spec.selector.as_ref().or_else(referenced)
    }

    /// The objects of its namespace that routers of a Rollout made or manage.
    pub fn routed_by(&self, rollout: &Rollout) -> Vec<(Kind, Arc<Value>)> {
        let mut found = Vec::new();
        for kind in [Kind::DestinationRule, Kind::Ingress] {
            let nearby = in_namespace(Value::store(self, kind), &rollout.metadata.namespace);
            let objects = nearby.filter_map(|(_, cached)| cached.object.as_ref().ok());
            let routed = objects.filter(|object| is_routed(kind, object, &rollout.metadata));
            found.extend(routed.map(|object| (kind, Arc::clone(object))));
        }
        found
    }
}

stored!(Rollout, rollouts);
stored!(ReplicaSet, replica_sets);
stored!(AnalysisRun, runs);
stored!(Experiment, experiments);
stored!(Service, services);
stored!(Job, jobs);
stored!(JobPod, job_pods);

impl Stored for AnalysisTemplate {
    fn store(stores: &Stores, kind: Kind) -> &Store<Self> {
        match kind {
            Kind::ClusterAnalysisTemplate => &stores.cluster_templates,
            _ => &stores.templates,
        }
    }

    fn store_mut(stores: &mut Stores, kind: Kind) -> &mut Store<Self> {
        match kind {
            Kind::ClusterAnalysisTemplate => &mut stores.cluster_templates,
            _ => &mut stores.templates,
        }
    }
}

impl Stored for Value {
    fn store(stores: &Stores, kind: Kind) -> &Store<Self> {
        match kind {
            Kind::Ingress => &stores.ingresses,
            Kind::VirtualService => &stores.virtual_services,
            Kind::DestinationRule => &stores.destination_rules,
            _ => &stores.routes,
        }
    }

    fn store_mut(stores: &mut Stores, kind: Kind) -> &mut Store<Self> {
        match kind {
            Kind::Ingress => &mut stores.ingresses,
            Kind::VirtualService => &mut stores.virtual_services,
            Kind::DestinationRule => &mut stores.destination_rules,
            _ => &mut stores.routes,
        }
    }
}

impl Stored for Workload {
    fn store(stores: &Stores, kind: Kind) -> &Store<Self> {
        match kind {
            Kind::Deployment => &stores.deployments,
            Kind::PodTemplate => &stores.pod_templates,
            _ => &stores.plain_replica_sets,
        }
    }

    fn store_mut(stores: &mut Stores, kind: Kind) -> &mut Store<Self> {
        match kind {
            Kind::Deployment => &mut stores.deployments,
            Kind::PodTemplate => &mut stores.pod_templates,
            _ => &mut stores.plain_replica_sets,
        }
    }
}
