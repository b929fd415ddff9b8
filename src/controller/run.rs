//! Puts the parts together, starts them in order, and ends them in order.

use crate::base::clock::Clock;
use crate::base::limits;
use crate::base::names;
use crate::base::object::{Key, Kind};
use crate::base::seed::Seed;
use crate::controller::act::{Actor, Writer};
use crate::controller::announce::{Announce, announcer};
use crate::controller::caches::{Caches, Kick};
use crate::controller::edges::Edges;
use crate::controller::events::{self, Publisher};
use crate::controller::lease::{Elector, Leadership, identity, lease_name};
use crate::controller::metrics::Metrics;
use crate::controller::options::Options;
use crate::controller::pass::{Memory, Shell, pass};
use crate::controller::probe::{self, Prober};
use crate::controller::queue::{Queue, dispatch};
use crate::controller::shadow::Shadow;
use crate::controller::tasks::Tasks;
use crate::controller::watch::Watches;
use crate::controller::watermark::Watermark;
use crate::controller::{serve, telemetry};
use crate::measure::Defaults;
use anyhow::Context;
use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: bad flags, no kubeconfig, a port in use. An API server that is away or a missing custom resource
/// definition is no error: the controller waits for both and says so.
pub async fn run(options: Options) -> anyhow::Result<()> {
    telemetry::start(&options.log_level, options.log_format)?;
    // Fails when somebody else was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let config = config(&options).await?;
    let namespace = options.namespaced.then(|| {
        let of_context = config.default_namespace.clone();
        options.namespace.clone().unwrap_or(of_context)
    });
    let edges = Edges::real(client(config)?)?;
    drive(&options, edges, namespace, stop).await
}

/// Runs the controller over these edges until `stop`, in one namespace or in all.
///
/// # Errors
/// When it cannot start.
pub async fn drive(
    options: &Options,
    edges: Edges,
    namespace: Option<String>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    Parts::new(options, edges, namespace)?.run(options, stop).await
}

/// The kubeconfig that the flags name, else the usual places, else the pod's service account.
async fn config(options: &Options) -> anyhow::Result<Config> {
    let choice = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    match &options.kubeconfig {
        Some(path) => {
            let kubeconfig =
                Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &choice).await;
            config.with_context(|| format!("cannot use {}", path.display()))
        }
        None if options.context.is_some() => Config::from_kubeconfig(&choice)
            .await
            .context("cannot use the kubeconfig"),
        None => Config::infer()
            .await
            .context("found neither a kubeconfig nor a pod's service account; see --kubeconfig"),
    }
}

fn client(mut config: Config) -> anyhow::Result<Client> {
    // Passes decide when to try again, and every write has a time limit of its own.
    config.default_retry = false;
    // A connection that has died without a word would carry its watch for ever. Bookmarks come every minute on one that lives.
    config.read_timeout = Some(Duration::from_secs(limits::SILENT_CONNECTION_SECONDS_MAX));
    let agent = HeaderValue::from_static(concat!("serin/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    Ok(ClientBuilder::try_from(config)
        .context("cannot set up the connection to the API server")?
        .build())
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        stop.cancel();
    });
    Ok(())
}

/// A shadow competes for nobody's lead.
fn elects(options: &Options) -> bool {
    options.leader_elect && !options.shadow
}

fn leadership(options: &Options) -> Arc<Leadership> {
    match elects(options) {
        true => Leadership::standby(),
        false => Leadership::always(),
    }
}

fn shadow(options: &Options, metrics: &Arc<Metrics>) -> Option<Shadow> {
    options.shadow.then(|| Shadow::new(Arc::clone(metrics)))
}

/// Everything that runs.
struct Parts {
    client: Client,
    writer: Writer,
    clock: Clock,
    tasks: Tasks,
    seed: Seed,
    serves: bool,
    namespace: Option<String>,
    instance_id: String,
    shell: Arc<Shell>,
    queues: Queues,
    leadership: Arc<Leadership>,
    lease: Key,
    identity: String,
    publisher: Publisher,
    announce: Arc<dyn Announce>,
}

/// Rollouts and AnalysisRuns wait in lines of their own, so that neither keeps the other waiting.
#[derive(Clone)]
struct Queues {
    rollouts: Arc<Queue<Kick>>,
    runs: Arc<Queue<Kick>>,
}

impl Queues {
    fn new(seed: &mut Seed) -> Self {
        Self {
            rollouts: Arc::new(Queue::new(Seed::new(seed.next_u64()))),
            runs: Arc::new(Queue::new(Seed::new(seed.next_u64()))),
        }
    }

    fn add(&self, kick: Kick) {
        match kick {
            Kick::Rollout(_) => self.rollouts.add(kick),
            Kick::Run(_) | Kick::Experiment(_) => self.runs.add(kick),
        }
    }
}

impl Parts {
    fn new(options: &Options, edges: Edges, namespace: Option<String>) -> anyhow::Result<Self> {
        let announce = announcer(options, &edges)?;
        let Edges {
            client,
            http,
            clock,
            mut seed,
            tasks,
            core,
            provider,
            own_namespace,
            host,
            serves,
            ..
        } = edges;
        let metrics = Arc::new(Metrics::new().context("cannot set up the metrics")?);
        let queues = Queues::new(&mut seed);
        let leadership = leadership(options);
        let writer = Writer::new(client.clone(), Arc::clone(&metrics));
        let leads = Arc::clone(&leadership);
        let actor = Actor::new(writer.clone(), Arc::new(move || leads.leads_now()));
        let (events, publisher) =
            events::line(writer.clone(), Arc::clone(&metrics), Seed::new(seed.next_u64()));
        let (prometheus_address, runs) = (options.default_prometheus(), Arc::clone(&queues.runs));
        let kick_run = move |key| runs.add(Kick::Run(key));
        let prober = Prober::new(
            provider,
            probe::Api::new(&client, &actor),
            http,
            clock.clone(),
            Defaults { prometheus_address },
            Arc::clone(&metrics),
            kick_run,
        )
        .in_tasks(tasks.clone());
        let shell = Shell {
            core,
            clock: clock.clone(),
            caches: Arc::new(Caches::new(&Watches::kinds(namespace.as_deref()))),
            watermark: Watermark::default(),
            actor,
            events,
            prober: Arc::new(prober),
            shadow: shadow(options, &metrics),
            metrics,
            announce: Arc::clone(&announce),
            instance_id: options.instance_id.clone(),
            memory: Memory::default(),
        };
        Ok(Self {
            client,
            writer,
            clock,
            namespace,
            instance_id: options.instance_id.clone(),
            shell: Arc::new(shell),
            queues,
            leadership,
            lease: Key::new(own_namespace, lease_name(&options.instance_id)),
            identity: identity(&host, &mut seed),
            tasks,
            seed,
            serves,
            publisher,
            announce,
        })
    }

    async fn run(self, options: &Options, stop: CancellationToken) -> anyhow::Result<()> {
        let serving = CancellationToken::new();
        let mut background = match self.serves {
            true => self.serve(options, &serving).await?,
            false => Vec::new(),
        };
        background.push(self.tasks.spawn(self.watches().run()));
        let elected = self.elect(elects(options), &stop);
        let passes_stop = stop.child_token();
        let running = TaskTracker::new();
        let mut dispatchers = vec![self.tasks.spawn(follow_lead(
            self.leadership.changes(),
            Arc::clone(&self.shell),
            self.queues.clone(),
        ))];
        let publisher_stop = CancellationToken::new();
        let publishing = self.tasks.spawn(self.publisher.run(publisher_stop.clone()));
        if synced(self.shell.caches.missing(), &stop).await {
            tracing::info!("caches are filled");
            for queue in [&self.queues.rollouts, &self.queues.runs] {
                let shell = Arc::clone(&self.shell);
                let work = move |kick| pass(Arc::clone(&shell), kick);
                let (queue, leads) = (Arc::clone(queue), self.leadership.changes());
                let (tasks, running) = (self.tasks.clone(), running.clone());
                let dispatching = dispatch(queue, leads, passes_stop.clone(), tasks, running, work);
                dispatchers.push(self.tasks.spawn(dispatching));
            }
        }
        stop.cancelled().await;
        // In this order: no new passes, writes in flight end, the lead goes to the next, and then what people want to know.
        passes_stop.cancel();
        running.close();
        let drain = Duration::from_secs(limits::DRAIN_SECONDS_MAX);
        if timeout(drain, running.wait()).await.is_err() {
            tracing::warn!("gave up on {} passes that did not end in time", running.len());
        }
        self.shell.prober.drop_all();
        // Ends at once: it was told to stop when we were.
        drop(elected.await);
        if elects(options) {
            Elector::give_back(self.client, self.writer, &self.clock, &self.lease, &self.identity).await;
        }
        publisher_stop.cancel();
        drop(publishing.await);
        self.announce
            .flush(Duration::from_secs(limits::OUTBOX_DRAIN_SECONDS_MAX))
            .await;
        serving.cancel();
        dispatchers.iter().chain(&background).for_each(JoinHandle::abort);
        tracing::info!("stopped");
        Ok(())
    }

    /// Health and metrics, from the first moment on.
    async fn serve(
        &self,
        options: &Options,
        serving: &CancellationToken,
    ) -> anyhow::Result<Vec<JoinHandle<Option<()>>>> {
        let listen = async |port, what| {
            let address = SocketAddr::new(options.bind_address, port);
            let listener = serve::listen(address, what).await;
            listener.with_context(|| format!("cannot serve {what} on {address}"))
        };
        let pulse = serve::Pulse::default();
        let health = serve::health(pulse.clone(), Arc::clone(&self.shell.caches));
        let metrics = serve::metrics(
            Arc::clone(&self.shell.metrics),
            Arc::clone(&self.shell.caches),
            self.refresh(),
        );
        let health_listener = listen(options.healthz_port, "health").await?;
        let metrics_listener = listen(options.metrics_port, "metrics").await?;
        Ok(vec![
            self.tasks.spawn(pulse.beat()),
            self.tasks
                .spawn(serve::serve(health_listener, health, serving.clone())),
            self.tasks
                .spawn(serve::serve(metrics_listener, metrics, serving.clone())),
        ])
    }

    /// Brings the gauges up to date before a scrape.
    fn refresh(&self) -> Arc<dyn Fn() + Send + Sync> {
        let (metrics, queues) = (Arc::clone(&self.shell.metrics), self.queues.clone());
        let (leadership, announce) = (Arc::clone(&self.leadership), Arc::clone(&self.announce));
        Arc::new(move || {
            metrics.set_slack(announce.counts());
            let depth = |kind: Kind, queue: &Queue<Kick>| {
                let depth = i64::try_from(queue.depth()).unwrap_or(i64::MAX);
                metrics.queue_depth.with_label_values(&[kind.name()]).set(depth);
            };
            depth(Kind::Rollout, &queues.rollouts);
            depth(Kind::AnalysisRun, &queues.runs);
            metrics.leader.set(i64::from(leadership.leads_now()));
        })
    }

    fn watches(&self) -> Watches {
        let (queues, leads) = (self.queues.clone(), self.leadership.changes());
        // A standby takes no notes: it looks at everything when it leads, and its line would only ever grow.
        let kick = move |kick| {
            if *leads.borrow() {
                queues.add(kick);
            }
        };
        Watches {
            client: self.client.clone(),
            caches: Arc::clone(&self.shell.caches),
            metrics: Arc::clone(&self.shell.metrics),
            kick: Arc::new(kick),
            namespace: self.namespace.clone(),
            instance_id: self.instance_id.clone(),
            seed: self.seed.clone(),
        }
    }

    fn elect(&self, wanted: bool, stop: &CancellationToken) -> JoinHandle<Option<()>> {
        if !wanted {
            return self.tasks.spawn(std::future::ready(()));
        }
        let elector = Elector {
            client: self.client.clone(),
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            key: self.lease.clone(),
            identity: self.identity.clone(),
            leadership: Arc::clone(&self.leadership),
            seen: None,
        };
        let (mut missing, stop) = (self.shell.caches.missing(), stop.clone());
        self.tasks.spawn(async move {
            // A replica that cannot read the cluster must not keep one that can from leading.
            let filled = tokio::select! {
                biased;
                () = stop.cancelled() => false,
                filled = missing.wait_for(String::is_empty) => filled.is_ok(),
            };
            if filled {
                elector.run(stop).await;
            }
        })
    }
}

/// A new leader looks at everything; one that lost the lead forgets what it had begun.
async fn follow_lead(mut leads: watch::Receiver<bool>, shell: Arc<Shell>, queues: Queues) {
    loop {
        let leads_now = *leads.borrow_and_update();
        // Also when leading begins: a last pass may have started measurements after the lead was lost.
        shell.prober.drop_all();
        if leads_now {
            shell.caches.all().into_iter().for_each(|kick| queues.add(kick));
        } else {
            shell.watermark.clear();
        }
        if leads.changed().await.is_err() {
            return;
        }
    }
}

/// True when every cache is filled; false when it is time to stop first.
async fn synced(mut missing: watch::Receiver<String>, stop: &CancellationToken) -> bool {
    tracing::info!(manager = names::FIELD_MANAGER, "reading the cluster");
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        filled = missing.wait_for(String::is_empty) => filled.is_ok(),
    }
}
