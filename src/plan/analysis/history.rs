//! Which finished AnalysisRuns of a Rollout are no longer kept.

use crate::api::analysis_run::{AnalysisRun, completed};
use crate::api::rollout::Rollout;
use std::collections::BTreeSet;

/// Runs kept of each outcome when the Rollout does not say (Argo Rollouts' default).
const KEPT_DEFAULT: usize = 5;

/// What must be known to forget runs.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    pub rollout: &'a Rollout,
    /// All runs that the Rollout owns.
    pub runs: &'a [AnalysisRun],
    /// Names of the runs that its steps and its background analysis use now.
    pub in_use: &'a BTreeSet<String>,
    /// Pod-template hashes of the ReplicaSets that exist and are not being deleted.
    pub live_hashes: &'a BTreeSet<String>,
    /// The pod-template hash of the update in progress, or of the last one.
    pub current_hash: &'a str,
}

/// The runs to delete, sorted by name: those whose ReplicaSet is gone, and finished ones beyond the limits for successful and
/// unsuccessful runs, oldest first. Runs of the current update stay whatever the limits say: they are the evidence for its outcome.
pub fn runs_to_delete<'a>(history: &History<'a>) -> Vec<&'a AnalysisRun> {
    let mut others: Vec<&AnalysisRun> = history
        .runs
        .iter()
        .filter(|run| !history.in_use.contains(&run.metadata.name) && !run.metadata.deleting())
        .collect();
    others.sort_by_key(|run| (run.metadata.creation_timestamp, &run.metadata.name));
    let limits = history.rollout.spec.analysis.clone().unwrap_or_default();
    let mut room_successful = kept(limits.successful_run_history_limit);
    let mut room_unsuccessful = kept(limits.unsuccessful_run_history_limit);
    let mut surplus = Vec::new();
    for run in others.into_iter().rev() {
        let hash = run.metadata.label(crate::base::names::label::POD_HASH);
        if !history.live_hashes.contains(hash) {
            surplus.push(run);
            continue;
        }
        if hash == history.current_hash || !completed(&run.status.phase) {
            continue;
        }
        let successful = run.status.phase == "Successful";
        let room = if successful {
            &mut room_successful
        } else {
            &mut room_unsuccessful
        };
        match room.checked_sub(1) {
            Some(left) => *room = left,
            None => surplus.push(run),
        }
    }
    surplus.sort_by_key(|run| &run.metadata.name);
    surplus
}

fn kept(limit: Option<i32>) -> usize {
    limit.map_or(KEPT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `runs`: name, hash, phase, creation second. `limits`: successful, unsuccessful.
    #[track_caller]
    fn check(runs: &[(&str, &str, &str, u32)], limits: (i32, i32), want: &[&str]) {
        let runs: Vec<AnalysisRun> = runs
            .iter()
            .map(|(name, hash, phase, second)| {
                let created = format!("2026-11-21T08:00:{second:02}Z");
                let labels = json!({"rollouts-pod-template-hash": hash});
                let metadata = json!({"name": name, "labels": labels, "creationTimestamp": created});
                serde_json::from_value(json!({"metadata": metadata, "status": {"phase": phase}})).unwrap()
            })
            .collect();
        let limits = json!({"successfulRunHistoryLimit": limits.0, "unsuccessfulRunHistoryLimit": limits.1});
        let rollout = serde_json::from_value(json!({"spec": {"analysis": limits}})).unwrap();
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let history = History {
            rollout: &rollout,
            runs: &runs,
            in_use: &set(&["used"]),
            live_hashes: &set(&["old", "new"]),
            current_hash: "new",
        };
        let names: Vec<&str> = runs_to_delete(&history)
            .iter()
            .map(|run| run.metadata.name.as_str())
            .collect();
        assert_eq!(names, want);
    }

    #[test]
    fn the_newest_runs_of_each_outcome_are_kept() {
        let runs = [
            ("a", "old", "Successful", 1),
            ("b", "old", "Successful", 3),
            ("c", "old", "Failed", 2),
            ("d", "old", "Error", 4),
            ("e", "old", "Inconclusive", 5),
        ];
        check(&runs, (5, 5), &[]);
        check(&runs, (1, 2), &["a", "c"]);
        check(&runs, (0, 0), &["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn runs_in_use_running_or_of_the_current_update_stay() {
        let runs = [
            ("used", "old", "Successful", 1),
            ("running", "old", "Running", 2),
            ("current", "new", "Successful", 3),
        ];
        check(&runs, (0, 0), &[]);
    }

    #[test]
    fn runs_without_a_replica_set_go() {
        let runs = [
            ("nothing", "", "Successful", 1),
            ("gone", "deleted", "Running", 2),
            ("here", "old", "Successful", 3),
        ];
        check(&runs, (5, 5), &["gone", "nothing"]);
    }
}
