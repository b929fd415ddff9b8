//! S15: the status tells the truth. Healthy is written only when everything is as wanted, and is taken back when it no longer is; what is
//! not Healthy says why; what is done is not called Progressing for long.

use super::duty::Duty;
use super::read::percent;
use super::rollout::Rollout;
use super::{Facts, Found, Law, Picture, Sight, write};
use chrono::{DateTime, Utc};

/// See the module's description.
pub struct TruthfulStatus {
    duties: [Duty; 2],
}

impl Default for TruthfulStatus {
    fn default() -> Self {
        let reaction = |facts: &Facts| facts.reaction_max;
        Self {
            duties: [
                Duty::new(falsely_healthy, reaction, tell_healthy),
                Duty::new(falsely_busy, reaction, tell_busy),
            ],
        }
    }
}

impl Law for TruthfulStatus {
    fn id(&self) -> &'static str {
        "S15"
    }

    fn says(&self) -> &'static str {
        "Healthy means converged, and anything else says why"
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
        let request = write::done(sight)?;
        for turn in &sight.picture.delta.rollouts {
            let (Some(before), Some(after)) = (&turn.before, &turn.after) else {
                continue;
            };
            if before.status == after.status || after.status.phase.is_empty() {
                continue;
            }
            if let Some(why) = untrue(sight, after) {
                let evidence = format!(
                    "{}: phase {}, but {why}",
                    write::told(request),
                    after.status.phase
                );
                return Some(Found::new(evidence, [after.name(), write::object(request)]));
            }
        }
        None
    }
}

/// What a written status gets wrong.
fn untrue(sight: &Sight<'_>, rollout: &Rollout) -> Option<String> {
    let status = &rollout.status;
    match status.phase.as_str() {
        "Healthy" => unhealthy(sight, rollout),
        "Progressing" | "Paused" | "Degraded" if status.message.is_empty() => {
            Some("no message says why".to_owned())
        }
        "Progressing" | "Paused"
            if status.abort
                && rollout.updating()
                && rollout.observed()
                && !rollout.spec.paused
                && !cannot_begin(rollout) =>
        {
            Some("the update is aborted".to_owned())
        }
        "Progressing" | "Paused" | "Degraded" => None,
        other => Some(format!("nobody knows a phase {other:?}")),
    }
}

/// The ReplicaSet of the newest version cannot be made: that is said, whatever became of the version before.
fn cannot_begin(rollout: &Rollout) -> bool {
    rollout
        .condition("Progressing")
        .is_some_and(|condition| condition.contains(&"ReplicaSetCreateError".into()))
}

fn unhealthy(sight: &Sight<'_>, rollout: &Rollout) -> Option<String> {
    let (picture, status, spec) = (sight.picture, &rollout.status, &rollout.spec);
    if !rollout.observed() {
        // It speaks of an older spec, and clients can see that.
        return None;
    }
    if !rollout.promoted() {
        return Some(format!(
            "stable is {:?} and the current version {:?}",
            status.stable, status.current
        ));
    }
    if status.abort {
        return Some("the update is aborted".to_owned());
    }
    let available = picture.available_most(rollout, &status.current, sight.known_since());
    if available < spec.replicas {
        return Some(format!(
            "{available} of {} pods were available; {}",
            spec.replicas,
            picture.told_sets(rollout)
        ));
    }
    if spec.replicas == 0 {
        // Nobody serves anything, wherever routes lead.
        return None;
    }
    let since = sight.known_since();
    let stray = picture
        .sets_of(rollout)
        .filter(|set| set.hash != status.current)
        .find_map(|set| {
            let share = picture
                .share(&rollout.id, &set.hash)
                .map_or(0, |share| share.least(since));
            (share > 0).then_some((&set.hash, share))
        })?;
    Some(format!(
        "version {} still gets {} of the traffic",
        stray.0,
        percent(stray.1)
    ))
}

/// Healthy, though pods are missing.
fn falsely_healthy(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let status = &rollout.status;
    let missing = picture.available(rollout, &status.current) < rollout.spec.replicas;
    let wrong = rollout.binding() && status.phase == "Healthy" && missing && !rollout.spec.paused;
    wrong.then_some(None)
}

fn tell_healthy(picture: &Picture, rollout: &Rollout) -> String {
    format!(
        "it is called Healthy with pods missing of {}; {}",
        rollout.spec.replicas,
        picture.told_sets(rollout)
    )
}

/// Everything is as wanted, and it is not called Healthy.
fn falsely_busy(picture: &Picture, rollout: &Rollout, _: &Facts) -> Option<Option<DateTime<Utc>>> {
    let (spec, status) = (&rollout.spec, &rollout.status);
    let others = picture.sets_of(rollout).filter(|set| set.hash != status.current);
    let clean = others.fold(true, |clean, set| {
        clean && set.current == 0 && set.deadline.is_none()
    });
    let whole = |set: &super::objects::Set| {
        [set.desired.now(), set.current, set.available.now()]
            .iter()
            .all(|count| *count == spec.replicas)
    };
    let steps = i64::try_from(spec.steps.len()).unwrap_or(0);
    let done = rollout.promoted()
        && clean
        && picture.set_of(rollout, &status.current).is_some_and(whole)
        && (steps == 0 || status.index == Some(steps))
        && !rollout.raw["spec"]["restartAt"].is_string();
    let wrong = done && rollout.binding() && !spec.paused && status.phase != "Healthy";
    wrong.then_some(None)
}

fn tell_busy(picture: &Picture, rollout: &Rollout) -> String {
    format!(
        "everything is as wanted, but it is called {} ({:?}); {}",
        rollout.status.phase,
        rollout.status.message,
        picture.told_sets(rollout)
    )
}
