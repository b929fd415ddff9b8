//! Whether a wait for a rollout is over, and how it ended: a pure fold over the states of one Rollout as they are seen.
//!
//! It decides what a CI job is told. Two rules make the answer safe: a phase is believed only when it was written for the
//! newest spec and after the newest promote, abort or retry; and once the spec moves on to another version, the wait for
//! this one is over. It must not know clusters, time-outs or exit codes.

use crate::api::phase::{self, NOT_OBSERVED};
use crate::api::rollout::Rollout;
use crate::base::names::{annotation, condition, phase as phases, reason};
use crate::view::canary;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What the newest state says about the version that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still on its way, timed pauses included.
    Progressing,
    /// The version is stable and all of it is available.
    Healthy,
    /// Aborted, stuck or not fit to be carried out.
    Degraded,
    /// Nothing will happen until a person acts.
    Paused,
    /// Another version has taken the place of the one that is waited for.
    Superseded,
    /// The Rollout does not exist, or no longer does.
    NotFound,
}

impl Outcome {
    /// True when waiting longer cannot change the answer without somebody acting.
    pub fn is_final(self) -> bool {
        self != Outcome::Progressing
    }
}

/// One state of the Rollout, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub outcome: Outcome,
    /// `Healthy`, `Degraded`, `Progressing` or `Paused`; empty when the version is gone or replaced.
    pub phase: &'static str,
    pub message: String,
}

impl Sight {
    fn new(outcome: Outcome, phase: &'static str, message: impl Into<String>) -> Self {
        Self {
            outcome,
            phase,
            message: message.into(),
        }
    }

    /// The version that was asked for has no phase any more, and that of another one would mislead.
    fn without_phase(outcome: Outcome, message: impl Into<String>) -> Self {
        Self::new(outcome, "", message)
    }

    fn progressing(message: impl Into<String>) -> Self {
        Self::new(Outcome::Progressing, phases::PROGRESSING, message)
    }

    /// The line that people read: `Healthy`, or `Paused - CanaryPauseStep`.
    pub fn line(&self) -> String {
        let word = match self.outcome {
            Outcome::Superseded => "Superseded",
            Outcome::NotFound => "NotFound",
            _ => self.phase,
        };
        match self.message.as_str() {
            "" => word.to_owned(),
            message => format!("{word} - {message}"),
        }
    }
}

/// A wait for one version of one Rollout.
#[derive(Clone, Debug, Default)]
pub struct Wait {
    revision: Option<i64>,
    target: Option<Target>,
}

/// What identifies the version that was current when the wait began.
#[derive(Clone, Debug)]
struct Target {
    uid: String,
    template: Option<Value>,
    /// Known once the controller has seen the spec; identifies the version when the template lives in another object.
    pod_hash: String,
}

impl Wait {
    /// Waits for `revision`, or for the version found at the first sight when it is `None`.
    pub fn new(revision: Option<i64>) -> Self {
        Self {
            revision,
            target: None,
        }
    }

    /// Judges the next state of the Rollout; `None` when it does not exist.
    pub fn see(&mut self, rollout: Option<&Rollout>, now: DateTime<Utc>) -> Sight {
        let Some(rollout) = rollout else {
            return Sight::without_phase(Outcome::NotFound, "the rollout does not exist");
        };
        if rollout.metadata.deleting() {
            return Sight::without_phase(Outcome::NotFound, "the rollout is being deleted");
        }
        let target = self.target.get_or_insert_with(|| Target::of(rollout));
        if target.uid != rollout.metadata.uid {
            return Sight::without_phase(Outcome::NotFound, "the rollout was deleted and created anew");
        }
        let moved_on = match self.revision {
            Some(revision) => newer_revision(rollout, revision),
            None => target.changed(rollout),
        };
        if let Some(why) = moved_on {
            return Sight::without_phase(Outcome::Superseded, why);
        }
        target.learn(rollout);
        let sight = judge(rollout, now);
        match self.revision {
            Some(revision) => not_before(rollout, revision, sight),
            None => sight,
        }
    }
}

impl Target {
    fn of(rollout: &Rollout) -> Self {
        Self {
            uid: rollout.metadata.uid.clone(),
            template: rollout.spec.template.clone(),
            pod_hash: String::new(),
        }
    }

    fn learn(&mut self, rollout: &Rollout) {
        if self.pod_hash.is_empty() && is_current(rollout) {
            self.pod_hash.clone_from(&rollout.status.current_pod_hash);
        }
    }

    /// Why `rollout` is another version than this one, if it is. Scaling, pausing and the like change the spec too, but not
    /// the version.
    fn changed(&self, rollout: &Rollout) -> Option<String> {
        let hash = &rollout.status.current_pod_hash;
        let other_hash = !self.pod_hash.is_empty() && !hash.is_empty() && *hash != self.pod_hash;
        let other_template = rollout.spec.workload_ref.is_none() && rollout.spec.template != self.template;
        let by_hash = other_hash && rollout.spec.workload_ref.is_some();
        (other_template || by_hash).then(|| "the pod template was changed while waiting for it".to_owned())
    }
}

fn newer_revision(rollout: &Rollout, wanted: i64) -> Option<String> {
    let current = rollout.metadata.revision();
    (current > wanted).then(|| format!("revision {wanted} was replaced by revision {current}"))
}

/// A sight of an older revision says nothing about the wanted one, unless the controller refuses the spec: then the
/// wanted revision will not come.
fn not_before(rollout: &Rollout, wanted: i64, sight: Sight) -> Sight {
    let current = rollout.metadata.revision();
    let refused = rollout
        .status
        .conditions
        .iter()
        .any(|c| c.type_ == condition::INVALID_SPEC);
    if current >= wanted || (refused && sight.outcome == Outcome::Degraded) {
        return sight;
    }
    Sight::progressing(format!("waiting for revision {wanted}, the newest is {current}"))
}

/// True when the status was written for exactly this spec. Stricter than clients have to be: a generation that cannot be
/// compared is not taken for the newest.
pub fn is_current(rollout: &Rollout) -> bool {
    let seen = rollout.status.observed_generation.parse::<i64>();
    seen == Ok(rollout.metadata.generation) && workload_seen(rollout)
}

/// With the template in another object, that object's generation has to be seen too.
fn workload_seen(rollout: &Rollout) -> bool {
    let resolved = rollout
        .metadata
        .annotation(annotation::WORKLOAD_GENERATION)
        .unwrap_or("");
    rollout.spec.workload_ref.is_none() || resolved == rollout.status.workload_observed_generation
}

fn judge(rollout: &Rollout, now: DateTime<Utc>) -> Sight {
    if !is_current(rollout) {
        return Sight::progressing(NOT_OBSERVED);
    }
    let (phase, message) = phase::client_phase(rollout, now);
    if let Some(request) = request_in_flight(rollout, phase, &message) {
        return Sight::progressing(format!("waiting for {request} to be observed"));
    }
    let outcome = match phase {
        phases::HEALTHY => Outcome::Healthy,
        phases::DEGRADED => Outcome::Degraded,
        phases::PAUSED if canary::waits_for_person(rollout) => Outcome::Paused,
        _ => Outcome::Progressing,
    };
    Sight::new(outcome, phase, message)
}

/// A promote, abort or retry writes to the status, so it changes no generation: until the controller's next pass the phase
/// beside it still speaks of the time before.
fn request_in_flight(rollout: &Rollout, phase: &str, message: &str) -> Option<&'static str> {
    let status = &rollout.status;
    let aborted = phase == phases::DEGRADED && message.starts_with(reason::ROLLOUT_ABORTED);
    let pause_gone = !rollout.spec.paused && status.pause_conditions.is_empty();
    if status.promote_full && (aborted || phase == phases::PAUSED) {
        return Some("the full promotion");
    }
    if aborted && !status.abort {
        return Some("the retry");
    }
    if status.abort && phase != phases::DEGRADED && !canary::promoted(rollout) {
        return Some("the abort");
    }
    (phase == phases::PAUSED && pause_gone).then_some("the promotion")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::merge_apply;
    use serde_json::json;

    /// A canary of revision 2 at its indefinite pause, fully observed, with `change` merged in.
    fn seen(change: Value) -> Rollout {
        let mut rollout = json!({
            "metadata": {"name": "web", "uid": "u1", "generation": 4, "annotations": {"rollout.argoproj.io/revision": "2"}},
            "spec": {
                "template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}},
                "strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}, {"pause": {"duration": 60}}]}},
            },
            "status": {
                "observedGeneration": "4", "phase": "Progressing", "message": "more replicas need to be updated",
                "currentPodHash": "new", "stableRS": "old", "currentStepIndex": 1,
            },
        });
        merge_apply(&mut rollout, &change);
        serde_json::from_value(rollout).unwrap()
    }

    fn pause_at(step: i32, reason: &str) -> Value {
        json!({"status": {"phase": "Paused", "message": reason, "currentStepIndex": step, "controllerPause": true,
            "pauseConditions": [{"reason": reason, "startTime": "2026-01-01T00:00:00Z"}]}})
    }

    fn check(change: Value, want: Outcome, line: &str) {
        let sight = Wait::new(None).see(Some(&seen(change.clone())), DateTime::UNIX_EPOCH);
        assert_eq!((sight.outcome, sight.line().as_str()), (want, line), "{change}");
    }

    #[test]
    fn phases_written_for_this_spec_are_believed() {
        check(
            json!({}),
            Outcome::Progressing,
            "Progressing - more replicas need to be updated",
        );
        check(
            json!({"status": {"phase": "Healthy", "message": null}}),
            Outcome::Healthy,
            "Healthy",
        );
        let aborted = json!({"status": {"phase": "Degraded", "message": "RolloutAborted: m", "abort": true}});
        check(aborted, Outcome::Degraded, "Degraded - RolloutAborted: m");
        let stuck = json!({"status": {"phase": "Degraded", "message": "ProgressDeadlineExceeded: m"}});
        check(stuck, Outcome::Degraded, "Degraded - ProgressDeadlineExceeded: m");
    }

    #[test]
    fn the_previous_revisions_health_is_never_reported_for_a_spec_that_was_not_observed() {
        for observed in ["3", "", "abc123", "5"] {
            let change =
                json!({"status": {"phase": "Healthy", "message": null, "observedGeneration": observed}});
            check(
                change,
                Outcome::Progressing,
                "Progressing - waiting for rollout spec update to be observed",
            );
        }
        let workload = json!({
            "metadata": {"annotations": {"rollout.argoproj.io/workload-generation": "7"}},
            "spec": {"template": null, "workloadRef": {"kind": "Deployment", "name": "web"}},
            "status": {"phase": "Healthy", "message": null, "workloadObservedGeneration": "6"},
        });
        check(
            workload,
            Outcome::Progressing,
            "Progressing - waiting for rollout spec update to be observed",
        );
    }

    #[test]
    fn only_a_pause_without_end_ends_the_wait() {
        check(
            pause_at(1, "CanaryPauseStep"),
            Outcome::Paused,
            "Paused - CanaryPauseStep",
        );
        check(
            pause_at(2, "CanaryPauseStep"),
            Outcome::Progressing,
            "Paused - CanaryPauseStep",
        );
        check(
            pause_at(2, "InconclusiveAnalysisRun"),
            Outcome::Paused,
            "Paused - InconclusiveAnalysisRun",
        );
        let by_hand =
            json!({"spec": {"paused": true}, "status": {"phase": "Paused", "message": "manually paused"}});
        check(by_hand, Outcome::Paused, "Paused - manually paused");
    }

    #[test]
    fn what_a_person_asked_for_hides_the_phase_written_before() {
        let check = |mut change: Value, request: Value, line: &str| {
            merge_apply(&mut change, &request);
            check(change, Outcome::Progressing, &format!("Progressing - {line}"));
        };
        let aborted = json!({"status": {"phase": "Degraded", "message": "RolloutAborted: m", "abort": true}});
        let paused = pause_at(1, "CanaryPauseStep");
        check(
            paused.clone(),
            json!({"status": {"pauseConditions": []}}),
            "waiting for rollout to unpause",
        );
        let skip_inconclusive =
            json!({"status": {"pauseConditions": [], "controllerPause": false, "currentStepIndex": 2}});
        check(
            paused.clone(),
            skip_inconclusive,
            "waiting for the promotion to be observed",
        );
        let full = json!({"status": {"promoteFull": true}});
        check(
            paused.clone(),
            full.clone(),
            "waiting for the full promotion to be observed",
        );
        check(
            aborted.clone(),
            full,
            "waiting for the full promotion to be observed",
        );
        check(
            aborted,
            json!({"status": {"abort": false}}),
            "waiting for the retry to be observed",
        );
        check(
            paused,
            json!({"status": {"abort": true}}),
            "waiting for the abort to be observed",
        );
    }

    #[test]
    fn an_abort_flag_on_a_promoted_rollout_is_void() {
        let healthy =
            json!({"status": {"phase": "Healthy", "message": null, "stableRS": "new", "abort": true}});
        check(healthy, Outcome::Healthy, "Healthy");
    }

    /// Outcomes of seeing the changes one after the other.
    fn follow(revision: Option<i64>, changes: &[Value]) -> Vec<Outcome> {
        let mut wait = Wait::new(revision);
        let mut judge = |change: &Value| {
            let rollout = (!change.is_null()).then(|| seen(change.clone()));
            wait.see(rollout.as_ref(), DateTime::UNIX_EPOCH).outcome
        };
        changes.iter().map(&mut judge).collect()
    }

    #[test]
    fn another_template_supersedes_the_version_that_is_waited_for() {
        use Outcome::*;
        let healthy = json!({"status": {"phase": "Healthy", "message": null}});
        let mut next = healthy.clone();
        merge_apply(
            &mut next,
            &json!({"metadata": {"generation": 5}, "spec": {"template": {"spec": {"hostname": "x"}}}}),
        );
        assert_eq!(follow(None, &[json!({}), next]), [Progressing, Superseded]);
        let scaled = json!({"metadata": {"generation": 5}, "spec": {"replicas": 9}, "status": {"observedGeneration": "5"}});
        assert_eq!(
            follow(None, &[json!({}), scaled, healthy]),
            [Progressing, Progressing, Healthy]
        );
    }

    #[test]
    fn a_referenced_workload_is_recognised_by_its_hash() {
        use Outcome::*;
        let with = |hash: &str| json!({"spec": {"template": null, "workloadRef": {"name": "web"}}, "status": {"currentPodHash": hash}});
        assert_eq!(
            follow(None, &[with("a"), with("a"), with("b")]),
            [Progressing, Progressing, Superseded]
        );
    }

    #[test]
    fn a_numbered_revision_is_waited_for_and_can_be_replaced() {
        use Outcome::*;
        let at = |revision: &str, change: Value| {
            let mut at = json!({"metadata": {"annotations": {"rollout.argoproj.io/revision": revision}}});
            merge_apply(&mut at, &change);
            at
        };
        let healthy = json!({"status": {"phase": "Healthy", "message": null}});
        let invalid = json!({"status": {"phase": "Degraded", "message": "InvalidSpec: m", "conditions":
            [{"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec", "message": "m"}]}});
        assert_eq!(
            follow(Some(2), &[at("1", healthy.clone()), at("2", healthy.clone())]),
            [Progressing, Healthy]
        );
        assert_eq!(follow(Some(2), &[at("3", healthy)]), [Superseded]);
        assert_eq!(follow(Some(2), &[at("1", invalid)]), [Degraded]);
    }

    #[test]
    fn a_rollout_that_is_gone_or_was_replaced_is_not_found() {
        use Outcome::*;
        assert_eq!(follow(None, &[Value::Null]), [NotFound]);
        assert_eq!(follow(None, &[json!({}), Value::Null]), [Progressing, NotFound]);
        assert_eq!(
            follow(None, &[json!({}), json!({"metadata": {"uid": "u2"}})]),
            [Progressing, NotFound]
        );
        let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert_eq!(follow(None, &[going]), [NotFound]);
    }
}
