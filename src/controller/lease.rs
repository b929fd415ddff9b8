//! Leader election: keeps claiming the Lease and tells whether this replica leads.
//!
//! A leader that cannot renew stops leading by its own clock well before another replica may take over. One that lost the lead stands
//! by and claims again; health and metrics stay up all the time.

use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::names;
use crate::base::object::Key;
use crate::base::seed::Seed;
use crate::controller::act::Writer;
use crate::controller::error::{Error, Target};
use crate::plan::lease::{Claim, Record, claim, release};
use chrono::TimeDelta;
use kube::Client;
use kube::api::PostParams;
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Whether this replica leads.
pub struct Leadership {
    /// Until then the lead is certain; absent while another replica may lead.
    until: Mutex<Option<Instant>>,
    /// One channel for each who asked, told in the order in which they did: those who share one are woken in a random order.
    told: Mutex<Vec<watch::Sender<bool>>>,
    always: bool,
}

impl Leadership {
    /// Not leading until an election is won.
    pub fn standby() -> Arc<Self> {
        Arc::new(Self {
            until: Mutex::new(None),
            told: Mutex::default(),
            always: false,
        })
    }

    /// Leading without an election, for a single replica.
    pub fn always() -> Arc<Self> {
        Arc::new(Self {
            until: Mutex::new(None),
            told: Mutex::default(),
            always: true,
        })
    }

    /// Asked at every write: a process that was frozen must not write when it wakes up, even before it notices.
    pub fn leads_now(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        self.always || until.is_some_and(|until| Instant::now() < until)
    }

    /// Changes of the lead.
    pub fn changes(&self) -> watch::Receiver<bool> {
        let (tell, changes) = watch::channel(self.leads_now());
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tell);
        changes
    }

    fn set(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let leads = self.leads_now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|tell| {
            tell.send_if_modified(|before| std::mem::replace(before, leads) != leads);
            !tell.is_closed()
        });
    }

    /// Notices that the time ran out.
    fn check(&self) {
        if !self.leads_now() {
            self.set(None);
        }
    }
}

/// Name of the Lease; controllers with different instance ids elect independently.
pub fn lease_name(instance_id: &str) -> String {
    match instance_id {
        "" => "argo-rollouts-controller-lock".into(),
        id => format!("argo-rollouts-controller-lock-{id}"),
    }
}

/// The name of this machine or pod.
pub fn host() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    host.as_deref().map_or("serin", str::trim).to_owned()
}

/// A name that no other process has.
pub fn identity(host: &str, seed: &mut Seed) -> String {
    format!("{host}_{:016x}{:016x}", seed.next_u64(), seed.next_u64())
}

pub struct Elector {
    pub client: Client,
    pub writer: Writer,
    pub clock: Clock,
    pub key: Key,
    pub identity: String,
    pub leadership: Arc<Leadership>,
    /// The Lease as last seen, and since when it has been like that.
    pub seen: Option<(Value, Instant)>,
}

impl Elector {
    /// Claims and renews until `stop`, then gives the Lease back.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let limit = Duration::from_secs(limits::LEASE_RENEW_SECONDS_MAX / 2);
            let attempt = timeout(limit, self.attempt());
            let attempt = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                attempt = attempt => attempt,
            };
            match attempt {
                Ok(Ok(())) => {}
                Ok(Err(Error::Conflict(_) | Error::AlreadyExists(_))) => {
                    tracing::debug!("another replica was faster");
                }
                Ok(Err(error)) => tracing::warn!("leader election: {error}"),
                Err(_) => tracing::warn!(
                    "leader election: no answer from the API server within {} s",
                    limit.as_secs()
                ),
            }
            self.leadership.check();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(self.pause()) => {}
            }
            self.leadership.check();
        }
    }

    /// Gives the Lease back, if it is ours. Called after the last write.
    pub async fn give_back(client: Client, writer: Writer, clock: &Clock, key: &Key, identity: &str) {
        let read = timeout(
            Duration::from_secs(limits::LEASE_RETRY_SECONDS),
            get(&client, key),
        )
        .await;
        let Ok(Ok(Some(mut lease))) = read else {
            return;
        };
        let record = Record::from_json(&lease);
        if record.holder != identity {
            return;
        }
        lease["spec"] = release(&record, clock.now()).to_json();
        match put(&writer, key, &lease).await {
            Ok(_) => tracing::info!("gave the lead back"),
            Err(error) => tracing::warn!("the lead was not given back: {error}"),
        }
    }

    /// Until the next attempt. A standby looks again at the very moment at which the Lease will be stale, not up to a pause later.
    fn pause(&self) -> Duration {
        let retry = Duration::from_secs(limits::LEASE_RETRY_SECONDS);
        let Some((lease, since)) = self.seen.as_ref().filter(|_| !self.leadership.leads_now()) else {
            return retry;
        };
        let seconds = u64::try_from(Record::from_json(lease).seconds).unwrap_or_default();
        let left = Duration::from_secs(seconds).checked_sub(since.elapsed());
        left.filter(|left| !left.is_zero())
            .map_or(retry, |left| left.min(retry))
    }

    /// One look and one claim. A leader renews with what it wrote last, without a look.
    async fn attempt(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        if !self.leadership.leads_now() {
            self.look().await?;
        }
        let record = self.seen.as_ref().map(|(lease, _)| Record::from_json(lease));
        let unchanged_for = self
            .seen
            .as_ref()
            .map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let unchanged_for = TimeDelta::from_std(unchanged_for).unwrap_or(TimeDelta::MAX);
        let now = self.clock.now();
        let claim = claim(
            record.as_ref(),
            &self.identity,
            unchanged_for,
            limits::LEASE_SECONDS,
            now,
        );
        let Claim::Write(record) = claim else {
            return Ok(());
        };
        let written = match &self.seen {
            None => create(&self.writer, &self.key, &record).await,
            Some((lease, _)) => {
                let mut lease = lease.clone();
                lease["spec"] = record.to_json();
                put(&self.writer, &self.key, &lease).await
            }
        };
        match written {
            Ok(lease) => {
                if !self.leadership.leads_now() {
                    tracing::info!(lease = %self.key, identity = self.identity, "leading");
                }
                self.seen = Some((lease, Instant::now()));
                // Counted from before the request: the API server may have taken its time.
                let until = began + Duration::from_secs(limits::LEASE_RENEW_SECONDS_MAX);
                self.leadership.set(Some(until));
                Ok(())
            }
            Err(error) => {
                if matches!(
                    error,
                    Error::Conflict(_) | Error::Gone(_) | Error::AlreadyExists(_)
                ) {
                    self.lost().await;
                }
                Err(error)
            }
        }
    }

    /// Somebody else changed the Lease: whoever it names leads now.
    async fn lost(&mut self) {
        let led = self.leadership.leads_now();
        let looked = self.look().await;
        let still_ours = self
            .seen
            .as_ref()
            .is_some_and(|(lease, _)| Record::from_json(lease).holder == self.identity);
        if looked.is_err() || !still_ours {
            self.leadership.set(None);
        }
        if led && !self.leadership.leads_now() {
            tracing::warn!(lease = %self.key, "another replica leads now; standing by");
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let lease = get(&self.client, &self.key).await?;
        self.seen = match (lease, self.seen.take()) {
            (Some(lease), Some((before, since))) if lease["spec"] == before["spec"] => Some((lease, since)),
            (Some(lease), _) => Some((lease, Instant::now())),
            (None, _) => None,
        };
        Ok(())
    }
}

fn path(key: &Key) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", key.namespace)
}

async fn get(client: &Client, key: &Key) -> Result<Option<Value>, Error> {
    let target = Target::new("get", "leases", key);
    let request = Request::new(path(key)).get(&key.name, &GetParams::default());
    let request = request.map_err(|error| Error::Bug(error.to_string()))?;
    match client.request::<Value>(request).await {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(Error::Forbidden {
            target,
            message: status.message,
        }),
        Err(error) => Err(Error::Unreachable {
            target,
            message: crate::controller::watch::chain(&error),
        }),
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

async fn create(writer: &Writer, key: &Key, record: &Record) -> Result<Value, Error> {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": record.to_json(),
    });
    let request = Request::new(path(key)).create(&params(), lease.to_string().into_bytes());
    writer.send(&Target::new("create", "leases", key), request).await
}

/// The resourceVersion in the body guards it.
async fn put(writer: &Writer, key: &Key, lease: &Value) -> Result<Value, Error> {
    let request = Request::new(path(key)).replace(&key.name, &params(), lease.to_string().into_bytes());
    writer.send(&Target::new("update", "leases", key), request).await
}
