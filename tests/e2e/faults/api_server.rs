//! The API server goes away, has no CRDs, or holds objects that cannot be carried out. On planes of their own.

use std::time::Duration;

use serde_json::{Value, json};

use super::serin::Serin;
use super::shop::{LONG, ROLLOUT, ROUTE, RUN, Shop, canary_weight, created};
use crate::support::manifest;
use crate::support::plane::Plane;
use crate::support::pods::PodModel;
use crate::support::pods::model::Pace;
use crate::support::prometheus::Prometheus;
use crate::support::traffic::{Target, Traffic};
use crate::support::wait::eventually;

const NAMESPACE: &str = "default";

#[tokio::test]
async fn a_restart_of_the_api_server_in_mid_canary_loses_nothing() {
    let plane = Plane::start_local(&manifest::crds().unwrap()).await.unwrap();
    let client = plane.admin_client().await.unwrap();
    let _pods = PodModel::start(client.clone(), Pace::default(), "")
        .await
        .unwrap();
    let traffic = Traffic::start(client.clone()).await.unwrap();
    let prometheus = Prometheus::start(&[traffic.address()], &[]).await.unwrap();
    let shop = Shop::new(&client, NAMESPACE);
    let mut serin = Serin::new(&plane, &client, NAMESPACE, "outage", &[]).await;
    serin.start();
    serin.ready().await;
    shop.open(&prometheus.url()).await;
    let drive = traffic.drive(&client, NAMESPACE, Target::Route("web".into()), 50.0);
    let load = drive.await.unwrap();
    shop.release("shop/web:v2").await;
    shop.first_seen(ROUTE, "the first weight", |route| canary_weight(route) > 0)
        .await;
    plane.stop_apiserver().unwrap();
    let serin = &serin;
    eventually(LONG, "the controller notices", || async move {
        let text = serin.metrics().await.unwrap_or_default();
        let noticed = text.contains("serin_watch_errors_total{");
        noticed.then_some(()).ok_or("no watch has failed yet")
    })
    .await;
    assert_eq!(serin.health("/healthz").await, Some((200, "ok".into())));
    plane.start_apiserver_again().await.unwrap();
    shop.promote().await;
    shop.healthy("web").await;
    assert_eq!(load.violations(&client).await.unwrap(), []);
    let audit = plane.audit().unwrap();
    assert_eq!(created(&audit, &serin.user, "replicasets"), 2);
    assert_eq!(created(&audit, &serin.user, "analysisruns"), 1);
    let measured = shop.list(RUN).await[0]["status"]["metricResults"][0]["count"].clone();
    assert_eq!(measured, 2);
}

#[tokio::test]
async fn without_crds_the_controller_waits_and_a_broken_object_costs_only_itself() {
    let plane = Plane::start_local(&[manifest::HTTPROUTE_CRD.to_owned()])
        .await
        .unwrap();
    let client = plane.admin_client().await.unwrap();
    let _pods = PodModel::start(client.clone(), Pace::default(), "")
        .await
        .unwrap();
    let mut serin = Serin::new(&plane, &client, NAMESPACE, "crds", &[]).await;
    serin.start();
    let asked = &serin;
    eventually(LONG, "/readyz says what is missing", || async move {
        let answer = asked.health("/readyz").await;
        let says = |text: &str| text.contains("apply the custom resource definition rollouts.argoproj.io");
        match answer {
            Some((503, text)) if says(&text) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(serin.health("/healthz").await, Some((200, "ok".into())));
    for crd in manifest::crds().unwrap() {
        for document in manifest::documents(&crd).unwrap() {
            let crd = without_schema_of_rollouts(document);
            manifest::apply_one(&client, NAMESPACE, &crd).await.unwrap();
        }
    }
    let began = std::time::Instant::now();
    serin.ready().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    isolation(&Shop::new(&client, NAMESPACE)).await;
}

/// As an old or a foreign CRD would let it through: a Rollout that nobody can read, and one that nobody can carry out.
async fn isolation(shop: &Shop) {
    let strategy = json!({"canary": {}});
    let mut unreadable = shop.plain_rollout("unreadable", "shop/web:v1", &strategy);
    unreadable["spec"]["replicas"] = json!("three");
    let refused = shop.plain_rollout(
        "refused",
        "shop/web:v1",
        &json!({"canary": {"steps": [{"setWeight": 700}]}}),
    );
    for document in [
        &unreadable,
        &refused,
        &shop.plain_rollout("good", "shop/web:v1", &strategy),
    ] {
        shop.apply(document).await;
    }
    shop.healthy("good").await;
    shop.apply(&shop.plain_rollout("good", "shop/web:v2", &strategy))
        .await;
    shop.healthy("good").await;
    eventually(LONG, "the refused one says why", || async move {
        let status = shop.get(ROLLOUT, "refused").await?["status"].take();
        if status["phase"] == "Degraded" && status["message"].to_string().contains("setWeight") {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    eventually(LONG, "the unreadable one has an Event", || async move {
        let events = shop.list(("v1", "Event")).await;
        let of_it = |event: &&Value| event["involvedObject"]["name"] == "unreadable";
        let named = events
            .iter()
            .filter(of_it)
            .any(|event| event["message"].to_string().contains("spec.replicas"));
        named.then_some(()).ok_or(format!("{events:?}"))
    })
    .await;
    // Mended, it is carried out like any other.
    shop.apply(&shop.plain_rollout("unreadable", "shop/web:v1", &strategy))
        .await;
    shop.healthy("unreadable").await;
}

fn without_schema_of_rollouts(mut crd: Value) -> Value {
    if crd["spec"]["names"]["kind"] == "Rollout" {
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = any;
        crd["spec"]["versions"][0]["subresources"] = json!({"status": {}});
    }
    crd
}
