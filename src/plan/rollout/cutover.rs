//! When the active Service of a blue-green Rollout goes to the new version, what has to happen before, and what the status says of it.
//!
//! Where the Services lead is read from the Services, never remembered. Knows nothing of weights and steps.

use crate::api::rollout_status::{PauseCondition, RolloutStatus};
use crate::api::strategy::BlueGreenStrategy;
use crate::base::gotime::Time;
use crate::base::names::{annotation, label, pause};
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::status::{self, Findings};
use crate::plan::rollout::{analysis, replicas, revision, selector, services};
use crate::plan::{Answers, ReplicaSet};
use chrono::TimeDelta;

/// The version that the active Service leads to, with this plan's own changes; empty when it leads to no single one.
pub fn active_hash<'d>(draft: &'d Draft) -> &'d str {
    let active = draft.blue_green.map(|strategy| strategy.active_service.as_str());
    selected(&draft.answers, draft, active)
}

fn preview_hash<'d>(draft: &'d Draft) -> &'d str {
    let preview = draft
        .blue_green
        .and_then(|strategy| strategy.preview_service.as_deref());
    selected(&draft.answers, draft, preview)
}

fn selected<'d>(answers: &'d Answers, draft: &Draft, service: Option<&str>) -> &'d str {
    let service = service.and_then(|name| answers.service(&draft.sibling(name)));
    let hash = service.and_then(|service| service.selector.get(label::POD_HASH));
    hash.map_or("", String::as_str)
}

/// Whether the active Service, as it was seen, leads to this version: its pods must stay.
pub fn serves(draft: &Draft, hash: &str) -> bool {
    let active = draft.blue_green.map(|strategy| strategy.active_service.as_str());
    !hash.is_empty() && selected(&draft.seen.answers, draft, active) == hash
}

/// Whether a Service, as it was seen, leads to this version: it keeps its pods until it is seen that none does any more.
pub fn led_to(draft: &Draft, hash: &str) -> bool {
    let preview = draft
        .blue_green
        .and_then(|strategy| strategy.preview_service.as_deref());
    serves(draft, hash) || selected(&draft.seen.answers, draft, preview) == hash
}

/// Whether an old version is still of use: by the status, or because a Service leads to it after this plan.
pub fn in_use(draft: &Draft, hash: &str) -> bool {
    let status = &draft.rollout.status;
    let named = [&status.stable_rs, &status.current_pod_hash];
    named.into_iter().any(|name| name == hash) || active_hash(draft) == hash || preview_hash(draft) == hash
}

fn active_set<'d>(draft: &'d Draft) -> Option<&'d ReplicaSet> {
    let hash = active_hash(draft);
    draft
        .sets
        .iter()
        .find(|set| !hash.is_empty() && set.hash() == hash)
}

/// All the pods that `spec.replicas` asks for are there, and were asked for.
pub fn saturated(draft: &Draft, set: Option<&ReplicaSet>) -> bool {
    let replicas = draft.replicas();
    set.is_some_and(|set| {
        set.replicas_desired == replicas
            && set.available == replicas
            && set.metadata.annotation(annotation::DESIRED_REPLICAS) == Some(&replicas.to_string())
    })
}

/// The size of the new version now: that of the preview until the switch is decided, then the whole.
pub fn size_of_new(draft: &Draft) -> i32 {
    let (status, replicas) = (&draft.rollout.status, draft.replicas());
    if let Some(new) = draft.set(draft.roles().new).filter(|_| open_to_all(draft)) {
        return new.replicas_desired;
    }
    let Some(count) = draft
        .blue_green
        .and_then(|strategy| strategy.preview_replica_count)
    else {
        return replicas;
    };
    let held = draft.rollout.spec.paused || !status.pause_conditions.is_empty();
    let whole = draft.roles().stable.is_none()
        || active_hash(draft) == draft.new_hash
        || draft.fully_promoted()
        || status.promote_full
        || fast_rollback(draft)
        || (status.blue_green.scale_up_preview_check_point && !held);
    if whole { replicas } else { count.max(0) }
}

/// Whether the active Service leads to the pods of all versions, as when a canary without a router has just become blue-green: until it
/// is led to stable alone, each further pod of the new version would get users that nobody meant for it.
fn open_to_all(draft: &Draft) -> bool {
    let roles = draft.roles();
    active_hash(draft).is_empty() && roles.stable.is_some() && roles.stable != roles.new
}

/// The new version has the pods that it shall have before the switch.
pub fn ready(draft: &Draft) -> bool {
    let size = size_of_new(draft);
    let new = draft.set(draft.roles().new).filter(|_| !open_to_all(draft));
    new.is_some_and(|set| set.replicas_desired == size && set.available == size)
}

/// A former version that comes back while its pods still run, or within `rollbackWindow`: nothing is asked of it again.
pub fn fast_rollback(draft: &Draft) -> bool {
    draft.blue_green.is_some() && (revision::within_rollback_window(draft) || returns_with_pods(draft))
}

/// The deadline of a former version is the mark that its pods were kept for this, until the stored status says that it is stable again.
/// That of an aborted update is none.
pub fn returns_with_pods(draft: &Draft) -> bool {
    let stored = &draft.seen.rollout.status.stable_rs;
    let stable = draft
        .sets
        .iter()
        .find(|set| !stored.is_empty() && set.hash() == stored);
    let (Some(new), Some(stable)) = (draft.set(draft.roles().new), stable) else {
        return false;
    };
    let kept = new.scale_down_deadline().is_some_and(|at| at.get() > draft.now);
    let former = new.metadata.creation_timestamp < stable.metadata.creation_timestamp;
    kept && former && !draft.rollout.status.abort
}

/// Neither pause nor analysis stand before the switch.
fn fast_tracked(draft: &Draft) -> bool {
    let active = active_hash(draft);
    let nothing_to_switch_from = active.is_empty() && draft.roles().stable.is_none();
    draft.fully_promoted()
        || draft.rollout.status.promote_full
        || active == draft.new_hash
        || nothing_to_switch_from
        || fast_rollback(draft)
}

/// How long the pause before the switch lasts: `None` when there is none, `Some(None)` until a person ends it.
fn pause_length(strategy: &BlueGreenStrategy) -> Option<Option<TimeDelta>> {
    let seconds = strategy.auto_promotion_seconds.unwrap_or(0);
    if strategy.auto_promotion_enabled == Some(false) {
        return Some(None);
    }
    (seconds > 0).then(|| Some(TimeDelta::seconds(seconds.into())))
}

fn started(status: &RolloutStatus) -> Option<&PauseCondition> {
    let mut pauses = status.pause_conditions.iter();
    pauses.find(|condition| condition.reason == pause::BLUE_GREEN)
}

/// Whether a person has to end the pause that the status tells of.
pub fn pauses_for_person(draft: &Draft, status: &RolloutStatus) -> bool {
    started(status).is_some() && draft.blue_green.and_then(pause_length) == Some(None)
}

/// Whether nothing is to be waited for any more: the pause was waited out, or ended by a person.
fn pause_over(draft: &Draft, strategy: &BlueGreenStrategy) -> bool {
    let status = &draft.rollout.status;
    let Some(length) = pause_length(strategy).filter(|_| !status.blue_green.scale_up_preview_check_point)
    else {
        return true;
    };
    match started(status) {
        Some(started) => length.is_some_and(|length| started.start_time.get() + length <= draft.now),
        None => status.controller_pause,
    }
}

/// The analysis before the switch has passed, or there is none.
fn judged(draft: &Draft, findings: &Findings, strategy: &BlueGreenStrategy) -> bool {
    strategy.pre_promotion_analysis.is_none() || analysis::passed(draft, findings.pre_run.as_ref())
}

/// Starts the pause before the switch, waits for its end, or ends it.
pub fn pause(draft: &mut Draft, findings: &mut Findings) {
    let Some(strategy) = draft.blue_green else { return };
    let status = &draft.rollout.status;
    if status.abort {
        return;
    }
    let past = fast_tracked(draft) || status.blue_green.scale_up_preview_check_point;
    let Some(length) = pause_length(strategy).filter(|_| !past) else {
        findings.intent.remove_pause =
            Some(pause::BLUE_GREEN).filter(|_| !replicas::halted(draft) && ready(draft));
        return;
    };
    let judged = judged(draft, findings, strategy);
    // A person's promotion holds although the pods are not all there at this moment.
    findings.intent.stay_resumed = judged && status.controller_pause && status.pause_conditions.is_empty();
    if replicas::halted(draft) || !judged {
        return;
    }
    if let Some(started) = started(status) {
        // Also while pods are missing, which the pause would hide for ever: the deadline does not run while it lasts.
        if pause_over(draft, strategy) {
            findings.intent.remove_pause = Some(pause::BLUE_GREEN);
        } else if let Some(length) = length {
            let until = started.start_time.get() + length;
            draft.wake(until);
        }
        return;
    }
    if !ready(draft) || status.controller_pause {
        return;
    }
    findings.intent.add_pause = Some(pause::BLUE_GREEN);
    if let Some(length) = length {
        draft.wake(Time::ceil(draft.now).get() + length);
    }
}

/// Leads the active Service to the version that it belongs to now.
pub fn lead_active(draft: &mut Draft, findings: &Findings) {
    let Some(strategy) = draft.blue_green else { return };
    let roles = draft.roles();
    let created = draft
        .set(roles.new)
        .is_some_and(|set| set.metadata.uid.is_empty());
    let to = if draft.rollout.status.abort {
        return lead_back(draft);
    } else if created {
        // One that this plan creates is written with its first size: nothing comes in between.
        None
    } else if active_hash(draft).is_empty() && roles.stable.is_some() {
        // A Service that leads to all pods, as when it was just taken over or applied anew, belongs to the stable version.
        roles.stable.filter(|&index| whole(draft, index))
    } else if replicas::halted(draft) || findings.intent.add_pause.is_some() {
        None
    } else {
        let due = fast_tracked(draft) || (pause_over(draft, strategy) && judged(draft, findings, strategy));
        let complete = saturated(draft, draft.set(roles.new)) || draft.fully_promoted();
        roles.new.filter(|&index| due && complete && whole(draft, index))
    };
    services::lead(draft, &strategy.active_service, to);
}

/// Pods to lead to: all of them for a Service that leads to every version so far, else one, unless none are asked for.
fn whole(draft: &Draft, index: usize) -> bool {
    let (set, replicas) = (&draft.sets[index], draft.replicas());
    let needed = if active_hash(draft).is_empty() {
        replicas
    } else {
        replicas.min(1)
    };
    set.available >= needed
}

/// After an abort the active Service goes back to stable, whatever became of the new version's pods.
pub fn lead_back(draft: &mut Draft) {
    let Some(strategy) = draft.blue_green else { return };
    let stable = draft
        .roles()
        .stable
        .filter(|&index| draft.sets[index].available > 0);
    services::lead(draft, &strategy.active_service, stable);
}

/// Ends a pass: works out the status from the draft and the pass's findings.
pub fn finish(draft: &mut Draft, findings: &Findings) {
    let mut next = status::base(draft);
    next.blue_green.pre_promotion_analysis_run_status = findings.pre_run.clone();
    next.blue_green.post_promotion_analysis_run_status = findings.post_run.clone();
    let mut intent = findings.intent.clone();
    if next.promote_full || revision::within_rollback_window(draft) {
        intent.clear_pauses = true;
        intent.drop_abort = true;
    }
    if let Some(why) = promotion(draft, &next, findings, intent.aborted(&next)) {
        next.blue_green.scale_up_preview_check_point = false;
        status::promote(draft, &mut next, &mut intent, &why);
    } else if !intent.aborted(&next) && !replicas::halted(draft) && intent.add_pause.is_none() {
        next.blue_green.scale_up_preview_check_point |= preview_is_done(draft, findings);
    }
    let why = intent.abort.clone().unwrap_or_default();
    intent.apply(&mut next, draft.now);
    status::persist(draft, next, &why);
}

/// The preview at its own size has done its work: the new version may grow to the whole.
fn preview_is_done(draft: &Draft, findings: &Findings) -> bool {
    let Some(strategy) = draft.blue_green else {
        return false;
    };
    strategy.preview_replica_count.is_some()
        && !fast_tracked(draft)
        && ready(draft)
        && judged(draft, findings, strategy)
        && pause_over(draft, strategy)
}

/// Why the new version becomes stable now, if it does.
fn promotion(draft: &Draft, next: &RolloutStatus, findings: &Findings, aborted: bool) -> Option<String> {
    let (strategy, roles) = (draft.blue_green?, draft.roles());
    let new = draft.set(roles.new)?;
    if next.stable_rs.is_empty() {
        return Some("Initial deploy".into());
    }
    if aborted {
        return None;
    }
    if roles.stable.is_none() {
        // Somebody deleted the stable ReplicaSet: there is nothing left to go back to, but only ready pods take its place.
        let complete = saturated(draft, Some(new));
        return complete.then(|| "Stable ReplicaSet is gone".into());
    }
    let missing = new.available < draft.replicas() && !draft.fully_promoted();
    if active_hash(draft) != draft.new_hash || missing {
        return None;
    }
    if next.promote_full {
        return Some("Full promotion requested".into());
    }
    if revision::within_rollback_window(draft) {
        return Some("Rollback within window".into());
    }
    let judged = strategy.post_promotion_analysis.is_none()
        || fast_rollback(draft)
        || draft.fully_promoted()
        || analysis::passed(draft, findings.post_run.as_ref());
    judged.then(|| "Completed blue-green update".into())
}

/// Where the Services lead, and the counters: an autoscaler counts the pods behind the active Service.
pub fn count(draft: &Draft, next: &mut RolloutStatus) {
    next.blue_green.active_selector = active_hash(draft).to_owned();
    next.blue_green.preview_selector = preview_hash(draft).to_owned();
    let Some(active) = active_set(draft) else { return };
    let present = |number: i32| (number != 0).then_some(number);
    next.hpa_replicas = present(active.replicas);
    next.ready_replicas = present(active.ready);
    next.available_replicas = present(active.available);
    let mut selected = draft.rollout.spec.selector.clone().unwrap_or_default();
    selected
        .match_labels
        .insert(label::POD_HASH.into(), active.hash().to_owned());
    next.selector = selector::format(&selected);
}

/// Both Services lead to the current version.
pub fn cut_over(draft: &Draft, status: &RolloutStatus) -> bool {
    let preview = draft
        .blue_green
        .and_then(|strategy| strategy.preview_service.as_ref());
    let current = &status.current_pod_hash;
    !current.is_empty()
        && status.blue_green.active_selector == *current
        && (preview.is_none_or(String::is_empty) || status.blue_green.preview_selector == *current)
}

/// The version behind the active Service has all its pods.
pub fn available(draft: &Draft) -> bool {
    saturated(draft, active_set(draft))
}

/// Whether an analysis around the switch may run now: before it, once the preview has its pods; after it, once the new version has.
pub fn may_judge(draft: &Draft, before: bool, known: bool) -> bool {
    let active = active_hash(draft);
    let switched = active == draft.new_hash;
    let new = draft.set(draft.roles().new);
    if !before {
        return switched && (known || saturated(draft, new));
    }
    let previewed = draft
        .blue_green
        .is_some_and(|strategy| strategy.preview_replica_count.is_some());
    let complete = if previewed {
        ready(draft)
    } else {
        saturated(draft, new)
    };
    !active.is_empty() && !switched && (known || complete)
}
