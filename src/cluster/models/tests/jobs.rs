//! The Job controller.

use super::*;

fn job(script: &str, more: Value) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "check"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "tool:1", "command": ["sh", "-c", script]}]}}}});
    crate::base::json::merge_apply(&mut job["spec"], &more);
    job
}

fn conditions(play: &Play) -> Vec<String> {
    let job = play.get("jobs.batch", "check");
    let told = reading::list(&job["status"]["conditions"]).iter();
    told.map(|one| {
        format!(
            "{} {}",
            one["type"].as_str().unwrap(),
            one["reason"].as_str().unwrap()
        )
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_finishes() {
    let mut play = Play::new();
    play.make(job("sleep 20; exit 0", json!({})));
    play.run(15.0).await;
    assert_eq!(play.get("jobs.batch", "check")["status"]["active"], 1);
    play.settle().await;
    assert_eq!(
        conditions(&play),
        [
            "SuccessCriteriaMet CompletionsReached",
            "Complete CompletionsReached"
        ]
    );
    let status = &play.get("jobs.batch", "check")["status"];
    assert_eq!(
        (&status["succeeded"], &status["active"]),
        (&json!(1), &Value::Null)
    );
    assert!(status["completionTime"].is_string() && status["startTime"].is_string());
    play.check_forms();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_too_often_has_failed() {
    let mut play = Play::new();
    play.make(job("exit 1", json!({"backoffLimit": 2})));
    let mut made = Vec::new();
    for second in 0..120 {
        play.run(1.0).await;
        if play.pods().len() > made.len() {
            made.push(second);
        }
    }
    assert_eq!(
        conditions(&play),
        [
            "FailureTarget BackoffLimitExceeded",
            "Failed BackoffLimitExceeded"
        ]
    );
    assert_eq!(play.get("jobs.batch", "check")["status"]["failed"], 3);
    let waits: Vec<i32> = made.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.len() == 2 && waits[0] >= 10 && waits[1] >= 20, "{made:?}");
    play.check_forms();
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_at_its_deadline_and_goes_after_its_time() {
    let mut play = Play::new();
    play.make(job(
        "sleep 1000",
        json!({"activeDeadlineSeconds": 30, "ttlSecondsAfterFinished": 60}),
    ));
    play.run(29.0).await;
    assert_eq!(conditions(&play), [] as [&str; 0]);
    play.run(6.0).await;
    assert_eq!(
        conditions(&play),
        ["FailureTarget DeadlineExceeded", "Failed DeadlineExceeded"]
    );
    assert_eq!(play.pods().len(), 0);
    play.settle().await;
    assert!(play.find("jobs.batch", "check").is_none());
}

#[tokio::test(start_paused = true)]
async fn several_completions_run_side_by_side_and_a_suspended_job_waits() {
    let mut play = Play::new();
    play.make(job(
        "sleep 10",
        json!({"completions": 5, "parallelism": 2, "suspend": true}),
    ));
    play.run(60.0).await;
    assert_eq!(play.pods().len(), 0);
    play.patch("jobs.batch", "check", json!({"spec": {"suspend": false}}))
        .await;
    let mut most = 0;
    for _ in 0..100 {
        play.run(1.0).await;
        let running = play.pods().iter().filter(|(_, pod)| reading::active(pod)).count();
        most = most.max(running);
    }
    assert_eq!(
        (most, &play.get("jobs.batch", "check")["status"]["succeeded"]),
        (2, &json!(5))
    );
    play.faults.change(|switches| switches.jobs_paused = true);
}
