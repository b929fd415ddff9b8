//! A world to play in: cluster, nodes, traffic, Prometheus, Slack, the controller's replicas and the faults, on one thread and on
//! virtual time.

use crate::api::crd::{Variant, documents};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::base::seed::Seed;
use crate::cluster::gate::Open;
use crate::cluster::models;
use crate::cluster::store::Store;
use crate::cluster::{Cluster, world::World as ClusterWorld};
use crate::controller::options::Options;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::simulate::crew::{Crew, NAMESPACE, Surroundings};
use crate::simulate::fault::Fault;
use crate::simulate::gate::{Faults, Turns, Turnstile, lock};
use crate::simulate::laws::{Broken, Laws};
use crate::simulate::people::Hand;
use crate::simulate::prometheus::{self, Prometheus};
use crate::simulate::slack::Slack;
use crate::simulate::stage::{Stage, State, Tally};
use crate::simulate::traffic::Load;
use crate::simulate::traffic::Traffic;
use crate::simulate::traffic::answers::Override;
use crate::simulate::transcript::{Keep, Transcript};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// How often faults that do nothing by themselves are asked again.
const IDLE: Duration = Duration::from_secs(3_600);
/// The Slack token of the world: a secret like any other, which must show up nowhere.
const SLACK_TOKEN: &str = "xoxb-simulated-token-9f3b";
const SLACK_SECRET: &str = "serin-slack";
const SLACK_CHANNEL: &str = "C0RELEASES";

/// What a world begins with.
pub struct Setup {
    pub seed: u64,
    /// What its clock shows at the beginning.
    pub begins: DateTime<Utc>,
    /// Replicas of the controller; with more than one they elect a leader.
    pub replicas: usize,
    /// Applied in order before the controller starts.
    pub objects: Vec<Value>,
    pub loads: Vec<Load>,
    pub answers: Vec<Override>,
    /// Files of recording rules.
    pub rules: Vec<String>,
    pub faults: Vec<Box<dyn Fault>>,
    /// How the cluster's own controllers and nodes work; none for a cluster without any.
    pub models: Option<models::Settings>,
    pub laws: Option<Laws>,
    pub keep: Keep,
    /// What decides, and what reads metrics: a test may plant bugs in either.
    pub core: Core,
    pub measures: Measures,
}

impl Setup {
    /// One replica, no traffic, no faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            begins: beginning(),
            replicas: 1,
            objects: Vec::new(),
            loads: Vec::new(),
            answers: Vec::new(),
            rules: Vec::new(),
            faults: Vec::new(),
            models: Some(models::Settings::default()),
            laws: None,
            keep: Keep::Last(400),
            core: Core::default(),
            measures: Measures::default(),
        }
    }
}

/// A running world.
pub struct World {
    pub hand: Hand,
    pub clock: Clock,
    pub begun: Instant,
    faults: Faults,
    /// A fault came.
    struck: Arc<Notify>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Of the transcript.
    pub hash: u64,
    pub broken: Vec<Broken>,
    pub tally: Tally,
    pub bites: BTreeMap<&'static str, u64>,
    /// Virtual time.
    pub lasted: Duration,
    pub transcript: Transcript,
    pub store: Store,
}

/// The first moment of every world: a Monday morning.
pub fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_607_200, 0).unwrap_or_default()
}

/// Runs `play` on a runtime whose clock stands still whenever somebody could move.
///
/// # Panics
/// When the runtime cannot be built, which needs nothing that could be missing.
pub fn run<T>(play: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime
        .expect("a runtime without drivers but time can always be built")
        .block_on(play)
}

/// A cluster with the definitions of everything that the controller uses; parsed once in the life of the process.
fn template() -> &'static ClusterWorld {
    static TEMPLATE: OnceLock<ClusterWorld> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let cluster = Cluster::new(0, Clock::starting_at(beginning()));
        let routes = [
            include_str!("crds/httproute.yaml"),
            include_str!("crds/virtualservice.yaml"),
            include_str!("crds/destinationrule.yaml"),
        ];
        let routes = routes.iter().filter_map(|text| serde_saphyr::from_str(text).ok());
        let ours = documents(Variant::Slim).into_iter().map(|(_, document)| document);
        for definition in ours.chain(routes) {
            let installed = cluster.install_crd(definition);
            debug_assert!(installed.is_ok(), "{installed:?}");
        }
        cluster.make_namespace(NAMESPACE);
        cluster.world().reborn(0, Clock::starting_at(beginning()))
    })
}

fn traffic(loads: Vec<Load>, answers: Vec<Override>, now: DateTime<Utc>) -> Traffic {
    let mut traffic = Traffic::new(now);
    answers.into_iter().for_each(|answers| traffic.answer(answers));
    for load in loads {
        traffic.add(load);
    }
    traffic
}

/// Creates what is there when the story begins.
fn furnish(hand: &Hand, objects: &[Value]) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SLACK_SECRET, "namespace": NAMESPACE},
        "data": {"token": "eG94Yi1zaW11bGF0ZWQtdG9rZW4tOWYzYg=="}});
    for object in std::iter::once(&secret).chain(objects) {
        if let Err(failure) = hand.create("setup", object) {
            let why = format!("cannot create {}: {}", object["kind"], failure.message);
            hand.says("setup", why);
        }
    }
}

fn options(replicas: usize) -> Options {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let elect = format!("--leader-elect={}", replicas > 1);
    let line = [
        "serin",
        &elect,
        "--slack-secret",
        SLACK_SECRET,
        "--slack-channel",
        SLACK_CHANNEL,
        "--prometheus-address",
        "http://prometheus.monitoring:9090",
    ];
    Line::parse_from(line).options
}

impl World {
    /// A world at its first moment: objects are there, the controller is starting.
    pub fn begin(setup: Setup) -> Self {
        let mut seed = Seed::new(setup.seed);
        let clock = Clock::starting_at(setup.begins);
        let cluster = Cluster::from_world(template().reborn(seed.next_u64(), clock.clone()));
        let state = State {
            traffic: traffic(setup.loads, setup.answers, clock.now()),
            prometheus: prometheus(setup.rules, clock.now()),
            transcript: Transcript::new(setup.keep),
            laws: setup.laws,
            broken: Vec::new(),
            tally: Tally::default(),
        };
        let stage = Stage::new(clock.clone(), state);
        let turns = Arc::new(Mutex::new(Turns::new(Seed::new(seed.next_u64()))));
        let faults: Faults = Arc::new(Mutex::new(setup.faults));
        let token = Secret::new(SLACK_TOKEN.to_owned());
        let slack = Slack::new(
            cluster.clone(),
            stage.clone(),
            Arc::clone(&turns),
            Arc::clone(&faults),
            token,
        );
        let nodes = setup.models.as_ref().map(|models| models.faults.clone());
        let nodes = nodes.unwrap_or_default();
        let around = Surroundings {
            cluster: cluster.clone(),
            clock: clock.clone(),
            stage: stage.clone(),
            turns: Arc::clone(&turns),
            faults: Arc::clone(&faults),
            slack,
            nodes,
            options: options(setup.replicas),
            core: setup.core,
            measures: setup.measures,
        };
        let crew = Crew::new(around, Seed::new(seed.next_u64()));
        cluster.set_gate(Arc::new(Turnstile {
            stage: stage.clone(),
            clock: clock.clone(),
            turns,
            faults: Arc::clone(&faults),
            crew: crew.clone(),
        }));
        let models = setup.models.map(|models| cluster.start_models(models));
        let hand = crew.hand();
        furnish(&hand, &setup.objects);
        models.map(tokio::spawn);
        tokio::spawn(scrapes(hand.clone()));
        for number in 0..setup.replicas {
            let letter = char::from(b'a' + u8::try_from(number).unwrap_or_default());
            hand.crew.start(&format!("serin-{letter}"));
        }
        let acting = Arc::clone(&faults);
        let struck = Arc::new(Notify::new());
        tokio::spawn(act(hand.clone(), acting, clock.clone(), Arc::clone(&struck)));
        Self {
            hand,
            clock,
            begun: Instant::now(),
            faults,
            struck,
        }
    }

    /// A fault begins.
    pub fn strike(&self, fault: Box<dyn Fault>) {
        lock(&self.faults).push(fault);
        self.struck.notify_one();
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Lets time pass.
    pub async fn wait(&self, time: Duration) {
        sleep(time).await;
    }

    /// Waits until `done` says so, at most for `limit`. Looks after every change of the cluster.
    pub async fn until(&self, limit: Duration, mut done: impl FnMut(&Hand) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut changed = self.hand.cluster.subscribe();
        loop {
            changed.catch_up();
            if done(&self.hand) {
                return true;
            }
            tokio::select! {
                biased;
                change = changed.changed() => if change.is_err() { return false },
                () = sleep_until(deadline) => return done(&self.hand),
            }
        }
    }

    /// Ends all faults, and takes back what they changed. Replicas that are down start again.
    pub fn heal(&self) {
        let faults = std::mem::take(&mut *lock(&self.faults));
        let now = self.clock.now();
        for mut fault in faults {
            fault.heal(&self.hand, now);
        }
        self.hand.nodes.clear();
        for name in self.hand.crew.names() {
            self.hand.crew.skew(&name, TimeDelta::zero());
            self.hand.crew.start(&name);
        }
    }

    /// Ends the run.
    pub fn end(self) -> Outcome {
        let lasted = self.elapsed();
        let cluster = &self.hand.cluster;
        {
            let world = cluster.world();
            self.hand.stage.flow(&world.store, &[]);
        }
        // The gate knows the crew and the crew knows the cluster: this lets all of them go.
        cluster.set_gate(Arc::new(Open));
        let store = cluster.world().store.clone();
        let mut state = self.hand.stage.state();
        Outcome {
            hash: state.transcript.hash(),
            broken: std::mem::take(&mut state.broken),
            tally: std::mem::take(&mut state.tally),
            bites: self.hand.crew.bites(),
            lasted,
            transcript: std::mem::replace(&mut state.transcript, Transcript::new(Keep::Last(0))),
            store,
        }
    }
}

/// Prometheus scrapes, for as long as the world stands.
async fn scrapes(hand: Hand) {
    loop {
        let due = hand.stage.state().prometheus.due() - hand.stage.now();
        sleep(due.to_std().unwrap_or_default()).await;
        {
            let world = hand.cluster.world();
            hand.stage.flow(&world.store, &[]);
        }
        let mut state = hand.stage.state();
        let State {
            traffic, prometheus, ..
        } = &mut *state;
        prometheus.tick(traffic);
    }
}

fn prometheus(rules: Vec<String>, now: DateTime<Utc>) -> Prometheus {
    let mut prometheus = Prometheus::new(prometheus::Settings::default(), now);
    for text in rules {
        let added = prometheus.add_rules(&text, now);
        debug_assert!(added.is_ok(), "{added:?}");
    }
    prometheus
}

fn act_now(hand: &Hand, faults: &Faults, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // Taken out while they act: what they do must not find them locked.
    let mut acting = std::mem::take(&mut *lock(faults));
    let due = acting.iter_mut().filter_map(|fault| fault.act(hand, now)).min();
    let mut rest = lock(faults);
    acting.append(&mut rest);
    *rest = acting;
    due
}

/// Lets faults act by themselves when their time has come.
async fn act(hand: Hand, faults: Faults, clock: Clock, struck: Arc<Notify>) {
    loop {
        let now = clock.now();
        let due = act_now(&hand, &faults, now);
        let wait = due.map_or(IDLE, |due| (due - now).to_std().unwrap_or_default());
        tokio::select! {
            biased;
            () = struck.notified() => {}
            () = sleep(wait.max(Duration::from_millis(1))) => {}
        }
    }
}
