//! One watch per kind, which feeds the caches. A watch never ends: whatever goes wrong, it says so and tries again.

use crate::api::analysis::AnalysisTemplate;
use crate::api::analysis_run::AnalysisRun;
use crate::api::rollout::Rollout;
use crate::base::limits;
use crate::base::names::label;
use crate::base::object::{Key, Kind};
use crate::base::seed::Seed;
use crate::controller::cached::Seen;
use crate::controller::caches::{Caches, Kick, Sync};
use crate::controller::kinds;
use crate::controller::metrics::Metrics;
use crate::controller::stores::Stored;
use crate::plan::ReplicaSet;
use crate::plan::analysis::{Job, JobPod};
use crate::plan::experiment::Experiment;
use crate::plan::question::Service;
use futures::{StreamExt, pin_mut};
use kube::api::ListParams;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

const AUDIT: Duration = Duration::from_secs(limits::CACHE_AUDIT_SECONDS);

/// What the watches share.
#[derive(Clone)]
pub struct Watches {
    pub client: Client,
    pub caches: Arc<Caches>,
    pub metrics: Arc<Metrics>,
    /// Told whom each change concerns.
    pub kick: Arc<dyn Fn(Kick) + Send + std::marker::Sync>,
    /// The only namespace to watch; all when absent.
    pub namespace: Option<String>,
    /// Rollouts, AnalysisRuns and templates are read only when they carry this instance id; when empty, only without any.
    pub instance_id: String,
    /// For the spread of waits.
    pub seed: Seed,
}

/// Why a watch ended.
enum End {
    /// The API server does not know the kind.
    NotInstalled,
    /// It must be listed anew.
    Relist,
}

impl Watches {
    /// The kinds that are watched at all.
    pub fn kinds(namespace: Option<&str>) -> Vec<Kind> {
        let watched = |kind: &Kind| kind.namespaced() || namespace.is_none();
        kinds::WATCHED.into_iter().filter(watched).collect()
    }

    /// Watches everything, for ever.
    pub async fn run(self) {
        let cluster_templates = async {
            if self.namespace.is_none() {
                self.follow::<AnalysisTemplate>(Kind::ClusterAnalysisTemplate)
                    .await;
            }
        };
        tokio::join!(
            self.follow::<Rollout>(Kind::Rollout),
            self.follow::<ReplicaSet>(Kind::ReplicaSet),
            self.follow::<AnalysisRun>(Kind::AnalysisRun),
            self.follow::<AnalysisTemplate>(Kind::AnalysisTemplate),
            cluster_templates,
            self.follow::<Experiment>(Kind::Experiment),
            self.follow::<Service>(Kind::Service),
            self.follow::<Job>(Kind::Job),
            self.follow::<JobPod>(Kind::Pod),
            futures::future::join_all(kinds::ROUTES.map(|kind| self.follow_routes(kind))),
        );
    }

    /// Watches a kind that must be installed.
    async fn follow<T: Stored>(&self, kind: Kind) {
        loop {
            if matches!(self.watch::<T>(kind).await, End::NotInstalled) {
                sleep(Duration::from_millis(limits::WATCH_RETRY_MILLIS_MAX)).await;
            }
        }
    }

    /// Watches a kind of routers' objects where it is installed. Where it is not, looks again as long as somebody asks about one.
    async fn follow_routes(&self, kind: Kind) {
        if kinds::on_demand(kind) {
            self.caches.wanted(kind).await;
        }
        loop {
            match self.installed(kind).await {
                Ok(true) => {
                    if matches!(self.watch::<Value>(kind).await, End::Relist) {
                        continue;
                    }
                }
                Ok(false) => {
                    let why = format!(
                        "the kind {} of {} is not installed",
                        kind.name(),
                        kind.api_version()
                    );
                    self.tell(self.caches.set_sync(kind, Sync::Absent(why)));
                    if !self.caches.asks_for(kind) {
                        self.caches.wanted(kind).await;
                        continue;
                    }
                }
                Err(error) => {
                    let why = format!(
                        "cannot tell whether {} are installed: {}",
                        kind.plural(),
                        chain(&error)
                    );
                    tracing::warn!("{why}");
                    self.tell(self.caches.cannot_list(kind, why));
                    sleep(Duration::from_millis(limits::WATCH_RETRY_MILLIS_MAX)).await;
                    continue;
                }
            }
            sleep(Duration::from_secs(limits::KIND_PROBE_SECONDS)).await;
        }
    }

    async fn installed(&self, kind: Kind) -> Result<bool, kube::Error> {
        let limit = Duration::from_secs(limits::WRITE_TIMEOUT_SECONDS);
        let resources = match timeout(limit, self.client.list_api_group_resources(kind.api_version())).await {
            Ok(Ok(resources)) => resources,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(false),
            Ok(Err(error)) => return Err(error),
            Err(elapsed) => return Err(kube::Error::Service(elapsed.into())),
        };
        Ok(resources
            .resources
            .iter()
            .any(|resource| resource.name == kind.plural()))
    }

    /// One watch with its initial list, until it has to begin anew.
    async fn watch<T: Stored>(&self, kind: Kind) -> End {
        let stream = watcher::watcher(self.api::<T>(kind), self.config(kind));
        pin_mut!(stream);
        let mut wait = Wait::new(self.seed.clone());
        let mut complaint = Complaint::default();
        let mut audit = Instant::now() + AUDIT;
        loop {
            let event = tokio::select! {
                biased;
                event = stream.next() => event,
                () = self.audit_due(kind, audit) => {
                    if self.missed_something::<T>(kind).await {
                        tracing::warn!("a watch of {} missed something; listing anew", kind.plural());
                        return End::Relist;
                    }
                    audit = Instant::now() + AUDIT;
                    continue;
                }
            };
            let Some(event) = event else {
                return End::Relist;
            };
            let error = match event {
                Ok(event) => {
                    // The beginning of a list is no success yet.
                    if !matches!(event, Event::Init) {
                        wait.reset();
                    }
                    self.take(kind, event);
                    continue;
                }
                Err(error) => error,
            };
            self.metrics
                .watch_errors
                .with_label_values(&[kind.plural()])
                .inc();
            let why = explain(kind, &error);
            if status_code(&error) != Some(410) {
                complaint.say(&why);
            }
            if matches!(error, watcher::Error::InitialListFailed(_)) {
                self.tell(match status_code(&error) {
                    Some(404) => self.caches.set_sync(kind, Sync::Waiting(why)),
                    _ => self.caches.cannot_list(kind, why),
                });
            }
            match status_code(&error) {
                // A watch that goes on from an old version of a kind that is gone, or from too old a version, never recovers.
                Some(404) if kinds::ROUTES.contains(&kind) => return End::NotInstalled,
                Some(404 | 410) if !matches!(error, watcher::Error::InitialListFailed(_)) => {
                    sleep(wait.next()).await;
                    return End::Relist;
                }
                _ => sleep(wait.next()).await,
            }
        }
    }

    /// Waits until the cache is to be compared: when it is time, or sooner when it is doubted, though not all the time.
    async fn audit_due(&self, kind: Kind, at: Instant) {
        // `at` is one interval after the last comparison.
        let soonest = at - AUDIT + Duration::from_secs(limits::CACHE_DOUBT_SECONDS_MIN);
        let doubted = async {
            sleep_until(soonest).await;
            self.caches.doubted(kind).await;
        };
        tokio::select! {
            biased;
            () = doubted => {}
            () = sleep_until(at) => {}
        }
    }

    /// Whether the cache of `kind` is, and stays, behind what the API server lists. Asks for metadata only.
    async fn missed_something<T: Stored>(&self, kind: Kind) -> bool {
        if !self.caches.is_read(kind) {
            // Its list was asked for and never came.
            return true;
        }
        let before = self.caches.versions(kind);
        let limit = Duration::from_secs(limits::WRITE_TIMEOUT_SECONDS);
        let Ok(Some(listed)) = timeout(limit, self.listed::<T>(kind)).await else {
            return false;
        };
        let stale = |cached: &BTreeMap<Key, String>| -> BTreeSet<Key> {
            let keys = cached.keys().chain(listed.keys());
            keys.filter(|key| cached.get(*key) != listed.get(*key))
                .cloned()
                .collect()
        };
        let suspects = stale(&before);
        if suspects.is_empty() {
            return false;
        }
        sleep(Duration::from_secs(limits::CACHE_AUDIT_GRACE_SECONDS)).await;
        let after = self.caches.versions(kind);
        let still = stale(&after);
        // What moved meanwhile is followed; what did not, and is not what was listed, was missed.
        suspects
            .iter()
            .any(|key| still.contains(key) && before.get(key) == after.get(key))
    }

    /// resourceVersions as the API server has them. `None` when it does not say.
    async fn listed<T: Stored>(&self, kind: Kind) -> Option<BTreeMap<Key, String>> {
        let config = self.config(kind);
        let mut params = ListParams::default().limit(limits::LIST_PAGE_LEN);
        params.label_selector = config.label_selector;
        let api = self.api::<T>(kind);
        let mut versions = BTreeMap::new();
        loop {
            let page = api.list_metadata(&params).await.ok()?;
            for item in page.items {
                let meta = item.metadata;
                let key = Key::new(meta.namespace.unwrap_or_default(), meta.name.unwrap_or_default());
                versions.insert(key, meta.resource_version.unwrap_or_default());
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Some(versions),
            }
        }
    }

    fn take<T: Stored>(&self, kind: Kind, event: Event<Seen<T>>) {
        let kicks = match event {
            Event::Init => {
                self.caches.begin_list(kind);
                return;
            }
            Event::InitApply(seen) => self.caches.list(kind, seen),
            Event::InitDone => self.caches.end_list::<T>(kind),
            Event::Apply(seen) => self.caches.change(kind, seen),
            Event::Delete(seen) => self.caches.delete::<T>(kind, &seen.key()),
        };
        self.tell(kicks);
    }

    fn tell(&self, kicks: Vec<Kick>) {
        for kick in kicks {
            (self.kick)(kick);
        }
    }

    fn api<T: Stored>(&self, kind: Kind) -> Api<Seen<T>> {
        let resource = kinds::api_resource(kind);
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn config(&self, kind: Kind) -> watcher::Config {
        let config = watcher::Config::default()
            .page_size(limits::LIST_PAGE_LEN)
            .timeout(limits::WATCH_SECONDS);
        match kind {
            Kind::ReplicaSet => config.labels(label::POD_HASH),
            Kind::Job | Kind::Pod => config.labels(label::RUN_UID),
            Kind::Service => config,
            kind if kinds::ROUTES.contains(&kind) => config,
            _ => config.labels(&instance_selector(&self.instance_id)),
        }
    }
}

/// Several controllers share a cluster by this label; one without an id takes what has none.
fn instance_selector(instance_id: &str) -> String {
    if instance_id.is_empty() {
        return format!("!{}", label::INSTANCE_ID);
    }
    format!("{}={instance_id}", label::INSTANCE_ID)
}

fn status_code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// What is wrong, with the mend where there is one.
fn explain(kind: Kind, error: &watcher::Error) -> String {
    let (name, plural, group) = (kind.name(), kind.plural(), kinds::group(kind));
    match status_code(error) {
        Some(404) => {
            format!("the kind {name} is not installed: apply the custom resource definition {plural}.{group}")
        }
        Some(403) => format!(
            "Serin's service account may not list or watch {plural}: grant the verbs \"list\" and \"watch\" on {plural:?} in API \
             group {group:?}"
        ),
        _ => format!("{plural}: {}", api_words(error).unwrap_or_else(|| chain(error))),
    }
}

/// What the API server itself said, if it answered: kube prints the whole answer.
fn api_words(error: &watcher::Error) -> Option<String> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    Some(format!(
        "the API server answered {}: {}",
        status.code, status.message
    ))
}

/// The error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// How long to wait before the next attempt.
struct Wait {
    millis: u64,
    seed: Seed,
}

impl Wait {
    fn new(seed: Seed) -> Self {
        Self {
            millis: limits::WATCH_RETRY_MILLIS_MIN,
            seed,
        }
    }

    fn reset(&mut self) {
        self.millis = limits::WATCH_RETRY_MILLIS_MIN;
    }

    fn next(&mut self) -> Duration {
        let wait = Duration::from_millis(self.millis).mul_f64(1.0 - 0.2 * self.seed.next_fraction());
        self.millis = (self.millis * 2).min(limits::WATCH_RETRY_MILLIS_MAX);
        wait
    }
}

/// Says the same thing once per probe time, not once per attempt.
#[derive(Default)]
struct Complaint(Option<(String, Instant)>);

impl Complaint {
    fn say(&mut self, why: &str) {
        let quiet = Duration::from_secs(limits::KIND_PROBE_SECONDS);
        if self
            .0
            .as_ref()
            .is_some_and(|(last, at)| last == why && at.elapsed() < quiet)
        {
            return;
        }
        tracing::warn!("waiting: {why}");
        self.0 = Some((why.to_owned(), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_takes_only_what_carries_its_id() {
        assert_eq!(
            instance_selector(""),
            "!argo-rollouts.argoproj.io/controller-instance-id"
        );
        assert_eq!(
            instance_selector("blue"),
            "argo-rollouts.argoproj.io/controller-instance-id=blue"
        );
    }

    #[test]
    fn one_namespace_means_no_cluster_templates() {
        assert!(!Watches::kinds(Some("shop")).contains(&Kind::ClusterAnalysisTemplate));
        assert!(Watches::kinds(None).contains(&Kind::ClusterAnalysisTemplate));
    }
}
