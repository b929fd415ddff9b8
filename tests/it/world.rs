//! A world just large enough to live in: one Rollout, its ReplicaSets, Services and routes, on virtual time.
//!
//! It carries out plans as the shell would: in order, guarded by uid and resourceVersion, status last. ReplicaSets report their pods
//! some time after a change of size; images whose tag starts with `bad` never do.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use serin::api::rollout::Rollout;
use serin::base::json::merge_apply;
use serin::base::limits;
use serin::base::names::{annotation, label};
use serin::base::object::{Key, Kind};
use serin::plan::question::Service;
use serin::plan::{
    Action, Announcement, Answer, Guard, Observed, Plan, Pod, Question, ReplicaSet, Verb, Workload,
};
use std::collections::BTreeMap;

pub const NAMESPACE: &str = "ns";
const POD_DELAY_MS: i64 = 250;

/// Something happened, for whoever listens.
pub enum Told<'a> {
    Wrote {
        by: By,
        verb: Verb,
        kind: Kind,
        name: &'a str,
        /// As the shell would send it.
        body: Value,
        /// What is there now.
        object: Option<&'a Value>,
    },
    Crashed,
    Back,
}

#[derive(Clone, Copy, PartialEq)]
pub enum By {
    Controller,
    Pods,
    Person,
}

/// Hears what happens, at what time.
pub type Listener = Box<dyn FnMut(DateTime<Utc>, Told)>;

pub struct World {
    pub now: DateTime<Utc>,
    pub objects: BTreeMap<(Kind, String), Value>,
    /// ReplicaSets whose pods follow their size at this time.
    pending: BTreeMap<String, DateTime<Utc>>,
    version: u64,
    wake_at: Option<DateTime<Utc>>,
    dirty: bool,
    pub writes: Vec<Action>,
    pub events: Vec<(String, String)>,
    /// Those that become Events of Kubernetes.
    pub published: Vec<(String, String)>,
    pub announced: Vec<Announcement>,
    status_written: Option<DateTime<Utc>>,
    /// The API server takes every write but those of statuses.
    pub refuse_statuses: bool,
    /// Checked after every write and every change of pods.
    pub laws: Vec<fn(&World)>,
    /// Whether statuses that only count pods wait for company, as in the shell.
    pub patient: bool,
    /// The controller dies right after its write of this number, counted from 1, and is away for this time.
    pub crash: Option<(usize, TimeDelta)>,
    away_until: Option<DateTime<Utc>>,
    pub listener: Option<Listener>,
    by: By,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            objects: BTreeMap::new(),
            pending: BTreeMap::new(),
            version: 0,
            wake_at: None,
            dirty: true,
            writes: Vec::new(),
            events: Vec::new(),
            published: Vec::new(),
            announced: Vec::new(),
            status_written: None,
            patient: false,
            crash: None,
            away_until: None,
            refuse_statuses: false,
            laws: Vec::new(),
            listener: None,
            by: By::Person,
        };
        #[cfg(feature = "simulate")]
        crate::judged::judge(&mut world);
        world
    }

    pub fn put(&mut self, kind: Kind, mut object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.version += 1;
        object["metadata"]["namespace"] = json!(NAMESPACE);
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["generation"] = json!(1);
        object["metadata"]["creationTimestamp"] = json!(self.now);
        if kind == Kind::ReplicaSet {
            self.pending
                .insert(name.clone(), self.now + TimeDelta::milliseconds(POD_DELAY_MS));
        }
        self.objects.insert((kind, name.clone()), object.clone());
        self.dirty = true;
        self.tell_wrote(Verb::Create, kind, &name, object);
    }

    fn tell_wrote(&mut self, verb: Verb, kind: Kind, name: &str, body: Value) {
        let Some(listener) = &mut self.listener else {
            return;
        };
        let (by, object) = (self.by, self.objects.get(&(kind, name.to_owned())));
        listener(
            self.now,
            Told::Wrote {
                by,
                verb,
                kind,
                name,
                body,
                object,
            },
        );
    }

    fn tell(&mut self, told: Told) {
        if let Some(listener) = &mut self.listener {
            listener(self.now, told);
        }
    }

    pub fn get(&self, kind: Kind, name: &str) -> &Value {
        &self.objects[&(kind, name.to_owned())]
    }

    pub fn rollout(&self) -> Rollout {
        let value = self
            .objects
            .iter()
            .find(|((kind, _), _)| *kind == Kind::Rollout)
            .unwrap()
            .1;
        serde_json::from_value(value.clone()).unwrap()
    }

    /// A merge patch by somebody else, or by an action.
    pub fn patch(&mut self, kind: Kind, name: &str, patch: &Value, status: bool) {
        self.version += 1;
        let version = self.version.to_string();
        let object = self.objects.get_mut(&(kind, name.to_owned())).unwrap();
        let before = object.clone();
        let mut patch = patch.clone();
        let mut body = patch.clone();
        for guard in ["uid", "resourceVersion"] {
            body["metadata"][guard] = before["metadata"][guard].clone();
        }
        if kind == Kind::Rollout {
            // The status subresource and the main resource do not touch each other's part.
            let foreign = if status {
                ["spec", "metadata"]
            } else {
                ["status", ""]
            };
            for member in foreign {
                patch.as_object_mut().unwrap().remove(member);
            }
        }
        merge_apply(object, &patch);
        object["metadata"]["resourceVersion"] = json!(version);
        if object["spec"] != before["spec"] {
            let generation = before["metadata"]["generation"].as_i64().unwrap();
            object["metadata"]["generation"] = json!(generation + 1);
        }
        if kind == Kind::ReplicaSet && object["spec"] != before["spec"] {
            self.pending
                .insert(name.to_owned(), self.now + TimeDelta::milliseconds(POD_DELAY_MS));
        }
        self.dirty = true;
        let verb = if status { Verb::PatchStatus } else { Verb::Patch };
        self.tell_wrote(verb, kind, name, body);
    }

    pub fn replica_sets(&self) -> Vec<ReplicaSet> {
        let sets = self
            .objects
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::ReplicaSet);
        sets.map(|(_, object)| ReplicaSet::from_json(object.clone()).unwrap())
            .collect()
    }

    /// What a pass would decide from.
    pub fn observe(&self) -> Observed {
        let runs = self
            .objects
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::AnalysisRun);
        let mut seen = Observed {
            rollout: self.rollout(),
            replica_sets: self.replica_sets(),
            analysis_runs: runs
                .map(|(_, run)| serde_json::from_value(run.clone()).unwrap())
                .collect(),
            managed: self.managed(),
            routed: self.routed(),
            ..Observed::default()
        };
        for _ in 0..8 {
            let questions = serin::plan::rollout::survey(&seen);
            if questions.is_empty() {
                break;
            }
            for question in questions {
                let answer = self.answer(&question);
                seen.answers.0.insert(question, answer);
            }
        }
        seen
    }

    fn managed(&self) -> Vec<Service> {
        let keys = self.objects.keys().filter(|(kind, _)| *kind == Kind::Service);
        let services =
            keys.filter_map(
                |(_, name)| match self.answer(&Question::Service(Key::new(NAMESPACE, name))) {
                    Answer::Service(service) => Some(service),
                    _ => None,
                },
            );
        let by_us = |service: &Service| service.metadata.annotation(annotation::MANAGED_BY) == Some("web");
        services.filter(by_us).collect()
    }

    fn answer(&self, question: &Question) -> Answer {
        let find = |kind, name: &str| self.objects.get(&(kind, name.to_owned())).cloned();
        let read = |kind, key: &Key| find(kind, &key.name);
        match question {
            Question::Service(key) => read(Kind::Service, key).map(|object| {
                Answer::Service(Service {
                    metadata: serde_json::from_value(object["metadata"].clone()).unwrap(),
                    selector: serde_json::from_value(object["spec"]["selector"].clone()).unwrap(),
                })
            }),
            Question::AnalysisTemplate(key) => read(Kind::AnalysisTemplate, key)
                .map(|object| Answer::Template(serde_json::from_value(object).unwrap())),
            Question::ClusterAnalysisTemplate(name) => find(Kind::ClusterAnalysisTemplate, name)
                .map(|object| Answer::Template(serde_json::from_value(object).unwrap())),
            Question::Route(kind, key) => read(*kind, key).map(Answer::Route),
            Question::ReplicaSet(key) => read(Kind::ReplicaSet, key)
                .map(|object| Answer::ReplicaSet(ReplicaSet::from_json(object).unwrap())),
            Question::Workload(kind, key) => {
                read(*kind, key).map(|object| Answer::Workload(Workload::from_json(object).unwrap()))
            }
            Question::Pods(key) => Some(Answer::Pods(self.pods(&key.name))),
        }
        .unwrap_or(Answer::Missing)
    }

    /// The pods that a test put there, by their pod-template hash.
    pub fn pods(&self, hash: &str) -> Vec<Pod> {
        let pods = self.objects.iter().filter(|((kind, _), object)| {
            *kind == Kind::Pod && object["metadata"]["labels"][label::POD_HASH] == hash
        });
        pods.map(|(_, object)| Pod::from_json(object.clone()).unwrap())
            .collect()
    }

    /// One pass of the controller. Returns whether it wrote anything.
    pub fn pass(&mut self) -> bool {
        if let Some(back) = self.away_until.filter(|back| *back > self.now) {
            self.wake_at = Some(back);
            return false;
        }
        if self.away_until.take().is_some() {
            self.tell(Told::Back);
        }
        let seen = self.observe();
        let plan = serin::plan::rollout::plan(&seen, self.now);
        // Crashes are many, and what they meet has been asked twice without them.
        if self.crash.is_none() {
            let again = serin::plan::rollout::plan(&seen, self.now);
            assert_eq!(plan, again, "same input, same plan");
        }
        self.wake_at = plan.wake_at;
        self.carry_out(plan)
    }

    /// Carries out one write of the controller.
    fn write(&mut self, action: &Action) {
        match action.verb {
            Verb::Create => self.put(action.kind, action.body.clone()),
            Verb::Patch | Verb::Replace => self.patch(action.kind, &action.key.name, &action.body, false),
            Verb::PatchStatus => self.patch(action.kind, &action.key.name, &action.body, true),
            Verb::Evict => {
                self.patch(
                    action.kind,
                    &action.key.name,
                    &json!({"metadata": {"deletionTimestamp": self.now}}),
                    false,
                );
            }
            Verb::Delete => {
                let gone = self
                    .objects
                    .remove(&(action.kind, action.key.name.clone()))
                    .unwrap();
                self.dirty = true;
                let body = json!({"preconditions": {"uid": gone["metadata"]["uid"],
                    "resourceVersion": gone["metadata"]["resourceVersion"]}});
                self.tell_wrote(Verb::Delete, action.kind, &action.key.name, body);
            }
        }
    }

    fn carry_out(&mut self, plan: Plan) -> bool {
        if plan.deferrable && self.patient {
            let due = self
                .status_written
                .map(|at| at + TimeDelta::seconds(limits::COUNTER_STATUS_SECONDS_MIN));
            if let Some(due) = due.filter(|due| *due > self.now) {
                self.wake_at = Some(self.wake_at.map_or(due, |at| at.min(due)));
                return false;
            }
        }
        let wrote = !plan.actions.is_empty();
        let mut written: BTreeMap<(Kind, Key), String> = BTreeMap::new();
        for note in &plan.notes {
            assert!(note.write.is_none_or(|at| at < plan.actions.len()), "{note:?}");
        }
        for action in plan.actions {
            if action.verb == Verb::PatchStatus && self.refuse_statuses {
                // Tried again a little later; whatever is about this write is not told.
                self.wake_at = Some(self.now + TimeDelta::seconds(1));
                return true;
            }
            self.check_guard(&action, &written);
            self.by = By::Controller;
            self.write(&action);
            self.by = By::Person;
            written.insert((action.kind, action.key.clone()), self.version.to_string());
            if action.verb == Verb::PatchStatus {
                self.status_written = Some(self.now);
            }
            self.writes.push(action);
            self.check_laws();
            if let Some((_, away)) = self.crash.filter(|(at, _)| *at == self.writes.len()) {
                // Whatever else this pass wanted is lost, and so is all that was only in memory.
                self.away_until = Some(self.now + away);
                self.status_written = None;
                self.dirty = true;
                self.tell(Told::Crashed);
                return true;
            }
        }
        for note in plan.notes {
            if !note.quiet {
                self.published.push((note.reason.clone(), note.message.clone()));
            }
            self.events.push((note.reason, note.message));
        }
        self.announced.extend(plan.announcements);
        wrote
    }

    fn check_guard(&self, action: &Action, written: &BTreeMap<(Kind, Key), String>) {
        let found = self.objects.get(&(action.kind, action.key.name.clone()));
        match &action.guard {
            Guard::Absent => assert!(found.is_none(), "{action:?} exists"),
            Guard::Seen {
                uid,
                resource_version,
            } => {
                let found = found.unwrap_or_else(|| panic!("{action:?} is not there"));
                assert_eq!(found["metadata"]["uid"], json!(uid), "{action:?}");
                let earlier = written.get(&(action.kind, action.key.clone()));
                let version = earlier.unwrap_or(resource_version);
                assert_eq!(found["metadata"]["resourceVersion"], json!(version), "{action:?}");
            }
        }
    }

    /// Runs controller and pods until nothing happens for `quiet`, or `done` says so. Panics after `limit`.
    pub fn run(&mut self, quiet: TimeDelta, limit: TimeDelta, done: impl Fn(&World) -> bool) {
        let (end, mut last_change) = (self.now + limit, self.now);
        loop {
            while self.dirty {
                self.dirty = false;
                if self.pass() {
                    last_change = self.now;
                }
                assert!(
                    self.writes.len() < 2000,
                    "the controller does not come to rest: {:#?}",
                    self.writes.last()
                );
            }
            if done(self) {
                return;
            }
            let pods = self.pending.values().min().copied();
            let next = [pods, self.wake_at, Some(last_change + quiet)]
                .into_iter()
                .flatten()
                .min()
                .unwrap();
            assert!(
                next <= end,
                "not reached in {limit}: {:#?}",
                self.rollout().status
            );
            if pods.is_none() && next >= last_change + quiet && self.wake_at.is_none_or(|at| at > next) {
                self.now = next;
                return;
            }
            self.go_to(next);
        }
    }

    /// Like [`World::run`], but `done` is asked after every single pass.
    pub fn pass_until(&mut self, limit: TimeDelta, done: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            if std::mem::take(&mut self.dirty) {
                self.pass();
                continue;
            }
            let pods = self.pending.values().min().copied();
            let next = pods.into_iter().chain(self.wake_at).min();
            let next = next.filter(|next| *next <= end);
            self.go_to(next.unwrap_or_else(|| panic!("not reached: {:#?}", self.rollout().status)));
        }
    }

    fn go_to(&mut self, next: DateTime<Utc>) {
        self.now = next.max(self.now);
        self.move_pods();
        if self.wake_at.is_some_and(|at| at <= self.now) {
            self.wake_at = None;
            self.dirty = true;
        }
    }

    fn move_pods(&mut self) {
        let due: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, at)| **at <= self.now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.pending.remove(&name);
            let Some(object) = self.objects.get(&(Kind::ReplicaSet, name.clone())) else {
                continue;
            };
            let image = object
                .pointer("/spec/template/spec/containers/0/image")
                .and_then(Value::as_str);
            let bad = image.is_some_and(|image| image.split(':').next_back().unwrap().starts_with("bad"));
            let replicas = object["spec"]["replicas"].clone();
            let available = if bad { json!(0) } else { replicas.clone() };
            let generation = object["metadata"]["generation"].clone();
            let status = json!({"status": {"replicas": replicas, "readyReplicas": available,
                "availableReplicas": available, "observedGeneration": generation}});
            self.by = By::Pods;
            self.patch(Kind::ReplicaSet, &name, &status, false);
            self.by = By::Person;
            self.check_laws();
        }
    }

    fn check_laws(&self) {
        for law in &self.laws {
            law(self);
        }
    }

    /// The pod-template hash of the version with this image tag.
    pub fn hash_of(&self, tag: &str) -> Option<String> {
        let image = format!(":{tag}");
        let set = self
            .replica_sets()
            .into_iter()
            .find(|set| set.template.contains(&format!("{image}\"")));
        set.map(|set| set.metadata.labels[label::POD_HASH].clone())
    }
}
