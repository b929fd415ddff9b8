//! Measurements under way. They run outside the passes: a provider that hangs costs its own permits and nothing else.
//!
//! What a measurement found is kept until a pass has put it into the status of its run, however often that write fails.

use crate::api::analysis::{JobMetric, Metric};
use crate::api::analysis_run::AnalysisRun;
use crate::base::clock::Clock;
use crate::base::gotime::Time;
use crate::base::limits;
use crate::base::object::Key;
use crate::base::reading::Reading;
use crate::controller::act::Actor;
use crate::controller::error::Error;
use crate::controller::http::{self, Http};
use crate::controller::metrics::Metrics;
use crate::controller::secrets;
use crate::controller::tasks::Tasks;
use crate::measure::{self, Defaults, Request, Response};
use crate::plan::{
    self,
    analysis::{Finished, Probe},
};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use kube::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The pure half of measuring, so that tests can put another in its place.
#[derive(Clone, Copy)]
pub struct Provider {
    pub fill_secrets: fn(&Probe, &BTreeMap<String, String>) -> Result<Metric, String>,
    pub request: fn(&Metric, &Defaults, DateTime<Utc>) -> Result<Request, String>,
    pub read: fn(&Metric, &Response) -> Result<Reading, String>,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            fill_secrets: plan::analysis::fill_secrets,
            request: measure::request,
            read: measure::read,
        }
    }
}

/// The API server, for measurements.
pub struct Api {
    /// Reads Secrets.
    pub client: Client,
    /// Creates Jobs.
    pub actor: Actor,
}

impl Api {
    pub fn new(client: &Client, actor: &Actor) -> Self {
        Self {
            client: client.clone(),
            actor: actor.clone(),
        }
    }
}

/// Starts measurements and keeps what they found.
pub struct Prober {
    provider: Provider,
    api: Api,
    http: Http,
    clock: Clock,
    defaults: Defaults,
    metrics: Arc<Metrics>,
    tasks: Tasks,
    permits: Arc<Semaphore>,
    hosts: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    runs: Mutex<BTreeMap<Key, Run>>,
    /// Told which run has something new.
    kick: Box<dyn Fn(Key) + Send + Sync>,
}

/// Secrets by name, as the API server had them when this run first asked.
type Secrets = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Default)]
struct Run {
    uid: String,
    finished: Vec<Finished>,
    in_flight: BTreeMap<String, AbortHandle>,
    secrets: Arc<tokio::sync::Mutex<Secrets>>,
}

/// What is known about a run's measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    pub finished: Vec<Finished>,
    pub in_flight: BTreeSet<String>,
}

impl Prober {
    pub fn new(
        provider: Provider,
        api: Api,
        http: Http,
        clock: Clock,
        defaults: Defaults,
        metrics: Arc<Metrics>,
        kick: impl Fn(Key) + Send + Sync + 'static,
    ) -> Self {
        Self {
            provider,
            api,
            http,
            clock,
            defaults,
            metrics,
            tasks: Tasks::default(),
            permits: Arc::new(Semaphore::new(limits::PROBES_IN_FLIGHT_MAX)),
            hosts: Mutex::default(),
            runs: Mutex::default(),
            kick: Box::new(kick),
        }
    }

    /// Measures in these tasks.
    #[must_use]
    pub fn in_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = tasks;
        self
    }

    /// Starts a measurement, unless one of the same metric is under way.
    pub fn start(self: &Arc<Self>, run: &AnalysisRun, probe: Probe) {
        let (key, uid) = (run.metadata.key(), run.metadata.uid.clone());
        let mut runs = self.runs();
        let entry = runs.entry(key.clone()).or_default();
        if entry.uid != uid {
            let fresh = Run {
                uid: uid.clone(),
                ..Run::default()
            };
            std::mem::replace(entry, fresh).stop();
        }
        if entry.in_flight.contains_key(&probe.metric) {
            return;
        }
        let prober = Arc::clone(self);
        let (metric, secrets) = (probe.metric.clone(), Arc::clone(&entry.secrets));
        let in_flight = Flight::begin(&self.metrics);
        let task = self.tasks.spawn(async move {
            let _in_flight = in_flight;
            let finished = prober.measure(&key, &uid, probe, &secrets).await;
            prober.finish(&key, &uid, finished);
            (prober.kick)(key);
        });
        // The task cannot finish before it is in the table: finishing takes the lock that is held here.
        entry.in_flight.insert(metric, task.abort_handle());
    }

    /// What the run's measurements found that its status does not hold yet. A write whose answer was lost may have put it there.
    pub fn measured(&self, run: &AnalysisRun) -> Measured {
        let mut runs = self.runs();
        let entry = runs.get_mut(&run.metadata.key());
        let Some(entry) = entry.filter(|entry| entry.uid == run.metadata.uid) else {
            return Measured::default();
        };
        entry.finished.retain(|finished| !recorded(run, finished));
        Measured {
            finished: entry.finished.clone(),
            in_flight: entry.in_flight.keys().cloned().collect(),
        }
    }

    /// A pass has used these: they are in the status now, or are of no use.
    pub fn settle(&self, run: &Key, used: &[Finished]) {
        if let Some(entry) = self.runs().get_mut(run) {
            entry.finished.retain(|finished| !used.contains(finished));
        }
    }

    /// Stops and forgets the measurements of a run that ended or is gone.
    pub fn drop_run(&self, run: &Key) {
        let run = self.runs().remove(run);
        run.into_iter().for_each(Run::stop);
    }

    /// Stops and forgets all measurements: another replica leads now.
    pub fn drop_all(&self) {
        let runs = std::mem::take(&mut *self.runs());
        runs.into_values().for_each(Run::stop);
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<Key, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, key: &Key, uid: &str, finished: Finished) {
        let outcome = match finished.reading.is_ok() {
            true => "answered",
            false => "error",
        };
        self.metrics
            .measurements
            .total
            .with_label_values(&[outcome])
            .inc();
        if let Some(entry) = self.runs().get_mut(key).filter(|entry| entry.uid == uid) {
            entry.in_flight.remove(&finished.metric);
            entry.finished.push(finished);
        }
    }

    /// Never fails, never panics: whatever happens is what the measurement found.
    async fn measure(
        &self,
        key: &Key,
        uid: &str,
        probe: Probe,
        secrets: &tokio::sync::Mutex<Secrets>,
    ) -> Finished {
        let (metric, mut started_at) = (probe.metric.clone(), self.clock.now());
        let attempt = async {
            match plan::analysis::job_of(&probe) {
                Some(spec) => self.begin_job(key, uid, &probe, &spec).await,
                None => self.attempt(key, &probe, secrets, &mut started_at).await,
            }
        };
        let attempt = AssertUnwindSafe(attempt).catch_unwind();
        let reading = attempt.await.unwrap_or_else(|_| {
            tracing::error!(run = %key, metric, "a measurement panicked");
            Err("a bug in Serin: the measurement panicked; its log has more".into())
        });
        Finished {
            metric,
            started_at: Time::new(started_at),
            finished_at: Time::new(self.clock.now()),
            reading,
        }
    }

    async fn attempt(
        &self,
        key: &Key,
        probe: &Probe,
        secrets: &tokio::sync::Mutex<Secrets>,
        started_at: &mut DateTime<Utc>,
    ) -> Result<Reading, String> {
        let due = Instant::now();
        let values = self.secret_values(key, probe, secrets).await?;
        let hide = |text: String| mask(&text, values.values(), 1);
        let metric = (self.provider.fill_secrets)(probe, &values).map_err(hide)?;
        // Asked twice: where it goes decides which permit to wait for, and the time in it must be the time after that wait.
        let draft = (self.provider.request)(&metric, &self.defaults, self.clock.now()).map_err(hide)?;
        let _permits = self.permits_for(http::address(&draft.call)).await;
        self.metrics
            .measurements
            .late_seconds
            .observe(due.elapsed().as_secs_f64());
        *started_at = self.clock.now();
        let request = (self.provider.request)(&metric, &self.defaults, *started_at).map_err(hide)?;
        let response = self.http.call(&request).await.map_err(hide)?;
        if matches!(response.status, 401 | 403) {
            // Whatever was used may have been rotated meanwhile.
            secrets.lock().await.clear();
            self.http.forget_tokens();
        }
        let reading = (self.provider.read)(&metric, &response).map_err(hide)?;
        Ok(mask_reading(reading, &values))
    }

    /// Creates the Job of a measurement, or finds that an earlier attempt did: its name says which measurement it is.
    async fn begin_job(
        &self,
        run: &Key,
        run_uid: &str,
        probe: &Probe,
        spec: &JobMetric,
    ) -> Result<Reading, String> {
        let _permits = self.permits_for("").await;
        let create = measure::job::create(run, run_uid, &probe.metric, spec, probe.attempt);
        let mut failure = String::new();
        for _ in 0..JOB_ATTEMPTS_MAX {
            match self
                .api
                .actor
                .carry_out(std::slice::from_ref(&create))
                .await
                .failure
            {
                None | Some(Error::AlreadyExists(_)) => return Ok(measure::job::begun(&create.key)),
                Some(error) if error.unsure() => failure = error.to_string(),
                Some(error) => return Err(error.to_string()),
            }
        }
        Err(failure)
    }

    /// First the host's permit, then one of all: those who wait for a slow host take nothing from the others.
    async fn permits_for(
        &self,
        address: &str,
    ) -> (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>) {
        let of_host = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.retain(|_, permits| Arc::strong_count(permits) > 1);
            let new = || Arc::new(Semaphore::new(limits::PROBES_PER_HOST_MAX));
            Arc::clone(hosts.entry(http::host(address)).or_insert_with(new))
        };
        // Acquiring fails only for a closed semaphore, and these are never closed.
        let of_host = of_host.acquire_owned().await.ok();
        (of_host, Arc::clone(&self.permits).acquire_owned().await.ok())
    }

    /// Values by argument name. Each Secret is read once in the life of a run.
    async fn secret_values(
        &self,
        key: &Key,
        probe: &Probe,
        cache: &tokio::sync::Mutex<Secrets>,
    ) -> Result<BTreeMap<String, String>, String> {
        let mut values = BTreeMap::new();
        if probe.secrets.is_empty() {
            return Ok(values);
        }
        let mut cache = cache.lock().await;
        for (argument, reference) in &probe.secrets {
            if !cache.contains_key(&reference.name) {
                let secret = Key::new(&key.namespace, &reference.name);
                let missing = || {
                    format!(
                        "secret '{}' does not exist in namespace '{}'",
                        secret.name, secret.namespace
                    )
                };
                let data = secrets::read(&self.api.client, &secret)
                    .await?
                    .ok_or_else(missing)?;
                cache.insert(reference.name.clone(), data);
            }
            let value = cache
                .get(&reference.name)
                .and_then(|data| data.get(&reference.key));
            let Some(value) = value else {
                // Not kept: the key may be added before the next attempt.
                cache.remove(&reference.name);
                return Err(format!(
                    "key '{}' does not exist in secret '{}'",
                    reference.key, reference.name
                ));
            };
            values.insert(argument.clone(), value.clone());
        }
        Ok(values)
    }
}

impl Run {
    fn stop(self) {
        for task in self.in_flight.into_values() {
            task.abort();
        }
    }
}

/// Attempts to create one Job while nobody knows whether it was.
const JOB_ATTEMPTS_MAX: usize = 3;

/// Counts a measurement as under way until it is dropped.
struct Flight(prometheus::IntGauge);

impl Flight {
    fn begin(metrics: &Metrics) -> Self {
        metrics.measurements.in_flight.inc();
        Self(metrics.measurements.in_flight.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// True when the status holds a measurement of this metric with the same times.
fn recorded(run: &AnalysisRun, finished: &Finished) -> bool {
    let results = run
        .status
        .metric_results
        .iter()
        .filter(|result| result.name == finished.metric);
    results
        .flat_map(|result| &result.measurements)
        .any(|measurement| {
            plan::analysis::is_begun(measurement, finished)
                || measurement.started_at == Some(finished.started_at)
                    && measurement.finished_at == Some(finished.finished_at)
        })
}

/// Values shorter than this are masked in messages only: in a number they would hide the number.
const MASKED_VALUE_CHARS_MIN: usize = 4;

fn mask<'a>(text: &str, secrets: impl Iterator<Item = &'a String>, chars_min: usize) -> String {
    let mut secrets: Vec<&String> = secrets
        .filter(|secret| secret.chars().count() >= chars_min)
        .collect();
    // The longest first: a secret may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), "*****")
    })
}

fn mask_reading(mut reading: Reading, values: &BTreeMap<String, String>) -> Reading {
    let hide = |text: &mut String| *text = mask(text, values.values(), MASKED_VALUE_CHARS_MIN);
    hide(&mut reading.value);
    reading.metadata.values_mut().for_each(hide);
    reading.metric_metadata.values_mut().for_each(hide);
    reading
}
