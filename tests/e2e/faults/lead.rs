//! Two controllers, one Lease: who leads, who stands by, and how the lead changes hands.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::serin::Serin;
use super::shop::{ROUTE, Shop, canary_weight, created};
use crate::support::audit::AuditEntry;
use crate::support::traffic::Target;
use crate::support::wait::eventually;
use crate::support::world::{Space, World, world};

/// The lease's 15 s and one attempt; the rest is for a busy machine.
const AFTER_CRASH: Duration = Duration::from_secs(17 + 8);
/// One attempt every 2 s; the rest is for a busy machine.
const AFTER_FAREWELL: Duration = Duration::from_secs(3 + 6);

#[tokio::test]
async fn a_standby_takes_over_when_the_leaders_lease_runs_out() {
    let (took, _) = handover("lead-crash", Serin::kill).await;
    assert!(took <= AFTER_CRASH, "{took:?}");
}

#[tokio::test]
async fn a_leader_that_is_asked_to_stop_hands_over_at_once() {
    let (took, mut old) = handover("lead-term", |leader| leader.terminate()).await;
    assert!(took <= AFTER_FAREWELL, "{took:?}");
    let code = eventually(AFTER_CRASH, "the old leader ended", || {
        std::future::ready(old.exited().ok_or("it still runs"))
    });
    assert_eq!(code.await, 0, "it ends in peace");
}

/// A canary whose leader ends in its middle by `end`: how long the Lease was without a new holder, and the old leader.
async fn handover(name: &str, end: fn(&mut Serin)) -> (Duration, Serin) {
    let world = world().await;
    let space = world.space(name).await;
    let shop = Shop::new(&space.client, &space.namespace);
    let mut first = Serin::new(&world.plane, &space.client, &space.namespace, "a", &[]).await;
    let mut second = Serin::new(&world.plane, &space.client, &space.namespace, "b", &[]).await;
    first.start();
    let led = holder_other_than(&space, "").await;
    second.start();
    second.ready().await;
    shop.open(&world.prometheus.url()).await;
    assert_eq!(first.metric("serin_leader").await, Some(1.0));
    assert_eq!(
        second.metric("serin_leader").await,
        Some(0.0),
        "a standby is ready, and only that"
    );
    let target = Target::Route("web".into());
    let drive = world.traffic.drive(&space.client, &space.namespace, target, 50.0);
    let load = drive.await.unwrap();
    shop.release("shop/web:v2").await;
    shop.first_seen(ROUTE, "the first weight", |route| canary_weight(route) > 0)
        .await;
    let began = Instant::now();
    end(&mut first);
    holder_other_than(&space, &led).await;
    let took = began.elapsed();
    shop.promote().await;
    shop.healthy("web").await;
    assert_eq!(load.violations(&space.client).await.unwrap(), []);
    check_writers(world, &first, &second);
    (took, first)
}

/// The holder of the Lease, once it is one and not `before`.
async fn holder_other_than(space: &Space, before: &str) -> String {
    let leases: &Api<Lease> = &space.api();
    let name = &format!("argo-rollouts-controller-lock-{}", space.namespace);
    eventually(Duration::from_secs(60), "a new leader", || async move {
        let lease = leases.get(name).await.map_err(|error| error.to_string())?;
        let holder = lease
            .spec
            .and_then(|spec| spec.holder_identity)
            .unwrap_or_default();
        if holder.is_empty() || holder == before {
            Err(format!("held by {holder:?}"))
        } else {
            Ok(holder)
        }
    })
    .await
}

/// Nobody writes before leading, or after.
fn check_writers(world: &World, first: &Serin, second: &Serin) {
    let audit = world.plane.audit().unwrap();
    let decisions = |user: &str| {
        let of_user = audit.iter().filter(move |one| {
            one.user == user && one.is_write() && !matches!(one.resource.as_str(), "leases" | "events")
        });
        of_user.cloned().collect::<Vec<AuditEntry>>()
    };
    let (before, after) = (decisions(&first.user), decisions(&second.user));
    let (last, next) = (before.last().unwrap(), after.first().unwrap());
    assert!(last.at < next.at, "two writers: {last:?} and {next:?}");
    let sets = |serin: &Serin| created(&audit, &serin.user, "replicasets");
    let runs = |serin: &Serin| created(&audit, &serin.user, "analysisruns");
    assert_eq!(sets(first) + sets(second), 2);
    assert_eq!(runs(first) + runs(second), 1);
}
