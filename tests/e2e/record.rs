//! Everything that happens in one namespace, by watches: what is there now, and how it came about. Tests wait for
//! a condition over it and are woken by changes; nothing is polled, and nothing that passes quickly is missed
//! unless the watch itself leaves it out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Kind, group and version, plural.
const KINDS: [(&str, &str, &str, &str); 6] = [
    ("Rollout", "argoproj.io", "v1alpha1", "rollouts"),
    ("AnalysisRun", "argoproj.io", "v1alpha1", "analysisruns"),
    ("ReplicaSet", "apps", "v1", "replicasets"),
    ("Pod", "", "v1", "pods"),
    ("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes"),
    ("Event", "", "v1", "events"),
];

/// The longest part of a story that is printed.
const LINES_MAX: usize = 120;

/// One change as it was seen.
#[derive(Debug, Clone)]
pub struct Change {
    pub at: Instant,
    pub kind: &'static str,
    pub name: String,
    /// `None` when the object went.
    pub object: Option<Value>,
}

/// What is there, and what was.
#[derive(Debug, Default)]
pub struct Seen {
    now: BTreeMap<(&'static str, String), Value>,
    pub history: Vec<Change>,
}

/// A running record.
pub struct Record {
    seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<u64>,
    began: Instant,
    _tasks: JoinSet<()>,
}

impl Seen {
    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        let found = self.now.iter().find(|((k, n), _)| *k == kind && n == name);
        found.map(|(_, object)| object)
    }

    /// All objects of a kind, sorted by name.
    pub fn all(&self, kind: &str) -> Vec<&Value> {
        let of = self.now.iter().filter(|((k, _), _)| *k == kind);
        of.map(|(_, object)| object).collect()
    }

    /// The ReplicaSet whose first container has the image tag.
    pub fn set_of(&self, tag: &str) -> Option<&Value> {
        self.all("ReplicaSet")
            .into_iter()
            .find(|set| tag_of(&set["spec"]["template"]["spec"]) == tag)
    }

    /// Names of the pods of a tag that are not on their way out.
    pub fn pods_of(&self, tag: &str) -> Vec<String> {
        let of = self
            .all("Pod")
            .into_iter()
            .filter(|pod| tag_of(&pod["spec"]) == tag);
        let staying = of.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        staying.map(|pod| text(&pod["metadata"]["name"])).collect()
    }

    /// Every value that `read` took over the versions of an object, in order, repeats left out.
    pub fn values<T: PartialEq>(&self, kind: &str, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let of = self
            .history
            .iter()
            .filter(|change| change.kind == kind && change.name == name);
        let mut values: Vec<T> = of.filter_map(|change| read(change.object.as_ref()?)).collect();
        values.dedup();
        values
    }

    fn note(&mut self, kind: &'static str, name: String, object: Option<Value>) {
        match &object {
            Some(object) => drop(self.now.insert((kind, name.clone()), object.clone())),
            None => drop(self.now.remove(&(kind, name.clone()))),
        }
        self.history.push(Change {
            at: Instant::now(),
            kind,
            name,
            object,
        });
    }
}

impl Record {
    /// Begins to watch.
    pub fn start(client: &Client, namespace: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (count, changed) = watch::channel(0);
        let count = Arc::new(count);
        let mut tasks = JoinSet::new();
        for (kind, group, version, plural) in KINDS {
            let resource =
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            tasks.spawn(follow(api, kind, seen.clone(), count.clone()));
        }
        Self {
            seen,
            changed,
            began: Instant::now(),
            _tasks: tasks,
        }
    }

    /// Looks at what was seen so far.
    pub fn look<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&lock(&self.seen))
    }

    /// Waits until `check` gives a value, looking after every change; `check` must use what it is given and not look
    /// by itself, which would wait for itself. `Err` is what was missing at the end.
    pub async fn until<T>(
        &self,
        deadline: Duration,
        mut check: impl FnMut(&Seen) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut changed = self.changed.clone();
        let end = tokio::time::Instant::now() + deadline;
        loop {
            changed.borrow_and_update();
            let missing = match check(&lock(&self.seen)) {
                Ok(value) => return Ok(value),
                Err(missing) => missing,
            };
            if !matches!(tokio::time::timeout_at(end, changed.changed()).await, Ok(Ok(()))) {
                return Err(missing);
            }
        }
    }

    /// As [`Record::until`], for tests: panics with what was missing.
    pub async fn wait<T>(
        &self,
        deadline: Duration,
        what: &str,
        check: impl FnMut(&Seen) -> Result<T, String>,
    ) -> T {
        let found = self.until(deadline, check).await;
        found.unwrap_or_else(|missing| panic!("{what}: not within {deadline:?}; {missing}"))
    }

    /// See [`Seen::values`].
    pub fn values<T: PartialEq>(&self, kind: &str, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        self.look(|seen| seen.values(kind, name, read))
    }

    /// All changes but those of pods, one line each, for the message of a failed test.
    pub fn story(&self) -> String {
        self.look(|seen| {
            let told = seen.history.iter().filter(|change| change.kind != "Pod");
            let lines: Vec<String> = told.map(|change| line(change, self.began)).collect();
            let mut story = lines[lines.len().saturating_sub(LINES_MAX)..].join("\n");
            story.push('\n');
            for ((kind, name), object) in &seen.now {
                if matches!(*kind, "Rollout" | "AnalysisRun") {
                    let _ = writeln!(story, "{kind} {name}: {}", object["status"]);
                }
            }
            story
        })
    }
}

async fn follow(
    api: Api<DynamicObject>,
    kind: &'static str,
    seen: Arc<Mutex<Seen>>,
    count: Arc<watch::Sender<u64>>,
) {
    let mut stream = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    while let Some(event) = stream.next().await {
        let (object, there) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => (object, true),
            Ok(Event::Delete(object)) => (object, false),
            Ok(_) => continue,
            // The API server is away; the watcher goes on where it was.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let name = object.name_any();
        let value = there.then(|| serde_json::to_value(&object).unwrap_or_default());
        lock(&seen).note(kind, name, value);
        count.send_modify(|count| *count += 1);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tag of the first container's image.
pub fn tag_of(pod_spec: &Value) -> &str {
    let image = pod_spec["containers"][0]["image"].as_str().unwrap_or_default();
    image.rsplit(':').next().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One change in one line.
fn line(change: &Change, began: Instant) -> String {
    let at = change.at.saturating_duration_since(began).as_secs_f64();
    let head = format!("{at:7.2} s {} {}", change.kind, change.name);
    let Some(object) = &change.object else {
        return format!("{head}: gone");
    };
    let status = &object["status"];
    let tail = match change.kind {
        "Rollout" => format!(
            "{} '{}' step {} weights {} abort {}",
            status["phase"],
            text(&status["message"]),
            status["currentStepIndex"],
            status["canary"]["weights"]["canary"]["weight"],
            status["abort"]
        ),
        "AnalysisRun" => {
            let last = |result: &Value| {
                let last = result["measurements"].as_array().and_then(|all| all.last());
                let last = last.cloned().unwrap_or_default();
                format!("{} {} {}", text(&result["name"]), last["phase"], last["value"])
            };
            let results = status["metricResults"].as_array();
            let results: Vec<String> = results.into_iter().flatten().map(last).collect();
            format!("{} {} {results:?}", status["phase"], text(&status["message"]))
        }
        "ReplicaSet" => format!(
            "{} wants {} has {} ready {}",
            tag_of(&object["spec"]["template"]["spec"]),
            object["spec"]["replicas"],
            status["replicas"],
            status["readyReplicas"]
        ),
        "HTTPRoute" => object["spec"]["rules"].to_string(),
        "Event" => format!("{} {}", text(&object["reason"]), text(&object["message"])),
        _ => String::new(),
    };
    format!("{head}: {tail}")
}
