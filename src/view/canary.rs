//! Where an update stands: a canary's current step, the weight it is asked to have and the weight it has; which side of its switch a
//! blue-green update is on.
//!
//! Reads spec and status only; it decides nothing and never changes a weight.

use crate::api::analysis_run::completed;
use crate::api::rollout::Rollout;
use crate::api::rollout_status::RunStatusRef;
use crate::api::strategy::CanaryStep;
use crate::base::names::pause;
use crate::plan::ReplicaSet;

/// 0-based index of the current step and how many steps there are. The index equals the count when all steps are done.
/// `None` for a rollout without canary steps.
pub fn step(rollout: &Rollout) -> Option<(usize, usize)> {
    let count = steps(rollout).len();
    let index = usize::try_from(rollout.status.current_step_index.unwrap_or(0)).unwrap_or(0);
    (count > 0).then_some((index.min(count), count))
}

/// The step being carried out; `None` when there are no steps or all are done.
pub fn current_step(rollout: &Rollout) -> Option<&CanaryStep> {
    let (index, _) = step(rollout)?;
    steps(rollout).get(index)
}

fn steps(rollout: &Rollout) -> &[CanaryStep] {
    let canary = rollout.spec.strategy.canary.as_ref();
    canary.map_or(&[], |canary| canary.steps.as_slice())
}

/// The sum of all weights: 100 unless the router was told otherwise.
pub fn weight_max(rollout: &Rollout) -> i32 {
    let canary = rollout.spec.strategy.canary.as_ref();
    let routing = canary.and_then(|canary| canary.traffic_routing.as_ref());
    routing.and_then(|r| r.max_traffic_weight).unwrap_or(100)
}

/// The weight that the steps ask for now: 0 once aborted, all of it when the steps are done.
pub fn weight_wanted(rollout: &Rollout) -> i32 {
    if rollout.status.abort {
        return 0;
    }
    match step(rollout) {
        Some((index, count)) if index < count => steps(rollout)[..=index]
            .iter()
            .rev()
            .find_map(|step| step.set_weight)
            .unwrap_or(0),
        _ => weight_max(rollout),
    }
}

/// The weight that the canary has: what the router was told last, or its share of the available pods.
pub fn weight_actual(rollout: &Rollout, replica_sets: &[ReplicaSet]) -> i32 {
    let status = &rollout.status;
    let available = status.available_replicas.unwrap_or(0);
    let Some(canary) = rollout.spec.strategy.canary.as_ref() else {
        return 0;
    };
    if current_step(rollout).is_none() && !status.abort {
        return weight_max(rollout);
    }
    if available <= 0 {
        return 0;
    }
    if canary.traffic_routing.is_some() {
        let told = rollout.status.canary.weights.as_ref();
        return told.map_or_else(|| weight_wanted(rollout), |weights| weights.canary.weight);
    }
    let of_canary = |rs: &&ReplicaSet| !rs.hash().is_empty() && rs.hash() == status.current_pod_hash;
    let canary_available = replica_sets.iter().find(of_canary).map_or(0, |rs| rs.available);
    let share = i64::from(canary_available) * i64::from(weight_max(rollout)) / i64::from(available);
    i32::try_from(share).unwrap_or(i32::MAX)
}

/// How far the switch of a blue-green update is, for people; none for a canary and before the first status.
pub fn switch(rollout: &Rollout) -> Option<&'static str> {
    let (strategy, status) = (rollout.spec.strategy.blue_green.as_ref()?, &rollout.status);
    if status.current_pod_hash.is_empty() {
        return None;
    }
    let switched = status.blue_green.active_selector == status.current_pod_hash;
    let waiting = |run: &Option<RunStatusRef>| run.as_ref().is_some_and(|run| !completed(&run.status));
    Some(match promoted(rollout) {
        _ if status.abort && switched => "aborted, on its way back",
        _ if status.abort => "aborted",
        true if switched => "done",
        false if switched && strategy.post_promotion_analysis.is_some() => "done, being judged",
        _ if switched => "done",
        _ if !status.pause_conditions.is_empty() && waits_for_person(rollout) => "waits for a person",
        _ if !status.pause_conditions.is_empty() => "waits for its time",
        _ if waiting(&status.blue_green.pre_promotion_analysis_run_status) => "waits for its analysis",
        _ => "waits for pods",
    })
}

/// True when the new version is the stable one: nothing is on its way.
pub fn promoted(rollout: &Rollout) -> bool {
    let status = &rollout.status;
    !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
}

/// True when the rollout rests until somebody acts; a pause with a duration ends by itself.
pub fn waits_for_person(rollout: &Rollout) -> bool {
    if rollout.spec.paused {
        return true;
    }
    let blue_green = rollout.spec.strategy.blue_green.as_ref();
    let timed_step = current_step(rollout)
        .and_then(|step| step.pause.as_ref())
        .is_some_and(|pause| pause.duration.is_some());
    rollout
        .status
        .pause_conditions
        .iter()
        .any(|c| match c.reason.as_str() {
            pause::CANARY_STEP => !timed_step,
            pause::BLUE_GREEN => blue_green.is_none_or(|bg| bg.auto_promotion_enabled == Some(false)),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rollout(steps: serde_json::Value, status: serde_json::Value) -> Rollout {
        serde_json::from_value(json!({"spec": {"strategy": {"canary": {"steps": steps}}}, "status": status}))
            .unwrap()
    }

    #[test]
    fn the_wanted_weight_is_that_of_the_nearest_set_weight_behind() {
        let steps = json!([{"pause": {}}, {"setWeight": 5}, {"pause": {}}, {"setWeight": 50}]);
        let check = |status, want: i32| assert_eq!(weight_wanted(&rollout(steps.clone(), status)), want);
        check(json!({}), 0);
        check(json!({"currentStepIndex": 1}), 5);
        check(json!({"currentStepIndex": 2}), 5);
        check(json!({"currentStepIndex": 3}), 50);
        check(json!({"currentStepIndex": 4}), 100);
        check(json!({"currentStepIndex": 9}), 100);
        check(json!({"currentStepIndex": 3, "abort": true}), 0);
    }

    #[test]
    fn without_a_router_the_actual_weight_is_the_share_of_available_pods() {
        let mut seen = rollout(
            json!([{"setWeight": 20}, {"pause": {}}]),
            json!({"currentStepIndex": 1, "currentPodHash": "new", "availableReplicas": 5}),
        );
        let mut canary = ReplicaSet {
            available: 1,
            ..Default::default()
        };
        canary
            .metadata
            .labels
            .insert("rollouts-pod-template-hash".into(), "new".into());
        assert_eq!(weight_actual(&seen, &[canary.clone()]), 20);
        seen.status.available_replicas = Some(0);
        assert_eq!(weight_actual(&seen, &[canary]), 0);
    }

    #[test]
    fn the_switch_is_told_in_the_words_of_what_it_waits_for() {
        let check = |change: serde_json::Value, want: Option<&str>| {
            let mut rollout = json!({
                "spec": {"strategy": {"blueGreen": {"activeService": "a", "autoPromotionEnabled": false,
                    "postPromotionAnalysis": {}}}},
                "status": {"currentPodHash": "new", "stableRS": "old", "blueGreen": {"activeSelector": "old"}},
            });
            crate::base::json::merge_apply(&mut rollout, &change);
            assert_eq!(
                switch(&serde_json::from_value(rollout).unwrap()),
                want,
                "{change}"
            );
        };
        let pause = json!({"status": {"pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-01-01T00:00:00Z"}]}});
        check(json!({}), Some("waits for pods"));
        check(pause.clone(), Some("waits for a person"));
        let mut timed = pause;
        timed["spec"] =
            json!({"strategy": {"blueGreen": {"autoPromotionEnabled": null, "autoPromotionSeconds": 5}}});
        check(timed, Some("waits for its time"));
        let run = json!({"prePromotionAnalysisRunStatus": {"name": "r", "status": "Running"}});
        check(
            json!({"status": {"blueGreen": run}}),
            Some("waits for its analysis"),
        );
        let switched = json!({"activeSelector": "new"});
        check(
            json!({"status": {"blueGreen": switched}}),
            Some("done, being judged"),
        );
        check(
            json!({"status": {"blueGreen": switched, "stableRS": "new"}}),
            Some("done"),
        );
        check(
            json!({"status": {"blueGreen": switched, "abort": true}}),
            Some("aborted, on its way back"),
        );
        check(json!({"status": {"abort": true}}), Some("aborted"));
        check(json!({"status": {"currentPodHash": null}}), None);
    }

    #[test]
    fn only_pauses_without_an_end_wait_for_a_person() {
        let steps = json!([{"pause": {}}, {"pause": {"duration": "5m"}}]);
        let check = |index: i32, reason: &str, want: bool| {
            let status = json!({"currentStepIndex": index, "pauseConditions":
                [{"reason": reason, "startTime": "2026-01-01T00:00:00Z"}]});
            assert_eq!(
                waits_for_person(&rollout(steps.clone(), status)),
                want,
                "{index} {reason}"
            );
        };
        check(0, "CanaryPauseStep", true);
        check(1, "CanaryPauseStep", false);
        check(1, "InconclusiveAnalysisRun", true);
        assert!(!waits_for_person(&rollout(steps.clone(), json!({}))));
    }
}
