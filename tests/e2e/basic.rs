//! A canary without a router: the share of traffic is the share of pods.

use serde_json::json;

use crate::case::{Case, look};
use crate::manifests::rollout;
use crate::record::Seen;

fn wanted(seen: &Seen, tag: &str) -> Option<i64> {
    seen.set_of(tag)?["spec"]["replicas"].as_i64()
}

#[tokio::test]
async fn pods_follow_the_weights_and_a_person_promotes() {
    let case = Case::new("basic").await;
    let steps = json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": "1s"}}]);
    let strategy = json!({"maxSurge": 1, "maxUnavailable": 0, "steps": steps});
    case.apply([rollout(5, "v1", strategy)]).await;
    case.until_healthy("v1").await;
    case.release("v2").await;
    let web = case.until_phase("Paused", "CanaryPauseStep").await;
    let sizes = case.record.look(|seen| (wanted(seen, "v1"), wanted(seen, "v2")));
    assert_eq!(sizes, (Some(4), Some(1)), "{}", look(&web));
    case.serin_ok(&["promote", "web"]).await;
    case.until_healthy("v2").await;
    let of_v1 = case.record.wait(crate::case::SOON, "no pods of v1", |seen| {
        match seen.pods_of("v1") {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        }
    });
    of_v1.await;
    let sizes = case.record.values("ReplicaSet", &set_name(&case, "v2"), |set| {
        set["spec"]["replicas"].as_i64()
    });
    assert_eq!(sizes, [1, 2, 3, 4, 5], "one pod at a time, as maxSurge says");
}

fn set_name(case: &Case, tag: &str) -> String {
    case.record.look(|seen| {
        let set = seen.set_of(tag).map(|set| set["metadata"]["name"].clone());
        set.and_then(|name| name.as_str().map(str::to_owned)).unwrap()
    })
}
