//! The controller dies without a word at chosen moments of a canary and is started again.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::task::JoinSet;

use super::serin::Serin;
use super::shop::{
    LAST_PAUSE, ROLLOUT, ROUTE, RUN, SERVICE, SET, Shop, canary_weight, created, hash_of, paused,
};
use crate::support::traffic::Target;
use crate::support::world::world;

/// A moment by what is first seen in the cluster then: which kind of object, and in which state. The second argument is
/// the hash of the old version.
struct Moment {
    name: &'static str,
    kind: (&'static str, &'static str),
    when: fn(&Value, &str) -> bool,
}

const MOMENTS: [Moment; 14] = [
    Moment {
        name: "the new ReplicaSet was created",
        kind: SET,
        when: |set, old| hash_of(set) != old,
    },
    Moment {
        name: "the new version was first scaled",
        kind: SET,
        when: |set, old| hash_of(set) != old && set["spec"]["replicas"] != 0,
    },
    Moment {
        name: "the status named the new version",
        kind: ROLLOUT,
        when: |rollout, old| rollout["status"]["currentPodHash"] != old,
    },
    Moment {
        name: "the canary Service was switched",
        kind: SERVICE,
        when: |service, old| service["metadata"]["name"] == "web-canary" && hash_of(service) != old,
    },
    Moment {
        name: "the canary got its first weight",
        kind: ROUTE,
        when: |route, _| canary_weight(route) > 0,
    },
    Moment {
        name: "the timed pause began",
        kind: ROLLOUT,
        when: |rollout, _| paused(&rollout["status"]),
    },
    Moment {
        name: "the AnalysisRun was created",
        kind: RUN,
        when: |_, _| true,
    },
    Moment {
        name: "the first measurement was recorded",
        kind: RUN,
        when: |run, _| run["status"]["metricResults"][0]["measurements"][0].is_object(),
    },
    Moment {
        name: "the analysis had its verdict",
        kind: RUN,
        when: |run, _| run["status"]["phase"] == "Successful",
    },
    Moment {
        name: "the pause for a person began",
        kind: ROLLOUT,
        when: |rollout, _| paused(&rollout["status"]) && rollout["status"]["currentStepIndex"] == LAST_PAUSE,
    },
    Moment {
        name: "the person promoted",
        kind: ROLLOUT,
        when: |rollout, _| {
            let status = &rollout["status"];
            !paused(status) && status["controllerPause"] == true && status["currentStepIndex"] == LAST_PAUSE
        },
    },
    Moment {
        name: "the new version became stable",
        kind: ROLLOUT,
        when: |rollout, old| rollout["status"]["stableRS"] != old,
    },
    Moment {
        name: "the old version was scaled to zero",
        kind: SET,
        when: |set, old| hash_of(set) == old && set["spec"]["replicas"] == 0,
    },
    Moment {
        name: "the new version was healthy",
        kind: ROLLOUT,
        when: |rollout, old| rollout["status"]["stableRS"] != old && rollout["status"]["phase"] == "Healthy",
    },
];

/// What one canary came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    end: Value,
    /// How many objects of each resource the controller made.
    created: BTreeMap<&'static str, usize>,
}

#[tokio::test]
async fn a_controller_killed_at_any_moment_of_a_canary_comes_to_the_same_end() {
    let mut canaries = JoinSet::new();
    canaries.spawn(async { ("never", canary(None).await) });
    for moment in &MOMENTS {
        canaries.spawn(async move { (moment.name, canary(Some(moment)).await) });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(ended) = canaries.join_next().await {
        outcomes.extend([ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))]);
    }
    let undisturbed = outcomes.remove("never").unwrap();
    let expected = BTreeMap::from([("replicasets", 2), ("analysisruns", 1)]);
    assert_eq!(undisturbed.created, expected, "without any fault");
    for (moment, outcome) in outcomes {
        assert_eq!(outcome, undisturbed, "killed when {moment}");
    }
}

/// One canary from the first release to the second, with the controller killed at `moment`.
async fn canary(moment: Option<&Moment>) -> Outcome {
    let world = world().await;
    let space = world.space("crash").await;
    let shop = Shop::new(&space.client, &space.namespace);
    // A single replica: it goes on at once instead of waiting for its predecessor's lease.
    let alone = ["--leader-elect=false"];
    let mut serin = Serin::new(&world.plane, &space.client, &space.namespace, "crash", &alone).await;
    serin.start();
    serin.ready().await;
    shop.open(&world.prometheus.url()).await;
    let old = shop.get(ROLLOUT, "web").await.unwrap()["status"]["stableRS"].clone();
    let old = old.as_str().unwrap();
    let target = Target::Route("web".into());
    let drive = world.traffic.drive(&space.client, &space.namespace, target, 50.0);
    let load = drive.await.unwrap();
    let strike = async {
        if let Some(moment) = moment {
            shop.first_seen(moment.kind, moment.name, |object| (moment.when)(object, old))
                .await;
            serin.kill();
            serin.start();
        }
    };
    let release = async {
        shop.release("shop/web:v2").await;
        shop.promote().await;
    };
    tokio::join!(strike, release);
    shop.healthy("web").await;
    let what = moment.map_or("never", |moment| moment.name);
    let violations = load.violations(&space.client).await.unwrap();
    assert_eq!(violations, [], "killed when {what}\n{}", serin.last_words());
    let audit = world.plane.audit().unwrap();
    let refused = audit
        .iter()
        .find(|one| one.user == serin.user && matches!(one.code, 401 | 403));
    assert_eq!(refused, None, "killed when {what}");
    let count = |resource| (resource, created(&audit, &serin.user, resource));
    Outcome {
        end: shop.end().await,
        created: BTreeMap::from(["replicasets", "analysisruns"].map(count)),
    }
}
