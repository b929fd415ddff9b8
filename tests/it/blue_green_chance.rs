//! Blue-green updates in which anything happens at any time, drawn from seeds, and the controller may die once: the laws hold throughout, and when people are done it ends
//! where it must.

use crate::blue_green_stage::{manifest, surroundings};
use crate::world::World;
use chrono::TimeDelta;
use serde_json::{Value, json};
use serin::base::object::Kind;

const SEEDS: u64 = 60;
const DEEDS: usize = 14;
const HASH: &str = "rollouts-pod-template-hash";

/// Numbers that look like chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one<'a>(&mut self, of: &'a [Value]) -> &'a Value {
        let at = self.below(of.len());
        &of[at]
    }
}

fn strategy(chance: &mut Chance) -> Value {
    let analysis = json!({"templates": [{"templateName": "errors"}]});
    let mut strategy = json!({});
    let options: [(&str, Vec<Value>); 9] = [
        ("autoPromotionEnabled", vec![json!(false), json!(true)]),
        ("autoPromotionSeconds", vec![json!(20)]),
        ("previewReplicaCount", vec![json!(1), json!(0), json!(3)]),
        ("scaleDownDelaySeconds", vec![json!(0), json!(5), json!(100)]),
        ("scaleDownDelayRevisionLimit", vec![json!(0), json!(1)]),
        ("abortScaleDownDelaySeconds", vec![json!(0), json!(5)]),
        ("prePromotionAnalysis", vec![analysis.clone()]),
        ("postPromotionAnalysis", vec![analysis]),
        ("previewService", vec![Value::Null]),
    ];
    for (name, values) in &options {
        if chance.below(3) == 0 {
            strategy[name] = chance.one(values).clone();
        }
    }
    strategy
}

fn template(tag: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": format!("shop/web:{tag}")}]}})
}

fn patch(world: &mut World, patch: &Value) {
    let status = patch.get("status").is_some();
    world.patch(Kind::Rollout, "web", patch, status);
}

/// Ends every open run.
fn judge(world: &mut World, phase: &str) {
    let runs = world
        .objects
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::AnalysisRun);
    let open = runs.filter(|(_, run)| run["status"]["phase"].is_null());
    let names: Vec<String> = open.map(|((_, name), _)| name.clone()).collect();
    for name in names {
        // A run that was told to stop before it measured anything has nothing to say.
        let stopped = world.get(Kind::AnalysisRun, &name)["spec"]["terminate"] == true;
        let phase = if stopped { "Successful" } else { phase };
        world.patch(
            Kind::AnalysisRun,
            &name,
            &json!({"status": {"phase": phase}}),
            false,
        );
    }
}

fn deed(world: &mut World, chance: &mut Chance, edits: &mut i32) {
    match chance.below(16) {
        0..4 => {
            let tag = ["v1", "v2", "v3", "bad"][chance.below(4)];
            patch(world, &json!({"spec": {"template": template(tag)}}));
        }
        4..6 => patch(world, &json!({"status": {"pauseConditions": null}})),
        6 => patch(world, &json!({"status": {"abort": true}})),
        7 => patch(world, &json!({"status": {"abort": false}})),
        8 => patch(world, &json!({"status": {"promoteFull": true}})),
        9 => patch(world, &json!({"spec": {"replicas": 1 + chance.below(4)}})),
        10 => {
            let held = world.rollout().spec.paused;
            patch(world, &json!({"spec": {"paused": !held}}));
        }
        // More often it would be a contest, which the shell slows down.
        11 if *edits < 2 => {
            *edits += 1;
            let bare = json!({"spec": {"selector": {HASH: null}}});
            world.patch(Kind::Service, "active", &bare, false);
        }
        12 => judge(world, ["Failed", "Inconclusive"][chance.below(2)]),
        _ => judge(world, "Successful"),
    }
}

fn run_for(world: &mut World, seconds: i64) {
    let until = world.now + TimeDelta::seconds(seconds);
    world.run(TimeDelta::seconds(seconds), TimeDelta::hours(24), |world| {
        world.now >= until
    });
}

/// Whatever people did, one good release that everybody agrees to ends well.
fn end_well(world: &mut World) {
    patch(
        world,
        &json!({"spec": {"paused": false, "template": template("v9")}}),
    );
    for _ in 0..6 {
        run_for(world, 30);
        judge(world, "Successful");
        run_for(world, 1);
        if !world.rollout().status.pause_conditions.is_empty() {
            patch(world, &json!({"status": {"pauseConditions": null}}));
        }
    }
    run_for(world, 300);
}

fn live(seed: u64) {
    let mut chance = Chance(seed);
    let mut world = surroundings();
    world.put(Kind::Rollout, manifest(&strategy(&mut chance)));
    if chance.below(2) == 0 {
        let away = TimeDelta::seconds([0, 2, 45][chance.below(3)]);
        world.crash = Some((1 + chance.below(60), away));
    }
    run_for(&mut world, 5);
    let mut edits = 0;
    for _ in 0..DEEDS {
        deed(&mut world, &mut chance, &mut edits);
        let wait = [0, 0, 1, 3, 12, 60][chance.below(6)];
        run_for(&mut world, wait);
    }
    end_well(&mut world);
    let status = world.rollout().status;
    let good = world.hash_of("v9").unwrap();
    assert_eq!(
        (status.phase.as_str(), &status.stable_rs),
        ("Healthy", &good),
        "{status:#?}"
    );
    assert_eq!(
        world.get(Kind::Service, "active")["spec"]["selector"][HASH],
        json!(good)
    );
    let replicas = world.rollout().spec.replicas.unwrap();
    for set in world.replica_sets() {
        let wanted = if set.hash() == good { replicas } else { 0 };
        assert_eq!(set.replicas_desired, wanted, "{}", set.name());
    }
}

#[test]
fn whatever_happens_a_good_release_ends_well_and_no_law_is_broken() {
    let wrong: Vec<String> = (0..SEEDS)
        .filter_map(|seed| {
            let told = std::panic::catch_unwind(|| live(seed)).err()?;
            let text = told.downcast_ref::<String>().cloned().unwrap_or_default();
            Some(format!(
                "seed {seed}: {}",
                text.chars().take(1_500).collect::<String>()
            ))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {SEEDS}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
