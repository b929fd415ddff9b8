//! A story as users write it: objects, what happens when, and what must be true at the end. Reads and checks it; plays nothing.

mod check;
mod told;

use crate::base::gotime::parse_duration;
use crate::base::json::merge_apply;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use check::number_of;

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Story {
    /// The rule it shows, in one line.
    pub title: String,
    /// What it is about, and where it is known from.
    #[serde(default)]
    pub about: String,
    /// Files with manifests, relative to the story. An object of the same kind and name as an earlier one is merged into that.
    #[serde(default)]
    pub manifests: Vec<PathBuf>,
    /// Objects besides, created after those of the files, or merged into one of the same kind and name.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// Name of the Rollout it is about; may be left out when there is one only.
    #[serde(default)]
    pub rollout: String,
    #[serde(default)]
    pub traffic: Vec<Stream>,
    /// How images answer, by a part of their tag; without an entry an image is good.
    #[serde(default)]
    pub versions: BTreeMap<String, Version>,
    /// What Prometheus says to some queries from the beginning, whatever was scraped.
    #[serde(default)]
    pub metrics: Vec<Dictated>,
    /// Replicas of the controller: `serin-a`, `serin-b`, …; with more than one they elect a leader.
    #[serde(default = "one")]
    pub replicas: usize,
    /// What happens, in order.
    #[serde(default)]
    pub timeline: Vec<Scene>,
    pub ends: Ends,
}

fn one() -> usize {
    1
}

/// Requests of users.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Stream {
    /// Name of the HTTPRoute that they come by; or of one of the next three.
    pub route: Option<String>,
    /// Of NGINX or of an AWS load balancer: the one that leads to the stable or to the root Service.
    pub ingress: Option<String>,
    pub virtual_service: Option<String>,
    pub service: Option<String>,
    pub namespace: Option<String>,
    pub per_second: f64,
}

/// How an image answers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Version {
    /// Share of requests answered with an error: 0 to 1.
    pub errors: Option<f64>,
    /// Seconds, at the median and at the 99th percentile.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    /// Reports no metrics.
    pub silent: bool,
    /// Holds only for pods at least this old (`3m`): a leak.
    pub after: Option<String>,
    /// Its pods: `ready` (as they are by default), `never-ready`, `crash` (with `after`: only once they are so old), `no-image`,
    /// `slow-start` (2 minutes), `flapping` (20 seconds not ready out of 40).
    pub pods: Option<String>,
}

/// What Prometheus says to a query. One of `value`, `none`, `status` and `scraped`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Dictated {
    /// Every query that contains this text.
    pub query: String,
    /// One series with this value: a number, `NaN`, `+Inf` or `-Inf`.
    pub value: Option<Value>,
    /// True: no series.
    pub none: bool,
    /// An HTTP status, and the body that comes with it.
    pub status: Option<u16>,
    pub body: String,
    /// True: what was scraped, as without any dictation.
    pub scraped: bool,
}

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scene {
    /// When: a condition of the Rollout. Without `when`, `at` or `after`, at once.
    #[serde(default)]
    pub when: Option<When>,
    /// Time since the beginning of the story.
    #[serde(default)]
    pub at: Option<String>,
    /// Time after the scene before, or after `when` has come true.
    #[serde(default)]
    pub after: Option<String>,
    /// What must be true then, before anything is done.
    #[serde(default)]
    pub expect: Option<Expect>,
    #[serde(rename = "do", default)]
    pub does: Deed,
    /// The deed must be refused, by the API server or by the command, with this text in the answer.
    #[serde(default)]
    pub refused: Option<String>,
}

/// A condition of the Rollout.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum When {
    Healthy,
    Paused,
    Degraded,
    Progressing,
    /// At this step of the canary, from 0, and not before the last deed was seen.
    Step(i64),
    /// The canary's weight in the route is at least this.
    Weight(i64),
    /// An AnalysisRun is running.
    Analysing,
    /// The stable version is that of this image tag.
    Stable(String),
    /// The status message contains this.
    Message(String),
    /// There is no such Rollout any more.
    Gone,
}

/// What somebody does, or what happens to the world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deed {
    /// A new image tag for the first container.
    SetImage(String),
    Abort,
    Retry,
    Promote,
    PromoteFull,
    SkipStep,
    /// `spec.paused`.
    Pause,
    Resume,
    /// `spec.replicas`, as a person or an autoscaler writes it.
    Scale(i64),
    /// A merge patch of the Rollout's spec.
    EditSpec(Value),
    /// A merge patch of any object.
    Patch(Patch),
    /// Creates or merges an object, as `kubectl apply`.
    Apply(Value),
    Delete(Target),
    /// A fault from the catalogue begins.
    Fault(Strike),
    /// All faults end.
    Heal,
    Crash(Crash),
    /// SIGTERM for a replica of the controller.
    Stop(String),
    Start(String),
    /// Users' requests per second from now on.
    Rate(f64),
    /// How an image answers from now on.
    Answer(BTreeMap<String, Version>),
    /// Somebody sets the weights of the router by hand: Service or subset to weight.
    SetWeights(BTreeMap<String, i64>),
    /// All pods of this image tag are gone at once, as when their nodes are lost.
    LosePods(String),
    /// What Prometheus says to some queries from now on.
    Metrics(Vec<Dictated>),
    /// Prometheus is down for so long: it refuses connections, scrapes nothing, and does not know afterwards what happened.
    PrometheusDown(String),
    /// A GitOps tool puts this object back to what Git says, from now on, again and again.
    SelfHeal(SelfHeal),
    /// No more pods than this may be in the namespace: a quota. `null` lifts it.
    Quota(Option<usize>),
    /// What a HorizontalPodAutoscaler measures from now on, in the unit of its target.
    Load(Measured),
    /// Nothing: to wait for a moment.
    #[default]
    Nothing,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SelfHeal {
    pub every: String,
    pub object: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Measured {
    pub autoscaler: String,
    pub value: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Patch {
    /// `plural.group`, or `plural` in the core group.
    pub resource: String,
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub subresource: String,
    pub merge: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    pub resource: String,
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
    /// `Foreground`, `Orphan`; in the background by default.
    #[serde(default)]
    pub policy: String,
}

/// A fault of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Strike {
    pub name: String,
    /// How long; until the end of the story when left out.
    #[serde(default, rename = "for")]
    pub lasts: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Crash {
    pub replica: String,
    /// Until it starts again; never when left out.
    #[serde(default)]
    pub back: Option<String>,
}

/// What must be true at some moment. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Expect {
    /// The Rollout's phase, or `Gone`.
    pub phase: Option<String>,
    /// Tag of the stable version's image.
    pub stable: Option<String>,
    /// The canary's weight in the route.
    pub weight: Option<i64>,
    /// Index of the current step, from 0.
    pub step: Option<i64>,
    /// Pods of all versions that are available.
    pub available: Option<i64>,
    /// Versions whose ReplicaSets are still there.
    pub revisions: Option<usize>,
    /// Parts of the status message.
    pub message: Vec<String>,
    /// Conditions of the Rollout by type, each with its status: `True`, `False`, `Unknown`, or `Absent`.
    pub conditions: BTreeMap<String, String>,
    /// Parts of Events' messages, each in some Event of the namespace.
    pub events: Vec<String>,
    /// Objects that must be there, by kind and name, with at least these fields. Lists must have as many items, each with at least
    /// these fields.
    pub objects: Vec<Value>,
}

/// What must be true at the end, and for a minute from then on. What is left out may be anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ends {
    /// As in `expect`, here and in the next ones.
    pub phase: String,
    #[serde(default)]
    pub stable: Option<String>,
    #[serde(default)]
    pub weight: Option<i64>,
    #[serde(default)]
    pub step: Option<i64>,
    #[serde(default)]
    pub available: Option<i64>,
    #[serde(default)]
    pub revisions: Option<usize>,
    #[serde(default)]
    pub message: Vec<String>,
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub objects: Vec<Value>,
    /// The longest it may take after the last scene.
    #[serde(default = "half_an_hour")]
    pub within: String,
    /// Parts of what Slack was told, each in some message.
    #[serde(default)]
    pub slack: Vec<String>,
    /// How many messages Slack got, neither more nor fewer.
    #[serde(default)]
    pub slack_messages: Option<usize>,
    /// The most requests of users that may have found nobody to take them.
    #[serde(default)]
    pub refused_max: Option<f64>,
    /// The most errors that users may have got, from all versions.
    #[serde(default)]
    pub errors_max: Option<f64>,
    /// The canary never had more weight than this in the route.
    #[serde(default)]
    pub weight_max: Option<i64>,
}

impl Ends {
    /// What must hold at the last moment.
    pub fn expect(&self) -> Expect {
        Expect {
            phase: Some(self.phase.clone()),
            stable: self.stable.clone(),
            weight: self.weight,
            step: self.step,
            available: self.available,
            revisions: self.revisions,
            message: self.message.clone(),
            conditions: self.conditions.clone(),
            events: self.events.clone(),
            objects: self.objects.clone(),
        }
    }
}

fn half_an_hour() -> String {
    "30m".into()
}

/// What is wrong with a story.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{}: {cause}", path.display())]
    Malformed { path: PathBuf, cause: String },
}

impl Story {
    /// Reads a story and the manifests it names.
    ///
    /// # Errors
    /// When a file cannot be read or understood, with the field and the mend.
    pub fn read(path: &Path) -> Result<Self, StoryError> {
        Self::read_with(path, Vec::new())
    }

    /// Reads a story about these objects, beside those that it has itself.
    ///
    /// # Errors
    /// As of [`Story::read`].
    pub fn read_with(path: &Path, mut objects: Vec<Value>) -> Result<Self, StoryError> {
        let text = read(path)?;
        let malformed = |cause: String| StoryError::Malformed {
            path: path.to_owned(),
            cause,
        };
        let mut story: Story = serde_saphyr::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for manifest in &story.manifests {
            for object in manifests(&folder.join(manifest))? {
                place(&mut objects, object);
            }
        }
        for object in std::mem::take(&mut story.objects) {
            place(&mut objects, object);
        }
        story.objects = objects;
        story.check().map_err(malformed)?;
        Ok(story)
    }

    /// Namespace and name of the Rollout it is about.
    ///
    /// # Errors
    /// When that is not clear.
    pub fn rollout_key(&self) -> Result<(String, String), String> {
        let text = |value: &Value, default: &str| value.as_str().unwrap_or(default).to_owned();
        let mut keys = self
            .objects
            .iter()
            .filter(|object| object["kind"] == "Rollout")
            .map(|object| {
                let meta = &object["metadata"];
                (text(&meta["namespace"], "default"), text(&meta["name"], ""))
            });
        if self.rollout.is_empty() {
            let first = keys
                .next()
                .ok_or("no Rollout among the manifests: name a file with one")?;
            return match keys.next() {
                None => Ok(first),
                Some(_) => Err("several Rollouts among the manifests: name one in `rollout`".into()),
            };
        }
        keys.find(|(namespace, name)| *name == self.rollout || format!("{namespace}/{name}") == self.rollout)
            .ok_or_else(|| format!("rollout: no Rollout {:?} among the manifests", self.rollout))
    }
}

/// Adds an object, or merges it into the one that it means.
fn place(objects: &mut Vec<Value>, object: Value) {
    let name = |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone());
    match objects.iter_mut().find(|known| name(known) == name(&object)) {
        Some(known) => merge_apply(known, &object),
        None => objects.push(object),
    }
}

fn read(path: &Path) -> Result<String, StoryError> {
    std::fs::read_to_string(path).map_err(|cause| StoryError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}

/// The objects of a file with YAML documents.
///
/// # Errors
/// When it cannot be read or understood.
pub fn manifests(path: &Path) -> Result<Vec<Value>, StoryError> {
    let text = read(path)?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).map_err(|error| StoryError::Malformed {
            path: path.to_owned(),
            cause: error.to_string(),
        })?;
    let mut objects = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        match document["items"].as_array() {
            Some(items) if document["kind"] == "List" => objects.extend(items.iter().cloned()),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

/// A duration in Go's form.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed =
        parse_duration(text).ok_or_else(|| format!("{text:?} is no duration; write 30s, 5m or 1h30m"))?;
    parsed.to_std().map_err(|_| format!("{text:?} is negative"))
}
