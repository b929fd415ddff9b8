//! Blue-green updates that are judged, aborted, changed under way or disturbed: one test for each rule.

use crate::blue_green_stage::*;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::{Moment, Verb};

#[test]
fn the_analysis_before_the_switch_holds_it_and_a_failed_one_leaves_the_active_service_alone() {
    let mut world = world(json!({"prePromotionAnalysis": analysis(), "abortScaleDownDelaySeconds": 20}));
    assert_eq!(run_named(&world, "pre"), None, "a first release is not judged");
    release(&mut world, "v2");
    run_for(&mut world, 300);
    assert_eq!(led_to_tag(&world, "active"), "v1");
    let name = format!("web-{}-2-pre", world.hash_of("v2").unwrap());
    assert_eq!(run_named(&world, "pre"), Some(name.clone()));
    assert_eq!(
        world.get(Kind::AnalysisRun, &name)["metadata"]["labels"]["rollout-type"],
        "PrePromotion"
    );
    end_run(&mut world, "pre", "Failed");
    let now = status(&world);
    let why = "RolloutAborted: Rollout aborted update to revision 2: Blue/green pre-promotion analysis phase error/failed: so it is";
    assert_eq!((now.phase.as_str(), now.message.as_str()), ("Degraded", why));
    assert_eq!((led_to_tag(&world, "active"), size(&world, "v2")), ("v1", 3));
    run_for(&mut world, 20);
    assert_eq!((size(&world, "v1"), size(&world, "v2")), (3, 0));
    at_rest(&mut world);
}

#[test]
fn a_retry_measures_anew_once_the_pods_are_back() {
    let mut world = world(json!({"prePromotionAnalysis": analysis(), "abortScaleDownDelaySeconds": 20}));
    release(&mut world, "v2");
    end_run(&mut world, "pre", "Failed");
    run_for(&mut world, 60);
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": false}}), true);
    world.pass_until(TimeDelta::seconds(5), |world| size(world, "v2") == 3);
    assert!(
        run_named(&world, "pre").unwrap().ends_with("-pre"),
        "no run before there are pods"
    );
    run_for(&mut world, 5);
    assert!(run_named(&world, "pre").unwrap().ends_with("-pre.1"));
    end_run(&mut world, "pre", "Successful");
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
}

#[test]
fn after_no_verdict_a_person_asks_for_another_one_and_not_for_the_switch() {
    let mut world = world(json!({"prePromotionAnalysis": analysis(), "autoPromotionEnabled": false}));
    release(&mut world, "v2");
    end_run(&mut world, "pre", "Inconclusive");
    assert_eq!(status(&world).message, "InconclusiveAnalysisRun");
    promote(&mut world);
    end_run(&mut world, "pre.1", "Successful");
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).message.as_str()),
        ("v1", "BlueGreenPause")
    );
    promote(&mut world);
    assert_eq!(led_to_tag(&world, "active"), "v2");
}

#[test]
fn a_failed_analysis_after_the_switch_leads_back_and_the_abort_is_durable_before() {
    let mut world = world(json!({"postPromotionAnalysis": analysis(), "abortScaleDownDelaySeconds": 20}));
    release(&mut world, "v2");
    run_for(&mut world, 300);
    assert_eq!((led_to_tag(&world, "active"), size(&world, "v1")), ("v2", 3));
    assert_eq!(
        (status(&world).phase.as_str(), status(&world).message.as_str()),
        ("Progressing", "waiting for analysis to complete")
    );
    let before = world.writes.len();
    end_run(&mut world, "post", "Failed");
    let writes = &world.writes[before..];
    let abort = writes
        .iter()
        .position(|write| write.body["status"]["abort"] == true)
        .unwrap();
    let back = writes
        .iter()
        .position(|write| write.kind == Kind::Service)
        .unwrap();
    assert!(
        writes[abort].verb == Verb::PatchStatus && abort < back,
        "{writes:#?}"
    );
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).stable_rs),
        ("v1", world.hash_of("v1").unwrap())
    );
    assert!(
        status(&world)
            .message
            .contains("Blue/green post-promotion analysis phase error/failed: so it is")
    );
    let told = world.announced.last().unwrap();
    assert!(
        matches!(told.moment, Moment::Aborted(_)) && told.weight == 100,
        "{told:?}"
    );
    run_for(&mut world, 30);
    assert_eq!((size(&world, "v1"), size(&world, "v2")), (3, 0));
    at_rest(&mut world);
}

#[test]
fn an_abort_leads_back_although_the_new_version_lost_pods() {
    let mut world = world(json!({"postPromotionAnalysis": analysis()}));
    release(&mut world, "v2");
    let set = format!("web-{}", world.hash_of("v2").unwrap());
    world.patch(
        Kind::ReplicaSet,
        &set,
        &json!({"status": {"availableReplicas": 1}}),
        false,
    );
    change(&mut world, &json!({"status": {"abort": true}}));
    assert_eq!(led_to_tag(&world, "active"), "v1");
}

#[test]
fn an_abort_leads_back_although_the_manifest_is_wrong_or_paused() {
    for patch in [
        json!({"spec": {"minReadySeconds": -1}}),
        json!({"spec": {"paused": true}}),
    ] {
        let mut world = world(json!({"postPromotionAnalysis": analysis()}));
        release(&mut world, "v2");
        assert_eq!(led_to_tag(&world, "active"), "v2");
        change(&mut world, &patch);
        change(&mut world, &json!({"status": {"abort": true}}));
        assert_eq!(led_to_tag(&world, "active"), "v1", "{patch}");
    }
}

#[test]
fn the_old_version_goes_after_its_delay_or_with_the_verdict_when_it_has_none() {
    let check = |strategy: Value, before: i32, after: i32| {
        let mut world = world(strategy.clone());
        release(&mut world, "v2");
        if run_named(&world, "post").is_some() {
            end_run(&mut world, "post", "Successful");
        }
        assert_eq!(size(&world, "v1"), before, "{strategy}");
        run_for(&mut world, 40);
        assert_eq!(size(&world, "v1"), after, "{strategy}");
        run_for(&mut world, 1_200);
        assert_eq!(size(&world, "v1"), 0, "{strategy}");
    };
    check(json!({}), 3, 0);
    check(json!({"scaleDownDelaySeconds": 60}), 3, 3);
    check(json!({"scaleDownDelaySeconds": 1_000}), 3, 3);
    check(json!({"scaleDownDelaySeconds": 0}), 0, 0);
    check(json!({"scaleDownDelayRevisionLimit": 0}), 0, 0);
    check(json!({"postPromotionAnalysis": analysis()}), 3, 0);
    check(
        json!({"postPromotionAnalysis": analysis(), "scaleDownDelaySeconds": 60}),
        3,
        3,
    );
}

#[test]
fn an_abort_delay_of_zero_keeps_the_preview() {
    let mut world = world(json!({"autoPromotionEnabled": false, "abortScaleDownDelaySeconds": 0}));
    release(&mut world, "v2");
    change(&mut world, &json!({"status": {"abort": true}}));
    run_for(&mut world, 3_600);
    assert_eq!((size(&world, "v2"), led_to_tag(&world, "preview")), (3, "v2"));
}

#[test]
fn a_full_promotion_skips_pause_and_analysis_but_waits_for_the_pods() {
    let mut world = world(
        json!({"autoPromotionEnabled": false, "previewReplicaCount": 1, "prePromotionAnalysis": analysis()}),
    );
    release(&mut world, "v2");
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"promoteFull": true}}),
        true,
    );
    world.pass_until(TimeDelta::seconds(5), |world| size(world, "v2") == 3);
    assert_eq!(led_to_tag(&world, "active"), "v1");
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    let run = run_named(&world, "pre").unwrap();
    assert_eq!(world.get(Kind::AnalysisRun, &run)["spec"]["terminate"], true);
    assert!(!status(&world).promote_full);
    run_for(&mut world, 60);
    at_rest(&mut world);
}

#[test]
fn an_aborted_update_is_promoted_in_full_when_a_person_insists() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    change(&mut world, &json!({"status": {"abort": true}}));
    change(&mut world, &json!({"status": {"promoteFull": true}}));
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    assert!(!status(&world).abort);
}

#[test]
fn a_service_that_is_applied_anew_goes_back_to_the_stable_version() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    world.patch(
        Kind::Service,
        "active",
        &json!({"spec": {"selector": {HASH: null}}}),
        false,
    );
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).message.as_str()),
        ("v1", "BlueGreenPause")
    );
    promote(&mut world);
    world.patch(
        Kind::Service,
        "active",
        &json!({"spec": {"selector": {HASH: null}}}),
        false,
    );
    run_for(&mut world, 5);
    assert_eq!(led_to_tag(&world, "active"), "v2");
}

#[test]
fn a_service_that_is_no_longer_named_selects_by_its_own_labels_again() {
    let mut world = world(json!({}));
    let service = json!({"metadata": {"name": "other"}, "spec": {"selector": {"app": "web"}}});
    world.put(Kind::Service, service);
    change(
        &mut world,
        &json!({"spec": {"strategy": {"blueGreen": {"activeService": "other", "previewService": null}}}}),
    );
    for name in ["active", "preview"] {
        assert_eq!(
            world.get(Kind::Service, name)["spec"]["selector"],
            json!({"app": "web"}),
            "{name}"
        );
    }
    assert_eq!(
        (led_to_tag(&world, "other"), status(&world).phase.as_str()),
        ("v1", "Healthy")
    );
}

#[test]
fn a_canary_that_becomes_blue_green_in_the_middle_is_led_by_stable_until_the_switch() {
    let mut world = world(json!({}));
    let canary =
        json!({"strategy": {"blueGreen": null, "canary": {"steps": [{"setWeight": 34}, {"pause": {}}]}}});
    change(&mut world, &json!({"spec": canary}));
    assert_eq!(led_to(&world, "active"), "");
    release(&mut world, "v2");
    assert_eq!(status(&world).message, "CanaryPauseStep");
    let back = json!({"strategy": {"canary": null, "blueGreen": {"activeService": "active", "autoPromotionEnabled": false}}});
    change(&mut world, &json!({"spec": back}));
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).message.as_str()),
        ("v1", "BlueGreenPause")
    );
    assert_eq!(
        (
            status(&world).current_step_index,
            status(&world).current_step_hash.as_str()
        ),
        (None, "")
    );
    promote(&mut world);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
}

#[test]
fn a_change_of_strategy_to_blue_green_lifts_no_abort() {
    let mut world = world(json!({}));
    let canary =
        json!({"strategy": {"blueGreen": null, "canary": {"steps": [{"setWeight": 34}, {"pause": {}}]}}});
    change(&mut world, &json!({"spec": canary}));
    release(&mut world, "v2");
    change(&mut world, &json!({"status": {"abort": true}}));
    let back = json!({"strategy": {"canary": null, "blueGreen": {"activeService": "active"}}});
    change(&mut world, &json!({"spec": back}));
    run_for(&mut world, 60);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v1", "Degraded")
    );
}

#[test]
fn a_stable_version_that_is_deleted_is_replaced_once_the_new_one_has_its_pods() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    world.laws.clear();
    release(&mut world, "v2");
    let set = format!("web-{}", world.hash_of("v1").unwrap());
    world.objects.remove(&(Kind::ReplicaSet, set));
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"metadata": {"labels": {"touched": "yes"}}}),
        false,
    );
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    assert_eq!(status(&world).stable_rs, world.hash_of("v2").unwrap());
}

#[test]
fn a_lost_status_is_no_first_deployment() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    world.patch(Kind::Rollout, "web", &json!({"status": null}), true);
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).stable_rs),
        ("v1", world.hash_of("v1").unwrap())
    );
    assert_eq!(status(&world).message, "BlueGreenPause");
}

#[test]
fn a_release_that_gets_nowhere_is_aborted_when_its_deadline_passes() {
    let mut world = world(json!({}));
    change(
        &mut world,
        &json!({"spec": {"progressDeadlineSeconds": 30, "progressDeadlineAbort": true}}),
    );
    release(&mut world, "bad");
    run_for(&mut world, 120);
    let now = status(&world);
    assert_eq!(
        (now.phase.as_str(), led_to_tag(&world, "active")),
        ("Degraded", "v1")
    );
    let types: Vec<&str> = now
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(types, ["Available", "Healthy", "Completed", "Progressing"]);
    assert_eq!(size(&world, "bad"), 0);
}

#[test]
fn the_deadline_for_progress_does_not_run_while_an_analysis_does() {
    let mut world = world(json!({"prePromotionAnalysis": analysis(), "postPromotionAnalysis": analysis()}));
    change(
        &mut world,
        &json!({"spec": {"progressDeadlineSeconds": 30, "progressDeadlineAbort": true}}),
    );
    release(&mut world, "v2");
    for part in ["pre", "post"] {
        run_for(&mut world, 300);
        assert_eq!(status(&world).phase, "Progressing", "{part}");
        end_run(&mut world, part, "Successful");
    }
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
}

#[test]
fn a_status_lost_before_the_switch_leaves_the_active_service_and_makes_the_update_start_over() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    run_for(&mut world, 10);
    assert_eq!((led_to_tag(&world, "active"), size(&world, "v2")), ("v1", 3));
    world.patch(Kind::Rollout, "web", &json!({"status": null}), true);
    run_for(&mut world, 60);
    assert_eq!(led_to_tag(&world, "active"), "v1");
    let now = status(&world);
    assert_eq!(
        (Some(now.stable_rs), now.phase.as_str()),
        (world.hash_of("v1"), "Paused")
    );
}

#[test]
fn an_analysis_after_the_switch_that_was_told_to_stop_makes_no_version_stable() {
    let mut world = world(json!({"postPromotionAnalysis": analysis(), "autoPromotionSeconds": 20}));
    release(&mut world, "v2");
    run_for(&mut world, 30);
    let run = run_named(&world, "post").unwrap();
    let back = json!({"spec": {"selector": {HASH: world.hash_of("v1").unwrap()}}});
    world.patch(Kind::Service, "active", &back, false);
    world.pass_until(TimeDelta::seconds(5), |world| {
        world.get(Kind::AnalysisRun, &run)["spec"]["terminate"] == true
    });
    let stopped = json!({"status": {"phase": "Successful", "message": "Run Terminated"}});
    world.patch(Kind::AnalysisRun, &run, &stopped, false);
    run_for(&mut world, 30);
    assert_eq!(
        led_to_tag(&world, "active"),
        "v2",
        "the Service is led there again"
    );
    assert_eq!(Some(status(&world).stable_rs), world.hash_of("v1"));
    end_run(&mut world, "post.1", "Successful");
    assert_eq!(Some(status(&world).stable_rs), world.hash_of("v2"));
}
