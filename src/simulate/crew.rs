//! The replicas of the controller: the real one, over edges of this world. Starts, crashes, freezes and stops them.

use crate::base::clock::{Clock, Skew};
use crate::base::seed::Seed;
use crate::cluster::Cluster;
use crate::cluster::models;
use crate::controller::edges::Edges;
use crate::controller::http::Http;
use crate::controller::options::Options;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::controller::run::drive;
use crate::controller::slack::Carrier;
use crate::controller::tasks::{Life, Tasks};
use crate::simulate::gate::{Faults, Turns, lock};
use crate::simulate::people::Hand;
use crate::simulate::provider::Provider;
use crate::simulate::record::{ReplicaEvent, What};
use crate::simulate::slack::Slack;
use crate::simulate::stage::Stage;
use chrono::TimeDelta;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The namespace that the controller itself lives in.
pub const NAMESPACE: &str = "serin-system";

/// All replicas. Clones share them.
#[derive(Clone)]
pub struct Crew(Arc<Shared>);

/// What the replicas live in.
pub struct Surroundings {
    pub cluster: Cluster,
    pub clock: Clock,
    pub stage: Stage,
    pub turns: Arc<Mutex<Turns>>,
    pub faults: Faults,
    pub slack: Slack,
    pub nodes: models::Faults,
    pub options: Options,
    pub core: Core,
    pub measures: Measures,
}

struct Shared {
    around: Surroundings,
    replicas: Mutex<BTreeMap<Arc<str>, Replica>>,
    seed: Mutex<Seed>,
    bites: Mutex<BTreeMap<&'static str, u64>>,
}

struct Replica {
    life: Arc<Life>,
    stop: CancellationToken,
    skew: Skew,
    /// Crashed and to come back, or crashed for good; counts the lives, so that a late return does not revive a later life.
    lives: u64,
    up: bool,
}

impl Crew {
    pub fn new(around: Surroundings, seed: Seed) -> Self {
        Self(Arc::new(Shared {
            around,
            replicas: Mutex::default(),
            seed: Mutex::new(seed),
            bites: Mutex::default(),
        }))
    }

    /// Whether this caller is a replica, alive or not.
    pub fn has(&self, caller: &str) -> bool {
        lock(&self.0.replicas).contains_key(caller)
    }

    pub fn is_up(&self, name: &str) -> bool {
        lock(&self.0.replicas).get(name).is_some_and(|replica| replica.up)
    }

    /// Names of the replicas, in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        lock(&self.0.replicas).keys().cloned().collect()
    }

    /// What acts on this crew's world.
    pub fn hand(&self) -> Hand {
        let around = &self.0.around;
        Hand {
            cluster: around.cluster.clone(),
            stage: around.stage.clone(),
            crew: self.clone(),
            nodes: around.nodes.clone(),
        }
    }

    /// Starts a replica, unless it is up.
    pub fn start(&self, name: &str) {
        self.start_with(name, self.0.around.options.clone());
    }

    /// Starts a controller that asks nobody whether it may lead.
    pub fn start_usurper(&self, name: &str) {
        let mut options = self.0.around.options.clone();
        options.leader_elect = false;
        self.start_with(name, options);
    }

    /// It dies, and is no replica any more.
    pub fn dismiss(&self, name: &str) {
        self.crash(name, None);
        lock(&self.0.replicas).remove(name);
    }

    fn start_with(&self, name: &str, options: Options) {
        if self.is_up(name) {
            return;
        }
        let name: Arc<str> = name.into();
        let (life, stop) = (Arc::new(Life::default()), CancellationToken::new());
        let skew = {
            let mut replicas = lock(&self.0.replicas);
            let (skew, lives) = replicas
                .remove(&name)
                .map_or((Skew::default(), 0), |before| (before.skew, before.lives));
            let replica = Replica {
                life: Arc::clone(&life),
                stop: stop.clone(),
                skew: skew.clone(),
                lives: lives + 1,
                up: true,
            };
            replicas.insert(Arc::clone(&name), replica);
            skew
        };
        self.tell(&name, ReplicaEvent::Started);
        let tasks = Tasks::of(life);
        let edges = self.edges(&name, skew, tasks.clone());
        let crew = self.clone();
        tasks.spawn(async move {
            // Fails only for bad options, and a replica that is not there shows itself soon enough.
            let _ = drive(&options, edges, None, stop).await;
            crew.gone(&name);
        });
    }

    fn edges(&self, name: &Arc<str>, skew: Skew, tasks: Tasks) -> Edges {
        let around = &self.0.around;
        let clock = around.clock.skewed(skew);
        let provider = Provider {
            replica: Arc::clone(name),
            cluster: around.cluster.clone(),
            stage: around.stage.clone(),
            turns: Arc::clone(&around.turns),
            faults: Arc::clone(&around.faults),
            crew: self.clone(),
        };
        let slack = around.slack.for_replica(name, self.clone());
        Edges {
            client: around.cluster.client_as(name),
            http: Http::over(Arc::new(provider)),
            slack: Some(Arc::new(slack) as Arc<dyn Carrier>),
            clock,
            seed: Seed::new(lock(&self.0.seed).next_u64()),
            tasks,
            core: around.core,
            provider: around.measures,
            own_namespace: NAMESPACE.into(),
            host: name.to_string(),
            serves: false,
        }
    }

    /// The replica dies on the spot; with `back`, a new one of the same name starts after that time.
    pub fn crash(&self, name: &str, back: Option<Duration>) {
        let lives = {
            let mut replicas = lock(&self.0.replicas);
            let Some(replica) = replicas.get_mut(name).filter(|replica| replica.up) else {
                return;
            };
            replica.up = false;
            replica.life.end();
            replica.lives
        };
        self.tell(name, ReplicaEvent::Crashed);
        let Some(back) = back else { return };
        let (crew, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            sleep(back).await;
            let same = lock(&crew.0.replicas)
                .get(name.as_str())
                .is_some_and(|replica| replica.lives == lives);
            if same {
                crew.start(&name);
            }
        });
    }

    /// The replica stands still for a while, and then goes on as if nothing had been.
    pub fn freeze(&self, name: &str, wait: Duration) {
        let life = {
            let replicas = lock(&self.0.replicas);
            let Some(replica) = replicas.get(name).filter(|replica| replica.up) else {
                return;
            };
            Arc::clone(&replica.life)
        };
        life.freeze();
        tokio::spawn(async move {
            sleep(wait).await;
            life.thaw();
        });
    }

    /// SIGTERM.
    pub fn stop(&self, name: &str) {
        let stop = lock(&self.0.replicas)
            .get(name)
            .filter(|replica| replica.up)
            .map(|replica| replica.stop.clone());
        if let Some(stop) = stop {
            self.tell(name, ReplicaEvent::Stopping);
            stop.cancel();
        }
    }

    /// The replica's clock is off by this much from now on.
    pub fn skew(&self, name: &str, off: TimeDelta) {
        if let Some(replica) = lock(&self.0.replicas).get(name) {
            replica.skew.set(off);
        }
    }

    fn gone(&self, name: &str) {
        if let Some(replica) = lock(&self.0.replicas).get_mut(name) {
            replica.up = false;
        }
        self.tell(name, ReplicaEvent::Stopped);
    }

    /// A fault bit.
    pub fn bitten(&self, name: &'static str, detail: impl FnOnce() -> String) {
        *lock(&self.0.bites).entry(name).or_default() += 1;
        let what = What::Fault {
            name,
            detail: detail(),
        };
        self.0.around.stage.tell(&self.0.around.cluster, what);
    }

    /// How often each fault bit.
    pub fn bites(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0.bites).clone()
    }

    fn tell(&self, name: &str, event: ReplicaEvent) {
        let what = What::Replica {
            name: name.into(),
            what: event,
        };
        self.0.around.stage.tell(&self.0.around.cluster, what);
    }

    pub fn around(&self) -> &Surroundings {
        &self.0.around
    }
}
