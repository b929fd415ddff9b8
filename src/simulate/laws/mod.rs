//! What must be true whatever happens: the laws, each with its reading, checked after every record of a simulated world.
//!
//! The laws live apart from the code they judge. They read raw objects and records and work out for themselves what they need; they
//! share no decision, no arithmetic and no type with the controller. A law binds what the *controller writes*, and how long it leaves
//! alone what it should mend; what pods, people and networks do is the world's doing. The table in `docs/invariants.md` has every law
//! with its allowed exceptions.

mod answers;
mod calm;
mod delta;
mod duty;
mod objects;
mod past;
mod picture;
mod read;
mod rollout;
mod routers;
mod tale;
mod write;

mod abort;
mod bounds;
mod budget;
mod capacity;
mod evidence;
mod fencing;
mod fight;
mod gates;
mod haste;
mod history;
mod leader;
mod liveness;
mod notices;
mod order;
mod ownership;
mod pauses;
mod quiet;
mod runs;
mod schema;
mod secrets;
mod shares;
mod steps;
mod traffic;
mod truth;
mod twin;

#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;

pub use calm::in_the_way;
pub use picture::Picture;
pub use twin::{Twin, masked};

use crate::cluster::store::Store;
use crate::simulate::record::{Moment, Record};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What a run says of its world, so that a law asks for nothing impossible.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Callers whose name begins so are replicas of the controller; everybody else is a person or another program.
    pub controller: &'static str,
    /// How old what the controller decides from may be at the moment its write arrives: the lag of its caches plus the time that the
    /// writes of one plan take. To be raised *before* a fault makes caches or requests slower.
    pub lag_max: TimeDelta,
    /// How long a request may be under way after its sender gave it up, was frozen or died. Nothing unless a fault delays requests.
    pub in_flight_max: TimeDelta,
    /// How far the replicas' clocks go wrong, together with their jumps.
    pub clock_skew_max: TimeDelta,
    /// How long a replica may take to come to itself after a start, a fault or the loss of the leader: a Lease must run out, and what
    /// failed is tried again ever later.
    pub recovery_max: TimeDelta,
    /// How long the controller may take to mend a state that it can mend, when nothing is in its way.
    pub reaction_max: TimeDelta,
    /// How long traffic may stay on a version after its failure is durable, when nothing is in the controller's way.
    pub abort_max: TimeDelta,
    /// How long a world must rest until nothing may be written any more.
    pub quiet_after: TimeDelta,
    /// Requests that read, per minute of rest and running replica.
    pub quiet_reads_per_minute: usize,
    /// How soon an answer of a provider must be in the status of its run.
    pub fold_max: TimeDelta,
    /// Between two writes of the same contested field, after three losses.
    pub fight_interval: TimeDelta,
    /// How long one analysis step may take in this world.
    pub analysis_max: TimeDelta,
    /// The controller's `--instance-id`: Rollouts with another label are none of its business.
    pub instance_id: String,
    /// Rollouts (`namespace/name`) that the world made unreadable: nothing is owed to them.
    pub poisoned: Vec<String>,
    /// Whether a fault of this name stands in the controller's way while it lasts; see [`in_the_way`].
    pub in_the_way: fn(&str) -> bool,
    /// Laws that do not hold in this run, because a fault of it takes away what they are about.
    pub void: Vec<&'static str>,
    /// Secrets planted in the world: none of them may show up anywhere.
    pub secrets: Vec<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            controller: "serin-",
            lag_max: TimeDelta::seconds(2),
            in_flight_max: TimeDelta::zero(),
            clock_skew_max: TimeDelta::zero(),
            recovery_max: TimeDelta::seconds(45),
            reaction_max: TimeDelta::seconds(60),
            abort_max: TimeDelta::seconds(10),
            quiet_after: TimeDelta::minutes(10),
            quiet_reads_per_minute: 30,
            fold_max: TimeDelta::seconds(5),
            fight_interval: TimeDelta::seconds(10),
            analysis_max: TimeDelta::minutes(30),
            instance_id: String::new(),
            poisoned: Vec::new(),
            in_the_way,
            void: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

impl Facts {
    fn ours(&self, caller: &str) -> bool {
        caller.starts_with(self.controller)
    }

    fn owes(&self, rollout: &rollout::Rollout) -> bool {
        self.poisoned.is_empty() || !self.poisoned.contains(&read::shown(&rollout.id))
    }
}

/// A law that was broken, with what a person needs to see why.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// `S1`
    pub law: &'static str,
    /// The law in plain words.
    pub says: &'static str,
    pub at: DateTime<Utc>,
    /// What happened, with names and numbers.
    pub evidence: String,
    /// `kind namespace/name` of what it is about.
    pub objects: Vec<String>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.format("%H:%M:%S%.3f");
        writeln!(f, "law {} is broken at {at}: {}", self.law, self.says)?;
        writeln!(f, "  {}", self.evidence)?;
        write!(f, "  objects: {}", self.objects.join(", "))
    }
}

/// How a law was broken: evidence, and the objects it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub evidence: String,
    pub objects: Vec<String>,
}

impl Found {
    fn new(evidence: String, objects: impl IntoIterator<Item = String>) -> Self {
        Self {
            evidence,
            objects: objects.into_iter().collect(),
        }
    }
}

/// What a law sees after a record.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    pub record: &'a Record,
    pub picture: &'a Picture,
    pub facts: &'a Facts,
}

impl Sight<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.record.at
    }

    /// The oldest moment that the controller's knowledge may be from.
    fn known_since(&self) -> DateTime<Utc> {
        self.record.at - self.facts.lag_max
    }
}

/// The end of a run.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub at: DateTime<Utc>,
    pub store: &'a Store,
    /// When the last fault ended and nobody interfered any more; none when that never came.
    pub healed_at: Option<DateTime<Utc>>,
    /// How the same story ended without faults, where it must end the same.
    pub twin: Option<&'a Twin>,
}

/// One law.
pub trait Law: Send {
    /// `S1`
    fn id(&self) -> &'static str;

    fn says(&self) -> &'static str;

    /// Time has gone on to `now`, and nothing of `picture` changed until then.
    fn tick(&mut self, _picture: &Picture, _facts: &Facts, _now: DateTime<Utc>) -> Option<Found> {
        None
    }

    /// Something happened; the picture shows it already.
    fn look(&mut self, sight: &Sight<'_>) -> Option<Found>;

    /// The run is over.
    fn end(&mut self, _picture: &Picture, _facts: &Facts, _end: &End<'_>) -> Option<Found> {
        None
    }
}

/// All laws and the picture they share.
pub struct Laws {
    /// May be changed while the run goes on, for example before a fault makes caches slower.
    pub facts: Facts,
    picture: Picture,
    laws: Vec<Box<dyn Law>>,
    /// What was told already: each law once per object.
    told: BTreeSet<(&'static str, String)>,
    at: Option<DateTime<Utc>>,
    writes: BTreeMap<String, usize>,
}

impl std::fmt::Debug for Laws {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} laws", self.laws.len())
    }
}

impl Laws {
    /// All laws.
    pub fn all(facts: Facts) -> Self {
        let mut laws = all();
        laws.retain(|law| !facts.void.contains(&law.id()));
        Self::of(facts, laws)
    }

    fn of(facts: Facts, laws: Vec<Box<dyn Law>>) -> Self {
        Self {
            facts,
            picture: Picture::default(),
            laws,
            told: BTreeSet::new(),
            at: None,
            writes: BTreeMap::new(),
        }
    }

    /// To be called after every record, in order. The answer is empty unless a law was broken that was not broken before for the
    /// same object.
    pub fn look(&mut self, moment: &Moment<'_>) -> Vec<Broken> {
        let (facts, now) = (&self.facts, moment.record.at);
        let mut found = Vec::new();
        if self.at.is_some_and(|at| at < now) {
            for law in &mut self.laws {
                let broken = law.tick(&self.picture, facts, now);
                found.extend(broken.map(|broken| (law.id(), law.says(), broken)));
            }
        }
        self.at = Some(now);
        self.picture.take(moment.record, moment.store, facts);
        let sight = Sight {
            record: moment.record,
            picture: &self.picture,
            facts,
        };
        if let Some(request) = write::done(&sight).filter(|request| !write::is_housekeeping(request)) {
            *self.writes.entry(twin::kind_of(request)).or_default() += 1;
        }
        for law in &mut self.laws {
            let broken = law.look(&sight);
            found.extend(broken.map(|broken| (law.id(), law.says(), broken)));
        }
        self.tell(now, found)
    }

    /// To be called once, when the run is over.
    pub fn end(&mut self, end: &End<'_>) -> Vec<Broken> {
        let mut found = Vec::new();
        for law in &mut self.laws {
            let late = law.tick(&self.picture, &self.facts, end.at);
            let broken = late.or_else(|| law.end(&self.picture, &self.facts, end));
            found.extend(broken.map(|broken| (law.id(), law.says(), broken)));
        }
        self.tell(end.at, found)
    }

    /// How this run ended, as the twin of runs with faults. `allowance`: how many writes of each kind they may need in addition.
    pub fn twin(&self, store: &Store, allowance: usize) -> Twin {
        Twin {
            objects: masked(store),
            writes: self.writes.clone(),
            allowance,
        }
    }

    /// What the laws know of the world.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    fn tell(&mut self, at: DateTime<Utc>, found: Vec<(&'static str, &'static str, Found)>) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (law, says, found) in found {
            let object = found.objects.first().cloned().unwrap_or_default();
            if self.told.insert((law, object)) {
                let Found { evidence, objects } = found;
                broken.push(Broken {
                    law,
                    says,
                    at,
                    evidence,
                    objects,
                });
            }
        }
        broken
    }
}

/// In the order of `docs/invariants.md`.
fn all() -> Vec<Box<dyn Law>> {
    vec![
        Box::new(traffic::OnlyReadyVersions::default()),
        Box::new(capacity::EnoughPods),
        Box::new(abort::AbortDominates::default()),
        Box::new(gates::FailClosed::default()),
        Box::new(evidence::Evidence),
        Box::new(steps::StepsInOrder),
        Box::new(pauses::PausesLast::default()),
        Box::new(order::CapacityFirst::default()),
        Box::new(ownership::OnlyItsOwn::default()),
        Box::new(fencing::Guarded),
        Box::new(runs::OneRunEach::default()),
        Box::new(notices::ToldOnce::default()),
        Box::new(quiet::Quiet::default()),
        Box::new(fight::NoEscalation::default()),
        Box::new(history::KeepsTheNeeded),
        Box::new(truth::TruthfulStatus::default()),
        Box::new(secrets::NoSecrets),
        Box::new(haste::Isolated),
        Box::new(bounds::Bounded),
        Box::new(schema::FitsTheSchema),
        Box::new(liveness::ComesToRest),
        Box::new(haste::SwiftAbort::default()),
        Box::new(leader::LeadPassesOn::default()),
        Box::new(liveness::Backstop::default()),
        Box::new(liveness::SaysWhatIsWrong::default()),
        Box::new(budget::WithinBudget),
        Box::new(budget::WeightsSum),
        Box::new(steps::NoFailedGate::default()),
        Box::new(twin::SameEnd),
        Box::new(twin::FewWrites::default()),
        Box::new(Told),
    ]
}

/// H0: the laws are only as good as what they are told.
struct Told;

impl Law for Told {
    fn id(&self) -> &'static str {
        "H0"
    }

    fn says(&self) -> &'static str {
        "the records tell every change of the cluster, each once and in order"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let unheard = sight.picture.unheard;
        let evidence =
            format!("{unheard} changes were told by no record, or by one that came after a later change");
        (unheard > 0).then(|| Found::new(evidence, ["the simulation".to_owned()]))
    }
}
