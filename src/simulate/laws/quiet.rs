//! S12: quiet. A world that rests is left alone: no write, no Event, few reads. And at any time: no object is written several times a
//! second for a minute, and no write is repeated that changes nothing.

use super::read::human;
use super::rollout::{Rollout, Step};
use super::{Found, Law, Picture, Sight, write};
use crate::simulate::record::{Requested, What};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};

/// Writes of one object in one minute: five a second, and twenty at once.
const WRITES_PER_MINUTE_MAX: usize = 320;
/// Writes of one object in one minute that change nothing.
const IDLE_WRITES_PER_MINUTE_MAX: usize = 3;

/// See the module's description.
#[derive(Default)]
pub struct Quiet {
    /// The last change that was not the controller's own.
    disturbed: Option<DateTime<Utc>>,
    resting: Option<DateTime<Utc>>,
    reads: VecDeque<DateTime<Utc>>,
    writes: BTreeMap<String, VecDeque<DateTime<Utc>>>,
    idle: BTreeMap<String, VecDeque<DateTime<Utc>>>,
}

impl Law for Quiet {
    fn id(&self) -> &'static str {
        "S12"
    }

    fn says(&self) -> &'static str {
        "a world at rest is left alone, and no object is written over and over"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let broken = match &sight.record.what {
            What::Request(request) if write::of_ours(request, sight.facts) => self.ours(sight, request),
            _ => None,
        };
        self.hear(sight);
        broken
    }
}

impl Quiet {
    fn hear(&mut self, sight: &Sight<'_>) {
        let disturbs = match &sight.record.what {
            What::Request(request) => {
                !write::of_ours(request, sight.facts)
                    && !write::is_housekeeping(request)
                    && !request.changes.is_empty()
            }
            What::Changed(changes) => changes
                .iter()
                .any(|change| !change.key.resource.starts_with("leases")),
            What::Fault { .. } | What::Replica { .. } | What::Actor { .. } => true,
            _ => false,
        };
        if disturbs {
            self.disturbed = Some(sight.now());
        }
        let delta = &sight.picture.delta;
        let moved = !delta.rollouts.is_empty()
            || !delta.runs.is_empty()
            || !delta.sizes.is_empty()
            || delta.deadlines;
        if moved || self.resting.is_none() {
            let rests = at_rest(sight.picture);
            self.resting = rests.then(|| self.resting.unwrap_or(sight.now()));
        }
    }

    fn ours(&mut self, sight: &Sight<'_>, request: &Requested) -> Option<Found> {
        let lease = request.resource.starts_with("leases");
        if lease {
            return None;
        }
        let quiet = self.quiet_for(sight);
        if !write::is_write(request) {
            return quiet.and_then(|quiet| self.read(sight, request, quiet));
        }
        if let Some(quiet) = quiet {
            let evidence = format!(
                "{} (answer {}), although every Rollout has rested and nothing has happened for {}",
                write::told(request),
                request.code,
                human(quiet),
            );
            return Some(Found::new(evidence, [write::object(request)]));
        }
        if write::is_housekeeping(request) {
            return None;
        }
        self.again_and_again(sight, request)
    }

    /// For how long the world has rested, beyond the time that it may take to come to rest.
    fn quiet_for(&self, sight: &Sight<'_>) -> Option<TimeDelta> {
        let since = self.resting?.max(self.disturbed?);
        Some(sight.now() - since).filter(|quiet| *quiet > sight.facts.quiet_after)
    }

    fn read(&mut self, sight: &Sight<'_>, request: &Requested, quiet: TimeDelta) -> Option<Found> {
        let in_a_minute = count(&mut self.reads, sight.now());
        let replicas = sight.picture.calm.up().count().max(1);
        let allowed = sight.facts.quiet_reads_per_minute * replicas;
        if in_a_minute <= allowed {
            return None;
        }
        let evidence = format!(
            "{in_a_minute} requests that read within a minute by {replicas} replicas at rest for {}, at most {allowed} are allowed; the \
             last: {}",
            human(quiet),
            write::told(request),
        );
        Some(Found::new(evidence, [write::object(request)]))
    }

    fn again_and_again(&mut self, sight: &Sight<'_>, request: &Requested) -> Option<Found> {
        let object = write::object(request);
        let done = write::done(sight).is_some();
        let writes = count(self.writes.entry(object.clone()).or_default(), sight.now());
        if writes > WRITES_PER_MINUTE_MAX {
            let evidence = format!(
                "{writes} writes within a minute, the last: {}",
                write::told(request)
            );
            return Some(Found::new(evidence, [object]));
        }
        if !done || !request.changes.is_empty() {
            return None;
        }
        let idle = count(self.idle.entry(object.clone()).or_default(), sight.now());
        let evidence = format!(
            "{}: {idle} writes within a minute that changed nothing; the last body: {}",
            write::told(request),
            request.body,
        );
        (idle > IDLE_WRITES_PER_MINUTE_MAX).then(|| Found::new(evidence, [object]))
    }
}

/// How many there were within a minute, this one included.
fn count(times: &mut VecDeque<DateTime<Utc>>, now: DateTime<Utc>) -> usize {
    times.push_back(now);
    while times
        .front()
        .is_some_and(|first| *first < now - TimeDelta::minutes(1))
    {
        times.pop_front();
    }
    times.len()
}

/// Nothing is under way and no clock runs for anything.
fn at_rest(picture: &Picture) -> bool {
    let resting_sets = picture
        .sets
        .values()
        .all(|set| set.deadline.is_none() || set.desired.now() == 0);
    let resting_runs = picture
        .runs
        .values()
        .all(|run| run.over() && !run.raw["spec"]["ttlStrategy"].is_object());
    resting_sets && resting_runs && picture.rollouts.values().all(|rollout| rests(rollout))
}

fn rests(rollout: &Rollout) -> bool {
    let timed =
        matches!(rollout.step(), Some((_, Step::Pause(Some(_))))) || !rollout.spec.switch_pause.is_zero();
    match rollout.status.phase.as_str() {
        _ if !rollout.observed() || rollout.deleting => false,
        "Healthy" | "Degraded" => true,
        "Paused" => !timed || rollout.spec.paused,
        _ => false,
    }
}
