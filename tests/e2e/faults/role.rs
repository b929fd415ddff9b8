//! The shipped role and the endpoints of a running controller, judged by a canary that uses everything.

use std::collections::BTreeSet;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::features;
use super::serin::{Serin, cluster_role, own_role};
use super::shop::{ROLLOUT, RUN, Shop};
use crate::support::audit::AuditEntry;
use crate::support::wait::eventually;
use crate::support::world::{Space, world};

/// Verb, API group and resource, with its subresource as RBAC writes it.
type Permission = (String, String, String);

#[tokio::test]
async fn the_shipped_role_allows_what_is_used_and_nothing_else() {
    let world = world().await;
    let space = world.space("role").await;
    let shop = Shop::new(&space.client, &space.namespace);
    let mut serin = Serin::new(&world.plane, &space.client, &space.namespace, "role", &[]).await;
    serin.start();
    serin.ready().await;
    make_secret(&space).await;
    shop.open(&world.prometheus.url()).await;
    shop.apply(&measured_with_a_secret(&shop, &world.prometheus.url()))
        .await;
    for image in ["shop/web:v2", "shop/web:v3"] {
        // Nothing of an old version is kept, so that deleting is part of the story too.
        let mut rollout = shop.rollout(image);
        rollout["spec"]["revisionHistoryLimit"] = json!(0);
        shop.apply(&rollout).await;
        shop.promote().await;
        shop.healthy("web").await;
    }
    let shop = &shop;
    eventually(super::shop::LONG, "the old run is forgotten", || async move {
        let runs = shop.list(RUN).await.len();
        if runs == 1 {
            Ok(())
        } else {
            Err(format!("{runs} runs"))
        }
    })
    .await;
    begin_and_stop_a_job(shop).await;
    features::open(shop).await;
    features::go_on(shop).await;
    shop.apply(&experiment(shop)).await;
    check_endpoints(&serin, &space.namespace).await;
    // Its Services are let go, once it is seen to be gone.
    let rollouts = shop.api(ROLLOUT);
    rollouts
        .delete("web", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let (world, user) = (&world, &serin.user);
    let allowed = allowed();
    eventually(super::shop::LONG, "all of the role is used", || {
        let audit = world.plane.audit().unwrap();
        let of_user: Vec<AuditEntry> = audit.into_iter().filter(|one| one.user == *user).collect();
        let refused = of_user.iter().find(|one| matches!(one.code, 401 | 403));
        assert_eq!(refused, None, "the role is too small");
        let used: BTreeSet<Permission> = of_user.iter().map(permission).collect();
        let unknown: Vec<&Permission> = used.difference(&allowed).collect();
        assert!(unknown.is_empty(), "used without being in the role: {unknown:?}");
        let unused: Vec<&Permission> = allowed.difference(&used).collect();
        std::future::ready(match unused.is_empty() {
            true => Ok(()),
            false => Err(format!("unused: {unused:?}")),
        })
    })
    .await;
}

/// What the shipped roles allow, but for what only admission ever asks about.
fn allowed() -> BTreeSet<Permission> {
    let rules = cluster_role()
        .into_iter()
        .chain(own_role())
        .flat_map(|role| role["rules"].as_array().cloned().unwrap());
    let mut allowed = BTreeSet::new();
    for rule in rules {
        let texts = |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
        for (verb, resource) in product(&texts("verbs"), &texts("resources")) {
            assert!(
                resource != "secrets" || verb == "get",
                "Secrets are read by name only"
            );
            if !resource.ends_with("/finalizers") {
                allowed.insert((verb, texts("apiGroups")[0].clone(), resource));
            }
        }
    }
    allowed
}

fn product(verbs: &[String], resources: &[String]) -> Vec<(String, String)> {
    let pairs = |verb: &String| {
        resources
            .iter()
            .map(|one| (verb.clone(), one.clone()))
            .collect::<Vec<_>>()
    };
    verbs.iter().flat_map(pairs).collect()
}

fn permission(entry: &AuditEntry) -> Permission {
    let resource = match entry.subresource.as_str() {
        "" => entry.resource.clone(),
        part => format!("{}/{part}", entry.resource),
    };
    (entry.verb.clone(), entry.group.clone(), resource)
}

async fn make_secret(space: &Space) {
    let mut secret = Secret::default();
    secret.metadata.name = Some("prometheus".into());
    secret.data = Some([("token".to_owned(), ByteString(b"hunter22".to_vec()))].into());
    let secrets: Api<Secret> = space.api();
    secrets.create(&PostParams::default(), &secret).await.unwrap();
}

/// The template of the shop again, with a header from a Secret.
fn measured_with_a_secret(shop: &Shop, prometheus: &str) -> Value {
    let headers = json!([{"key": "Authorization", "value": "Bearer {{args.token}}"}]);
    let provider = json!({"prometheus": {"address": prometheus, "query": "vector(1)", "headers": headers}});
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
        "metadata": {"name": "good", "labels": {id: shop.namespace}},
        "spec": {
            "args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "prometheus", "key": "token"}}}],
            "metrics": [{"name": "one", "successCondition": "result[0] == 1", "provider": provider}]}})
}

/// An AnalysisRun made by hand whose metric is a Job, told to stop once it measures.
async fn begin_and_stop_a_job(shop: &Shop) {
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [
        {"name": "c", "image": "shop/smoke:1", "command": ["sleep", "600"]}]}});
    let metric = json!({"name": "smoke", "provider": {"job": {"spec": {"template": pod}}}});
    let mut run = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {"name": "by-hand", "labels": {id: shop.namespace}}, "spec": {"metrics": [metric]}});
    shop.apply(&run).await;
    let jobs = ("batch/v1", "Job");
    let count = |wanted: usize| async move {
        match shop.list(jobs).await.len() {
            found if found == wanted => Ok(()),
            found => Err(format!("{found} Jobs")),
        }
    };
    eventually(super::shop::LONG, "the Job runs", || count(1)).await;
    run["spec"]["terminate"] = json!(true);
    shop.apply(&run).await;
    eventually(super::shop::LONG, "the Job is gone", || count(0)).await;
}

fn experiment(shop: &Shop) -> Value {
    let id = "argo-rollouts.argoproj.io/controller-instance-id";
    let labels = json!({"app": "compare"});
    let pods = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "shop/web:v1"}]}});
    let version = json!({"name": "v1", "selector": {"matchLabels": labels}, "template": pods});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment",
        "metadata": {"name": "compare", "labels": {id: shop.namespace}}, "spec": {"templates": [version]}})
}

/// What operators scrape and probe.
async fn check_endpoints(serin: &Serin, namespace: &str) {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(serin.health(path).await, Some((200, "ok".into())), "{path}");
    }
    let text = serin.metrics().await.unwrap();
    for name in [
        "serin_passes_total{kind=\"Rollout\"}",
        "serin_passes_total{kind=\"AnalysisRun\"}",
        "serin_writes_total{code=\"200\",resource=\"rollouts/status\",verb=\"patch\"}",
        "serin_measurement_late_seconds_count",
        "serin_measurements_total{outcome=\"answered\"}",
        "serin_queue_depth{kind=\"Rollout\"} 0",
        "serin_leader 1",
    ] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    let info = format!("rollout_info{{name=\"web\",namespace=\"{namespace}\",phase=\"Completed\"");
    assert!(text.contains(&info), "{text}");
    assert!(!text.contains("hunter22") && !serin.last_words().contains("hunter22"));
}

#[tokio::test]
async fn errors_are_counted_by_category() {
    let world = world().await;
    let space = world.space("errors").await;
    let shop = Shop::new(&space.client, &space.namespace);
    let mut serin = Serin::new(&world.plane, &space.client, &space.namespace, "errors", &[]).await;
    serin.start();
    serin.ready().await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/replicasets.apps": "0"}}, "status": {"hard": {"count/replicasets.apps": "0"}}});
    shop.apply(&quota).await;
    // What the quota controller would write, which this control plane does not run.
    let counted = json!({"status": {
        "hard": {"count/replicasets.apps": "0"}, "used": {"count/replicasets.apps": "0"}}});
    let quotas = ("v1", "ResourceQuota");
    shop.patch_status(quotas, "none", &counted).await;
    shop.apply(&shop.plain_rollout("web", "shop/web:v1", &json!({"canary": {}})))
        .await;
    let serin = &serin;
    eventually(super::shop::LONG, "the refusal is counted", || async move {
        let refused = serin.metric("serin_errors_total{category=\"forbidden\"}").await;
        refused.filter(|count| *count >= 1.0).ok_or("not yet")
    })
    .await;
    shop.api(quotas)
        .delete("none", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    shop.healthy("web").await;
    assert!(shop.get(ROLLOUT, "web").await.is_ok());
}
