//! Every fault of the catalogue strikes one small canary: it bites, and when the world has healed the Rollout ends as declared.

use serde_json::{Value, json};
use serin::base::seed::Seed;
use serin::simulate::faults::{CATALOGUE, Entry, Leaves, drawn};
use serin::simulate::people::Hand;
use serin::simulate::traffic::rate::Rate;
use serin::simulate::traffic::{Entry as Enters, Load};
use serin::simulate::transcript::{Keep, line};
use serin::simulate::world::{Outcome, Setup, World, run};
use std::time::Duration;

const NAMESPACE: &str = "shop";
const NAME: &str = "shop";
/// How long a fault lasts after the update has begun.
const LASTS: Duration = Duration::from_secs(150);
/// How long a healed world may take to end.
const WITHIN: Duration = Duration::from_secs(2_400);

/// How it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Promoted: this tag is the stable one.
    Healthy(&'static str),
    /// The update was aborted, by its analysis or its deadline.
    Aborted,
    Gone,
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
}

fn objects() -> Vec<Value> {
    let metric = |name: &str, condition: &str| {
        json!({"name": name, "interval": "10s", "count": 3, "failureLimit": 1, "successCondition": condition,
            "provider": {"prometheus": {"query": "vector(0.5)", "timeout": 5, "headers": [{"key": "X-Token", "value": "{{args.token}}"}]}}})
    };
    let reference = |name: &str, weight: u64| json!({"name": name, "port": 80, "weight": weight});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prometheus", "namespace": NAMESPACE},
            "data": {"token": "b3Blbi1zZXNhbWU="}}),
        service("shop-stable"),
        service("shop-canary"),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [reference("shop-stable", 100),
                reference("shop-canary", 0)]}]}}),
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "errors", "namespace": NAMESPACE},
            "spec": {"args": [{"name": "token", "valueFrom": {"secretKeyRef": {"name": "prometheus", "key": "token"}}}],
                "metrics": [metric("errors", "result[0] > 0.01 && result[0] < 0.99")]}}),
        rollout(),
    ]
}

fn rollout() -> Value {
    let router = json!({"argoproj-labs/gatewayAPI": {"httpRoute": NAME, "namespace": NAMESPACE}});
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"replicas": 4, "progressDeadlineSeconds": 300, "selector": {"matchLabels": {"app": NAME}},
            "template": {"metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": "shop", "image": "example.org/shop:v1", "ports": [{"containerPort": 8080}]}]}},
            "strategy": {"canary": {"stableService": "shop-stable", "canaryService": "shop-canary",
                "trafficRouting": {"plugins": router},
                "steps": [{"setWeight": 25}, {"pause": {"duration": "15s"}}, {"analysis": {"templates": [{"templateName": "errors"}]}},
                    {"setWeight": 50}, {"pause": {"duration": "15s"}}]}}}})
}

fn status(hand: &Hand) -> Option<Value> {
    let rollout = hand.rollout(NAMESPACE, NAME)?;
    let seen = rollout["status"]["observedGeneration"].as_str().unwrap_or_default();
    (seen == rollout["metadata"]["generation"].to_string()).then(|| rollout["status"].clone())
}

fn stable_tag(hand: &Hand) -> Option<String> {
    let stable = status(hand)?["stableRS"].as_str()?.to_owned();
    let sets = hand.list("replicasets.apps", Some(NAMESPACE));
    let label = |set: &Value| set["metadata"]["labels"]["rollouts-pod-template-hash"] == stable.as_str();
    let set = sets.iter().find(|set| label(set))?;
    let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str()?;
    Some(image.rsplit_once(':')?.1.to_owned())
}

fn is(hand: &Hand, end: End) -> bool {
    match end {
        End::Healthy(tag) => {
            status(hand).is_some_and(|status| status["phase"] == "Healthy")
                && stable_tag(hand).as_deref() == Some(tag)
        }
        End::Aborted => {
            status(hand).is_some_and(|status| status["phase"] == "Degraded" && status["abort"] == true)
        }
        End::Gone => match hand.rollout(NAMESPACE, NAME) {
            None => true,
            Some(rollout) => rollout["metadata"]["deletionTimestamp"].is_string(),
        },
    }
}

/// What came of it, and in what way it ended otherwise than declared.
fn play(entry: &Entry, seed: u64, end: End, keep: Keep) -> (Outcome, Option<String>) {
    run(async {
        let mut setup = Setup::new(seed);
        setup.objects = objects();
        setup.keep = keep;
        setup.replicas = if entry.id.starts_with('D') { 2 } else { 1 };
        setup.loads = vec![Load {
            namespace: NAMESPACE.into(),
            entry: Enters::Route(NAME.into()),
            rate: Rate::Constant(20.0),
        }];
        let world = World::begin(setup);
        let begun = world
            .until(Duration::from_secs(300), |hand| is(hand, End::Healthy("v1")))
            .await;
        assert!(begun, "without any fault");
        let now = world.clock.now();
        let fault = drawn(&mut Seed::new(seed), entry, (now, now + LASTS));
        world.strike(fault);
        world.wait(Duration::from_millis(50)).await;
        let template = json!({"spec": {"containers": [{"name": "shop", "image": "example.org/shop:v2",
            "ports": [{"containerPort": 8080}]}]}});
        let at = ("rollouts.argoproj.io", NAMESPACE, NAME, "");
        let patch = json!({"spec": {"template": template}});
        let mut patched = world.hand.patch("pipeline", at, &patch);
        while patched.is_err() {
            world.wait(Duration::from_secs(1)).await;
            patched = world.hand.patch("pipeline", at, &patch);
        }
        world.wait(LASTS).await;
        world.heal();
        let ended = world.until(WITHIN, |hand| is(hand, end)).await;
        world.wait(Duration::from_secs(30)).await;
        let state = || {
            let rollout = world.hand.rollout(NAMESPACE, NAME);
            let status = rollout.map(|rollout| rollout["status"].clone()).unwrap_or_default();
            let tag = stable_tag(&world.hand);
            format!(
                "{} {} (stable {tag:?}, step {})",
                status["phase"], status["message"], status["currentStepIndex"]
            )
        };
        let wrong = (!ended || !is(&world.hand, end)).then(|| format!("declared {end:?}, is {}", state()));
        (world.end(), wrong)
    })
}

/// The ends that are not a promotion of v2.
const OTHERWISE: &[(&str, End)] = &[];

fn declared(entry: &Entry) -> End {
    let otherwise = OTHERWISE.iter().find(|(name, _)| *name == entry.name);
    match (otherwise, entry.leaves) {
        (Some((_, end)), _) => *end,
        (None, Leaves::NoRollout) => End::Gone,
        (None, _) => End::Healthy("v2"),
    }
}

#[test]
fn every_fault_bites_and_heals() {
    let only = std::env::var("SERIN_FAULT").ok();
    let seeds = std::env::var("SERIN_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut wrong = Vec::new();
    for entry in CATALOGUE {
        if only.as_ref().is_some_and(|only| !entry.name.contains(only.as_str())) {
            continue;
        }
        for seed in 1..=seeds {
            let keep = if only.is_some() { Keep::All } else { Keep::Last(0) };
            let began = std::time::Instant::now();
            let (outcome, unmet) = play(entry, seed, declared(entry), keep);
            let bites: u64 = outcome.bites.values().sum();
            println!(
                "{:4} {:28} seed {seed}: {bites} bites, {:?} real, {:?} virtual, {} records",
                entry.id,
                entry.name,
                began.elapsed(),
                outcome.lasted,
                outcome.tally.records
            );
            if bites == 0 {
                wrong.push(format!("{} seed {seed}: did not bite", entry.name));
            }
            if let Some(unmet) = unmet {
                wrong.push(format!("{} seed {seed}: {unmet}", entry.name));
            }
            for record in outcome.transcript.records() {
                println!("{}", line(record));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
