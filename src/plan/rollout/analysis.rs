//! The analysis runs of an update: which are needed now, what their outcome means for the update, which are no longer of use.

use crate::api::analysis_run::{AnalysisRun, completed};
use crate::api::rollout_status::RunStatusRef;
use crate::api::strategy::RolloutAnalysis;
use crate::base::names::{label, pause, reason};
use crate::base::object::Kind;
use crate::plan::analysis::build::{Name, Purpose, RunWanted, base_name, build_run, name_for, run_spec};
use crate::plan::analysis::caution;
use crate::plan::analysis::history::{History, runs_to_delete};
use crate::plan::analysis::templates::templates_needed;
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::status::Findings;
use crate::plan::rollout::{cutover, intent, revision, steps};
use crate::plan::{Note, Question};
use serde_json::json;
use std::collections::BTreeSet;

/// The templates that the steps and the background analysis name, as far as they are not known yet.
pub fn questions(draft: &Draft) -> Vec<Question> {
    let namespace = &draft.rollout.metadata.namespace;
    let of_steps = draft
        .canary
        .steps
        .iter()
        .filter_map(|step| step.analysis.as_ref());
    let refs = of_steps.flat_map(|analysis| &analysis.templates);
    let background = draft
        .canary
        .analysis
        .iter()
        .flat_map(|analysis| &analysis.templates);
    let switched = [Purpose::PrePromotion, Purpose::PostPromotion];
    let switched = switched
        .into_iter()
        .filter_map(|purpose| around_switch(draft, purpose));
    let refs = refs
        .chain(background)
        .chain(switched.flat_map(|analysis| &analysis.templates));
    let refs: Vec<_> = refs.cloned().collect();
    templates_needed(&refs, namespace, &draft.seen.answers)
}

/// Starts, keeps and ends the runs of this update; a failed one asks for an abort, an inconclusive one for a pause.
pub fn reconcile(draft: &mut Draft, findings: &mut Findings) {
    if let Some(failure) = &draft.build_failure {
        draft.waiting_for = failure.clone();
    }
    if draft.blue_green.is_some() {
        findings.pre_run = promotion(draft, findings, Purpose::PrePromotion);
        findings.post_run = promotion(draft, findings, Purpose::PostPromotion);
    } else if !over(draft) {
        findings.background_run = background(draft, findings);
        findings.step_run = step(draft, findings);
    } else if draft.rollout.status.abort && !draft.fully_promoted() {
        // What became of them is part of why the update was aborted.
        let canary = &draft.rollout.status.canary;
        let told = |known: &Option<RunStatusRef>| known.clone().map(|known| as_it_is(draft, known));
        findings.background_run = told(&canary.current_background_analysis_run_status);
        findings.step_run = told(&canary.current_step_analysis_run_status);
    }
}

/// Ends and forgets the runs that the update does not use, once everything else is decided: a run that a step further on needs may
/// exist already, when its creation was written and the status that names it was not.
pub fn tidy(draft: &mut Draft) {
    let refs = named(draft);
    let names = |refs: &[&Option<RunStatusRef>]| -> BTreeSet<String> {
        refs.iter()
            .copied()
            .flatten()
            .map(|run| run.name.clone())
            .collect()
    };
    // The status of a blue-green or aborted update goes on telling of runs that are of no use any more.
    let kept = names(&refs);
    let of_steps = |run| if over(draft) { &None } else { run };
    let of_use = |purpose| {
        if applies(draft, purpose) {
            known(draft, purpose)
        } else {
            &None
        }
    };
    let (before, after) = (of_use(Purpose::PrePromotion), of_use(Purpose::PostPromotion));
    let in_use = names(&[of_steps(refs[0]), of_steps(refs[1]), before, after]);
    cancel_others(draft, &in_use);
    forget_old(draft, &kept);
}

/// The runs that the status names: of the canary's background and step, before and after the switch.
fn named<'d>(draft: &'d Draft) -> [&'d Option<RunStatusRef>; 4] {
    let canary = &draft.rollout.status.canary;
    [
        &canary.current_background_analysis_run_status,
        &canary.current_step_analysis_run_status,
        known(draft, Purpose::PrePromotion),
        known(draft, Purpose::PostPromotion),
    ]
}

/// No analysis is of use any more: the update is over, was never needed, or is being ended.
fn over(draft: &Draft) -> bool {
    let status = &draft.rollout.status;
    draft.fully_promoted()
        || status.abort
        || status.promote_full
        || status.stable_rs.is_empty()
        || revision::within_rollback_window(draft)
        || cutover::fast_rollback(draft)
}

fn background(draft: &mut Draft, findings: &mut Findings) -> Option<RunStatusRef> {
    let background = draft.canary.analysis.as_ref()?;
    let status = &draft.rollout.status;
    let known = status.canary.current_background_analysis_run_status.clone();
    let starting_step = background.starting_step.unwrap_or(0);
    if !draft.canary.steps.is_empty() && status.current_step_index.unwrap_or(0) < starting_step {
        return None;
    }
    if intent::inconclusive(status) {
        return known;
    }
    carry(
        draft,
        findings,
        &background.analysis(),
        Purpose::Background,
        known,
    )
}

fn step(draft: &mut Draft, findings: &mut Findings) -> Option<RunStatusRef> {
    let status = &draft.rollout.status;
    let known = status.canary.current_step_analysis_run_status.clone();
    let (index, step) = steps::current(&draft.canary.steps, status.current_step_index)?;
    let analysis = step.analysis.as_ref()?;
    if !status.pause_conditions.is_empty() {
        return known;
    }
    let of_this_step = |known: &RunStatusRef| {
        let run = draft.runs.iter().find(|run| run.metadata.name == known.name);
        run.is_none_or(|run| run.metadata.label(label::STEP_INDEX) == index.to_string())
    };
    let known = known.filter(of_this_step);
    let purpose = Purpose::Step(i32::try_from(index).unwrap_or(i32::MAX));
    carry(draft, findings, analysis, purpose, known)
}

/// The analysis before or after the switch, if the Rollout asks for one.
fn around_switch<'d>(draft: &Draft<'d>, purpose: Purpose) -> Option<&'d RolloutAnalysis> {
    let strategy = draft.blue_green?;
    match purpose {
        Purpose::PrePromotion => strategy.pre_promotion_analysis.as_ref(),
        Purpose::PostPromotion => strategy.post_promotion_analysis.as_ref(),
        Purpose::Step(_) | Purpose::Background => None,
    }
}

/// The run of the switch that the status tells of.
fn known<'s>(draft: &'s Draft, purpose: Purpose) -> &'s Option<RunStatusRef> {
    let status = &draft.rollout.status.blue_green;
    match purpose {
        Purpose::PrePromotion => &status.pre_promotion_analysis_run_status,
        _ => &status.post_promotion_analysis_run_status,
    }
}

/// Whether the analysis before or after the switch is of use now.
fn applies(draft: &Draft, purpose: Purpose) -> bool {
    let (before, known) = (purpose == Purpose::PrePromotion, known(draft, purpose).is_some());
    around_switch(draft, purpose).is_some() && !over(draft) && cutover::may_judge(draft, before, known)
}

/// The run before or after the switch: started, carried on, or only told of.
fn promotion(draft: &mut Draft, findings: &mut Findings, purpose: Purpose) -> Option<RunStatusRef> {
    let known = known(draft, purpose).clone();
    match around_switch(draft, purpose) {
        Some(analysis) if applies(draft, purpose) && !intent::inconclusive(&draft.rollout.status) => {
            carry(draft, findings, analysis, purpose, known)
        }
        _ => known.map(|known| told(draft, purpose, known)),
    }
}

/// What became of a run that decides nothing any more, told when it is news.
fn told(draft: &mut Draft, purpose: Purpose, known: RunStatusRef) -> RunStatusRef {
    let next = as_it_is(draft, known.clone());
    if next.status != known.status {
        draft.note(phase_note(purpose, &known, &next.status));
    }
    next
}

/// The run as it is now; one that is not seen, or has not begun, as it was known.
fn as_it_is(draft: &Draft, known: RunStatusRef) -> RunStatusRef {
    let run = draft.runs.iter().find(|run| run.metadata.name == known.name);
    let Some(run) = run.filter(|run| !run.status.phase.is_empty()) else {
        return known;
    };
    RunStatusRef {
        status: run.status.phase.clone(),
        message: run.status.message.clone(),
        ..known
    }
}

/// Carries a run on, or starts it; translates its outcome.
fn carry(
    draft: &mut Draft,
    findings: &mut Findings,
    analysis: &RolloutAnalysis,
    purpose: Purpose,
    known: Option<RunStatusRef>,
) -> Option<RunStatusRef> {
    let Some(known) = known.clone().filter(|known| !needs_new(draft, known)) else {
        return start(draft, analysis, purpose, known.as_ref());
    };
    let run = draft.runs.iter().find(|run| run.metadata.name == known.name);
    // A run that the cache does not show yet was just created; one that somebody deleted is started again.
    let Some(run) = run else {
        return start(draft, analysis, purpose, None);
    };
    if told_to_stop(run) && purpose != Purpose::Background {
        // It ended well because nothing had gone wrong so far: that lets no step pass.
        return start(draft, analysis, purpose, Some(&known));
    }
    let (phase, message) = (run.status.phase.clone(), run.status.message.clone());
    if phase != known.status && !phase.is_empty() {
        draft.note(phase_note(purpose, &known, &phase));
    }
    judge(findings, purpose, &phase, &message);
    Some(RunStatusRef {
        name: known.name,
        status: phase,
        message,
    })
}

fn phase_note(purpose: Purpose, known: &RunStatusRef, phase: &str) -> Note {
    let message = format!(
        "{} Analysis Run '{}' Status New: '{phase}' Previous: '{}'",
        purpose.name(),
        known.name,
        known.status
    );
    let reason = format!("AnalysisRun{phase}");
    match phase {
        "Failed" | "Error" => Note::warning(reason, message),
        "Pending" => Note::normal(reason, message).quietly(),
        _ => Note::normal(reason, message),
    }
}

/// What the outcome of a run means for the update.
fn judge(findings: &mut Findings, purpose: Purpose, phase: &str, message: &str) {
    match phase {
        "Failed" | "Error" => {
            let what = match purpose {
                Purpose::Step(_) => "Step-based",
                Purpose::Background => "Background",
                Purpose::PrePromotion => "Blue/green pre-promotion",
                Purpose::PostPromotion => "Blue/green post-promotion",
            };
            let detail = if message.is_empty() {
                String::new()
            } else {
                format!(": {message}")
            };
            findings.intent.abort = Some(format!("{what} analysis phase error/failed{detail}"));
        }
        "Inconclusive" => findings.intent.add_pause = Some(pause::INCONCLUSIVE_ANALYSIS),
        _ => {}
    }
}

/// Whether a run that the status names has failed.
pub fn failed(draft: &Draft) -> bool {
    let failed = |known: &RunStatusRef| {
        let run = draft.runs.iter().find(|run| run.metadata.name == known.name);
        run.is_some_and(|run| matches!(run.status.phase.as_str(), "Failed" | "Error"))
    };
    named(draft).into_iter().flatten().any(failed)
}

/// Whether a run lets the update pass: it was successful, and not because it was told to stop before anything went wrong.
pub fn passed(draft: &Draft, known: Option<&RunStatusRef>) -> bool {
    known.is_some_and(|known| {
        let run = draft.runs.iter().find(|run| run.metadata.name == known.name);
        known.status == "Successful" && !run.is_some_and(told_to_stop)
    })
}

/// Whether it ended because nobody needed it any more: it judged nothing.
pub fn told_to_stop(run: &AnalysisRun) -> bool {
    run.spec.terminate && run.status.phase == "Successful"
}

/// A person resumed after an inconclusive run, or retried after an abort: measure anew.
fn needs_new(draft: &Draft, known: &RunStatusRef) -> bool {
    let status = &draft.rollout.status;
    let resumed = status.controller_pause && status.pause_conditions.is_empty();
    if resumed {
        return known.status == "Inconclusive";
    }
    status.aborted_at.is_some()
}

fn start(
    draft: &mut Draft,
    analysis: &RolloutAnalysis,
    purpose: Purpose,
    before: Option<&RunStatusRef>,
) -> Option<RunStatusRef> {
    let wanted = RunWanted {
        rollout: &draft.rollout,
        analysis,
        answers: &draft.seen.answers,
        purpose,
        new_hash: &draft.new_hash,
        stable_hash: &draft.rollout.status.stable_rs,
        revision: draft.rollout.metadata.revision(),
        instance_id: &draft.seen.instance_id,
    };
    let spec = match run_spec(&wanted) {
        Ok(spec) => spec,
        Err(why) => {
            draft.build_failure = Some(why);
            return None;
        }
    };
    let (base, uid) = (base_name(&wanted), &draft.rollout.metadata.uid);
    let unrecorded = |run: &AnalysisRun| is_unrecorded(draft, before, run);
    let unknown = |name| RunStatusRef {
        name,
        status: String::new(),
        message: String::new(),
    };
    let name = match name_for(&base, uid, &spec, &draft.runs, unrecorded) {
        Name::Reuse(name) => {
            let run = draft.runs.iter().find(|run| run.metadata.name == name)?;
            if completed(&run.status.phase) {
                // What came of it is news: the next pass of the chain tells and judges it.
                return Some(unknown(name));
            }
            let (status, message) = (run.status.phase.clone(), run.status.message.clone());
            return Some(RunStatusRef {
                name,
                status,
                message,
            });
        }
        Name::Create(name) => name,
    };
    let object = build_run(&wanted, &name).ok()?;
    let run: AnalysisRun = serde_json::from_value(object.clone()).ok()?;
    let write = draft.create(Kind::AnalysisRun, draft.sibling(&name), object);
    for message in caution::warnings(&run.spec) {
        draft.tell(write, Note::warning(reason::LIMITS_FORGIVE_ALL, message));
    }
    draft.runs.push(run);
    Some(unknown(name))
}

/// Whether a run that is over was made for this very attempt, and only the status that names it could never be written. `before` is the
/// run that is to be replaced.
fn is_unrecorded(draft: &Draft, before: Option<&RunStatusRef>, run: &AnalysisRun) -> bool {
    let status = &draft.seen.rollout.status;
    if before.is_some_and(|before| before.name == run.metadata.name) {
        return false;
    }
    if status.current_pod_hash != draft.new_hash {
        // Nothing of this revision is recorded yet, so nothing of it is from an earlier attempt.
        return true;
    }
    let created = run.metadata.creation_timestamp;
    let began = status
        .duration
        .as_ref()
        .and_then(|known| known.rollout_started_at);
    let same_steps = status.current_step_hash == draft.rollout.status.current_step_hash;
    match status.aborted_at {
        Some(aborted) => created > Some(aborted),
        None => same_steps && began.is_some() && created >= began,
    }
}

/// Ends every other run that is still open.
fn cancel_others(draft: &mut Draft, in_use: &BTreeSet<String>) {
    for index in 0..draft.runs.len() {
        let run = &draft.runs[index];
        let open = !completed(&run.status.phase) && !run.spec.terminate && !run.metadata.deleting();
        if !open || in_use.contains(&run.metadata.name) || run.metadata.uid.is_empty() {
            continue;
        }
        let (key, guard) = (run.metadata.key(), guard(&run.metadata));
        draft.runs[index].spec.terminate = true;
        draft.patch(
            Kind::AnalysisRun,
            key,
            guard,
            json!({"spec": {"terminate": true}}),
        );
    }
}

fn forget_old(draft: &mut Draft, in_use: &BTreeSet<String>) {
    let live = draft
        .sets
        .iter()
        .filter(|set| !set.metadata.deleting())
        .map(|set| set.hash().to_owned());
    let live_hashes: BTreeSet<String> = live.collect();
    let history = History {
        rollout: &draft.rollout,
        runs: &draft.runs,
        in_use,
        live_hashes: &live_hashes,
        current_hash: &draft.new_hash,
    };
    let old: Vec<_> = runs_to_delete(&history)
        .into_iter()
        .map(|run| run.metadata.clone())
        .collect();
    for metadata in old.into_iter().filter(|metadata| !metadata.uid.is_empty()) {
        draft.delete(Kind::AnalysisRun, metadata.key(), guard(&metadata));
        draft.runs.retain(|run| run.metadata.name != metadata.name);
    }
}
