//! The scheduler and the kubelets: pods are bound, start, become ready, and end as [`super::pods`] says, with the delays
//! of the settings and against the switches.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::faults::{Strike, Which};
use super::pods::{self, Behaviour, Facts, Life, Look, Next, Pace, status};
use super::{Models, Task, ids, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

/// How long a container takes to start again after a crash from outside.
const RESTART: TimeDelta = TimeDelta::seconds(1);

/// What the kubelet knows of a pod beside what the pod says.
#[derive(Debug)]
pub struct Tended {
    pub uid: String,
    life: Life,
    pace: Pace,
    behaviour: Behaviour,
    /// Restarts from before the behaviour changed.
    restarts: i32,
    /// Its node is not heard of.
    cut: bool,
}

impl Models {
    pub(super) fn enqueue_pod(&mut self, key: &Key, pod: Option<&Value>, now: DateTime<Utc>) {
        let Some(pod) = pod else {
            self.tended.remove(key);
            return;
        };
        if pod["spec"]["nodeName"]
            .as_str()
            .is_some_and(|node| !node.is_empty())
        {
            self.later(Task::Pod(key.clone()), self.settings.kubelet, now);
        } else {
            self.later(Task::Bind(key.clone()), self.settings.scheduler, now);
        }
    }

    /// The scheduler: the node with the fewest pods.
    pub(super) fn bind_pod(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        let Some(pod) = world.store.get(key).cloned() else {
            return;
        };
        let bound = pod["spec"]["nodeName"]
            .as_str()
            .is_some_and(|node| !node.is_empty());
        if self.switches.scheduler_paused || bound || reading::deleting(&pod) || reading::ended(&pod) {
            return;
        }
        let Some(node) = self.node_for_pod(world) else {
            return;
        };
        let mut pod = Value::clone(&pod);
        pod["spec"]["nodeName"] = node.into();
        let scheduled =
            json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": reading::stamp(now)});
        status::set_condition(&mut pod["status"], &scheduled);
        // A binding is not a change of what the pod's author wants: its generation stays.
        world.store.put(key, pod);
    }

    pub(super) fn tend_pod(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        let Some(pod) = world.store.get(key).cloned() else {
            return;
        };
        if self.switches.is_frozen(&pod) {
            return;
        }
        let facts = self.facts(&pod);
        self.meet(key, &pod, &facts, now);
        let Some(tended) = self.tended.get_mut(key).filter(|tended| !tended.cut) else {
            return;
        };
        let next = tended.next(&pod, &facts, now);
        if let Some(again) = next.again {
            self.agenda.add(Task::Pod(key.clone()), again);
        }
        self.show(world, key, &pod, &next.look, now);
    }

    /// What the pod says, and what the switches say instead.
    fn facts(&self, pod: &Value) -> Facts {
        let mut facts = Facts::of(pod);
        let finishes = matches!(facts.behaviour, Behaviour::Finish { .. });
        let instead = self.switches.behaviour(pod).filter(|other| {
            // Nobody waits for a script to become ready.
            !finishes
                || matches!(
                    other,
                    Behaviour::Finish { .. } | Behaviour::Crash | Behaviour::NoImage
                )
        });
        if let Some(behaviour) = instead {
            facts.behaviour = behaviour.clone();
        }
        facts
    }

    /// Gets to know a pod at first sight.
    fn meet(&mut self, key: &Key, pod: &Value, facts: &Facts, now: DateTime<Utc>) {
        if self
            .tended
            .get(key)
            .is_some_and(|one| one.uid == reading::uid(pod))
        {
            return;
        }
        let start = self.settings.pod_start.draw(&mut self.seed) + self.switches.starts_later_by(pod);
        let pace = Pace {
            ready_after: self.settings.pod_ready.draw(&mut self.seed),
            terminate_within: self.settings.pod_stop.draw(&mut self.seed),
            ..self.settings.pace
        };
        let runs_since = reading::time(&pod["status"]["startTime"]);
        let fresh = Tended {
            uid: reading::uid(pod).to_owned(),
            life: Life {
                started: runs_since.unwrap_or(now + start),
                deleted: None,
            },
            pace,
            behaviour: facts.behaviour.clone(),
            restarts: 0,
            cut: false,
        };
        self.tended.insert(key.clone(), fresh);
    }

    fn show(&mut self, world: &mut World, key: &Key, pod: &Arc<Value>, look: &Look, now: DateTime<Utc>) {
        let runs = pod["status"]["phase"] == "Running";
        match look {
            Look::Gone if self.switches.is_stuck(pod) => {}
            Look::Gone => writes::delete(world, key, &json!({"gracePeriodSeconds": 0})),
            Look::Starting if runs => {}
            look => {
                let Some(tended) = self.tended.get(key) else {
                    return;
                };
                let Some(patch) = status::patch(pod, look, tended.life, now) else {
                    return;
                };
                self.write_status(world, key, status::joined(pod, &patch));
            }
        }
    }

    /// Carries out a strike on the pods that are there.
    pub(super) fn strike(&mut self, world: &mut World, which: &Which, strike: Strike, now: DateTime<Utc>) {
        let pods = world.store.list(ids::pods(), None);
        let struck: Vec<(Key, Arc<Value>)> = pods
            .filter(|(_, pod)| !reading::ended(pod) && which.matches(pod))
            .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
            .collect();
        for (key, pod) in struck {
            self.strike_pod(world, &key, &pod, strike, now);
            self.observe(world, now);
        }
    }

    fn strike_pod(
        &mut self,
        world: &mut World,
        key: &Key,
        pod: &Arc<Value>,
        strike: Strike,
        now: DateTime<Utc>,
    ) {
        match strike {
            Strike::Delete => return writes::delete(world, key, &Value::Null),
            Strike::Vanish => return writes::vanish(world, key),
            Strike::Evict => return evict(world, key, pod, now),
            Strike::NotReady | Strike::Heal | Strike::Restart => {}
        }
        let facts = self.facts(pod);
        self.meet(key, pod, &facts, now);
        let Some(tended) = self.tended.get_mut(key) else {
            return;
        };
        match strike {
            Strike::NotReady => {
                tended.cut = true;
                not_ready(world, key, "NodeNotReady", now);
            }
            Strike::Heal => {
                tended.cut = false;
                self.later(Task::Pod(key.clone()), self.settings.kubelet, now);
            }
            _ => {
                let restarts = i32::try_from(reading::restarts(pod)).unwrap_or(0) + 1;
                tended.life.started = now + RESTART;
                self.agenda.add(Task::Pod(key.clone()), now + RESTART);
                let look = Look::Crashing { restarts, since: now };
                self.show(world, key, pod, &look, now);
            }
        }
    }
}

impl Tended {
    fn next(&mut self, pod: &Value, facts: &Facts, now: DateTime<Utc>) -> Next {
        if self.behaviour != facts.behaviour {
            self.turn(pod, facts, now);
        }
        if facts.deleting.is_some() {
            self.life.deleted.get_or_insert(now);
        }
        let mut next = pods::next(facts, self.life, self.pace, now);
        if let Look::Crashing { restarts, .. } = &mut next.look {
            *restarts += self.restarts;
        }
        next
    }

    /// A pod that begins to behave otherwise does so from now on, not since it started.
    fn turn(&mut self, pod: &Value, facts: &Facts, now: DateTime<Utc>) {
        let crashes = |one: &Behaviour| matches!(one, Behaviour::Crash | Behaviour::CrashAfter { .. });
        let down = crashes(&self.behaviour) || self.behaviour == Behaviour::NoImage;
        if now >= self.life.started {
            let ready_after = facts.ready_after.unwrap_or(self.pace.ready_after);
            if crashes(&facts.behaviour) {
                let ready = reading::ready_since(pod).is_some();
                self.life.started = if ready { now - ready_after } else { now };
            } else if down {
                self.life.started = now;
            }
        }
        self.restarts = i32::try_from(reading::restarts(pod)).unwrap_or(0);
        self.behaviour = facts.behaviour.clone();
    }
}

/// What the node controller does to a pod whose node is not heard of.
pub fn not_ready(world: &mut World, key: &Key, reason: &str, now: DateTime<Utc>) {
    let Some(pod) = world.store.get(key) else {
        return;
    };
    if reading::ready_since(pod).is_none() {
        return;
    }
    let mut status = pod["status"].clone();
    let ready = json!({"type": "Ready", "status": "False", "reason": reason, "lastTransitionTime": reading::stamp(now)});
    status::set_condition(&mut status, &ready);
    writes::status(world, key, status);
}

fn evict(world: &mut World, key: &Key, pod: &Value, now: DateTime<Utc>) {
    let mut status = pod["status"].clone();
    status["phase"] = "Failed".into();
    status["reason"] = "Evicted".into();
    status["message"] = "The node was low on resource: memory.".into();
    for kind in ["Ready", "ContainersReady"] {
        let since = reading::condition(pod, kind).filter(|one| one["status"] == "False");
        let since = since.map_or_else(|| reading::stamp(now), |one| one["lastTransitionTime"].clone());
        let condition =
            json!({"type": kind, "status": "False", "reason": "PodFailed", "lastTransitionTime": since});
        status::set_condition(&mut status, &condition);
    }
    for one in status["containerStatuses"].as_array_mut().into_iter().flatten() {
        one["ready"] = false.into();
        one["started"] = false.into();
        let (started, ended) = (one["state"]["running"]["startedAt"].clone(), reading::stamp(now));
        let mut terminated = json!({"exitCode": 137, "reason": "Error", "finishedAt": ended});
        if started.is_string() {
            terminated["startedAt"] = started;
        }
        one["state"] = json!({"terminated": terminated});
    }
    writes::status(world, key, status);
}
