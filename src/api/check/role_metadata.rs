//! Labels and annotations that versions wear in their role. Argo Rollouts does not check them: its ReplicaSet write fails then.

use crate::api::check::{Problem, selector, words};
use crate::api::rollout::Rollout;
use crate::api::strategy::PodMetadata;
use crate::base::names::label;

pub(super) fn problems(rollout: &Rollout) -> Vec<Problem> {
    let strategy = &rollout.spec.strategy;
    let canary = strategy.canary.iter().flat_map(|canary| {
        [
            ("canary.canaryMetadata", &canary.canary_metadata),
            ("canary.stableMetadata", &canary.stable_metadata),
        ]
    });
    let blue_green = strategy.blue_green.iter().flat_map(|blue_green| {
        [
            ("blueGreen.previewMetadata", &blue_green.preview_metadata),
            ("blueGreen.activeMetadata", &blue_green.active_metadata),
        ]
    });
    let given = canary
        .chain(blue_green)
        .filter_map(|(field, metadata)| Some((field, metadata.as_ref()?)));
    given
        .flat_map(|(field, metadata)| of(rollout, &format!("spec.strategy.{field}"), metadata))
        .collect()
}

fn of(rollout: &Rollout, field: &str, metadata: &PodMetadata) -> Vec<Problem> {
    let at = format!("{field}.labels");
    let pairs = metadata
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut found = selector::labels(&at, pairs);
    for name in metadata.annotations.keys() {
        let complaints = words::qualified_name(&name.to_lowercase());
        let wrong = complaints
            .iter()
            .map(|complaint| Problem::invalid(format!("{field}.annotations"), name, complaint));
        found.extend(wrong);
    }
    let selected = |name: &String| {
        let of = rollout.spec.selector.as_ref();
        name == label::POD_HASH
            || of.is_some_and(|of| {
                of.match_labels.contains_key(name) || of.match_expressions.iter().any(|e| e.key == *name)
            })
    };
    for name in metadata.labels.keys().filter(|name| selected(name)) {
        let message = format!(
            "the label {name:?} is how the pods are selected, and a role must not change it: use a label of another name"
        );
        found.push(Problem::new(at.clone(), message));
    }
    found
}
