//! Two Services that swap the parts of stable and canary with every update: no Service changes its pods at a promotion, which load
//! balancers that register pods one by one take badly. The status says which of them is stable.

use crate::api::rollout_status::RolloutStatus;
use crate::api::strategy::PingPong;
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::traffic;
use crate::route::Backends;

const PING: &str = "ping";
const PONG: &str = "pong";

/// The pair. Where the Rollout has Services with fixed parts, too, those count; only load balancers take the pair then.
fn pair<'d>(draft: &Draft<'d>) -> Option<&'d PingPong> {
    let canary = draft.canary;
    let fixed = !canary.canary_service.is_empty() && !canary.stable_service.is_empty();
    let balanced = canary
        .traffic_routing
        .as_ref()
        .is_some_and(|routing| routing.alb.is_some());
    canary.ping_pong.as_ref().filter(|_| balanced || !fixed)
}

/// Whether the Rollout swaps its Services.
pub fn used(draft: &Draft) -> bool {
    pair(draft).is_some()
}

/// The Services in their present parts. Before the first promotion none is stable yet: the pong Service stands for it.
pub fn backends<'d>(draft: &Draft<'d>) -> Option<Backends<'d>> {
    let pair = pair(draft)?;
    let (ping, pong) = (pair.ping_service.as_str(), pair.pong_service.as_str());
    let (stable, canary) = if draft.rollout.status.canary.stable_ping_pong == PING {
        (ping, pong)
    } else {
        (pong, ping)
    };
    Some(Backends { canary, stable })
}

/// A promotion swaps the parts.
pub fn swap(draft: &Draft, status: &mut RolloutStatus) {
    if used(draft) {
        let next = match status.canary.stable_ping_pong.as_str() {
            PING => PONG,
            _ => PING,
        };
        next.clone_into(&mut status.canary.stable_ping_pong);
    }
}

/// A status that was lost does not say which Service is stable: the one with more of the traffic was.
pub fn recover(draft: &mut Draft) {
    let status = &draft.rollout.status;
    if !used(draft) || !status.stable_rs.is_empty() || !status.canary.stable_ping_pong.is_empty() {
        return;
    }
    // Without a word of the status the ping Service counts as the canary's.
    let more = |ping: i64, pong: i64| if ping > pong { PING } else { PONG };
    let seen = traffic::seen_weights(draft).into_iter().flatten();
    let by_weight = seen.map(|weights| more(weights.canary, weights.stable)).next();
    let served = draft.sets.iter().any(|set| set.replicas_desired > 0);
    if let Some(stable) = by_weight.filter(|_| served) {
        stable.clone_into(&mut draft.rollout.status.canary.stable_ping_pong);
    }
}
