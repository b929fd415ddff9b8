//! What a seed of the swarm picks: the Rollout with its parameters, what people do, and what goes wrong.

use super::options::{self, OPTIONS_FROM};
use super::ways::{self, Router};
use super::{NAME, NAMESPACE, TROUBLE};
use crate::base::seed::Seed;
use crate::simulate::fault::Fault;
use crate::simulate::faults::{self, CATALOGUE, Entry};
use crate::simulate::world::beginning;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What a seed picked.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub objects: Vec<Value>,
    pub controllers: usize,
    pub way: Way,
    pub deeds: Vec<(Duration, Deed)>,
    /// Names of faults in the catalogue, each with the seed of its parameters.
    pub faults: Vec<(&'static str, u64)>,
}

/// From this seed on the strategy is blue-green; below it, canary. Seeds that broke a law once keep their worlds that way.
pub const BLUE_GREEN_FROM: u64 = 1_000_000;
/// From this seed on a canary is behind NGINX, Istio or an AWS load balancer.
pub const ROUTERS_FROM: u64 = 2_000_000;

/// How traffic gets to the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A canary behind one Service: by the count of pods.
    Service,
    /// A canary behind an HTTPRoute: by weights.
    Route,
    BlueGreen,
    /// A canary behind one of the other routers.
    Router(Router),
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
    /// A merge patch of the Rollout's spec.
    Edit(Value),
    /// Creates or merges an object.
    Apply(Value),
    Delete {
        resource: String,
        name: String,
        policy: String,
    },
}

pub(super) struct Draw(pub(super) Seed);

impl Draw {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn one<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(choices.len() as u64)).unwrap_or_default();
        &choices[at]
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        self.one(choices).clone()
    }
}

impl Case {
    /// The case of a seed.
    pub fn drawn(seed: u64) -> Self {
        if seed >= OPTIONS_FROM {
            return options::drawn(seed);
        }
        let mut draw = Draw(Seed::new(seed ^ 0x5e71));
        let way = match draw.one_in(2) {
            _ if seed >= ROUTERS_FROM => Way::Router(ways::router(&mut draw)),
            _ if seed >= BLUE_GREEN_FROM => Way::BlueGreen,
            true => Way::Route,
            false => Way::Service,
        };
        let objects = objects(&mut draw, way);
        let controllers = if draw.one_in(3) { 2 } else { 1 };
        let deeds = deeds(&mut draw);
        let faults = troubles(&mut draw);
        Self {
            seed,
            objects,
            controllers,
            way,
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

    /// The faults, ready to strike.
    pub fn struck(&self) -> Vec<Box<dyn Fault>> {
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

fn objects(draw: &mut Draw, way: Way) -> Vec<Value> {
    let mut objects = vec![template()];
    match way {
        Way::Service => objects.push(service(NAME)),
        Way::BlueGreen => objects.extend([service("web-active"), service("web-preview")]),
        Way::Route => {
            objects.extend([service("web-stable"), service("web-canary")]);
            objects.push(
                json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": NAME, "namespace": NAMESPACE},
                "spec": {"rules": [{"backendRefs": [{"name": "web-stable", "port": 80, "weight": 100},
                    {"name": "web-canary", "port": 80, "weight": 0}]}]}}),
            );
        }
        Way::Router(router) => objects.extend(ways::objects(router)),
    }
    let strategy = match way {
        Way::Router(router) => json!({"canary": ways::canary(draw, router)}),
        Way::BlueGreen => json!({"blueGreen": blue_green(draw)}),
        _ => json!({"canary": canary(draw, way == Way::Route)}),
    };
    let mut rollout = rollout(draw, &strategy);
    if let Way::Router(router) = way {
        ways::patient(&mut rollout, router);
    }
    objects.push(rollout);
    objects
}

pub(super) fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80}]}})
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

pub(super) fn canary(draw: &mut Draw, routed: bool) -> Value {
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
    canary
}

fn blue_green(draw: &mut Draw) -> Value {
    let mut strategy = json!({"activeService": "web-active", "autoPromotionEnabled": draw.one_in(2),
        "maxUnavailable": draw.of(&[json!(0), json!(1), json!("25%")])});
    let mut maybe = |field: &str, n: u64, values: &[Value]| {
        if draw.one_in(n) {
            strategy[field] = draw.of(values);
        }
    };
    maybe("previewService", 2, &[json!("web-preview")]);
    maybe("autoPromotionSeconds", 3, &[json!(5), json!(45)]);
    maybe("scaleDownDelaySeconds", 2, &[json!(5), json!(40)]);
    maybe("scaleDownDelayRevisionLimit", 4, &[json!(0), json!(1)]);
    maybe("abortScaleDownDelaySeconds", 3, &[json!(0), json!(5), json!(40)]);
    maybe("previewReplicaCount", 3, &[json!(1), json!(2)]);
    maybe("prePromotionAnalysis", 3, &[analysis()]);
    maybe("postPromotionAnalysis", 3, &[analysis()]);
    strategy
}

fn rollout(draw: &mut Draw, strategy: &Value) -> Value {
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"replicas": 1 + draw.below(6), "minReadySeconds": draw.of(&[0, 0, 3]),
            "progressDeadlineSeconds": draw.of(&[60, 120, 600]), "progressDeadlineAbort": draw.one_in(2),
            "revisionHistoryLimit": draw.of(&[0, 1, 10]),
            "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": "main", "image": "shop/web:v1"}]}},
            "strategy": strategy}})
}

/// What goes wrong.
pub(super) fn troubles(draw: &mut Draw) -> Vec<(&'static str, u64)> {
    let count = draw.of(&[0, 1, 1, 2, 2, 3, 4]);
    (0..count)
        .map(|_| (draw.one(CATALOGUE).name, draw.0.next_u64()))
        .collect()
}

pub(super) fn deeds(draw: &mut Draw) -> Vec<(Duration, Deed)> {
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
