//! The controller dies after every single write of a blue-green story; the end must be that of the undisturbed one. See `crash`.

use crate::blue_green_stage::{manifest, users_reach_pods};
use crate::crash::{Story, change, check_stories, healthy, release, until};
use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;

fn blue_green(strategy: &Value) -> Value {
    let mut manifest = manifest(strategy);
    manifest["spec"]["revisionHistoryLimit"] = json!(1);
    manifest
}

fn judged() -> Value {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    blue_green(
        &json!({"autoPromotionEnabled": false, "previewReplicaCount": 1, "scaleDownDelaySeconds": 60,
        "scaleDownDelayRevisionLimit": 1, "abortScaleDownDelaySeconds": 20, "prePromotionAnalysis": analysis,
        "postPromotionAnalysis": analysis}),
    )
}

fn automatic() -> Value {
    blue_green(
        &json!({"autoPromotionSeconds": 10, "scaleDownDelaySeconds": 60, "scaleDownDelayRevisionLimit": 1,
        "abortScaleDownDelaySeconds": 20}),
    )
}

fn is_judged(world: &World) -> bool {
    let strategy = world.rollout().spec.strategy;
    strategy.blue_green.unwrap().pre_promotion_analysis.is_some()
}

fn paused(world: &World) -> bool {
    !world.rollout().status.pause_conditions.is_empty()
}

/// Ends the open run that the status knows as this one, where there is one to wait for.
fn judge(world: &mut World, before: bool, phase: &str) {
    if !is_judged(world) {
        return;
    }
    let open = |world: &World| {
        let known = world.rollout().status.blue_green;
        let known = if before {
            known.pre_promotion_analysis_run_status
        } else {
            known.post_promotion_analysis_run_status
        };
        let run = world
            .objects
            .get(&(Kind::AnalysisRun, known.as_ref()?.name.clone()))?;
        run["status"]["phase"].is_null().then(|| known.unwrap().name)
    };
    until(world, |world| open(world).is_some());
    let name = open(world).unwrap();
    let verdict = json!({"status": {"phase": phase, "message": "so it is"}});
    world.patch(Kind::AnalysisRun, &name, &verdict, false);
}

fn promote(world: &mut World) {
    until(world, paused);
    change(world, json!({"status": {"pauseConditions": null}}));
}

fn to_the_end(world: &mut World) {
    judge(world, true, "Successful");
    promote(world);
    judge(world, false, "Successful");
    healthy(world);
}

fn two_good_releases(world: &mut World) {
    release(world, "v2");
    to_the_end(world);
    release(world, "v3");
    to_the_end(world);
}

fn back_while_the_pods_are_there(world: &mut World) {
    // Times of creation tell the versions apart, in whole seconds.
    world.run(TimeDelta::seconds(2), TimeDelta::hours(1), |_| false);
    release(world, "v2");
    to_the_end(world);
    release(world, "v1");
    healthy(world);
}

fn failed_before_the_switch(world: &mut World) {
    release(world, "v2");
    match is_judged(world) {
        true => judge(world, true, "Failed"),
        false => {
            until(world, paused);
            change(world, json!({"status": {"abort": true}}));
        }
    }
    until(world, |world| world.rollout().status.abort);
    world.run(TimeDelta::seconds(60), TimeDelta::hours(1), |_| false);
    release(world, "v3");
    to_the_end(world);
}

fn failed_after_the_switch_and_retried(world: &mut World) {
    release(world, "v2");
    judge(world, true, "Successful");
    if is_judged(world) {
        promote(world);
        judge(world, false, "Failed");
    } else {
        until(world, paused);
        change(world, json!({"status": {"abort": true}}));
    }
    until(world, |world| world.rollout().status.phase == "Degraded");
    world.run(TimeDelta::seconds(60), TimeDelta::hours(1), |_| false);
    change(world, json!({"status": {"abort": false}}));
    to_the_end(world);
}

fn promoted_in_full(world: &mut World) {
    release(world, "v2");
    until(world, |world| world.hash_of("v2").is_some());
    change(world, json!({"status": {"promoteFull": true}}));
    healthy(world);
}

fn replaced_and_rescaled(world: &mut World) {
    release(world, "v2");
    judge(world, true, "Successful");
    until(world, paused);
    change(world, json!({"spec": {"replicas": 4}}));
    world.run(TimeDelta::seconds(1), TimeDelta::hours(1), |_| false);
    release(world, "v3");
    to_the_end(world);
}

const STORIES: [(&str, Story); 6] = [
    ("two good", two_good_releases),
    ("back at once", back_while_the_pods_are_there),
    ("failed before", failed_before_the_switch),
    ("failed after", failed_after_the_switch_and_retried),
    ("promoted in full", promoted_in_full),
    ("replaced", replaced_and_rescaled),
];

#[test]
fn a_crash_after_any_write_of_a_judged_blue_green_update_changes_nothing_in_the_end() {
    check_stories(&judged(), &STORIES, Some(users_reach_pods));
}

#[test]
fn a_crash_after_any_write_of_an_automatic_blue_green_update_changes_nothing_in_the_end() {
    check_stories(&automatic(), &STORIES, Some(users_reach_pods));
}
