//! Blue-green updates as they should go, lived through on the small world: one test for each rule.

use crate::blue_green_stage::*;
use chrono::TimeDelta;
use serde_json::json;
use serin::base::object::Kind;
use serin::plan::Moment;

#[test]
fn the_active_service_is_switched_only_when_all_pods_of_the_new_version_are_available() {
    let mut world = world(json!({}));
    world.laws.push(|world| {
        let hash = led_to(world, "active");
        let sets = world.replica_sets();
        let all = sets.iter().any(|set| set.hash() == hash && set.available == 3);
        assert!(all, "{hash}");
    });
    release(&mut world, "bad");
    run_for(&mut world, 60);
    assert_eq!(
        (led_to_tag(&world, "active"), led_to_tag(&world, "preview")),
        ("v1", "bad")
    );
    release(&mut world, "v2");
    assert_eq!(
        (led_to_tag(&world, "active"), led_to_tag(&world, "preview")),
        ("v2", "v2")
    );
    assert_eq!(status(&world).phase, "Healthy");
    run_for(&mut world, 60);
    assert_eq!(
        (size(&world, "v1"), size(&world, "bad"), size(&world, "v2")),
        (0, 0, 3)
    );
    at_rest(&mut world);
}

#[test]
fn without_auto_promotion_the_switch_waits_for_a_person() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    run_for(&mut world, 3_600);
    assert_eq!(
        (status(&world).phase.as_str(), status(&world).message.as_str()),
        ("Paused", "BlueGreenPause")
    );
    assert_eq!(
        (led_to_tag(&world, "active"), led_to_tag(&world, "preview")),
        ("v1", "v2")
    );
    assert!(
        world
            .announced
            .iter()
            .any(|told| matches!(told.moment, Moment::Paused(_)))
    );
    promote(&mut world);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    let last = world.announced.last().unwrap();
    assert_eq!(
        (&last.moment, last.weight, last.step),
        (&Moment::Promoted("Completed blue-green update".into()), 100, None)
    );
}

#[test]
fn auto_promotion_seconds_pause_before_the_switch_and_a_person_may_end_them_early() {
    let mut world = world(json!({"autoPromotionSeconds": 60}));
    release(&mut world, "v2");
    run_for(&mut world, 50);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v1", "Paused")
    );
    run_for(&mut world, 10);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    release(&mut world, "v3");
    promote(&mut world);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v3", "Healthy")
    );
}

#[test]
fn a_promotion_holds_although_pods_are_missing_at_that_moment() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    let set = format!("web-{}", world.hash_of("v2").unwrap());
    world.patch(
        Kind::ReplicaSet,
        &set,
        &json!({"status": {"availableReplicas": 2}}),
        false,
    );
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    run_for(&mut world, 5);
    assert_eq!(led_to_tag(&world, "active"), "v1");
    world.patch(
        Kind::ReplicaSet,
        &set,
        &json!({"status": {"availableReplicas": 3}}),
        false,
    );
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    assert!(!status(&world).controller_pause);
}

#[test]
fn a_small_preview_grows_to_the_whole_once_the_switch_is_decided() {
    let mut world = world(json!({"autoPromotionEnabled": false, "previewReplicaCount": 1}));
    assert_eq!(size(&world, "v1"), 3, "a first release has no preview");
    release(&mut world, "v2");
    assert_eq!((size(&world, "v2"), status(&world).phase.as_str()), (1, "Paused"));
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    world.pass_until(TimeDelta::seconds(5), |world| size(world, "v2") == 3);
    assert_eq!(led_to_tag(&world, "active"), "v1");
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
    assert!(!status(&world).blue_green.scale_up_preview_check_point);
    run_for(&mut world, 60);
    at_rest(&mut world);
}

#[test]
fn a_version_that_comes_back_while_its_pods_run_is_neither_paused_nor_judged() {
    let mut world = world(
        json!({"autoPromotionEnabled": false, "scaleDownDelaySeconds": 60, "prePromotionAnalysis": analysis()}),
    );
    release(&mut world, "v2");
    end_run(&mut world, "pre", "Successful");
    promote(&mut world);
    let runs = run_named(&world, "pre");
    release(&mut world, "v1");
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v1", "Healthy")
    );
    assert_eq!(run_named(&world, "pre"), runs);
    run_for(&mut world, 120);
    assert_eq!((size(&world, "v1"), size(&world, "v2")), (3, 0));
    release(&mut world, "v2");
    assert_eq!(
        (led_to_tag(&world, "active"), size(&world, "v2")),
        ("v1", 3),
        "its pods are gone: all over again"
    );
    assert!(run_named(&world, "pre") != runs);
}

#[test]
fn a_newer_release_takes_the_preview_over_and_asks_for_its_own_promotion() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    release(&mut world, "v3");
    assert_eq!(
        (led_to_tag(&world, "active"), led_to_tag(&world, "preview")),
        ("v1", "v3")
    );
    assert_eq!(status(&world).message, "BlueGreenPause");
    run_for(&mut world, 60);
    assert_eq!(
        (size(&world, "v1"), size(&world, "v2"), size(&world, "v3")),
        (3, 0, 3)
    );
}

#[test]
fn a_held_rollout_grows_its_new_version_but_moves_no_service() {
    let mut world = world(json!({}));
    change(&mut world, &json!({"spec": {"paused": true}}));
    release(&mut world, "v2");
    assert_eq!(
        (
            size(&world, "v2"),
            led_to_tag(&world, "active"),
            led_to_tag(&world, "preview")
        ),
        (3, "v1", "v1")
    );
    at_rest(&mut world);
    change(&mut world, &json!({"spec": {"paused": false}}));
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).phase.as_str()),
        ("v2", "Healthy")
    );
}

#[test]
fn a_rescale_reaches_both_versions_and_the_switch_waits_for_the_new_size() {
    let mut world = world(json!({"autoPromotionEnabled": false}));
    release(&mut world, "v2");
    world.patch(Kind::Rollout, "web", &json!({"spec": {"replicas": 5}}), false);
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    world.pass_until(TimeDelta::seconds(5), |world| size(world, "v2") == 5);
    assert_eq!((size(&world, "v1"), led_to_tag(&world, "active")), (5, "v1"));
    run_for(&mut world, 5);
    assert_eq!(
        (led_to_tag(&world, "active"), status(&world).hpa_replicas),
        ("v2", Some(5))
    );
    change(&mut world, &json!({"spec": {"replicas": 2}}));
    run_for(&mut world, 60);
    assert_eq!(
        (
            size(&world, "v1"),
            size(&world, "v2"),
            status(&world).phase.as_str()
        ),
        (0, 2, "Healthy")
    );
}
