//! Worlds by the thousand: a seed picks the Rollout, its parameters, what people do and what goes wrong. First everything may happen;
//! then the world heals, and the Rollout must come to rest. The laws hold all the while.

use crate::base::object::Kind;
use crate::base::seed::Seed;
use crate::cluster::request::Verb;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::simulate::fault::Fault;
use crate::simulate::faults::{self, CATALOGUE, Entry};
use crate::simulate::laws::{Broken, End, Facts, Laws};
use crate::simulate::people::{Hand, id};
use crate::simulate::record::{Record, What};
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry as Enters, Load};
use crate::simulate::transcript::{Keep, line};
use crate::simulate::world::{Outcome, Setup, World, beginning, run};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Until when people act and faults strike.
const TROUBLE: Duration = Duration::from_secs(300);
/// How long a healed world may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(1_800);
/// How long the rest is watched.
const REST: Duration = Duration::from_secs(150);
const NAMESPACE: &str = "default";
const NAME: &str = "web";

/// What a seed picked.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub objects: Vec<Value>,
    pub controllers: usize,
    pub routed: bool,
    pub deeds: Vec<(Duration, Deed)>,
    /// Names of faults in the catalogue, each with the seed of its parameters.
    pub faults: Vec<(&'static str, u64)>,
}

/// What people do in a swarm.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    Image(&'static str),
    Abort,
    Retry,
    Promote,
    PromoteFull,
    Scale(u64),
    Pause(bool),
}

/// What a case came to.
#[derive(Debug)]
pub struct Verdict {
    pub outcome: Outcome,
    /// Laws that were broken, and rest that did not come.
    pub broken: Vec<Broken>,
}

struct Draw(Seed);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn one<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(choices.len() as u64)).unwrap_or_default();
        &choices[at]
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        self.one(choices).clone()
    }
}

impl Case {
    /// The case of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut draw = Draw(Seed::new(seed ^ 0x5e71));
        let routed = draw.one_in(2);
        let objects = objects(&mut draw, routed);
        let controllers = if draw.one_in(3) { 2 } else { 1 };
        let deeds = deeds(&mut draw);
        let count = draw.of(&[0, 1, 1, 2, 2, 3, 4]);
        let faults = (0..count)
            .map(|_| (draw.one(CATALOGUE).name, draw.0.next_u64()))
            .collect();
        Self {
            seed,
            objects,
            controllers,
            routed,
            deeds,
            faults,
        }
    }

    /// The same without this fault.
    pub fn without_fault(&self, index: usize) -> Self {
        let mut less = self.clone();
        less.faults.remove(index);
        less
    }

    /// The same without this deed.
    pub fn without_deed(&self, index: usize) -> Self {
        let mut less = self.clone();
        less.deeds.remove(index);
        less
    }

    /// For people: what happens in it.
    pub fn describe(&self) -> String {
        let rollout = self.objects.iter().find(|object| object["kind"] == "Rollout");
        let spec = rollout.map(|rollout| &rollout["spec"]).unwrap_or(&Value::Null);
        let mut text = format!(
            "seed {}: {} replicas, {} controller(s), strategy {}\n",
            self.seed, spec["replicas"], self.controllers, spec["strategy"]
        );
        for (at, deed) in &self.deeds {
            let _ = writeln!(text, "  after {} s: {deed:?}", at.as_secs());
        }
        for (name, seed) in &self.faults {
            let _ = writeln!(text, "  fault {name} ({seed:x})");
        }
        text
    }

    fn struck(&self) -> Vec<Box<dyn Fault>> {
        let from = beginning() + TimeDelta::seconds(20);
        let until = beginning() + TimeDelta::from_std(TROUBLE).unwrap_or_default();
        let entry = |name: &str| CATALOGUE.iter().find(|entry: &&Entry| entry.name == name);
        let faults = self
            .faults
            .iter()
            .filter_map(|(name, seed)| Some((entry(name)?, *seed)));
        faults
            .map(|(entry, seed)| faults::drawn(&mut Seed::new(seed), entry, (from, until)))
            .collect()
    }
}

fn objects(draw: &mut Draw, routed: bool) -> Vec<Value> {
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 80}]}})
    };
    let mut objects = vec![template()];
    if routed {
        objects.extend([service("web-stable"), service("web-canary")]);
        objects.push(
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"rules": [{"backendRefs": [{"name": "web-stable", "port": 80, "weight": 100},
                {"name": "web-canary", "port": 80, "weight": 0}]}]}}),
        );
    } else {
        objects.push(service(NAME));
    }
    objects.push(rollout(draw, routed));
    objects
}

/// One metric: the share of errors of the new version, which must not be above 5 %.
fn template() -> Value {
    let query = "sum(rate(http_requests_total{rollouts_pod_template_hash=\"{{args.hash}}\",code=~\"5..\"}[1m])) / \
        sum(rate(http_requests_total{rollouts_pod_template_hash=\"{{args.hash}}\"}[1m]))";
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
        "metadata": {"name": "errors", "namespace": NAMESPACE},
        "spec": {"args": [{"name": "hash"}], "metrics": [{"name": "error-rate", "interval": "20s", "count": 3,
            "successCondition": "result[0] <= 0.05", "failureLimit": 0, "consecutiveErrorLimit": 4,
            "provider": {"prometheus": {"query": query}}}]}})
}

fn analysis() -> Value {
    json!({"templates": [{"templateName": "errors"}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}]})
}

fn steps(draw: &mut Draw, routed: bool) -> Vec<Value> {
    let len = draw.below(5);
    let mut weight = 0;
    (0..len)
        .map(|_| match draw.below(if routed { 8 } else { 7 }) {
            0..=2 => {
                weight = draw.of(&[5, 20, 25, 40, 50, 80, 100]).max(weight);
                json!({"setWeight": weight})
            }
            3 | 4 => json!({"pause": {"duration": draw.of(&["5s", "20s", "45s"])}}),
            5 => json!({"pause": {}}),
            6 => json!({"analysis": analysis()}),
            _ => draw.of(&[
                json!({"setCanaryScale": {"replicas": 2}}),
                json!({"setCanaryScale": {"weight": 50}}),
                json!({"setCanaryScale": {"matchTrafficWeight": true}}),
            ]),
        })
        .collect()
}

fn rollout(draw: &mut Draw, routed: bool) -> Value {
    let (surge, unavailable) = draw.of(&[
        (json!("25%"), json!("25%")),
        (json!(1), json!(0)),
        (json!(0), json!(1)),
        (json!("100%"), json!(0)),
        (json!("50%"), json!("50%")),
    ]);
    let mut canary = json!({"maxSurge": surge, "maxUnavailable": unavailable, "steps": steps(draw, routed)});
    if routed {
        canary["stableService"] = "web-stable".into();
        canary["canaryService"] = "web-canary".into();
        canary["trafficRouting"] =
            json!({"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": NAME, "namespace": NAMESPACE}}});
        if draw.one_in(3) {
            canary["scaleDownDelaySeconds"] = draw.of(&[5, 40]).into();
        }
        if draw.one_in(3) {
            canary["abortScaleDownDelaySeconds"] = draw.of(&[5, 40]).into();
        }
    }
    if draw.one_in(4) {
        canary["analysis"] = analysis();
    }
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"replicas": 1 + draw.below(6), "minReadySeconds": draw.of(&[0, 0, 3]),
            "progressDeadlineSeconds": draw.of(&[60, 120, 600]), "progressDeadlineAbort": draw.one_in(2),
            "revisionHistoryLimit": draw.of(&[0, 1, 10]),
            "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": "main", "image": "shop/web:v1"}]}},
            "strategy": {"canary": canary}}})
}

fn deeds(draw: &mut Draw) -> Vec<(Duration, Deed)> {
    let mut deeds = vec![(Duration::from_secs(25 + draw.below(10)), image(draw))];
    for _ in 0..draw.below(4) {
        let deed = match draw.below(10) {
            0..=2 => image(draw),
            3 => Deed::Abort,
            4 => Deed::Retry,
            5 => Deed::Promote,
            6 => Deed::PromoteFull,
            7 => Deed::Scale(draw.below(7)),
            8 => Deed::Pause(true),
            _ => Deed::Pause(false),
        };
        deeds.push((Duration::from_secs(30 + draw.below(260)), deed));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn image(draw: &mut Draw) -> Deed {
    Deed::Image(draw.of(&["v2", "v2", "v3", "v1", "v4-errors30", "bad5", "crash6"]))
}

/// Lives a case, with this core.
pub fn live(case: &Case, core: Core, measures: Measures, keep: Keep) -> Verdict {
    run(async {
        let mut setup = Setup::new(case.seed);
        setup.replicas = case.controllers;
        setup.objects.clone_from(&case.objects);
        setup.faults = case.struck();
        setup.keep = keep;
        setup.core = core;
        setup.measures = measures;
        setup.laws = Some(Laws::all(facts(case)));
        setup.loads = vec![Load {
            namespace: NAMESPACE.into(),
            entry: match case.routed {
                true => Enters::Route(NAME.into()),
                false => Enters::Service(NAME.into()),
            },
            rate: Rate::Constant(20.0),
        }];
        let world = World::begin(setup);
        for (at, deed) in &case.deeds {
            world.wait(at.saturating_sub(world.elapsed())).await;
            perform(&world.hand, deed);
        }
        world.wait(TROUBLE.saturating_sub(world.elapsed())).await;
        world.heal();
        let healed_at = world.clock.now();
        // A pause that somebody set has to be taken back by somebody.
        let rested = comes_to_rest(&world).await;
        let state = state(&world.hand);
        let at = world.clock.now();
        let mut broken = end(&world, healed_at);
        if !rested {
            broken.push(Broken {
                law: "L1",
                says: "when faults stop and nobody interferes, the Rollout comes to rest and stays there",
                at,
                evidence: format!(
                    "{} s after the world healed: {state}",
                    (at - healed_at).num_seconds()
                ),
                objects: vec![format!("Rollout {NAMESPACE}/{NAME}")],
            });
        }
        let mut outcome = world.end();
        let mut all = std::mem::take(&mut outcome.broken);
        all.extend(broken);
        Verdict { outcome, broken: all }
    })
}

/// Whether the Rollout comes to rest in time, and stays at rest.
async fn comes_to_rest(world: &World) -> bool {
    let deadline = world.elapsed() + REST_WITHIN;
    loop {
        let left = deadline.saturating_sub(world.elapsed());
        if left.is_zero() || !world.until(left, rests).await {
            return false;
        }
        world.wait(REST).await;
        if rests(&world.hand) {
            return true;
        }
    }
}

fn facts(case: &Case) -> Facts {
    let mut facts = Facts {
        quiet_after: TimeDelta::seconds(90),
        ..Facts::default()
    };
    for (name, _) in &case.faults {
        faults::excuse(name, &mut facts);
    }
    facts
}

fn end(world: &World, healed_at: chrono::DateTime<chrono::Utc>) -> Vec<Broken> {
    let cluster = world.hand.cluster.world();
    let mut state = world.hand.stage.state();
    let end = End {
        at: world.clock.now(),
        store: &cluster.store,
        healed_at: Some(healed_at),
        twin: None,
    };
    state.laws.as_mut().map(|laws| laws.end(&end)).unwrap_or_default()
}

fn patch(hand: &Hand, subresource: &str, patch: &Value) {
    let resource = id(Kind::Rollout);
    // The Rollout may be gone, or the API server unwell: people shrug too.
    let _ = hand.patch("person", (&resource, NAMESPACE, NAME, subresource), patch);
}

fn perform(hand: &Hand, deed: &Deed) {
    hand.says("person", format!("{deed:?}"));
    match deed {
        Deed::Image(tag) => {
            let containers = json!([{"name": "main", "image": format!("shop/web:{tag}")}]);
            patch(
                hand,
                "",
                &json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            );
        }
        Deed::Abort => patch(hand, "status", &json!({"status": {"abort": true}})),
        Deed::Retry => patch(hand, "status", &json!({"status": {"abort": false}})),
        Deed::Promote => patch(hand, "status", &json!({"status": {"pauseConditions": null}})),
        Deed::PromoteFull => patch(hand, "status", &json!({"status": {"promoteFull": true}})),
        Deed::Scale(replicas) => patch(hand, "", &json!({"spec": {"replicas": replicas}})),
        Deed::Pause(paused) => patch(hand, "", &json!({"spec": {"paused": paused}})),
    }
}

/// Whether the Rollout rests: done, aborted, or waiting for a person, and seen as it is now. One that is gone rests too.
fn rests(hand: &Hand) -> bool {
    let Some(rollout) = hand.rollout(NAMESPACE, NAME) else {
        return true;
    };
    let status = &rollout["status"];
    let seen = status["observedGeneration"].as_str();
    let seen = seen.and_then(|text| text.parse::<i64>().ok()) == rollout["metadata"]["generation"].as_i64();
    let phase = status["phase"].as_str().unwrap_or_default();
    let index = status["currentStepIndex"].as_u64().unwrap_or(u64::MAX);
    let step = usize::try_from(index)
        .ok()
        .and_then(|index| rollout["spec"]["strategy"]["canary"]["steps"].get(index));
    let timed = step.is_some_and(|step| step["pause"]["duration"].is_string());
    let by_hand = rollout["spec"]["paused"] == true;
    seen && match phase {
        "Healthy" | "Degraded" => true,
        "Paused" => by_hand || !timed,
        _ => false,
    }
}

fn state(hand: &Hand) -> String {
    let Some(rollout) = hand.rollout(NAMESPACE, NAME) else {
        return "the Rollout is gone".into();
    };
    let status = &rollout["status"];
    format!(
        "phase {}, message {}, step {}, generation {} seen {}",
        status["phase"],
        status["message"],
        status["currentStepIndex"],
        rollout["metadata"]["generation"],
        status["observedGeneration"]
    )
}

/// Takes away what is not needed to break a law: faults first, then deeds, as long as the same law breaks.
pub fn shrunk(case: &Case, law: &str, mut breaks: impl FnMut(&Case) -> Vec<Broken>) -> Case {
    let mut least = case.clone();
    let mut still = |case: &Case| breaks(case).iter().any(|broken| broken.law == law);
    let mut index = 0;
    while index < least.faults.len() {
        let less = least.without_fault(index);
        if still(&less) {
            least = less;
        } else {
            index += 1;
        }
    }
    index = 0;
    while index < least.deeds.len() {
        let less = least.without_deed(index);
        if still(&less) {
            least = less;
        } else {
            index += 1;
        }
    }
    least
}

/// How many events before the first broken law are told.
const TOLD: usize = 40;

/// What a person needs to see what went wrong: the case, the laws that broke, and how it came to the first of them. `verdict` must keep
/// all of its records.
pub fn report(case: &Case, verdict: &Verdict) -> String {
    let mut text = case.describe();
    for broken in &verdict.broken {
        let _ = writeln!(text, "  {broken}");
    }
    let first = verdict.broken.iter().map(|broken| broken.at).min();
    let told = |record: &&Record| first.is_none_or(|first| record.at <= first) && tells(record);
    let events: Vec<_> = verdict.outcome.transcript.records().filter(told).collect();
    let _ = writeln!(text, "the last events before it:");
    for record in &events[events.len().saturating_sub(TOLD)..] {
        let _ = writeln!(text, "    {}", line(record));
    }
    let _ = writeln!(text, "replay: serin simulate --seed {}", case.seed);
    text
}

/// Not the steady noise of every world: users, and Leases that are renewed.
fn tells(record: &Record) -> bool {
    match &record.what {
        What::Traffic(_) => false,
        What::Request(request) => {
            let read = matches!(request.verb, Verb::Get | Verb::List | Verb::Watch) && request.code < 300;
            !request.resource.starts_with("leases") && !read
        }
        _ => true,
    }
}
