//! What a user gave, checked: every problem by file, object, field and mend, before anything is played.

use crate::api::analysis::{AnalysisTemplate, Arg, Metric};
use crate::api::check;
use crate::api::rollout::Rollout;
use crate::cluster::failure::Failure;
use crate::simulate::manifests::{Manifest, label};
use crate::simulate::prometheus::rules;
use crate::simulate::rehearsal::{needs, routers};
use crate::simulate::world::{Setup, World, run};
use serde_json::Value;

/// Objects that are fit to be played.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// In the order in which they are created.
    pub objects: Vec<Value>,
    /// Files of recording rules.
    pub rules: Vec<String>,
    /// What was added and what was left out, for people.
    pub notes: Vec<String>,
}

/// A Rollout with everything that it needs.
#[derive(Clone, Debug)]
pub struct Given {
    pub set: Set,
    /// The Rollout that is released.
    pub rollout: Rollout,
    pub namespace: String,
    pub name: String,
}

/// Checks what was read, and adds what the Rollout needs. `wanted` names it (`name` or `namespace/name`) where there are several.
///
/// # Errors
/// All problems.
pub fn check(manifests: Vec<Manifest>, wanted: &str) -> Result<Given, Vec<String>> {
    let (mut set, mut problems) = sift(manifests);
    let rollout = the_rollout(&set.objects, wanted)
        .map_err(|why| problems.push(why))
        .ok();
    let rollout = rollout.filter(|_| problems.is_empty()).ok_or(problems)?;
    needs::complete(&mut set, &rollout);
    Ok(Given {
        set,
        namespace: needs::namespace(&rollout.metadata.namespace).to_owned(),
        name: rollout.metadata.name.clone(),
        rollout,
    })
}

/// Checks what was read, and adds what its Rollouts need, however many there are.
///
/// # Errors
/// All problems.
pub fn check_all(manifests: Vec<Manifest>) -> Result<Set, Vec<String>> {
    let (mut set, problems) = sift(manifests);
    if !problems.is_empty() {
        return Err(problems);
    }
    let rollouts: Vec<Rollout> = rollouts(&set.objects).collect();
    rollouts
        .iter()
        .for_each(|rollout| needs::complete(&mut set, rollout));
    Ok(set)
}

/// What can be played, and all problems.
fn sift(mut manifests: Vec<Manifest>) -> (Set, Vec<String>) {
    for manifest in &mut manifests {
        routers::in_the_served_version(&mut manifest.object);
    }
    let (rules, objects): (Vec<Manifest>, Vec<Manifest>) =
        manifests.into_iter().partition(Manifest::is_rules);
    let mut problems = Vec::new();
    for file in &rules {
        if let Err(why) = rules::read(&file.object.to_string()) {
            problems.push(format!("{}: {why}", file.file.display()));
        }
    }
    for manifest in &objects {
        problems.extend(own_problems(manifest));
    }
    for manifest in objects.iter().filter(|one| one.object["kind"] == "Rollout") {
        problems.extend(templates_missing(manifest, &objects));
    }
    let mut notes = Vec::new();
    let objects = apply(objects, &mut problems, &mut notes);
    let rules = rules.iter().map(|file| file.object.to_string()).collect();
    (
        Set {
            objects,
            rules,
            notes,
        },
        problems,
    )
}

fn rollouts(objects: &[Value]) -> impl Iterator<Item = Rollout> {
    let rollouts = objects.iter().filter(|object| object["kind"] == "Rollout");
    rollouts.filter_map(|object| serde_json::from_value(object.clone()).ok())
}

/// Problems that an object has by itself.
fn own_problems(manifest: &Manifest) -> Vec<String> {
    let found = match manifest.object["kind"].as_str().unwrap_or_default() {
        "Rollout" => match serde_json::from_value::<Rollout>(manifest.object.clone()) {
            Ok(rollout) => check::rollout(&rollout),
            // The API server says it better, with the field.
            Err(_) => Vec::new(),
        },
        "AnalysisTemplate" | "ClusterAnalysisTemplate" => template_problems(&manifest.object),
        _ => Vec::new(),
    };
    let told = |problem: &check::Problem| format!("{}: {problem}", manifest.place());
    found.iter().map(told).collect()
}

/// Templates that the Rollout's analyses name and nobody gave.
fn templates_missing(manifest: &Manifest, all: &[Manifest]) -> Vec<String> {
    let strategy = &manifest.object["spec"]["strategy"];
    let (canary, blue_green) = (&strategy["canary"], &strategy["blueGreen"]);
    let steps = canary["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let steps = steps.iter().enumerate();
    let named = steps.map(|(index, step)| (format!("canary.steps[{index}].analysis"), &step["analysis"]));
    let around = ["prePromotionAnalysis", "postPromotionAnalysis"];
    let around = around.map(|name| (format!("blueGreen.{name}"), &blue_green[name]));
    let named = named
        .chain([("canary.analysis".to_owned(), &canary["analysis"])])
        .chain(around);
    let space = |object: &Value| {
        needs::namespace(object["metadata"]["namespace"].as_str().unwrap_or_default()).to_owned()
    };
    let here = space(&manifest.object);
    let mut problems = Vec::new();
    for (field, analysis) in named {
        for template in analysis["templates"].as_array().into_iter().flatten() {
            let name = template["templateName"].as_str().unwrap_or_default();
            let everywhere = template["clusterScope"] == true;
            let found = all.iter().map(|one| &one.object).any(|object| {
                object["metadata"]["name"] == name
                    && match everywhere {
                        true => object["kind"] == "ClusterAnalysisTemplate",
                        false => object["kind"] == "AnalysisTemplate" && space(object) == here,
                    }
            });
            if !found {
                let field = format!("spec.strategy.{field}.templates");
                let problem = check::references::template_missing(&field, name, everywhere);
                problems.push(format!("{}: {problem}; give its file with -f", manifest.place()));
            }
        }
    }
    problems
}

/// Of the metrics that can be filled in with the template's own arguments; a Rollout may give others, which the controller checks.
fn template_problems(object: &Value) -> Vec<check::Problem> {
    let Ok(template) = serde_json::from_value::<AnalysisTemplate>(object.clone()) else {
        return Vec::new();
    };
    let listed = object["spec"]["metrics"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let filled: Option<Vec<Metric>> = listed
        .iter()
        .map(|metric| filled(metric, &template.spec.args))
        .collect();
    match filled {
        Some(metrics) if !metrics.is_empty() || template.spec.templates.is_empty() => {
            let mut problems = check::metrics(&metrics);
            problems.extend(metrics.iter().enumerate().filter_map(unanswered));
            problems
        }
        _ => Vec::new(),
    }
}

/// The world has a Prometheus and runs Jobs; it serves nothing else.
fn unanswered((index, metric): (usize, &Metric)) -> Option<check::Problem> {
    metric.provider.web.as_ref()?;
    let field = format!("spec.metrics[{index}].provider.web");
    let message =
        "nobody answers web metrics in a simulation: rehearse with a metric of Prometheus in its place";
    Some(check::Problem::new(field, message))
}

fn filled(metric: &Value, args: &[Arg]) -> Option<Metric> {
    let mut text = metric.to_string();
    for arg in args {
        let Some(value) = &arg.value else { continue };
        let quoted = Value::from(value.as_str()).to_string();
        let inner = &quoted[1..quoted.len() - 1];
        for spelling in [
            format!("{{{{args.{}}}}}", arg.name),
            format!("{{{{ args.{} }}}}", arg.name),
        ] {
            text = text.replace(&spelling, inner);
        }
    }
    if text.contains("{{") {
        return None;
    }
    serde_json::from_str(&text).ok()
}

/// Creates the objects in a cluster of their own, to hear what the API server says of them; those of kinds that play no part here are
/// left out.
fn apply(objects: Vec<Manifest>, problems: &mut Vec<String>, notes: &mut Vec<String>) -> Vec<Value> {
    run(async {
        let mut setup = Setup::new(0);
        setup.replicas = 0;
        setup.models = None;
        let world = World::begin(setup);
        let mut kept = Vec::new();
        for manifest in objects {
            let object = &manifest.object;
            let known = {
                let cluster = world.hand.cluster.world();
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
                cluster.catalog.by_kind(&version, &kind).is_some()
            };
            if !known {
                notes.push(format!(
                    "left out: {}: objects of this kind play no part here",
                    label(object)
                ));
                continue;
            }
            if let Some(namespace) = object["metadata"]["namespace"].as_str() {
                world.hand.cluster.make_namespace(namespace);
            }
            if object["kind"] == "Namespace" {
                world
                    .hand
                    .cluster
                    .make_namespace(object["metadata"]["name"].as_str().unwrap_or_default());
                continue;
            }
            match world.hand.create("check", object) {
                Ok(_) => kept.push(manifest.object),
                Err(failure) => problems.extend(refusals(&manifest, &failure, problems)),
            }
        }
        drop(world.end());
        kept
    })
}

/// A refusal of the API server, one problem for each field that was not named before.
fn refusals(manifest: &Manifest, failure: &Failure, before: &[String]) -> Vec<String> {
    let place = manifest.place();
    if failure.reason == "AlreadyExists" {
        return vec![format!("{place}: it is given twice: keep one of them")];
    }
    let causes = failure
        .details
        .as_ref()
        .and_then(|details| details["causes"].as_array());
    let told = causes.into_iter().flatten().filter_map(|cause| {
        let field = cause["field"].as_str()?;
        let named = format!("{place}: {field}:");
        let known = before.iter().any(|problem| problem.starts_with(&named));
        (!known).then(|| format!("{named} {}", cause["message"].as_str().unwrap_or_default()))
    });
    match causes {
        Some(causes) if !causes.is_empty() => told.collect(),
        _ => vec![format!("{place}: {}", failure.message)],
    }
}

fn the_rollout(objects: &[Value], wanted: &str) -> Result<Rollout, String> {
    let mut rollouts = rollouts(objects);
    if wanted.is_empty() {
        let first = rollouts
            .next()
            .ok_or("no Rollout among the manifests: give the file of one with -f")?;
        return match rollouts.next() {
            None => Ok(first),
            Some(_) => Err("several Rollouts among the manifests: name one with --rollout".into()),
        };
    }
    let is_it = |rollout: &Rollout| {
        let meta = &rollout.metadata;
        meta.name == wanted || format!("{}/{}", needs::namespace(&meta.namespace), meta.name) == wanted
    };
    rollouts
        .find(is_it)
        .ok_or_else(|| format!("--rollout: no Rollout {wanted:?} among the manifests"))
}
