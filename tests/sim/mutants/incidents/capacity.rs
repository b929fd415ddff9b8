// flat table
//! Incidents with pods: too few of them, too many at once, or the wrong ones taken away.

use super::super::tools::*;
use super::{Incident, row};
use serde_json::json;
use serin::base::names::annotation;
use serin::base::object::Kind;
use serin::base::percent::IntOrString;
use serin::plan::{Answer, Verb};

pub fn rows() -> Vec<Incident> {
    let mut rows = of_versions();
    rows.extend(of_autoscalers());
    rows.extend(of_pods());
    rows
}

fn unscaled(seen: &serin::plan::Observed) -> bool {
    let wanted = replicas(seen).to_string();
    let set = stable_set(seen);
    set.is_some_and(|set| set.metadata.annotation(annotation::DESIRED_REPLICAS) != Some(wanted.as_str()))
}

fn of_versions() -> Vec<Incident> {
    vec![
        row(
            "second-release-supersedes-the-first",
            "A third version arrived, and the second lost its pods while a quarter of the requests still went there (argo-rollouts#3617, #4390)",
            "a version keeps its pods until the route is seen to lead nobody to it",
            out!(
                "intermediate-goes-at-once",
                "takes the pods of a superseded version away at once",
                |plan, seen| {
                    for set in others(seen).filter(|set| set.replicas_desired > 0) {
                        resize(&mut plan, set, 0);
                    }
                }
            ),
        ),
        row(
            "newer-release-waits-for-a-shrunken-stable",
            "With dynamicStableScale a new version in the middle of a canary caused an outage: stable had shrunk, and the canary was taken away (argo-rollouts#3372, #2119)",
            "stable grows back and takes the traffic first, then the newer version begins",
            out!(
                "shrunken-stable-stays-small",
                "does not let stable grow back for a newer version",
                |plan, seen| {
                    if others(seen).any(|set| set.available > 0) && !seen.rollout.status.abort {
                        let stable = stable_set(seen).map(|set| set.metadata.key());
                        keep(&mut plan, |action| {
                            action.kind != Kind::ReplicaSet || Some(&action.key) != stable.as_ref()
                        });
                        for set in others(seen) {
                            resize(&mut plan, set, 0);
                        }
                    }
                }
            ),
        ),
        row(
            "old-pods-outlive-the-promotion",
            "Load balancers that were slow to follow sent requests to pods that were gone (argo-rollouts#3333, #2235)",
            "the old version keeps its pods for scaleDownDelaySeconds after the promotion",
            out!(
                "old-pods-go-with-the-promotion",
                "takes old pods away once the new version is stable",
                |plan, seen| {
                    for set in others(seen).filter(|_| !updating(seen)) {
                        resize(&mut plan, set, 0);
                    }
                }
            ),
        ),
        row(
            "broken-stable-does-not-block-the-fix",
            "Stable was down, and the release with the fix was held because both versions had to be available (argo-rollouts#1774, #3110, #4839)",
            "only the version that gains traffic must be available",
            out!(
                "waits-for-both-versions",
                "does nothing while stable lacks pods",
                |plan, seen| {
                    if updating(seen)
                        && stable_set(seen).is_some_and(|set| set.available < set.replicas_desired)
                    {
                        keep(&mut plan, |action| action.verb == Verb::PatchStatus);
                    }
                }
            ),
        ),
        row(
            "retry-is-possible-while-stable-is-down",
            "An aborted release could not be retried before stable had recovered (argo-rollouts#841)",
            "a retry needs the pods of the new version only",
            out!(
                "retry-waits-for-stable",
                "brings no canary up while stable lacks pods",
                |plan, seen| {
                    if updating(seen) && stable_set(seen).is_some_and(|set| set.available < replicas(seen)) {
                        let new = new_set(seen).map(|set| set.metadata.key());
                        keep(&mut plan, |action| {
                            action.kind != Kind::ReplicaSet || Some(&action.key) != new.as_ref()
                        });
                    }
                }
            ),
        ),
        row(
            "a-pod-that-does-not-come-holds-nobody-up",
            "One pod in many was always missing somewhere, and releases never passed a step (argo-rollouts#3991, #4365)",
            "replicaProgressThreshold says how many are enough",
            seen!("all-or-nothing", "waits for every single pod", |seen| {
                if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                    canary.replica_progress_threshold = None;
                }
            }),
        ),
    ]
}

fn of_autoscalers() -> Vec<Incident> {
    vec![
        row(
            "rescale-in-a-canary-keeps-stable-up",
            "Replicas changed in the middle of a canary, and stable went to 0 (argo-rollouts#1415, #3565)",
            "a change of replicas sizes both versions by their share",
            out!(
                "rescale-takes-stable-away",
                "a change of replicas takes stable away",
                |plan, seen| {
                    if let Some(set) = stable_set(seen).filter(|_| updating(seen) && unscaled(seen)) {
                        resize(&mut plan, set, 0);
                    }
                }
            ),
        ),
        row(
            "autoscaler-scales-during-a-canary",
            "An autoscaler's wish in the middle of a canary reached one of the two versions (argo-rollouts#1864, #2931)",
            "both versions grow by their share",
            out!(
                "only-stable-grows",
                "a change of replicas does not reach stable in an update",
                |plan, seen| {
                    let stable = stable_set(seen)
                        .filter(|_| updating(seen))
                        .map(|set| set.metadata.key());
                    keep(&mut plan, |action| {
                        action.kind != Kind::ReplicaSet
                            || Some(&action.key) != stable.as_ref()
                            || action.body["spec"]["replicas"] == 0
                    });
                }
            ),
        ),
        row(
            "autoscaler-with-a-constant-load-is-left-in-peace",
            "The autoscaler was told the pods of all versions while its selector matched one: it went to the maximum under a constant load (argo-rollouts#4847, #2857)",
            "status.HPAReplicas counts what status.selector selects",
            out!(
                "counts-all-and-selects-stable",
                "gives the autoscaler a selector for fewer pods than it counts",
                |plan, seen| {
                    let narrow = format!(
                        "app=shop,rollouts-pod-template-hash={}",
                        seen.rollout.status.stable_rs
                    );
                    if seen.rollout.status.selector != narrow
                        && updating(seen)
                        && let Some(status) = status_or_new(&mut plan, seen)
                    {
                        status["selector"] = narrow.into();
                    } else if let Some(status) = status(&mut plan).and_then(serde_json::Value::as_object_mut)
                    {
                        status.remove("selector");
                    }
                }
            ),
        ),
        row(
            "more-pods-asked-for-than-wanted-is-no-quarrel",
            "With more minPodsPerReplicaSet than replicas the controller scaled without end and wrote 20,000 lines of log a minute (argo-rollouts#4566)",
            "the sizes settle, and nothing is written after that",
            planner(
                "quarrels-with-itself",
                "scales down what the minimum asks for, and up again",
                |seen, now| {
                    let mut plan = serin::plan::rollout::plan(seen, now);
                    let minimum = seen
                        .rollout
                        .spec
                        .strategy
                        .canary
                        .as_ref()
                        .and_then(|canary| canary.min_pods_per_replica_set);
                    if let Some(set) =
                        new_set(seen).filter(|_| minimum.is_some_and(|minimum| minimum > replicas(seen)))
                    {
                        let other = replicas(seen) + i32::from(now.timestamp() / 20 % 2 == 1);
                        resize(&mut plan, set, other);
                        plan.wake_at = Some(now + chrono::TimeDelta::seconds(20));
                    }
                    plan
                },
            ),
        ),
        row(
            "second-release-supersedes-the-first-without-a-router",
            "Half of all pods were made anew at once despite maxSurge, and the database ran out of connections (argo-rollouts#3284, #430, #1966)",
            "without a router never more than replicas + maxSurge pods",
            seen!("surge-without-limit", "makes all new pods at once", |seen| {
                if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                    canary.max_surge = Some(IntOrString::String("100%".into()));
                }
            }),
        ),
    ]
}

fn of_pods() -> Vec<Incident> {
    vec![
        row(
            "restart-keeps-to-the-disruption-budget",
            "A restart deleted pods that a disruption budget protected (argo-rollouts#908)",
            "pods are evicted, and the budget is asked",
            out!("restart-deletes", "deletes pods at a restart", |plan, _seen| {
                for action in plan
                    .actions
                    .iter_mut()
                    .filter(|action| action.verb == Verb::Evict)
                {
                    action.verb = Verb::Delete;
                }
            }),
        ),
        row(
            "stable-is-restarted-beside-a-canary",
            "A restart took more pods at once than maxUnavailable allows (argo-rollouts#4221, #1583)",
            "one budget for all that takes pods away",
            seen!(
                "restarts-all-at-once",
                "replaces all pods at once at a restart",
                |seen| {
                    if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                        canary.max_unavailable = Some(IntOrString::String("100%".into()));
                    }
                }
            ),
        ),
        row(
            "image-that-cannot-be-pulled-is-said-and-mended",
            "An image that could not be pulled left the Rollout Progressing for ever; the deadline never came (argo-rollouts#4128)",
            "the deadline is looked at before everything that may wait",
            seen!("deadline-never-comes", "never looks at the deadline", |seen| {
                seen.rollout.spec.progress_deadline_seconds = Some(1_000_000);
            }),
        ),
        row(
            "new-pods-keep-off-the-nodes-of-stable",
            "After the switch an autoscaler removed the old version's nodes, and pods of the new one with them (argo-rollouts' reason for antiAffinity)",
            "the new version's template keeps its pods off those nodes",
            seen!("no-anti-affinity", "forgets where new pods may not go", |seen| {
                if let Some(canary) = &mut seen.rollout.spec.strategy.canary {
                    canary.anti_affinity = None;
                }
            }),
        ),
        row(
            "pods-change-their-role-without-a-restart",
            "Labels of a role were written to the ReplicaSet and not to living pods",
            "living pods are edited in place, and a role is given before another is taken",
            out!(
                "roles-for-new-pods-only",
                "never edits a living pod",
                |plan, _seen| {
                    keep(&mut plan, |action| action.kind != Kind::Pod);
                }
            ),
        ),
        row(
            "rollout-takes-over-from-a-deployment",
            "The Deployment that a Rollout refers to was at 0, and nothing ran (argo-rollouts#4321, #4935, flagger#1550)",
            "the Deployment gives up as many pods as the Rollout has available",
            out!(
                "deployment-goes-first",
                "takes the Deployment's pods away before it has its own",
                |plan, seen| {
                    let deployment = seen.answers.0.values().find_map(|answer| match answer {
                        Answer::Workload(workload) if workload.replicas > 0 => {
                            Some(workload.metadata.clone())
                        }
                        _ => None,
                    });
                    if let Some(meta) = deployment {
                        keep(&mut plan, |action| action.kind != Kind::Deployment);
                        let action = patch(Kind::Deployment, &meta, json!({"spec": {"replicas": 0}}));
                        push(&mut plan, action);
                    }
                }
            ),
        ),
        row(
            "rollout-made-anew-adopts-its-pods",
            "A Rollout that was installed again left nothing running in between, or began with new pods (argo-rollouts#3855)",
            "ReplicaSets without an owner that its selector matches are taken over as they are",
            seen!(
                "orphans-are-strangers",
                "does not know ReplicaSets that nobody owns",
                |seen| {
                    let uid = seen.rollout.metadata.uid.clone();
                    seen.answers
                        .0
                        .retain(|question, _| !matches!(question, serin::plan::Question::ReplicaSet(_)));
                    seen.replica_sets.retain(|set| set.metadata.controlled_by(&uid));
                }
            ),
        ),
    ]
}
