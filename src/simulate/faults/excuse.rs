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
        "cache-lags" | "events-lost" | "deletion-unseen" | "watch-silent" | "watch-expires" => seconds(330),
        "cache-freezes" | "slow-api" | "api-queueing" | "leader-frozen-past-lease" => seconds(90),
        "frozen" => seconds(140),
        "relist-behind" | "pages-expire" | "recreated-unseen" | "watch-disconnects" => seconds(60),
        "leader-cut-off" | "api-restart" | "forbidden" | "token-expired" | "crd-not-served" => seconds(120),
        "events-coalesced" | "events-reordered" | "already-exists" => seconds(20),
        _ if entry.id.starts_with('A') => seconds(30),
        _ => TimeDelta::zero(),
    };
    let in_flight = match name {
        "write-arrives-late" | "slow-api" | "api-queueing" | "leader-frozen-past-lease" => seconds(90),
        "frozen" => seconds(140),
        "write-applied-answer-lost" | "request-lost" => seconds(20),
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
    facts.lag_max = facts.lag_max.max(lag);
    facts.in_flight_max = facts.in_flight_max.max(in_flight);
    facts.clock_skew_max = facts.clock_skew_max.max(skew);
}
