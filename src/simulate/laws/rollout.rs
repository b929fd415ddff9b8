//! What the laws know of a Rollout: read from the raw object, field by field.

use super::read::{self, Id, flag, label, list, number, owned, part, text};
use super::routers;
use crate::base::names::{GATEWAY_API_PLUGIN, annotation};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::sync::Arc;

/// A Rollout as it is stored.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub id: Id,
    pub uid: String,
    pub generation: i64,
    pub deleting: bool,
    pub revision: String,
    pub spec: Arc<Spec>,
    pub status: Status,
    pub raw: Arc<Value>,
}

/// What a person asks for.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub replicas: i64,
    pub paused: bool,
    /// Weights come from routes; without, from the numbers of pods.
    pub routed: bool,
    pub routes: Vec<Id>,
    pub weight_max: i64,
    pub stable_service: String,
    pub canary_service: String,
    /// Services that swap the parts of stable and canary.
    pub pair: [String; 2],
    /// Subsets of a DestinationRule in the parts of canary and stable: `rule/subset`, as the picture has them among the Services.
    pub subsets: Option<[String; 2]>,
    /// Blue-green's Service for production traffic.
    pub active_service: String,
    /// Leads testers to a version; carries nobody's traffic.
    pub preview_service: String,
    /// Analyses before and after the switch.
    pub judged_before: bool,
    pub judged_after: bool,
    /// How long a blue-green pause lasts that ends by itself; zero for none.
    pub switch_pause: TimeDelta,
    pub steps: Vec<Step>,
    /// Pods allowed above `replicas`, and pods that may be missing.
    pub surge: i64,
    pub unavailable: i64,
    /// Sizes other than those that follow from weights were asked for.
    pub own_sizes: bool,
    pub rollback_window: bool,
    pub progress_deadline: TimeDelta,
    /// First step of the background analysis, when there is one.
    pub background: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Weight(i64),
    /// None waits for a person.
    Pause(Option<TimeDelta>),
    Scale,
    Analysis,
    Other,
}

/// What was written about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    pub abort: bool,
    pub promote_full: bool,
    pub stable: String,
    pub current: String,
    pub steps_hash: String,
    pub index: Option<i64>,
    /// Reason and start.
    pub pauses: Vec<(String, Option<DateTime<Utc>>)>,
    pub controller_pause: bool,
    pub phase: String,
    pub message: String,
    pub observed: String,
    /// Type, status, reason, message.
    pub conditions: Vec<[String; 4]>,
    pub step_run: String,
    pub background_run: String,
    /// Which of two Services that swap is stable: `ping` or `pong`.
    pub stable_pair: String,
}

impl Rollout {
    /// Reads an object. `before` lends its spec when that did not change.
    pub fn read(id: &Id, raw: &Arc<Value>, before: Option<&Rollout>) -> Self {
        let meta = &raw["metadata"];
        let (uid, generation) = (owned(meta, "uid"), number(meta, "generation"));
        let same =
            before.filter(|before| generation != 0 && before.uid == uid && before.generation == generation);
        let spec = same.map_or_else(
            || Arc::new(Spec::read(id, &raw["spec"])),
            |same| Arc::clone(&same.spec),
        );
        Self {
            id: id.clone(),
            uid,
            generation,
            deleting: meta["deletionTimestamp"].is_string(),
            revision: read::annotation(raw, annotation::REVISION)
                .unwrap_or_default()
                .to_owned(),
            spec,
            status: Status::read(&raw["status"]),
            raw: Arc::clone(raw),
        }
    }

    /// `rollout shop/web`, as people name it.
    pub fn name(&self) -> String {
        format!("rollout {}", read::shown(&self.id))
    }

    /// The Services, or subsets, in the parts of canary and stable. Of a pair pong is stable until the status says otherwise.
    pub fn sides(&self) -> [&str; 2] {
        let spec = &self.spec;
        let [ping, pong] = &spec.pair;
        match &spec.subsets {
            Some([canary, stable]) => [canary, stable],
            None if ping.is_empty() => [&spec.canary_service, &spec.stable_service],
            None if self.status.stable_pair == "ping" => [pong, ping],
            None => [ping, pong],
        }
    }

    /// The newest spec was seen by the controller, and so was the newest template where that comes from elsewhere.
    pub fn observed(&self) -> bool {
        let refers = self.raw["spec"]["workloadRef"].is_object();
        let followed = || {
            let noted = read::annotation(&self.raw, annotation::WORKLOAD_GENERATION);
            noted == self.raw["status"]["workloadObservedGeneration"].as_str()
        };
        self.status.observed == self.generation.to_string() && (!refers || followed())
    }

    /// The version of the current template is the stable one.
    pub fn promoted(&self) -> bool {
        !self.status.stable.is_empty() && self.status.stable == self.status.current
    }

    /// An update is under way: there is a stable version and another one to judge.
    pub fn updating(&self) -> bool {
        let status = &self.status;
        !status.stable.is_empty() && !status.current.is_empty() && status.stable != status.current
    }

    /// The step that is carried out now.
    pub fn step(&self) -> Option<(usize, &Step)> {
        let index = usize::try_from(self.status.index.unwrap_or(0)).ok()?;
        self.spec.steps.get(index).map(|step| (index, step))
    }

    /// The weight of the nearest `setWeight` among the first `steps` steps; 0 before the first, everything after the last.
    pub fn weight_after(&self, steps: usize) -> i64 {
        let all = &self.spec.steps;
        if steps > all.len() {
            return self.spec.weight_max;
        }
        let weight = |step: &Step| match step {
            Step::Weight(weight) => Some(*weight),
            _ => None,
        };
        all.iter().take(steps).rev().find_map(weight).unwrap_or(0)
    }

    /// The lowest weight that the steps give a reason for now: while the current step is not reached, the one before it counts.
    pub fn weight_least(&self) -> i64 {
        let index = usize::try_from(self.status.index.unwrap_or(0)).unwrap_or(0);
        self.weight_after(index).min(self.weight_after(index + 1))
    }

    pub fn condition(&self, type_: &str) -> Option<&[String; 4]> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition[0] == type_)
    }

    /// The manifest cannot be carried out: nothing is done for it until somebody mends it.
    pub fn invalid(&self) -> bool {
        self.condition("InvalidSpec")
            .is_some_and(|condition| condition[1] == "True")
    }

    /// What the controller is held to at all times: no invalid, unread or vanishing Rollout.
    pub fn binding(&self) -> bool {
        !self.deleting && !self.invalid() && self.observed()
    }
}

impl Spec {
    /// Whether this Rollout says where a Service leads.
    pub fn names(&self, service: &str) -> bool {
        let own = [
            &self.stable_service,
            &self.canary_service,
            &self.active_service,
            &self.preview_service,
            &self.pair[0],
            &self.pair[1],
        ];
        let subsets = self.subsets.iter().flatten();
        own.into_iter().chain(subsets).any(|name| name == service)
    }

    fn read(id: &Id, spec: &Value) -> Self {
        let strategy = &spec["strategy"];
        let (canary, routing) = (&strategy["canary"], &strategy["canary"]["trafficRouting"]);
        let replicas = spec["replicas"].as_i64().unwrap_or(1);
        let (surge, unavailable) = budget(canary, replicas);
        let steps: Vec<Step> = list(canary, "steps").iter().map(step).collect();
        let own_sizes = steps.contains(&Step::Scale)
            || canary["replicaProgressThreshold"].is_object()
            || canary["minPodsPerReplicaSet"].is_number()
            || flag(canary, "dynamicStableScale");
        let background = &canary["analysis"];
        Self {
            replicas,
            paused: flag(spec, "paused"),
            routed: routing.is_object(),
            routes: routes(id, routing)
                .into_iter()
                .chain(routers::driven(id, routing))
                .collect(),
            pair: pair(canary),
            subsets: routers::subsets(routing),
            weight_max: routing["maxTrafficWeight"].as_i64().unwrap_or(100),
            stable_service: owned(canary, "stableService"),
            canary_service: owned(canary, "canaryService"),
            active_service: owned(&strategy["blueGreen"], "activeService"),
            preview_service: owned(&strategy["blueGreen"], "previewService"),
            judged_before: strategy["blueGreen"]["prePromotionAnalysis"].is_object(),
            judged_after: strategy["blueGreen"]["postPromotionAnalysis"].is_object(),
            switch_pause: switch_pause(&strategy["blueGreen"]),
            steps,
            surge,
            unavailable,
            own_sizes,
            rollback_window: number(&spec["rollbackWindow"], "revisions") > 0,
            progress_deadline: TimeDelta::seconds(spec["progressDeadlineSeconds"].as_i64().unwrap_or(600)),
            background: background.is_object().then(|| number(background, "startingStep")),
        }
    }
}

/// The two Services that swap; where fixed ones are named, too, those count, but for AWS load balancers.
fn pair(canary: &Value) -> [String; 2] {
    let fixed = canary["canaryService"].is_string() && canary["stableService"].is_string();
    let names = ["pingService", "pongService"];
    match fixed && !canary["trafficRouting"]["alb"].is_object() {
        true => Default::default(),
        false => names.map(|name| owned(&canary["pingPong"], name)),
    }
}

/// A pause that only a person ends has no length: without automatic promotion its seconds mean nothing.
fn switch_pause(blue_green: &Value) -> TimeDelta {
    match blue_green["autoPromotionEnabled"] == false {
        true => TimeDelta::zero(),
        false => TimeDelta::seconds(number(blue_green, "autoPromotionSeconds")),
    }
}

/// Surge rounds up, unavailable rounds down, 25 % each unless given; both zero means that one pod may be missing.
fn budget(canary: &Value, replicas: i64) -> (i64, i64) {
    let quarter = Value::from("25%");
    let given = |field: &str| match &canary[field] {
        Value::Null => quarter.clone(),
        given => given.clone(),
    };
    let surge = part(&given("maxSurge"), replicas, true).unwrap_or(0).max(0);
    let mut unavailable = part(&given("maxUnavailable"), replicas, false)
        .unwrap_or(0)
        .max(0);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    (surge, unavailable.min(replicas))
}

fn step(step: &Value) -> Step {
    if step["pause"].is_object() {
        return Step::Pause(read::seconds(&step["pause"]["duration"]));
    }
    if step["setCanaryScale"].is_object() {
        return Step::Scale;
    }
    if let Some(weight) = step["setWeight"].as_i64() {
        return Step::Weight(weight);
    }
    match step["analysis"].is_object() {
        true => Step::Analysis,
        false => Step::Other,
    }
}

/// The HTTPRoutes named under the plugin's name or the native key.
fn routes(id: &Id, routing: &Value) -> Vec<Id> {
    let config = match &routing["gatewayAPI"] {
        Value::Null => &routing["plugins"][GATEWAY_API_PLUGIN],
        own => own,
    };
    let namespace = match text(config, "namespace") {
        "" => &id.0,
        given => given,
    };
    let listed = list(config, "httpRoutes").iter().map(|route| text(route, "name"));
    let names = std::iter::once(text(config, "httpRoute")).chain(listed);
    let mut routes: Vec<Id> = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let route = (namespace.to_owned(), name.to_owned());
        if !routes.contains(&route) {
            routes.push(route);
        }
    }
    routes
}

impl Status {
    fn read(status: &Value) -> Self {
        let canary = &status["canary"];
        let pause = |pause: &Value| (owned(pause, "reason"), read::time(&pause["startTime"]));
        let condition =
            |condition: &Value| ["type", "status", "reason", "message"].map(|field| owned(condition, field));
        Self {
            abort: flag(status, "abort"),
            promote_full: flag(status, "promoteFull"),
            stable: owned(status, "stableRS"),
            current: owned(status, "currentPodHash"),
            steps_hash: owned(status, "currentStepHash"),
            index: status["currentStepIndex"].as_i64(),
            pauses: list(status, "pauseConditions").iter().map(pause).collect(),
            controller_pause: flag(status, "controllerPause"),
            phase: owned(status, "phase"),
            message: owned(status, "message"),
            observed: owned(status, "observedGeneration"),
            conditions: list(status, "conditions").iter().map(condition).collect(),
            step_run: owned(&canary["currentStepAnalysisRunStatus"], "name"),
            background_run: owned(&canary["currentBackgroundAnalysisRunStatus"], "name"),
            stable_pair: owned(canary, "stablePingPong"),
        }
    }

    /// The pause of a step, with its start by the controller's clock.
    pub fn step_pause(&self) -> Option<&(String, Option<DateTime<Utc>>)> {
        self.pauses
            .iter()
            .find(|(reason, _)| reason == crate::base::names::pause::CANARY_STEP)
    }
}

/// The hash in an object's labels.
pub fn hash_of(object: &Value) -> &str {
    label(object, crate::base::names::label::POD_HASH)
}
