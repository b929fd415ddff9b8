//! Which pods the stable and the canary Service select.

use crate::base::names::{annotation, label, reason};
use crate::base::object::Kind;
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::{ping_pong, replicas, subsets, traffic};
use crate::plan::{Action, Answer, Note, Question, ReplicaSet, Service, Verb};
use serde_json::json;

pub fn questions(draft: &Draft) -> Vec<Question> {
    let names = named(draft).into_iter().filter(|name| !name.is_empty());
    names.map(|name| Question::Service(draft.sibling(name))).collect()
}

/// The Services that the Rollout names.
fn named<'d>(draft: &Draft<'d>) -> Vec<&'d str> {
    let mut names: Vec<&str> = vec![&draft.canary.stable_service, &draft.canary.canary_service];
    if let Some(pair) = &draft.canary.ping_pong {
        names.extend([pair.ping_service.as_str(), &pair.pong_service]);
    }
    if let Some(strategy) = draft.blue_green {
        names.push(&strategy.active_service);
        names.extend(strategy.preview_service.as_deref());
    }
    names
}

/// Points the stable Service at the stable version and the canary Service at the new one; after an abort both at stable. Behind a
/// router the canary Service changes hands only while the routes, as they were seen, lead no traffic to it: the weight goes first.
pub fn reconcile(draft: &mut Draft) {
    let roles = draft.roles();
    let backends = draft.backends();
    let (mut stable, mut canary) = (None, None);
    let aborted = draft.rollout.status.abort && !draft.fully_promoted();
    if aborted || !leads_ahead(draft) {
        stable = roles.stable;
        switch(draft, backends.stable, stable);
    }
    if !draft.routed() || !traffic::leads_to_canary(draft) {
        canary = if aborted { roles.stable } else { roles.new };
        match ping_pong::used(draft) {
            // The next update's Service: whoever registers pods by it must know them before they are ready.
            true if !aborted && !draft.fully_promoted() => lead(draft, backends.canary, canary),
            true if draft.fully_promoted() => {}
            _ => switch(draft, backends.canary, canary),
        }
    }
    switch_subsets(draft, stable, canary);
}

/// The same for the subsets of a DestinationRule. `None` leaves one alone.
fn switch_subsets(draft: &mut Draft, stable: Option<usize>, canary: Option<usize>) {
    let Some(subsets) = subsets::named(draft) else {
        return;
    };
    let adopting = subsets::adopting(draft);
    let to = |index| {
        let set = draft.set(index).filter(|set| may_switch(set, adopting));
        set.map(|set| set.hash().to_owned())
    };
    let moves = [(subsets.canary, to(canary)), (subsets.stable, to(stable))];
    let moves: Vec<(&str, String)> = moves
        .into_iter()
        .filter_map(|(name, hash)| Some((name, hash?)))
        .collect();
    subsets::lead(draft, &moves);
}

/// Whether the stable Service leads to the new version although that is not stable. A promotion writes the Service before the status;
/// when the status was lost on the way, this plan may well come to the same end.
fn leads_ahead(draft: &Draft) -> bool {
    let service = draft.answers.service(&draft.sibling(draft.backends().stable));
    let selected = service.and_then(|service| service.selector.get(label::POD_HASH));
    let leads = selected.is_some_and(|hash| *hash == draft.new_hash)
        || subsets::stable_hash(draft).is_some_and(|hash| hash == draft.new_hash);
    leads && !draft.fully_promoted()
}

/// Leads the stable Service back, once it is clear that this plan promotes nothing: before, it would go back and forth.
pub fn lead_stable_back(draft: &mut Draft) {
    if draft.promotes_nothing && leads_ahead(draft) && traffic::stable_can_carry(draft, 0) {
        let stable = draft.roles().stable;
        switch(draft, draft.backends().stable, stable);
        switch_subsets(draft, stable, None);
    }
}

/// Lets go of the Services that the Rollout managed and does not name any more: they select by their own labels again.
pub fn release(draft: &mut Draft) {
    let named = named(draft);
    let managed = draft.seen.managed.iter();
    for service in managed.filter(|service| !named.contains(&service.metadata.name.as_str())) {
        let action = let_go(service);
        draft.patch(action.kind, action.key, action.guard, action.body);
    }
}

/// The write that ends the management of a Service.
pub fn let_go(service: &Service) -> Action {
    Action {
        verb: Verb::Patch,
        kind: Kind::Service,
        key: service.metadata.key(),
        guard: guard(&service.metadata),
        body: json!({"metadata": {"annotations": {annotation::MANAGED_BY: null}}, "spec": {"selector": {label::POD_HASH: null}}}),
    }
}

fn switch(draft: &mut Draft, name: &str, to: Option<usize>) {
    let key = draft.sibling(name);
    let (Some(service), Some(set)) = (draft.answers.service(&key), draft.set(to)) else {
        return;
    };
    let adopting = service.metadata.annotation(annotation::MANAGED_BY).is_none();
    let from = service.selector.get(label::POD_HASH).map_or("", String::as_str);
    if from != set.hash() && may_switch(set, adopting) {
        lead(draft, name, to);
    }
}

/// Points the preview Service at the new version at once: it carries nobody's traffic but the testers'. Not while a person holds the
/// Rollout.
pub fn lead_preview(draft: &mut Draft) {
    let preview = draft
        .blue_green
        .and_then(|strategy| strategy.preview_service.clone());
    if let Some(name) = preview.filter(|name| !name.is_empty() && !replicas::halted(draft)) {
        let new = draft.roles().new;
        lead(draft, &name, new);
    }
}

/// Points a Service at a version, whatever its pods; one that leads there already is only marked as managed. `None` leaves it alone.
pub fn lead(draft: &mut Draft, name: &str, to: Option<usize>) {
    let key = draft.sibling(name);
    let (Some(service), Some(set)) = (draft.answers.service(&key), draft.set(to)) else {
        return;
    };
    let from = service.selector.get(label::POD_HASH).cloned().unwrap_or_default();
    let hash = set.hash().to_owned();
    let adopting = service.metadata.annotation(annotation::MANAGED_BY).is_none();
    if from == hash && !adopting {
        return;
    }
    let mut service = service.clone();
    let mut patch = json!({});
    if from != hash {
        patch["spec"]["selector"][label::POD_HASH] = json!(hash);
    }
    if adopting {
        let owner = draft.rollout.metadata.name.clone();
        patch["metadata"]["annotations"][annotation::MANAGED_BY] = json!(owner);
        service
            .metadata
            .annotations
            .insert(annotation::MANAGED_BY.into(), owner);
    }
    service.selector.insert(label::POD_HASH.into(), hash.clone());
    let guard = guard(&service.metadata);
    let preview = draft
        .blue_green
        .and_then(|strategy| strategy.preview_service.as_deref());
    let write = if preview == Some(name) {
        draft.patch(Kind::Service, key.clone(), guard, patch)
    } else {
        draft.move_traffic(Kind::Service, key.clone(), guard, patch)
    };
    if from != hash {
        let message = format!("Switched selector for service '{name}' from '{from}' to '{hash}'");
        draft.tell(write, Note::normal(reason::SWITCH_SERVICE, message));
    }
    draft
        .answers
        .0
        .insert(Question::Service(key), Answer::Service(service));
}

/// A Service taken over from plain Kubernetes keeps all its pods until the version is complete; later one ready pod is enough.
fn may_switch(set: &ReplicaSet, adopting: bool) -> bool {
    if adopting {
        return set.replicas_desired > 0 && set.available >= set.replicas_desired;
    }
    // Pods of a version that is being scaled to nothing are as good as gone: led there, the Service would soon have nobody.
    set.available.min(set.replicas_desired) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(desired: i32, available: i32) -> ReplicaSet {
        ReplicaSet {
            replicas_desired: desired,
            available,
            ..ReplicaSet::default()
        }
    }

    #[test]
    fn no_service_is_led_to_a_version_whose_last_pods_are_going() {
        assert!(may_switch(&set(3, 1), false));
        assert!(!may_switch(&set(3, 0), false));
        assert!(!may_switch(&set(0, 1), false));
    }
}
