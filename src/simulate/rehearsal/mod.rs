//! One release of a user's own Rollout, played before it is shipped: installs the present version, changes the image, lets people and
//! faults act, and sees how it ends. Decides nothing about releases; the real controller does.

pub mod given;
pub mod needs;
mod profile;
mod routers;
mod stand;

pub use profile::{Ended, Expected, Profile};

use crate::api::phase::client_phase;
use crate::api::rollout::Rollout;
use crate::base::names::phase;
use crate::base::object::Kind;
use crate::cluster::models::faults::Which;
use crate::cluster::models::pods::{Behaviour, image_tag};
use crate::simulate::faults;
use crate::simulate::people::id;
use crate::simulate::record::What;
use crate::simulate::rehearsal::given::Given;
use crate::simulate::traffic::Load;
use crate::simulate::traffic::answers::{Override, When, Who};
use crate::simulate::traffic::profile::Profile as Answers;
use crate::simulate::traffic::rate::Rate;
use crate::simulate::transcript::Keep;
use crate::simulate::world::{Outcome, Setup, World, run};
use crate::view::patches::{self, Decision, Promotion};
use serde_json::{Value, json};
use stand::{Look, Stand, refused, stand};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the present version serves before the release, so that every window of an analysis is full of it.
const WARM_UP: Duration = Duration::from_secs(360);
/// How long the present version may take to be installed.
const INSTALLED_WITHIN: Duration = Duration::from_secs(3_600);
/// When a person promotes what waits for one.
const PERSON: Duration = Duration::from_secs(60);
/// How long an end that is no end of the controller's own must last to count as one.
const SURE: Duration = Duration::from_secs(300);
/// How long is watched after the end.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// A fault of the catalogue during the release.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    pub name: String,
    /// After the release began.
    pub at: Duration,
    /// Until the end when none is said.
    pub lasts: Option<Duration>,
}

/// How the release is played.
#[derive(Clone, Debug)]
pub struct Staging {
    pub profile: Profile,
    pub seed: u64,
    /// Requests of users per second, unless the profile is low traffic.
    pub per_second: f64,
    pub faults: Vec<Strike>,
    /// The longest that the release may take.
    pub within: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Played {
    pub ended: Ended,
    /// The Rollout's own words for it.
    pub message: String,
    /// From the new image to the end.
    pub took: Duration,
    /// What the new version answered, and what of that was bad.
    pub answered: Answered,
    /// What people did, and what is worth to be known.
    pub notes: Vec<String>,
    pub outcome: Outcome,
}

/// What the new version answered, until the end and for a minute after it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answered {
    pub requests: f64,
    /// Answered with 5xx.
    pub errors: f64,
    /// Answered well, but after more than 500 ms.
    pub slow: f64,
    /// Requests that nobody answered, whichever version they were for.
    pub refused: f64,
}

impl Answered {
    pub fn bad(&self) -> f64 {
        self.errors + self.slow + self.refused
    }
}

/// The image with another tag, whether it had a tag, a digest or neither.
fn with_tag(image: &str, tag: &str) -> String {
    let plain = image.split('@').next().unwrap_or(image);
    let name = match image_tag(plain) {
        "" => plain,
        old => plain
            .strip_suffix(old)
            .map_or(plain, |name| name.trim_end_matches(':')),
    };
    format!("{name}:{tag}")
}

/// Image now and image to come of the Rollout's first container.
pub fn images(rollout: &Rollout, profile: Profile) -> (String, String) {
    let template = rollout.spec.template.as_ref().unwrap_or(&Value::Null);
    let image = template["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default();
    (image.to_owned(), with_tag(image, &profile.tag()))
}

/// Plays one release.
pub fn play(given: &Given, staging: &Staging) -> Played {
    run(async {
        let world = World::begin(setup(given, staging));
        let mut show = Show {
            world: &world,
            given,
            notes: Vec::new(),
        };
        show.set_pods(staging.profile);
        let (ended, took, answered) = show.release(staging).await;
        let message = show.look().map(|look| look.message).unwrap_or_default();
        let mut notes = std::mem::take(&mut show.notes);
        let outcome = world.end();
        if staging.profile != Profile::LowTraffic {
            notes.extend(unanswered(&outcome));
        }
        Played {
            ended,
            message,
            took,
            answered,
            notes,
            outcome,
        }
    })
}

fn setup(given: &Given, staging: &Staging) -> Setup {
    let mut setup = Setup::new(staging.seed);
    setup.objects.clone_from(&given.set.objects);
    setup.rules.clone_from(&given.set.rules);
    setup.keep = Keep::All;
    // The present version is good whatever its tag says, and so is the new one but for its profile.
    let good = Answers::of_tag("");
    let mut all = Override::new(Who::Everyone, When::ALWAYS).errors(good.errors);
    all.within = Some(good.within);
    let new = Answers::of_tag(&staging.profile.tag());
    let mut next = Override::new(Who::Tag(staging.profile.tag()), When::ALWAYS).errors(new.errors);
    next.within = Some(new.within);
    setup.answers = vec![all, next];
    setup
}

struct Show<'a> {
    world: &'a World,
    given: &'a Given,
    notes: Vec<String>,
}

impl Show<'_> {
    fn look(&self) -> Option<Look> {
        let object = self.world.hand.rollout(&self.given.namespace, &self.given.name)?;
        let rollout: Rollout = serde_json::from_value(Value::clone(&object)).ok()?;
        let (phase, message) = client_phase(&rollout, self.world.clock.now());
        Some(Look {
            rollout,
            phase,
            message,
        })
    }

    /// Whatever the tags of the user's images say to the models, only the profile counts.
    fn set_pods(&self, profile: Profile) {
        self.world.hand.nodes.change(|switches| {
            if profile == Profile::CrashLooping {
                let new = Which::Image(format!(":{}", profile.tag()));
                switches.behaviours.push((new, Behaviour::Crash));
            }
            switches.behaviours.push((Which::All, Behaviour::Serve));
        });
    }

    fn says(&self, who: &str, does: &str) {
        self.world.hand.says(who, does);
    }

    async fn release(&mut self, staging: &Staging) -> (Ended, Duration, Answered) {
        let installed = |show: &Self| {
            show.look()
                .is_some_and(|look| look.phase == phase::HEALTHY || refused(&look))
        };
        self.world.until(INSTALLED_WITHIN, |_| installed(self)).await;
        if self.look().is_none_or(|look| look.phase != phase::HEALTHY) {
            return (Ended::NotInstalled, Duration::ZERO, Answered::default());
        }
        self.users_come(staging);
        self.world.wait(WARM_UP).await;
        let stable = self
            .look()
            .map(|look| look.rollout.status.stable_rs)
            .unwrap_or_default();
        let refused_before = self.refused();
        if let Err(why) = self.set_image(staging.profile) {
            self.notes.push(format!("the new image was refused: {why}"));
            return (Ended::NotInstalled, Duration::ZERO, Answered::default());
        }
        let began = self.world.elapsed();
        self.strike(&staging.faults);
        let ended = self.watch(&stable, began + staging.within).await;
        let took = self.world.elapsed().saturating_sub(began);
        let took = if matches!(ended, Ended::Waiting | Ended::Stuck) {
            took.saturating_sub(SURE)
        } else {
            took
        };
        // Users suffer most from a bad version right after it was promoted.
        self.world.wait(AFTERWARDS).await;
        let mut answered = self.answered(staging.profile);
        answered.refused -= refused_before;
        (ended, took, answered)
    }

    fn users_come(&self, staging: &Staging) {
        let (entry, namespace) = needs::entry(&self.given.rollout, &self.given.set.objects);
        let rate = match staging.profile {
            Profile::LowTraffic => Rate::LOW,
            _ => Rate::Constant(staging.per_second),
        };
        self.says("users", &format!("come by {}", entry.told()));
        self.flow();
        let load = Load {
            namespace,
            entry,
            rate,
        };
        self.world.hand.stage.state().traffic.add(load);
    }

    fn flow(&self) {
        let world = self.world.hand.cluster.world();
        self.world.hand.stage.flow(&world.store, &[]);
    }

    fn patch(&self, who: &str, subresource: &str, patch: &Value) -> Result<(), String> {
        let resource = id(Kind::Rollout);
        let at = (
            resource.as_str(),
            self.given.namespace.as_str(),
            self.given.name.as_str(),
            subresource,
        );
        let patched = self.world.hand.patch(who, at, patch);
        patched.map(|_| ()).map_err(|failure| failure.message)
    }

    fn set_image(&self, profile: Profile) -> Result<(), String> {
        let (_, image) = images(&self.given.rollout, profile);
        self.says("pipeline", &format!("sets the image {image}"));
        let template = self.given.rollout.spec.template.as_ref().unwrap_or(&Value::Null);
        let mut containers = template["spec"]["containers"].clone();
        containers[0]["image"] = image.into();
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.patch("pipeline", "", &patch)
    }

    /// Faults begin and end by themselves from now on.
    fn strike(&mut self, strikes: &[Strike]) {
        for strike in strikes {
            let from = self.world.clock.now() + chrono::TimeDelta::from_std(strike.at).unwrap_or_default();
            // A name that is not in the catalogue was refused before anything began.
            if let Some(fault) = faults::named(&strike.name, from, strike.lasts) {
                self.world.strike(fault);
            }
        }
    }

    /// Waits for the end, and plays the person that pauses without a duration wait for.
    async fn watch(&mut self, stable: &str, deadline: Duration) -> Ended {
        loop {
            let left = deadline.saturating_sub(self.world.elapsed());
            let stands = |show: &Self| {
                show.look()
                    .map_or(Stand::Done(Ended::Stuck), |look| stand(&look, stable))
            };
            if !self.world.until(left, |_| stands(self) != Stand::UnderWay).await {
                return Ended::Unfinished;
            }
            match stands(self) {
                Stand::Done(ended) => return ended,
                Stand::UnderWay => {}
                Stand::PauseStep(step) => {
                    self.world.wait(PERSON).await;
                    if stands(self) == Stand::PauseStep(step) {
                        self.promote(step);
                    }
                }
                Stand::Perhaps(ended) => {
                    if !self
                        .world
                        .until(SURE, |_| stands(self) != Stand::Perhaps(ended))
                        .await
                    {
                        return ended;
                    }
                }
            }
        }
    }

    fn promote(&mut self, step: Option<i64>) {
        let Some(look) = self.look() else { return };
        let (waits, what) = match step.map(|step| step + 1) {
            Some(number) => (
                format!("step {number} is a pause without a duration"),
                format!("at step {number}"),
            ),
            None => (
                "the switch waits for a person".to_owned(),
                "the switch".to_owned(),
            ),
        };
        self.notes
            .push(format!("{waits}: a simulated person promoted after 1 minute"));
        self.says("person", &format!("promotes {what}, after 1 minute"));
        let written = match patches::promote(&look.rollout, Promotion::Next) {
            Decision::Write(patches) => {
                let status = patches.status.iter().map(|patch| ("status", patch));
                let spec = patches.spec.iter().map(|patch| ("", patch));
                status
                    .chain(spec)
                    .try_for_each(|(part, patch)| self.patch("person", part, patch))
            }
            Decision::Nothing(_) => Ok(()),
            Decision::Refuse(why, mend) => Err(format!("{why}; {mend}")),
        };
        if let Err(why) = written {
            self.notes.push(format!("the person could not promote: {why}"));
        }
    }

    fn refused(&self) -> f64 {
        self.flow();
        self.world.hand.stage.state().tally.refused
    }

    fn answered(&self, profile: Profile) -> Answered {
        let refused = self.refused();
        let hash = self
            .look()
            .map(|look| look.rollout.status.current_pod_hash)
            .unwrap_or_default();
        let state = self.world.hand.stage.state();
        let (requests, errors) = state.tally.served.get(&hash).copied().unwrap_or_default();
        // The bound of 500 ms is one of the histogram's.
        let slow = requests * (1.0 - Answers::of_tag(&profile.tag()).within[6]);
        Answered {
            requests,
            errors,
            slow,
            refused,
        }
    }
}

/// Queries that never found a series: most likely they read what no simulated pod exposes.
fn unanswered(outcome: &Outcome) -> Option<String> {
    let mut queries: BTreeMap<&str, bool> = BTreeMap::new();
    for record in outcome.transcript.records() {
        let What::Asked(asked) = &record.what else {
            continue;
        };
        let empty = matches!(&asked.answer, Ok((200, body)) if body.contains("\"result\":[]"));
        *queries.entry(asked.query.as_str()).or_insert(true) &= empty;
    }
    let empty: Vec<&str> = queries
        .iter()
        .filter(|(_, empty)| **empty)
        .map(|(query, _)| *query)
        .collect();
    let first: Vec<&str> = empty.first()?.split_whitespace().collect();
    Some(format!(
        "Prometheus never had an answer to {} of {} queries, such as `{}`: simulated pods expose http_requests_total{{code}} and \
         http_request_duration_seconds_bucket{{le}}, with the labels namespace, pod and rollouts_pod_template_hash; give the \
         recording rules that a query reads with -f",
        empty.len(),
        queries.len(),
        first.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_image_gets_another_tag() {
        let check = |image: &str, expect: &str| assert_eq!(with_tag(image, "2"), expect);
        check("shop:1", "shop:2");
        check("shop", "shop:2");
        check("host:5000/a/shop", "host:5000/a/shop:2");
        check("host:5000/a/shop:1", "host:5000/a/shop:2");
        check("shop@sha256:abc", "shop:2");
        check("shop:1@sha256:abc", "shop:2");
    }
}
