//! What the demo applies: the files of `examples/` as they are, with shorter times unless the real ones are
//! wanted.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::manifest::documents;

/// Every time that the demo shortens.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two measurements.
    pub interval: Duration,
    /// What a measurement looks back on.
    pub window: &'static str,
    /// Measurements of each metric.
    pub count: u32,
    /// How often the recording rules are evaluated.
    pub rules_every: &'static str,
    /// The Rollout's own times; none leaves what the example says.
    pub shorter: Option<Shorter>,
    /// How long one release may take.
    pub patience: Duration,
}

/// Times of the Rollout.
#[derive(Debug, Clone, Copy)]
pub struct Shorter {
    /// Of each pause step.
    pub pause: &'static str,
    /// Until the pods of a version without traffic go.
    pub scale_down_seconds: u32,
}

impl Pace {
    /// A release is judged in 15 seconds.
    pub const SHORT: Self = Self {
        interval: Duration::from_secs(5),
        window: "15s",
        count: 3,
        rules_every: "1s",
        shorter: Some(Shorter {
            pause: "3s",
            scale_down_seconds: 3,
        }),
        patience: Duration::from_secs(90),
    };

    /// The times of the examples.
    pub const REAL: Self = Self {
        interval: Duration::from_secs(60),
        window: "5m",
        count: 10,
        rules_every: "15s",
        shorter: None,
        patience: Duration::from_secs(40 * 60),
    };
}

/// The Rollout of the examples with its Services and its route.
pub fn application(pace: Pace) -> Result<Vec<Value>> {
    let mut all = documents(&read("examples/canary-gateway.yaml")?)?;
    let rollout = all.iter_mut().find(|one| one["kind"] == "Rollout");
    let rollout = rollout.context("examples/canary-gateway.yaml has no Rollout")?;
    if let Some(shorter) = pace.shorter {
        let canary = &mut rollout["spec"]["strategy"]["canary"];
        canary["scaleDownDelaySeconds"] = json!(shorter.scale_down_seconds);
        canary["abortScaleDownDelaySeconds"] = json!(shorter.scale_down_seconds);
        for step in canary["steps"].as_array_mut().into_iter().flatten() {
            if let Some(duration) = step.pointer_mut("/pause/duration") {
                *duration = json!(shorter.pause);
            }
        }
    }
    Ok(all)
}

/// The AnalysisTemplate of the examples, reading from `prometheus`.
pub fn template(pace: Pace, prometheus: &str) -> Result<Value> {
    let all = documents(&read("examples/analysis/canary-vs-stable.yaml")?)?;
    let mut template = all
        .into_iter()
        .next()
        .context("the example of a template is empty")?;
    let interval = format!("{}s", pace.interval.as_secs());
    let count = pace.count.to_string();
    for (name, value) in [
        ("prometheus", prometheus),
        ("window", pace.window),
        ("interval", &interval),
        ("initial-delay", &interval),
        ("count", &count),
    ] {
        let args = template["spec"]["args"].as_array_mut().into_iter().flatten();
        let arg = args.into_iter().find(|arg| arg["name"] == name);
        arg.with_context(|| format!("the example of a template has no argument {name}"))?["value"] =
            json!(value);
    }
    Ok(template)
}

/// The recording rules of the examples.
pub fn rules(pace: Pace) -> Result<String> {
    let rules = read("examples/analysis/recording-rules.yaml")?;
    let every = "interval: 15s";
    ensure!(
        rules.contains(every),
        "the example of recording rules is not evaluated every 15s any more"
    );
    let rules = rules.replace(every, &format!("interval: {}", pace.rules_every));
    Ok(rules.replace("5m", pace.window))
}

/// The query of a metric of `template`, its arguments filled in.
pub fn query(template: &Value, metric: &str, given: &[(&str, &str)]) -> Result<String> {
    let metrics = template["spec"]["metrics"].as_array().into_iter().flatten();
    let found = metrics.into_iter().find(|one| one["name"] == metric);
    let query = found.and_then(|one| one.pointer("/provider/prometheus/query"));
    let query = query
        .and_then(Value::as_str)
        .with_context(|| format!("no metric {metric}"))?;
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let filled = given.chain(arguments(&template["spec"]["args"]));
    Ok(filled.fold(query.to_owned(), |text, (name, value)| fill(&text, &name, &value)))
}

/// The value of an argument of `template`.
pub fn argument(template: &Value, name: &str) -> Result<f64> {
    let found = arguments(&template["spec"]["args"]).find(|(known, _)| known == name);
    let (_, value) = found.with_context(|| format!("no argument {name}"))?;
    Ok(value.parse()?)
}

/// Name and value of each argument that has a value.
pub fn arguments(args: &Value) -> impl Iterator<Item = (String, String)> {
    let args = args.as_array().cloned().unwrap_or_default();
    args.into_iter().filter_map(|arg| {
        Some((
            arg["name"].as_str()?.to_owned(),
            arg["value"].as_str()?.to_owned(),
        ))
    })
}

/// `text` with one argument filled in.
pub fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("{{{{args.{name}}}}}"), value)
}

fn read(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
}
