//! S14: forgetting old versions never removes one that is needed: the stable or the current one, one that traffic can reach, one with
//! pods; nor an analysis run that is still open.

use super::objects::{Run, Set};
use super::read::percent;
use super::{Found, Law, Picture, Sight, write};
use crate::cluster::store::Change;
use chrono::TimeDelta;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub struct KeepsTheNeeded;

impl Law for KeepsTheNeeded {
    fn id(&self) -> &'static str {
        "S14"
    }

    fn says(&self) -> &'static str {
        "history never takes away a version or an analysis that is still needed"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        let deletes = request.verb == crate::cluster::request::Verb::Delete;
        let own =
            |change: &&Change| change.key.name == request.name && change.key.resource == request.resource;
        let change = request.changes.iter().find(own).filter(|_| deletes)?;
        let why = match &*change.key.resource {
            "replicasets.apps" => set_needed(sight, change),
            "analysisruns.argoproj.io" => run_needed(sight.picture, change),
            _ => None,
        }?;
        let evidence = format!("{}: {why}", write::told(request));
        Some(Found::new(evidence, [write::object(request)]))
    }
}

fn set_needed(sight: &Sight<'_>, change: &Change) -> Option<String> {
    let picture = sight.picture;
    let mut set = Set::default();
    set.read(change.before.as_ref()?, sight.now(), TimeDelta::zero());
    let rollout = picture.by_uid(&set.owner)?;
    let (status, hash) = (&rollout.status, &set.hash);
    if set.desired.now() > 0 || set.current > 0 {
        return Some(format!("it has pods: {}", set.told()));
    }
    for (what, version) in [("stable", &status.stable), ("current", &status.current)] {
        // A newer spec than the status speaks of has another current version.
        if version == hash && (what == "stable" || rollout.observed()) {
            return Some(format!("{hash} is the {what} version of {}", rollout.name()));
        }
    }
    // What somebody led there a moment ago the controller has not seen yet.
    let share = picture.share(&rollout.id, hash);
    let share = share.map_or(0, |share| share.least(sight.known_since()));
    if share > 0 {
        return Some(format!(
            "{hash} gets {} of the traffic of {}",
            percent(share),
            rollout.name()
        ));
    }
    let [canary, stable] = rollout.sides();
    // The idle one of two Services that swap leads to the version before, and nobody there, until the next update.
    let swaps = !rollout.spec.pair[0].is_empty();
    let canary = if swaps { stable } else { canary };
    let names = [
        stable,
        canary,
        &rollout.spec.active_service,
        &rollout.spec.preview_service,
    ];
    let selecting = names.into_iter().find(|name| {
        let service = picture.services.get(&(rollout.id.0.clone(), (*name).to_owned()));
        let lately = |at: chrono::DateTime<chrono::Utc>| at >= sight.known_since();
        service.is_some_and(|service| service.hash == *hash && !service.moved.is_some_and(lately))
    })?;
    Some(format!(
        "Service {selecting} of {} selects {hash}",
        rollout.name()
    ))
}

fn run_needed(picture: &Picture, change: &Change) -> Option<String> {
    let id = (change.key.namespace.clone(), change.key.name.clone());
    let run = Run::read(&id, change.before.as_ref().map(Arc::clone).as_ref()?);
    let rollout = picture.by_uid(&run.owner)?;
    let named = [&rollout.status.step_run, &rollout.status.background_run].contains(&&id.1);
    let open = !run.over() && !run.terminate;
    (open && named).then(|| format!("it is open ({:?}) and {} waits for it", run.phase, rollout.name()))
}
