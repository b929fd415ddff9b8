//! The peer leaves, and we take its objects over: at every recorded moment its status is put in place as it left it, and a controller
//! starts on it that knows nothing else. It must write nothing about what has happened already, and go on as the peer would have.

use super::{compare, expected, object, patch, seen};
use serde_json::{Value, json};
use serin::base::json::merge_diff;
use serin::simulate::world::World;
use std::time::Duration;

const REPLICA: &str = "serin-a";
/// Long enough to start, to look and to write; and short beside the delays of the lives, which go on meanwhile.
const LOOK: Duration = Duration::from_millis(300);

/// Hands the Rollout over at this moment; what was not as it must be.
pub async fn hand_over(world: &World, life: &Value, moment: &Value) -> Vec<String> {
    let crew = &world.hand.crew;
    crew.stop(REPLICA);
    for _ in 0..200 {
        if !crew.is_up(REPLICA) {
            break;
        }
        world.wait(Duration::from_millis(10)).await;
    }
    assert!(!crew.is_up(REPLICA), "it does not stop");
    let ours = object(world)["status"].clone();
    let left = as_left(&moment["status"], &ours, life);
    if let Some(change) = merge_diff(&ours, &left) {
        patch(world, "status", &json!({"status": change}));
    }
    let before = world.hand.cluster.world().store.version();
    crew.start(REPLICA);
    world.wait(LOOK).await;
    let mut found = Vec::new();
    compare("", &expected(moment), &seen(world, life), &mut found);
    let store = &world.hand.cluster.world().store;
    let changes = store.changes_after(before);
    let touched = changes.iter().filter(|change| {
        let resource = &*change.key.resource;
        !["leases.coordination.k8s.io", "events"].contains(&resource)
    });
    // How long the update takes is not in what the peer left; it is written with the next status.
    let others = touched.filter(|change| &*change.key.resource != "rollouts.argoproj.io");
    found.extend(others.map(|change| format!("wrote {} {}", change.key.resource, change.key.name)));
    found
}

/// What was recorded, with the hashes of this life and with our times, where we have them.
fn as_left(recorded: &Value, ours: &Value, life: &Value) -> Value {
    let mut text = recorded.to_string();
    for (version, hash) in life["hashes"].as_object().unwrap() {
        text = text.replace(&format!("{{{version}}}"), hash.as_str().unwrap());
    }
    let mut left = with_times(&serde_json::from_str(&text).unwrap(), ours);
    left["observedGeneration"] = ours["observedGeneration"].clone();
    left
}

fn with_times(recorded: &Value, ours: &Value) -> Value {
    match recorded {
        Value::String(text) if text == "{time}" => ours.clone(),
        Value::Object(members) => {
            let with = |(name, value): (&String, &Value)| (name.clone(), with_times(value, &ours[name]));
            members.iter().map(with).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => {
            let of = |(index, item): (usize, &Value)| with_times(item, twin(item, index, ours));
            items.iter().enumerate().map(of).collect()
        }
        other => other.clone(),
    }
}

/// What we have in the place of an item: conditions go by their type.
fn twin<'v>(item: &Value, index: usize, ours: &'v Value) -> &'v Value {
    let Some(type_) = item["type"].as_str() else {
        return &ours[index];
    };
    let mut items = ours.as_array().into_iter().flatten();
    items.find(|one| one["type"] == type_).unwrap_or(&Value::Null)
}
