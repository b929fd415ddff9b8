//! One picture of the world that all laws read, kept up to date change by change. It knows what is, what was within the allowed
//! lag, and what the last record changed; it judges nothing.

use super::Facts;
use super::answers::Answers;
use super::calm::Calm;
use super::delta::{Delta, RunTurn, ShareMove, SizeMove, Switch, Turn, changes};
use super::objects::{Route, Run, Service, Set, Slice, service_hash};
use super::past::Past;
use super::read::{Id, WHOLE, label, text};
use super::rollout::Rollout;
use super::routers;
use super::tale::Tale;
use crate::base::names;
use crate::cluster::store::{Change, Key, Store};
use crate::simulate::record::{Record, Requested, What};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub now: DateTime<Utc>,
    pub rollouts: BTreeMap<Id, Arc<Rollout>>,
    pub sets: BTreeMap<Id, Set>,
    /// ReplicaSets that were deleted a moment ago, with when: whoever decides from a cache may still count on their pods.
    gone: Vec<(DateTime<Utc>, Set)>,
    /// What Rollouts said that were edited or deleted a moment ago.
    before: Vec<(DateTime<Utc>, Arc<Rollout>)>,
    pub services: BTreeMap<Id, Service>,
    pub routes: BTreeMap<Id, Arc<Route>>,
    pub runs: BTreeMap<Id, Arc<Run>>,
    slices: BTreeMap<Id, Slice>,
    /// Share of the traffic by Rollout and version, in parts of [`WHOLE`]; the larger one where rules differ.
    shares: BTreeMap<Id, BTreeMap<String, Past>>,
    pub tales: BTreeMap<String, Tale>,
    pub calm: Calm,
    pub lease: Lease,
    pub asked: Answers,
    /// What the record in hand changed.
    pub delta: Delta,
    version: u64,
    keep: TimeDelta,
    instance_id: String,
    known: bool,
    /// Changes that no record told, and records that came after a later one.
    pub unheard: u32,
}

/// Who leads, as far as the Lease tells.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    pub holder: String,
    /// The replica that wrote itself in.
    pub replica: Option<Arc<str>>,
    pub since: Option<DateTime<Utc>>,
    /// Whoever led last, also after it gave the Lease back.
    pub last: Option<Arc<str>>,
    /// Who wrote under which identity.
    identities: BTreeMap<String, Arc<str>>,
}

impl Picture {
    /// Takes in one record.
    pub fn take(&mut self, record: &Record, store: &Store, facts: &Facts) {
        self.keep = facts.lag_max + TimeDelta::seconds(1);
        self.delta = Delta::default();
        if self.instance_id != facts.instance_id {
            self.instance_id.clone_from(&facts.instance_id);
        }
        let changes = changes(record);
        if !self.known {
            self.known = true;
            self.begin(record, changes, store);
            self.delta.any = true;
        }
        self.now = record.at;
        self.calm.hear(record, facts);
        if let What::Asked(asked) = &record.what {
            self.asked.hear(asked, record.at);
        }
        self.catch_up(changes, store);
        let caller = match &record.what {
            What::Request(request) => Some(&request.caller),
            _ => None,
        };
        for change in changes {
            if change.version <= self.version {
                self.unheard += 1;
                continue;
            }
            self.version = change.version;
            self.change(&change.key, change.after.as_ref(), caller, facts);
        }
        if let What::Request(request) = &record.what {
            self.lease(request);
        }
    }

    /// The world before the first record.
    fn begin(&mut self, record: &Record, changes: &[Change], store: &Store) {
        self.now = record.at - TimeDelta::days(1);
        let touched: BTreeSet<&Key> = changes.iter().map(|change| &change.key).collect();
        let nobody = Facts::default();
        let untouched: Vec<(Key, Arc<Value>)> = store
            .all()
            .filter(|(key, _)| !touched.contains(key))
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, object) in &untouched {
            self.change(key, Some(object), None, &nobody);
        }
        for key in touched {
            let first = changes.iter().find(|change| change.key == *key);
            let before = first.and_then(|change| change.before.as_ref());
            self.change(key, before, None, &nobody);
        }
        self.delta = Delta::default();
        self.version = changes
            .first()
            .map_or(store.version(), |change| change.version - 1);
    }

    /// Takes in what happened without a record: everything before the changes of the record in hand.
    fn catch_up(&mut self, changes: &[Change], store: &Store) {
        if store.version() < self.version {
            // The store itself went back: an older state was restored.
            self.reload(store);
            return;
        }
        let Some(first) = changes.first().filter(|first| first.version > self.version + 1) else {
            return;
        };
        let missed: Option<Vec<Change>> = store.since(self.version).map(|missed| {
            missed
                .take_while(|change| change.version < first.version)
                .cloned()
                .collect()
        });
        let Some(missed) = missed else {
            self.reload(store);
            return;
        };
        let nobody = Facts::default();
        for change in &missed {
            self.unheard += 1;
            self.change(&change.key, change.after.as_ref(), None, &nobody);
        }
        self.delta = Delta::default();
        self.version = first.version - 1;
    }

    fn reload(&mut self, store: &Store) {
        let calm = std::mem::take(&mut self.calm);
        let lease = std::mem::take(&mut self.lease);
        *self = Self {
            now: self.now,
            calm,
            lease,
            keep: self.keep,
            instance_id: std::mem::take(&mut self.instance_id),
            known: true,
            ..Self::default()
        };
        let nobody = Facts::default();
        let all: Vec<(Key, Arc<Value>)> = store
            .all()
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, object) in &all {
            self.change(key, Some(object), None, &nobody);
        }
        self.delta = Delta {
            any: true,
            ..Delta::default()
        };
        self.version = store.version();
    }

    fn change(&mut self, key: &Key, after: Option<&Arc<Value>>, by: Option<&Arc<str>>, facts: &Facts) {
        let id = (key.namespace.clone(), key.name.clone());
        match &*key.resource {
            "rollouts.argoproj.io" => self.rollout(id, after, by, facts),
            "replicasets.apps" => self.set(id, after),
            "services" => self.service(id, after),
            routers::HTTP_ROUTES | routers::INGRESSES | routers::VIRTUAL_SERVICES => {
                let (id, route) = routers::read(&key.resource, &id, after);
                self.route(id, route);
            }
            "endpointslices.discovery.k8s.io" => self.slice(id, after),
            "analysisruns.argoproj.io" => self.run(id, after),
            _ => return,
        }
        self.delta.any = true;
    }

    fn rollout(&mut self, id: Id, after: Option<&Arc<Value>>, by: Option<&Arc<str>>, facts: &Facts) {
        let before = self.rollouts.remove(&id);
        // Rollouts of another controller's instance are not in the picture.
        let after = after.filter(|raw| label(raw, names::label::INSTANCE_ID) == self.instance_id);
        let after = after.map(|raw| Arc::new(Rollout::read(&id, raw, before.as_deref())));
        let mut tale_before = Tale::default();
        if let Some(after) = &after {
            self.rollouts.insert(id.clone(), Arc::clone(after));
            let ours = by.is_some_and(|caller| facts.ours(caller));
            let tale = self.tales.entry(after.uid.clone()).or_default();
            tale_before = tale.clone();
            tale.hear(before.as_deref(), after, by, ours, self.now);
        }
        let respecified = match (&before, &after) {
            (Some(before), Some(after)) => !Arc::ptr_eq(&before.spec, &after.spec),
            _ => true,
        };
        if let Some(before) = before.as_ref().filter(|_| respecified) {
            self.before.push((self.now, Arc::clone(before)));
            self.before.retain(|(at, _)| *at >= self.now - self.keep);
        }
        self.delta.rollouts.push(Turn {
            before,
            after,
            tale: tale_before,
        });
        if respecified {
            self.share_out(&id);
        }
    }

    fn set(&mut self, id: Id, after: Option<&Arc<Value>>) {
        let from = self.sets.get(&id).map_or(0, |set| set.desired.now());
        let deadline = self.sets.get(&id).and_then(|set| set.deadline);
        let to = match after {
            Some(raw) => {
                let set = self.sets.entry(id.clone()).or_default();
                set.read(raw, self.now, self.keep);
                set.desired.now()
            }
            None => {
                let (now, keep) = (self.now, self.keep);
                self.gone.retain(|(at, _)| *at >= now - keep);
                self.gone.extend(self.sets.remove(&id).map(|set| (now, set)));
                0
            }
        };
        self.delta.deadlines |= deadline != self.sets.get(&id).and_then(|set| set.deadline);
        if from != to {
            self.delta.sizes.push(SizeMove { set: id, from, to });
        }
    }

    fn service(&mut self, id: Id, after: Option<&Arc<Value>>) {
        let service = self.services.entry(id.clone()).or_default();
        let from = std::mem::take(&mut service.hash);
        service.hash = after.map(|raw| service_hash(raw).to_owned()).unwrap_or_default();
        let to = service.hash.clone();
        if from == to {
            return;
        }
        service.moved = Some(self.now);
        let users: Vec<Id> = self
            .rollouts
            .values()
            .filter(|rollout| rollout.id.0 == id.0 && rollout.spec.names(&id.1))
            .map(|rollout| rollout.id.clone())
            .collect();
        self.delta.switches.push(Switch {
            service: id,
            from,
            to,
        });
        users.iter().for_each(|user| self.share_out(user));
    }

    fn route(&mut self, id: Id, after: Option<Route>) {
        let read = after.map(Arc::new);
        let same = self.routes.get(&id) == read.as_ref();
        let before = match read {
            Some(route) => self.routes.insert(id.clone(), route),
            None => self.routes.remove(&id),
        };
        if same {
            return;
        }
        let users: Vec<Id> = self
            .rollouts
            .values()
            .filter(|rollout| rollout.spec.routes.contains(&id))
            .map(|rollout| rollout.id.clone())
            .collect();
        self.delta.routes.push((id, before));
        users.iter().for_each(|user| self.share_out(user));
    }

    fn slice(&mut self, id: Id, after: Option<&Arc<Value>>) {
        let before = self.slices.remove(&id);
        let after = after.map(|raw| Slice::read(&id.0, raw));
        let services: BTreeSet<Id> = [&before, &after]
            .into_iter()
            .flatten()
            .map(|slice| slice.service.clone())
            .collect();
        if let Some(after) = after {
            self.slices.insert(id, after);
        }
        for id in services {
            let ready = self
                .slices
                .values()
                .filter(|slice| slice.service == id)
                .map(|slice| slice.ready)
                .sum();
            let (now, keep) = (self.now, self.keep);
            let service = self.services.entry(id).or_default();
            service.slices = true;
            service.ready.push(now, ready, keep);
        }
    }

    fn run(&mut self, id: Id, after: Option<&Arc<Value>>) {
        let before = self.runs.remove(&id);
        let after = after.map(|raw| Arc::new(Run::read(&id, raw)));
        if let Some(after) = &after {
            self.runs.insert(id, Arc::clone(after));
        }
        self.delta.runs.push(RunTurn { before, after });
    }

    fn lease(&mut self, request: &Requested) {
        let held = request
            .changes
            .iter()
            .filter(|change| &*change.key.resource == "leases.coordination.k8s.io");
        for change in held {
            let holder = change
                .after
                .as_ref()
                .map_or("", |lease| text(&lease["spec"], "holderIdentity"));
            let wrote_itself = request.body["spec"]["holderIdentity"].as_str() == Some(holder);
            if wrote_itself && !holder.is_empty() {
                self.lease
                    .identities
                    .entry(holder.to_owned())
                    .or_insert_with(|| Arc::clone(&request.caller));
            }
            if self.lease.holder != holder {
                holder.clone_into(&mut self.lease.holder);
                self.lease.replica = self.lease.identities.get(holder).map(Arc::clone);
                if let Some(leader) = &self.lease.replica {
                    self.lease.last = Some(Arc::clone(leader));
                }
                self.lease.since = Some(self.now);
            }
        }
    }

    /// Works out anew which version gets which share of a Rollout's traffic.
    fn share_out(&mut self, id: &Id) {
        let found = self
            .rollouts
            .get(id)
            .map(|rollout| self.shares_now(rollout))
            .unwrap_or_default();
        let shares = self.shares.entry(id.clone()).or_default();
        let mut hashes: BTreeSet<String> = shares.keys().cloned().collect();
        hashes.extend(found.keys().cloned());
        for hash in hashes {
            let share = shares.entry(hash.clone()).or_default();
            let (from, to) = (share.now(), found.get(&hash).copied().unwrap_or(0));
            share.push(self.now, to, self.keep);
            if from != to {
                self.delta.shares.push(ShareMove {
                    rollout: id.clone(),
                    hash,
                    from,
                    to,
                });
            }
        }
    }

    fn shares_now(&self, rollout: &Rollout) -> BTreeMap<String, i64> {
        let mut shares = BTreeMap::new();
        let spec = &rollout.spec;
        let hash = |name: &str| {
            let service = self.services.get(&(rollout.id.0.clone(), name.to_owned()));
            service
                .map(|service| service.hash.clone())
                .filter(|hash| !hash.is_empty())
        };
        if !spec.active_service.is_empty() {
            shares.extend(hash(&spec.active_service).map(|hash| (hash, WHOLE)));
            return shares;
        }
        let routes = spec.routes.iter().filter_map(|route| self.routes.get(route));
        let rules = routes.flat_map(|route| route.driven(&spec.canary_service, &spec.stable_service));
        for (canary, stable) in rules.filter(|(canary, stable)| canary + stable > 0) {
            let mut of_rule: BTreeMap<String, i64> = BTreeMap::new();
            for (service, weight) in [(&spec.canary_service, canary), (&spec.stable_service, stable)] {
                if let Some(hash) = hash(service) {
                    *of_rule.entry(hash).or_default() += weight * WHOLE / (canary + stable);
                }
            }
            for (hash, share) in of_rule {
                let most = shares.entry(hash).or_insert(0);
                *most = share.max(*most);
            }
        }
        shares
    }
}

/// Questions about the picture.
impl Picture {
    /// The share of a version.
    pub fn share(&self, rollout: &Id, hash: &str) -> Option<&Past> {
        self.shares.get(rollout)?.get(hash)
    }

    pub fn share_now(&self, rollout: &Id, hash: &str) -> i64 {
        self.share(rollout, hash).map_or(0, Past::now)
    }

    /// The ReplicaSets of a Rollout.
    pub fn sets_of<'p>(&'p self, rollout: &'p Rollout) -> impl Iterator<Item = &'p Set> {
        let first = (rollout.id.0.clone(), String::new());
        let here = self
            .sets
            .range(first..)
            .take_while(|(id, _)| id.0 == rollout.id.0);
        here.map(|(_, set)| set).filter(|set| set.owner == rollout.uid)
    }

    pub fn set_of<'p>(&'p self, rollout: &'p Rollout, hash: &str) -> Option<&'p Set> {
        self.sets_of(rollout).find(|set| set.hash == hash)
    }

    /// Whether no ReplicaSet of this version is there any more.
    pub fn lost(&self, rollout: &Rollout, hash: &str) -> bool {
        self.set_of(rollout, hash).is_none_or(|set| set.deleting)
    }

    /// Rollouts as they are, and as they were within the time that a change takes to get to the controller.
    pub fn rollouts_lately(&self) -> impl Iterator<Item = &Arc<Rollout>> {
        let (now, keep) = (self.now, self.keep);
        let before = self.before.iter().filter(move |(at, _)| now - *at <= keep);
        self.rollouts.values().chain(before.map(|(_, rollout)| rollout))
    }

    pub fn by_uid(&self, uid: &str) -> Option<&Arc<Rollout>> {
        self.rollouts.values().find(|rollout| rollout.uid == uid)
    }

    pub fn tale(&self, rollout: &Rollout) -> Option<&Tale> {
        self.tales.get(&rollout.uid)
    }

    /// The runs of a Rollout.
    pub fn runs_of<'p>(&'p self, rollout: &'p Rollout) -> impl Iterator<Item = &'p Arc<Run>> {
        let first = (rollout.id.0.clone(), String::new());
        let here = self
            .runs
            .range(first..)
            .take_while(|(id, _)| id.0 == rollout.id.0);
        here.map(|(_, run)| run).filter(|run| run.owner == rollout.uid)
    }

    /// Pods available now of a version.
    pub fn available(&self, rollout: &Rollout, hash: &str) -> i64 {
        let sets = self.sets_of(rollout).filter(|set| set.hash == hash);
        sets.map(|set| set.available.now()).max().unwrap_or(0)
    }

    /// The most pods of a version that were available since then.
    pub fn available_most(&self, rollout: &Rollout, hash: &str, since: DateTime<Utc>) -> i64 {
        let gone = self.gone.iter().filter(|(at, _)| *at >= since);
        let gone = gone.map(|(_, set)| set).filter(|set| set.owner == rollout.uid);
        gone.chain(self.sets_of(rollout))
            .filter(|set| set.hash == hash)
            .map(|set| set.available.most(since))
            .max()
            .unwrap_or(0)
    }

    pub fn available_least(&self, rollout: &Rollout, hash: &str, since: DateTime<Utc>) -> i64 {
        self.set_of(rollout, hash)
            .map_or(0, |set| set.available.least(since))
    }

    /// The ReplicaSets of a Rollout in words.
    pub fn told_sets(&self, rollout: &Rollout) -> String {
        let sets: Vec<String> = self.sets_of(rollout).map(Set::told).collect();
        if sets.is_empty() {
            "no ReplicaSets".to_owned()
        } else {
            sets.join(", ")
        }
    }
}
