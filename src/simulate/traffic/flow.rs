//! Where each request goes while nothing changes: the plan, made once, and its walk through time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::counter::Counter;
use super::known::Known;
use super::mesh;
use super::profile::Profile;
use super::split::split;
use super::{Load, Served, Traffic, answers};

/// All flows of all loads, until something changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    flows: Vec<Flow>,
    /// When some pod's answers may be others.
    turn: Option<DateTime<Utc>>,
}

/// The part of a load that goes to one pod, or to none.
#[derive(Clone, Debug)]
struct Flow {
    load: u64,
    share: f64,
    service: String,
    pod: String,
    hash: String,
    /// Where it is counted; none if nobody takes it.
    counter: Option<u64>,
    profile: Profile,
    requests: f64,
    errors: f64,
}

impl Traffic {
    pub(super) fn flow(&mut self, to: DateTime<Utc>) -> Vec<Served> {
        let mut plan = match self.plan.take() {
            Some(plan) => plan,
            None => self.make_plan(),
        };
        while self.at < to {
            if plan.turn.is_some_and(|turn| turn <= self.at) {
                self.judge(&mut plan);
            }
            let until = plan.turn.map_or(to, |turn| turn.min(to));
            self.carry(&mut plan, until);
            self.at = until;
        }
        let served = self.report(&mut plan);
        self.plan = Some(plan);
        served
    }

    fn make_plan(&mut self) -> Plan {
        self.known.forget_gone();
        let mut plan = Plan::default();
        let mut ready_in: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (&id, load) in &self.loads {
            let ready = ready_in
                .entry(&load.namespace)
                .or_insert_with(|| self.known.ready(&load.namespace));
            plan.flows.extend(flows(id, load, &self.known, ready));
        }
        self.judge(&mut plan);
        plan
    }

    /// Looks up how each pod answers at present, and until when.
    fn judge(&mut self, plan: &mut Plan) {
        plan.turn = None;
        for flow in &mut plan.flows {
            let namespace = self.loads.get(&flow.load).map(|load| load.namespace.as_str());
            let pod = namespace.and_then(|namespace| self.known.pod(namespace, &flow.pod));
            let (Some(namespace), Some(pod)) = (namespace, pod.filter(|pod| !pod.gone)) else {
                continue;
            };
            flow.profile = answers::profile(&self.overrides, &flow.pod, pod, self.at);
            let turn = answers::next_turn(&self.overrides, &flow.pod, pod, self.at);
            plan.turn = plan.turn.into_iter().chain(turn).min();
            // A pod counts for its Service, by whichever subset of it requests come.
            let service = mesh::service(&flow.service);
            let key = (namespace.to_owned(), service.to_owned(), flow.pod.clone());
            let id = *self.by_pod.entry(key).or_insert_with(|| {
                self.counters_ever += 1;
                self.counters_ever
            });
            let new = || Counter::new(id, namespace, service, &flow.pod);
            let counter = self.counters.entry(id).or_insert_with(new);
            counter.rollouts_hash.clone_from(&pod.rollouts_hash);
            counter.deployment_hash.clone_from(&pod.deployment_hash);
            counter.silent = flow.profile.silent;
            flow.counter = Some(id);
        }
    }

    fn carry(&mut self, plan: &mut Plan, until: DateTime<Utc>) {
        let mut last: Option<(u64, f64)> = None;
        for flow in &mut plan.flows {
            let total = match last {
                Some((load, total)) if load == flow.load => total,
                _ => {
                    let load = self.loads.get(&flow.load);
                    load.map_or(0.0, |load| load.rate.between(self.at, until))
                }
            };
            last = Some((flow.load, total));
            let requests = total * flow.share;
            let counter = flow.counter.and_then(|id| self.counters.get_mut(&id));
            flow.requests += requests;
            flow.errors += match counter {
                Some(counter) => counter.serve(requests, &flow.profile),
                None => requests,
            };
        }
    }

    /// What has flowed since the last report.
    fn report(&mut self, plan: &mut Plan) -> Vec<Served> {
        let mut all = Vec::with_capacity(plan.flows.len());
        for flow in &mut plan.flows {
            let (requests, errors) = (flow.requests, flow.errors);
            let Some(load) = self.loads.get(&flow.load).filter(|_| requests > 0.0) else {
                continue;
            };
            (flow.requests, flow.errors) = (0.0, 0.0);
            if flow.counter.is_none() {
                let key = (load.namespace.clone(), flow.service.clone());
                *self.refused.entry(key).or_default() += requests;
            }
            all.push(Served {
                by: (load.namespace.clone(), load.entry.name().to_owned()),
                service: flow.service.clone(),
                pod: flow.pod.clone(),
                hash: flow.hash.clone(),
                requests,
                errors,
            });
        }
        all
    }
}

fn flows(id: u64, load: &Load, known: &Known, ready: &BTreeMap<String, Vec<String>>) -> Vec<Flow> {
    let flow = |share: f64, service: String, pod: String| Flow {
        load: id,
        share,
        hash: known
            .pod(&load.namespace, &pod)
            .map_or_else(String::new, |pod| pod.hash().to_owned()),
        service,
        pod,
        counter: None,
        profile: Profile::of_tag(""),
        requests: 0.0,
        errors: 0.0,
    };
    let rules = known.rules(&load.namespace, &load.entry);
    if rules.is_empty() {
        // No route, or none that takes ordinary requests.
        return vec![flow(1.0, String::new(), String::new())];
    }
    let shares = split(1.0, &rules, ready);
    let carried = shares.carried.into_iter();
    let refused = shares.refused.into_iter();
    carried
        .map(|((service, pod), share)| flow(share, service, pod))
        .chain(refused.map(|(service, share)| flow(share, service, String::new())))
        .collect()
}
