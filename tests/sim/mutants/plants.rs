// flat table
//! Planted bugs: each is the true core with one thing wrong. None of this is in the controller.

use super::tools::*;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use serin::base::names::label;
use serin::base::object::Kind;
use serin::measure::{self, Response};
use serin::plan::analysis::{RunPlan, plan_run};
use serin::plan::{Action, Guard, Verb, rollout};

pub fn all() -> Vec<Mutant> {
    let mut all = of_order();
    all.extend(of_guards());
    all.extend(of_capacity());
    all.extend(of_traffic());
    all.extend(of_steps());
    all.extend(of_verdicts());
    all.extend(of_words());
    all
}

fn of_order() -> Vec<Mutant> {
    vec![
        seen!(
            "traffic-before-capacity",
            "believes that the canary's pods are available as soon as they are asked for",
            |seen| {
                for set in &mut seen.replica_sets {
                    set.available = set.replicas_desired;
                    set.ready = set.replicas_desired;
                    set.replicas = set.replicas_desired;
                }
            }
        ),
        seen!(
            "capacity-before-traffic",
            "believes that the route carries no weight for the canary, and takes its pods away",
            |seen| {
                routes(
                    &mut seen,
                    |name, weight| if is_canary(name) { 0 } else { weight.max(100) },
                );
            }
        ),
        seen!(
            "believes-the-route",
            "believes that the route carries what the status says",
            |seen| {
                if let Some(weights) = seen.rollout.status.canary.weights.clone() {
                    let (canary, stable) =
                        (i64::from(weights.canary.weight), i64::from(weights.stable.weight));
                    routes(&mut seen, |name, _| if is_canary(name) { canary } else { stable });
                }
            }
        ),
        out!(
            "status-first",
            "writes the status before what it speaks of",
            |plan, _seen| {
                if !plan.actions.is_empty() {
                    plan.actions.rotate_right(1);
                }
                plan.notes.clear();
            }
        ),
        out!(
            "no-status",
            "forgets to write the status after other writes",
            |plan, _seen| {
                if plan.actions.len() > 1 {
                    plan.actions.retain(|action| action.verb != Verb::PatchStatus);
                }
            }
        ),
        out!(
            "forgets-to-wake",
            "forgets to look again when a time has come",
            |plan, _seen| plan.wake_at = None
        ),
        out!("wakes-late", "looks again ten minutes too late", |plan, _seen| {
            plan.wake_at = plan.wake_at.map(|at| at + TimeDelta::minutes(10));
        }),
        out!("restless", "writes at every look", |plan, _seen| {
            if plan.actions.is_empty() && !plan.deferrable {
                let meta = &_seen.rollout.metadata;
                plan.actions.push(Action {
                    verb: Verb::Patch,
                    kind: Kind::Rollout,
                    key: meta.key(),
                    guard: Guard::Seen {
                        uid: meta.uid.clone(),
                        resource_version: meta.resource_version.clone(),
                    },
                    body: json!({"metadata": {"annotations": {"looked": meta.resource_version}}}),
                });
            }
        }),
    ]
}

fn of_guards() -> Vec<Mutant> {
    vec![
        out!(
            "no-resource-version",
            "writes whatever the object has become",
            |plan, _seen| plan.actions.iter_mut().for_each(no_version)
        ),
        out!(
            "no-resource-version-of-the-status",
            "writes the status over whatever it has become",
            |plan, _seen| {
                plan.actions
                    .iter_mut()
                    .filter(|action| action.verb == Verb::PatchStatus)
                    .for_each(no_version);
            }
        ),
        out!(
            "no-resource-version-of-the-route",
            "writes the route over whatever it has become",
            |plan, _seen| {
                plan.actions
                    .iter_mut()
                    .filter(|action| action.kind == Kind::HttpRoute)
                    .for_each(no_version);
            }
        ),
        out!("no-uid", "writes to whatever has the name", |plan, _seen| {
            for action in &mut plan.actions {
                if let Guard::Seen { uid, .. } = &mut action.guard {
                    uid.clear();
                }
            }
        }),
        out!(
            "no-owner",
            "creates ReplicaSets that nobody owns",
            |plan, _seen| {
                for action in plan
                    .actions
                    .iter_mut()
                    .filter(|action| of(action, Verb::Create, Kind::ReplicaSet))
                {
                    action.body["metadata"]["ownerReferences"] = json!([]);
                }
            }
        ),
        out!(
            "runs-without-owner",
            "creates AnalysisRuns that nobody owns",
            |plan, _seen| {
                for action in plan
                    .actions
                    .iter_mut()
                    .filter(|action| of(action, Verb::Create, Kind::AnalysisRun))
                {
                    action.body["metadata"]["ownerReferences"] = json!([]);
                }
            }
        ),
        planner(
            "names-that-change",
            "gives AnalysisRuns names that depend on the time",
            |seen, now| {
                let mut plan = rollout::plan(seen, now);
                for action in plan
                    .actions
                    .iter_mut()
                    .filter(|action| of(action, Verb::Create, Kind::AnalysisRun))
                {
                    let name = format!("{}-{}", action.key.name, now.timestamp_millis());
                    action.body["metadata"]["name"] = name.clone().into();
                    action.key.name = name;
                }
                plan
            },
        ),
    ]
}

fn of_capacity() -> Vec<Mutant> {
    vec![
        out!("too-many", "one pod more than the budget", |plan, _seen| sizes(
            &mut plan,
            |_, size| if size > 0 { size + 1 } else { 0 }
        )),
        out!(
            "stable-too-small",
            "one stable pod less than the traffic needs",
            |plan, seen| {
                sizes(&mut plan, |action, size| {
                    if is_stable(seen, action) {
                        (size - 1).max(0)
                    } else {
                        size
                    }
                });
            }
        ),
        out!(
            "stable-to-zero",
            "takes all stable pods away whenever it takes one",
            |plan, seen| {
                sizes(&mut plan, |action, size| {
                    if is_stable(seen, action) && !seen.rollout.status.abort {
                        0
                    } else {
                        size
                    }
                });
            }
        ),
        out!(
            "abort-to-zero",
            "takes the stable pods away when an update is aborted",
            |plan, seen| {
                if seen.rollout.status.abort {
                    sizes(
                        &mut plan,
                        |action, size| if is_stable(seen, action) { 0 } else { size },
                    );
                }
            }
        ),
        out!(
            "canary-stays",
            "leaves the canary's pods after an abort",
            |plan, seen| {
                if seen.rollout.status.abort {
                    plan.actions.retain(|action| {
                        !(of(action, Verb::Patch, Kind::ReplicaSet) && is_new(seen, action))
                    });
                }
            }
        ),
        out!(
            "canary-too-small",
            "asks for one canary pod less than the step says",
            |plan, seen| {
                sizes(&mut plan, |action, size| {
                    if is_new(seen, action) && size > 1 {
                        size - 1
                    } else {
                        size
                    }
                });
            }
        ),
        seen!(
            "counts-foreign-pods",
            "counts the pods of every version as the new one's",
            |seen| {
                let all: i32 = seen.replica_sets.iter().map(|set| set.available).sum();
                let hash = seen.rollout.status.current_pod_hash.clone();
                for set in seen.replica_sets.iter_mut().filter(|set| set.hash() == hash) {
                    set.available = set.available.max(all.min(set.replicas_desired));
                    set.ready = set.available;
                    set.replicas = set.replicas.max(set.available);
                }
            }
        ),
        seen!(
            "counts-nothing",
            "never sees a pod available",
            |seen| for set in &mut seen.replica_sets {
                set.available = 0;
            }
        ),
        seen!(
            "no-scale-down-delay",
            "takes old pods away without the delay",
            |seen| {
                if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                    canary.scale_down_delay_seconds = Some(0);
                }
            }
        ),
        out!(
            "old-versions-stay",
            "never takes pods of old versions away",
            |plan, seen| {
                plan.actions.retain(|action| {
                    !(of(action, Verb::Patch, Kind::ReplicaSet)
                        && !is_new(seen, action)
                        && action.body["spec"]["replicas"] == 0)
                });
            }
        ),
        out!(
            "collects-the-stable-version",
            "deletes the stable ReplicaSet of a finished update",
            |plan, seen| {
                let stable = seen
                    .replica_sets
                    .iter()
                    .find(|set| set.hash() == seen.rollout.status.stable_rs);
                if let Some(set) =
                    stable.filter(|_| plan.actions.is_empty() && seen.rollout.status.phase == "Healthy")
                {
                    plan.actions.push(Action {
                        verb: Verb::Delete,
                        kind: Kind::ReplicaSet,
                        key: set.metadata.key(),
                        guard: Guard::Seen {
                            uid: set.metadata.uid.clone(),
                            resource_version: set.metadata.resource_version.clone(),
                        },
                        body: Value::Null,
                    });
                }
            }
        ),
    ]
}

fn of_traffic() -> Vec<Mutant> {
    vec![
        out!(
            "weights-exchanged",
            "gives the canary the stable version's weight",
            |plan, _seen| weights(&mut plan, |_, weight| 100 - weight)
        ),
        out!(
            "weights-do-not-sum",
            "gives the canary five more than was taken from the stable version",
            |plan, _seen| {
                weights(&mut plan, |name, weight| {
                    if is_canary(name) && weight > 0 {
                        weight + 5
                    } else {
                        weight
                    }
                });
            }
        ),
        out!(
            "double-weight",
            "gives the canary twice what the step says",
            |plan, _seen| {
                weights(&mut plan, |name, weight| {
                    let canary = if is_canary(name) { weight } else { 100 - weight };
                    let doubled = (canary * 2).min(100);
                    if is_canary(name) { doubled } else { 100 - doubled }
                });
            }
        ),
        out!(
            "weight-stays-after-abort",
            "leaves the route alone after an abort",
            |plan, seen| {
                if seen.rollout.status.abort {
                    plan.actions.retain(|action| action.kind != Kind::HttpRoute);
                }
            }
        ),
        out!(
            "all-at-once",
            "gives the canary everything at the first step",
            |plan, _seen| {
                weights(&mut plan, |name, weight| match weight {
                    0 | 100 => weight,
                    _ if is_canary(name) => 100,
                    _ => 0,
                });
            }
        ),
        out!(
            "services-stay",
            "forgets to lead the Services to their versions",
            |plan, _seen| plan.actions.retain(|action| action.kind != Kind::Service)
        ),
        out!(
            "services-exchanged",
            "leads the stable Service to the new version",
            |plan, seen| {
                let hash = new_hash(seen);
                for action in plan
                    .actions
                    .iter_mut()
                    .filter(|action| action.kind == Kind::Service && !is_canary(&action.key.name))
                {
                    if action.body.pointer("/spec/selector").is_some() {
                        action.body["spec"]["selector"][label::POD_HASH] = hash.clone().into();
                    }
                }
            }
        ),
    ]
}

fn of_steps() -> Vec<Mutant> {
    vec![
        out!("skips-a-step", "goes two steps on", |plan, seen| {
            let index = i64::from(seen.rollout.status.current_step_index.unwrap_or(0));
            if let Some(status) = status(&mut plan)
                && status["currentStepIndex"].as_i64() == Some(index + 1)
            {
                status["currentStepIndex"] = (index + 2).into();
            }
        }),
        out!(
            "steps-back",
            "goes back to the first step after the last",
            |plan, seen| {
                let index = seen.rollout.status.current_step_index.unwrap_or(0);
                if let Some(status) = status(&mut plan)
                    && index > 0
                    && status["currentStepIndex"].is_i64()
                {
                    status["currentStepIndex"] = 0.into();
                }
            }
        ),
        planner(
            "half-a-pause",
            "thinks that it is twenty seconds later",
            |seen, now| rollout::plan(seen, now + TimeDelta::seconds(20)),
        ),
        seen!("no-pause", "takes every pause for over", |seen| {
            for pause in &mut seen.rollout.status.pause_conditions {
                pause.start_time = serin::base::gotime::Time::new(DateTime::UNIX_EPOCH);
            }
            if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                canary.steps.retain(|step| step.pause.is_none());
            }
        }),
        out!("abort-is-not-kept", "forgets that it aborted", |plan, _seen| {
            if let Some(status) = status(&mut plan)
                && status["abort"] == true
            {
                status["abort"] = false.into();
            }
        }),
        out!("abort-is-undone", "takes a person's abort back", |plan, seen| {
            if seen.rollout.status.abort
                && let Some(status) = status(&mut plan)
            {
                status["abort"] = false.into();
            }
        }),
        seen!("never-aborts", "does not hear of an abort", |seen| {
            seen.rollout.status.abort = false;
        }),
        out!(
            "stable-too-early",
            "calls the new version stable at its first step",
            |plan, seen| {
                let hash = new_hash(seen);
                if let Some(status) = status(&mut plan)
                    && !hash.is_empty()
                {
                    status["stableRS"] = hash.into();
                }
            }
        ),
        out!(
            "never-stable",
            "never calls a new version stable",
            |plan, seen| {
                if !seen.rollout.status.stable_rs.is_empty()
                    && let Some(status) = status(&mut plan).and_then(Value::as_object_mut)
                {
                    status.remove("stableRS");
                }
            }
        ),
        out!(
            "not-observed",
            "does not say which spec it has seen",
            |plan, _seen| {
                if let Some(status) = status(&mut plan).and_then(Value::as_object_mut) {
                    status.remove("observedGeneration");
                }
            }
        ),
    ]
}

fn of_verdicts() -> Vec<Mutant> {
    vec![
        seen!(
            "running-is-success",
            "takes a running analysis for a passed one",
            |seen| {
                for run in &mut seen.analysis_runs {
                    if run.status.phase == "Running" || run.status.phase.is_empty() {
                        run.status.phase = "Successful".into();
                    }
                }
            }
        ),
        seen!(
            "failed-is-success",
            "takes a failed analysis for a passed one",
            |seen| {
                for run in &mut seen.analysis_runs {
                    if run.status.phase == "Failed" {
                        run.status.phase = "Successful".into();
                    }
                }
            }
        ),
        seen!(
            "error-is-success",
            "takes an analysis that could not measure for a passed one",
            |seen| {
                for run in &mut seen.analysis_runs {
                    if run.status.phase == "Error" {
                        run.status.phase = "Successful".into();
                    }
                }
            }
        ),
        seen!(
            "inconclusive-is-success",
            "takes an analysis without a verdict for a passed one",
            |seen| {
                for run in &mut seen.analysis_runs {
                    if run.status.phase == "Inconclusive" {
                        run.status.phase = "Successful".into();
                    }
                }
            }
        ),
        out!(
            "no-analysis",
            "creates no AnalysisRun and goes on",
            |plan, _seen| plan.actions.retain(|action| action.kind != Kind::AnalysisRun)
        ),
        reader("nan-is-zero", "reads NaN as 0", |metric, response| {
            measure::read(metric, response).map(|mut reading| {
                reading.result = no_nan(&reading.result);
                reading
            })
        }),
        reader("error-is-zero", "reads an error as 0", |metric, response| {
            read_or(metric, response, 0.0)
        }),
        reader("everything-is-zero", "reads every value as 0", |metric, _| {
            let none = Response {
                status: 500,
                content_type: String::new(),
                body: Vec::new(),
            };
            read_or(metric, &none, 0.0)
        }),
        reader("everything-is-one", "reads every value as 1", |metric, _| {
            let none = Response {
                status: 500,
                content_type: String::new(),
                body: Vec::new(),
            };
            read_or(metric, &none, 1.0)
        }),
        run_seen!("forgets-measurements", "loses every second measurement", |seen| {
            if seen
                .run
                .status
                .metric_results
                .iter()
                .filter_map(|result| result.count)
                .sum::<i32>()
                % 2
                == 1
            {
                seen.finished.clear();
            }
        }),
        runner(
            "measures-again-and-again",
            "measures without its interval",
            |seen, now| plan_run(seen, now + TimeDelta::minutes(5)),
        ),
        runner("never-measures", "never asks the provider", |seen, now| RunPlan {
            probes: Vec::new(),
            ..plan_run(seen, now)
        }),
    ]
}

fn of_words() -> Vec<Mutant> {
    vec![
        out!(
            "healthy-too-early",
            "says Healthy while the update goes on",
            |plan, _seen| {
                if let Some(status) = status(&mut plan)
                    && status["phase"].is_string()
                {
                    status["phase"] = "Healthy".into();
                }
            }
        ),
        out!("always-progressing", "never says Healthy", |plan, _seen| {
            if let Some(status) = status(&mut plan)
                && status["phase"] == "Healthy"
            {
                status["phase"] = "Progressing".into();
            }
        }),
        out!("no-message", "aborts without a reason", |plan, _seen| {
            if let Some(status) = status(&mut plan)
                && status["phase"] == "Degraded"
            {
                status["message"] = "".into();
            }
        }),
        out!("tells-twice", "tells Slack everything twice", |plan, _seen| {
            let again = plan.announcements.clone();
            plan.announcements.extend(again);
        }),
        out!("tells-nothing", "tells Slack nothing", |plan, _seen| plan
            .announcements
            .clear()),
        out!("long-message", "writes messages without end", |plan, _seen| {
            if let Some(status) = status(&mut plan)
                && status["message"].is_string()
            {
                status["message"] = "x".repeat(40_000).into();
            }
        }),
        out!(
            "foreign-field",
            "writes a field that Argo Rollouts does not know",
            |plan, _seen| {
                if let Some(status) = status(&mut plan) {
                    status["serinMood"] = "fine".into();
                }
            }
        ),
    ]
}
