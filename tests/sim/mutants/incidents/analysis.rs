// flat table
//! Incidents with analyses that passed on nothing, failed on nothing, or never ran.

use super::super::tools::*;
use super::{Incident, row};
use serde_json::json;
use serin::api::rollout_status::RunStatusRef;
use serin::base::names::reason;
use serin::base::object::Kind;
use serin::base::percent::IntOrString;
use serin::base::reading;
use serin::measure;
use serin::plan::{Action, Guard, Observed, Verb};

pub fn rows() -> Vec<Incident> {
    let mut rows = of_success();
    rows.extend(of_failure());
    rows.extend(of_runs());
    rows
}

/// Takes runs of one phase for runs of another.
fn take(seen: &mut Observed, phase: &str, instead: &str, name: &str) {
    for run in &mut seen.analysis_runs {
        if run.status.phase == phase && run.metadata.name.contains(name) {
            run.status.phase = instead.into();
        }
    }
}

fn of_success() -> Vec<Incident> {
    vec![
        row(
            "prometheus-away-for-longer-than-forgiven-aborts",
            "Every measurement of a run ended in an error, and the run was successful (argo-rollouts#4479)",
            "five errors in a row end a run as an error, and the release is called off",
            seen!(
                "unmeasured-is-good",
                "takes a run without a measurement for a good one",
                |seen| take(&mut seen, "Error", "Successful", "")
            ),
        ),
        row(
            "limits-that-forgive-everything-are-said",
            "Limits allowed every measurement to fail, and a failing release went to 110 pods (argo-rollouts#1411, #4479)",
            "the rule is kept for the sake of manifests, and a warning names the metric",
            out!(
                "says-nothing-of-limits",
                "does not warn of limits that forgive everything",
                |plan, _seen| {
                    plan.notes
                        .retain(|note| note.reason != reason::LIMITS_FORGIVE_ALL);
                }
            ),
        ),
        row(
            "nan-is-no-verdict",
            "0 errors by 0 requests is NaN, which is below and above no limit: releases passed or failed on it (argo-rollouts#1466, #2169)",
            "NaN passes and fails nothing",
            reader("nan-counts-as-none", "takes NaN for 0", |metric, response| {
                measure::read(metric, response).map(|mut reading| {
                    reading.result = no_nan(&reading.result);
                    reading
                })
            }),
        ),
        row(
            "job-that-fails-is-a-failure",
            "A Job that failed, or whose image could not be pulled, counted as a success (argo-rollouts#521, #3562)",
            "a failed Job is a failed measurement",
            run_seen!(
                "failed-jobs-are-good",
                "takes a Job that failed for one that completed",
                |seen| {
                    for job in seen.jobs.iter_mut().flatten() {
                        if let Some(end) = &mut job.end {
                            end.good = true;
                        }
                    }
                }
            ),
        ),
        row(
            "blue-green-bad-release-is-switched-back",
            "A blue-green release counted as done before its analysis was (argo-rollouts#4604)",
            "the old version is stable until the analysis after the switch has passed",
            seen!(
                "done-before-the-verdict",
                "takes a run after the switch for passed while it runs",
                |seen| take(&mut seen, "Running", "Successful", "post")
            ),
        ),
        row(
            "leak-after-three-minutes-is-caught-beside-the-steps",
            "An analysis that was asked for never ran, and nobody noticed (argo-rollouts#2863)",
            "a step is not passed without its run, and the run beside the steps begins with them",
            out!(
                "background-never-runs",
                "never makes the run beside the steps",
                |plan, _seen| {
                    keep(&mut plan, |action| !of(action, Verb::Create, Kind::AnalysisRun));
                }
            ),
        ),
    ]
}

fn of_failure() -> Vec<Incident> {
    vec![
        row(
            "empty-answer-is-no-verdict",
            "An empty answer was a \"slice index out of range\", and the release failed (argo-rollouts#2101, #4792)",
            "no series is no verdict for the conditions of the house rule",
            reader(
                "empty-is-an-error",
                "takes an empty answer for an error",
                |metric, response| match measure::read(metric, response) {
                    Ok(reading) if matches!(&reading.result, reading::Value::List(items) if items.is_empty()) => {
                        Err("slice index out of range".into())
                    }
                    other => other,
                },
            ),
        ),
        row(
            "no-traffic-is-never-promoted",
            "With hardly any requests analyses failed on nothing, and a team left its controller (kortix-ai/suna pull request 3410)",
            "no requests are no evidence: a person decides",
            seen!("nothing-is-a-failure", "takes no verdict for a failure", |seen| {
                take(&mut seen, "Inconclusive", "Failed", "");
            }),
        ),
        row(
            "provider-that-throttles-is-not-the-canarys-fault",
            "A provider's rate limit failed healthy releases (argo-rollouts#2578)",
            "429 is an error of the provider, asked again in time",
            reader(
                "throttled-is-bad",
                "takes 429 for a bad value",
                |metric, response| match response.status {
                    429 => read_or(metric, response, 1.0),
                    _ => measure::read(metric, response),
                },
            ),
        ),
        row(
            "prometheus-away-for-three-minutes-is-waited-for",
            "A restart of the provider in the middle of an analysis was taken for a failure of the release (argo-rollouts#3605)",
            "asked again after 10 s, as often as the template says",
            run_seen!(
                "impatient",
                "forgives no error, whatever the template says",
                |seen| {
                    for metric in &mut seen.run.spec.metrics {
                        metric.consecutive_error_limit = Some(IntOrString::Int(0));
                    }
                }
            ),
        ),
    ]
}

fn of_runs() -> Vec<Incident> {
    vec![
        row(
            "retry-judges-anew",
            "A retry took the failed run of the first attempt for its own (argo-rollouts#2897, kargo#6372)",
            "every attempt has a run of its own",
            seen!(
                "retry-takes-the-old-run",
                "takes the failed run of an earlier attempt for that of this one",
                |seen| {
                    let status = &mut seen.rollout.status;
                    let failed = seen.analysis_runs.iter().find(|run| run.status.phase == "Failed");
                    if let Some(run) =
                        failed.filter(|_| !status.abort && status.current_step_index == Some(1))
                    {
                        status.canary.current_step_analysis_run_status = Some(RunStatusRef {
                            name: run.metadata.name.clone(),
                            status: "Failed".into(),
                            message: run.status.message.clone(),
                        });
                    }
                }
            ),
        ),
        row(
            "quick-job-is-not-overlooked",
            "A Job that took less than 30 s was never noticed, and its run never ended (argo-rollouts#747)",
            "Jobs are watched, and read again at every pass",
            run_seen!(
                "sees-running-jobs-only",
                "does not see a Job that has ended",
                |seen| {
                    if let Some(jobs) = &mut seen.jobs {
                        jobs.retain(|job| job.end.is_none());
                    }
                }
            ),
        ),
        row(
            "evidence-of-this-release-is-kept",
            "A history limit deleted the run that had just let the release pass (zimmertr/Kubernetes-Manifests#420)",
            "runs of the update under way stay, whatever the limits say",
            out!(
                "collects-what-just-passed",
                "deletes runs as soon as they have ended",
                |plan, seen| {
                    let done: Vec<_> = seen
                        .analysis_runs
                        .iter()
                        .filter(|run| run.status.phase == "Successful")
                        .collect();
                    for run in done {
                        push(
                            &mut plan,
                            Action {
                                verb: Verb::Delete,
                                kind: Kind::AnalysisRun,
                                key: run.metadata.key(),
                                guard: Guard::Seen {
                                    uid: run.metadata.uid.clone(),
                                    resource_version: run.metadata.resource_version.clone(),
                                },
                                body: json!(null),
                            },
                        );
                    }
                }
            ),
        ),
    ]
}
