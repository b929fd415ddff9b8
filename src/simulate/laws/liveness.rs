//! L1, L4 and L5: it goes on. After the last fault every Rollout comes to rest within a time that follows from its steps; a change that
//! no event told of is seen all the same within minutes; and what goes wrong for good is said.

use super::abort::{lingers, tell_lingering};
use super::answers::metrics;
use super::duty::Duty;
use super::objects::Run;
use super::pauses::{over_since, tell_over};
use super::read::{Id, human, list, seconds, shown, text};
use super::rollout::{Rollout, Step};
use super::{End, Facts, Found, Law, Picture, Sight};
use crate::simulate::record::What;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// L1: see the module's description.
#[derive(Default)]
pub struct ComesToRest;

impl Law for ComesToRest {
    fn id(&self) -> &'static str {
        "L1"
    }

    fn says(&self) -> &'static str {
        "when faults stop, a rollout becomes Healthy, Degraded or waits for a person, within the time its steps take"
    }

    fn look(&mut self, _: &Sight<'_>) -> Option<Found> {
        None
    }

    fn end(&mut self, picture: &Picture, facts: &Facts, end: &End<'_>) -> Option<Found> {
        let healed = end.healed_at?;
        picture.rollouts.values().find_map(|rollout| {
            let touched = picture.tale(rollout).and_then(|tale| tale.touched);
            let since = touched.map_or(healed, |touched| touched.max(healed)) + facts.recovery_max;
            let (rested, allowed) = (end.at - since, time_of(rollout, facts));
            if rollout.deleting || !facts.owes(rollout) || rested <= allowed || at_rest(rollout) {
                return None;
            }
            let evidence = format!(
                "{} is {} ({:?}) at step {:?}, {} after the last fault and the last change; its steps take {} at most; {}",
                rollout.name(),
                rollout.status.phase,
                rollout.status.message,
                rollout.status.index,
                human(rested),
                human(allowed),
                picture.told_sets(rollout),
            );
            Some(Found::new(evidence, [rollout.name()]))
        })
    }
}

fn at_rest(rollout: &Rollout) -> bool {
    let person = matches!(rollout.step(), Some((_, Step::Pause(None))))
        || rollout.spec.paused
        || rollout.status.pauses.iter().any(|(reason, _)| {
            let switch = reason == "BlueGreenPause" && rollout.spec.switch_pause.is_zero();
            switch || reason.starts_with("Inconclusive")
        });
    match rollout.status.phase.as_str() {
        _ if !rollout.observed() => false,
        "Healthy" | "Degraded" => true,
        "Paused" => person,
        _ => false,
    }
}

/// The time that the steps take at most, from the first.
fn time_of(rollout: &Rollout, facts: &Facts) -> TimeDelta {
    let of_step = |step: &Step| match step {
        Step::Pause(length) => length.unwrap_or_default(),
        Step::Analysis => facts.analysis_max,
        _ => TimeDelta::minutes(1),
    };
    let steps = rollout
        .spec
        .steps
        .iter()
        .map(of_step)
        .fold(TimeDelta::zero(), |sum, step| sum + step);
    let spec = &rollout.spec;
    let judged = i32::from(spec.judged_before) + i32::from(spec.judged_after);
    let switch = spec.switch_pause + facts.analysis_max * judged;
    steps + switch + spec.progress_deadline + TimeDelta::minutes(2)
}

/// L4: see the module's description.
pub struct Backstop {
    duties: [Duty; 4],
}

impl Default for Backstop {
    fn default() -> Self {
        let minutes = |_: &Facts| TimeDelta::minutes(5);
        let without = |mut duty: Duty| {
            duty.without_watches = true;
            duty
        };
        Self {
            duties: [
                Duty::new(unseen, |facts| facts.reaction_max, tell_unseen),
                without(Duty::new(unseen, minutes, tell_unseen)),
                without(Duty::new(lingers, minutes, tell_lingering)),
                without(Duty::new(over_since, minutes, tell_over)),
            ],
        }
    }
}

impl Law for Backstop {
    fn id(&self) -> &'static str {
        "L4"
    }

    fn says(&self) -> &'static str {
        "nothing depends on one event: what is due is done within a minute, and within five when watches say nothing"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        self.duties
            .iter()
            .find_map(|duty| duty.overdue(picture, facts, now))
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        self.duties
            .iter_mut()
            .for_each(|duty| duty.look(sight.picture, sight.facts));
        None
    }
}

/// The newest spec is not in the status.
fn unseen(_: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    (!rollout.deleting && !rollout.observed()).then_some(None)
}

fn tell_unseen(_: &Picture, rollout: &Rollout) -> String {
    format!(
        "its spec has generation {}, the status speaks of {:?}",
        rollout.generation, rollout.status.observed
    )
}

/// How long a provider may take for one answer before it is given up.
const ANSWER_MAX: TimeDelta = TimeDelta::seconds(30);

/// L5: see the module's description.
#[derive(Default)]
pub struct SaysWhatIsWrong {
    /// Since when a metric of a run gets no answer that its status shows.
    silent: BTreeMap<(Id, String), Silent>,
    /// When a Rollout last got on.
    moved: BTreeMap<Id, DateTime<Utc>>,
}

struct Silent {
    since: DateTime<Utc>,
    within: TimeDelta,
    why: String,
}

impl Law for SaysWhatIsWrong {
    fn id(&self) -> &'static str {
        "L5"
    }

    fn says(&self) -> &'static str {
        "a provider that does not answer, or an update that does not get on, is said in a status"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        let calm = picture.calm.since(facts)?;
        let late = self
            .silent
            .iter()
            .find(|(_, silent)| now - silent.since.max(calm) > silent.within);
        if let Some(((run, metric), silent)) = late {
            let evidence = format!(
                "metric {metric} of run {} has got no answer since {} ({}), and its status does not say so",
                shown(run),
                silent.since.format("%H:%M:%S"),
                silent.why,
            );
            return Some(Found::new(evidence, [format!("analysisruns {}", shown(run))]));
        }
        self.stuck(picture, facts, calm, now)
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        match &sight.record.what {
            What::Asked(asked) => self.hear(sight, &asked.query, &asked.answer),
            _ => self.settle(sight),
        }
        None
    }
}

impl SaysWhatIsWrong {
    fn hear(&mut self, sight: &Sight<'_>, query: &str, answer: &Result<(u16, String), String>) {
        let failure = match answer {
            Ok((200, _)) => None,
            Ok((code, _)) => Some(format!("HTTP {code}")),
            Err(why) => Some(why.clone()),
        };
        let open = sight
            .picture
            .runs
            .values()
            .filter(|run| !run.over() && !run.deleting && !run.terminate);
        for run in open {
            for metric in metrics(run).filter(|metric| metric.query.as_deref() == Some(query)) {
                let key = (run.id.clone(), metric.name.to_owned());
                let Some(why) = &failure else {
                    self.silent.remove(&key);
                    continue;
                };
                let interval = seconds(&metric.spec["interval"]).unwrap_or(TimeDelta::seconds(10));
                let within = interval * 2 + ANSWER_MAX + TimeDelta::seconds(5);
                let fresh = || Silent {
                    since: sight.now(),
                    within,
                    why: why.clone(),
                };
                self.silent.entry(key).or_insert_with(fresh);
            }
        }
    }

    fn settle(&mut self, sight: &Sight<'_>) {
        for turn in &sight.picture.delta.runs {
            let id = turn
                .after
                .as_ref()
                .or(turn.before.as_ref())
                .map(|run| run.id.clone());
            let said = |run: &Run, name: &str| run.over() || run.terminate || says_error(run, name);
            self.silent.retain(|(run, metric), _| {
                let after = turn.after.as_deref();
                Some(run) != id.as_ref() || after.is_some_and(|after| !said(after, metric))
            });
        }
        for run in sight
            .picture
            .delta
            .runs
            .iter()
            .filter_map(|turn| turn.after.as_ref())
        {
            // What waited for it gets on from here.
            if let Some(rollout) = sight.picture.by_uid(&run.owner).filter(|_| run.over()) {
                self.moved.insert(rollout.id.clone(), sight.now());
            }
        }
        for turn in &sight.picture.delta.rollouts {
            let (Some(after), before) = (&turn.after, &turn.before) else {
                continue;
            };
            let counts = |rollout: &Rollout| {
                let status = &rollout.raw["status"];
                let count = |field: &str| status[field].as_i64().unwrap_or(0);
                [
                    "updatedReplicas",
                    "readyReplicas",
                    "availableReplicas",
                    "replicas",
                ]
                .map(count)
            };
            let same = before.as_ref().is_some_and(|before| {
                before.status.index == after.status.index
                    && before.status.stable == after.status.stable
                    && before.status.phase == after.status.phase
                    && before.generation == after.generation
                    && counts(before) == counts(after)
            });
            if !same {
                self.moved.insert(after.id.clone(), sight.now());
            }
        }
    }

    /// Progressing, and nothing has moved for longer than the deadline for progress.
    fn stuck(
        &self,
        picture: &Picture,
        facts: &Facts,
        calm: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Found> {
        let waits = |rollout: &Rollout| {
            matches!(
                rollout.step(),
                Some((_, Step::Pause(_) | Step::Analysis | Step::Other))
            ) || picture.sets_of(rollout).any(|set| set.deadline.is_some())
                || picture
                    .runs_of(rollout)
                    .any(|run| run.type_.ends_with("Promotion") && !run.over())
        };
        let stuck = picture.rollouts.values().find_map(|rollout| {
            let progressing = rollout.status.phase == "Progressing"
                && rollout.binding()
                && !rollout.spec.paused
                && facts.owes(rollout);
            let since = self.moved.get(&rollout.id).map_or(calm, |moved| calm.max(*moved));
            let late =
                now - since > rollout.spec.progress_deadline + facts.reaction_max + facts.clock_skew_max;
            (progressing && late && !waits(rollout)).then_some((rollout, since))
        });
        let (rollout, since) = stuck?;
        let evidence = format!(
            "{} is Progressing ({:?}) and nothing has moved for {}, its progressDeadlineSeconds are {}; {}",
            rollout.name(),
            rollout.status.message,
            human(now - since),
            rollout.spec.progress_deadline.num_seconds(),
            picture.told_sets(rollout),
        );
        Some(Found::new(evidence, [rollout.name()]))
    }
}

/// The status of a run tells of an error of this metric.
fn says_error(run: &Run, name: &str) -> bool {
    let of = metrics(run).find(|metric| metric.name == name);
    of.is_some_and(|metric| {
        let last = list(metric.result, "measurements").last();
        last.is_some_and(|last| text(last, "phase") == "Error" && !text(last, "message").is_empty())
    })
}
