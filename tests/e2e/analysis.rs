//! Analyses when things go wrong around them, analyses in the background, and secrets in them.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::case::{Case, look};
use crate::manifests::{analysis, error_rate, metric, rollout, routed, template};
use crate::support::prometheus::Prometheus;

#[tokio::test]
async fn prometheus_down_in_mid_window_aborts_at_the_error_limit() {
    let case = Case::new("down").await;
    let mut prometheus = Prometheus::start(&[case.world.traffic.address()], &[])
        .await
        .unwrap();
    let mut errors = metric("error-rate", "vector(0.001)", "0.005");
    errors["interval"] = json!("1s");
    errors["count"] = json!(100);
    errors["consecutiveErrorLimit"] = json!(1);
    errors["provider"]["prometheus"]["address"] = json!(prometheus.url());
    case.apply([template("alone", &[errors])]).await;
    let canary = json!({"steps": [{"setWeight": 50}, {"analysis": analysis("alone")}]});
    case.apply([rollout(2, "v1", canary)]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    until_measured(&case, 2).await;
    prometheus.stop();
    let web = case
        .until_phase(
            "Degraded",
            "due to consecutiveErrors (2) > consecutiveErrorLimit (1)",
        )
        .await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    let message = web["status"]["message"].as_str().unwrap();
    assert!(message.contains("refused"), "it says what was wrong: {message}");
}

/// Waits until a run has `count` measurements.
async fn until_measured(case: &Case, count: usize) {
    case.record
        .wait(crate::case::SOON, "measurements", |seen| {
            let runs = seen.all("AnalysisRun");
            let run = runs.first().ok_or("no run yet")?;
            let done = run["status"]["metricResults"][0]["measurements"]
                .as_array()
                .map_or(0, Vec::len);
            if done >= count {
                Ok(())
            } else {
                Err(run["status"].to_string())
            }
        })
        .await;
}

/// A basic canary whose background analysis begins at step 2.
async fn background(name: &str, query: &str) -> Case {
    let case = Case::new(name).await;
    let mut errors = metric("errors", query, "0.5");
    errors["interval"] = json!("1s");
    errors.as_object_mut().unwrap().remove("count");
    case.apply([template("watcher", &[errors])]).await;
    let mut watcher = analysis("watcher");
    watcher["startingStep"] = json!(2);
    let steps = json!([{"setWeight": 25}, {"pause": {"duration": "2s"}}, {"setWeight": 50}, {"pause": {"duration": "4s"}},
        {"setWeight": 75}, {"pause": {"duration": "1s"}}]);
    case.apply([rollout(4, "v1", json!({"analysis": watcher, "steps": steps}))])
        .await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    case
}

/// The step at which the first run came, by the order of events.
fn first_run_at_step(case: &Case) -> Option<Value> {
    case.record.look(|seen| {
        let mut step = None;
        for change in &seen.history {
            match change.kind {
                "Rollout" => {
                    step = change
                        .object
                        .as_ref()
                        .map(|web| web["status"]["currentStepIndex"].clone());
                }
                "AnalysisRun" => {
                    let run = change.object.as_ref()?;
                    return Some(json!([step, run["metadata"]["labels"]["rollout-type"]]));
                }
                _ => {}
            }
        }
        None
    })
}

#[tokio::test]
async fn a_background_analysis_starts_at_its_step_and_ends_with_the_update() {
    let case = background("background", "vector(0)").await;
    case.until_healthy("v2").await;
    let first = first_run_at_step(&case).expect("there was a run");
    assert_eq!(first[1], "Background");
    // The run and the status that names its step are two writes; either may be seen first.
    assert!(
        first[0].as_i64().is_some_and(|step| (1..=3).contains(&step)),
        "{first}"
    );
    case.record
        .wait(crate::case::SOON, "the run ends", |seen| {
            let runs = seen.all("AnalysisRun");
            match runs.as_slice() {
                [run] if run["status"]["phase"] == "Successful" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

#[tokio::test]
async fn a_background_analysis_that_fails_aborts_in_the_middle_of_a_pause() {
    let case = background("background-bad", "vector(1)").await;
    let web = case
        .until_phase("Degraded", "Background analysis phase error/failed")
        .await;
    let step = web["status"]["currentStepIndex"].as_i64();
    assert_eq!(
        (step, web["status"]["abort"].as_bool()),
        (Some(0), Some(true)),
        "{}",
        look(&web)
    );
    let most = case.record.look(|seen| {
        let of = seen.history.iter().filter(|change| change.kind == "ReplicaSet");
        let v2 = of.filter_map(|change| change.object.as_ref());
        let v2 = v2.filter(|set| crate::record::tag_of(&set["spec"]["template"]["spec"]) == "v2");
        v2.filter_map(|set| set["spec"]["replicas"].as_i64()).max()
    });
    assert_eq!(most, Some(2), "it got no further than 50 %");
}

#[tokio::test]
async fn a_condition_that_reads_past_the_end_of_no_data_is_an_error_and_never_a_success() {
    let case = Case::new("no-guard").await;
    let query = error_rate("canary");
    let naive = json!({"name": "naive", "interval": "1s", "count": 1, "consecutiveErrorLimit": 0,
        "successCondition": "result[0] < 0.05", "provider": {"prometheus": {"query": query}}});
    case.apply([template("naive", &[naive])]).await;
    let canary = json!({"steps": [{"setWeight": 50}, {"analysis": analysis("naive")}]});
    case.apply([rollout(2, "v1", canary)]).await;
    case.until_healthy("v1").await;
    case.release("v2-silent").await;
    let web = case
        .until_phase("Degraded", "consecutiveErrors (1) > consecutiveErrorLimit (0)")
        .await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
}

#[tokio::test]
async fn the_shipped_template_judges_a_good_and_a_bad_release() {
    let case = Case::new("house").await;
    let rules = include_str!("../../examples/analysis/recording-rules.yaml");
    let rules = rules
        .replace("5m", "10s")
        .replace("interval: 15s", "interval: 1s");
    let prometheus = Prometheus::start(&[case.world.traffic.address()], &[&rules])
        .await
        .unwrap();
    case.space
        .apply(include_str!("../../examples/analysis/canary-vs-stable.yaml"))
        .await;
    let mut house = json!({"templates": [{"templateName": "canary-vs-stable"}], "args": [
        {"name": "namespace", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "canary-hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "stable-hash", "valueFrom": {"podTemplateHashValue": "Stable"}}]});
    let shorter = [
        ("prometheus", prometheus.url()),
        ("window", "10s".into()),
        ("interval", "2s".into()),
        ("count", "3".into()),
        ("initial-delay", "8s".into()),
    ];
    for (name, value) in shorter {
        house["args"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": name, "value": value}));
    }
    let steps = json!([{"setWeight": 20}, {"analysis": house}]);
    let canary = json!({"scaleDownDelaySeconds": 1, "abortScaleDownDelaySeconds": 1, "steps": steps});
    case.apply(routed(4, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    let load = case.drive_route().await;
    // Enough requests that one error more or less does not double the canary's share.
    load.set_rate(20_000.0);
    case.release("v2").await;
    case.until_healthy("v2").await;
    case.release("v3-errors").await;
    case.until_phase("Degraded", "assessed Failed due to failed")
        .await;
    assert_eq!(load.violations(&case.space.client).await.unwrap(), []);
}

const TOKEN: &str = "t0p-s3cr3t-t0ken";

/// Answers like Prometheus whoever names the token in both header and query, and refuses anybody else, repeating what they said.
async fn guarded_prometheus() -> String {
    let answer = |headers: HeaderMap, query: String| async move {
        let said = format!("{headers:?}");
        if !said.contains(&format!("Bearer {TOKEN}")) || !query.contains(TOKEN) {
            return (StatusCode::UNAUTHORIZED, format!("who is this? {said} {query}"));
        }
        let result = json!([{"metric": {"token": TOKEN}, "value": [1_767_225_600, "0.001"]}]);
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
        (StatusCode::OK, body.to_string())
    };
    let app = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A template whose metric names two secrets: the token in header and query, and `other` in a header that nobody asks for.
fn secret_template(name: &str, url: &str, query: &str) -> Value {
    let from_secret =
        |key: &str| json!({"name": key, "valueFrom": {"secretKeyRef": {"name": "prometheus", "key": key}}});
    let headers = json!([{"key": "Authorization", "value": "Bearer {{args.token}}"},
        {"key": "X-Other", "value": "{{args.other}}"}]);
    let prometheus = json!({"address": url, "query": query, "headers": headers});
    let metric = json!({"name": "errors", "interval": "1s", "count": 2, "consecutiveErrorLimit": 0,
        "successCondition": "result[0] < 0.5", "provider": {"prometheus": prometheus}});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": name},
        "spec": {"args": [from_secret("token"), from_secret("other")], "metrics": [metric]}})
}

#[tokio::test]
async fn secrets_reach_the_provider_and_nothing_that_people_can_read() {
    const OTHER: &str = "an0ther-s3cr3t";
    let case = Case::own("secrets", crate::support::serin::Options::default()).await;
    let url = guarded_prometheus().await;
    case.space
        .apply(
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prometheus"},
                "stringData": {"token": TOKEN, "other": OTHER}})
            .to_string(),
        )
        .await;
    let good = secret_template("good", &url, "errors{token=\"{{args.token}}\"}");
    let refused = secret_template("refused", &url, "errors");
    case.apply([good, refused]).await;
    let step = |name: &str| json!({"analysis": {"templates": [{"templateName": name}]}});
    let canary = json!({"steps": [{"setWeight": 50}, step("good"), {"setWeight": 75}, step("refused")]});
    case.apply([rollout(2, "v1", canary)]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    // The first step takes the token; the second is refused by a server that repeats the secrets in its answer.
    let web = case.until_phase("Degraded", "401").await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    let measured = case.record.look(|seen| {
        let runs = seen.all("AnalysisRun").into_iter();
        let mut phases: Vec<_> = runs.map(|run| run["status"]["phase"].clone()).collect();
        phases.sort_by_key(Value::to_string);
        phases
    });
    assert_eq!(measured, ["Error", "Successful"]);
    let told = case.record.look(|seen| {
        let objects = seen.history.iter().filter_map(|change| change.object.as_ref());
        objects.map(Value::to_string).collect::<String>()
    });
    let said = case.serin_ok(&["get", "web"]).await;
    for secret in [TOKEN, OTHER] {
        for (place, text) in [("objects", &told), ("log", &case.own_log()), ("get", &said)] {
            let at = text.find(secret);
            let around = at.map(|at| &text[at.saturating_sub(300)..(at + 40).min(text.len())]);
            assert_eq!(around, None, "a secret in the {place}");
        }
    }
}
