//! Which store holds which kind.

use super::{Store, Stored, Stores};
use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::object::Kind;
use crate::plan::ReplicaSet;
use crate::plan::analysis::{Job, JobPod};
use crate::plan::experiment::Experiment;
use crate::plan::question::Service;
use serde_json::Value;

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
