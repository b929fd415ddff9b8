//! What is wrong with a story that could be read, with the mend.

use super::{Deed, Dictated, Scene, Story, Version, duration};
use crate::simulate::faults;
use serde_json::Value;
use std::collections::BTreeMap;

const PHASES: [&str; 5] = ["Healthy", "Progressing", "Paused", "Degraded", "Gone"];
const PODS: [&str; 6] = [
    "ready",
    "never-ready",
    "crash",
    "no-image",
    "slow-start",
    "flapping",
];

impl Story {
    /// The first thing that is wrong, with the mend.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.title.trim().is_empty() {
            return Err("title: say the rule that the story shows, in one line".into());
        }
        for (number, stream) in self.traffic.iter().enumerate() {
            let given = [
                &stream.route,
                &stream.ingress,
                &stream.virtual_service,
                &stream.service,
            ];
            if given.into_iter().flatten().count() != 1 {
                return Err(format!(
                    "traffic[{number}]: name the one `route`, `ingress`, `virtualService` or `service` that the requests come by"
                ));
            }
        }
        versions(&self.versions).map_err(|why| format!("versions.{why}"))?;
        metrics(&self.metrics).map_err(|why| format!("metrics{why}"))?;
        for (number, scene) in self.timeline.iter().enumerate() {
            self.check_scene(scene)
                .map_err(|why| format!("timeline[{number}].{why}"))?;
        }
        duration(&self.ends.within).map_err(|why| format!("ends.within: {why}"))?;
        phase(&self.ends.phase).map_err(|why| format!("ends.phase: {why}"))?;
        self.rollout_key().map(|_| ())
    }

    fn check_scene(&self, scene: &Scene) -> Result<(), String> {
        for (field, text) in [("at", &scene.at), ("after", &scene.after)] {
            time(field, text.as_deref())?;
        }
        let expected = scene.expect.as_ref().and_then(|expect| expect.phase.as_deref());
        phase(expected.unwrap_or("Healthy")).map_err(|why| format!("expect.phase: {why}"))?;
        match &scene.does {
            Deed::Fault(strike) => {
                known_fault(&strike.name).map_err(|why| format!("do.fault.name: {why}"))?;
                time("do.fault.for", strike.lasts.as_deref())
            }
            Deed::Crash(crash) => {
                self.replica(&crash.replica)
                    .map_err(|why| format!("do.crash.replica: {why}"))?;
                time("do.crash.back", crash.back.as_deref())
            }
            Deed::Stop(name) => self.replica(name).map_err(|why| format!("do.stop: {why}")),
            Deed::Start(name) => self.replica(name).map_err(|why| format!("do.start: {why}")),
            Deed::Answer(all) => versions(all).map_err(|why| format!("do.answer.{why}")),
            Deed::Metrics(all) => metrics(all).map_err(|why| format!("do.metrics{why}")),
            Deed::PrometheusDown(lasts) => time("do.prometheusDown", Some(lasts)),
            Deed::SelfHeal(heal) => time("do.selfHeal.every", Some(&heal.every)),
            _ => Ok(()),
        }
    }

    /// Whether this is a replica of the controller.
    fn replica(&self, name: &str) -> Result<(), String> {
        let letters = ('a'..='z').take(self.replicas);
        let names: Vec<String> = letters.map(|letter| format!("serin-{letter}")).collect();
        match names.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(format!(
                "no replica {name:?}; with `replicas: {}` there is {}",
                self.replicas,
                names.join(", ")
            )),
        }
    }
}

fn time(field: &str, text: Option<&str>) -> Result<(), String> {
    let checked = text.map(duration).transpose();
    checked.map(|_| ()).map_err(|why| format!("{field}: {why}"))
}

fn phase(name: &str) -> Result<(), String> {
    match PHASES.contains(&name) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no phase; write one of {}",
            PHASES.join(", ")
        )),
    }
}

fn known_fault(name: &str) -> Result<(), String> {
    if faults::entry(name).is_some() {
        return Ok(());
    }
    let part = name.split('-').next().unwrap_or_default();
    let like = faults::CATALOGUE
        .iter()
        .filter(|entry| !part.is_empty() && entry.name.contains(part));
    let like: Vec<&str> = like.map(|entry| entry.name).take(8).collect();
    Err(match like.is_empty() {
        true => format!("no fault is named {name:?}"),
        false => format!("no fault is named {name:?}; there are {}", like.join(", ")),
    })
}

fn versions(all: &BTreeMap<String, Version>) -> Result<(), String> {
    for (tag, version) in all {
        if version.errors.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(format!("{tag}.errors: a share from 0 to 1, not percent"));
        }
        let pods = version.pods.as_deref().unwrap_or("ready");
        if !PODS.contains(&pods) {
            return Err(format!(
                "{tag}.pods: {pods:?} is unknown; write one of {}",
                PODS.join(", ")
            ));
        }
        time(&format!("{tag}.after"), version.after.as_deref())?;
    }
    Ok(())
}

fn metrics(all: &[Dictated]) -> Result<(), String> {
    for (number, one) in all.iter().enumerate() {
        if one.query.is_empty() {
            return Err(format!(
                "[{number}].query: name a part of the query that is answered so"
            ));
        }
        let said = [one.value.is_some(), one.none, one.status.is_some(), one.scraped];
        if said.into_iter().filter(|said| *said).count() != 1 {
            return Err(format!(
                "[{number}]: say exactly one of `value`, `none: true`, `status` and `scraped: true`"
            ));
        }
        if let Some(value) = &one.value {
            number_of(value).ok_or_else(|| {
                format!("[{number}].value: {value} is no number; write one, or NaN, +Inf or -Inf")
            })?;
        }
    }
    Ok(())
}

/// The number that a story writes as one or as text.
pub fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.parse().ok(),
        // JSON has no such numbers, and YAML's `.nan` arrives as nothing.
        Value::Null => Some(f64::NAN),
        number => number.as_f64(),
    }
}
