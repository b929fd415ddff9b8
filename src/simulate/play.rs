//! Plays a story: waits for its moments, lets people and the world act, and says what came of it.

mod deeds;
mod ending;

use crate::api::phase::client_phase;
use crate::api::rollout::Rollout;
use crate::base::names::label;
use crate::base::object::Kind;
use crate::cluster::models;
use crate::cluster::models::metrics::Metrics;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::simulate::laws::{End, Laws};
use crate::simulate::people::{Hand, id};
use crate::simulate::story::{Deed, Scene, Story, Stream, Version, When, duration};
use crate::simulate::timeline::{KINDS, canary_share};
use crate::simulate::traffic::answers::{Override, When as Since, Who};
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry, Load};
use crate::simulate::transcript::Keep;
use crate::simulate::world::{Outcome, Setup, World, run};
use chrono::TimeDelta;
use ending::{counts, messages};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The longest that a scene waits for its moment.
const SCENE: Duration = Duration::from_secs(4 * 3_600);
/// How long the end must hold.
const CALM: Duration = Duration::from_secs(60);

/// How often a brief run looks whether it is over.
const LOOK: Duration = Duration::from_secs(1);

/// How what is said of a moment that was not as told begins.
const EXPECT: &str = "expect:";

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
    /// How long the world goes on after the end, so that what waits for its time is over, too.
    pub rest: Duration,
    /// The longest that a scene waits for its moment.
    pub patience: Duration,
    /// Whether the first broken law ends it.
    pub brief: bool,
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
            rest: Duration::ZERO,
            patience: SCENE,
            brief: false,
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
        // Who dies with a message in hand does not send it: there can be fewer then.
        let disturbed = !staging.faults.is_empty();
        setup.faults = staging.faults;
        setup.core = staging.core;
        setup.measures = staging.measures;
        let (rules, objects): (Vec<&Value>, Vec<&Value>) =
            story.objects.iter().partition(|object| is_rules(object));
        setup.objects = objects.into_iter().cloned().collect();
        setup.rules = rules.into_iter().map(Value::to_string).collect();
        setup.answers = answers(&story.versions);
        let loads = Metrics::default();
        setup.models = Some(models::Settings {
            metrics: loads.clone(),
            ..models::Settings::default()
        });
        let world = World::begin(setup);
        let stage = Play {
            patience: staging.patience,
            ..Play::new(&world, story, loads)
        };
        for one in &story.metrics {
            stage.dictate(one);
        }
        for (tag, version) in &story.versions {
            stage.pods_behave(tag, version);
        }
        tokio::spawn(users_come(
            world.hand.clone(),
            story.rollout_key().unwrap_or_default(),
            story.traffic.iter().map(load).collect(),
        ));
        let mut unmet = match staging.brief {
            true => tokio::select! {
                biased;
                () = stage.broken() => Vec::new(),
                unmet = stage.told(story, disturbed) => unmet,
            },
            false => stage.told(story, disturbed).await,
        };
        world.wait(staging.rest).await;
        let broken = stage.last_words(story);
        let mut outcome = world.end();
        outcome.broken.extend(broken);
        let (namespace, name) = story.rollout_key().unwrap_or_default();
        unmet.extend(counts(&story.ends, &outcome, (&namespace, &name)));
        unmet.extend(messages(&story.ends, &outcome, disturbed));
        Played { outcome, unmet }
    })
}

/// Users come when there is something to use: when the Rollout is healthy for the first time.
async fn users_come(hand: Hand, (namespace, name): (String, String), loads: Vec<Load>) {
    let mut changed = hand.cluster.subscribe();
    loop {
        changed.catch_up();
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
    /// What autoscalers measure.
    loads: Metrics,
    /// The longest that a scene waits for its moment.
    patience: Duration,
}

fn load(stream: &Stream) -> Load {
    let given = |name: &Option<String>, entry: fn(String) -> Entry| name.clone().map(entry);
    let router = given(&stream.route, Entry::Route)
        .or_else(|| given(&stream.ingress, Entry::Ingress))
        .or_else(|| given(&stream.virtual_service, Entry::VirtualService));
    let entry = router.unwrap_or_else(|| Entry::Service(stream.service.clone().unwrap_or_default()));
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
    fn new(world: &'a World, story: &Story, loads: Metrics) -> Self {
        // A story that was read has one.
        let (namespace, name) = story.rollout_key().unwrap_or_default();
        Self {
            world,
            namespace,
            name,
            loads,
            patience: SCENE,
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

    /// All scenes and the end; what was not as told.
    async fn told(&self, story: &Story, disturbed: bool) -> Vec<String> {
        let (mut unmet, mut broke_off) = (Vec::new(), false);
        for (number, scene) in story.timeline.iter().enumerate() {
            let Err(why) = self.scene(scene).await else {
                continue;
            };
            let late = disturbed && why.starts_with(EXPECT);
            unmet.push(format!("timeline[{number}]: {why}"));
            if !late {
                broke_off = true;
                break;
            }
            // Who was held up may get there all the same: what people do next is done.
            if let Err(why) = self.perform(&scene.does) {
                unmet.push(format!("timeline[{number}]: {why}"));
            }
        }
        if !broke_off {
            unmet.extend(self.ending(&story.ends, disturbed).await);
        }
        unmet
    }

    /// Comes to an end when a law was broken.
    async fn broken(&self) {
        while self.hand().stage.state().broken.is_empty() {
            self.world.wait(LOOK).await;
        }
    }

    async fn scene(&self, scene: &Scene) -> Result<(), String> {
        if let Some(when) = &scene.when
            && !self.world.until(self.patience, |_| self.is(when)).await
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
        if let Some(expect) = &scene.expect {
            let unmet = self.differences(expect);
            if !unmet.is_empty() {
                return Err(format!("{EXPECT} {}", unmet.join("; ")));
            }
        }
        match (self.perform(&scene.does), &scene.refused) {
            (done, None) => done,
            (Err(why), Some(part)) if why.contains(part.as_str()) => Ok(()),
            (Err(why), Some(part)) => Err(format!("refused: {part:?} is not in {why:?}")),
            (Ok(()), Some(_)) => Err("refused: nobody refused it".into()),
        }
    }

    /// What the laws say at the end. Whether the world is well by then only a story without faults can tell.
    fn last_words(&self, story: &Story) -> Vec<super::laws::Broken> {
        let faults = story
            .timeline
            .iter()
            .any(|scene| matches!(scene.does, Deed::Fault(_) | Deed::SelfHeal(_)));
        let cluster = self.hand().cluster.world();
        let mut state = self.hand().stage.state();
        let end = End {
            at: self.world.clock.now(),
            store: &cluster.store,
            healed_at: (!faults)
                .then(|| self.world.clock.now() - TimeDelta::from_std(CALM).unwrap_or_default()),
            twin: None,
        };
        state.laws.as_mut().map(|laws| laws.end(&end)).unwrap_or_default()
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
            return *when == When::Gone;
        };
        let (phase, message) = client_phase(&rollout, self.world.clock.now());
        match when {
            When::Gone => false,
            When::Message(part) => message.contains(part.as_str()),
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

    /// What the routers give to the canary, in percent of all; 0 where none names it.
    fn weight(&self) -> i64 {
        let Some((object, _)) = self.rollout() else {
            return 0;
        };
        let shares = KINDS.into_iter().flat_map(|kind| {
            let objects = self.hand().list(&id(kind), Some(&self.namespace));
            let share = |one: &Arc<Value>| canary_share(kind, one, &object);
            objects.iter().filter_map(share).max()
        });
        shares.max().unwrap_or(0)
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
}

/// Whether the status was computed from the newest spec.
fn observed(object: &Value) -> bool {
    let seen = object["status"]["observedGeneration"].as_str();
    seen.and_then(|text| text.parse::<i64>().ok()) == object["metadata"]["generation"].as_i64()
}
