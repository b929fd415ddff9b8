//! Nodes: some that are there, and what happens to the pods of one that is cut off. The pods of a lost node stop being
//! ready after a while, are deleted after a longer one, and stay `Terminating` until the node comes back, since nobody is
//! there to end them. Absent: leases, taints, capacity.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::kubelet::not_ready;
use super::pods::status::set_condition;
use super::{Models, Task, ids, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

impl Models {
    /// Makes the nodes of the settings, unless there are some already.
    pub(super) fn make_nodes(&mut self, world: &mut World) {
        if world.store.list(ids::nodes(), None).next().is_some() {
            return;
        }
        let Some(resource) = world.catalog.by_id("nodes").cloned() else {
            return;
        };
        let now = reading::stamp(world.now());
        let capacity = json!({"cpu": "16", "memory": "64Gi", "pods": "110"});
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now, "lastTransitionTime": now});
        for number in 1..=self.settings.nodes {
            let name = format!("node-{number}");
            let node = json!({
                "apiVersion": "v1", "kind": "Node", "spec": {},
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            });
            if let Ok(key) = writes::create(world, &resource, "", node) {
                let status = json!({"capacity": capacity, "allocatable": capacity, "conditions": [ready]});
                writes::status(world, &key, status);
            }
        }
    }

    /// The node for a new pod: the one with the fewest pods of those that are well.
    pub(super) fn node_for_pod(&self, world: &World) -> Option<String> {
        if self.settings.nodes == 0 {
            return Some("node-1".to_owned());
        }
        let nodes = world.store.list(ids::nodes(), None);
        let well = nodes.filter(|(key, node)| {
            let ready = reading::condition(node, "Ready").is_none_or(|one| one["status"] == "True");
            // A lost node looks well until it has been silent for a while.
            let gone = self.lost_nodes.contains(&key.name) && !ready;
            !gone && node["spec"]["unschedulable"] != true
        });
        let chosen = well.min_by_key(|(key, _)| (self.index.count_on(&key.name), key.name.clone()))?;
        Some(chosen.0.name.clone())
    }

    /// Nodes that were cut off or came back since the last look.
    pub(super) fn look_at_lost_nodes(&mut self, world: &mut World, now: DateTime<Utc>) {
        let lost = self.switches.lost_nodes.clone();
        for name in lost.difference(&self.lost_nodes) {
            let silent = now + self.settings.node_silence;
            self.agenda.add(Task::NodeSilent(name.clone()), silent);
            let evicted = silent + self.settings.node_eviction;
            self.agenda.add(Task::NodeEvict(name.clone()), evicted);
        }
        for name in self.lost_nodes.difference(&lost) {
            set_ready(world, name, "True", "KubeletReady", now);
        }
        self.lost_nodes = lost;
    }

    pub(super) fn silence_node(&mut self, world: &mut World, name: &str, now: DateTime<Utc>) {
        if !self.lost_nodes.contains(name) {
            return;
        }
        set_ready(world, name, "Unknown", "NodeStatusUnknown", now);
        let pods: Vec<Key> = self.index.pods_on(name).cloned().collect();
        for pod in pods {
            not_ready(world, &pod, "NodeNotReady", now);
        }
    }

    pub(super) fn evict_from_node(&mut self, world: &mut World, name: &str) {
        if !self.lost_nodes.contains(name) {
            return;
        }
        let pods: Vec<Key> = self.index.pods_on(name).cloned().collect();
        for pod in pods {
            writes::delete(world, &pod, &Value::Null);
        }
    }
}

fn set_ready(world: &mut World, node: &str, ready: &str, reason: &str, now: DateTime<Utc>) {
    let key = Key::new(ids::nodes(), "", node);
    let Some(node) = world.store.get(&key) else {
        return;
    };
    if reading::condition(node, "Ready").is_some_and(|one| one["status"] == ready) {
        return;
    }
    let mut status = node["status"].clone();
    let now = reading::stamp(now);
    let condition = json!({"type": "Ready", "status": ready, "reason": reason, "lastHeartbeatTime": now, "lastTransitionTime": now});
    set_condition(&mut status, &condition);
    writes::status(world, &key, status);
}
