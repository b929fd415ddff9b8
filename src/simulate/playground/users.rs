//! Users, who come to every Rollout once it is healthy for the first time, and leave when it is gone.

use crate::api::rollout::Rollout;
use crate::base::names::phase;
use crate::base::object::Kind;
use crate::simulate::people::{Hand, id};
use crate::simulate::rehearsal::needs;
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry, Load};
use serde_json::Value;
use std::collections::BTreeMap;

/// Never ends.
pub(super) async fn follow(hand: Hand, per_second: f64) {
    let mut changed = hand.cluster.subscribe();
    // By the uid of the Rollout.
    let mut loads: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        changed.catch_up();
        look(&hand, per_second, &mut loads);
        if changed.changed().await.is_err() {
            return;
        }
    }
}

fn look(hand: &Hand, per_second: f64, loads: &mut BTreeMap<String, u64>) {
    let rollouts = hand.list(&id(Kind::Rollout), None);
    let uid = |rollout: &Value| rollout["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let gone: Vec<String> = loads
        .keys()
        .filter(|known| !rollouts.iter().any(|rollout| uid(rollout) == **known))
        .cloned()
        .collect();
    for known in gone {
        if let Some(load) = loads.remove(&known) {
            flow(hand);
            hand.stage.state().traffic.remove(load);
        }
    }
    for object in rollouts {
        if object["status"]["phase"] != phase::HEALTHY || loads.contains_key(&uid(&object)) {
            continue;
        }
        if let Some(load) = entering(hand, &object, per_second) {
            flow(hand);
            let load = hand.stage.state().traffic.add(load);
            loads.insert(uid(&object), load);
        }
    }
}

/// The load of a Rollout; none while there is nowhere to enter.
fn entering(hand: &Hand, object: &Value, per_second: f64) -> Option<Load> {
    let rollout: Rollout = serde_json::from_value(object.clone()).ok()?;
    let services = hand.list("services", Some(&rollout.metadata.namespace));
    let services: Vec<Value> = services.iter().map(|service| Value::clone(service)).collect();
    let (entry, namespace) = needs::entry(&rollout, &services);
    let resource = match &entry {
        Entry::Route(_) => id(Kind::HttpRoute),
        Entry::Ingress(_) => id(Kind::Ingress),
        Entry::VirtualService(_) => id(Kind::VirtualService),
        Entry::Service(_) => "services".to_owned(),
    };
    hand.get(&resource, &namespace, entry.name())?;
    Some(Load {
        namespace,
        entry,
        rate: Rate::Constant(per_second),
    })
}

fn flow(hand: &Hand) {
    let world = hand.cluster.world();
    hand.stage.flow(&world.store, &[]);
}
