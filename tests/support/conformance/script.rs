//! The scripts as they are written down: reading the files, filling in the samples of templates, checking words.
//!
//! A script with `each: [configmaps, …]` is a template: it becomes one script for every kind named, with
//! `${kind}`, `${sample}` and the other values of that kind in `tests/conformance/samples.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The file of the values that templates are filled with; it holds no scripts.
const SAMPLES: &str = "samples";
/// The kind of the suite's own, whose schema has a rule of every sort.
const GADGET: &str = "gadget-crd";

/// One file of scripts.
#[derive(Debug)]
pub struct Topic {
    /// The file's name without its ending.
    pub name: String,
    pub scripts: Vec<Script>,
}

/// A short conversation, in namespaces of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The rule, as a sentence.
    pub name: String,
    /// Kinds of `samples.yaml` that this template is for.
    #[serde(default)]
    pub each: Vec<String>,
    /// What to print of every answer; all of it without this.
    #[serde(default)]
    pub show: Option<Vec<String>>,
    pub steps: Vec<Step>,
}

/// One request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `VERB KIND [NAME][/SUBRESOURCE]`, or `raw METHOD PATH`.
    #[serde(rename = "do")]
    pub request: String,
    /// Another namespace than the script's own; empty for all of them.
    #[serde(default, rename = "in")]
    pub namespace: Option<String>,
    #[serde(default)]
    pub body: Option<Value>,
    /// Content type: `merge`, `json`, `strategic`, `apply`, or one written out.
    #[serde(default, rename = "type")]
    pub content: Option<String>,
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// A name under which later steps refer to the answer: `${NAME.metadata.uid}`.
    #[serde(default, rename = "as")]
    pub saved: Option<String>,
    /// Paths to print, `*` for any one segment; instead of the script's.
    #[serde(default)]
    pub show: Option<Vec<String>>,
    /// Repeat until this status code is answered; only that answer is recorded.
    #[serde(default)]
    pub until: Option<u16>,
    /// How many events to read of a watch.
    #[serde(default)]
    pub events: Option<usize>,
    /// Send the body as it is, without `apiVersion` and `kind` filled in.
    #[serde(default)]
    pub bare: bool,
}

impl Script {
    /// Whether it needs a second namespace.
    pub fn uses_other(&self) -> bool {
        let needs = |step: &Step| {
            step.namespace.as_deref() == Some("${other}")
                || step
                    .body
                    .as_ref()
                    .is_some_and(|body| body.to_string().contains("${other}"))
        };
        self.steps.iter().any(needs)
    }
}

/// The folder of the scripts.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// Every topic, in the order of file names, templates filled in.
pub fn topics() -> Result<Vec<Topic>> {
    let samples: BTreeMap<String, BTreeMap<String, Value>> = read(&folder().join(format!("{SAMPLES}.yaml")))?;
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_some_and(|kind| kind == "yaml") && name != SAMPLES && name != GADGET {
            all.push(Topic {
                scripts: fill_all(read(&path)?, &samples)?,
                name,
            });
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    check(&all)?;
    Ok(all)
}

/// The custom kinds that the scripts speak about: the project's own and the suite's own.
pub fn crds() -> Result<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        ["rollout", "analysis-run", "analysis-template"].map(|name| root.join(format!("crds/{name}.yaml")));
    let own = folder().join(format!("{GADGET}.yaml"));
    files.iter().chain([&own]).map(|path| read(path)).collect()
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

fn fill_all(
    scripts: Vec<Script>,
    samples: &BTreeMap<String, BTreeMap<String, Value>>,
) -> Result<Vec<Script>> {
    let mut all = Vec::new();
    for script in scripts {
        if script.each.is_empty() {
            all.push(script);
            continue;
        }
        for kind in &script.each {
            let values = samples
                .get(kind)
                .with_context(|| format!("samples.yaml has no {kind}"))?;
            all.push(fill(&script, kind, values));
        }
    }
    Ok(all)
}

fn fill(script: &Script, kind: &str, values: &BTreeMap<String, Value>) -> Script {
    let mut values = values.clone();
    values.insert("kind".to_owned(), Value::String(kind.to_owned()));
    let mut script = script.clone();
    script.name = replace_text(&script.name, &values);
    for step in &mut script.steps {
        step.request = replace_text(&step.request, &values);
        if let Some(body) = &mut step.body {
            replace(body, &values);
        }
    }
    script
}

fn replace_text(text: &str, values: &BTreeMap<String, Value>) -> String {
    values
        .iter()
        .fold(text.to_owned(), |text, (name, value)| match value {
            Value::String(value) => text.replace(&format!("${{{name}}}"), value),
            _ => text,
        })
}

/// Replaces values that are exactly `${name}`; other placeholders stay for the runner.
fn replace(body: &mut Value, values: &BTreeMap<String, Value>) {
    match body {
        Value::String(text) => {
            let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            if let Some(value) = name.and_then(|name| values.get(name)) {
                *body = value.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, values)),
        _ => {}
    }
}

/// Two scripts of one name could not be told apart in the record.
fn check(topics: &[Topic]) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for script in topics.iter().flat_map(|topic| &topic.scripts) {
        if !names.insert(&script.name) {
            bail!("two scripts are named {:?}", script.name);
        }
    }
    Ok(())
}
