//! What is said to an Experiment: that this version carries none out. It must not stay without a word, and must not be spoilt for a
//! controller that does carry it out.

use crate::base::names::reason;
use crate::base::object::{Kind, Meta};
use crate::plan::{Action, Guard, Note, Plan, Verb};
use serde::Serialize;
use serde_json::json;

/// The part of an Experiment that is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Experiment {
    pub metadata: Meta,
    pub status: ExperimentStatus,
}

/// See `api::experiment::ExperimentStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExperimentStatus {
    pub phase: String,
    pub message: String,
}

const NOT_CARRIED_OUT: &str = "this version of Serin does not carry out Experiments: compare versions with an analysis step of a \
    canary instead, or leave the Experiment to Argo Rollouts by another instance id";

/// An Experiment that nobody has begun ends with phase `Error`. One that another controller began, or that belongs to a Rollout, is
/// left as it is, so that it can still be gone on with there; an Event says that nothing happens here.
pub fn plan_experiment(seen: &Experiment) -> Plan {
    let phase = seen.status.phase.as_str();
    if seen.metadata.deleting() || crate::api::analysis_run::completed(phase) {
        return Plan::default();
    }
    let told = Note::warning(
        reason::EXPERIMENT_ERROR,
        format!("Experiment is not carried out: {NOT_CARRIED_OUT}"),
    );
    if !phase.is_empty() || seen.metadata.controller().is_some() {
        return Plan {
            notes: vec![told],
            ..Plan::default()
        };
    }
    let status = json!({"phase": "Error", "message": NOT_CARRIED_OUT});
    let write = Action {
        verb: Verb::Patch,
        kind: Kind::Experiment,
        key: seen.metadata.key(),
        guard: Guard::Seen {
            uid: seen.metadata.uid.clone(),
            resource_version: seen.metadata.resource_version.clone(),
        },
        body: json!({"status": status}),
    };
    Plan {
        actions: vec![write],
        notes: vec![told.about(0)],
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::gotime::Time;
    use crate::base::object::OwnerRef;

    fn experiment(phase: &str) -> Experiment {
        let mut experiment = Experiment::default();
        experiment.metadata.name = "compare".into();
        experiment.status.phase = phase.into();
        experiment
    }

    #[test]
    fn an_experiment_that_nobody_began_ends_in_error_and_says_why() {
        let plan = plan_experiment(&experiment(""));
        let status = &plan.actions[0].body["status"];
        assert_eq!(status["phase"], "Error");
        assert!(
            status["message"]
                .as_str()
                .unwrap()
                .contains("does not carry out Experiments")
        );
        assert_eq!((plan.notes.len(), plan.notes[0].write), (1, Some(0)));
        assert!(plan.notes[0].warning);
    }

    #[test]
    fn an_experiment_that_another_controller_began_is_told_and_left_alone() {
        for phase in ["Pending", "Running"] {
            let plan = plan_experiment(&experiment(phase));
            assert!(plan.actions.is_empty());
            assert_eq!(plan.notes.len(), 1, "{phase}");
        }
        let mut of_rollout = experiment("");
        of_rollout.metadata.owner_references = vec![OwnerRef {
            controller: true,
            ..OwnerRef::default()
        }];
        assert!(plan_experiment(&of_rollout).actions.is_empty());
    }

    #[test]
    fn an_experiment_that_is_over_is_not_mentioned() {
        for phase in ["Successful", "Failed", "Error", "Inconclusive"] {
            assert_eq!(plan_experiment(&experiment(phase)), Plan::default());
        }
        let mut going = experiment("");
        going.metadata.deletion_timestamp = Some(Time::new(chrono::DateTime::UNIX_EPOCH));
        assert_eq!(plan_experiment(&going), Plan::default());
    }
}
