//! The harness is what the other tests believe, so it is tested first: by what users of a cluster see.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::support::app::{SOON, endpoints_ready, route, workload};
use crate::support::manifest;
use crate::support::plane::Plane;
use crate::support::pods::PodModel;
use crate::support::pods::model::Pace;
use crate::support::prometheus::Prometheus;
use crate::support::traffic::Target;
use crate::support::wait::eventually;
use crate::support::world::world;

#[tokio::test]
async fn a_deployment_becomes_available_and_its_service_lists_the_pods() {
    let space = world().await.space("deploy").await;
    space.apply(&workload("web", "shop/web:v1", 3)).await;
    endpoints_ready(&space, "web", 3).await;
    let deployments: &Api<Deployment> = &space.api();
    eventually(SOON, "available replicas", || async move {
        let available = deployments.get("web").await.map_err(|error| error.to_string())?;
        let available = available.status.and_then(|status| status.available_replicas);
        if available == Some(3) {
            Ok(())
        } else {
            Err(format!("{available:?}"))
        }
    })
    .await;
    let pods = space
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap()
        .items;
    let mut addresses: Vec<String> = pods
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone())
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "each pod has an address of its own");
}

#[tokio::test]
async fn a_bad_image_runs_and_is_never_ready() {
    let space = world().await.space("bad").await;
    space.apply(&workload("bad", "shop/web:bad-1", 1)).await;
    space.apply(&workload("crash", "shop/web:crash-1", 1)).await;
    space.apply(&workload("nopull", "shop/web:nopull-1", 1)).await;
    let pods: &Api<Pod> = &space.api();
    eventually(SOON, "the three kinds of bad pods", || async move {
        let seen = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let mut states: Vec<String> = seen.items.iter().map(summary).collect();
        states.sort();
        let wanted = [
            "bad Running",
            "crash Running CrashLoopBackOff, restarts rise",
            "nopull Pending ErrImagePull",
        ];
        if states == wanted {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    })
    .await;
    let sets = space
        .api::<ReplicaSet>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(sets.items.iter().all(|set| {
        set.status
            .as_ref()
            .is_some_and(|one| one.ready_replicas.is_none())
    }));
}

/// App, phase, and what the container waits for.
fn summary(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let mut text = format!("{} {}", pod.labels()["app"], status.phase.unwrap_or_default());
    for container in status.container_statuses.unwrap_or_default() {
        if let Some(waiting) = container.state.and_then(|state| state.waiting) {
            text += &format!(" {}", waiting.reason.unwrap_or_default());
        }
        if container.restart_count > 1 {
            text += ", restarts rise";
        }
    }
    text
}

#[tokio::test]
async fn a_deleted_pod_leaves_the_endpoints_and_then_goes() {
    let space = world().await.space("delete").await;
    space.apply(&workload("web", "shop/web:v1", 2)).await;
    endpoints_ready(&space, "web", 2).await;
    let scale = json!({"spec": {"replicas": 0}});
    space
        .api::<Deployment>()
        .patch("web", &PatchParams::default(), &Patch::Merge(scale))
        .await
        .unwrap();
    endpoints_ready(&space, "web", 0).await;
    let pods: &Api<Pod> = &space.api();
    eventually(SOON, "no pods", || async move {
        let left = pods
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?
            .items
            .len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} pods are left"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_runs_its_script_and_fails_by_its_exit_code() {
    let space = world().await.space("job").await;
    for (name, script) in [("good", "sleep 0.2; exit 0"), ("fails", "sleep 0.2; exit 3")] {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "job", "image": "shop/tool:v1", "command": ["sh", "-c", script]}]}}}});
        space.apply(&job.to_string()).await;
    }
    let jobs: &Api<Job> = &space.api();
    eventually(SOON, "one job good, one failed", || async move {
        let mut ended = Vec::new();
        for job in jobs
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?
        {
            let status = job.status.clone().unwrap_or_default();
            ended.push((
                job.name_any(),
                status.succeeded.unwrap_or(0),
                status.failed.unwrap_or(0),
            ));
        }
        let wanted = [("fails".to_owned(), 0, 1), ("good".to_owned(), 1, 0)];
        if ended == wanted {
            Ok(())
        } else {
            Err(format!("{ended:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_custom_object_owns_is_collected_with_it() {
    let space = world().await.space("garbage").await;
    let made = manifest::apply(&space.client, &space.namespace, &route(&[("web", 1)]).to_string())
        .await
        .unwrap();
    let owner = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "name": "web", "uid": made[0].uid()});
    let owned = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned", "ownerReferences": [owner]}});
    space.apply(&owned.to_string()).await;
    manifest::delete_one(&space.client, &space.namespace, &route(&[]))
        .await
        .unwrap();
    let maps: &Api<ConfigMap> = &space.api();
    eventually(SOON, "the owned object goes", || async move {
        match maps.get_opt("owned").await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(_) => Err("it is still there".to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn rbac_refuses_a_user_without_a_role_and_the_audit_log_counts_it() {
    let world = world().await;
    let space = world.space("rbac").await;
    let user = format!("system:serviceaccount:{}:nobody", space.namespace);
    let client = world
        .plane
        .client_for(&user, &["system:serviceaccounts"])
        .await
        .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &space.namespace);
    let refused = maps.get("x").await.unwrap_err();
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused:?}"
    );
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]});
    space.apply(&format!("{role}\n---\n{binding}")).await;
    let maps = &maps;
    eventually(SOON, "the role lets the user read", || async move {
        match maps.get("x").await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    if !world.plane.is_local() {
        return; // Somebody else's audit log is not ours to read.
    }
    let codes: Vec<u16> = world
        .plane
        .audit()
        .unwrap()
        .iter()
        .filter(|entry| entry.user == user)
        .map(|entry| entry.code)
        .collect();
    assert_eq!(
        (codes.first(), codes.last()),
        (Some(&403), Some(&404)),
        "{codes:?}"
    );
}

#[tokio::test]
async fn traffic_follows_the_weights_and_prometheus_sees_it() {
    let world = world().await;
    let space = world.space("traffic").await;
    space.apply(&workload("stable", "shop/web:v1", 2)).await;
    space.apply(&workload("canary", "shop/web:v2-errors10", 1)).await;
    space
        .apply(&route(&[("stable", 80), ("canary", 20)]).to_string())
        .await;
    endpoints_ready(&space, "stable", 2).await;
    endpoints_ready(&space, "canary", 1).await;
    let load = world
        .traffic
        .drive(
            &space.client,
            &space.namespace,
            Target::Route("web".into()),
            1_000.0,
        )
        .await
        .unwrap();
    let near = |promql: String, wanted: f64| async move {
        let what = promql.clone();
        eventually(SOON, &what, || {
            let promql = promql.clone();
            async move {
                let value = world
                    .prometheus
                    .value(&promql)
                    .await
                    .map_err(|error| error.to_string())?;
                let close = value.is_some_and(|value| (value - wanted).abs() <= wanted * 0.1);
                if close {
                    Ok(())
                } else {
                    Err(format!("{value:?} instead of {wanted}"))
                }
            }
        })
        .await;
    };
    let of = |service: &str| format!(r#"namespace="{}",service="{service}""#, space.namespace);
    near(
        format!("sum(rate(http_requests_total{{{}}}[10s]))", of("stable")),
        800.0,
    )
    .await;
    near(
        format!("sum(rate(http_requests_total{{{}}}[10s]))", of("canary")),
        200.0,
    )
    .await;
    let errors = format!(
        r#"sum(rate(http_requests_total{{{0},code=~"5.."}}[10s])) / sum(rate(http_requests_total{{{0}}}[10s]))"#,
        of("canary")
    );
    near(errors, 0.1).await;
    let p99 = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket";
    near(format!("{p99}{{{}}}[10s])))", of("stable")), 0.25).await;
    assert_eq!(load.violations(&space.client).await.unwrap(), []);
    assert_eq!(load.refused(), 0.0);
}

#[tokio::test]
async fn weight_on_a_service_without_pods_is_a_violation() {
    let world = world().await;
    let space = world.space("unsafe").await;
    space.apply(&workload("stable", "shop/web:v1", 1)).await;
    space.apply(&workload("canary", "shop/web:bad", 1)).await;
    endpoints_ready(&space, "stable", 1).await;
    space
        .apply(&route(&[("stable", 100), ("canary", 0)]).to_string())
        .await;
    let load = world
        .traffic
        .drive(
            &space.client,
            &space.namespace,
            Target::Route("web".into()),
            100.0,
        )
        .await
        .unwrap();
    space
        .apply(&route(&[("stable", 95), ("canary", 5)]).to_string())
        .await;
    space
        .apply(&route(&[("stable", 100), ("canary", 0)]).to_string())
        .await;
    let client = &space.client;
    let load = &load;
    let found = eventually(SOON, "a violation that ended", || async move {
        let found = load.violations(client).await.map_err(|error| error.to_string())?;
        if found.iter().any(|one| one.until.is_some()) {
            Ok(found)
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].service.as_str(), found[0].weight), ("canary", 5));
}

#[tokio::test]
async fn the_api_server_refuses_weights_out_of_range() {
    let space = world().await.space("weights").await;
    let negative = route(&[("a", -1)]).to_string();
    let refused = manifest::apply(&space.client, &space.namespace, &negative)
        .await
        .unwrap_err();
    let refused = format!("{refused:#}");
    assert!(
        refused.contains("spec.rules[0].backendRefs[0].weight"),
        "{refused}"
    );
}

#[tokio::test]
async fn kubectl_works_as_the_administrator() {
    let world = world().await;
    let space = world.space("kubectl").await;
    let out = world
        .plane
        .kubectl(&["get", "namespace", &space.namespace, "-o", "name"])
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&out.stdout).trim(),
        format!("namespace/{}", space.namespace)
    );
}

#[tokio::test]
async fn prometheus_can_be_stopped_and_comes_back_with_its_data() {
    let world = world().await;
    let rules = "groups: [{name: g, rules: [{record: one, expr: vector(1)}]}]";
    let mut own = Prometheus::start(&[world.traffic.address()], &[rules])
        .await
        .unwrap();
    let wait_for_one = async |own: &Prometheus| {
        eventually(SOON, "the recorded value", || async move {
            let value = own.value("one").await.map_err(|error| error.to_string())?;
            if value == Some(1.0) {
                Ok(())
            } else {
                Err(format!("{value:?}"))
            }
        })
        .await;
    };
    wait_for_one(&own).await;
    own.stop();
    assert!(own.value("one").await.is_err());
    own.restart().await.unwrap();
    wait_for_one(&own).await;
}

/// On a plane of its own: the others would lose their watches.
#[tokio::test]
async fn everything_survives_a_restart_of_the_api_server() {
    let plane = Plane::start_local(&[]).await.unwrap();
    let client = plane.admin_client().await.unwrap();
    let _pods = PodModel::start(client.clone(), Pace::default(), "")
        .await
        .unwrap();
    manifest::apply(&client, "default", &workload("web", "shop/web:v1", 1))
        .await
        .unwrap();
    plane.stop_apiserver().unwrap();
    let pods: &Api<Pod> = &Api::namespaced(client, "default");
    assert!(pods.list(&ListParams::default()).await.is_err());
    plane.start_apiserver_again().await.unwrap();
    let ready = async |count: usize| {
        eventually(SOON, "ready pods", || async move {
            let list = pods
                .list(&ListParams::default())
                .await
                .map_err(|error| error.to_string())?;
            let ready = list.items.iter().filter(|pod| is_ready(pod)).count();
            if ready == count {
                Ok(())
            } else {
                Err(format!("{ready} of {count}"))
            }
        })
        .await;
    };
    ready(1).await;
    pods.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    ready(1).await;
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

#[tokio::test]
async fn the_world_starts_in_a_few_seconds() {
    let world = world().await;
    let slow = Duration::from_secs(60);
    assert!(
        world.timings.iter().all(|(_, since)| *since < slow),
        "{}",
        world.costs()
    );
}
