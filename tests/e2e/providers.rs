//! Metrics that are no queries: web requests and Jobs; and Experiments, which are not carried out.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::case::{Case, SOON, look};
use crate::manifests::rollout;
use crate::support::wait::eventually;

fn template(name: &str, metric: Value) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": name},
        "spec": {"metrics": [metric]}})
}

fn step(template: &str) -> Value {
    json!({"analysis": {"templates": [{"templateName": template}]}})
}

/// Answers who comes with the token that it gave.
async fn guarded() -> String {
    let token = || async { json!({"access_token": "t0ken", "expires_in": 60}).to_string() };
    let check = |headers: HeaderMap, body: String| async move {
        let known = headers
            .get("authorization")
            .is_some_and(|value| value == "Bearer t0ken");
        let asked: Value = serde_json::from_str(&body).unwrap_or_default();
        match known && asked["app"] == "web" {
            true => (
                StatusCode::OK,
                json!({"checks": [{"name": "errors", "value": 0.01}]}).to_string(),
            ),
            false => (StatusCode::FORBIDDEN, "who is this?".to_owned()),
        }
    };
    let app = Router::new()
        .route("/token", post(token))
        .route("/check", post(check))
        .route(
            "/down",
            get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "in repair") }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a_web_metric_takes_a_part_of_the_answer_and_names_one_that_is_none() {
    let case = Case::new("web").await;
    let url = guarded().await;
    let oauth2 = json!({"tokenUrl": format!("{url}/token"), "clientId": "serin", "clientSecret": "s3cret"});
    let good = json!({"name": "good", "successCondition": "result < 0.05", "provider": {"web": {
        "url": format!("{url}/check"), "method": "POST", "jsonBody": {"app": "web"}, "authentication": {"oauth2": oauth2},
        "jsonPath": "{$.checks[?(@.name==\"errors\")].value}"}}});
    let down = json!({"name": "down", "consecutiveErrorLimit": 0, "provider": {"web": {"url": format!("{url}/down")}}});
    case.apply([template("good", good), template("down", down)]).await;
    let steps = json!([{"setWeight": 50}, step("good"), {"setWeight": 75}, step("down")]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    let web = case
        .until_phase("Degraded", "received non 2xx response code: 503")
        .await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    let values = case.record.look(|seen| {
        let runs = seen.all("AnalysisRun").into_iter();
        let good = runs.filter(|run| run["status"]["phase"] == "Successful");
        good.map(|run| run["status"]["metricResults"][0]["measurements"][0]["value"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(values, ["0.01"]);
}

/// A metric that is a Job with this image and script.
fn job(name: &str, image: &str, script: &str) -> Value {
    let container = json!({"name": "smoke", "image": image, "command": ["sh", "-c", script]});
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    json!({"name": name, "provider": {"job": {"metadata": {"labels": {"team": "shop"}},
        "spec": {"backoffLimit": 0, "template": pod}}}})
}

async fn jobs(case: &Case) -> Vec<Value> {
    let found = case
        .api("batch/v1", "Job", "jobs")
        .list(&ListParams::default())
        .await;
    let found = found.unwrap().items.into_iter();
    found.map(|job| serde_json::to_value(job).unwrap()).collect()
}

#[tokio::test]
async fn a_job_that_completes_lets_an_update_go_on_and_one_that_fails_ends_it() {
    let case = Case::new("job").await;
    let good = template("good", job("smoke", "shop/smoke:1", "sleep 1; exit 0"));
    let bad = template("bad", job("smoke", "shop/smoke:1", "exit 3"));
    case.apply([good, bad]).await;
    let steps = json!([{"setWeight": 50}, step("good"), {"setWeight": 75}, step("bad")]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    let web = case
        .until_phase("Degraded", "assessed Failed due to failed (1)")
        .await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    let jobs = jobs(&case).await;
    assert_eq!(jobs.len(), 2, "one for each measurement");
    let measured = case.record.look(|seen| {
        let runs = seen.all("AnalysisRun").into_iter();
        let measured = runs
            .map(|run| run["status"]["metricResults"][0]["measurements"][0]["metadata"]["job-name"].clone());
        measured.collect::<Vec<_>>()
    });
    for job in &jobs {
        let metadata = &job["metadata"];
        assert!(measured.contains(&metadata["name"]), "{measured:?}");
        let owner = &metadata["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["controller"]),
            (&json!("AnalysisRun"), &json!(true))
        );
        assert_eq!(metadata["labels"]["analysisrun.argoproj.io/uid"], owner["uid"]);
        assert_eq!(metadata["labels"]["team"], "shop");
    }
}

#[tokio::test]
async fn a_job_whose_image_cannot_be_had_pauses_the_update_and_is_deleted() {
    let case = Case::new("job-no-image").await;
    case.apply([template("smoke", job("smoke", "shop/smoke:nopull", "exit 0"))])
        .await;
    let steps = json!([{"setWeight": 50}, step("smoke")]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    case.until_phase("Paused", "InconclusiveAnalysisRun").await;
    eventually(SOON, "the Job is deleted", || async {
        match jobs(&case).await.as_slice() {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_deleted_takes_its_job_along() {
    let case = Case::new("job-orphan").await;
    case.apply([template("slow", job("slow", "shop/smoke:1", "sleep 600"))])
        .await;
    let steps = json!([{"setWeight": 50}, step("slow")]);
    case.apply([rollout(2, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    eventually(SOON, "the Job is there", || async {
        match jobs(&case).await.len() {
            1 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    case.rollouts()
        .delete("web", &DeleteParams::background())
        .await
        .unwrap();
    eventually(SOON, "the Job is gone", || async {
        match jobs(&case).await.as_slice() {
            [] => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn an_experiment_is_told_that_it_is_not_carried_out() {
    let case = Case::new("experiment").await;
    let labels = json!({"app": "compare"});
    let pods = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "shop/web:v1"}]}});
    let version = json!({"name": "v1", "selector": {"matchLabels": labels}, "template": pods});
    case.apply([
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment", "metadata": {"name": "compare"},
        "spec": {"duration": "1m", "templates": [version]}}),
    ])
    .await;
    let experiments = case.api("argoproj.io/v1alpha1", "Experiment", "experiments");
    eventually(SOON, "the Experiment has a phase", || async {
        let experiment = experiments.get("compare").await.unwrap();
        match experiment.data["status"]["phase"].as_str() {
            Some("Error") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    case.record
        .wait(SOON, "the Event", |seen| {
            let events = seen.all("Event");
            match events.iter().any(|event| event["reason"] == "ExperimentError") {
                true => Ok(()),
                false => Err("no Event yet".to_owned()),
            }
        })
        .await;
}
