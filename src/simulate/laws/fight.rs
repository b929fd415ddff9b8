//! S13: a fight is not escalated. When somebody else undid the controller's write to an object three times, the controller makes the
//! same write at most once in ten seconds. Another write, as after an abort, is a new matter.

use super::delta::Delta;
use super::read::{Id, human, shown};
use super::{Found, Law, Sight, write};
use crate::cluster::request::Verb;
use crate::simulate::record::What;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

const LOSSES: usize = 3;

/// See the module's description.
#[derive(Default)]
pub struct NoEscalation {
    fights: BTreeMap<(&'static str, Id), Fight>,
}

#[derive(Default)]
struct Fight {
    /// The controller's last write.
    ours: Option<DateTime<Utc>>,
    /// What it said, less the guard.
    body: Value,
    /// Since then somebody else wrote the same.
    lost: bool,
    losses: VecDeque<DateTime<Utc>>,
}

impl Law for NoEscalation {
    fn id(&self) -> &'static str {
        "S13"
    }

    fn says(&self) -> &'static str {
        "after three losses a contested field is written at most once in ten seconds"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        if matches!(&sight.record.what, What::Replica { .. }) {
            // Who has just begun to lead knows of no earlier loss.
            self.fights.clear();
        }
        // Making anew what somebody deleted is no change of a field.
        let ours = write::done(sight);
        if ours.is_some_and(|request| request.verb == Verb::Create) {
            return None;
        }
        let contested = contested(&sight.picture.delta);
        let world = matches!(sight.record.what, What::Request(_) | What::Changed(_));
        if contested.is_empty() || !world {
            return None;
        }
        let mut found = None;
        for object in contested {
            let fight = self.fights.entry(object.clone()).or_default();
            match ours {
                None => fight.lose(sight.now()),
                Some(request) => {
                    let last = fight.ours.replace(sight.now());
                    let body = std::mem::replace(&mut fight.body, unguarded(&request.body));
                    fight.lost = false;
                    if body != fight.body {
                        fight.losses.clear();
                    }
                    let since = last.map(|last| sight.now() - last);
                    let soon = since
                        .filter(|since| fight.losses.len() >= LOSSES && *since < sight.facts.fight_interval);
                    found = found.or_else(|| {
                        let evidence = format!(
                            "{} again after {}, although somebody else undid it {} times in the last ten minutes",
                            write::told(request),
                            human(soon?),
                            fight.losses.len(),
                        );
                        Some(Found::new(evidence, [format!("{} {}", object.0, shown(&object.1))]))
                    });
                }
            }
        }
        found
    }
}

impl Fight {
    fn lose(&mut self, now: DateTime<Utc>) {
        if self.ours.is_some() && !self.lost {
            self.lost = true;
            self.losses.push_back(now);
        }
        while self
            .losses
            .front()
            .is_some_and(|first| *first < now - TimeDelta::minutes(10))
        {
            self.losses.pop_front();
        }
    }
}

fn unguarded(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|member, _| member != "uid" && member != "resourceVersion");
    }
    body
}

/// The objects whose contested fields changed: weights, the version of a Service, sizes.
fn contested(delta: &Delta) -> Vec<(&'static str, Id)> {
    let routes = delta.routes.iter().map(|(id, _)| ("httproutes", id.clone()));
    let services = delta
        .switches
        .iter()
        .map(|switch| ("services", switch.service.clone()));
    let sets = delta.sizes.iter().map(|size| ("replicasets", size.set.clone()));
    routes.chain(services).chain(sets).collect()
}
