//! What planted bugs are made of: a bug in what goes into a plan, in what comes out of it, or in what is read of a metric.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use serin::api::analysis::Metric;
use serin::base::names::label;
use serin::base::object::{Key, Kind};
use serin::base::reading;
use serin::controller::pass::Core;
use serin::controller::probe::Provider;
use serin::measure::{self, Response};
use serin::plan::analysis::{RunObserved, RunPlan};
use serin::plan::{Action, Answer, Guard, Observed, Plan, ReplicaSet, Service, Verb};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The core with a bug.
pub struct Mutant {
    pub name: &'static str,
    pub says: &'static str,
    pub core: Core,
    pub measures: Provider,
}

pub type Planner = fn(&Observed, DateTime<Utc>) -> Plan;
pub type RunPlanner = fn(&RunObserved, DateTime<Utc>) -> RunPlan;
pub type Reader = fn(&Metric, &Response) -> Result<reading::Reading, String>;

pub fn planner(name: &'static str, says: &'static str, plan: Planner) -> Mutant {
    let core = Core {
        plan,
        ..Core::default()
    };
    Mutant {
        name,
        says,
        core,
        measures: Provider::default(),
    }
}

pub fn runner(name: &'static str, says: &'static str, plan_run: RunPlanner) -> Mutant {
    let core = Core {
        plan_run,
        ..Core::default()
    };
    Mutant {
        name,
        says,
        core,
        measures: Provider::default(),
    }
}

pub fn reader(name: &'static str, says: &'static str, read: Reader) -> Mutant {
    let measures = Provider {
        read,
        ..Provider::default()
    };
    Mutant {
        name,
        says,
        core: Core::default(),
        measures,
    }
}

/// A bug in what comes out of a plan.
macro_rules! out {
    ($name:literal, $says:literal, |$plan:ident, $seen:ident| $body:expr) => {
        planner($name, $says, |$seen, now| {
            #[allow(unused_mut)]
            let mut $plan = serin::plan::rollout::plan($seen, now);
            $body;
            $plan
        })
    };
}

/// A bug in what goes into a plan.
macro_rules! seen {
    ($name:literal, $says:literal, |$seen:ident| $body:expr) => {
        planner($name, $says, |seen, now| {
            let mut $seen = seen.clone();
            $body;
            serin::plan::rollout::plan(&$seen, now)
        })
    };
}

/// A bug in what goes into the plan of an AnalysisRun.
macro_rules! run_seen {
    ($name:literal, $says:literal, |$seen:ident| $body:expr) => {
        runner($name, $says, |seen, now| {
            let mut $seen = seen.clone();
            $body;
            serin::plan::analysis::plan_run(&$seen, now)
        })
    };
}

pub fn of(action: &Action, verb: Verb, kind: Kind) -> bool {
    action.verb == verb && action.kind == kind
}

pub fn new_hash(seen: &Observed) -> String {
    seen.rollout.status.current_pod_hash.clone()
}

pub fn is_new(seen: &Observed, action: &Action) -> bool {
    let hash = new_hash(seen);
    !hash.is_empty() && action.key.name.ends_with(&hash)
}

pub fn is_stable(seen: &Observed, action: &Action) -> bool {
    let hash = &seen.rollout.status.stable_rs;
    !hash.is_empty() && action.key.name.ends_with(hash.as_str())
}

pub fn no_version(action: &mut Action) {
    if let Guard::Seen { resource_version, .. } = &mut action.guard {
        resource_version.clear();
    }
}

pub fn sizes(plan: &mut Plan, change: impl Fn(&Action, i64) -> i64) {
    for action in plan
        .actions
        .iter_mut()
        .filter(|action| of(action, Verb::Patch, Kind::ReplicaSet))
    {
        if let Some(size) = action.body.pointer("/spec/replicas").and_then(Value::as_i64) {
            action.body["spec"]["replicas"] = change(action, size).into();
        }
    }
}

pub fn weights(plan: &mut Plan, change: impl Fn(&str, i64) -> i64) {
    for action in plan
        .actions
        .iter_mut()
        .filter(|action| action.kind == Kind::HttpRoute)
    {
        let rules = action
            .body
            .pointer_mut("/spec/rules")
            .and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            for backend in rule["backendRefs"].as_array_mut().into_iter().flatten() {
                let name = backend["name"].as_str().unwrap_or_default().to_owned();
                if let Some(weight) = backend["weight"].as_i64() {
                    backend["weight"] = change(&name, weight).into();
                }
            }
        }
    }
}

pub fn is_canary(name: &str) -> bool {
    name.ends_with("canary")
}

pub fn status(plan: &mut Plan) -> Option<&mut Value> {
    let action = plan
        .actions
        .iter_mut()
        .find(|action| of(action, Verb::PatchStatus, Kind::Rollout))?;
    action.body.get_mut("status")
}

pub fn routes(seen: &mut Observed, change: impl Fn(&str, i64) -> i64) {
    for answer in seen.answers.0.values_mut() {
        let Answer::Route(route) = answer else { continue };
        let mut copy = Value::clone(route);
        for rule in copy["spec"]["rules"].as_array_mut().into_iter().flatten() {
            for backend in rule["backendRefs"].as_array_mut().into_iter().flatten() {
                let name = backend["name"].as_str().unwrap_or_default().to_owned();
                let weight = backend["weight"].as_i64().unwrap_or(1);
                backend["weight"] = change(&name, weight).into();
            }
        }
        *answer = Answer::Route(copy);
    }
}

pub fn read_or(metric: &Metric, response: &Response, instead: f64) -> Result<reading::Reading, String> {
    measure::read(metric, response).or_else(|_| {
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, instead.to_string()]}]}});
        let good = Response { status: 200, content_type: "application/json".into(), body: body.to_string().into_bytes() };
        measure::read(metric, &good)
    })
}

pub fn no_nan(value: &reading::Value) -> reading::Value {
    match value {
        reading::Value::Float(number) if !number.is_finite() => reading::Value::Float(0.0),
        reading::Value::List(items) => reading::Value::List(items.iter().map(no_nan).collect()),
        other => other.clone(),
    }
}

/// A place among the actions before the write of the status.
pub fn push(plan: &mut Plan, action: Action) {
    let at = plan
        .actions
        .iter()
        .position(|action| of(action, Verb::PatchStatus, Kind::Rollout))
        .unwrap_or(plan.actions.len());
    plan.actions.insert(at, action);
    loosen(plan);
}

/// Notes are told when all is written: the writes that they were about may be other ones now.
pub fn loosen(plan: &mut Plan) {
    plan.deferrable = false;
    for note in &mut plan.notes {
        note.write = None;
    }
}

pub fn keep(plan: &mut Plan, wanted: impl Fn(&Action) -> bool) {
    plan.actions.retain(wanted);
    loosen(plan);
}

pub fn patch(kind: Kind, meta: &serin::base::object::Meta, body: Value) -> Action {
    Action {
        verb: Verb::Patch,
        kind,
        key: meta.key(),
        guard: Guard::Seen {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
        },
        body,
    }
}

/// Asks for another size of a ReplicaSet than the plan.
pub fn resize(plan: &mut Plan, set: &ReplicaSet, to: i32) {
    let planned = plan
        .actions
        .iter_mut()
        .find(|action| of(action, Verb::Patch, Kind::ReplicaSet) && action.key == set.metadata.key());
    match planned {
        Some(action) => action.body["spec"]["replicas"] = to.into(),
        None if set.replicas_desired == to => {}
        None => push(
            plan,
            patch(Kind::ReplicaSet, &set.metadata, json!({"spec": {"replicas": to}})),
        ),
    }
}

pub fn with_hash<'o>(seen: &'o Observed, hash: &str) -> Option<&'o ReplicaSet> {
    seen.replica_sets
        .iter()
        .find(|set| !hash.is_empty() && set.hash() == hash)
}

pub fn new_set(seen: &Observed) -> Option<&ReplicaSet> {
    with_hash(seen, &seen.rollout.status.current_pod_hash)
}

pub fn stable_set(seen: &Observed) -> Option<&ReplicaSet> {
    with_hash(seen, &seen.rollout.status.stable_rs)
}

/// Versions that are neither the new nor the stable one.
pub fn others(seen: &Observed) -> impl Iterator<Item = &ReplicaSet> {
    let status = &seen.rollout.status;
    let named = [status.current_pod_hash.clone(), status.stable_rs.clone()];
    seen.replica_sets
        .iter()
        .filter(move |set| !named.iter().any(|hash| hash == set.hash()))
}

pub fn updating(seen: &Observed) -> bool {
    let status = &seen.rollout.status;
    !status.stable_rs.is_empty() && status.stable_rs != status.current_pod_hash
}

pub fn replicas(seen: &Observed) -> i32 {
    seen.rollout.spec.replicas.unwrap_or(1)
}

/// Believes that all pods of a version are available.
pub fn all_there(seen: &mut Observed, hash: &str) {
    let wanted = replicas(seen);
    for set in seen.replica_sets.iter_mut().filter(|set| set.hash() == hash) {
        set.available = wanted.max(set.replicas_desired);
        set.ready = set.available;
        set.replicas = set.available;
    }
}

pub fn service<'o>(seen: &'o Observed, name: &str) -> Option<&'o Service> {
    seen.answers
        .service(&Key::new(&seen.rollout.metadata.namespace, name))
}

/// Leads a Service to a version, whatever the plan says.
pub fn lead(plan: &mut Plan, seen: &Observed, name: &str, hash: &str) {
    let Some(service) = service(seen, name) else {
        return;
    };
    let selected = service.selector.get(label::POD_HASH).map_or("", String::as_str);
    plan.actions
        .retain(|action| !(action.kind == Kind::Service && action.key.name == name));
    if selected != hash {
        let body = json!({"spec": {"selector": {label::POD_HASH: hash}}});
        push(plan, patch(Kind::Service, &service.metadata, body));
    }
}

/// The status that the plan writes, made if it writes none.
pub fn status_or_new<'p>(plan: &'p mut Plan, seen: &Observed) -> Option<&'p mut Value> {
    if status(plan).is_none() {
        let action = Action {
            verb: Verb::PatchStatus,
            ..patch(Kind::Rollout, &seen.rollout.metadata, json!({"status": {}}))
        };
        plan.actions.push(action);
    }
    status(plan)
}

thread_local! {
    static MEMORY: RefCell<BTreeMap<String, Value>> = const { RefCell::new(BTreeMap::new()) };
}

/// What a bug remembers of the run that it is played in; each run has a thread, and begins with nothing.
pub fn recall(what: &str) -> Option<Value> {
    MEMORY.with_borrow(|memory| memory.get(what).cloned())
}

pub fn remember(what: &str, value: impl Into<Value>) {
    MEMORY.with_borrow_mut(|memory| memory.insert(what.to_owned(), value.into()));
}

pub fn forget_all() {
    MEMORY.with_borrow_mut(BTreeMap::clear);
}
