//! What people, programs and the world do in a story.

use super::{Play, answer};
use crate::base::object::Kind;
use crate::cluster::models::faults::{Strike, Which};
use crate::cluster::models::pods::Behaviour;
use crate::simulate::fault::{Fault, Misanswer, Query};
use crate::simulate::faults;
use crate::simulate::people::{Hand, id};
use crate::simulate::prometheus::scripted::{Say, Scripted};
use crate::simulate::story::{Deed, Dictated, SelfHeal, Version, duration, number_of};
use crate::simulate::timeline::{KINDS, reweighted};
use crate::simulate::traffic::rate::Rate;
use crate::view::patches::{self, Decision, Promotion};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

/// Pods that flap: ready for half of this.
const FLAP: TimeDelta = TimeDelta::seconds(40);
/// How much later pods start that are slow to.
const SLOW_START: TimeDelta = TimeDelta::seconds(120);

impl Play<'_> {
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

    pub(super) fn perform(&self, deed: &Deed) -> Result<(), String> {
        let hand = self.hand();
        if !matches!(deed, Deed::Nothing) {
            hand.says(deed.who(), deed.told());
        }
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
            Deed::SelfHeal(heal) => {
                tokio::spawn(put_back(hand.clone(), heal.clone(), duration(&heal.every)?));
                Ok(())
            }
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
            Deed::Metrics(all) => all.iter().for_each(|one| self.dictate(one)),
            Deed::PrometheusDown(lasts) => {
                let lasts = TimeDelta::from_std(duration(lasts)?).map_err(|error| error.to_string())?;
                self.world.strike(Box::new(PrometheusDown {
                    until: self.world.clock.now() + lasts,
                    down: false,
                }));
            }
            Deed::Quota(pods) => hand.nodes.change(|switches| switches.pods_max = *pods),
            Deed::Load(load) => self.loads.set(&self.namespace, &load.autoscaler, load.value),
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

    pub(super) fn dictate(&self, one: &Dictated) {
        let say = match (&one.value, one.status) {
            (Some(value), _) => Some(Say::Number(number_of(value).unwrap_or(f64::NAN))),
            (None, Some(status)) => Some(Say::Body(status, one.body.clone())),
            (None, None) => one.none.then_some(Say::Nothing),
        };
        self.hand().stage.state().prometheus.script(Scripted {
            contains: one.query.clone(),
            since: self.world.clock.now(),
            values: say.map(|say| (TimeDelta::zero(), say)).into_iter().collect(),
        });
    }

    pub(super) fn pods_behave(&self, tag: &str, version: &Version) {
        let which = Which::Image(format!(":{tag}"));
        let Some(pods) = version.pods.as_deref() else {
            return;
        };
        let age = version.after.as_deref().and_then(|text| duration(text).ok());
        let age = age.and_then(|age| TimeDelta::from_std(age).ok());
        self.hand().nodes.change(|switches| {
            switches.behaviours.retain(|(one, _)| *one != which);
            switches.slow_start.retain(|(one, _)| *one != which);
            let behaviour = match (pods, age) {
                ("never-ready", _) => Behaviour::NeverReady,
                ("crash", Some(time)) => Behaviour::CrashAfter { time },
                ("crash", None) => Behaviour::Crash,
                ("no-image", _) => Behaviour::NoImage,
                ("flapping", _) => Behaviour::Flap { period: FLAP },
                ("slow-start", _) => return switches.slow_start.push((which.clone(), SLOW_START)),
                _ => Behaviour::Serve,
            };
            switches.behaviours.push((which.clone(), behaviour));
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
        for kind in KINDS {
            let resource = id(kind);
            for object in self.hand().list(&resource, Some(&self.namespace)) {
                let Some(patch) = reweighted(kind, &object, weights) else {
                    continue;
                };
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let at = (resource.as_str(), self.namespace.as_str(), name, "");
                done(self.hand().patch("person", at, &patch))?;
            }
        }
        Ok(())
    }
}

fn done(answer: Result<Value, crate::cluster::failure::Failure>) -> Result<(), String> {
    answer.map(|_| ()).map_err(|failure| failure.message)
}

/// A GitOps tool with self-heal, for as long as the world stands.
async fn put_back(hand: Hand, heal: SelfHeal, every: Duration) {
    let every = every.max(Duration::from_secs(1));
    loop {
        sleep(every).await;
        // What the API server refuses today it may take tomorrow.
        let _ = hand.apply("gitops", &heal.object);
    }
}

/// Prometheus is down: nobody is answered, and nothing is scraped.
#[derive(Debug)]
struct PrometheusDown {
    until: DateTime<Utc>,
    down: bool,
}

impl Fault for PrometheusDown {
    fn name(&self) -> &'static str {
        // The catalogue's, so that the laws know what it is.
        "prometheus-refuses"
    }

    fn ask(&mut self, _: &Query<'_>, now: DateTime<Utc>) -> Option<Misanswer> {
        (now < self.until).then(|| Misanswer::Refuse("connection refused".into()))
    }

    fn act(&mut self, hand: &Hand, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let down = now < self.until;
        if down != self.down {
            self.down = down;
            hand.stage.state().prometheus.set_running(!down);
        }
        down.then_some(self.until)
    }

    fn heal(&mut self, hand: &Hand, _: DateTime<Utc>) {
        self.until = DateTime::<Utc>::MIN_UTC;
        hand.stage.state().prometheus.set_running(true);
    }
}
