//! What the status says when the world is not as the last one left it: lost statuses, deadlines of others, wrong clocks, missing pods.

use crate::gateway::{canary_weight, manifest, of, phase, release, run_for, settle, template, world};
use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;

#[test]
fn a_status_lost_in_mid_canary_makes_the_update_start_over_and_stable_stays_stable() {
    let mut world = world(json!([{"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]));
    release(&mut world, "v2");
    settle(&mut world);
    world.patch(Kind::Rollout, "web", &json!({"status": null}), true);
    settle(&mut world);
    let status = world.rollout().status;
    assert_eq!(Some(status.stable_rs), world.hash_of("v1"));
    assert_eq!((canary_weight(&world), status.current_step_index), (25, Some(1)));
    assert_eq!(status.phase, "Paused");
}

fn halves() -> Value {
    json!([{"setWeight": 50}, {"pause": {}}])
}

fn abort(world: &mut World) {
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
}

#[test]
fn a_rollout_that_comes_back_without_a_status_waits_for_its_replica_sets() {
    let mut world = world(halves());
    release(&mut world, "v2");
    settle(&mut world);
    let mut back = manifest(halves());
    back["metadata"]["annotations"]["rollout.argoproj.io/revision"] = json!("2");
    back["spec"]["template"] = template("v2");
    world.put(Kind::Rollout, back);
    run_for(&mut world, 1);
    for set in world.replica_sets() {
        let orphan = json!({"metadata": {"ownerReferences": null}});
        world.patch(Kind::ReplicaSet, set.name(), &orphan, false);
    }
    run_for(&mut world, 30);
    assert_eq!(world.replica_sets().len(), 2, "none is made anew");
    assert_eq!(Some(world.rollout().status.stable_rs), world.hash_of("v1"));
}

#[test]
fn a_rollout_made_anew_waits_for_the_replica_set_of_the_former_to_become_nobodys() {
    let mut world = world(halves());
    let before = of(&world, "v1").name().to_owned();
    let mut anew = manifest(halves());
    anew["metadata"]["uid"] = json!("uid-of-the-new-one");
    world.put(Kind::Rollout, anew);
    run_for(&mut world, 10);
    assert_eq!(world.replica_sets().len(), 1, "none is made under another name");
    let orphan = json!({"metadata": {"ownerReferences": null}});
    world.patch(Kind::ReplicaSet, &before, &orphan, false);
    run_for(&mut world, 30);
    let sets = world.replica_sets();
    assert_eq!((sets.len(), sets[0].name()), (1, before.as_str()));
    assert_eq!(sets[0].replicas_desired, 4, "its pods serve on");
}

#[test]
fn a_deadline_that_an_old_version_still_carries_holds_up_no_progress_deadline() {
    let mut world = world(halves());
    release(&mut world, "v2");
    settle(&mut world);
    abort(&mut world);
    run_for(&mut world, 60);
    let old = of(&world, "v2");
    assert!(old.replicas_desired == 0 && old.scale_down_deadline().is_some());
    release(&mut world, "bad3");
    let long = TimeDelta::seconds(700);
    world.run(long, TimeDelta::hours(1), |_| false);
    let message = world.rollout().status.message;
    assert!(message.starts_with("ProgressDeadlineExceeded"), "{message}");
}

#[test]
fn healthy_is_said_only_with_all_pods_of_the_new_version() {
    let mut world = world(json!([]));
    release(&mut world, "v2");
    run_for(&mut world, 10);
    assert_eq!(
        (phase(&world).as_str(), of(&world, "v1").available),
        ("Healthy", 4)
    );
    let name = of(&world, "v2").name().to_owned();
    let crashed = json!({"status": {"availableReplicas": 1, "readyReplicas": 1}});
    world.patch(Kind::ReplicaSet, &name, &crashed, false);
    run_for(&mut world, 6);
    assert_eq!(phase(&world), "Progressing");
}

#[test]
fn when_somebody_wipes_the_conditions_the_deadline_for_progress_still_passes() {
    let mut world = world(halves());
    release(&mut world, "bad2");
    run_for(&mut world, 60);
    let wiped = json!({"status": {"conditions": [], "message": "written by another version"}});
    world.patch(Kind::Rollout, "web", &wiped, true);
    let long = TimeDelta::seconds(700);
    world.run(long, TimeDelta::hours(1), |_| false);
    let message = world.rollout().status.message;
    assert!(message.starts_with("ProgressDeadlineExceeded"), "{message}");
}

#[test]
fn by_a_clock_that_is_behind_no_rollout_stays_new() {
    let mut world = World::new();
    world.put(Kind::Rollout, manifest(halves()));
    let ahead = json!({"metadata": {"creationTimestamp": world.now + TimeDelta::hours(2)}});
    world.patch(Kind::Rollout, "web", &ahead, false);
    run_for(&mut world, 10);
    assert_eq!(phase(&world), "Degraded", "it names Services that do not exist");
}

#[test]
fn an_aborted_update_stays_aborted_when_its_replica_set_cannot_be_made_anew() {
    let mut world = world(halves());
    release(&mut world, "v2");
    settle(&mut world);
    abort(&mut world);
    settle(&mut world);
    let (mut seen, gone) = (world.observe(), world.hash_of("v2").unwrap());
    seen.replica_sets.retain(|set| set.hash() != gone);
    seen.create_failure = Some("exceeded quota".into());
    let plan = serin::plan::rollout::plan(&seen, world.now);
    let told = plan
        .actions
        .iter()
        .any(|action| action.body.to_string().contains("exceeded quota"));
    assert!(!told, "{:#?}", plan.actions);
}
