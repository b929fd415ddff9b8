//! Faults of pods, nodes and the cluster's own controllers: H1 to H11.

use super::aim::SETS;
use super::plot::{Dice, Made, Own, Params, Plot};
use super::scene::{ADDED, Subject, evict, subject, text};
use crate::base::names::label;
use crate::cluster::models::faults::{Strike, Which};
use crate::cluster::models::pods::Behaviour;
use crate::cluster::request::Verb;
use crate::simulate::fault::{Deed, Mischief, Point};
use crate::simulate::people::Hand;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::Duration;

fn soon(dice: &mut Dice) -> Option<Duration> {
    Some(dice.millis(200, 2_000))
}

fn of_version(hash: &str) -> Which {
    Which::Label(label::POD_HASH.to_owned(), hash.to_owned())
}

/// Some pods behave otherwise for a while.
#[derive(Debug)]
struct Behaves {
    as_what: Behaviour,
    whose: Whose,
    rule: Option<(Which, Behaviour)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    /// Of the version that is being rolled out.
    Canary,
    /// Of the version that has just become stable.
    Promoted,
    /// This share of all.
    Share(f64),
}

impl Whose {
    fn which(self, subject: &Subject, dice: &mut Dice) -> Option<Which> {
        let promoted = subject.stable_hash() == subject.canary_hash();
        match self {
            Self::Canary => subject.updating().then(|| of_version(&subject.canary_hash())),
            Self::Promoted => {
                let second = subject.object["metadata"]["generation"].as_i64() > Some(1);
                (promoted && second).then(|| of_version(&subject.stable_hash()))
            }
            Self::Share(share) => {
                let all = Which::Namespace(subject.namespace.clone());
                Some(Which::Share(Box::new(all), share, dice.seed()))
            }
        }
    }
}

fn behaving(params: &Params, as_what: Behaviour, whose: Whose) -> Made {
    let behaves = Behaves {
        as_what,
        whose,
        rule: None,
    };
    Plot::new(params, behaves)
        .on_time(|own, hand, _| {
            let which = subject(hand).and_then(|subject| own.is.whose.which(&subject, &mut own.dice));
            let Some(which) = which else {
                return soon(&mut own.dice);
            };
            let rule = (which, own.is.as_what.clone());
            own.bites(hand, format!("{:?} pods: {:?}", own.is.whose, rule.1));
            hand.nodes
                .change(|switches| switches.behaviours.insert(0, rule.clone()));
            own.is.rule = Some(rule);
            None
        })
        .on_end(|own, hand, _| {
            if let Some(rule) = own.is.rule.take() {
                hand.nodes
                    .change(|switches| switches.behaviours.retain(|one| *one != rule));
            }
        })
        .made()
}

/// H1.
pub fn never_ready(params: &mut Params) -> Made {
    let whose = match params.dice.chance(0.6) {
        true => Whose::Canary,
        false => Whose::Share(params.dice.share(0.2, 0.7)),
    };
    behaving(params, Behaviour::NeverReady, whose)
}

/// H2.
pub fn flapping(params: &mut Params) -> Made {
    let period = TimeDelta::milliseconds(params.dice.number(2_000, 60_000) as i64);
    let whose = match params.dice.chance(0.5) {
        true => Whose::Canary,
        false => Whose::Share(params.dice.share(0.2, 1.0)),
    };
    behaving(params, Behaviour::Flap { period }, whose)
}

/// H4.
pub fn crash_after_promotion(params: &mut Params) -> Made {
    let time = TimeDelta::seconds(params.dice.number(2, 30) as i64);
    behaving(params, Behaviour::CrashAfter { time }, Whose::Promoted)
}

/// H3: all pods of the stable version at once.
pub fn stable_pods_lost(params: &mut Params) -> Made {
    let strike = params
        .dice
        .one_of(&[Strike::Evict, Strike::Vanish, Strike::Delete, Strike::Restart]);
    Plot::new(params, (strike, 2_u64))
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            if subject.stable_hash().is_empty() || (own.is.1 == 2 && !subject.updating()) {
                return soon(&mut own.dice);
            }
            own.is.1 = own.is.1.checked_sub(1)?;
            own.bites(hand, format!("all stable pods: {:?}", own.is.0));
            hand.nodes.strike(of_version(&subject.stable_hash()), own.is.0);
            Some(own.dice.seconds(2, 60))
        })
        .made()
}

/// H3: a node is not heard of for a while.
pub fn node_lost(params: &mut Params) -> Made {
    Plot::new(params, None::<String>)
        .on_time(|own, hand, _| {
            let nodes = hand.list("nodes", None);
            if nodes.is_empty() {
                return soon(&mut own.dice);
            }
            let name = text(&nodes[own.dice.index(nodes.len())]["metadata"]["name"]);
            own.bites(hand, format!("{name} is not heard of"));
            hand.nodes.change(|switches| {
                switches.lost_nodes.insert(name.clone());
            });
            own.is = Some(name);
            None
        })
        .on_end(|own, hand, _| {
            if let Some(name) = own.is.take() {
                hand.nodes.change(|switches| {
                    switches.lost_nodes.remove(&name);
                });
            }
        })
        .made()
}

#[derive(Clone, Copy, Debug)]
enum Part {
    ReplicaSets,
    Endpoints,
    Scheduler,
    Kubelets,
}

fn pause(hand: &Hand, part: Part, paused: bool) {
    hand.nodes.change(|switches| match part {
        Part::ReplicaSets => switches.replica_sets_paused = paused,
        Part::Endpoints => switches.endpoint_slices_paused = paused,
        Part::Scheduler => switches.scheduler_paused = paused,
        Part::Kubelets if paused => switches.kubelet_frozen.push(Which::All),
        Part::Kubelets => switches.kubelet_frozen.retain(|which| *which != Which::All),
    });
}

fn pausing(params: &Params, part: Part) -> Made {
    Plot::new(params, (part, false))
        .on_time(|own, hand, _| {
            let (part, paused) = own.is;
            own.is.1 = !paused;
            pause(hand, part, !paused);
            if paused {
                return Some(own.dice.seconds(1, 20));
            }
            own.bites(hand, format!("{part:?} stand still"));
            Some(own.dice.mostly_short(1_000, 120_000))
        })
        .on_end(|own, hand, _| {
            if own.is.1 {
                pause(hand, own.is.0, false);
            }
        })
        .made()
}

/// H5.
pub fn replica_sets_lag(params: &mut Params) -> Made {
    pausing(params, Part::ReplicaSets)
}

/// H5.
pub fn endpoints_lag(params: &mut Params) -> Made {
    pausing(params, Part::Endpoints)
}

/// H5.
pub fn scheduler_lags(params: &mut Params) -> Made {
    pausing(params, Part::Scheduler)
}

/// H5.
pub fn kubelets_freeze(params: &mut Params) -> Made {
    pausing(params, Part::Kubelets)
}

/// H6: no more pods than there are now, or hardly more.
pub fn quota(params: &mut Params) -> Made {
    let spare = params.dice.number(0, 2) as usize;
    Plot::new(params, spare)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let pods = hand.list("pods", Some(&subject.namespace)).len();
            if pods == 0 {
                return soon(&mut own.dice);
            }
            own.bites(hand, format!("no more than {} pods", pods + own.is));
            hand.nodes
                .change(|switches| switches.pods_max = Some(pods + own.is));
            None
        })
        .on_end(|_, hand, _| hand.nodes.change(|switches| switches.pods_max = None))
        .made()
}

/// H7: a person deletes a ReplicaSet of ours, or scales it.
pub fn set_touched(params: &mut Params) -> Made {
    let times = params.dice.number(1, 4);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let sets = subject.sets(hand);
            if sets.is_empty() {
                return soon(&mut own.dice);
            }
            own.is = own.is.checked_sub(1)?;
            let name = text(&sets[own.dice.index(sets.len())]["metadata"]["name"]);
            own.bites(hand, format!("{name} is deleted or scaled"));
            let space = subject.namespace.as_str();
            let _ = match own.dice.chance(0.3) {
                true => hand.delete("person", (SETS, space, &name), ""),
                false => {
                    let patch = json!({"spec": {"replicas": own.dice.number(0, 7)}});
                    hand.patch("person", (SETS, space, &name, ""), &patch)
                }
            };
            Some(own.dice.seconds(1, 30))
        })
        .made()
}

/// H8: the name of the next ReplicaSet is taken, by one of another template.
pub fn collision(params: &mut Params) -> Made {
    Plot::new(params, Vec::<(String, String)>::new())
        .on_request(|own, point, call, _| {
            let creates = call.verb == Verb::Create && &*call.resource.id == SETS;
            if point != Point::Before || !creates || !own.is.is_empty() {
                return None;
            }
            let mut other: Value = serde_json::from_slice(&call.body).ok()?;
            // It is somebody's: nobody may adopt it.
            other["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment",
                "name": "somebody", "uid": "00000000-0000-4000-8000-000000000000", "controller": true}]);
            other["metadata"]["namespace"] = call.namespace.as_str().into();
            other["spec"]["replicas"] = 0.into();
            let container = &mut other["spec"]["template"]["spec"]["containers"][0];
            container["image"] = "example.org/somebody:else".into();
            let name = text(&other["metadata"]["name"]);
            own.is.push((call.namespace.clone(), name));
            Some(Mischief::Meanwhile(Deed(Box::new(move |hand| {
                // Taken already is taken all the same.
                let _ = hand.create("person", &other);
            }))))
        })
        .on_end(|own, hand, _| {
            for (space, name) in own.is.drain(..) {
                let foreign = hand
                    .get(SETS, &space, &name)
                    .filter(|set| set["metadata"]["ownerReferences"][0]["name"] == "somebody");
                if foreign.is_some() {
                    let _ = hand.delete("person", (SETS, &space, &name), "");
                }
            }
        })
        .made()
}

/// H9: pods count later than they did, across the end of a pause.
pub fn min_ready_raised(params: &mut Params) -> Made {
    #[derive(Debug)]
    struct Raised {
        to: u64,
        before: Option<Value>,
    }
    let raised = Raised {
        to: params.dice.number(5, 45),
        before: None,
    };
    Plot::new(params, raised)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            own.is.before = Some(subject.object["spec"]["minReadySeconds"].clone());
            own.bites(hand, format!("minReadySeconds: {}", own.is.to));
            subject.patch(
                hand,
                "person",
                "",
                &json!({"spec": {"minReadySeconds": own.is.to}}),
            );
            None
        })
        .on_end(|own, hand, _| {
            if let (Some(before), Some(subject)) = (own.is.before.take(), subject(hand)) {
                subject.patch(hand, "person", "", &json!({"spec": {"minReadySeconds": before}}));
            }
        })
        .made()
}

/// H10: nodes are drained, and a budget forbids it.
pub fn drain_blocked(params: &mut Params) -> Made {
    Plot::new(params, None::<String>)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            if own.is.is_none() {
                let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                    "metadata": {"name": ADDED, "namespace": subject.namespace},
                    "spec": {"maxUnavailable": 0, "selector": subject.object["spec"]["selector"]}});
                let _ = hand.create("person", &budget);
                own.is = Some(subject.namespace.clone());
            }
            for pod in hand.list("pods", Some(&subject.namespace)) {
                if let Err(failure) = evict(hand, "drain", &pod) {
                    own.bites(hand, failure.message);
                }
            }
            Some(own.dice.seconds(5, 30))
        })
        .on_end(|own, hand, _| {
            if let Some(space) = own.is.take() {
                let _ = hand.delete("person", ("poddisruptionbudgets.policy", &space, ADDED), "");
            }
        })
        .made()
}

/// H10: nodes are drained, and nothing forbids it.
pub fn drained(params: &mut Params) -> Made {
    let times = params.dice.number(1, 4);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let pods = hand.list("pods", Some(&subject.namespace));
            if pods.is_empty() {
                return soon(&mut own.dice);
            }
            own.is = own.is.checked_sub(1)?;
            let node = pods[own.dice.index(pods.len())]["spec"]["nodeName"].clone();
            own.bites(hand, format!("{node} is drained"));
            for pod in pods.iter().filter(|pod| pod["spec"]["nodeName"] == node) {
                // A budget may forbid it after all.
                let _ = evict(hand, "drain", pod);
            }
            Some(own.dice.seconds(5, 60))
        })
        .made()
}

/// H11.
pub fn stuck_terminating(params: &mut Params) -> Made {
    Plot::new(params, None::<Which>)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            let which = Which::Namespace(subject.namespace);
            own.bites(hand, "pods that are deleted do not go");
            hand.nodes
                .change(|switches| switches.stuck_terminating.push(which.clone()));
            own.is = Some(which);
            None
        })
        .on_end(|own: &mut Own<Option<Which>>, hand: &Hand, _: DateTime<Utc>| {
            if let Some(which) = own.is.take() {
                hand.nodes
                    .change(|switches| switches.stuck_terminating.retain(|one| *one != which));
            }
        })
        .made()
}

/// H1: images take long to come.
pub fn slow_start(params: &mut Params) -> Made {
    let by = TimeDelta::seconds(params.dice.number(10, 120) as i64);
    Plot::new(params, (Which::All, by))
        .on_time(|own, hand, _| {
            own.bites(hand, format!("pods start later by {}", own.is.1));
            hand.nodes
                .change(|switches| switches.slow_start.insert(0, own.is.clone()));
            None
        })
        .on_end(|own, hand, _| {
            hand.nodes
                .change(|switches| switches.slow_start.retain(|one| *one != own.is));
        })
        .made()
}
