//! Which versions the subsets of a DestinationRule lead to. They are to Istio what Services are to other routers, and change hands by the
//! same rules: see `services`.

use crate::base::object::{Key, Kind};
use crate::plan::rollout::draft::{Draft, guard};
use crate::plan::{Answer, Note, Question};
use crate::route::istio::{key, subset};
use serde_json::Value;

/// The subsets that this Rollout names.
pub struct Subsets<'d> {
    pub key: Key,
    pub canary: &'d str,
    pub stable: &'d str,
}

pub fn named<'d>(draft: &Draft<'d>) -> Option<Subsets<'d>> {
    let istio = draft.canary.traffic_routing.as_ref()?.istio.as_ref()?;
    let rule = istio.destination_rule.as_ref()?;
    Some(Subsets {
        key: key(&rule.name, &draft.rollout.metadata.namespace),
        canary: &rule.canary_subset_name,
        stable: &rule.stable_subset_name,
    })
}

/// The rule as this plan has it so far.
fn rule<'r>(draft: &'r Draft, subsets: &Subsets) -> Option<&'r Value> {
    draft.answers.route(Kind::DestinationRule, &subsets.key)
}

/// Whether nobody has managed the rule so far.
pub fn adopting(draft: &Draft) -> bool {
    let rule = named(draft).and_then(|subsets| rule(draft, &subsets));
    rule.is_some_and(|rule| subset::manager(rule).is_none())
}

/// The hash that the stable subset leads to, as this plan has it so far.
pub fn stable_hash<'r>(draft: &'r Draft) -> Option<&'r str> {
    let subsets = named(draft)?;
    subset::hash(rule(draft, &subsets)?, subsets.stable)
}

/// The hashes that the canary and the stable subset led to when they were seen; `None` when they cannot be seen.
pub fn seen<'d>(draft: &Draft<'d>) -> Option<[&'d str; 2]> {
    let subsets = named(draft)?;
    let rule = draft.seen.answers.route(Kind::DestinationRule, &subsets.key)?;
    Some([
        subset::hash(rule, subsets.canary)?,
        subset::hash(rule, subsets.stable)?,
    ])
}

/// Leads subsets to versions, by name and hash.
pub fn lead(draft: &mut Draft, moves: &[(&str, String)]) {
    if moves.is_empty() {
        return;
    }
    let Some(subsets) = named(draft) else { return };
    let Some(before) = rule(draft, &subsets) else {
        return;
    };
    let Some(patch) = subset::lead(before, moves, &draft.rollout.metadata.name) else {
        return;
    };
    let mut after = before.clone();
    crate::base::json::merge_apply(&mut after, &patch);
    let guard = guard(&serde_json::from_value(before["metadata"].clone()).unwrap_or_default());
    let [canary, stable] =
        [subsets.canary, subsets.stable].map(|name| subset::hash(&after, name).unwrap_or_default());
    let message = format!(
        "DestinationRule {} subset updated ({}: {canary}, {}: {stable})",
        subsets.key.name, subsets.canary, subsets.stable
    );
    let write = draft.move_traffic(Kind::DestinationRule, subsets.key.clone(), guard, patch);
    draft.tell(write, Note::normal("UpdatedDestinationRule", message));
    let question = Question::Route(Kind::DestinationRule, subsets.key);
    draft.answers.0.insert(question, Answer::Route(after));
}
