// flat table
//! Incidents with what people ask for: aborts, promotions, retries, upgrades, and several controllers at once.

use super::super::tools::*;
use super::{Incident, row};
use serde_json::{Value, json};
use serin::api::rollout_status::PauseCondition;
use serin::base::gotime::Time;
use serin::base::names::{condition, pause, reason};
use serin::base::object::Kind;
use serin::controller::pass::Core;
use serin::plan::{Observed, Plan, Verb, rollout};

pub fn rows() -> Vec<Incident> {
    let mut rows = of_aborts();
    rows.extend(of_promotions());
    rows.extend(of_controllers());
    rows
}

fn of_aborts() -> Vec<Incident> {
    vec![
        row(
            "abort-of-nothing-leaves-stable-alone",
            "An abort while nothing was under way scaled stable from 7 to 0 (argo-rollouts#1292)",
            "nothing happens",
            out!(
                "abort-of-nothing-takes-stable",
                "an abort of nothing takes stable away",
                |plan, seen| {
                    if let Some(set) =
                        stable_set(seen).filter(|_| seen.rollout.status.abort && !updating(seen))
                    {
                        resize(&mut plan, set, 0);
                        if let Some(status) = status(&mut plan).and_then(Value::as_object_mut) {
                            status.remove("abort");
                        }
                    }
                }
            ),
        ),
        row(
            "aborted-canary-stays-away-when-scaled",
            "An autoscaler's write brought an aborted canary back to life (argo-rollouts#4973)",
            "only a retry or a new version ends an abort",
            seen!(
                "rescale-forgets-the-abort",
                "forgets an abort when replicas change",
                |seen| {
                    if seen.rollout.status.abort
                        && stable_set(&seen).is_some_and(|set| set.replicas_desired != replicas(&seen))
                    {
                        seen.rollout.status.abort = false;
                    }
                }
            ),
        ),
        row(
            "abort-goes-before-promotion",
            "An abort had no effect after a promotion past all steps (argo-rollouts#4461)",
            "an abort goes before every promotion",
            seen!(
                "promotion-goes-before-abort",
                "does not hear of an abort once promoted in full",
                |seen| {
                    if seen.rollout.status.promote_full {
                        seen.rollout.status.abort = false;
                    }
                }
            ),
        ),
        row(
            "aborted-release-is-not-tried-again-by-itself",
            "An aborted release was tried again and again without anybody asking (argo-rollouts#2929, #1665)",
            "it stays aborted, for however long",
            planner(
                "tries-again",
                "tries an aborted release again after five minutes",
                |seen, now| {
                    let mut seen = seen.clone();
                    let status = &mut seen.rollout.status;
                    if status
                        .aborted_at
                        .is_some_and(|at| at.get() + chrono::TimeDelta::minutes(5) < now)
                    {
                        status.abort = false;
                        status.aborted_at = None;
                    }
                    rollout::plan(&seen, now)
                },
            ),
        ),
        row(
            "provider-that-hangs-holds-nobody-up",
            "A provider that did not answer held up the controller's worker, and people's aborts with it",
            "measurements run beside the passes",
            out!(
                "abort-waits-for-the-run",
                "an abort waits for the analysis to end",
                |plan, seen| {
                    let open = seen.analysis_runs.iter().any(|run| run.status.phase == "Running");
                    if seen.rollout.status.abort && open {
                        plan = Plan::default();
                    }
                }
            ),
        ),
    ]
}

/// One step behind: decides from the status that it wrote itself, and sees others' writes to it later or never.
fn from_its_own_copy(seen: &Observed, now: chrono::DateTime<chrono::Utc>) -> Plan {
    let mut seen = seen.clone();
    let generation = seen.rollout.metadata.generation.to_string();
    if recall("generation") == Some(generation.clone().into())
        && let Some(status) = recall("status").and_then(|status| serde_json::from_value(status).ok())
    {
        seen.rollout.status = status;
    }
    let mut plan = rollout::plan(&seen, now);
    if let Some(patch) = status(&mut plan) {
        let mut whole = serde_json::to_value(&seen.rollout.status).unwrap_or_default();
        serin::base::json::merge_apply(&mut whole, patch);
        remember("status", whole);
        remember("generation", generation);
    }
    plan
}

fn of_promotions() -> Vec<Incident> {
    vec![
        row(
            "blue-green-waits-for-a-person",
            "The controller decided from a copy of its own and did not see what people had written: stuck until it was restarted (argo-rollouts#1904, #2522, #3316)",
            "only what the API server said is believed",
            planner(
                "acts-on-its-own-copy",
                "decides from the status that it wrote itself",
                from_its_own_copy,
            ),
        ),
        row(
            "promote-is-not-lost-with-watch-events",
            "A Rollout paused again after it was promoted, or the promotion had no effect (argo-rollouts#720, #4694)",
            "what is stored is acted on, whatever watches tell",
            planner(
                "pauses-again",
                "takes a pause that a person ended for one that it lost",
                |seen, now| {
                    let mut seen = seen.clone();
                    let status = &mut seen.rollout.status;
                    if status.controller_pause && status.pause_conditions.is_empty() && !status.abort {
                        status.pause_conditions = vec![PauseCondition {
                            reason: pause::CANARY_STEP.into(),
                            start_time: Time::new(now),
                        }];
                    }
                    rollout::plan(&seen, now)
                },
            ),
        ),
        row(
            "person-promotes-after-no-verdict",
            "A Rollout that was promoted after an inconclusive analysis stayed where it was (argo-rollouts#2151, #3015)",
            "a person's word counts for the analysis",
            planner(
                "no-verdict-is-for-ever",
                "pauses again for an inconclusive analysis that a person overruled",
                |seen, now| {
                    let mut seen = seen.clone();
                    let status = &mut seen.rollout.status;
                    let open = seen
                        .analysis_runs
                        .iter()
                        .any(|run| run.status.phase == "Inconclusive");
                    if open && status.pause_conditions.is_empty() && !status.abort {
                        status.pause_conditions = vec![PauseCondition {
                            reason: pause::INCONCLUSIVE_ANALYSIS.into(),
                            start_time: Time::new(now),
                        }];
                    }
                    rollout::plan(&seen, now)
                },
            ),
        ),
        row(
            "pause-does-not-count-against-the-deadline",
            "A Rollout that waited for a person timed out every quarter of an hour (argo-rollouts#3534, #1225)",
            "the deadline counts only while pods are waited for",
            planner(
                "deadline-runs-in-a-pause",
                "the deadline runs on during a pause",
                |seen, now| {
                    let mut plan = rollout::plan(seen, now);
                    let limit = i64::from(seen.rollout.spec.progress_deadline_seconds.unwrap_or(600));
                    let begun = seen
                        .rollout
                        .status
                        .pause_conditions
                        .first()
                        .map(|pause| pause.start_time.get());
                    if let Some(begun) = begun {
                        let due = begun + chrono::TimeDelta::seconds(limit);
                        if due > now {
                            plan.wake_at = Some(due);
                        } else if seen.rollout.status.phase == "Degraded" {
                            keep(&mut plan, |action| action.verb != Verb::PatchStatus);
                        } else if let Some(status) = status_or_new(&mut plan, seen) {
                            status["phase"] = "Degraded".into();
                            status["message"] =
                                "ProgressDeadlineExceeded: ReplicaSet has timed out progressing".into();
                        }
                    }
                    plan
                },
            ),
        ),
        row(
            "blue-green-good-release-is-switched",
            "A pipeline read Healthy before the controller had begun with what it had been given (argo-rollouts#1390, kargo#41)",
            "observedGeneration and phase are written together",
            out!(
                "healthy-until-done",
                "says Healthy of a version that it has only begun with",
                |plan, seen| {
                    if seen.rollout.status.phase == "Healthy"
                        && let Some(status) = status(&mut plan).and_then(Value::as_object_mut)
                    {
                        status.remove("phase");
                    }
                }
            ),
        ),
    ]
}

/// What another version of the controller would make of the same template, from a minute and a half after the creation on.
fn with_other_defaults(seen: &Observed) -> Observed {
    let mut seen = seen.clone();
    if recall("upgraded").is_some()
        && let Some(template) = &mut seen.rollout.spec.template
    {
        template["spec"]["hostUsers"] = json!(true);
    }
    seen
}

fn hashes_anew() -> Mutant {
    let mut mutant = planner(
        "another-version-hashes-anew",
        "after an upgrade computes another hash of the same template",
        |seen, now| {
            let created = seen.rollout.metadata.creation_timestamp;
            if created.is_some_and(|at| at.get() + chrono::TimeDelta::seconds(90) < now) {
                remember("upgraded", true);
            }
            rollout::plan(&with_other_defaults(seen), now)
        },
    );
    mutant.core = Core {
        survey: |seen| rollout::survey(&with_other_defaults(seen)),
        ..mutant.core
    };
    mutant
}

fn of_controllers() -> Vec<Incident> {
    vec![
        row(
            "upgrade-of-the-controller-changes-nothing",
            "An upgrade of the controller computed other hashes: every Rollout of the cluster got a new revision (argo-rollouts#4696, #4818)",
            "a version is known by its template, not by what a release of the controller makes of it",
            hashes_anew(),
        ),
        row(
            "second-replica-takes-over",
            "Each replica of the controller sent its own notification (argo-rollouts#2556, #1667)",
            "a message belongs to the update, and is sent once whoever leads",
            out!(
                "each-replica-tells",
                "tells things once more under another name",
                |plan, _seen| {
                    let mut again = plan.announcements.clone();
                    again.iter_mut().for_each(|one| one.rollout_uid.push('b'));
                    plan.announcements.extend(again);
                }
            ),
        ),
        row(
            "old-leader-writes-nothing",
            "A leader that had lost its lease went on writing beside the new one (argo-rollouts#2117)",
            "every write says what it was decided from, and is refused when that has changed",
            out!(
                "writes-are-not-fenced",
                "writes without saying what it has seen",
                |plan, _seen| {
                    plan.actions.iter_mut().for_each(no_version);
                }
            ),
        ),
        row(
            "writers-in-conflict-are-no-failure",
            "Whole objects were written back, over what others had written meanwhile (argo-rollouts#1904, #5052)",
            "only own fields are written, and a conflict is a reason to look again",
            out!(
                "writes-the-whole-object",
                "writes replicas back as it saw them",
                |plan, seen| {
                    if updating(seen) && !plan.actions.is_empty() {
                        let mut action = patch(
                            Kind::Rollout,
                            &seen.rollout.metadata,
                            json!({"spec": {"replicas": replicas(seen)}}),
                        );
                        no_version(&mut action);
                        push(&mut plan, action);
                    }
                }
            ),
        ),
        row(
            "invalid-neighbour-disturbs-nobody",
            "One malformed object crashed the controller, and with it every release of the cluster (argo-rollouts#838, #1045, #3706)",
            "an object that cannot be carried out costs itself only",
            planner(
                "one-takes-all-along",
                "does nothing any more once it has seen a Rollout that is not valid",
                |seen, now| {
                    let plan = rollout::plan(seen, now);
                    let invalid =
                        |status: &Value| status["conditions"].to_string().contains(condition::INVALID_SPEC);
                    let writes = plan
                        .actions
                        .iter()
                        .filter(|action| action.verb == Verb::PatchStatus);
                    if writes.map(|action| &action.body["status"]).any(invalid) {
                        remember("crashed", true);
                    }
                    match recall("crashed") {
                        Some(_) => Plan::default(),
                        None => plan,
                    }
                },
            ),
        ),
        row(
            "missing-template-is-named-and-mended",
            "A Rollout whose analysis could not be made was Progressing for ever, without a word (argo-rollouts#872)",
            "what is missing is named at once",
            out!(
                "says-nothing-of-what-is-missing",
                "does not say what is missing",
                |plan, _seen| {
                    if let Some(status) = status(&mut plan)
                        && status["message"]
                            .as_str()
                            .is_some_and(|message| message.contains(reason::INVALID_SPEC))
                    {
                        status["message"] = "more replicas need to be updated".into();
                        status["phase"] = "Progressing".into();
                    }
                }
            ),
        ),
        row(
            "second-release-supersedes-the-first",
            "Messages told what had been before, not what had happened (argo-rollouts#3535)",
            "a message is made from the plan that it tells of",
            out!(
                "tells-of-the-past",
                "tells the images of before",
                |plan, _seen| {
                    for one in &mut plan.announcements {
                        one.images_new.clone_from(&one.images_old);
                    }
                }
            ),
        ),
    ]
}
