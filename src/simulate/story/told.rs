//! Deeds in words.

use super::{Deed, Dictated, Version};
use serde_json::Value;
use std::collections::BTreeMap;

impl Deed {
    /// Who does it: a person, a program, or the world.
    pub fn who(&self) -> &'static str {
        match self {
            Deed::SetImage(_) => "pipeline",
            Deed::Scale(_) => "autoscaler",
            Deed::SelfHeal(_) => "gitops",
            Deed::Fault(_)
            | Deed::Heal
            | Deed::Crash(_)
            | Deed::Stop(_)
            | Deed::Start(_)
            | Deed::Rate(_)
            | Deed::Answer(_)
            | Deed::LosePods(_)
            | Deed::Metrics(_)
            | Deed::PrometheusDown(_)
            | Deed::Quota(_)
            | Deed::Load(_)
            | Deed::Nothing => "world",
            _ => "person",
        }
    }

    /// What is done, as the rest of a sentence that begins with who does it.
    pub fn told(&self) -> String {
        match self {
            Deed::SetImage(tag) => format!("sets the image to {tag}"),
            Deed::Abort => "aborts".into(),
            Deed::Retry => "retries".into(),
            Deed::Promote => "promotes".into(),
            Deed::PromoteFull => "promotes past all steps".into(),
            Deed::SkipStep => "skips the step".into(),
            Deed::Pause => "pauses the Rollout".into(),
            Deed::Resume => "ends the pause of the Rollout".into(),
            Deed::Scale(replicas) => format!("sets replicas to {replicas}"),
            Deed::EditSpec(spec) => format!("edits the spec: {spec}"),
            Deed::Patch(patch) => format!("edits {} {}: {}", short(&patch.resource), patch.name, patch.merge),
            Deed::Apply(object) => format!("applies {}", object_of(object)),
            Deed::Delete(target) => format!("deletes {} {}", short(&target.resource), target.name),
            Deed::SetWeights(weights) => {
                let all: Vec<String> = weights
                    .iter()
                    .map(|(name, weight)| format!("{name} {weight}"))
                    .collect();
                format!("sets the route's weights by hand: {}", all.join(", "))
            }
            Deed::SelfHeal(heal) => format!("puts {} back every {}", object_of(&heal.object), heal.every),
            other => other.told_of_the_world(),
        }
    }

    fn told_of_the_world(&self) -> String {
        match self {
            Deed::Fault(strike) => match &strike.lasts {
                Some(lasts) => format!("suffers {} for {lasts}", strike.name),
                None => format!("suffers {}", strike.name),
            },
            Deed::Heal => "heals".into(),
            Deed::Crash(crash) => match &crash.back {
                Some(back) => format!("crashes {}, which is back after {back}", crash.replica),
                None => format!("crashes {} for good", crash.replica),
            },
            Deed::Stop(replica) => format!("stops {replica}"),
            Deed::Start(replica) => format!("starts {replica}"),
            Deed::Rate(rate) => format!("sends {rate} requests a second from now on"),
            Deed::Answer(versions) => format!("lets versions answer anew: {}", answers(versions)),
            Deed::LosePods(tag) => format!("loses the nodes under all pods of {tag}"),
            Deed::Metrics(all) => {
                let all: Vec<String> = all.iter().map(dictated).collect();
                format!("makes Prometheus say {}", all.join(", "))
            }
            Deed::PrometheusDown(lasts) => format!("loses Prometheus for {lasts}"),
            Deed::Quota(Some(pods)) => format!("allows no more than {pods} pods in the namespace"),
            Deed::Quota(None) => "allows any number of pods again".into(),
            Deed::Load(load) => format!("makes autoscaler {} measure {}", load.autoscaler, load.value),
            _ => "goes on".into(),
        }
    }
}

fn short(resource: &str) -> &str {
    resource.split('.').next().unwrap_or_default()
}

fn object_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn dictated(one: &Dictated) -> String {
    let what = match (&one.value, one.status) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(value), _) => value.to_string(),
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) if one.none => "nothing".into(),
        (None, None) => "what it scraped".into(),
    };
    format!("{what} to {:?}", one.query)
}

fn answers(versions: &BTreeMap<String, Version>) -> String {
    let of = |(tag, version): (&String, &Version)| {
        let mut parts = Vec::new();
        if let Some(errors) = version.errors {
            parts.push(format!("{} % errors", errors * 100.0));
        }
        if let Some(p99) = version.p99 {
            parts.push(format!("P99 {p99} s"));
        }
        if version.silent {
            parts.push("no metrics".into());
        }
        if let Some(pods) = &version.pods {
            parts.push(format!("pods {pods}"));
        }
        format!("{tag} {}", parts.join(" and "))
    };
    versions.iter().map(of).collect::<Vec<_>>().join(", ")
}
