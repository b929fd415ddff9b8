//! The gate between the controller and the cluster: each call, each answer and each watch event waits here for its turn, drawn
//! from the seed, so that one party moves at a time; and here faults strike.

use crate::base::clock::Clock;
use crate::base::seed::Seed;
use crate::cluster::failure::Failure;
use crate::cluster::gate::{Delivery, Gate, Verdict};
use crate::cluster::request::Call;
use crate::cluster::store::{Change, Store};
use crate::simulate::crew::Crew;
use crate::simulate::fault::{Fault, Mischief, Misdelivery, Point};
use crate::simulate::stage::Stage;
use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long things take when nothing is wrong, in virtual milliseconds: at least, and how much more at most.
const REQUEST_MS: (u64, u64) = (2, 8);
const ANSWER_MS: (u64, u64) = (1, 3);
const DELIVERY_MS: (u64, u64) = (1, 20);

/// Hands out turns: no two parties get the same millisecond.
#[derive(Debug)]
pub struct Turns {
    seed: Seed,
    begun: Instant,
    taken: BTreeSet<u64>,
}

impl Turns {
    pub fn new(seed: Seed) -> Self {
        let begun = Instant::now();
        Self {
            seed,
            begun,
            taken: BTreeSet::new(),
        }
    }

    /// When it is the turn of somebody who needs at least `least` milliseconds and at most `more` above that.
    pub fn draw(&mut self, (least, more): (u64, u64)) -> Instant {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.taken = self.taken.split_off(&now);
        let mut turn = now + least + self.seed.next_u64() % (more + 1);
        while !self.taken.insert(turn) {
            turn += 1;
        }
        self.begun + Duration::from_millis(turn)
    }
}

/// The faults of a run.
pub type Faults = Arc<Mutex<Vec<Box<dyn Fault>>>>;

/// The gate of a simulated cluster.
pub struct Turnstile {
    pub stage: Stage,
    pub clock: Clock,
    pub turns: Arc<Mutex<Turns>>,
    pub faults: Faults,
    pub crew: Crew,
}

impl fmt::Debug for Turnstile {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Turnstile")
    }
}

pub fn lock<T: ?Sized>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turnstile {
    async fn turn(&self, millis: (u64, u64)) {
        let turn = lock(&self.turns).draw(millis);
        sleep_until(turn).await;
    }

    fn mischief(&self, point: Point, call: &Call) -> Option<(&'static str, Mischief)> {
        let now = self.clock.now();
        let of_crew = self.crew.has(&call.caller);
        lock(&self.faults).iter_mut().find_map(|fault| {
            if !of_crew && !fault.hinders(&call.caller) {
                return None;
            }
            let name = fault.name();
            fault.request(point, call, now).map(|mischief| (name, mischief))
        })
    }

    async fn pass(&self, point: Point, call: &Call) -> Verdict {
        let Some((name, mischief)) = self.mischief(point, call) else {
            return Verdict::Pass;
        };
        self.crew.bitten(name, || {
            format!("{point:?} {:?} {} {}", call.verb, call.resource.id, call.name)
        });
        match mischief {
            Mischief::Refuse(failure) => Verdict::Refuse(failure),
            Mischief::Lose => Verdict::Lose,
            Mischief::Delay(wait) => {
                sleep(wait).await;
                Verdict::Pass
            }
            Mischief::Meanwhile(deed) => {
                (deed.0)(&self.crew.hand());
                Verdict::Pass
            }
            Mischief::Instead(other) => Verdict::Instead(other),
            Mischief::Truncate => Verdict::Truncate,
            Mischief::Late(wait) => {
                let (cluster, call) = (self.crew.around().cluster.clone(), call.clone());
                tokio::spawn(async move {
                    sleep(wait).await;
                    // Whoever sent it does not listen any more.
                    let _ = cluster.request(&call);
                });
                Verdict::Lose
            }
            Mischief::Crash(back) => {
                self.crew.crash(&call.caller, back);
                pending().await
            }
            Mischief::Freeze(wait) => {
                self.crew.freeze(&call.caller, wait);
                // Not of this replica's own making: it takes its next step when it thaws.
                self.turn(ANSWER_MS).await;
                Verdict::Pass
            }
        }
    }
}

impl Gate for Turnstile {
    fn before<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Verdict> {
        async move {
            if self.crew.has(&call.caller) {
                self.turn(REQUEST_MS).await;
            }
            self.pass(Point::Before, call).await
        }
        .boxed()
    }

    fn after<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Verdict> {
        async move {
            let verdict = self.pass(Point::After, call).await;
            if self.crew.has(&call.caller) {
                self.turn(ANSWER_MS).await;
            }
            verdict
        }
        .boxed()
    }

    fn done(&self, store: &Store, by: Option<(&Call, u16)>, changes: &[Change]) {
        self.stage.done(store, by, changes);
    }

    fn deliver<'a>(&'a self, call: &'a Call, event: &'a Value) -> BoxFuture<'a, Delivery> {
        async move {
            if !self.crew.has(&call.caller) {
                return Delivery::Once;
            }
            self.turn(DELIVERY_MS).await;
            let now = self.clock.now();
            let struck = lock(&self.faults)
                .iter_mut()
                .find_map(|fault| Some((fault.name(), fault.deliver(call, event, now)?)));
            let Some((name, misdelivery)) = struck else {
                return Delivery::Once;
            };
            self.crew.bitten(name, || {
                format!("event of {} to {}", call.resource.id, call.caller)
            });
            match misdelivery {
                Misdelivery::Delay(wait) => {
                    sleep(wait).await;
                    Delivery::Once
                }
                Misdelivery::As(delivery) => delivery,
                Misdelivery::DelayAs(wait, delivery) => {
                    sleep(wait).await;
                    delivery
                }
            }
        }
        .boxed()
    }
}

/// What an API server answers that is not well.
pub fn unwell(code: u16) -> Failure {
    match code {
        429 => Failure::too_many_requests(1),
        _ => Failure {
            code,
            ..Failure::internal("the server is currently unable to handle the request")
        },
    }
}
