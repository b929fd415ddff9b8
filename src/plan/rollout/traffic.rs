//! The traffic weights of a canary: what is wanted, what is served, and which pods therefore must stay.
//!
//! One function decides every weight. What the routes carry is always read from the routes as they were seen, never assumed from an
//! earlier write: pods go only when no traffic can reach them.

use crate::api::rollout_status::{RolloutStatus, TrafficWeights, WeightDestination};
use crate::api::traffic::TrafficRouting;
use crate::base::names::{label, reason};
use crate::base::object::{Key, Kind};
use crate::plan::question::Service;
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::{ping_pong, sizing, steps, subsets, way_back};
use crate::plan::{Guard, Note, Question};
use crate::route::{self, Router, Special, Subject, Wanted, Weights};
use serde_json::Value;

/// The routers that this Rollout drives, in the order in which they are written.
pub fn routers<'d>(draft: &Draft<'d>) -> Vec<Box<dyn Router + 'd>> {
    let of = |routing: &'d TrafficRouting| Subject {
        rollout: &draft.seen.rollout.metadata,
        canary: draft.canary,
        routing,
        backends: draft.backends(),
        weight_max: draft.weight_max().into(),
    };
    let routing = draft.canary.traffic_routing.as_ref();
    routing
        .map(|routing| route::routers(&of(routing)))
        .unwrap_or_default()
}

pub fn questions(draft: &Draft) -> Vec<Question> {
    let objects = routers(draft).into_iter().flat_map(|router| router.objects());
    objects
        .map(|object| Question::Route(object.kind, object.key))
        .collect()
}

/// The routers' objects as they were seen.
pub fn look<'d>(draft: &Draft<'d>) -> impl Fn(Kind, &Key) -> Option<&'d Value> + use<'d> {
    let answers = &draft.seen.answers;
    move |kind, key| answers.route(kind, key)
}

/// What the routers shall serve when the canary has this weight.
fn wanted<'d>(draft: &Draft<'d>, canary: i32) -> Wanted<'d> {
    Wanted {
        weights: Weights {
            canary: canary.into(),
            stable: (draft.weight_max() - canary).into(),
        },
        specials: specials(draft),
    }
}

/// Sets the weights of all routes to what the step asks for. Returns the weights for the status.
pub fn reconcile(draft: &mut Draft) -> Option<TrafficWeights> {
    if !draft.routed() {
        return None;
    }
    let stored = draft.rollout.status.canary.weights.clone();
    let wanted = desired(draft);
    // A stable version that is down is not asked when it gets no more than it has.
    let relieves = draft.roles().stable.is_some() && wanted > 0 && wanted >= canary_share(draft);
    if !relieves && !stable_can_carry(draft, wanted) {
        draft.waiting_for = format!(
            "stable pods to carry {} of the traffic",
            draft.weight_max() - wanted
        );
        return stored;
    }
    write(draft, wanted);
    let next = destinations(draft, wanted);
    announce(draft, stored.as_ref(), &next);
    Some(next)
}

/// The routes beside the weights that the steps so far have set and not removed, in the order in which they take precedence. None while
/// there is no canary that could serve them, and none once the update is over.
fn specials<'d>(draft: &Draft<'d>) -> Vec<Special<'d>> {
    let status = &draft.rollout.status;
    if status.promote_full || !canary_may_serve(draft) {
        return Vec::new();
    }
    let steps = &draft.canary.steps;
    let reached =
        steps::current(steps, status.current_step_index).map_or(steps.len(), |(index, _)| index + 1);
    let mut set: Vec<Special<'d>> = Vec::new();
    for special in steps[..reached].iter().filter_map(Special::of) {
        set.retain(|one| one.name() != special.name());
        if !special.removes() {
            set.push(special);
        }
    }
    let declared = |special: &Special| {
        let routing = draft.canary.traffic_routing.as_ref();
        let mut routes = routing.iter().flat_map(|routing| &routing.managed_routes);
        routes.position(|route| route.name == special.name())
    };
    set.sort_by_key(|special| declared(special).unwrap_or(usize::MAX));
    set
}

/// Whether there are pods of a new version and everything leads to them that leads to the canary.
fn canary_may_serve(draft: &Draft) -> bool {
    let ready = draft.set(draft.roles().new).is_some_and(|set| set.available > 0);
    !draft.fully_promoted() && !draft.rollout.status.abort && ready && leads_canary_to_new(draft)
}

/// Writes what does not serve the weight yet.
fn write(draft: &mut Draft, canary: i32) {
    let look = look(draft);
    let wanted = wanted(draft, canary);
    let writes = routers(draft)
        .iter()
        .flat_map(|router| router.writes(&look, &wanted))
        .collect::<Vec<_>>();
    for write in writes {
        let seen = look(write.kind, &write.key).filter(|_| !write.creates);
        let guard = seen.map_or(Guard::Absent, |object| {
            guard(&serde_json::from_value(object["metadata"].clone()).unwrap_or_default())
        });
        let at = draft.move_traffic(write.kind, write.key, guard, write.body);
        if let Some((reason, message)) = write.told {
            draft.tell(at, Note::normal(reason, message));
        }
        draft.hop = true;
    }
}

fn destinations(draft: &Draft, canary: i32) -> TrafficWeights {
    let status = &draft.rollout.status;
    let destination = |weight, hash: &str, service: &str| WeightDestination {
        weight,
        service_name: service.to_owned(),
        pod_template_hash: hash.to_owned(),
    };
    // A canary that is on its way out keeps its name until its traffic is gone.
    let leaving = way_back::leaving(draft).filter(|_| canary > 0);
    let new_hash = leaving.map_or(&draft.new_hash, |leaving| &leaving.pod_template_hash);
    TrafficWeights {
        canary: destination(canary, new_hash, &draft.canary.canary_service),
        stable: destination(
            draft.weight_max() - canary,
            &status.stable_rs,
            &draft.canary.stable_service,
        ),
        additional: Vec::new(),
        verified: None,
    }
}

fn announce(draft: &mut Draft, stored: Option<&TrafficWeights>, next: &TrafficWeights) {
    let to = next.canary.weight;
    let message = match stored.map(|stored| stored.canary.weight) {
        None => format!("Traffic weight updated to {to}"),
        Some(from) if from != to => format!("Traffic weight updated from {from} to {to}"),
        Some(_) => return,
    };
    draft.note(Note::normal(reason::WEIGHT_UPDATED, message));
}

/// The canary weight to serve now: what the steps ask for, as far as ready pods carry it.
fn desired(draft: &Draft) -> i32 {
    let status = &draft.rollout.status;
    if way_back::leaving(draft).is_some() {
        return way_back::weight(draft);
    }
    if !canary_may_serve(draft) {
        return 0;
    }
    if status.promote_full && way_back::shrinks(draft) {
        // Stable goes as the canary comes: each gets what its pods can carry.
        let available = draft.set(draft.roles().new).map_or(0, |set| set.available);
        return sizing::of(draft, None).carried(available);
    }
    if status.promote_full {
        return status
            .canary
            .weights
            .as_ref()
            .map_or(0, |weights| weights.canary.weight);
    }
    let (all, index) = (&draft.canary.steps, status.current_step_index);
    if all.is_empty() {
        return 0;
    }
    let sizing = sizing::of(draft, None);
    let goal = steps::weight(all, index, draft.weight_max());
    let before = steps::weight_before(all, index).min(carried_so_far(status, &draft.new_hash));
    // A smaller weight comes before the smaller size: pods go when their traffic is gone.
    let lowers = goal < before && sizing.new.is_some_and(|new| new.available >= sizing.share(goal));
    if lowers || sizing.reached() { goal } else { before }
}

/// Whether traffic would leave the canary for a step that only this plan has reached so far. Who died after that write would leave the
/// step before behind, which asks for more: the traffic would come back, and go again.
pub fn falls_with_an_unstored_step(draft: &Draft) -> bool {
    let (stored, status) = (&draft.seen.rollout.status, &draft.rollout.status);
    let same_update = stored.current_pod_hash == status.current_pod_hash
        && stored.current_step_hash == status.current_step_hash
        && stored.stable_rs == status.stable_rs;
    let ahead = stored.current_step_index < status.current_step_index;
    let may_fall = same_update && ahead && !status.abort && !status.promote_full;
    may_fall
        && draft.routed()
        && way_back::leaving(draft).is_none()
        && canary_may_serve(draft)
        && desired(draft) < canary_share(draft)
}

/// The weight that the status says this version carries. Steps that were jumped over (a rollback within its window, a person's skip)
/// gave it none, so theirs says nothing about its pods.
fn carried_so_far(status: &RolloutStatus, hash: &str) -> i32 {
    let stored = status.canary.weights.as_ref().map(|weights| &weights.canary);
    stored
        .filter(|canary| canary.pod_template_hash == hash)
        .map_or(0, |canary| canary.weight)
}

/// Whether every router's objects, as they were seen, give the canary exactly this weight: an earlier write of ours proves nothing, it
/// may have been undone. What nobody serves carries nothing. Without a router there is nothing to see.
pub fn seen_with(draft: &Draft, canary: i32) -> bool {
    let (look, wanted) = (look(draft), wanted(draft, canary));
    routers(draft).iter().all(|router| router.serves(&look, &wanted))
}

/// Whether the routers serve everything that the present step asks for.
pub fn seen_as_wanted(draft: &Draft) -> bool {
    seen_with(draft, desired(draft)) && !about_to_serve(draft)
}

/// Whether there are pods of a new version that nothing leads to yet, so that routes for headers and mirrors have still to come.
fn about_to_serve(draft: &Draft) -> bool {
    let ready = draft.set(draft.roles().new).is_some_and(|set| set.available > 0);
    ready && !draft.fully_promoted() && !draft.rollout.status.abort && !leads_canary_to_new(draft)
}

/// Which of the routers' objects nobody serves, and why.
pub fn refusal(draft: &Draft) -> Option<String> {
    let look = look(draft);
    routers(draft).iter().find_map(|router| router.refusal(&look))
}

/// The weights of every rule that the routers drive, as they were seen.
pub fn seen_weights(draft: &Draft) -> Vec<Option<Weights>> {
    let look = look(draft);
    let routers = routers(draft);
    routers.iter().flat_map(|router| router.weights(&look)).collect()
}

fn pinned(draft: &Draft) -> bool {
    let look = look(draft);
    routers(draft).iter().any(|router| router.pinned(&look))
}

/// Whether the routers, as they were seen, may lead any traffic to the canary Service. One that cannot be seen may; only after an abort
/// it does not count, because then the Service is the one way left to send its traffic to stable.
pub fn leads_to_canary(draft: &Draft) -> bool {
    let unseen = !draft.rollout.status.abort;
    let leads = |weights: Option<Weights>| weights.map_or(unseen, |weights| weights.canary > 0);
    seen_weights(draft).into_iter().any(leads) || pinned(draft)
}

/// The canary Service must already lead to the new pods, or its weight would be served by other ones; so must the canary subset.
fn leads_canary_to_new(draft: &Draft) -> bool {
    let (name, subset) = (draft.backends().canary, subsets::named(draft));
    let by_subset = subsets::seen(draft).is_some_and(|[canary, _]| canary == draft.new_hash);
    if name.is_empty() && subset.is_some() {
        return by_subset;
    }
    let service = seen_service(draft, name);
    service.is_some_and(|service| selected(service) == draft.new_hash) && (subset.is_none() || by_subset)
}

/// Whether the canary's and the stable side lead to pods with this hash, by Service or by subset, as they were seen. A subset that
/// cannot be seen may.
fn sides_of(draft: &Draft, hash: &str) -> [bool; 2] {
    let selects = |name: &str| seen_service(draft, name).is_some_and(|service| selected(service) == hash);
    let by_subset = match (subsets::named(draft), subsets::seen(draft)) {
        (None, _) => [false; 2],
        (Some(_), None) => [true; 2],
        (Some(_), Some(seen)) => seen.map(|seen| seen == hash),
    };
    let backends = draft.backends();
    [
        selects(backends.canary) || by_subset[0],
        selects(backends.stable) || by_subset[1],
    ]
}

fn seen_service<'d>(draft: &Draft<'d>, name: &str) -> Option<&'d Service> {
    draft.seen.answers.service(&draft.sibling(name))
}

fn selected(service: &Service) -> &str {
    service.selector.get(label::POD_HASH).map_or("", String::as_str)
}

/// Stable must be able to carry its share. An abort is an emergency: whatever stable has takes the traffic, as under Argo Rollouts.
pub fn stable_can_carry(draft: &Draft, canary_weight: i32) -> bool {
    let Some(stable) = draft.set(draft.roles().stable) else {
        return false;
    };
    if draft.rollout.status.abort || way_back::leaving(draft).is_some() {
        return stable.available > 0;
    }
    let share = i64::from(draft.weight_max() - canary_weight) * i64::from(draft.replicas());
    let needed = i32::try_from(share / i64::from(draft.weight_max().max(1))).unwrap_or(i32::MAX);
    let sizing = sizing::of(draft, None);
    let counts = draft.roles().stable.map(|index| draft.counts(index));
    stable.available >= needed || (sizing.threshold.is_some() && sizing.ready(counts, needed))
}

/// The weight that pods with this hash may receive right now, by the routes and Services as they were seen. All of it when a route
/// cannot be seen.
pub fn served(draft: &Draft, hash: &str) -> i32 {
    let max = draft.weight_max();
    let [canary, stable] = sides_of(draft, hash);
    if !canary && !stable {
        return 0;
    }
    let share = |rule: Option<Weights>| rule.map_or(max, |rule| rule_share(&rule, canary, stable, max));
    let least = i32::from(canary && pinned(draft));
    let shares = seen_weights(draft).into_iter().map(share);
    shares.max().unwrap_or(0).max(least)
}

/// The share that the routes, as they were seen, give the canary Service: the largest of all rules. What the status says when no route
/// can be seen.
pub fn canary_share(draft: &Draft) -> i32 {
    let max = draft.weight_max();
    let stored = draft.rollout.status.canary.weights.as_ref();
    let seen = seen_weights(draft)
        .into_iter()
        .flatten()
        .map(|rule| rule_share(&rule, true, false, max))
        .max();
    seen.or_else(|| stored.map(|weights| weights.canary.weight))
        .unwrap_or(0)
}

fn rule_share(rule: &Weights, canary: bool, stable: bool, max: i32) -> i32 {
    let total = rule.canary + rule.stable;
    if total <= 0 {
        return 0;
    }
    let mine = i64::from(canary) * rule.canary + i64::from(stable) * rule.stable;
    let share = (mine * i64::from(max) + total - 1) / total;
    i32::try_from(share).unwrap_or(max)
}

/// Whether an old version may still be reached: by weight, by a Service, or because the status says that it takes part.
pub fn carries(draft: &Draft, hash: &str) -> bool {
    let status = &draft.rollout.status;
    let by_status = [&status.stable_rs, &status.current_pod_hash]
        .into_iter()
        .any(|in_use| in_use == hash);
    let weights = status.canary.weights.as_ref();
    let by_weights =
        weights.is_some_and(|w| w.canary.pod_template_hash == hash || w.stable.pod_template_hash == hash);
    // Services that swap their parts keep their pods when they carry nothing any more.
    let by_side = match ping_pong::used(draft) {
        true => served(draft, hash) > 0,
        false => sides_of(draft, hash).contains(&true),
    };
    by_status || by_weights || by_side
}

/// The new version may not shrink below what the traffic on it needs.
pub fn canary_floor(draft: &Draft) -> i32 {
    floor(draft, draft.roles().new)
}

/// The stable version may not shrink below what the traffic on it needs.
pub fn stable_floor(draft: &Draft) -> i32 {
    floor(draft, draft.roles().stable)
}

fn floor(draft: &Draft, index: Option<usize>) -> i32 {
    let Some(set) = draft.set(index).filter(|_| draft.routed()) else {
        return 0;
    };
    let needed = sizing::of(draft, None).share(served(draft, set.hash()));
    needed.min(set.replicas_desired)
}
