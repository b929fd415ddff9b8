//! A metric provider that accepts and never answers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::serin::Serin;
use super::shop::{LONG, RUN, Shop};
use crate::support::wait::eventually;
use crate::support::world::world;

/// More than may be under way against one host.
const HUNG: usize = 80;

#[tokio::test]
async fn a_hung_provider_makes_no_other_measurement_late() {
    let world = world().await;
    let space = world.space("hung").await;
    let shop = &Shop::new(&space.client, &space.namespace);
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", hung.local_addr().unwrap());
    let never_answers = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = hung.accept().await {
            open.push(connection);
        }
    });
    let mut serin = Serin::new(&world.plane, &space.client, &space.namespace, "hung", &[]).await;
    serin.start();
    serin.ready().await;
    let slow: Vec<Value> = (0..HUNG)
        .map(|number| metric(&format!("hung-{number}"), &address))
        .collect();
    shop.apply(&run(shop, "slow", &slow)).await;
    let serin = &serin;
    eventually(LONG, "the hung measurements are under way", || async move {
        let flying = serin.metric("serin_measurements_in_flight").await;
        flying
            .filter(|count| *count >= HUNG as f64)
            .ok_or(flying.unwrap_or(0.0))
    })
    .await;
    shop.apply(&run(shop, "quick", &[metric("one", &world.prometheus.url())]))
        .await;
    let ended = eventually(LONG, "the other run ends", || async move {
        let run = shop.get(RUN, "quick").await?;
        match run["status"]["phase"] == "Successful" {
            true => Ok(run),
            false => Err(run["status"].to_string()),
        }
    })
    .await;
    let times = times(&ended);
    let late: Vec<_> = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > chrono::TimeDelta::seconds(3))
        .collect();
    assert!(times.len() == 5 && late.is_empty(), "{times:?}");
    let flying = serin.metric("serin_measurements_in_flight").await;
    assert!(
        flying.is_some_and(|count| count >= HUNG as f64),
        "the hung ones still hang: {flying:?}"
    );
    // Ending the run ends them, whatever the provider does.
    shop.api(RUN)
        .delete("slow", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    eventually(
        Duration::from_secs(30),
        "nothing is measured any more",
        || async move {
            let flying = serin.metric("serin_measurements_in_flight").await;
            flying.filter(|count| *count == 0.0).ok_or(format!("{flying:?}"))
        },
    )
    .await;
    never_answers.abort();
}

/// Times at which the measurements of the first metric began.
fn times(run: &Value) -> Vec<DateTime<Utc>> {
    let measurements = run["status"]["metricResults"][0]["measurements"]
        .as_array()
        .unwrap();
    let began = |one: &Value| one["startedAt"].as_str().unwrap().parse().unwrap();
    measurements.iter().map(began).collect()
}

fn metric(name: &str, address: &str) -> Value {
    json!({"name": name, "count": 5, "interval": "1s", "successCondition": "result[0] == 1",
        "provider": {"prometheus": {"address": address, "query": "vector(1)", "timeout": 600}}})
}

fn run(shop: &Shop, name: &str, metrics: &[Value]) -> Value {
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {"name": name, "labels": {id: shop.namespace}}, "spec": {"metrics": metrics}})
}
