//! What the laws must know about a fault: how late, how long under way and how wrong it makes things.

use super::entry;
use crate::simulate::laws::Facts;
use chrono::TimeDelta;

/// Whether a fault stands in the controller's way while it lasts. Providers, Slack, pods and people are its daily work.
pub fn in_the_way(name: &str) -> bool {
    entry(name).is_none_or(|entry| !entry.id.starts_with(['F', 'G', 'H', 'I']))
}

/// Raises what the laws must allow while the fault of this name lasts.
pub fn excuse(name: &str, facts: &mut Facts) {
    facts.in_the_way = in_the_way;
    let Some(entry) = entry(name) else {
        return;
    };
    let seconds = TimeDelta::seconds;
    let lag = match name {
        "slow-api" | "api-queueing" => seconds(90),
        "forbidden" | "token-expired" | "crd-not-served" => seconds(120),
        _ if entry.id.starts_with('A') => seconds(30),
        _ => TimeDelta::zero(),
    };
    let in_flight = match name {
        // The controller gives a request up, or dies with it, and it arrives all the same.
        "crash-after-sending" => seconds(60),
        _ => TimeDelta::zero(),
    };
    let skew = match name {
        "clock-skew" => seconds(2 * 3_600),
        "clock-drifts" => seconds(3_600),
        "clock-jumps-forward" | "clock-jumps-back" => TimeDelta::days(366),
        "clock-fractions" => seconds(2),
        "times-from-the-future" => seconds(660),
        _ => TimeDelta::zero(),
    };
    // Whoever stood still, was away or was cut off knows as late as he was away.
    let away = matches!(entry.id, "A13" | "C6" | "D1" | "D7") || entry.id.starts_with('B');
    let lag = if away { lag.max(seconds(360)) } else { lag };
    let dies = entry.id.starts_with(['C', 'D']) || matches!(entry.id, "A4" | "A5" | "A12" | "A18");
    let in_flight = if dies {
        in_flight.max(seconds(360))
    } else {
        in_flight
    };
    // A cache that missed something is compared with the API server every four minutes; a Retry-After of two minutes is kept.
    let recovery = match entry.id {
        _ if away => seconds(360),
        "A2" | "A16" | "A18" => seconds(180),
        // A watch that is asked for and never answered is noticed like one that lost an event.
        "A5" => seconds(360),
        _ => TimeDelta::zero(),
    };
    // A watch that lost an event shows it when the cache is compared: only then is there rest. A contested write waits ten seconds.
    let unseen = if away { seconds(360) } else { TimeDelta::zero() };
    facts.quiet_after = facts.quiet_after.max(unseen);
    let contested = matches!(name, "gitops-reverts" | "route-edited");
    let lag = if contested { lag.max(seconds(12)) } else { lag };
    facts.void.extend(void(name));
    facts.recovery_max = facts.recovery_max.max(recovery);
    facts.lag_max = facts.lag_max.max(lag);
    facts.in_flight_max = facts.in_flight_max.max(in_flight);
    facts.clock_skew_max = facts.clock_skew_max.max(skew);
}

/// The laws that a fault takes the ground from.
fn void(name: &str) -> &'static [&'static str] {
    match name {
        // Whoever writes an object writes what the webhook adds.
        "webhook-mutates" => &["S8"],
        // What is written is not stored, so it is written again.
        "schema-prunes" => &["S12"],
        // Nobody elected the second one, each undoes and repeats what the other does, and both tell Slack.
        "second-controller" => &["S7", "S9", "S11", "S12", "S13"],
        // Services are led to versions without pods, and what leads them back cannot wait for their endpoints.
        "gitops-reverts" | "stable-pods-lost" => &["S1"],
        // Two Rollouts of one selector hand Services and routes to and fro; a Rollout brought back adopts one ReplicaSet after the other.
        "twin-rollout" => &["S2", "S8"],
        // Each list is of another moment: what was seen to exist is not there, and comes back.
        "relist-behind" => &["S10", "S12"],
        "backup-restored" => &["T6"],
        _ => &[],
    }
}
