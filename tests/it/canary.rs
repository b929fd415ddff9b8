//! A canary without a router and its analyses, lived through on the small world.

use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;
use serin::plan::Verb;

fn manifest(strategy: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "replicas": 5, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1"),
        "strategy": {"canary": strategy}}})
}

fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

fn world(strategy: Value) -> World {
    let mut world = World::new();
    world.patient = true;
    let metric = json!({"name": "errors", "interval": "60s", "count": 10, "successCondition": "result[0] < 0.005",
        "provider": {"prometheus": {"address": "http://prometheus", "query": "errors"}}});
    world.put(
        Kind::AnalysisTemplate,
        json!({"metadata": {"name": "errors"}, "spec": {"metrics": [metric]}}),
    );
    world.put(Kind::Rollout, manifest(strategy));
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.phase, "Healthy");
    world
}

fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::seconds(600), |world| {
        world.now >= until
    });
}

fn release(world: &mut World, tag: &str) {
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": template(tag)}}),
        false,
    );
    run_for(world, 5);
}

fn promote(world: &mut World) {
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"status": {"pauseConditions": null}}),
        true,
    );
    run_for(world, 3);
}

fn runs(world: &World) -> Vec<String> {
    world
        .objects
        .keys()
        .filter(|(kind, _)| *kind == Kind::AnalysisRun)
        .map(|(_, name)| name.clone())
        .collect()
}

fn end_run(world: &mut World, name: &str, phase: &str, message: &str) {
    world.patch(
        Kind::AnalysisRun,
        name,
        &json!({"status": {"phase": phase, "message": message}}),
        false,
    );
    run_for(world, 3);
}

fn size(world: &World, tag: &str) -> i32 {
    let hash = world.hash_of(tag).unwrap();
    world
        .replica_sets()
        .into_iter()
        .find(|set| set.hash() == hash)
        .unwrap()
        .replicas_desired
}

fn analysis() -> Value {
    json!({"templates": [{"templateName": "errors"}]})
}

#[test]
fn an_analysis_step_holds_the_update_until_its_run_succeeds() {
    let mut world = world(
        json!({"steps": [{"setWeight": 20}, {"analysis": analysis()}, {"setWeight": 60}, {"pause": {}}]}),
    );
    release(&mut world, "v2");
    let names = runs(&world);
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(names[0], format!("web-{}-2-1", world.hash_of("v2").unwrap()));
    run_for(&mut world, 500);
    assert_eq!(
        (world.rollout().status.current_step_index, size(&world, "v2")),
        (Some(1), 1)
    );
    end_run(&mut world, &names[0], "Successful", "");
    assert_eq!(
        (world.rollout().status.current_step_index, size(&world, "v2")),
        (Some(3), 3)
    );
}

#[test]
fn a_failed_analysis_aborts_and_says_why() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": analysis()}));
    release(&mut world, "v2");
    let name = runs(&world).pop().unwrap();
    let why = "Metric \"errors\" assessed Failed due to failed (1) > failureLimit (0)";
    end_run(&mut world, &name, "Failed", why);
    let status = world.rollout().status;
    assert_eq!((status.phase.as_str(), status.abort), ("Degraded", true));
    assert!(
        status
            .message
            .ends_with(&format!("Background analysis phase error/failed: {why}")),
        "{}",
        status.message
    );
    assert_eq!((size(&world, "v1"), size(&world, "v2")), (5, 0));
    assert_eq!(runs(&world), vec![name], "no new run for an aborted update");
}

#[test]
fn an_abort_is_durable_before_anything_else_is_written() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": analysis()}));
    release(&mut world, "v2");
    let name = runs(&world).pop().unwrap();
    let before = world.writes.len();
    end_run(&mut world, &name, "Failed", "bad");
    let first = &world.writes[before];
    assert_eq!((first.kind, first.verb), (Kind::Rollout, Verb::PatchStatus));
    assert_eq!(first.body["status"]["abort"], json!(true));
}

#[test]
fn an_inconclusive_analysis_waits_for_a_person_and_measures_anew_on_resume() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"analysis": analysis()}, {"pause": {}}]}));
    release(&mut world, "v2");
    let name = runs(&world).pop().unwrap();
    end_run(
        &mut world,
        &name,
        "Inconclusive",
        "inconclusive (1) > inconclusiveLimit (0)",
    );
    let status = world.rollout().status;
    assert_eq!(
        (status.phase.as_str(), status.message.as_str()),
        ("Paused", "InconclusiveAnalysisRun")
    );
    promote(&mut world);
    assert_eq!(runs(&world), vec![name.clone(), format!("{name}.1")]);
    assert_eq!(world.rollout().status.phase, "Progressing");
}

#[test]
fn a_retry_after_an_abort_measures_anew() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": analysis()}));
    release(&mut world, "v2");
    let name = runs(&world).pop().unwrap();
    end_run(&mut world, &name, "Failed", "bad");
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": false}}), true);
    run_for(&mut world, 3);
    assert_eq!(runs(&world), vec![name.clone(), format!("{name}.1")]);
    assert_eq!(world.rollout().status.phase, "Paused");
}

#[test]
fn a_promoted_update_ends_its_background_analysis() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": analysis()}));
    release(&mut world, "v2");
    promote(&mut world);
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.phase, "Healthy");
    let name = runs(&world).pop().unwrap();
    assert_eq!(
        world.get(Kind::AnalysisRun, &name)["spec"]["terminate"],
        json!(true)
    );
}

#[test]
fn a_canary_replaces_a_deleted_stable_version_only_once_it_is_ready() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}]}));
    release(&mut world, "bad");
    let (stable, name) = (
        world.rollout().status.stable_rs,
        format!("web-{}", world.hash_of("v1").unwrap()),
    );
    world.objects.remove(&(Kind::ReplicaSet, name));
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"metadata": {"annotations": {"touched": "yes"}}}),
        false,
    );
    run_for(&mut world, 10);
    assert_eq!(
        world.rollout().status.stable_rs,
        stable,
        "pods that are not ready are no stable version"
    );
    assert_eq!(size(&world, "bad"), 5, "the new version is all there is");
}

#[test]
fn an_abort_works_although_a_template_is_gone() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}], "analysis": analysis()}));
    release(&mut world, "v2");
    world.objects.remove(&(Kind::AnalysisTemplate, "errors".into()));
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 5);
    assert_eq!((size(&world, "v1"), size(&world, "v2")), (5, 0));
}

#[test]
fn a_missing_template_is_named_before_anything_moves() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}]}));
    let strategy = json!({"canary": {"analysis": {"templates": [{"templateName": "nothing"}]}}});
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": template("v2"), "strategy": strategy}}),
        false,
    );
    run_for(&mut world, 3);
    let status = world.rollout().status;
    assert!(
        status.message.contains("AnalysisTemplate 'nothing' not found"),
        "{}",
        status.message
    );
    assert_eq!(world.hash_of("v2"), None);
}

/// The budget of a usual canary: at most 30 requests with Events, at most 9 of them writes of the Rollout.
#[test]
fn a_canary_of_five_steps_stays_within_its_request_budget() {
    let mut world = world(json!({"steps": [
        {"setWeight": 20}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}, {"setWeight": 80}]}));
    let (writes, events) = (world.writes.len(), world.published.len());
    release(&mut world, "v2");
    promote(&mut world);
    promote(&mut world);
    run_for(&mut world, 10);
    assert_eq!(world.rollout().status.phase, "Healthy");
    let of_rollout = world.writes[writes..]
        .iter()
        .filter(|action| action.kind == Kind::Rollout)
        .count();
    let (writes, events) = (world.writes.len() - writes, world.published.len() - events);
    let listed = || {
        format!(
            "{:#?}\n{:#?}",
            world.writes.iter().map(|a| (a.kind, &a.body)).collect::<Vec<_>>(),
            world.published
        )
    };
    assert!(
        of_rollout <= 9,
        "{of_rollout} writes of the Rollout\n{}",
        listed()
    );
    assert!(
        writes + events <= 30,
        "{writes} writes and {events} events\n{}",
        listed()
    );
}

/// The status holds whole seconds: a pause that began within one must not end early for that.
#[test]
fn a_pause_lasts_at_least_its_duration() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {"duration": "10s"}}]}));
    world.now += TimeDelta::milliseconds(650);
    let spec = json!({"spec": {"template": template("v2")}});
    world.patch(Kind::Rollout, "web", &spec, false);
    let minutes = TimeDelta::minutes(5);
    world.pass_until(minutes, |world| world.rollout().status.phase == "Paused");
    let began = world.now;
    world.pass_until(minutes, |world| {
        world.rollout().status.pause_conditions.is_empty()
    });
    let lasted = world.now - began;
    let (least, most) = (TimeDelta::seconds(10), TimeDelta::seconds(11));
    assert!((least..=most).contains(&lasted), "{lasted}");
}

/// Lives an update with an analysis step whose run begins and ends while no status can be written.
fn unrecorded(phase: &str) -> World {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"analysis": analysis}, {"pause": {}}]}));
    let spec = json!({"spec": {"template": template("v2")}});
    world.patch(Kind::Rollout, "web", &spec, false);
    let minutes = TimeDelta::minutes(5);
    world.refuse_statuses = true;
    world.pass_until(minutes, |world| !runs(world).is_empty());
    let name = runs(&world).remove(0);
    let verdict = json!({"status": {"phase": phase, "message": "so it is"}});
    world.patch(Kind::AnalysisRun, &name, &verdict, false);
    run_for(&mut world, 5);
    world.refuse_statuses = false;
    run_for(&mut world, 5);
    world
}

#[test]
fn an_analysis_that_began_and_ended_unrecorded_is_not_repeated() {
    let world = unrecorded("Successful");
    assert_eq!(runs(&world).len(), 1);
    assert_eq!(world.rollout().status.current_step_index, Some(2));
    let told = |event: &&(String, String)| event.0 == "AnalysisRunSuccessful";
    assert_eq!(world.published.iter().filter(told).count(), 1);
    let mut world = unrecorded("Failed");
    assert_eq!((runs(&world).len(), world.rollout().status.abort), (1, true));
    let retry = json!({"status": {"abort": false}});
    world.patch(Kind::Rollout, "web", &retry, true);
    run_for(&mut world, 5);
    assert_eq!(runs(&world).len(), 2, "a retry measures anew");
}

#[test]
fn limits_that_forgive_every_measurement_are_told_with_the_run() {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let mut world = world(json!({"steps": [{"analysis": analysis}]}));
    let mut template = world.get(Kind::AnalysisTemplate, "errors").clone();
    template["spec"]["metrics"][0]["failureLimit"] = json!(10);
    world.put(Kind::AnalysisTemplate, template);
    release(&mut world, "v2");
    let told = |event: &&(String, String)| event.0 == "LimitsForgiveAll";
    assert_eq!(world.published.iter().filter(told).count(), 1);
}

#[test]
fn a_deadline_abort_is_told_once() {
    let mut manifest = manifest(json!({"steps": [{"setWeight": 20}]}));
    manifest["spec"]["progressDeadlineSeconds"] = json!(10);
    manifest["spec"]["progressDeadlineAbort"] = json!(true);
    let mut world = World::new();
    world.put(Kind::Rollout, manifest);
    run_for(&mut world, 5);
    release(&mut world, "bad");
    run_for(&mut world, 60);
    let aborts = world.published.iter().filter(|event| event.0 == "RolloutAborted");
    let texts: Vec<_> = aborts.map(|event| event.1.as_str()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].ends_with("has timed out progressing."), "{texts:?}");
}

#[test]
fn the_duration_of_an_update_is_recorded() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}]}));
    let first = world.rollout().status.duration.unwrap();
    assert_eq!(first.completion_status, "Promoted");
    release(&mut world, "v2");
    run_for(&mut world, 30);
    let running = world.rollout().status.duration.unwrap();
    assert!(running.finished_at.is_none() && running.manual_pause_started_at.is_some());
    promote(&mut world);
    run_for(&mut world, 10);
    let done = world.rollout().status.duration.unwrap();
    assert_eq!(
        (done.completion_status.as_str(), done.manual_pause_started_at),
        ("Promoted", None)
    );
    assert!(
        done.total_manual_pause_duration_seconds.unwrap() >= 29,
        "{done:?}"
    );
    release(&mut world, "v3");
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 5);
    assert_eq!(
        world.rollout().status.duration.unwrap().completion_status,
        "Aborted"
    );
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": false}}), true);
    run_for(&mut world, 5);
    assert_eq!(
        world.rollout().status.duration.unwrap().completion_status,
        "",
        "a new clock"
    );
    release(&mut world, "v2");
    run_for(&mut world, 5);
    assert_eq!(
        world.rollout().status.duration.unwrap().completion_status,
        "FastRolledBack"
    );
}

#[test]
fn a_replica_set_that_the_selector_does_not_match_any_more_is_let_go_with_its_pods() {
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"pause": {}}]}));
    release(&mut world, "v2");
    let name = format!("web-{}", world.hash_of("v2").unwrap());
    let labels = json!({"metadata": {"labels": {"app": "debug"}}});
    world.patch(Kind::ReplicaSet, &name, &labels, false);
    run_for(&mut world, 5);
    let stranger = world.get(Kind::ReplicaSet, &name);
    assert_eq!(stranger["metadata"]["ownerReferences"], json!([]));
    assert_eq!(
        stranger["spec"]["replicas"], 1,
        "its pods stay for whoever looks at them"
    );
    let status = world.rollout().status;
    assert_eq!(
        (status.collision_count, status.updated_replicas),
        (Some(1), Some(1))
    );
    assert_eq!(status.phase, "Paused", "the version has another ReplicaSet");
    let writes = world.writes.len();
    run_for(&mut world, 60);
    assert_eq!(world.writes.len(), writes, "and that is the end of it");
}

#[test]
fn a_replica_set_is_created_with_quantities_that_a_strict_api_server_takes() {
    let mut world = world(json!({}));
    let mut wanted = template("v2");
    wanted["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": 0.5, "memory": "1024Mi"}});
    world.patch(
        Kind::Rollout,
        "web",
        &json!({"spec": {"template": wanted}}),
        false,
    );
    run_for(&mut world, 5);
    let sets = world.replica_sets();
    let created = sets.iter().find(|set| set.template.contains(":v2")).unwrap();
    let limits = &created.template_json()["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(*limits, json!({"cpu": "500m", "memory": "1Gi"}));
    assert_eq!(world.rollout().status.phase, "Healthy");
}

/// Lives an update until its analysis step has a run, and says its name.
fn analysed() -> (World, String) {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let mut world = world(json!({"steps": [{"setWeight": 20}, {"analysis": analysis}, {"pause": {}}]}));
    let spec = json!({"spec": {"template": template("v2")}});
    world.patch(Kind::Rollout, "web", &spec, false);
    world.pass_until(TimeDelta::minutes(5), |world| !runs(world).is_empty());
    run_for(&mut world, 5);
    let name = runs(&world).remove(0);
    (world, name)
}

#[test]
fn an_analysis_that_was_told_to_stop_lets_no_step_pass() {
    let (mut world, name) = analysed();
    let stopped =
        json!({"spec": {"terminate": true}, "status": {"phase": "Successful", "message": "Run Terminated"}});
    world.patch(Kind::AnalysisRun, &name, &stopped, false);
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.current_step_index, Some(1));
    assert_eq!(runs(&world).len(), 2, "it is measured anew");
    let measured = json!({"status": {"phase": "Successful"}});
    world.patch(Kind::AnalysisRun, &format!("{name}.1"), &measured, false);
    run_for(&mut world, 5);
    assert_eq!(world.rollout().status.current_step_index, Some(2));
}

#[test]
fn a_rollout_that_is_paused_and_scaled_is_aborted_all_the_same() {
    let (mut world, name) = analysed();
    let halted = json!({"spec": {"paused": true, "replicas": 8}});
    world.patch(Kind::Rollout, "web", &halted, false);
    run_for(&mut world, 5);
    let verdict = json!({"status": {"phase": "Failed", "message": "so it is"}});
    world.patch(Kind::AnalysisRun, &name, &verdict, false);
    run_for(&mut world, 5);
    assert!(world.rollout().status.abort);
}

#[test]
fn an_abort_that_comes_with_a_new_version_is_meant_for_it() {
    let mut world = world(json!({"steps": []}));
    let spec = json!({"spec": {"template": template("v2")}});
    world.patch(Kind::Rollout, "web", &spec, false);
    world.patch(Kind::Rollout, "web", &json!({"status": {"abort": true}}), true);
    run_for(&mut world, 60);
    let status = world.rollout().status;
    assert_eq!((status.abort, status.phase.as_str()), (true, "Degraded"));
    assert_eq!(Some(status.stable_rs), world.hash_of("v1"));
}
