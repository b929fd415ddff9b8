//! The writes that promote, abort and retry a rollout, as values: merge patches that Argo Rollouts' controller understands
//! too.
//!
//! A promote changes the status (a pause is a fact there) and, when the spec is paused by hand, the spec. It decides from
//! one state of the Rollout and sends nothing.

use crate::api::phase::observed;
use crate::api::rollout::Rollout;
use crate::view::canary;
use serde_json::{Value, json};

/// How far to promote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// Go on from the current pause or step.
    Next,
    /// Skip the current step.
    SkipStep,
    /// Skip all remaining steps, but not the analyses.
    SkipAllSteps,
    /// Skip steps, pauses and analyses.
    Full,
}

/// The merge patches of one request: the status first, then the spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patches {
    pub status: Option<Value>,
    pub spec: Option<Value>,
}

impl Patches {
    /// Both in one, for clusters where a Rollout has no status subresource.
    pub fn unified(&self) -> Value {
        let mut whole = json!({});
        for patch in [&self.spec, &self.status].into_iter().flatten() {
            crate::base::json::merge_patches(&mut whole, patch);
        }
        whole
    }
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    Write(Patches),
    /// Nothing to do: why.
    Nothing(String),
    /// Not possible: why, and what to do instead.
    Refuse(String, String),
}

pub fn abort() -> Patches {
    Patches {
        status: Some(json!({"status": {"abort": true}})),
        spec: None,
    }
}

/// Aborts what `seen` shows, and nothing that came after it: a newer spec would take the abort back without a word.
pub fn abort_seen(seen: &Rollout) -> Patches {
    let version = &seen.metadata.resource_version;
    Patches {
        status: Some(json!({"metadata": {"resourceVersion": version}, "status": {"abort": true}})),
        spec: None,
    }
}

pub fn retry() -> Patches {
    Patches {
        status: Some(json!({"status": {"abort": false}})),
        spec: None,
    }
}

/// The writes that promote `rollout`.
pub fn promote(rollout: &Rollout, promotion: Promotion) -> Decision {
    if let Some(obstacle) = obstacle(rollout, promotion) {
        return obstacle;
    }
    let steps = canary::step(rollout);
    let next = steps.map(|(index, count)| (index + 1).min(count));
    match (promotion, steps) {
        (Promotion::Next, _) => Decision::Write(promote_next(rollout, next)),
        (Promotion::Full, _) => Decision::Write(promote_full(rollout)),
        (Promotion::SkipStep, Some(_)) => Decision::Write(to_step(next)),
        (Promotion::SkipAllSteps, Some((_, count))) => Decision::Write(to_step(Some(count))),
        (_, None) => Decision::Refuse(
            "it has no canary steps to skip".into(),
            "leave the flag out".into(),
        ),
    }
}

/// Why nothing should be written, if so.
fn obstacle(rollout: &Rollout, promotion: Promotion) -> Option<Decision> {
    let status = &rollout.status;
    if !observed(rollout) {
        let why =
            "the controller has not seen the newest spec yet, so it is not known what would be promoted";
        return Some(Decision::Refuse(
            why.into(),
            "try again in a moment, and check that the controller runs".into(),
        ));
    }
    let resting = status.pause_conditions.is_empty() && !rollout.spec.paused;
    if canary::promoted(rollout) && resting {
        let revision = rollout.metadata.revision();
        return Some(Decision::Nothing(format!(
            "revision {revision} is promoted already"
        )));
    }
    if status.abort && promotion != Promotion::Full {
        let hint = "start over with serin retry, or go through with serin promote --full";
        return Some(Decision::Refuse("it is aborted".into(), hint.into()));
    }
    None
}

fn to_step(index: Option<usize>) -> Patches {
    Patches {
        status: Some(json!({"status": {"currentStepIndex": index}})),
        spec: None,
    }
}

fn unpause(rollout: &Rollout) -> Option<Value> {
    rollout.spec.paused.then(|| json!({"spec": {"paused": false}}))
}

fn promote_full(rollout: &Rollout) -> Patches {
    let under_way = rollout.status.current_pod_hash != rollout.status.stable_rs;
    Patches {
        status: under_way.then(|| json!({"status": {"promoteFull": true}})),
        spec: unpause(rollout),
    }
}

fn promote_next(rollout: &Rollout, next: Option<usize>) -> Patches {
    let status = &rollout.status;
    let paused = !status.pause_conditions.is_empty();
    let step_run = status.canary.current_step_analysis_run_status.as_ref();
    let inconclusive = step_run.is_some_and(|run| run.status == "Inconclusive");
    let canary = rollout.spec.strategy.canary.is_some();
    let mut patch = json!({"pauseConditions": null});
    match next {
        // The inconclusive step would be measured again: it is left behind, and the handshake that asks for it is undone.
        Some(next) if canary && inconclusive && paused && status.controller_pause => {
            patch["controllerPause"] = false.into();
            patch["currentStepIndex"] = next.into();
        }
        Some(next) if canary && !paused => patch["currentStepIndex"] = next.into(),
        _ => {}
    }
    let nothing = !canary && !paused;
    Patches {
        status: (!nothing).then(|| json!({"status": patch})),
        spec: unpause(rollout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::merge_apply;

    fn canary(change: Value) -> Rollout {
        let mut rollout = json!({
            "metadata": {"generation": 2, "annotations": {"rollout.argoproj.io/revision": "3"}},
            "spec": {"strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}]}}},
            "status": {"observedGeneration": "2", "currentPodHash": "new", "stableRS": "old", "currentStepIndex": 1},
        });
        merge_apply(&mut rollout, &change);
        serde_json::from_value(rollout).unwrap()
    }

    fn paused() -> Value {
        json!({"status": {"controllerPause": true,
            "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]}})
    }

    fn check(change: Value, promotion: Promotion, status: Value, spec: Value) {
        let some = |value: Value| (!value.is_null()).then_some(value);
        let want = Decision::Write(Patches {
            status: some(status),
            spec: some(spec),
        });
        assert_eq!(
            promote(&canary(change.clone()), promotion),
            want,
            "{change} {promotion:?}"
        );
    }

    #[test]
    fn promote_clears_a_pause_and_nothing_else() {
        check(
            paused(),
            Promotion::Next,
            json!({"status": {"pauseConditions": null}}),
            Value::Null,
        );
    }

    #[test]
    fn promote_without_a_pause_skips_the_running_step() {
        let to = |index: i32| json!({"status": {"pauseConditions": null, "currentStepIndex": index}});
        check(json!({}), Promotion::Next, to(2), Value::Null);
        check(
            json!({"status": {"currentStepIndex": null}}),
            Promotion::Next,
            to(1),
            Value::Null,
        );
        check(
            json!({"status": {"currentStepIndex": 3}}),
            Promotion::Next,
            to(3),
            Value::Null,
        );
    }

    #[test]
    fn promote_leaves_an_inconclusive_analysis_behind() {
        let mut change = paused();
        let run = json!({"status": {"canary": {"currentStepAnalysisRunStatus": {"name": "r", "status": "Inconclusive"}}}});
        merge_apply(&mut change, &run);
        let want =
            json!({"status": {"pauseConditions": null, "controllerPause": false, "currentStepIndex": 2}});
        check(change, Promotion::Next, want, Value::Null);
    }

    #[test]
    fn promote_takes_a_pause_by_hand_back() {
        let unpause = json!({"spec": {"paused": false}});
        let mut change = paused();
        merge_apply(&mut change, &json!({"spec": {"paused": true}}));
        check(
            change.clone(),
            Promotion::Next,
            json!({"status": {"pauseConditions": null}}),
            unpause.clone(),
        );
        check(
            change,
            Promotion::Full,
            json!({"status": {"promoteFull": true}}),
            unpause.clone(),
        );
        let promoted =
            json!({"spec": {"paused": true}, "status": {"stableRS": "new", "currentStepIndex": 3}});
        check(promoted, Promotion::Full, Value::Null, unpause);
    }

    #[test]
    fn steps_are_skipped_by_index() {
        let to = |index: i32| json!({"status": {"currentStepIndex": index}});
        check(paused(), Promotion::SkipStep, to(2), Value::Null);
        check(paused(), Promotion::SkipAllSteps, to(3), Value::Null);
    }

    #[test]
    fn an_aborted_rollout_can_only_be_promoted_fully() {
        let aborted = json!({"status": {"abort": true}});
        check(
            aborted.clone(),
            Promotion::Full,
            json!({"status": {"promoteFull": true}}),
            Value::Null,
        );
        for promotion in [Promotion::Next, Promotion::SkipStep, Promotion::SkipAllSteps] {
            assert!(matches!(
                promote(&canary(aborted.clone()), promotion),
                Decision::Refuse(..)
            ));
        }
    }

    #[test]
    fn a_promoted_rollout_has_nothing_to_promote() {
        let promoted = canary(json!({"status": {"stableRS": "new", "currentStepIndex": 3}}));
        let want = Decision::Nothing("revision 3 is promoted already".into());
        assert_eq!(promote(&promoted, Promotion::Next), want);
        assert_eq!(promote(&promoted, Promotion::Full), want);
    }

    #[test]
    fn a_spec_that_was_not_observed_is_not_promoted() {
        let unobserved = canary(json!({"metadata": {"generation": 3}}));
        assert!(matches!(
            promote(&unobserved, Promotion::Full),
            Decision::Refuse(..)
        ));
    }

    #[test]
    fn blue_green_has_no_steps_to_skip_and_only_pauses_to_clear() {
        let strategy = json!({"spec": {"strategy": {"canary": null, "blueGreen": {"activeService": "a"}}}});
        let mut paused = paused();
        merge_apply(&mut paused, &strategy);
        check(
            paused,
            Promotion::Next,
            json!({"status": {"pauseConditions": null}}),
            Value::Null,
        );
        check(strategy.clone(), Promotion::Next, Value::Null, Value::Null);
        assert!(matches!(
            promote(&canary(strategy), Promotion::SkipStep),
            Decision::Refuse(..)
        ));
    }

    #[test]
    fn without_a_status_subresource_both_patches_are_one() {
        let patches = Patches {
            status: Some(json!({"status": {"pauseConditions": null}})),
            spec: Some(json!({"spec": {"paused": false}})),
        };
        assert_eq!(
            patches.unified(),
            json!({"spec": {"paused": false}, "status": {"pauseConditions": null}})
        );
    }
}
