//! What the cluster looks like to somebody who watches: turns changes of objects into lines of the story, and
//! keeps what the verdicts need. Reads only what the API server serves, never what the controller thinks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::manifests::{arguments, fill};

/// The label that tells the versions apart.
pub const HASH: &str = "rollouts-pod-template-hash";

/// The kinds that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rollout,
    Route,
    Run,
    Pod,
}

/// Everything seen so far.
#[derive(Debug, Default)]
pub struct Scene {
    /// The Rollout as it is.
    pub rollout: Value,
    /// Weight of the canary in the route, with the time at which it was seen.
    pub weights: Vec<(Instant, i64)>,
    /// Every AnalysisRun.
    pub runs: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    step: String,
    told: BTreeSet<String>,
    pods_told: String,
}

impl Scene {
    /// Takes a change in; the lines that tell it.
    pub fn see(&mut self, kind: Kind, object: &Value, now: Instant) -> Vec<String> {
        match kind {
            Kind::Rollout => self.see_rollout(object),
            Kind::Route => self.see_route(object, now),
            Kind::Run => self.see_run(object),
            Kind::Pod => {
                self.pods.insert(name(object), object.clone());
                Vec::new()
            }
        }
    }

    /// An object is gone.
    pub fn lose(&mut self, kind: Kind, object: &Value) {
        if kind == Kind::Pod {
            self.pods.remove(&name(object));
        }
    }

    fn see_rollout(&mut self, object: &Value) -> Vec<String> {
        self.rollout = object.clone();
        let status = &object["status"];
        let steps = object
            .pointer("/spec/strategy/canary/steps")
            .and_then(Value::as_array);
        let (Some(steps), Some(index)) = (steps, status["currentStepIndex"].as_u64()) else {
            return Vec::new();
        };
        let updating = status["currentPodHash"] != status["stableRS"] && status["abort"] != true;
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(step) = steps.get(index).filter(|_| updating) else {
            return Vec::new();
        };
        let text = format!("step {} of {}: {}", index + 1, steps.len(), step_text(step));
        let here = format!("{} {text}", status["currentPodHash"]);
        if self.step == here {
            return Vec::new();
        }
        self.step = here;
        vec![text]
    }

    fn see_route(&mut self, object: &Value, now: Instant) -> Vec<String> {
        let Some((stable, canary)) = weights(object) else {
            return Vec::new();
        };
        if self.weights.last().is_some_and(|(_, last)| *last == canary) {
            return Vec::new();
        }
        self.weights.push((now, canary));
        let weights = format!("HTTPRoute: {stable} % to stable, {canary} % to the canary");
        self.pods_line().into_iter().chain([weights]).collect()
    }

    fn see_run(&mut self, object: &Value) -> Vec<String> {
        let run = name(object);
        let mut lines = Vec::new();
        if self.runs.insert(run.clone(), object.clone()).is_none() {
            let metrics = object.pointer("/spec/metrics").and_then(Value::as_array);
            let count = metrics.map_or(0, Vec::len);
            lines.push(format!("AnalysisRun {run} begins: {count} metrics"));
        }
        for result in list(&object["status"]["metricResults"]) {
            let metric = result["name"].as_str().unwrap_or_default();
            for measurement in list(&result["measurements"]) {
                let once = format!("{run} {metric} {}", measurement["startedAt"]);
                if !measurement["finishedAt"].is_null() && self.told.insert(once) {
                    lines.push(measurement_text(object, metric, measurement));
                }
            }
        }
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        let ended = !matches!(phase, "" | "Pending" | "Running");
        if ended && self.told.insert(format!("{run} ended")) {
            let message = object["status"]["message"].as_str().unwrap_or_default();
            let message = if message.is_empty() {
                String::new()
            } else {
                format!(": {message}")
            };
            lines.push(format!("AnalysisRun {run} is {phase}{message}"));
        }
        lines
    }

    /// A line about the pods if it says something new. To be asked now and then, not at every change.
    pub fn pods_line(&mut self) -> Option<String> {
        let mut versions: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
        for pod in self.pods.values() {
            let (ready, all, ending) = versions.entry(tag(pod)).or_default();
            *ending += usize::from(is_ending(pod));
            *all += usize::from(!is_ending(pod));
            *ready += usize::from(is_ready(pod));
        }
        let line = versions.iter().map(|(tag, counts)| counts_text(tag, *counts));
        let line = line.collect::<Vec<_>>().join("; ");
        if line == self.pods_told || line.is_empty() {
            return None;
        }
        self.pods_told.clone_from(&line);
        Some(format!("pods: {line}"))
    }

    /// How many pods of a version exist.
    pub fn pods_of(&self, hash: &str) -> usize {
        let of = |pod: &&Value| pod["metadata"]["labels"][HASH] == hash;
        self.pods.values().filter(of).count()
    }

    /// The canary's weight now.
    pub fn weight(&self) -> Option<i64> {
        self.weights.last().map(|(_, weight)| *weight)
    }

    /// A text of the Rollout's status.
    pub fn status(&self, field: &str) -> &str {
        self.rollout["status"][field].as_str().unwrap_or_default()
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The image of a pod without its registry.
fn tag(pod: &Value) -> String {
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    image.rsplit('/').next().unwrap_or_default().to_owned()
}

fn counts_text(tag: &str, (ready, all, ending): (usize, usize, usize)) -> String {
    match (all, ending) {
        (0, ending) => format!("{tag} {ending} ending"),
        (all, 0) => format!("{tag} {ready} of {all} ready"),
        (all, ending) => format!("{tag} {ready} of {all} ready and {ending} ending"),
    }
}

fn is_ending(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_ready(pod: &Value) -> bool {
    let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    !is_ending(pod) && list(&pod["status"]["conditions"]).iter().any(ready)
}

/// The weights of stable and canary. The example's names say which is which.
fn weights(route: &Value) -> Option<(i64, i64)> {
    let backends = list(route.pointer("/spec/rules/0/backendRefs")?);
    let of = |suffix: &str| {
        let found = backends
            .iter()
            .find(|one| one["name"].as_str().is_some_and(|name| name.ends_with(suffix)));
        found.and_then(|one| one["weight"].as_i64())
    };
    Some((of("-stable")?, of("-canary")?))
}

fn step_text(step: &Value) -> String {
    if let Some(weight) = step["setWeight"].as_i64() {
        return format!("set the weight to {weight} %");
    }
    if let Some(templates) = step.pointer("/analysis/templates") {
        let names = list(templates)
            .iter()
            .filter_map(|one| one["templateName"].as_str());
        return format!("analysis {}", names.collect::<Vec<_>>().join(", "));
    }
    match step.pointer("/pause/duration") {
        Some(duration) => format!("pause for {}", duration.as_str().unwrap_or("a while")),
        None => step.to_string(),
    }
}

/// `error-rate  0.0812  must be < 0.005  Failed`
fn measurement_text(run: &Value, metric: &str, measurement: &Value) -> String {
    let text = |field: &str| measurement[field].as_str().unwrap_or_default();
    let value = match text("value") {
        "" => text("message").to_owned(),
        value => number(value),
    };
    let threshold = threshold(run, metric);
    let line = format!("  {metric:<22} {value:>8}   {threshold:<18} {}", text("phase"));
    line.trim_end().to_owned()
}

/// `[0.000812345]` as `0.000812`.
fn number(value: &str) -> String {
    let plain = value.trim_matches(['[', ']']);
    match plain.parse::<f64>() {
        Ok(0.0) => "0".to_owned(),
        Ok(number) if number.abs() < 1.0 => format!("{number:.5}"),
        Ok(number) => format!("{number:.2}"),
        Err(_) => value.to_owned(),
    }
}

/// The bound in a metric's success condition, its arguments filled in.
fn threshold(run: &Value, metric: &str) -> String {
    let found = list(&run["spec"]["metrics"])
        .iter()
        .find(|one| one["name"] == metric);
    let condition = found
        .and_then(|one| one["successCondition"].as_str())
        .unwrap_or_default();
    let Some((_, bound)) = condition.rsplit_once("result[0] ") else {
        return "for comparison".to_owned();
    };
    let filled = arguments(&run["spec"]["args"])
        .fold(bound.to_owned(), |text, (name, value)| fill(&text, &name, &value));
    format!("must be {filled}")
}
