//! Steps, pauses, gates, evidence, analysis runs.

use super::super::stage::{A, Stage};
use super::{QUERY, create_run, go_on, measured, pause, vector};
use crate::cluster::request::Verb;
use serde_json::json;

#[test]
fn s4_a_success_needs_evidence() {
    let check = |answer: Result<&str, &str>, value: &str| {
        let mut stage = Stage::new();
        create_run(&mut stage, "web-new-2-3", "3");
        stage.asked(QUERY, answer);
        measured(&mut stage, "web-new-2-3", "Successful", value);
        stage
    };
    check(Ok(&vector("NaN")), "[NaN]").breaks(
        "S4",
        &["metric errors of run shop/web-new-2-3", "had no number: [NaN]"],
    );
    check(Ok("<html>"), "<html>").breaks("S4", &["had no number: no answer of Prometheus"]);
    check(Err("timed out"), "").breaks("S4", &["had no number"]);
    check(Ok(&vector("0.2")), "[0.2]")
        .breaks("S4", &["the answer was [0.2], success is \"result[0] < 0.05\""]);
    check(Ok(&vector("0.01")), "[0.01]").keeps("S4");
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    measured(&mut stage, "web-new-2-3", "Successful", "[0]");
    stage.breaks("S4", &["the query \"errors{web}\" was never answered"]);
}

#[test]
fn s5_the_index_never_goes_back_by_itself() {
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    go_on(&mut stage, 0);
    stage.breaks(
        "S5",
        &["the step index went from 1 to 0, but it went back without an abort"],
    );
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    stage.status(A, json!({"abort": true, "currentStepIndex": 0, "pauseConditions": null, "phase": "Degraded", "message": "x"}));
    stage.keeps("S5");
}

#[test]
fn s5_a_weight_is_served_before_its_step_is_passed() {
    let mut stage = Stage::new();
    pause(&mut stage, 1);
    stage.breaks("S5", &["step 0 sets weight 20, and the version new gets 0 %"]);
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    stage.keeps("S5");
}

#[test]
fn s5_only_a_person_ends_a_pause_without_duration() {
    let stage = |by_person: bool| {
        let mut stage = Stage::new();
        stage.world(
            "rollouts",
            "web",
            json!({"spec": {"strategy": {"canary": {"steps": [{"pause": {}}, {"setWeight": 20}]}}}}),
        );
        stage.status(
            A,
            json!({"observedGeneration": "3", "currentStepHash": "t", "currentStepIndex": 0}),
        );
        pause(&mut stage, 0);
        stage.pass(600);
        if by_person {
            stage.status("ann", json!({"pauseConditions": null}));
        }
        go_on(&mut stage, 1);
        stage
    };
    stage(false).breaks("S5", &["step 0 waits for a person, and nobody ended it"]);
    stage(true).keeps("S5");
}

#[test]
fn s6_a_pause_lasts() {
    let stage = |seconds: i64| {
        let mut stage = Stage::new();
        stage.weight(20);
        pause(&mut stage, 1);
        stage.pass(seconds);
        go_on(&mut stage, 2);
        stage
    };
    stage(40).breaks("S6", &["the pause of step 1 says 1m and lasted 40s"]);
    stage(59).keeps("S6");
    stage(62).keeps("S6");
    stage(70).breaks(
        "S6",
        &["the pause of step 1", "is over, but the steps do not go on"],
    );
}

#[test]
fn s6_a_person_may_end_a_pause() {
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    stage.pass(5).status("ann", json!({"pauseConditions": null}));
    go_on(&mut stage, 2);
    stage.keeps("S6");
    // Nothing is late while the API server is away.
    let mut stage = Stage::new();
    stage.weight(20);
    pause(&mut stage, 1);
    stage
        .fault("A13", "begins")
        .pass(600)
        .fault("A13", "ends")
        .pass(40);
    go_on(&mut stage, 2);
    stage.keeps("S6");
}

#[test]
fn t8_no_step_passes_an_open_analysis() {
    let stage = |phase: &str| {
        let mut stage = Stage::new();
        create_run(&mut stage, "web-new-2-3", "3");
        stage.status("ann", json!({"currentStepIndex": 3}));
        stage.asked(QUERY, Ok(&vector("0.01")));
        measured(&mut stage, "web-new-2-3", phase, "[0.01]");
        go_on(&mut stage, 4);
        stage
    };
    stage("Running").breaks(
        "T8",
        &["from 3 to 4, but no analysis run of step 3 was successful"],
    );
    stage("Inconclusive").breaks("T8", &["step 3"]);
    stage("Successful").keeps("T8");
}

#[test]
fn t8_what_passed_before_an_abort_does_not_count_after_it() {
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    stage.asked(QUERY, Ok(&vector("0.01")));
    measured(&mut stage, "web-new-2-3", "Successful", "[0.01]");
    stage
        .status("ann", json!({"abort": true}))
        .status("ann", json!({"abort": false, "currentStepIndex": 3}));
    go_on(&mut stage, 4);
    stage.breaks("T8", &["in this attempt"]);
}

#[test]
fn s10_one_run_for_each_step() {
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    create_run(&mut stage, "web-new-2-3.1", "3");
    stage.breaks(
        "S10",
        &["a second Step run of revision 2 step \"3\", while shop/web-new-2-3 exists (not begun)"],
    );
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    create_run(&mut stage, "web-new-2-1", "1");
    measured(&mut stage, "web-new-2-3", "Failed", "[0.2]");
    stage
        .status(A, json!({"abort": true}))
        .status("ann", json!({"abort": false}));
    create_run(&mut stage, "web-new-2-3.1", "3");
    stage.keeps("S10");
}

#[test]
fn s10_a_passed_run_is_not_repeated() {
    let mut stage = Stage::new();
    create_run(&mut stage, "web-new-2-3", "3");
    stage.asked(QUERY, Ok(&vector("0.01")));
    measured(&mut stage, "web-new-2-3", "Successful", "[0.01]");
    create_run(&mut stage, "web-new-2-3.1", "3");
    stage.breaks("S10", &["exists (Successful)"]);
}

#[test]
fn s17_an_answer_is_not_kept_waiting() {
    let stage = |seconds: i64| {
        let mut stage = Stage::new();
        create_run(&mut stage, "web-new-2-3", "3");
        stage
            .fault("F4", "begins")
            .asked(QUERY, Ok(&vector("0.2")))
            .pass(seconds);
        measured(&mut stage, "web-new-2-3", "Failed", "[0.2]");
        stage
    };
    stage(9).breaks(
        "S17",
        &["metric errors of run shop/web-new-2-3", "waited 9s", "[\"F4\"]"],
    );
    stage(2).keeps("S17");
}

#[test]
fn l2_two_writes_take_the_traffic_away() {
    let failed = || {
        let mut stage = Stage::new();
        stage.weight(20);
        create_run(&mut stage, "web-new-2-3", "3");
        stage.status(
            A,
            json!({"canary": {"currentStepAnalysisRunStatus": {"name": "web-new-2-3"}}}),
        );
        stage.asked(QUERY, Ok(&vector("0.2")));
        measured(&mut stage, "web-new-2-3", "Failed", "[0.2]");
        stage
    };
    let abort = json!({"abort": true, "phase": "Degraded", "message": "x"});
    let mut stage = failed();
    stage
        .status(A, abort.clone())
        .status(A, json!({"message": "y"}))
        .weight(0);
    stage.breaks("L2", &["run shop/web-new-2-3 failed, and 2 writes later ([rollouts web, rollouts web]) version new still gets traffic"]);
    let mut stage = failed();
    stage.pass(11).log("nobody does anything");
    stage.breaks(
        "L2",
        &["run shop/web-new-2-3 failed 11s ago, and version new still gets traffic"],
    );
    let mut stage = failed();
    stage.status(A, abort).weight(0).pass(60).log("done");
    stage.keeps("L2");
    // Without a router there is no traffic to move, but the update must end.
    let mut stage = Stage::new();
    stage.world(
        "rollouts",
        "web",
        json!({"spec": {"strategy": {"canary": {"trafficRouting": null}}}}),
    );
    stage.status(A, json!({"observedGeneration": "3"}));
    create_run(&mut stage, "web-new-2-3", "3");
    stage.status(
        A,
        json!({"canary": {"currentStepAnalysisRunStatus": {"name": "web-new-2-3"}}}),
    );
    measured(&mut stage, "web-new-2-3", "Failed", "[0.2]");
    stage.pass(11).log("nobody does anything");
    stage.breaks(
        "L2",
        &["run web-new-2-3 has failed, and the update is not aborted"],
    );
    // A run that does not decide about this update.
    let mut stage = Stage::new();
    stage.weight(20);
    stage.request(A, Verb::Create, "analysisruns", "other", super::run("1"));
    measured(&mut stage, "other", "Failed", "[1]");
    stage.pass(60).log("nothing");
    stage.keeps("L2");
}
