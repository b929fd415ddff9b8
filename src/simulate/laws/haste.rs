//! L2 and S17: haste. From the moment that a failure is stored, at most two writes that follow one another lie before the traffic is off
//! the failed version, and little time; and an answer of a provider gets into the status of its run soon, whoever else hangs.

use super::answers::{Metric, metrics};
use super::duty::Duty;
use super::objects::Run;
use super::read::{Id, human, list, shown, text};
use super::rollout::Rollout;
use super::routers;
use super::{Facts, Found, Law, Picture, Sight, write};
use crate::simulate::record::Requested;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// L2: see the module's description.
pub struct SwiftAbort {
    pending: BTreeMap<Id, Pending>,
    unheeded: Duty,
}

impl Default for SwiftAbort {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            unheeded: Duty::new(unheeded, |facts| facts.abort_max, tell_unheeded),
        }
    }
}

struct Pending {
    at: DateTime<Utc>,
    run: String,
    writes: Vec<String>,
}

impl Law for SwiftAbort {
    fn id(&self) -> &'static str {
        "L2"
    }

    fn says(&self) -> &'static str {
        "a stored failure takes two writes in a row, and seconds, to take the traffic away"
    }

    fn tick(&mut self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        let late = self.lingering(picture, facts, now);
        late.or_else(|| self.unheeded.overdue(picture, facts, now))
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let picture = sight.picture;
        self.unheeded.look(picture, sight.facts);
        if !self.pending.is_empty() {
            let settled = |id: &Id| {
                picture
                    .rollouts
                    .get(id)
                    .is_none_or(|rollout| !owed(picture, rollout))
            };
            let found = write::done(sight).and_then(|request| self.count(sight, request));
            let disturbed = picture
                .calm
                .since(sight.facts)
                .is_none_or(|calm| calm > sight.now());
            self.pending.retain(|id, _| !disturbed && !settled(id));
            if found.is_some() {
                return found;
            }
        }
        for turn in &picture.delta.runs {
            let failed = |run: &Option<std::sync::Arc<Run>>| run.as_ref().is_some_and(|run| run.failed());
            let Some(run) = turn
                .after
                .as_ref()
                .filter(|_| failed(&turn.after) && !failed(&turn.before))
            else {
                continue;
            };
            let Some(rollout) = picture.by_uid(&run.owner) else {
                continue;
            };
            let decides = [&rollout.status.step_run, &rollout.status.background_run].contains(&&run.id.1);
            if decides && owed(picture, rollout) && !rollout.status.abort {
                let (at, run) = (sight.now(), shown(&run.id));
                self.pending.insert(
                    rollout.id.clone(),
                    Pending {
                        at,
                        run,
                        writes: Vec::new(),
                    },
                );
            }
        }
        None
    }
}

/// A run that the update waits for has failed, and the update is not aborted.
fn unheeded(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let status = &rollout.status;
    let wrong = rollout.binding() && rollout.updating() && !status.abort && !status.promote_full;
    (wrong && !failed_run(picture, rollout)?.is_empty()).then_some(None)
}

fn failed_run<'p>(picture: &'p Picture, rollout: &'p Rollout) -> Option<&'p str> {
    let named = [&rollout.status.step_run, &rollout.status.background_run];
    named.into_iter().find_map(|name| {
        let run = picture.runs.get(&(rollout.id.0.clone(), name.clone()))?;
        run.failed().then_some(name.as_str())
    })
}

fn tell_unheeded(picture: &Picture, rollout: &Rollout) -> String {
    let run = failed_run(picture, rollout).unwrap_or_default();
    format!(
        "run {run} has failed, and the update is not aborted (phase {})",
        rollout.status.phase
    )
}

/// The new version has traffic that stable could take.
fn owed(picture: &Picture, rollout: &Rollout) -> bool {
    let (spec, status) = (&rollout.spec, &rollout.status);
    let enough = (spec.replicas - spec.unavailable.max(1)).max(1);
    rollout.binding()
        && rollout.updating()
        && !status.promote_full
        && picture.share_now(&rollout.id, &status.current) > 0
        && picture.available(rollout, &status.stable) >= enough
}

impl SwiftAbort {
    /// The traffic of a failed version that has been there for too long.
    fn lingering(&self, picture: &Picture, facts: &Facts, now: DateTime<Utc>) -> Option<Found> {
        let calm = picture.calm.since(facts)?;
        let late = |pending: &Pending| now - pending.at.max(calm) > facts.abort_max;
        let (id, pending) = self.pending.iter().find(|(_, pending)| late(pending))?;
        let rollout = picture
            .rollouts
            .get(id)
            .filter(|rollout| owed(picture, rollout))?;
        let evidence = format!(
            "run {} failed {} ago, and version {} still gets traffic; written since: [{}]",
            pending.run,
            human(now - pending.at),
            rollout.status.current,
            pending.writes.join(", "),
        );
        Some(Found::new(evidence, [rollout.name()]))
    }

    fn count(&mut self, sight: &Sight<'_>, request: &Requested) -> Option<Found> {
        let picture = sight.picture;
        let mut found = None;
        for (id, pending) in &mut self.pending {
            let Some(rollout) = picture
                .rollouts
                .get(id)
                .filter(|rollout| concerns(rollout, picture, request))
            else {
                continue;
            };
            if !rollout.status.abort && sight.now() - pending.at <= sight.facts.lag_max {
                // Under way before the failure was known.
                continue;
            }
            pending
                .writes
                .push(format!("{} {}", write::plural(request), request.name));
            // One for the intent, one for each route.
            let allowed = 1 + rollout.spec.routes.len().max(1);
            let still = owed(picture, rollout);
            if pending.writes.len() > allowed || pending.writes.len() == allowed && still {
                let evidence = format!(
                    "run {} failed, and {} writes later ([{}]) version {} {}; {allowed} are allowed",
                    pending.run,
                    pending.writes.len(),
                    pending.writes.join(", "),
                    rollout.status.current,
                    if still {
                        "still gets traffic"
                    } else {
                        "at last got none"
                    },
                );
                found = Some(Found::new(evidence, [rollout.name()]));
            }
        }
        found
    }
}

/// Whether a write is about this Rollout's update.
fn concerns(rollout: &Rollout, picture: &Picture, request: &Requested) -> bool {
    let id = write::id(request);
    match write::plural(request) {
        "rollouts" => id == rollout.id,
        "httproutes" => rollout.spec.routes.contains(&id),
        "ingresses" | "virtualservices" => {
            let id = routers::route_id(&request.resource, &id);
            rollout.spec.routes.contains(&id)
        }
        "services" => id.0 == rollout.id.0 && rollout.spec.names(&id.1),
        "replicasets" => picture.sets.get(&id).is_some_and(|set| set.owner == rollout.uid),
        _ => false,
    }
}

/// S17: see the module's description.
#[derive(Default)]
pub struct Isolated;

impl Law for Isolated {
    fn id(&self) -> &'static str {
        "S17"
    }

    fn says(&self) -> &'static str {
        "an answer gets into the status of its run soon, whatever other providers and Slack do"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        write::done(sight)?;
        let calm = sight.picture.calm.since(sight.facts)?;
        sight.picture.delta.runs.iter().find_map(|turn| {
            let (before, after) = (turn.before.as_deref()?, turn.after.as_deref()?);
            metrics(after).find_map(|metric| late(sight, calm, before, after, &metric))
        })
    }
}

fn measured(run: &Run, name: &str) -> i64 {
    let metric = metrics(run).find(|metric| metric.name == name);
    metric
        .and_then(|metric| metric.result["count"].as_i64())
        .unwrap_or(0)
}

fn late(
    sight: &Sight<'_>,
    calm: DateTime<Utc>,
    before: &Run,
    run: &Run,
    metric: &Metric<'_>,
) -> Option<Found> {
    let last = list(metric.result, "measurements").last()?;
    let fresh = metric.result["count"].as_i64().unwrap_or(0) > measured(before, metric.name);
    if !fresh || text(last, "phase") == "Error" {
        return None;
    }
    let answer = sight.picture.asked.to(metric.query.as_ref()?)?.back()?;
    let waited = sight.now() - answer.at.max(calm);
    if waited <= sight.facts.fold_max {
        return None;
    }
    let evidence = format!(
        "metric {} of run {} was answered and waited {} for its status, at most {} are allowed; faults that last: {:?}",
        metric.name,
        shown(&run.id),
        human(waited),
        human(sight.facts.fold_max),
        sight.picture.calm.active().collect::<Vec<_>>(),
    );
    Some(Found::new(evidence, [format!("analysisruns {}", shown(&run.id))]))
}
