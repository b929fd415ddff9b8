//! What routers leave behind that the Rollout does not use any more: subsets that still select by hash would lead to nobody once that
//! version is gone, and a canary Ingress would go on taking its share.

use crate::base::object::{Kind, Meta};
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::rollout::traffic;
use crate::route::istio::subset;
use serde_json::{Value, json};

/// How the annotation with the weight of a canary Ingress ends, whatever its prefix.
const WEIGHT: &str = "/canary-weight";

/// Lets go of what the Rollout managed and no router of it uses: subsets select by their own labels again, at once, and Ingresses of the
/// controller's own give their share back as soon as stable has all its pods. They are not deleted: the Rollout owns them.
pub fn release(draft: &mut Draft) {
    let routers = traffic::routers(draft);
    let used: Vec<_> = routers.iter().flat_map(|router| router.objects()).collect();
    drop(routers);
    for (kind, object) in &draft.seen.routed {
        let metadata: Meta = serde_json::from_value(object["metadata"].clone()).unwrap_or_default();
        let key = metadata.key();
        let in_use = used.iter().any(|one| (one.kind, &one.key) == (*kind, &key));
        let patch = match kind {
            _ if in_use || metadata.deleting() => None,
            Kind::DestinationRule => Some(subset::let_go(object)),
            _ => share_given_back(draft, &metadata),
        };
        if let Some(patch) = patch {
            draft.patch(*kind, key, guard(&metadata), patch);
        }
    }
}

/// The patch that takes an Ingress its weight, once the pods of stable can do without it.
fn share_given_back(draft: &Draft, ingress: &Meta) -> Option<Value> {
    let stable = draft.set(draft.roles().stable)?;
    if stable.available < draft.replicas() {
        return None;
    }
    let weighs = |(name, weight): &(&String, &String)| name.ends_with(WEIGHT) && *weight != "0";
    let (name, _) = ingress.annotations.iter().find(weighs)?;
    Some(json!({"metadata": {"annotations": {name.as_str(): "0"}}}))
}

/// Whether this is an object that a router of the Rollout made or manages.
pub fn is_routed(kind: Kind, object: &Value, rollout: &Meta) -> bool {
    match kind {
        Kind::DestinationRule => subset::manager(object) == Some(rollout.name.as_str()),
        Kind::Ingress => {
            let metadata: Meta = serde_json::from_value(object["metadata"].clone()).unwrap_or_default();
            let marked = metadata.annotations.keys().any(|name| name.ends_with(WEIGHT));
            marked && metadata.controlled_by(&rollout.uid)
        }
        _ => false,
    }
}
