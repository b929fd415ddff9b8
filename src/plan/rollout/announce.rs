//! What people are told about a plan: the difference between the status before and after, with the facts a message needs.

use crate::api::analysis_run::{AnalysisRun, completed};
use crate::api::rollout_status::RolloutStatus;
use crate::api::template;
use crate::base::names::{annotation, condition, label, reason};
use crate::plan::rollout::draft::Draft;
use crate::plan::rollout::{analysis, conditions, cutover, pause, traffic};
use crate::plan::{Announcement, Moment, Note};
use chrono::{DateTime, Utc};

/// Puts the notes of a plan into the order in which Argo Rollouts tells them: pass by pass, and in each pass by what they are about.
pub fn order(notes: &mut [Note]) {
    let place = |note: &Note| match note.reason.as_str() {
        reason::ROLLOUT_UPDATED => 0,
        reason::NEW_REPLICA_SET => 1,
        reason::SWITCH_SERVICE => 3,
        // What carries a weight, before the weight.
        "UpdatedDestinationRule" | "Updated VirtualService" | "PatchingALBIngress" => 4,
        "CreatingCanaryIngress" | "PatchingCanaryIngress" => 4,
        reason::WEIGHT_UPDATED => 5,
        reason::SCALING_REPLICA_SET => 7,
        reason::SKIP_STEPS | reason::ROLLOUT_NOT_COMPLETED | reason::STEP_COMPLETED => 8,
        reason::ROLLOUT_PAUSED | reason::ROLLOUT_RESUMED => 9,
        reason::ROLLOUT_ABORTED | reason::ROLLOUT_COMPLETED => 9,
        _ => 6,
    };
    notes.sort_by_key(|note| (note.told.0, place(note), note.told.1));
}

/// The announcements of a plan, in the order in which things happened.
pub fn announcements(draft: &Draft) -> Vec<Announcement> {
    moments(draft)
        .into_iter()
        .map(|moment| announcement(draft, moment))
        .collect()
}

fn moments(draft: &Draft) -> Vec<Moment> {
    let (old, new) = (&draft.seen.rollout.status, &draft.rollout.status);
    let mut moments = Vec::new();
    let first_release = old.stable_rs.is_empty();
    if old.current_pod_hash != new.current_pod_hash && !first_release && new.stable_rs != new.current_pod_hash
    {
        moments.push(Moment::Started);
    }
    moments.extend(verdicts(draft).into_iter().map(Moment::Verdict));
    if let Some(why) = abort_reason(new).filter(|_| abort_reason(old).is_none() && !first_release) {
        moments.push(Moment::Aborted(why));
    }
    if new.stable_rs != old.stable_rs && !first_release {
        let promoted = draft
            .notes
            .iter()
            .find(|note| note.reason == reason::ROLLOUT_COMPLETED);
        let why = promoted
            .and_then(|note| note.message.rsplit_once("): "))
            .map_or("", |(_, why)| why);
        moments.push(Moment::Promoted(why.to_owned()));
    }
    if old.pause_conditions.is_empty() && pause::awaits_person(draft) {
        let why = new
            .pause_conditions
            .first()
            .map_or("", |condition| condition.reason.as_str());
        moments.push(Moment::Paused(why.to_owned()));
    }
    let invalid =
        |status: &RolloutStatus| conditions::get(status, condition::INVALID_SPEC).map(|c| c.message.clone());
    if let Some(message) = invalid(new).filter(|message| invalid(old).as_ref() != Some(message)) {
        moments.push(Moment::Invalid(message));
    }
    moments
}

/// The message of the abort that the status tells of.
fn abort_reason(status: &RolloutStatus) -> Option<String> {
    let progressing = conditions::get(status, condition::PROGRESSING)?;
    (progressing.reason == reason::ROLLOUT_ABORTED).then(|| progressing.message.clone())
}

/// Runs that the old status knew as unfinished and that are complete now. One that was told to stop has no verdict.
fn verdicts(draft: &Draft) -> Vec<String> {
    let status = &draft.seen.rollout.status;
    let refs = [
        &status.canary.current_step_analysis_run_status,
        &status.canary.current_background_analysis_run_status,
        &status.blue_green.pre_promotion_analysis_run_status,
        &status.blue_green.post_promotion_analysis_run_status,
    ];
    let unfinished = refs
        .into_iter()
        .flatten()
        .filter(|known| !completed(&known.status));
    let done = |name: &str| {
        let mut runs = draft.seen.analysis_runs.iter();
        let over = |run: &AnalysisRun| completed(&run.status.phase) && !analysis::told_to_stop(run);
        runs.any(|run| run.metadata.name == name && over(run))
    };
    unfinished
        .map(|known| known.name.clone())
        .filter(|name| done(name))
        .collect()
}

fn announcement(draft: &Draft, moment: Moment) -> Announcement {
    let (old, metadata) = (&draft.seen.rollout.status, &draft.rollout.metadata);
    let hash = draft.new_hash.clone();
    let images = |hash: &str| {
        let set = draft.sets.iter().find(|set| set.hash() == hash);
        set.map(|set| template::images(&set.template_json()))
            .unwrap_or_default()
    };
    let mut runs: Vec<_> = draft
        .seen
        .analysis_runs
        .iter()
        .filter(|run| run.metadata.label(label::POD_HASH) == hash)
        .cloned()
        .collect();
    runs.sort_by_key(|run| (run.metadata.creation_timestamp, run.metadata.name.clone()));
    let revision = metadata.revision();
    runs.retain(|run| run.metadata.revision() == revision);
    let steps = i32::try_from(draft.canary.steps.len()).unwrap_or(i32::MAX);
    let weight = match moment {
        Moment::Promoted(_) => draft.weight_max(),
        _ => weight(draft),
    };
    Announcement {
        moment,
        rollout: metadata.key(),
        rollout_uid: metadata.uid.clone(),
        revision,
        at: draft.now,
        since: since(draft),
        images_old: images(&old.stable_rs),
        images_new: images(&hash),
        pod_hash: hash,
        weight,
        weight_max: draft.weight_max(),
        weight_is_pods: !draft.routed() && draft.blue_green.is_none(),
        step: old.current_step_index.map(|index| (index, steps)),
        steps: draft.canary.steps.clone(),
        switch: draft.blue_green.cloned(),
        channel: metadata.annotation(annotation::SLACK_CHANNEL).map(str::to_owned),
        runs,
    }
}

/// When this update began: the new version's ReplicaSet is as old as the update, unless it is a former version come back.
fn since(draft: &Draft) -> Option<DateTime<Utc>> {
    let set = draft.set(draft.roles().new)?;
    let returned = set.metadata.annotation(annotation::REVISION_HISTORY).is_some();
    set.metadata
        .creation_timestamp
        .filter(|_| !returned)
        .map(crate::base::gotime::Time::get)
}

/// The canary's share before this plan: of the traffic, as the routes were seen, else of the available pods.
fn weight(draft: &Draft) -> i32 {
    if draft.blue_green.is_some() {
        return if cutover::serves(draft, &draft.new_hash) {
            draft.weight_max()
        } else {
            0
        };
    }
    if draft.routed() {
        return traffic::canary_share(draft);
    }
    let of_new = draft
        .seen
        .replica_sets
        .iter()
        .find(|set| set.hash() == draft.new_hash);
    let all: i64 = draft
        .seen
        .replica_sets
        .iter()
        .map(|set| i64::from(set.available))
        .sum();
    let mine = of_new.map_or(0, |set| i64::from(set.available));
    let share = (mine * i64::from(draft.weight_max())).checked_div(all);
    share
        .and_then(|share| i32::try_from(share).ok())
        .unwrap_or_default()
}
