//! Evictions: deletions of pods that disruption budgets must allow.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Written, delete};
use crate::cluster::failure::Failure;
use crate::cluster::options;
use crate::cluster::request::{Call, Verb};
use crate::cluster::select::label_selector_matches;
use crate::cluster::store::Key;
use crate::cluster::world::World;

/// Deletes a pod if the disruption budget over it allows it.
pub fn evict(world: &mut World, call: &Call) -> Result<Written, Failure> {
    let eviction = call.object()?;
    let pod = world.get(&call.resource, &call.namespace, &call.name)?;
    if eviction["metadata"]["name"] != call.name.as_str() {
        let why = "name in URL does not match name in Eviction object";
        return Err(Failure::bad_request(why));
    }
    let mut whole = call.clone();
    whole.verb = Verb::Delete;
    whole.subresource = String::new();
    whole.body = eviction["deleteOptions"].to_string().into();
    let dry = call.dry_run() || eviction["deleteOptions"]["dryRun"][0] == "All";
    if !may_ignore_budgets(&pod) {
        ask_budget(world, call, &pod, dry)?;
    }
    let options = whole.delete_options();
    options::delete(&whole, &options)?;
    delete::preconditions(call, &pod, &options["preconditions"])?;
    if !dry {
        let key = Key::new(&call.resource.id, &call.namespace, &call.name);
        delete::erase(world, &key, &Arc::new(telling_why(world, &pod)), &options);
    }
    Ok(Written::new(
        201,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}

/// Pods that do not run are nobody's loss.
fn may_ignore_budgets(pod: &Value) -> bool {
    let idle = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed" | "Pending")
    );
    idle || !pod["metadata"]["deletionTimestamp"].is_null()
}

fn ask_budget(world: &mut World, call: &Call, pod: &Value, dry: bool) -> Result<(), Failure> {
    let budgets: Arc<str> = "poddisruptionbudgets.policy".into();
    let over: Vec<(Key, Arc<Value>)> = world
        .store
        .list(&budgets, Some(&call.namespace))
        .filter(|(_, budget)| label_selector_matches(&budget["spec"]["selector"], &pod["metadata"]["labels"]))
        .map(|(key, budget)| (key.clone(), Arc::clone(budget)))
        .collect();
    match over.as_slice() {
        [] => Ok(()),
        [(key, budget)] => disrupt(world, key, budget, pod, dry),
        _ => Err(Failure::internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )),
    }
}

/// The pod with the reason why it goes. The server writes it down before it deletes the pod; here both are one write.
fn telling_why(world: &World, pod: &Value) -> Value {
    let mut told = pod.clone();
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastTransitionTime": world.stamp()});
    let conditions = &mut told["status"]["conditions"];
    match conditions.as_array_mut() {
        Some(list) => {
            list.retain(|one| one["type"] != "DisruptionTarget");
            list.push(condition);
        }
        None => *conditions = json!([condition]),
    }
    told
}

/// Takes one from the disruptions that a budget allows, if the pod counts there.
fn disrupt(world: &mut World, key: &Key, budget: &Value, pod: &Value, dry: bool) -> Result<(), Failure> {
    let status = &budget["status"];
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let ready = pod["status"]["conditions"].as_array().is_some_and(|list| {
        list.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    });
    let (healthy, needed) = (number("currentHealthy"), number("desiredHealthy"));
    // A pod that is not healthy is not missed, unless others might be needed for it to become so.
    let free =
        budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || (healthy >= needed && needed > 0);
    if !ready && free {
        return Ok(());
    }
    if number("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        let message = format!(
            "The disruption budget {} is still being processed by the server.",
            key.name
        );
        return Err(over_budget(10, &message));
    }
    if number("disruptionsAllowed") <= 0 {
        let name = &key.name;
        let message =
            format!("The disruption budget {name} needs {needed} healthy pods and has {healthy} currently");
        return Err(over_budget(0, &message));
    }
    if dry {
        return Ok(());
    }
    let mut budget = budget.clone();
    budget["status"]["disruptionsAllowed"] = (number("disruptionsAllowed") - 1).into();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    budget["status"]["disruptedPods"][name] = world.stamp().into();
    world.store.put(key, budget);
    Ok(())
}

fn over_budget(retry_after_seconds: u64, message: &str) -> Failure {
    let mut failure = Failure::too_many_requests(retry_after_seconds);
    failure.message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
    failure.retry_after_seconds = Some(retry_after_seconds).filter(|&seconds| seconds > 0);
    failure.details = Some(json!({"causes": [{"reason": "DisruptionBudget", "message": message}]}));
    failure
}
