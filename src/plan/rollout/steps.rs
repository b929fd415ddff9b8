//! Where a canary is in its steps, and what weight the steps ask for. Pure arithmetic on the spec; knows no objects.

use crate::api::strategy::CanaryStep;

/// The step being carried out, `None` when all are done or there are none.
pub fn current(steps: &[CanaryStep], index: Option<i32>) -> Option<(usize, &CanaryStep)> {
    let index = usize::try_from(index.unwrap_or(0)).unwrap_or(0);
    steps.get(index).map(|step| (index, step))
}

/// The weight of the nearest `setWeight` at or before the current step; `weight_max` when the steps are done, 0 before the first.
pub fn weight(steps: &[CanaryStep], index: Option<i32>, weight_max: i32) -> i32 {
    let Some((index, _)) = current(steps, index) else {
        return weight_max;
    };
    weight_at_or_before(steps, index)
}

/// The weight of the nearest `setWeight` strictly before the current step, else 0.
pub fn weight_before(steps: &[CanaryStep], index: Option<i32>) -> i32 {
    let index = usize::try_from(index.unwrap_or(0)).unwrap_or(0).min(steps.len());
    if index == 0 {
        0
    } else {
        weight_at_or_before(steps, index - 1)
    }
}

fn weight_at_or_before(steps: &[CanaryStep], index: usize) -> i32 {
    steps[..=index]
        .iter()
        .rev()
        .find_map(|step| step.set_weight)
        .unwrap_or(0)
}

/// The canary's size when a `setCanaryScale` is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Replicas(i32),
    Weight(i32),
}

/// The `setCanaryScale` in force at the current step. `matchTrafficWeight: true` ends an earlier one; none once the steps are done.
pub fn scale(steps: &[CanaryStep], index: Option<i32>) -> Option<Scale> {
    let (index, _) = current(steps, index)?;
    let nearest = steps[..=index]
        .iter()
        .rev()
        .find_map(|step| step.set_canary_scale.as_ref())?;
    if nearest.match_traffic_weight {
        return None;
    }
    nearest
        .replicas
        .map(Scale::Replicas)
        .or(nearest.weight.map(Scale::Weight))
}

/// The step as people read it, in Argo Rollouts' spelling.
pub fn describe(step: &CanaryStep) -> String {
    if let Some(weight) = step.set_weight {
        return format!("setWeight: {weight}");
    }
    if let Some(pause) = &step.pause {
        return match &pause.duration {
            None => "pause".to_owned(),
            Some(duration) => format!("pause: {duration}"),
        };
    }
    if step.experiment.is_some() {
        return "experiment".to_owned();
    }
    if step.analysis.is_some() {
        return "analysis".to_owned();
    }
    if let Some(scale) = &step.set_canary_scale {
        return match (scale.weight, scale.match_traffic_weight, scale.replicas) {
            (Some(weight), ..) => format!("setCanaryScale{{weight: {weight}}}"),
            (_, true, _) => "setCanaryScale{matchTrafficWeight: true}".to_owned(),
            (.., replicas) => format!("setCanaryScale{{replicas: {}}}", replicas.unwrap_or(0)),
        };
    }
    if let Some(plugin) = &step.plugin {
        return format!("plugin: {}", plugin.name);
    }
    if let Some(route) = &step.set_header_route {
        return format!("setHeaderRoute: {}", route.name);
    }
    if let Some(route) = &step.set_mirror_route {
        return format!("setMirrorRoute: {}", route.name);
    }
    "invalid".to_owned()
}
