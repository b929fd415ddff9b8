//! Every pair of options of the catalogue (`src/simulate/options`) that can be combined: as told, under all laws, and the same after a crash.
//!
//! `SERIN_PAIR=name` or `SERIN_PAIR=name+other` plays those only, and shows the timelines where they are few. `SERIN_PAIRS=3/8` plays
//! the third of eight parts.

use crate::Share;
use crate::points::only_untold;
use crate::stories::in_parallel;
use serin::simulate::fault::Fault;
use serin::simulate::laws::{Facts, Laws};
use serin::simulate::options::pairs::{Pair, Verdict, all};
use serin::simulate::options::{catalogue, compose};
use serin::simulate::play::{Played, Staging, play};
use serin::simulate::points::{CrashAt, Tape, differences, end_state};
use serin::simulate::story::Story;
use serin::simulate::timeline::Timeline;
use serin::simulate::transcript::Keep;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// How many of the worlds are played when not all are.
const SHARE: Share = Share { least: 17, most: 1 };
const SHARE_CRASHED: Share = Share { least: 101, most: 13 };
/// Crash points of each world.
const POINTS: usize = 3;
/// As long as what delays ask for: old versions are gone in all runs or in none.
const REST: Duration = Duration::from_secs(130);
const BACK: Duration = Duration::from_secs(2);
/// How many failures are told in full.
const TOLD_MAX: usize = 20;
/// How many letters of the others.
const BRIEF_MAX: usize = 120;

/// What is not mended: an option, or two, how the problem of their worlds begins, and why.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &["weight-of-nothing"],
        "law S1 ",
        "the Service leads to the version all the time, and its first pod is available before it is an endpoint",
    ),
    (
        &["sleeps-and-wakes"],
        "law S1 ",
        "the same after sleep; and with no pods asked for a blue-green version is complete without any",
    ),
    (
        &["ping-pong"],
        "law S1 ",
        "the Service leads to the new pods all the time, and the first is available before it is an endpoint",
    ),
    (&["ping-pong-istio"], "law S1 ", "the same"),
    (
        &["becomes-blue-green"],
        "Ingress ",
        "what a router left behind while no controller ran is not tidied",
    ),
    (&["becomes-blue-green"], "DestinationRule ", "the same"),
    (&["loses-router"], "Ingress ", "the same"),
    (&["loses-router"], "DestinationRule ", "the same"),
    (
        &["gains-router"],
        "law S2 ",
        "stable gave up pods to the canary without a router, and gets all of the traffic at first when one comes",
    ),
];

fn is_known(label: &str, problem: &str) -> bool {
    let names: Vec<&str> = label.split([' ', '+']).collect();
    let here = |options: &[&str]| options.iter().all(|option| names.contains(option));
    KNOWN
        .iter()
        .any(|(options, beginning, _)| here(options) && problem.starts_with(beginning))
}

struct World {
    label: String,
    story: Story,
}

/// Whether these are asked for by name.
fn asked(pair: &Pair) -> bool {
    let Ok(asked) = std::env::var("SERIN_PAIR") else {
        return true;
    };
    let names = [pair.one.name.as_str(), pair.other.name.as_str()];
    asked.split('+').all(|name| names.contains(&name))
}

/// The part of the whole that is asked for: every `n`th, or all.
fn part<T>(worlds: Vec<T>, share: Share) -> Vec<T> {
    if std::env::var_os("SERIN_PAIR").is_some() {
        return worlds;
    }
    let Ok(part) = std::env::var("SERIN_PAIRS") else {
        return crate::sample(worlds, share);
    };
    let (number, of) = part.split_once('/').unwrap();
    let (number, of): (usize, usize) = (number.parse().unwrap(), of.parse().unwrap());
    worlds.into_iter().skip(number - 1).step_by(of).collect()
}

/// All worlds that run.
fn worlds() -> Vec<World> {
    let pairs = all().into_iter().filter(asked);
    let of = |pair: Pair| {
        let Verdict::Runs(grounds) = &pair.verdict else {
            return Vec::new();
        };
        let choices = pair.choices();
        let world = |ground: &&serin::simulate::options::Choice| World {
            label: format!("{}+{} on {}", pair.one.name, pair.other.name, ground.name),
            story: compose::story(ground, &choices).unwrap(),
        };
        grounds.iter().map(world).collect()
    };
    pairs.flat_map(of).collect()
}

fn played(story: &Story, fault: Option<Box<dyn Fault>>, keep: Keep) -> Played {
    let rest = if fault.is_some() { REST } else { Duration::ZERO };
    let mut staging = Staging::new(1);
    staging.keep = keep;
    staging.laws = Some(Laws::all(Facts::default()));
    staging.faults = fault.into_iter().collect();
    staging.rest = rest;
    play(story, staging)
}

/// What is wrong with a run in itself.
fn wrong(label: &str, played: &Played) -> Vec<String> {
    let laws = played.outcome.broken.iter().map(ToString::to_string);
    let mut wrong: Vec<String> = played.unmet.iter().cloned().chain(laws).collect();
    wrong.retain(|problem| !is_known(label, problem));
    wrong
}

fn judge(what: &str, count: usize, began: Instant, wrong: &[(String, Vec<String>)]) {
    println!("{count} {what} in {:.0} s", began.elapsed().as_secs_f64());
    let mut told = String::new();
    for (label, problems) in wrong.iter().take(TOLD_MAX) {
        let _ = writeln!(told, "{label}:\n    {}", problems.join("\n    "));
    }
    for (label, problems) in wrong.iter().skip(TOLD_MAX) {
        let brief: String = problems[0].chars().take(BRIEF_MAX).collect();
        let _ = writeln!(told, "{label}: {brief}");
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} {what} went wrong\n{told}",
        wrong.len()
    );
}

#[test]
fn every_pair_of_options_breaks_no_law_and_ends_as_told() {
    let pairs = all();
    let count = |which: fn(&Verdict) -> bool| pairs.iter().filter(|pair| which(&pair.verdict)).count();
    println!(
        "{} options, {} pairs: {} run, {} are refused, {} are not combined",
        catalogue().len(),
        pairs.len(),
        count(|verdict| matches!(verdict, Verdict::Runs(_))),
        count(|verdict| matches!(verdict, Verdict::Refused(..))),
        count(|verdict| matches!(verdict, Verdict::Apart(_))),
    );
    let worlds = part(worlds(), SHARE);
    let (count, few, began) = (worlds.len(), worlds.len() < 3, Instant::now());
    let keep = if few { Keep::All } else { Keep::Last(0) };
    let failed: Vec<_> = in_parallel(worlds, |world| {
        let played = played(&world.story, None, keep);
        if few {
            println!("{}", Timeline::of_run(&played.outcome, ("default", "web")).text());
            if std::env::var_os("SERIN_RECORDS").is_some() {
                let records = played.outcome.transcript.records();
                records.for_each(|record| println!("{}", serin::simulate::transcript::line(record)));
            }
        }
        let wrong = wrong(&world.label, &played);
        (!wrong.is_empty()).then_some((world.label, wrong))
    });
    judge("worlds of pairs", count, began, &failed);
}

#[test]
fn every_pair_that_validation_refuses_is_refused_with_the_field() {
    let refused = |pair: Pair| match pair.verdict {
        Verdict::Refused(ground, field) => {
            let story = compose::refused(ground, &pair.choices(), field).unwrap();
            let label = format!("{}+{} on {}", pair.one.name, pair.other.name, ground.name);
            Some(World { label, story })
        }
        _ => None,
    };
    let worlds: Vec<World> = all().into_iter().filter(asked).filter_map(refused).collect();
    let (count, began) = (worlds.len(), Instant::now());
    let failed: Vec<_> = in_parallel(worlds, |world| {
        let wrong = wrong(&world.label, &played(&world.story, None, Keep::Last(0)));
        (!wrong.is_empty()).then_some((world.label, wrong))
    });
    judge("refused pairs", count, began, &failed);
}

/// What the command says to a person who is faster than the replica that takes over: the story is another one then.
const TOO_EARLY: &str = "the controller has not seen the newest spec yet";

/// A few of the points, spread over the run, others in each world.
fn some<T: Copy>(points: &[T], label: &str) -> Vec<T> {
    let shift = label.bytes().map(usize::from).sum::<usize>();
    let each = points.len() / POINTS;
    let at = |nth| nth * each + shift % each.max(1);
    (0..POINTS)
        .filter_map(|nth| points.get(at(nth)).copied())
        .collect()
}

#[test]
fn every_pair_of_options_ends_the_same_after_a_crash() {
    let worlds = part(worlds(), SHARE_CRASHED);
    let (count, began) = (worlds.len() * POINTS, Instant::now());
    let failed: Vec<_> = in_parallel(worlds, |world| {
        let tape = Tape::default();
        let calm = played(&world.story, Some(Box::new(tape.clone())), Keep::Last(0));
        let end = end_state(&calm.outcome.store);
        let mut told = Vec::new();
        for (number, (nth, point)) in some(&tape.points(), &world.label).into_iter().enumerate() {
            // The last is taken over by another replica.
            let (controllers, back) = if number == 2 { (2, None) } else { (1, Some(BACK)) };
            let mut story = world.story.clone();
            story.replicas = controllers;
            let crash = CrashAt::new(nth, point, back);
            let played = played(&story, Some(Box::new(crash)), Keep::Last(0));
            if played.unmet.iter().any(|unmet| unmet.contains(TOO_EARLY)) {
                continue;
            }
            let mut wrong = wrong(&world.label, &played);
            wrong.retain(|unmet| !only_untold(unmet));
            wrong.extend(differences(&end, &end_state(&played.outcome.store)));
            wrong.retain(|problem| !is_known(&world.label, problem));
            if !wrong.is_empty() {
                told.push(format!(
                    "crash {point:?} call {nth}, {controllers} controller(s): {}",
                    wrong.join("; ")
                ));
            }
        }
        (!told.is_empty()).then_some((world.label, told))
    });
    judge("crash points of pairs", count, began, &failed);
}
