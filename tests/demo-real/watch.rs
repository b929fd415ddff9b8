//! Follows the cluster and Slack, tells what happens as it happens, and lets others wait for the scene to be
//! as they want it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use futures::StreamExt;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::Value;
use serin::notify::slack::{Message, render_text};
use tokio::task::JoinSet;

use crate::scene::{Kind, Scene};
use crate::support::slack::Slack;
use crate::support::wait::within;
use crate::tell::Tell;

const RETRY: Duration = Duration::from_millis(200);

/// How long the pods must be the same before a line about them is worth it.
const PODS_EVERY: Duration = Duration::from_millis(400);

const SLACK_EVERY: Duration = Duration::from_millis(100);

/// The running watcher. Dropping it ends the telling.
pub struct Watch {
    scene: Arc<Mutex<Scene>>,
    /// How many messages of Slack were told.
    letters: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Begins to tell what happens in `namespace` and in Slack.
    pub fn start(client: &Client, namespace: &str, slack: Arc<Slack>, tell: Tell) -> Self {
        let scene = Arc::new(Mutex::new(Scene::default()));
        let mut tasks = JoinSet::new();
        for (kind, group, version, name) in [
            (Kind::Rollout, "argoproj.io", "v1alpha1", "Rollout"),
            (Kind::Run, "argoproj.io", "v1alpha1", "AnalysisRun"),
            (Kind::Route, "gateway.networking.k8s.io", "v1", "HTTPRoute"),
            (Kind::Pod, "", "v1", "Pod"),
        ] {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name));
            let api = Api::namespaced_with(client.clone(), namespace, &resource);
            tasks.spawn(follow(kind, api, scene.clone(), tell));
        }
        tasks.spawn(tell_pods(scene.clone(), tell));
        let letters = Arc::new(AtomicUsize::new(0));
        tasks.spawn(tell_slack(slack, letters.clone(), tell));
        Self {
            scene,
            letters,
            _tasks: tasks,
        }
    }

    /// Reads the scene.
    pub fn with<T>(&self, read: impl FnOnce(&Scene) -> T) -> T {
        read(&self.scene.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a message that begins with `word` and names `tag` as the new version is in Slack, and was told.
    pub async fn until_posted(&self, slack: &Slack, word: &str, tag: &str) -> Result<()> {
        let is_it = |text: &str| text.starts_with(word) && text.contains(&format!("→ {tag}"));
        let waited = within(Duration::from_secs(20), || async {
            let posted = slack.messages();
            let there = posted.iter().any(|one| is_it(&one.text));
            let all_told = self.letters.load(Ordering::Relaxed) >= posted.len();
            if there && all_told {
                Ok(())
            } else {
                Err(posted.len())
            }
        });
        waited
            .await
            .map_err(|posted| anyhow!("Slack was not told \"{word}\" of {tag}, only {posted} other messages"))
    }

    /// Waits until `holds` for the scene; after `deadline` an error with `what`.
    pub async fn until(&self, deadline: Duration, what: &str, holds: impl Fn(&Scene) -> bool) -> Result<()> {
        let waited = within(deadline, || async {
            if self.with(&holds) { Ok(()) } else { Err(what) }
        });
        waited
            .await
            .map_err(|what| anyhow!("{what}: not within {deadline:?}"))
    }
}

async fn follow(kind: Kind, api: Api<DynamicObject>, scene: Arc<Mutex<Scene>>, tell: Tell) {
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let now = Instant::now();
        let lines = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                lock(&scene).see(kind, &json(&object), now)
            }
            Ok(Event::Delete(object)) => {
                lock(&scene).lose(kind, &json(&object));
                continue;
            }
            Ok(Event::Init | Event::InitDone) => continue,
            Err(_) => {
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        lines.iter().for_each(|line| tell.line(line));
    }
}

fn lock(scene: &Mutex<Scene>) -> std::sync::MutexGuard<'_, Scene> {
    scene.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

async fn tell_pods(scene: Arc<Mutex<Scene>>, tell: Tell) {
    let mut ticks = tokio::time::interval(PODS_EVERY);
    loop {
        ticks.tick().await;
        let line = lock(&scene).pods_line();
        if let Some(line) = line {
            tell.line(&line);
        }
    }
}

/// Prints each message once, and again when it was edited.
async fn tell_slack(slack: Arc<Slack>, letters: Arc<AtomicUsize>, tell: Tell) {
    let mut told: Vec<(String, String)> = Vec::new();
    let mut ticks = tokio::time::interval(SLACK_EVERY);
    loop {
        ticks.tick().await;
        for posted in slack.messages() {
            let message = Message {
                text: posted.text.clone(),
                blocks: posted.blocks.clone(),
            };
            let text = render_text(&message);
            let this = (posted.ts, text);
            if told.contains(&this) {
                continue;
            }
            let place = if posted.thread_ts.is_some() {
                ", in the thread"
            } else {
                ""
            };
            tell.line(&format!("Slack #releases{place}"));
            tell.under(&framed(&this.1));
            told.push(this);
            letters.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn framed(text: &str) -> String {
    text.lines().map(|line| format!("| {line}\n")).collect()
}
