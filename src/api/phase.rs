//! The phase of a Rollout and the sentence beside it, as Argo Rollouts' controller writes them and as its clients read them.
//!
//! Decides only from the object and the time of day; knows nothing of ReplicaSets, which are already summed up in the status.

use crate::api::rollout::{Rollout, RolloutSpec};
use crate::api::rollout_status::RolloutStatus;
use crate::api::strategy::{BlueGreenStrategy, CanaryStrategy};
use crate::base::names::{condition, phase, reason};
use chrono::{DateTime, Utc};

/// A phase (`Healthy`, `Degraded`, `Progressing`, `Paused`) and its message; the message of `Healthy` is empty.
pub type Phase = (&'static str, String);

/// What clients say while the controller has not seen the newest spec.
pub const NOT_OBSERVED: &str = "waiting for rollout spec update to be observed";
/// What clients say between a person's promote and the controller's next pass.
pub const NOT_UNPAUSED: &str = "waiting for rollout to unpause";

/// What is said while pods of the new version are missing.
pub const STILL_BECOMING_AVAILABLE: &str = "updated replicas are still becoming available";

/// The phase that a controller writes into `status`, computed from the status it is about to write.
pub fn controller_phase(spec: &RolloutSpec, status: &RolloutStatus, now: DateTime<Utc>) -> Phase {
    degraded(status)
        .or_else(|| paused(spec, status))
        .or_else(|| waiting(spec, status, now).map(|message| (phase::PROGRESSING, message.to_owned())))
        .unwrap_or((phase::HEALTHY, String::new()))
}

/// The phase that a client may report. It differs from `status.phase` while the controller has not seen what was changed
/// last: then the status still speaks of the previous spec.
pub fn client_phase(rollout: &Rollout, now: DateTime<Utc>) -> Phase {
    let status = &rollout.status;
    if !observed(rollout) {
        return (phase::PROGRESSING, NOT_OBSERVED.to_owned());
    }
    if status.controller_pause && status.pause_conditions.is_empty() {
        return (phase::PROGRESSING, NOT_UNPAUSED.to_owned());
    }
    match written(&status.phase) {
        Some(phase) => (phase, status.message.clone()),
        None => controller_phase(&rollout.spec, status, now),
    }
}

/// True when the status was computed from the newest spec. `status.observedGeneration` is a decimal string; what is no
/// number was written by a controller too old to compare with, and counts as seen.
pub fn observed(rollout: &Rollout) -> bool {
    let seen = rollout.status.observed_generation.parse::<i64>();
    seen.map_or(true, |generation| generation >= rollout.metadata.generation)
}

fn written(name: &str) -> Option<&'static str> {
    [phase::HEALTHY, phase::DEGRADED, phase::PROGRESSING, phase::PAUSED]
        .into_iter()
        .find(|known| *known == name)
}

fn degraded(status: &RolloutStatus) -> Option<Phase> {
    let bad_reason =
        |name: &str| name == reason::ROLLOUT_ABORTED || name == reason::PROGRESS_DEADLINE_EXCEEDED;
    status.conditions.iter().find_map(|c| {
        let text = if c.type_ == condition::INVALID_SPEC {
            format!("{}: {}", condition::INVALID_SPEC, c.message)
        } else if bad_reason(&c.reason) {
            format!("{}: {}", c.reason, c.message)
        } else {
            return None;
        };
        Some((phase::DEGRADED, text))
    })
}

fn paused(spec: &RolloutSpec, status: &RolloutStatus) -> Option<Phase> {
    if spec.paused {
        return Some((phase::PAUSED, "manually paused".to_owned()));
    }
    let first = status.pause_conditions.first()?;
    Some((phase::PAUSED, first.reason.clone()))
}

/// What the rollout still waits for; `None` when it is done.
fn waiting(spec: &RolloutSpec, status: &RolloutStatus, now: DateTime<Utc>) -> Option<&'static str> {
    let updated = status.updated_replicas.unwrap_or(0);
    if restart_pending(spec, status, now) {
        return Some("rollout is restarting");
    }
    if updated < spec.replicas.unwrap_or(1) {
        return Some("more replicas need to be updated");
    }
    if status.available_replicas.unwrap_or(0) < updated {
        return Some(STILL_BECOMING_AVAILABLE);
    }
    match (&spec.strategy.blue_green, &spec.strategy.canary) {
        (Some(blue_green), _) => waiting_blue_green(blue_green, status),
        (None, Some(canary)) => waiting_canary(canary, status),
        (None, None) => None,
    }
}

fn restart_pending(spec: &RolloutSpec, status: &RolloutStatus, now: DateTime<Utc>) -> bool {
    spec.restart_at
        .is_some_and(|at| now > at.get() && status.restarted_at != Some(at))
}

fn waiting_blue_green(blue_green: &BlueGreenStrategy, status: &RolloutStatus) -> Option<&'static str> {
    let active = &status.blue_green.active_selector;
    if active.is_empty() || *active != status.current_pod_hash {
        return Some("active service cutover pending");
    }
    if promoted(status) {
        return None;
    }
    let run = &status.blue_green.post_promotion_analysis_run_status;
    let judged = run
        .as_ref()
        .is_some_and(|run| crate::api::analysis_run::completed(&run.status));
    if blue_green.post_promotion_analysis.is_some() && !judged {
        return Some("waiting for analysis to complete");
    }
    Some("waiting for post-promotion verification to complete")
}

fn waiting_canary(canary: &CanaryStrategy, status: &RolloutStatus) -> Option<&'static str> {
    let total = status.replicas.unwrap_or(0);
    if canary.traffic_routing.is_none() && total > status.updated_replicas.unwrap_or(0) {
        return Some("old replicas are pending termination");
    }
    (!promoted(status)).then_some("waiting for all steps to complete")
}

fn promoted(status: &RolloutStatus) -> bool {
    !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::gotime::Time;
    use serde_json::Value;

    /// Recorded rows carry Go's zero time as null, which no API server accepts or returns.
    fn without_nulls(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, member| !member.is_null());
                members.values_mut().for_each(without_nulls);
            }
            Value::Array(items) => items.iter_mut().for_each(without_nulls),
            _ => {}
        }
    }

    fn read(mut value: Value) -> Rollout {
        without_nulls(&mut value);
        if let Some(pauses) = value
            .pointer_mut("/status/pauseConditions")
            .and_then(Value::as_array_mut)
        {
            for pause in pauses {
                pause["startTime"] = "2026-01-01T00:00:00Z".into();
            }
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_recorded_phase_and_message_is_reproduced() {
        let rows = include_str!("../../tests/data/argo/phase.jsonl");
        let mut checked = 0;
        for (line, row) in rows.lines().enumerate() {
            let mut row: Value = serde_json::from_str(row).unwrap();
            let (phase, message) = client_phase(&read(row["rollout"].take()), DateTime::UNIX_EPOCH);
            assert_eq!(
                (phase, message.as_str()),
                (
                    row["wantPhase"].as_str().unwrap(),
                    row["wantMessage"].as_str().unwrap()
                ),
                "line {}",
                line + 1
            );
            checked += 1;
        }
        assert_eq!(checked, 1500);
    }

    #[test]
    fn a_restart_is_pending_until_it_was_carried_out() {
        let at = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let later = Time::parse("2026-01-01T00:00:01Z").unwrap().get();
        let check = |restarted: Option<Time>, now, want: bool| {
            let spec = RolloutSpec {
                restart_at: Some(at),
                ..Default::default()
            };
            let status = RolloutStatus {
                restarted_at: restarted,
                ..Default::default()
            };
            let (_, message) = controller_phase(&spec, &status, now);
            assert_eq!(message == "rollout is restarting", want, "{restarted:?} {now}");
        };
        check(None, later, true);
        check(Some(at), later, false);
        check(None, at.get(), false);
    }

    #[test]
    fn a_written_phase_is_believed_only_for_the_generation_it_was_written_for() {
        let check = |generation: i64, observed: &str, want: &str| {
            let mut rollout = Rollout::default();
            rollout.metadata.generation = generation;
            rollout.status.observed_generation = observed.to_owned();
            rollout.status.phase = "Healthy".to_owned();
            assert_eq!(
                client_phase(&rollout, DateTime::UNIX_EPOCH).0,
                want,
                "{generation} {observed}"
            );
        };
        check(2, "1", "Progressing");
        check(2, "2", "Healthy");
        check(2, "3", "Healthy");
        check(2, "abc123", "Healthy");
    }
}
