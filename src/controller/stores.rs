//! The stores behind the caches: objects by kind and key, and the indices that say whom a change concerns.

mod of_kinds;

use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::names;
use crate::base::object::{Key, Kind, OwnerRef};
use crate::controller::cached::{Decode, Seen};
use crate::controller::caches::{Broken, Family, Kick, Sync};
use crate::controller::kinds::on_demand;
use crate::controller::past::Past;
use crate::controller::selector::selects;
use crate::plan::analysis::{Job, JobPod};
use crate::plan::experiment::Experiment;
use crate::plan::question::Service;
use crate::plan::{Answer, Question, ReplicaSet, Workload};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const NOT_READ_YET: &str = "not read yet";

/// A cached object.
pub struct Cached<T> {
    pub uid: String,
    pub version: String,
    pub deleting: bool,
    owner: Option<OwnerRef>,
    manager: Option<String>,
    pub object: Result<Arc<T>, String>,
}

pub type Store<T> = BTreeMap<Key, Cached<T>>;

/// A kind that has a store of its own.
pub trait Stored: Decode {
    fn store(stores: &Stores, kind: Kind) -> &Store<Self>;
    fn store_mut(stores: &mut Stores, kind: Kind) -> &mut Store<Self>;
}

#[derive(Default)]
pub struct Stores {
    pub rollouts: Store<Rollout>,
    replica_sets: Store<ReplicaSet>,
    pub runs: Store<AnalysisRun>,
    pub experiments: Store<Experiment>,
    templates: Store<AnalysisTemplate>,
    cluster_templates: Store<AnalysisTemplate>,
    services: Store<Service>,
    routes: Store<Value>,
    ingresses: Store<Value>,
    virtual_services: Store<Value>,
    destination_rules: Store<Value>,
    jobs: Store<Job>,
    job_pods: Store<JobPod>,
    deployments: Store<Workload>,
    pod_templates: Store<Workload>,
    plain_replica_sets: Store<Workload>,
    /// ReplicaSets, AnalysisRuns, Jobs and their pods by the uid of the owner that controls them.
    children: BTreeMap<String, BTreeSet<(Kind, Key)>>,
    /// Services by the Rollout that manages their selector, whether that exists or not.
    managed: BTreeMap<Key, BTreeSet<Key>>,
    /// ReplicaSets that nothing controls, ordered by namespace.
    orphans: BTreeSet<Key>,
    pub askers: BTreeMap<Question, BTreeSet<Key>>,
    pub asked: BTreeMap<Key, BTreeSet<Question>>,
    pub past: Past,
    /// Keys listed so far, while a kind is being listed anew.
    pub listed: BTreeMap<Kind, BTreeSet<Key>>,
    pub sync: BTreeMap<Kind, Sync>,
}

impl<T> Cached<T> {
    pub fn broken(&self, kind: Kind, key: &Key, message: &str) -> Box<Broken> {
        Box::new(Broken {
            kind,
            key: key.clone(),
            uid: self.uid.clone(),
            version: self.version.clone(),
            message: message.to_owned(),
        })
    }
}

impl Stores {
    pub fn missing(&self) -> String {
        let waiting = |(kind, sync): (&Kind, &Sync)| match sync {
            // Experiments are only told something, and pods of Jobs only say why one does not start.
            _ if matches!(kind, Kind::Experiment | Kind::Pod) => None,
            // Who asks waits by himself.
            _ if on_demand(*kind) => None,
            // Of routes it is enough to have tried, since they need not be installed. To decide before would be to call every Rollout
            // that names one invalid, at each start of the controller.
            Sync::Unread => Some(format!("{}: {NOT_READ_YET}", kind.plural())),
            // Nor need Jobs be readable: only metrics that are Jobs ask for them.
            Sync::Waiting(why) if !matches!(kind, Kind::HttpRoute | Kind::Job) => {
                Some(format!("{}: {why}", kind.plural()))
            }
            _ => None,
        };
        self.sync
            .iter()
            .filter_map(waiting)
            .collect::<Vec<_>>()
            .join("; ")
    }

    pub fn put<T: Stored>(&mut self, kind: Kind, seen: Seen<T>) -> Vec<Kick> {
        let key = seen.key();
        let cached = Cached {
            uid: seen.uid(),
            version: seen.version(),
            deleting: seen.deleting,
            owner: seen.owner,
            manager: seen.manager.filter(|_| kind == Kind::Service),
            object: seen.object,
        };
        let (owner, manager) = (cached.owner.clone(), cached.manager.clone());
        if kind == Kind::Rollout {
            self.past.shown(&key, &cached.uid, &cached.version);
        }
        let before = T::store_mut(self, kind).insert(key.clone(), cached);
        let (owner_before, manager_before) = before.map_or((None, None), |b| (b.owner, b.manager));
        self.unlink(kind, &key, owner_before.as_ref());
        self.link(kind, &key, owner.as_ref());
        let managers = self.set_manager(&key, [manager_before, manager]);
        let mut kicks = self.concerned(kind, &key, [owner_before, owner]);
        kicks.extend(managers.into_iter().map(Kick::Rollout));
        kicks
    }

    pub fn remove<T: Stored>(&mut self, kind: Kind, key: &Key) -> Vec<Kick> {
        let Some(before) = T::store(self, kind).get(key) else {
            return Vec::new();
        };
        // Before it goes: an orphan concerns the Rollouts around it.
        let kicks = self.concerned(kind, key, [before.owner.clone(), None]);
        let Some(before) = T::store_mut(self, kind).remove(key) else {
            return Vec::new();
        };
        self.unlink(kind, key, before.owner.as_ref());
        self.set_manager(key, [before.manager, None]);
        if kind == Kind::Rollout {
            self.set_asked(key, BTreeSet::new());
            self.past.forget(key);
        }
        kicks
    }

    /// Moves a Service from one manager to another; returns both.
    fn set_manager(&mut self, service: &Key, [before, after]: [Option<String>; 2]) -> BTreeSet<Key> {
        let manager = |name: Option<String>| name.map(|name| Key::new(&service.namespace, name));
        let (before, after) = (manager(before), manager(after));
        if let Some(before) = &before
            && let Some(services) = self.managed.get_mut(before)
        {
            services.remove(service);
            if services.is_empty() {
                self.managed.remove(before);
            }
        }
        if let Some(after) = &after {
            self.managed
                .entry(after.clone())
                .or_default()
                .insert(service.clone());
        }
        before.into_iter().chain(after).collect()
    }

    /// The readable Services that say that this Rollout manages their selector.
    pub fn managed_by(&self, rollout: &Key) -> Vec<Service> {
        let keys = self.managed.get(rollout).into_iter().flatten();
        let found = keys.filter_map(|key| self.services.get(key)?.object.as_ref().ok());
        found.map(|service| (**service).clone()).collect()
    }

    fn link(&mut self, kind: Kind, key: &Key, owner: Option<&OwnerRef>) {
        match (kind, owner) {
            (Kind::ReplicaSet | Kind::AnalysisRun | Kind::Job | Kind::Pod, Some(owner)) => {
                let children = self.children.entry(owner.uid.clone()).or_default();
                children.insert((kind, key.clone()));
            }
            (Kind::ReplicaSet, None) => drop(self.orphans.insert(key.clone())),
            _ => {}
        }
    }

    fn unlink(&mut self, kind: Kind, key: &Key, owner: Option<&OwnerRef>) {
        let Some(owner) = owner else {
            if kind == Kind::ReplicaSet {
                self.orphans.remove(key);
            }
            return;
        };
        let Some(children) = self.children.get_mut(&owner.uid) else {
            return;
        };
        children.remove(&(kind, key.clone()));
        if children.is_empty() {
            self.children.remove(&owner.uid);
        }
    }

    /// Which passes a change of this object makes due.
    fn concerned(&self, kind: Kind, key: &Key, owners: [Option<OwnerRef>; 2]) -> Vec<Kick> {
        let owners = owners.iter().flatten();
        let mut kicks: Vec<Kick> = owners
            .filter_map(|owner| {
                let owner_key = Key::new(&key.namespace, &owner.name);
                match kind {
                    Kind::Job => is_a(owner, Kind::AnalysisRun).then_some(Kick::Run(owner_key)),
                    Kind::Pod => {
                        let run = self.jobs.get(&owner_key)?.owner.as_ref();
                        Some(Kick::Run(Key::new(&key.namespace, &run?.name)))
                    }
                    _ => is_a(owner, Kind::Rollout).then_some(Kick::Rollout(owner_key)),
                }
            })
            .collect();
        match kind {
            Kind::Rollout => kicks.push(Kick::Rollout(key.clone())),
            Kind::AnalysisRun => kicks.push(Kick::Run(key.clone())),
            Kind::ReplicaSet if self.orphans.contains(key) => kicks.extend(self.adopters(key)),
            Kind::Experiment => kicks.push(Kick::Experiment(key.clone())),
            Kind::ReplicaSet | Kind::Job | Kind::Pod => {}
            Kind::Deployment | Kind::PodTemplate | Kind::PlainReplicaSet => {
                kicks.extend(self.askers_of(&Question::Workload(kind, key.clone())));
            }
            Kind::Service => kicks.extend(self.askers_of(&Question::Service(key.clone()))),
            Kind::HttpRoute | Kind::Ingress | Kind::VirtualService | Kind::DestinationRule => {
                kicks.extend(self.askers_of(&Question::Route(kind, key.clone())));
            }
            Kind::AnalysisTemplate | Kind::ClusterAnalysisTemplate => {
                let cluster_scope = kind == Kind::ClusterAnalysisTemplate;
                let question = Question::template(&key.namespace, &key.name, cluster_scope);
                kicks.extend(self.askers_of(&question));
            }
        }
        if kind == Kind::ReplicaSet {
            kicks.extend(self.askers_of(&Question::ReplicaSet(key.clone())));
        }
        kicks.sort();
        kicks.dedup();
        kicks
    }

    /// Rollouts of the namespace whose selector matches the orphan.
    fn adopters(&self, orphan: &Key) -> Vec<Kick> {
        let Some(Ok(replica_set)) = self.replica_sets.get(orphan).map(|cached| &cached.object) else {
            return Vec::new();
        };
        let of_namespace = in_namespace(&self.rollouts, &orphan.namespace);
        let adopts = |cached: &Cached<Rollout>| {
            let rollout = cached.object.as_ref().ok();
            rollout.is_some_and(|rollout| selects(self.selector(rollout), replica_set))
        };
        of_namespace
            .filter(|(_, cached)| adopts(cached))
            .map(|(key, _)| Kick::Rollout(key.clone()))
            .collect()
    }

    pub fn askers_of(&self, question: &Question) -> Vec<Kick> {
        let askers = self.askers.get(question).into_iter().flatten();
        askers.cloned().map(Kick::Rollout).collect()
    }

    pub fn set_asked(&mut self, rollout: &Key, questions: BTreeSet<Question>) {
        let before = self.asked.remove(rollout).unwrap_or_default();
        for question in before.difference(&questions) {
            let Some(askers) = self.askers.get_mut(question) else {
                continue;
            };
            askers.remove(rollout);
            if askers.is_empty() {
                self.askers.remove(question);
            }
        }
        for question in &questions {
            let askers = self.askers.entry(question.clone()).or_default();
            askers.insert(rollout.clone());
        }
        if !questions.is_empty() {
            self.asked.insert(rollout.clone(), questions);
        }
    }

    pub fn family(&self, rollout: &Arc<Rollout>, uid: &str) -> Family {
        let mut family = Family {
            rollout: Arc::clone(rollout),
            replica_sets: Vec::new(),
            runs: Vec::new(),
            managed: self.managed_by(&rollout.metadata.key()),
            routed: self.routed_by(rollout),
            broken: None,
        };
        for (kind, key) in self.children.get(uid).into_iter().flatten() {
            let added = match kind {
                Kind::ReplicaSet => {
                    readable(&self.replica_sets, *kind, key).map(|set| family.replica_sets.extend(set))
                }
                Kind::AnalysisRun => readable(&self.runs, *kind, key).map(|run| family.runs.extend(run)),
                _ => Ok(()),
            };
            if let Err(broken) = added {
                family.broken.get_or_insert(broken);
            }
        }
        let from = Key::new(&rollout.metadata.namespace, "");
        let nearby = self
            .orphans
            .range(from..)
            .take_while(|key| key.namespace == rollout.metadata.namespace);
        for key in nearby {
            let Some(Ok(orphan)) = self.replica_sets.get(key).map(|cached| &cached.object) else {
                continue;
            };
            if selects(self.selector(rollout), orphan) {
                family.replica_sets.push(Arc::clone(orphan));
            }
        }
        family
            .replica_sets
            .sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        family
    }

    /// The readable Jobs that this AnalysisRun controls; `None` while Jobs cannot be read.
    pub fn jobs_of(&self, run_uid: &str) -> Option<Vec<Job>> {
        if self.sync.get(&Kind::Job) != Some(&Sync::Synced) {
            return None;
        }
        let children = self.children.get(run_uid).into_iter().flatten();
        let jobs = children.filter(|(kind, _)| *kind == Kind::Job);
        let found = jobs.filter_map(|(_, key)| self.jobs.get(key)?.object.as_ref().ok());
        let with_pods = |job: &Arc<Job>| Job {
            stuck: self.stuck(&job.metadata.uid),
            ..Job::clone(job)
        };
        Some(found.map(with_pods).collect())
    }

    /// Why a pod of the Job cannot start.
    fn stuck(&self, job_uid: &str) -> Option<String> {
        let pods = self.children.get(job_uid).into_iter().flatten();
        let read = |(_, key): &(Kind, Key)| self.job_pods.get(key)?.object.as_ref().ok()?.stuck.clone();
        pods.filter(|(kind, _)| *kind == Kind::Pod).find_map(read)
    }

    pub fn answer(&self, question: &Question) -> Answer {
        let kind = kind_of(question);
        match self.sync.get(&kind) {
            Some(Sync::Synced) => {}
            Some(Sync::Unread) => return Answer::Unknown(NOT_READ_YET.into()),
            Some(Sync::Waiting(why) | Sync::Absent(why)) => return Answer::Unknown(why.clone()),
            None => {
                let name = kind.name();
                return Answer::Unknown(format!(
                    "this controller is limited to one namespace and does not read {name}s"
                ));
            }
        }
        match question {
            Question::Service(key) => found(&self.services, key, |service| Answer::Service(service.clone())),
            Question::Route(kind, key) => found(Value::store(self, *kind), key, |route| {
                Answer::Route(route.clone())
            }),
            Question::ReplicaSet(key) => {
                found(&self.replica_sets, key, |set| Answer::ReplicaSet(set.clone()))
            }
            Question::AnalysisTemplate(key) => found(&self.templates, key, |t| Answer::Template(t.clone())),
            Question::ClusterAnalysisTemplate(name) => {
                found(&self.cluster_templates, &Key::new("", name), |t| {
                    Answer::Template(t.clone())
                })
            }
            Question::Workload(kind, key) => found(Workload::store(self, *kind), key, |workload| {
                Answer::Workload(workload.clone())
            }),
            Question::Pods(_) => Answer::Unknown("pods are not cached".into()),
        }
    }

    /// resourceVersions of everything of a kind.
    pub fn versions(&self, kind: Kind) -> BTreeMap<Key, String> {
        fn of<T>(store: &Store<T>) -> BTreeMap<Key, String> {
            let versions = store
                .iter()
                .map(|(key, cached)| (key.clone(), cached.version.clone()));
            versions.collect()
        }
        match kind {
            Kind::Rollout => of(&self.rollouts),
            Kind::ReplicaSet => of(&self.replica_sets),
            Kind::AnalysisRun => of(&self.runs),
            Kind::AnalysisTemplate => of(&self.templates),
            Kind::ClusterAnalysisTemplate => of(&self.cluster_templates),
            Kind::Service => of(&self.services),
            Kind::HttpRoute => of(&self.routes),
            Kind::Ingress => of(&self.ingresses),
            Kind::VirtualService => of(&self.virtual_services),
            Kind::DestinationRule => of(&self.destination_rules),
            Kind::Job => of(&self.jobs),
            Kind::Pod => of(&self.job_pods),
            Kind::Deployment | Kind::PodTemplate | Kind::PlainReplicaSet => of(Workload::store(self, kind)),
            Kind::Experiment => of(&self.experiments),
        }
    }

    pub fn version(&self, kind: Kind, key: &Key) -> Option<(String, String, bool)> {
        fn of<T>(store: &Store<T>, key: &Key) -> Option<(String, String, bool)> {
            let cached = store.get(key)?;
            Some((cached.uid.clone(), cached.version.clone(), cached.deleting))
        }
        match kind {
            Kind::Rollout => of(&self.rollouts, key),
            Kind::ReplicaSet => of(&self.replica_sets, key),
            Kind::AnalysisRun => of(&self.runs, key),
            Kind::AnalysisTemplate => of(&self.templates, key),
            Kind::ClusterAnalysisTemplate => of(&self.cluster_templates, key),
            Kind::Service => of(&self.services, key),
            Kind::HttpRoute => of(&self.routes, key),
            Kind::Ingress => of(&self.ingresses, key),
            Kind::VirtualService => of(&self.virtual_services, key),
            Kind::DestinationRule => of(&self.destination_rules, key),
            Kind::Job => of(&self.jobs, key),
            Kind::Pod => of(&self.job_pods, key),
            Kind::Deployment | Kind::PodTemplate | Kind::PlainReplicaSet => {
                of(Workload::store(self, kind), key)
            }
            Kind::Experiment => of(&self.experiments, key),
        }
    }
}

fn readable<T>(store: &Store<T>, kind: Kind, key: &Key) -> Result<Option<Arc<T>>, Box<Broken>> {
    let Some(cached) = store.get(key) else {
        return Ok(None);
    };
    match &cached.object {
        Ok(object) => Ok(Some(Arc::clone(object))),
        Err(message) => Err(cached.broken(kind, key, message)),
    }
}

fn found<T>(store: &Store<T>, key: &Key, answer: impl FnOnce(&T) -> Answer) -> Answer {
    match store.get(key).map(|cached| &cached.object) {
        None => Answer::Missing,
        Some(Ok(object)) => answer(object),
        Some(Err(message)) => Answer::Unknown(format!("it cannot be read: {message}")),
    }
}

fn in_namespace<'a, T>(
    store: &'a Store<T>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Key, &'a Cached<T>)> {
    let from = Key::new(namespace, "");
    store
        .range(from..)
        .take_while(move |(key, _)| key.namespace == namespace)
}

pub fn kind_of(question: &Question) -> Kind {
    match question {
        Question::Service(_) => Kind::Service,
        Question::AnalysisTemplate(_) => Kind::AnalysisTemplate,
        Question::ClusterAnalysisTemplate(_) => Kind::ClusterAnalysisTemplate,
        Question::Route(kind, _) => *kind,
        Question::ReplicaSet(_) => Kind::ReplicaSet,
        Question::Pods(_) => Kind::Pod,
        Question::Workload(kind, _) => *kind,
    }
}

/// Whether the owner is of this kind of ours.
fn is_a(owner: &OwnerRef, kind: Kind) -> bool {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    group == names::GROUP && owner.kind == kind.name()
}

/// Versions count up per kind; where they are not numbers only equality says anything.
pub fn older(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}
