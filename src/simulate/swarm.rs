//! Worlds by the thousand: a seed picks the Rollout, its parameters, what people do and what goes wrong. First everything may happen;
//! then the world heals, and the Rollout must come to rest. The laws hold all the while.

mod case;
mod options;
mod ways;

use crate::base::object::Kind;
use crate::cluster::request::Verb;
use crate::controller::pass::Core;
use crate::controller::probe::Provider as Measures;
use crate::simulate::faults;
use crate::simulate::laws::{Broken, End, Facts, Laws};
use crate::simulate::people::{Hand, id};
use crate::simulate::record::{Record, What};
use crate::simulate::traffic::rate::Rate;
use crate::simulate::traffic::{Entry as Enters, Load};
use crate::simulate::transcript::{Keep, line};
use crate::simulate::world::{Outcome, Setup, World, run};
pub use case::{BLUE_GREEN_FROM, Case, Deed, ROUTERS_FROM, Way};
use chrono::TimeDelta;
pub use options::OPTIONS_FROM;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;
pub use ways::Router;

/// Until when people act and faults strike.
const TROUBLE: Duration = Duration::from_secs(300);
/// How long a healed world may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(1_800);
/// How long the rest is watched.
const REST: Duration = Duration::from_secs(150);
const NAMESPACE: &str = "default";
const NAME: &str = "web";

/// What a case came to.
#[derive(Debug)]
pub struct Verdict {
    pub outcome: Outcome,
    /// Laws that were broken, and rest that did not come.
    pub broken: Vec<Broken>,
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
        let load = |entry| Load {
            namespace: NAMESPACE.into(),
            entry,
            rate: Rate::Constant(20.0),
        };
        setup.loads = entries(case.way).into_iter().map(load).collect();
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

/// Where users enter.
fn entries(way: Way) -> Vec<Enters> {
    match way {
        Way::Route => vec![Enters::Route(NAME.into())],
        Way::Service => vec![Enters::Service(NAME.into())],
        Way::BlueGreen => vec![Enters::Service("web-active".into())],
        Way::Router(router) => ways::entries(router),
    }
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
        Deed::Edit(spec) => patch(hand, "", &json!({"spec": spec})),
        Deed::Apply(object) => drop(hand.apply("person", object)),
        Deed::Delete {
            resource,
            name,
            policy,
        } => drop(hand.delete("person", (resource, NAMESPACE, name), policy)),
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
    let blue_green = &rollout["spec"]["strategy"]["blueGreen"];
    let by_itself =
        blue_green["autoPromotionSeconds"].is_number() && blue_green["autoPromotionEnabled"] != false;
    let timed = timed || by_itself;
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
