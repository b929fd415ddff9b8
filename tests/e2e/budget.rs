//! How much the controller asks of the API server, counted in its audit log.

use serde_json::json;

use crate::case::Case;
use crate::manifests::rollout;
use crate::support::audit::AuditEntry;

/// Requests and, among them, writes of Rollouts that one canary may cost.
const REQUESTS_MAX: usize = 30;
const ROLLOUT_WRITES_MAX: usize = 9;

fn listing(entries: &[&AuditEntry]) -> String {
    let line = |one: &&AuditEntry| {
        format!(
            "{} {} {}/{} {} {}\n",
            one.at.format("%T%.3f"),
            one.verb,
            one.resource,
            one.subresource,
            one.name,
            one.code
        )
    };
    entries.iter().map(line).collect()
}

#[tokio::test]
async fn a_canary_stays_within_its_budget_of_requests() {
    let case = Case::alone("budget").await;
    let user = case.options.user();
    let steps = json!([{"setWeight": 20}, {"pause": {"duration": "2s"}}, {"setWeight": 50}, {"pause": {"duration": "2s"}},
        {"setWeight": 80}]);
    case.apply([rollout(5, "v1", json!({"steps": steps}))]).await;
    case.until_healthy("v1").await;
    let begin = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    case.release("v2").await;
    case.until_healthy("v2").await;
    case.record
        .wait(crate::case::SOON, "the last pods go", |seen| {
            let left = seen.pods_of("v1");
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        })
        .await;
    // A final write of counters may wait for company for some seconds; it belongs to the bill.
    let quiet = async || {
        case.record
            .until(std::time::Duration::from_secs(7), |_| Err::<(), _>(String::new()))
            .await
    };
    let _over = quiet().await;
    let all = case.world.plane.audit().unwrap();
    let ours: Vec<&AuditEntry> = all
        .iter()
        .filter(|one| one.user == user && one.at >= begin && one.resource != "leases")
        .collect();
    let reads: Vec<_> = ours
        .iter()
        .copied()
        .filter(|one| matches!(one.verb.as_str(), "get" | "list"))
        .collect();
    assert!(
        reads.is_empty(),
        "GET or LIST outside start-up:\n{}",
        listing(&reads)
    );
    let calls: Vec<_> = ours.iter().copied().filter(|one| one.verb != "watch").collect();
    let of_rollouts = calls.iter().filter(|one| one.resource == "rollouts").count();
    assert!(
        calls.iter().all(|one| one.code < 300),
        "refused:\n{}",
        listing(&calls)
    );
    assert!(
        calls.len() <= REQUESTS_MAX && of_rollouts <= ROLLOUT_WRITES_MAX,
        "{} requests, {of_rollouts} of them to Rollouts:\n{}",
        calls.len(),
        listing(&calls)
    );
}
