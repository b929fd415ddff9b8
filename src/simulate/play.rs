//! Plays a story: waits for its moments, lets people and the world act, and says what came of it.

use crate::api::phase::client_phase;
use crate::api::rollout::Rollout;
use crate::base::names::label;
use crate::base::object::Kind;
use crate::cluster::models::faults::{Strike, Which};
use crate::cluster::models::pods::Behaviour;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::simulate::faults;
use crate::simulate::laws::Laws;
use crate::simulate::people::{Hand, id};
use crate::simulate::story::{Deed, Ends, Scene, Story, Stream, Version, When, duration};
use crate::simulate::traffic::answers::{Override, When as Since, Who};
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry, Load};
use crate::simulate::transcript::Keep;
use crate::simulate::world::{Outcome, Setup, World, run};
use crate::view::patches::{self, Decision, Promotion};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a scene waits for its moment.
const SCENE: Duration = Duration::from_secs(4 * 3_600);
/// How long the end must hold.
const CALM: Duration = Duration::from_secs(60);

/// How a story is played.
pub struct Staging {
    pub seed: u64,
    pub keep: Keep,
    pub laws: Option<Laws>,
    /// What decides, and what reads metrics: a test may plant bugs in either.
    pub core: Core,
    pub measures: Measures,
    /// Faults beside those of the story.
    pub faults: Vec<Box<dyn super::fault::Fault>>,
}

impl Staging {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            keep: Keep::All,
            laws: None,
            core: Core::default(),
            measures: Measures::default(),
            faults: Vec::new(),
        }
    }
}

/// What came of a story.
#[derive(Debug)]
pub struct Played {
    pub outcome: Outcome,
    /// What did not end as told; empty when all did.
    pub unmet: Vec<String>,
}

/// Plays a story from its beginning to its end.
pub fn play(story: &Story, staging: Staging) -> Played {
    run(async {
        let mut setup = Setup::new(staging.seed);
        setup.replicas = story.replicas;
        setup.keep = staging.keep;
        setup.laws = staging.laws;
        setup.faults = staging.faults;
        setup.core = staging.core;
        setup.measures = staging.measures;
        let (rules, objects): (Vec<&Value>, Vec<&Value>) =
            story.objects.iter().partition(|object| is_rules(object));
        setup.objects = objects.into_iter().cloned().collect();
        setup.rules = rules.into_iter().map(Value::to_string).collect();
        setup.answers = answers(&story.versions);
        let world = World::begin(setup);
        let stage = Play::new(&world, story);
        for (tag, version) in &story.versions {
            stage.pods_behave(tag, version);
        }
        tokio::spawn(users_come(
            world.hand.clone(),
            story.rollout_key().unwrap_or_default(),
            story.traffic.iter().map(load).collect(),
        ));
        let mut unmet = Vec::new();
        for (number, scene) in story.timeline.iter().enumerate() {
            if let Err(why) = stage.scene(scene).await {
                unmet.push(format!("timeline[{number}]: {why}"));
                break;
            }
        }
        if unmet.is_empty() {
            unmet = stage.ending(&story.ends).await;
        }
        let outcome = world.end();
        unmet.extend(counts(&story.ends, &outcome));
        Played { outcome, unmet }
    })
}

/// Users come when there is something to use: when the Rollout is healthy for the first time.
async fn users_come(hand: Hand, (namespace, name): (String, String), loads: Vec<Load>) {
    let mut changed = hand.cluster.subscribe();
    loop {
        changed.borrow_and_update();
        let rollout = hand.rollout(&namespace, &name);
        if rollout.is_some_and(|rollout| rollout["status"]["phase"] == "Healthy") {
            break;
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
    let world = hand.cluster.world();
    hand.stage.flow(&world.store, &[]);
    let mut state = hand.stage.state();
    for load in loads {
        state.traffic.add(load);
    }
}

/// Recording rules are Prometheus' own, and no object of the cluster.
fn is_rules(object: &Value) -> bool {
    object["kind"] == "PrometheusRule" || (object["kind"].is_null() && object["groups"].is_array())
}

struct Play<'a> {
    world: &'a World,
    namespace: String,
    name: String,
}

fn load(stream: &Stream) -> Load {
    let entry = match (&stream.route, &stream.service) {
        (Some(route), _) => Entry::Route(route.clone()),
        (None, service) => Entry::Service(service.clone().unwrap_or_default()),
    };
    Load {
        namespace: stream.namespace.clone().unwrap_or_else(|| "default".into()),
        entry,
        rate: Rate::Constant(stream.per_second),
    }
}

fn answers(versions: &BTreeMap<String, Version>) -> Vec<Override> {
    versions
        .iter()
        .map(|(tag, version)| answer(tag, version))
        .collect()
}

fn answer(tag: &str, version: &Version) -> Override {
    let age = version.after.as_deref().and_then(|text| duration(text).ok());
    let since = age.and_then(|age| TimeDelta::from_std(age).ok());
    let when = since.map_or(Since::ALWAYS, Since::at_age);
    let mut answer = Override::new(Who::Tag(tag.to_owned()), when);
    if let Some(errors) = version.errors {
        answer = answer.errors(errors);
    }
    if version.p50.is_some() || version.p99.is_some() {
        let p99 = version.p99.unwrap_or(0.25);
        answer = answer.latency(version.p50.unwrap_or((p99 / 3.0).min(0.08)), p99);
    }
    match version.silent {
        true => answer.silent(),
        false => answer,
    }
}

impl<'a> Play<'a> {
    fn new(world: &'a World, story: &Story) -> Self {
        // A story that was read has one.
        let (namespace, name) = story.rollout_key().unwrap_or_default();
        Self {
            world,
            namespace,
            name,
        }
    }

    fn hand(&self) -> &Hand {
        &self.world.hand
    }

    fn rollout(&self) -> Option<(Arc<Value>, Rollout)> {
        let object = self.hand().rollout(&self.namespace, &self.name)?;
        let typed = serde_json::from_value(Value::clone(&object)).ok()?;
        Some((object, typed))
    }

    async fn scene(&self, scene: &Scene) -> Result<(), String> {
        if let Some(when) = &scene.when
            && !self.world.until(SCENE, |_| self.is(when)).await
        {
            return Err(format!("it never was {when:?}: {}", self.state()));
        }
        if let Some(at) = &scene.at {
            let at = duration(at)?;
            self.world.wait(at.saturating_sub(self.world.elapsed())).await;
        }
        if let Some(after) = &scene.after {
            self.world.wait(duration(after)?).await;
        }
        self.perform(&scene.does).await
    }

    /// How the Rollout is, for people.
    fn state(&self) -> String {
        let Some((object, rollout)) = self.rollout() else {
            return "the Rollout is gone".into();
        };
        let (phase, message) = client_phase(&rollout, self.world.clock.now());
        let step = &object["status"]["currentStepIndex"];
        format!("it is {phase} ({message}) at step {step}")
    }

    fn is(&self, when: &When) -> bool {
        let Some((object, rollout)) = self.rollout() else {
            return false;
        };
        let (phase, _) = client_phase(&rollout, self.world.clock.now());
        match when {
            When::Healthy => phase == "Healthy",
            When::Paused => phase == "Paused",
            When::Degraded => phase == "Degraded",
            When::Progressing => phase == "Progressing",
            When::Step(index) => {
                phase != "Healthy" && observed(&object) && object["status"]["currentStepIndex"] == *index
            }
            When::Weight(weight) => self.weight() >= *weight,
            When::Analysing => self.analysing(),
            When::Stable(tag) => self.stable_tag().as_deref() == Some(tag),
        }
    }

    fn analysing(&self) -> bool {
        let runs = self.hand().list(&id(Kind::AnalysisRun), Some(&self.namespace));
        runs.iter().any(|run| run["status"]["phase"] == "Running")
    }

    /// What the routes give to the canary Service, in percent of all; 0 without a route.
    fn weight(&self) -> i64 {
        let Some((object, _)) = self.rollout() else {
            return 0;
        };
        let canary = &object["spec"]["strategy"]["canary"]["canaryService"];
        let weight_to = |backends: &Vec<Value>, of: &dyn Fn(&Value) -> bool| -> i64 {
            let ours = backends.iter().filter(|backend| of(&backend["name"]));
            ours.map(|backend| backend["weight"].as_i64().unwrap_or(1)).sum()
        };
        let routes = self.hand().list(&id(Kind::HttpRoute), Some(&self.namespace));
        let rules = routes
            .iter()
            .flat_map(|route| route["spec"]["rules"].as_array().cloned().unwrap_or_default());
        let share = |rule: Value| -> Option<i64> {
            let backends = rule["backendRefs"].as_array()?;
            let all = weight_to(backends, &|_| true);
            (all > 0).then(|| weight_to(backends, &|name| name == canary) * 100 / all)
        };
        rules.filter_map(share).max().unwrap_or(0)
    }

    fn stable_tag(&self) -> Option<String> {
        let (object, _) = self.rollout()?;
        let stable = object["status"]["stableRS"].as_str()?.to_owned();
        let sets = self.hand().list(&id(Kind::ReplicaSet), Some(&self.namespace));
        let set = sets
            .iter()
            .find(|set| set["metadata"]["labels"][label::POD_HASH] == stable.as_str())?;
        let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str()?;
        image.rsplit_once(':').map(|(_, tag)| tag.to_owned())
    }

    fn patch_rollout(&self, who: &str, subresource: &str, patch: &Value) -> Result<(), String> {
        let resource = id(Kind::Rollout);
        let at = (
            resource.as_str(),
            self.namespace.as_str(),
            self.name.as_str(),
            subresource,
        );
        let patched = self.hand().patch(who, at, patch);
        patched.map(|_| ()).map_err(|failure| failure.message)
    }

    fn ask(&self, promotion: Promotion) -> Result<(), String> {
        let (_, rollout) = self.rollout().ok_or("the Rollout is gone")?;
        match patches::promote(&rollout, promotion) {
            Decision::Write(patches) => self.write(&patches),
            Decision::Nothing(_) => Ok(()),
            Decision::Refuse(why, mend) => Err(format!("{why}; {mend}")),
        }
    }

    fn write(&self, patches: &patches::Patches) -> Result<(), String> {
        if let Some(status) = &patches.status {
            self.patch_rollout("person", "status", status)?;
        }
        match &patches.spec {
            Some(spec) => self.patch_rollout("person", "", spec),
            None => Ok(()),
        }
    }

    async fn perform(&self, deed: &Deed) -> Result<(), String> {
        self.hand().says("story", format!("{deed:?}"));
        let hand = self.hand();
        match deed {
            Deed::SetImage(tag) => self.set_image(tag),
            Deed::Abort => self.write(&patches::abort()),
            Deed::Retry => self.write(&patches::retry()),
            Deed::Promote => self.ask(Promotion::Next),
            Deed::PromoteFull => self.ask(Promotion::Full),
            Deed::SkipStep => self.ask(Promotion::SkipStep),
            Deed::Pause => self.patch_rollout("person", "", &json!({"spec": {"paused": true}})),
            Deed::Resume => self.patch_rollout("person", "", &json!({"spec": {"paused": false}})),
            Deed::Scale(replicas) => {
                self.patch_rollout("autoscaler", "", &json!({"spec": {"replicas": replicas}}))
            }
            Deed::EditSpec(spec) => self.patch_rollout("person", "", &json!({"spec": spec})),
            Deed::Patch(patch) => {
                let namespace = patch.namespace.as_deref().unwrap_or(&self.namespace);
                let at = (
                    patch.resource.as_str(),
                    namespace,
                    patch.name.as_str(),
                    patch.subresource.as_str(),
                );
                done(hand.patch("person", at, &patch.merge))
            }
            Deed::Apply(object) => done(hand.apply("person", object)),
            Deed::Delete(target) => {
                let namespace = target.namespace.as_deref().unwrap_or(&self.namespace);
                let at = (target.resource.as_str(), namespace, target.name.as_str());
                done(hand.delete("person", at, &target.policy))
            }
            Deed::SetWeights(weights) => self.set_weights(weights),
            other => self.change_world(other),
        }
    }

    /// Deeds that are nobody's request.
    fn change_world(&self, deed: &Deed) -> Result<(), String> {
        let hand = self.hand();
        match deed {
            Deed::Fault(strike) => {
                let lasts = strike.lasts.as_deref().map(duration).transpose()?;
                let fault = faults::named(&strike.name, self.world.clock.now(), lasts)
                    .ok_or_else(|| format!("no fault is named {:?}", strike.name))?;
                self.world.strike(fault);
            }
            Deed::Heal => self.world.heal(),
            Deed::Crash(crash) => {
                let back = crash.back.as_deref().map(duration).transpose()?;
                hand.crew.crash(&crash.replica, back);
            }
            Deed::Stop(replica) => hand.crew.stop(replica),
            Deed::Start(replica) => hand.crew.start(replica),
            Deed::Rate(rate) => {
                self.flow();
                let mut state = hand.stage.state();
                let loads: Vec<u64> = state.traffic.loads().map(|(id, _)| id).collect();
                for load in loads {
                    state.traffic.set_rate(load, Rate::Constant(*rate));
                }
            }
            Deed::Answer(versions) => {
                self.flow();
                for (tag, version) in versions {
                    hand.stage.state().traffic.answer(answer(tag, version));
                    self.pods_behave(tag, version);
                }
            }
            Deed::LosePods(tag) => hand.nodes.strike(Which::Image(format!(":{tag}")), Strike::Vanish),
            _ => {}
        }
        Ok(())
    }

    /// Before what flows changes.
    fn flow(&self) {
        let world = self.hand().cluster.world();
        self.hand().stage.flow(&world.store, &[]);
    }

    fn pods_behave(&self, tag: &str, version: &Version) {
        let which = Which::Image(format!(":{tag}"));
        let Some(pods) = version.pods.as_deref() else {
            return;
        };
        self.hand().nodes.change(|switches| {
            switches.behaviours.retain(|(one, _)| *one != which);
            switches.slow_start.retain(|(one, _)| *one != which);
            let behaviour = match pods {
                "never-ready" => Some(Behaviour::NeverReady),
                "crash" => Some(Behaviour::Crash),
                "no-image" => Some(Behaviour::NoImage),
                "slow-start" => {
                    switches.slow_start.push((which.clone(), TimeDelta::seconds(120)));
                    None
                }
                _ => None,
            };
            if let Some(behaviour) = behaviour {
                switches.behaviours.push((which.clone(), behaviour));
            }
        });
    }

    fn set_image(&self, tag: &str) -> Result<(), String> {
        let (object, _) = self.rollout().ok_or("the Rollout is gone")?;
        let mut containers = object["spec"]["template"]["spec"]["containers"].clone();
        let image = containers[0]["image"].as_str().unwrap_or_default();
        let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
        containers[0]["image"] = format!("{name}:{tag}").into();
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.patch_rollout("pipeline", "", &patch)
    }

    fn set_weights(&self, weights: &BTreeMap<String, i64>) -> Result<(), String> {
        let resource = id(Kind::HttpRoute);
        for route in self.hand().list(&resource, Some(&self.namespace)) {
            let mut rules = route["spec"]["rules"].clone();
            let backends = rules.as_array_mut().into_iter().flatten();
            for backend in backends.flat_map(|rule| rule["backendRefs"].as_array_mut().into_iter().flatten())
            {
                let name = backend["name"].as_str().unwrap_or_default().to_owned();
                if let Some(weight) = weights.get(&name) {
                    backend["weight"] = (*weight).into();
                }
            }
            let name = route["metadata"]["name"].as_str().unwrap_or_default();
            let at = (resource.as_str(), self.namespace.as_str(), name, "");
            done(
                self.hand()
                    .patch("person", at, &json!({"spec": {"rules": rules}})),
            )?;
        }
        Ok(())
    }

    /// Waits for the end that is told, and that it holds; what is not as told.
    async fn ending(&self, ends: &Ends) -> Vec<String> {
        let limit = duration(&ends.within).unwrap_or(SCENE);
        let reached = self
            .world
            .until(limit, |_| self.differences(ends).is_empty())
            .await;
        if !reached {
            return self.differences(ends);
        }
        self.world.wait(CALM).await;
        let mut unmet = self.differences(ends);
        unmet
            .iter_mut()
            .for_each(|one| one.push_str(" (it was so for less than a minute)"));
        unmet
    }

    fn differences(&self, ends: &Ends) -> Vec<String> {
        let Some((object, rollout)) = self.rollout() else {
            return match ends.phase.as_str() {
                "Gone" => Vec::new(),
                _ => vec!["the Rollout is gone".into()],
            };
        };
        let mut unmet = Vec::new();
        let mut check = |what: &str, want: String, got: String| {
            if want != got {
                unmet.push(format!("{what}: told {want:?}, is {got:?}"));
            }
        };
        let (phase, message) = client_phase(&rollout, self.world.clock.now());
        check("phase", ends.phase.clone(), phase.to_owned());
        if let Some(tag) = &ends.stable {
            check("stable", tag.clone(), self.stable_tag().unwrap_or_default());
        }
        if let Some(weight) = ends.weight {
            check("weight", weight.to_string(), self.weight().to_string());
        }
        if let Some(available) = ends.available {
            let got = &object["status"]["availableReplicas"];
            check(
                "available",
                available.to_string(),
                got.as_i64().unwrap_or(0).to_string(),
            );
        }
        for part in ends
            .message
            .iter()
            .filter(|part| !message.contains(part.as_str()))
        {
            unmet.push(format!("message: {part:?} is not in {message:?}"));
        }
        unmet.extend(self.untold_events(&ends.events));
        unmet
    }

    fn untold_events(&self, parts: &[String]) -> Vec<String> {
        if parts.is_empty() {
            return Vec::new();
        }
        let events = self.hand().list("events", Some(&self.namespace));
        let told = |part: &&String| {
            let has = |event: &Arc<Value>| event["message"].as_str().is_some_and(|text| text.contains(*part));
            !events.iter().any(has)
        };
        parts
            .iter()
            .filter(told)
            .map(|part| format!("events: none says {part:?}"))
            .collect()
    }
}

fn done(answer: Result<Value, crate::cluster::failure::Failure>) -> Result<(), String> {
    answer.map(|_| ()).map_err(|failure| failure.message)
}

/// Whether the status was computed from the newest spec.
fn observed(object: &Value) -> bool {
    object["status"]["observedGeneration"]
        .as_str()
        .unwrap_or_default()
        == object["metadata"]["generation"].to_string()
}

/// What can only be said when all is over.
fn counts(ends: &Ends, outcome: &Outcome) -> Vec<String> {
    let mut unmet = Vec::new();
    if let Some(max) = ends.refused_max.filter(|max| outcome.tally.refused > *max) {
        unmet.push(format!("refusedMax: told {max}, were {}", outcome.tally.refused));
    }
    let errors: f64 = outcome.tally.served.values().map(|(_, errors)| errors).sum();
    if let Some(max) = ends.errors_max.filter(|max| errors > *max) {
        unmet.push(format!("errorsMax: told {max}, were {errors}"));
    }
    let said = &outcome.tally.said;
    for part in ends
        .slack
        .iter()
        .filter(|part| !said.iter().any(|text| text.contains(part.as_str())))
    {
        unmet.push(format!("slack: nothing says {part:?}"));
    }
    unmet
}
