// flat table
//! Incidents with traffic: weights, Services and routes that led users to pods that were not there.

use super::super::tools::*;
use super::{Incident, row};
use serde_json::{Value, json};
use serin::base::names::label;
use serin::base::object::Kind;
use serin::plan::Verb;

pub fn rows() -> Vec<Incident> {
    let mut rows = of_weights();
    rows.extend(of_services());
    rows.extend(of_routes());
    rows
}

fn of_weights() -> Vec<Incident> {
    vec![
        row(
            "rollback-window-waits-for-pods",
            "A rollback within the window gave the old version all traffic while one of its pods was ready (argo-rollouts#3941)",
            "the window skips steps, pauses and analyses, and waits for pods",
            seen!(
                "window-does-not-ask-for-pods",
                "within the rollback window it does not look whether pods are there",
                |seen| {
                    let new = seen.rollout.status.current_pod_hash.clone();
                    let some = new_set(&seen).is_some_and(|set| set.available > 0);
                    if seen.rollout.spec.rollback_window.is_some() && updating(&seen) && some {
                        all_there(&mut seen, &new);
                    }
                }
            ),
        ),
        row(
            "full-promotion-waits-for-pods",
            "A canary sized for 5 % was promoted in full and got 70 % of the requests (argo-rollouts#4612)",
            "traffic moves when the pods for it are there, on every way",
            seen!(
                "promotion-does-not-ask-for-pods",
                "a full promotion does not look whether pods are there",
                |seen| {
                    if seen.rollout.status.promote_full {
                        let new = seen.rollout.status.current_pod_hash.clone();
                        all_there(&mut seen, &new);
                    }
                }
            ),
        ),
        row(
            "full-promotion-waits-for-pods",
            "Stable was scaled down when the last step was passed, while the canary still lacked pods (argo-rollouts#2050)",
            "stable keeps its pods until the new version has all of its own",
            out!(
                "stable-goes-with-the-last-step",
                "takes stable away once the last step is passed",
                |plan, seen| {
                    let steps = seen
                        .rollout
                        .spec
                        .strategy
                        .canary
                        .as_ref()
                        .map_or(0, |canary| canary.steps.len());
                    let passed = seen.rollout.status.current_step_index.unwrap_or(0) as usize >= steps;
                    if let Some(set) =
                        stable_set(seen).filter(|_| passed && updating(seen) && !seen.rollout.status.abort)
                    {
                        resize(&mut plan, set, 0);
                    }
                }
            ),
        ),
        row(
            "abort-ends-at-zero-however-few-the-pods",
            "With dynamicStableScale and minPodsPerReplicaSet the weight of an aborted canary never became 0 (argo-rollouts#4841)",
            "an abort ends at weight 0 whatever the sizes",
            out!(
                "keeps-the-share-of-its-pods",
                "after an abort the canary keeps a weight for the pods it must have",
                |plan, seen| {
                    let canary = seen.rollout.spec.strategy.canary.as_ref();
                    if seen.rollout.status.abort
                        && canary.is_some_and(|canary| canary.min_pods_per_replica_set.is_some())
                    {
                        weights(&mut plan, |name, weight| {
                            if is_canary(name) {
                                weight.max(10)
                            } else {
                                weight.min(90)
                            }
                        });
                    }
                }
            ),
        ),
        row(
            "abort-with-a-delay-keeps-nobody-waiting",
            "After an abort with abortScaleDownDelaySeconds the weight waited for the canary, the canary for stable and stable for the weight (argo-rollouts#4898)",
            "stable grows first, traffic follows its pods, and the canary waits for nobody",
            out!(
                "three-wait-for-each-other",
                "after an abort neither weight nor stable moves while the canary has pods",
                |plan, seen| {
                    let busy = new_set(seen).is_some_and(|set| set.available > 0);
                    let delay = seen
                        .rollout
                        .spec
                        .strategy
                        .canary
                        .as_ref()
                        .and_then(|canary| canary.abort_scale_down_delay_seconds);
                    if seen.rollout.status.abort && busy && delay.is_some() {
                        let stable = stable_set(seen).map(|set| set.metadata.key());
                        keep(&mut plan, |action| {
                            action.kind != Kind::HttpRoute && Some(&action.key) != stable.as_ref()
                        });
                    }
                }
            ),
        ),
        row(
            "shrunken-stable-gets-its-pods-before-its-traffic",
            "With dynamicStableScale all traffic went back at once to a stable version that had given up most of its pods (argo-rollouts#3020, #3888)",
            "traffic goes back as the pods of stable come",
            seen!(
                "all-back-at-once",
                "after an abort it takes the pods of stable for there",
                |seen| {
                    if seen.rollout.status.abort {
                        let stable = seen.rollout.status.stable_rs.clone();
                        all_there(&mut seen, &stable);
                    }
                }
            ),
        ),
    ]
}

fn of_services() -> Vec<Incident> {
    vec![
        row(
            "second-release-supersedes-the-first",
            "The canary Service was led to a third version that had no pod, while the route still gave it weight (argo-rollouts#4775)",
            "the weight goes first, then the Service",
            out!(
                "canary-service-follows-the-newest",
                "leads the canary Service to the newest version at once",
                |plan, seen| {
                    let waits = new_set(seen).is_none_or(|set| set.available == 0);
                    let begins = status(&mut plan).is_some_and(|status| status["currentPodHash"].is_string());
                    if begins && updating(seen) {
                        keep(&mut plan, |action| action.kind != Kind::HttpRoute);
                    }
                    if others(seen).any(|set| set.available > 0) && waits {
                        keep(&mut plan, |action| action.kind != Kind::HttpRoute);
                        lead(&mut plan, seen, "shop-canary", &new_hash(seen));
                    }
                }
            ),
        ),
        row(
            "testers-of-a-canary-find-pods",
            "The canary Service was led to a version before it had pods, and whoever used it got errors (argo-rollouts#1026)",
            "the canary Service changes when the new version has a ready pod",
            out!(
                "canary-service-before-pods",
                "leads the canary Service to a version without pods",
                |plan, seen| {
                    if updating(seen) && new_set(seen).is_some() && !seen.rollout.status.abort {
                        lead(&mut plan, seen, "shop-canary", &new_hash(seen));
                    }
                }
            ),
        ),
        row(
            "services-stay-still-after-an-abort",
            "After an abort the canary's Service went back and forth between versions until the delay ended, with 503s (argo-rollouts#3078, #3758)",
            "the Service goes to stable once and stays",
            planner(
                "flaps-after-an-abort",
                "after an abort leads the canary Service back and forth",
                |seen, now| {
                    let mut plan = serin::plan::rollout::plan(seen, now);
                    if seen.rollout.status.abort && new_set(seen).is_some_and(|set| set.available > 0) {
                        let odd = now.timestamp() / 7 % 2 == 1;
                        let to = if odd {
                            new_hash(seen)
                        } else {
                            seen.rollout.status.stable_rs.clone()
                        };
                        lead(&mut plan, seen, "shop-canary", &to);
                        plan.wake_at = Some(now + chrono::TimeDelta::seconds(7));
                    }
                    plan
                },
            ),
        ),
        row(
            "first-deployment-cuts-nobody-off",
            "On the first deployment the Service was led to the Rollout's pods before there were any (argo-rollouts#2507, #1731)",
            "a Service that is taken over keeps its old pods until the new ones are complete",
            out!(
                "adopts-a-service-at-once",
                "leads a Service to the first version before it has pods",
                |plan, seen| {
                    if let Some(set) = seen
                        .replica_sets
                        .first()
                        .filter(|set| set.available == 0 && !updating(seen))
                    {
                        lead(&mut plan, seen, "shop", set.hash());
                    }
                }
            ),
        ),
        row(
            "blue-green-pods-that-never-become-ready-get-no-traffic",
            "A blue-green release that crashed left its Service with a selector that matched nobody (argo-rollouts#4750)",
            "the active Service stays where it is until the new version is complete",
            out!(
                "selects-nobody",
                "leads the active Service away when the new version has no pods",
                |plan, seen| {
                    if updating(seen) && new_set(seen).is_some_and(|set| set.available == 0) {
                        lead(&mut plan, seen, "shop", "none");
                    }
                }
            ),
        ),
        row(
            "blue-green-service-applied-anew-does-not-promote",
            "A Service that was applied anew without its selector was led to a version that nobody had promoted (flagger#1026 and argo-rollouts#4371 are of this kind)",
            "it is led back to stable",
            seen!(
                "applied-anew-is-new",
                "takes a Service without a version for a first deployment",
                |seen| {
                    let bare = service(&seen, "shop")
                        .is_some_and(|service| !service.selector.contains_key(label::POD_HASH));
                    if bare {
                        seen.rollout.status.stable_rs.clear();
                    }
                }
            ),
        ),
    ]
}

fn of_routes() -> Vec<Incident> {
    vec![
        row(
            "weights-set-by-hand-are-put-back",
            "A sync reset the weights, and nothing put them back before the next step (argo-rollouts#2185)",
            "they are put back at once",
            out!(
                "route-is-as-the-status-says",
                "does not write a weight that the status has already",
                |plan, seen| {
                    let known = seen
                        .rollout
                        .status
                        .canary
                        .weights
                        .as_ref()
                        .map(|weights| i64::from(weights.canary.weight));
                    keep(&mut plan, |action| {
                        let weight = action.body["spec"]["rules"][0]["backendRefs"][1]["weight"].as_i64();
                        action.kind != Kind::HttpRoute || weight != known
                    });
                }
            ),
        ),
        row(
            "route-deleted-in-a-canary-comes-back",
            "Routes of a canary that were lost stayed lost (argo-rollouts#4716)",
            "what a route must say follows from the state, not from the moment",
            out!(
                "only-the-first-route",
                "does not know a route that was made again",
                |plan, seen| {
                    let uid = seen.answers.0.values().find_map(|answer| match answer {
                        serin::plan::Answer::Route(route) => Some(route["metadata"]["uid"].clone()),
                        _ => None,
                    });
                    if let Some(uid) = uid {
                        if recall("route").is_none() {
                            remember("route", uid.clone());
                        }
                        if recall("route") != Some(uid) {
                            keep(&mut plan, |action| action.kind != Kind::HttpRoute);
                        }
                    }
                }
            ),
        ),
        row(
            "gitops-that-resets-the-route-does-not-win",
            "A GitOps tool reset the route every few minutes, and the release neither went on nor back (gateway plugin#208)",
            "weights are restored, and the release goes on",
            planner(
                "gives-up-when-overwritten",
                "waits ten minutes when somebody else has written the route",
                |seen, now| {
                    let weight =
                        |route: &Value| route["spec"]["rules"][0]["backendRefs"][1]["weight"].clone();
                    let is = seen.answers.0.values().find_map(|answer| match answer {
                        serin::plan::Answer::Route(route) => Some(weight(route)),
                        _ => None,
                    });
                    if recall("weight").is_some_and(|last| is.is_some_and(|is| is != last)) {
                        let wake_at = Some(now + chrono::TimeDelta::minutes(10));
                        return serin::plan::Plan {
                            wake_at,
                            ..serin::plan::Plan::default()
                        };
                    }
                    let plan = serin::plan::rollout::plan(seen, now);
                    for action in plan
                        .actions
                        .iter()
                        .filter(|action| action.kind == Kind::HttpRoute)
                    {
                        remember("weight", weight(&action.body));
                    }
                    plan
                },
            ),
        ),
        row(
            "fields-of-others-survive",
            "Retries, conditions and headers of a route were lost when the controller wrote its weights (argo-rollouts#2266, #2767)",
            "only weights of the two Services are written",
            out!(
                "route-made-of-what-it-knows",
                "writes routes with backends and nothing else",
                |plan, _seen| {
                    for action in plan
                        .actions
                        .iter_mut()
                        .filter(|action| action.kind == Kind::HttpRoute)
                    {
                        for rule in action.body["spec"]["rules"].as_array_mut().into_iter().flatten() {
                            *rule = json!({"backendRefs": rule["backendRefs"]});
                        }
                    }
                }
            ),
        ),
        row(
            "fields-of-others-survive",
            "Backends of other teams were stripped from a shared route (gateway plugin#203)",
            "rules and backends that are not the Rollout's stay as they are",
            out!(
                "rules-of-others-go",
                "writes routes with the rules of its own only",
                |plan, _seen| {
                    for action in plan
                        .actions
                        .iter_mut()
                        .filter(|action| action.kind == Kind::HttpRoute)
                    {
                        if let Some(rules) = action.body["spec"]["rules"].as_array_mut() {
                            rules.retain(|rule| rule["backendRefs"].to_string().contains("shop-canary"));
                        }
                    }
                }
            ),
        ),
        row(
            "two-rollouts-share-a-route",
            "Of two Rollouts on one route the first to finish ended the other's canary (gateway plugin pull request 164)",
            "each writes the weights of its own two Services",
            out!(
                "route-is-its-own",
                "when it writes a route, resets the weights of every pair",
                |plan, _seen| {
                    weights(&mut plan, |name, weight| match name {
                        "cart-canary" => 0,
                        "cart-stable" => 100,
                        _ => weight,
                    });
                }
            ),
        ),
        row(
            "blue-green-waits-for-a-person",
            "Every look at an object was a write, whether anything had changed or not (gateway plugin#230, argo-rollouts#2023)",
            "nothing is written when nothing has to change",
            planner(
                "writes-at-every-look",
                "writes its Services at every look, and looks every ten seconds",
                |seen, now| {
                    let mut plan = serin::plan::rollout::plan(seen, now);
                    let here = service(seen, "shop").map(|service| service.metadata.clone());
                    let idle = plan.actions.iter().all(|action| action.verb == Verb::PatchStatus);
                    if let Some(meta) = here.filter(|_| idle) {
                        push(
                            &mut plan,
                            patch(
                                Kind::Service,
                                &meta,
                                json!({"metadata": {"annotations": {"argo-rollouts.argoproj.io/managed-by-rollouts": "shop"}}}),
                            ),
                        );
                    }
                    plan.wake_at = Some(now + chrono::TimeDelta::seconds(10));
                    plan
                },
            ),
        ),
    ]
}
