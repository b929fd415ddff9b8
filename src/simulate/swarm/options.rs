//! Three options and more at once: a seed draws them from the catalogue, and when what they bring happens; people and faults as in any
//! other case.

use super::case::{Case, Deed, Draw, Way, deeds, troubles};
use crate::base::seed::Seed;
use crate::simulate::options::{Choice, catalogue, compose, grounds, pairs};
use serde_json::{Value, json};
use std::time::Duration;

/// From this seed on the options of the catalogue are drawn.
pub const OPTIONS_FROM: u64 = 3_000_000;

/// How often another option is tried to be added.
const TRIES: u64 = 60;
/// How long it takes until a Rollout that is deleted without its pods is applied again.
const APPLIED_AGAIN: Duration = Duration::from_secs(6);

/// The case of a seed.
pub fn drawn(seed: u64) -> Case {
    let mut draw = Draw(Seed::new(seed ^ 0x0b71));
    let grounds: Vec<&'static Choice> = grounds().collect();
    let ground = draw.of(&grounds);
    let with = some(&mut draw, ground);
    let objects = compose::objects(ground, &with);
    let rollout = objects.last().cloned().unwrap_or_default();
    let workload = with.iter().any(|choice| choice.workload);
    let controllers = if draw.one_in(3) { 2 } else { 1 };
    let mut deeds = deeds(&mut draw);
    for choice in &with {
        deeds.extend(brought(&mut draw, choice, &rollout));
    }
    if workload {
        deeds.iter_mut().for_each(|(_, deed)| by_workload(deed));
    }
    deeds.sort_by_key(|(at, _)| *at);
    Case {
        seed,
        objects,
        controllers,
        way: match (ground.name.as_str(), ground.kind.as_str()) {
            ("gateway", _) => Way::Route,
            (_, "blueGreen") => Way::BlueGreen,
            _ => Way::Service,
        },
        deeds,
        faults: troubles(&mut draw),
    }
}

/// Three to five options that go together, in the order of the catalogue.
fn some(draw: &mut Draw, ground: &'static Choice) -> Vec<&'static Choice> {
    let (all, count) = (catalogue(), draw.of(&[3, 3, 4, 5]));
    let mut places: Vec<usize> = Vec::new();
    for _ in 0..TRIES {
        let place = usize::try_from(draw.below(all.len() as u64)).unwrap_or_default();
        let choice = &all[place];
        let refused = |other: &Choice| {
            other.refused.contains_key(&choice.name) || choice.refused.contains_key(&other.name)
        };
        let goes = |other: &Choice| !refused(other) && pairs::why_apart(choice, other).is_none();
        let fits = !choice.is_ground() && choice.suits(ground) && !places.contains(&place);
        if fits && places.iter().all(|one| goes(&all[*one])) {
            places.push(place);
        }
        if places.len() == count {
            break;
        }
    }
    places.sort_unstable();
    places.into_iter().map(|place| &all[place]).collect()
}

/// What an option brings, at some time.
fn brought(draw: &mut Draw, choice: &Choice, rollout: &Value) -> Vec<(Duration, Deed)> {
    let scenes = [
        &choice.before,
        &choice.there,
        &choice.during,
        &choice.finally,
        &choice.after,
    ];
    let mut deeds = Vec::new();
    for scenes in scenes.into_iter().filter(|scenes| !scenes.is_empty()) {
        let mut at = Duration::from_secs(30 + draw.below(230));
        for scene in scenes {
            let Some(deed) = deed(&scene["do"], rollout) else {
                continue;
            };
            deeds.push((at, deed));
            at += APPLIED_AGAIN + Duration::from_secs(draw.below(15));
        }
    }
    deeds
}

/// What a scene does; nothing where only a story can do it.
fn deed(does: &Value, rollout: &Value) -> Option<Deed> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match does.as_str() {
        Some("abort") => return Some(Deed::Abort),
        Some("retry") => return Some(Deed::Retry),
        Some("promote") => return Some(Deed::Promote),
        Some("promoteFull") => return Some(Deed::PromoteFull),
        Some("pause") => return Some(Deed::Pause(true)),
        Some("resume") => return Some(Deed::Pause(false)),
        _ => {}
    }
    let (name, what) = does.as_object()?.iter().next()?;
    match name.as_str() {
        "release" if what == "v1" => Some(Deed::Image("v1")),
        "release" => Some(Deed::Image("v3")),
        // A version that answers with errors from the beginning.
        "answer" => Some(Deed::Image("v4-errors30")),
        "scale" => what.as_u64().map(Deed::Scale),
        "editSpec" => Some(Deed::Edit(what.clone())),
        "apply" => Some(Deed::Apply(rollout.clone())),
        "delete" => Some(Deed::Delete {
            resource: text(&what["resource"]),
            name: text(&what["name"]),
            policy: text(&what["policy"]),
        }),
        _ => None,
    }
}

/// A release is made where the template is.
fn by_workload(deed: &mut Deed) {
    if let Deed::Image(tag) = deed {
        let merge = compose::release(tag, true)["patch"]["merge"].clone();
        let mut workload = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": super::NAME, "namespace": super::NAMESPACE}});
        workload["spec"] = merge["spec"].clone();
        *deed = Deed::Apply(workload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_of_this_range_has_three_options_or_more_that_go_together() {
        for seed in OPTIONS_FROM..OPTIONS_FROM + 300 {
            let mut draw = Draw(Seed::new(seed));
            let grounds: Vec<&'static Choice> = grounds().collect();
            let ground = draw.of(&grounds);
            let with = some(&mut draw, ground);
            assert!(with.len() >= 3, "seed {seed}: {}", with.len());
            for (at, one) in with.iter().enumerate() {
                assert!(one.suits(ground));
                let others = &with[at + 1..];
                assert!(others.iter().all(|other| pairs::why_apart(one, other).is_none()));
            }
        }
    }
}
