//! L3: the lead passes on. A leader that stops gives way at once, one that crashes when its Lease has run out; while another replica
//! stands by.

use super::calm::Calm;
use super::read::human;
use super::{Facts, Found, Law, Picture, Sight};
use crate::simulate::record::{ReplicaEvent, What};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;

const AFTER_STOP: TimeDelta = TimeDelta::seconds(3);
const AFTER_CRASH: TimeDelta = TimeDelta::seconds(18);
/// How long a replica must run to count as standing by.
const WARM: TimeDelta = TimeDelta::seconds(30);

/// See the module's description.
#[derive(Default)]
pub struct LeadPassesOn {
    started: BTreeMap<Arc<str>, DateTime<Utc>>,
    gone: Option<Gone>,
}

struct Gone {
    who: Arc<str>,
    at: DateTime<Utc>,
    within: TimeDelta,
    standby: Arc<str>,
}

impl Law for LeadPassesOn {
    fn id(&self) -> &'static str {
        "L3"
    }

    fn says(&self) -> &'static str {
        "another replica leads 3 s after the leader stopped, 18 s after it crashed"
    }

    fn tick(&mut self, _: &Picture, _: &Facts, now: DateTime<Utc>) -> Option<Found> {
        let gone = self.gone.as_ref().filter(|gone| now - gone.at > gone.within)?;
        let evidence = format!(
            "{} is gone for {}, and {} does not lead, {} are allowed",
            gone.who,
            human(now - gone.at),
            gone.standby,
            human(gone.within),
        );
        Some(Found::new(evidence, [gone.who.to_string()]))
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let picture = sight.picture;
        match &sight.record.what {
            What::Replica { name, what } => self.hear(sight, name, *what),
            What::Fault { name, .. } if (sight.facts.in_the_way)(name) => self.gone = None,
            What::Request(_) => {
                let passed = |gone: &Gone| {
                    picture
                        .lease
                        .replica
                        .as_ref()
                        .is_some_and(|leader| *leader != gone.who)
                };
                if self.gone.as_ref().is_some_and(passed) {
                    self.gone = None;
                }
            }
            _ => {}
        }
        None
    }
}

impl LeadPassesOn {
    fn hear(&mut self, sight: &Sight<'_>, name: &Arc<str>, what: ReplicaEvent) {
        let within = match what {
            ReplicaEvent::Started => {
                self.started.insert(Arc::clone(name), sight.now());
                // A leader that comes back may take its own Lease up again.
                self.gone = None;
                return;
            }
            ReplicaEvent::Stopping => return,
            ReplicaEvent::Stopped => AFTER_STOP,
            ReplicaEvent::Crashed => AFTER_CRASH,
        };
        self.started.remove(name);
        let calm: &Calm = &sight.picture.calm;
        let blocked = calm.active().any(|fault| (sight.facts.in_the_way)(fault));
        let warm = |(_, at): &(&Arc<str>, &DateTime<Utc>)| sight.now() - **at >= WARM;
        let standby = self.started.iter().find(warm).map(|(name, _)| Arc::clone(name));
        // Giving the Lease back may have emptied it already.
        let lease = &sight.picture.lease;
        let led = lease.replica.as_ref() == Some(name)
            || lease.holder.is_empty() && lease.last.as_ref() == Some(name);
        self.gone = standby.filter(|_| led && !blocked).map(|standby| Gone {
            who: Arc::clone(name),
            at: sight.now(),
            within,
            standby,
        });
    }
}
