//! Releases behind the Gateway API, judged by a real Prometheus: the main job.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case::{Case, SOON, look};
use crate::manifests::{analysis, error_rate, metric, p99_ms, routed, template};
use crate::record::Seen;
use crate::support::traffic::Load;
use crate::support::wait::eventually;

/// What a judgement may take on top of one interval: scrape, watch and a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

/// The application with both absolute rules at 5 %, first release healthy, traffic on it.
async fn released(case: &Case, canary: Value) -> Load {
    let errors = metric("error-rate", &error_rate("canary"), "0.005");
    let slow = metric("p99-latency-ms", &p99_ms("canary"), "500");
    let mut baseline = metric("error-rate-stable", &error_rate("stable"), "1");
    baseline["failureLimit"] = json!(4);
    case.apply([template("house", &[errors, slow, baseline])]).await;
    case.apply(routed(4, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    case.drive_route().await
}

fn steps() -> Value {
    json!({
        "abortScaleDownDelaySeconds": 2, "scaleDownDelaySeconds": 3,
        "steps": [{"setWeight": 5}, {"analysis": analysis("house")}, {"setWeight": 50}, {"pause": {"duration": "1s"}}]})
}

/// The canary's weights as the route had them, one after the other.
fn weights(case: &Case) -> Vec<i64> {
    case.record.look(weights_seen)
}

fn weights_seen(seen: &Seen) -> Vec<i64> {
    seen.values("HTTPRoute", "web", |route| {
        let backends = route["spec"]["rules"][0]["backendRefs"].as_array()?;
        let of = |name: &str| backends.iter().find(|one| one["name"] == name);
        let (canary, stable) = (
            of("web-canary")?["weight"].as_i64()?,
            of("web-stable")?["weight"].as_i64()?,
        );
        assert_eq!(canary + stable, 100, "{route}");
        Some(canary)
    })
}

async fn assert_safe(case: &Case, load: &Load) {
    assert_eq!(load.violations(&case.space.client).await.unwrap(), []);
    assert_eq!(load.refused(), 0.0, "requests that found no pod");
}

#[tokio::test]
async fn a_good_release_is_promoted_through_the_weights() {
    let case = Case::new("good").await;
    let load = released(&case, steps()).await;
    case.release("v2").await;
    case.until_healthy("v2").await;
    let promoted_at = Instant::now();
    let through = [0, 5, 50, 100, 0];
    case.record
        .wait(
            SOON,
            "through 100 % to the new stable",
            |seen| match weights_seen(seen) {
                all if all == through => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await;
    assert_eq!(
        wanted(&case, "v1"),
        Some(4),
        "stable's pods stay for scaleDownDelaySeconds"
    );
    case.record
        .wait(SOON, "v1 is scaled down", |seen| {
            let set = seen.set_of("v1").ok_or("no set")?;
            if set["spec"]["replicas"] == 0 {
                Ok(())
            } else {
                Err(set["spec"]["replicas"].to_string())
            }
        })
        .await;
    assert!(
        promoted_at.elapsed() > Duration::from_secs(2),
        "{:?}",
        promoted_at.elapsed()
    );
    assert_safe(&case, &load).await;
    let run = case
        .record
        .look(|seen| seen.all("AnalysisRun").into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(run.len(), 1, "{run:?}");
    let results = run[0]["status"]["metricResults"].as_array().unwrap();
    let counts: Vec<_> = results
        .iter()
        .map(|result| (&result["name"], &result["successful"]))
        .collect();
    for (name, count) in &counts {
        assert!(count.as_i64() >= Some(2), "{name}: {counts:?}");
    }
    assert_eq!(run[0]["status"]["phase"], "Successful");
}

fn wanted(case: &Case, tag: &str) -> Option<i64> {
    case.record
        .look(|seen| seen.set_of(tag)?["spec"]["replicas"].as_i64())
}

/// What every abort must come to: no weight, no canary pods, stable untouched.
async fn assert_aborted(case: &Case, load: &Load, tag: &str, replicas: i64) {
    case.until_phase("Degraded", "").await;
    case.record
        .wait(SOON, "the canary is scaled down", |seen| {
            let left = seen.pods_of(tag);
            let set = seen.set_of(tag).ok_or("no set")?;
            if set["spec"]["replicas"] == 0 && left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
    assert_eq!(weights(case).last(), Some(&0));
    assert_eq!(wanted(case, "v1"), Some(replicas));
    assert_safe(case, load).await;
}

#[tokio::test]
async fn a_release_with_server_errors_is_aborted() {
    let case = Case::new("errors").await;
    let load = released(&case, steps()).await;
    case.release("v3-errors").await;
    let web = case
        .until_phase("Degraded", "Metric \"error-rate\" assessed Failed")
        .await;
    assert_eq!(web["status"]["abort"], true, "{}", look(&web));
    assert_aborted(&case, &load, "v3-errors", 4).await;
    assert_eq!(weights(&case), [0, 5, 0], "the canary never got more than 5 %");
}

#[tokio::test]
async fn a_slow_release_is_aborted() {
    let case = Case::new("slow").await;
    let load = released(&case, steps()).await;
    case.release("v4-slow").await;
    case.until_phase("Degraded", "Metric \"p99-latency-ms\" assessed Failed")
        .await;
    assert_aborted(&case, &load, "v4-slow", 4).await;
}

#[tokio::test]
async fn an_abort_follows_the_first_bad_value_within_one_interval() {
    let case = Case::new("interval").await;
    let interval = Duration::from_secs(4);
    let mut errors = metric("error-rate", &error_rate("canary"), "0.005");
    errors["interval"] = json!("4s");
    errors["count"] = json!(50);
    case.apply([template("slowly", &[errors])]).await;
    let canary = json!({
        "abortScaleDownDelaySeconds": 2,
        "steps": [{"setWeight": 5}, {"analysis": analysis("slowly")}]});
    case.apply(routed(2, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    let load = case.drive_route().await;
    case.release("v2-errors").await;
    let web = case
        .until("the new version has a hash", |web| {
            match &web["status"]["currentPodHash"] {
                Value::String(hash) if web["status"]["stableRS"] != hash.as_str() => Ok(()),
                _ => Err(look(web)),
            }
        })
        .await;
    let hash = web["status"]["currentPodHash"].as_str().unwrap();
    let query = error_rate("canary")
        .replace("{{args.namespace}}", &case.space.namespace)
        .replace("{{args.canary}}", hash);
    let query = &query;
    eventually(SOON, "Prometheus shows the errors", || async move {
        match case.world.prometheus.value(query).await {
            Ok(Some(rate)) if rate >= 0.005 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let visible = Instant::now();
    case.until("the update is aborted", |web| {
        match web["status"]["abort"] == true {
            true => Ok(()),
            false => Err(look(web)),
        }
    })
    .await;
    let took = visible.elapsed();
    assert!(
        took <= interval + SLACK,
        "aborted {took:?} after the bad value was visible"
    );
    assert_aborted(&case, &load, "v2-errors", 2).await;
}

#[tokio::test]
async fn a_release_without_data_is_never_promoted() {
    let case = Case::new("silent").await;
    let mut errors = metric("error-rate", &error_rate("canary"), "0.005");
    errors["interval"] = json!("1s");
    errors["count"] = json!(2);
    errors["inconclusiveLimit"] = json!(1);
    case.apply([template("house", &[errors])]).await;
    case.apply(routed(2, "v1", &case.space.namespace, steps())).await;
    case.until_healthy("v1").await;
    let load = case.drive_route().await;
    case.release("v5-silent").await;
    let web = case.until_phase("Paused", "InconclusiveAnalysisRun").await;
    assert_eq!(web["status"]["currentStepIndex"], 1, "{}", look(&web));
    assert_eq!(weights(&case), [0, 5]);
    let said = case
        .serin(&["status", "web", "--watch", "--timeout", "30s"])
        .await;
    assert_eq!(said.code, 4, "a person has to decide: {said:?}");
    assert_safe(&case, &load).await;
}

#[tokio::test]
async fn the_native_form_of_the_route_works_too() {
    let case = Case::new("native").await;
    let canary = json!({"scaleDownDelaySeconds": 1, "steps": [{"setWeight": 25}, {"setCanaryScale": {"replicas": 2}},
        {"pause": {}}]});
    let mut objects = routed(4, "v1", &case.space.namespace, canary);
    let routing = &mut objects[3]["spec"]["strategy"]["canary"]["trafficRouting"];
    *routing = json!({"gatewayAPI": {"httpRoute": "web", "namespace": case.space.namespace}});
    case.apply(objects).await;
    case.until_healthy("v1").await;
    let load = case.drive_route().await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    assert_eq!((weights(&case), wanted(&case, "v2")), (vec![0, 25], Some(2)));
    case.serin_ok(&["promote", "web", "--full"]).await;
    case.until_healthy("v2").await;
    assert_safe(&case, &load).await;
}

/// A routed canary at its first pause, with traffic.
async fn at_pause(name: &str) -> (Case, Load) {
    let case = Case::new(name).await;
    let canary = json!({
        "abortScaleDownDelaySeconds": 1, "scaleDownDelaySeconds": 1,
        "steps": [{"setWeight": 40}, {"pause": {}}, {"setWeight": 80}, {"pause": {}}]});
    case.apply(routed(5, "v1", &case.space.namespace, canary)).await;
    case.until_healthy("v1").await;
    let load = case.drive_route().await;
    case.release("v2").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    (case, load)
}

async fn until_weight(case: &Case, weight: i64) {
    case.record
        .wait(SOON, &format!("weight {weight}"), |seen| {
            match weights_seen(seen).last() {
                Some(&last) if last == weight => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

#[tokio::test]
async fn a_person_aborts_and_tries_again_and_no_request_is_lost() {
    let (case, load) = at_pause("route-abort").await;
    case.serin_ok(&["promote", "web"]).await;
    until_weight(&case, 80).await;
    case.serin_ok(&["abort", "web"]).await;
    assert_aborted(&case, &load, "v2", 5).await;
    case.serin_ok(&["retry", "web"]).await;
    until_weight(&case, 40).await;
    case.serin_ok(&["promote", "web", "--full"]).await;
    case.until_healthy("v2").await;
    until_weight(&case, 0).await;
    assert_safe(&case, &load).await;
}

#[tokio::test]
async fn a_newer_release_and_the_way_back_lose_no_request() {
    let (case, load) = at_pause("route-turns").await;
    // Each version has to serve before the next one takes its place: a release is faster than the next request.
    let served = async |versions: usize| {
        eventually(SOON, "the new version takes its share", || async {
            match load.served().len() {
                served if served == versions => Ok(()),
                served => Err(format!("{served} versions have served")),
            }
        })
        .await;
    };
    served(2).await;
    case.release("v3").await;
    case.until_phase("Paused", "CanaryPauseStep").await;
    served(3).await;
    case.release("v1").await;
    case.until_healthy("v1").await;
    until_weight(&case, 0).await;
    case.record
        .wait(SOON, "only pods of v1", |seen| {
            let left = (seen.pods_of("v2").len(), seen.pods_of("v3").len());
            if left == (0, 0) {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
    assert_safe(&case, &load).await;
}

#[tokio::test]
async fn scaling_behind_a_route_loses_no_request() {
    let (case, load) = at_pause("route-scale").await;
    for replicas in [9, 3] {
        case.patch(json!({"spec": {"replicas": replicas}})).await;
        let stable = case.record.wait(SOON, "stable follows", |seen| {
            let pods = seen.pods_of("v1").len();
            if pods == replicas {
                Ok(())
            } else {
                Err(format!("{pods}"))
            }
        });
        stable.await;
    }
    case.serin_ok(&["promote", "web", "--full"]).await;
    case.until_healthy("v2").await;
    until_weight(&case, 0).await;
    assert_safe(&case, &load).await;
}
