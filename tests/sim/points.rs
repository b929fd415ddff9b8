//! Every crash point and every staleness point of every story: the end is that of the undisturbed run.

use crate::Share;
use crate::stories::all;
use serin::base::object::Kind;
use serin::simulate::fault::Fault;
use serin::simulate::people::id;
use serin::simulate::play::{Played, Staging, play};
use serin::simulate::points::{CrashAt, StaleAt, Tape, differences, end_state};
use serin::simulate::story::Story;
use serin::simulate::transcript::Keep;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many of the points are run when not all are.
const SHARE: Share = Share { least: 97, most: 11 };
/// How soon a crashed replica is back.
const BACK: Duration = Duration::from_secs(2);

/// As long as the delays of the stories' manifests: old versions are gone in all runs or in none.
const REST: Duration = Duration::from_secs(120);

fn calm(story: &Story, tape: &Tape) -> Played {
    let mut staging = Staging::new(1);
    staging.rest = REST;
    staging.faults = vec![Box::new(tape.clone())];
    play(story, staging)
}

fn disturbed(story: &Story, fault: Box<dyn Fault>) -> Played {
    let mut staging = Staging::new(1);
    staging.keep = Keep::Last(30);
    staging.faults = vec![fault];
    staging.rest = REST;
    play(story, staging)
}

/// What was about to be told when its teller died is told by nobody: the status has it.
pub fn only_untold(unmet: &str) -> bool {
    ["slack: nothing says", "events: none says"]
        .iter()
        .any(|beginning| unmet.starts_with(beginning))
}

/// What it costs when a cache stands still or a replica dies while pods go or come: the story, what it says, and why.
const COSTS: &[(&str, &str, &str)] = &[
    (
        "lost-nodes-in-a-canary-cost-no-more-than-their-pods",
        "refusedMax",
        "the share of the pods that went is moved when it is known that they went",
    ),
    (
        "load-balancer-swaps-services-without-changing-their-pods",
        "refusedMax",
        "the Service leads to the new pods all the time, and who comes back just then raises the weight before they are endpoints",
    ),
];

fn is_a_cost(story: &str, unmet: &str) -> bool {
    COSTS
        .iter()
        .any(|(name, text, _)| *name == story && unmet.starts_with(text))
}

/// A moment on the way that was told by the clock, in a world that was held up for longer than the moment lasts.
fn only_late(unmet: &str) -> bool {
    unmet.contains("]: expect:")
}

struct Run {
    /// For so long that what is told of a moment on the way need not hold; the end must.
    long: bool,
    story: usize,
    label: String,
    controllers: usize,
    fault: Box<dyn FnOnce() -> Box<dyn Fault> + Send>,
}

/// Stories whose end hangs on seconds, and why a crash may change it.
const BY_THE_SECOND: &[(&str, &str)] = &[
    (
        "prometheus-away-for-three-minutes-is-waited-for",
        "the outage lasts as long as the limit of errors allows; a measurement made later is one more of them",
    ),
    (
        "full-promotion-waits-for-pods",
        "its pods take just as long to start as the deadline for progress allows",
    ),
    (
        "testers-of-a-canary-find-pods",
        "its pods take just as long to start as the deadline for progress allows",
    ),
    (
        "abort-goes-before-promotion",
        "its pods take just as long to start as the deadline for progress allows",
    ),
];

fn told() -> Vec<(String, Story)> {
    let mut stories = all();
    stories.retain(|(name, _)| BY_THE_SECOND.iter().all(|(story, _)| story != name));
    stories
}

#[test]
fn every_crash_point_ends_as_the_undisturbed_run() {
    let stories = told();
    let mut runs = Vec::new();
    let mut ends = Vec::new();
    for (number, (_, story)) in stories.iter().enumerate() {
        let tape = Tape::default();
        let calm = calm(story, &tape);
        ends.push(end_state(&calm.outcome.store));
        // Where the story itself takes a replica away, nobody would be left to take over for good.
        let other = (story.replicas < 2).then_some((2, None));
        for (nth, point) in tape.points() {
            for (controllers, back) in [(1, Some(BACK))].into_iter().chain(other) {
                runs.push(Run {
                    long: true,
                    story: number,
                    label: format!("crash {point:?} call {nth}, {controllers} controller(s)"),
                    controllers,
                    fault: Box::new(move || Box::new(CrashAt::new(nth, point, back))),
                });
            }
        }
    }
    println!("{} stories, {} crash points", stories.len(), runs.len());
    check(&stories, &ends, runs);
}

#[test]
fn a_stale_cache_of_any_kind_ends_as_the_undisturbed_run() {
    let stories = told();
    let kinds = [
        Kind::Rollout,
        Kind::ReplicaSet,
        Kind::AnalysisRun,
        Kind::Service,
        Kind::HttpRoute,
        Kind::Ingress,
        Kind::VirtualService,
        Kind::DestinationRule,
    ];
    let mut runs = Vec::new();
    let mut ends = Vec::new();
    for (number, (_, story)) in stories.iter().enumerate() {
        let calm = calm(story, &Tape::default());
        ends.push(end_state(&calm.outcome.store));
        for kind in kinds {
            let resource = id(kind);
            let events = calm
                .outcome
                .store
                .changes_after(0)
                .iter()
                .filter(|change| *change.key.resource == *resource)
                .count();
            for nth in 0..events {
                for seconds in [3, 40] {
                    let resource = resource.clone();
                    runs.push(Run {
                        long: seconds > 30,
                        story: number,
                        label: format!("{resource} stale for {seconds} s from event {nth}"),
                        controllers: 1,
                        fault: Box::new(move || {
                            Box::new(StaleAt::new(resource, nth, Duration::from_secs(seconds)))
                        }),
                    });
                }
            }
        }
    }
    println!("{} stories, {} staleness points", stories.len(), runs.len());
    check(&stories, &ends, runs);
}

fn check(stories: &[(String, Story)], ends: &[BTreeMap<String, serde_json::Value>], runs: Vec<Run>) {
    let runs = crate::sample(runs, SHARE);
    let count = runs.len();
    let began = std::time::Instant::now();
    let wrong: Vec<(String, String)> = crate::stories::in_parallel(runs, |run| {
        let (name, story) = &stories[run.story];
        let mut story = story.clone();
        story.replicas = story.replicas.max(run.controllers);
        let played = disturbed(&story, (run.fault)());
        let mut wrong = played.unmet;
        wrong.retain(|unmet| {
            let late = run.long && only_late(unmet);
            let forgiven = late || only_untold(unmet) || is_a_cost(name, unmet);
            !forgiven
        });
        wrong.extend(differences(&ends[run.story], &end_state(&played.outcome.store)));
        (!wrong.is_empty()).then(|| (name.clone(), format!("{}: {}", run.label, wrong.join("; "))))
    });
    println!("{count} runs in {:?}", began.elapsed());
    let mut by_story: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (story, told) in &wrong {
        by_story.entry(story).or_default().push(told);
    }
    let told: Vec<String> = by_story
        .iter()
        .map(|(story, told)| {
            format!(
                "{story}: {}\n  {}",
                told.len(),
                told[..told.len().min(4)].join("\n  ")
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {count} ended otherwise\n{}",
        wrong.len(),
        told.join("\n")
    );
}
