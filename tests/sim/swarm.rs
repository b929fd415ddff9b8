//! Seeds by the thousand: see `serin::simulate::swarm`.
//!
//! `SERIN_SEEDS=N` sets how many, `SERIN_SEED_FIRST=N` the first of them. A seed that breaks a law is shrunk and told with what a
//! person needs; put it into `tests/data/seeds.txt`, which is run before all others.

use crate::stories::in_parallel;
use serin::controller::pass::Core;
use serin::controller::probe::Provider;
use serin::simulate::swarm::{Case, Verdict, live, report, shrunk};
use serin::simulate::transcript::Keep;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SEEDS: u64 = 20_000;
const SEEDS_SAMPLE: u64 = 100;
/// Laws with open findings, each with what was found: seeds that break them are counted and told, and fail nothing yet.
const OPEN: [(&str, &str); 8] = [
    (
        "S7",
        "stable goes to 0 pods while its route still leads to it, when somebody scales the Rollout to 0",
    ),
    ("S14", "the same, with a ReplicaSet that history takes away"),
    (
        "S11",
        "a message is told a third time when Slack loses two answers, or when our clock is far ahead of Slack's",
    ),
    (
        "S12",
        "the status is written again and again beside a controller of another version",
    ),
    (
        "S13",
        "what somebody else undoes again and again is put back at once",
    ),
    (
        "S15",
        "Healthy is said of an aborted update, or of pods that crashed within the last seconds",
    ),
    ("L4", "not looked at yet"),
    ("L5", "not looked at yet"),
];
/// How many failures are shrunk and told in full.
const TOLD_MAX: usize = 8;

fn open(law: &str) -> Option<&'static (&'static str, &'static str)> {
    OPEN.iter().find(|(id, _)| *id == law)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn lived(case: &Case) -> Verdict {
    live(case, Core::default(), Provider::default(), Keep::Last(60))
}

/// Seeds that broke a law once.
fn corpus() -> Vec<u64> {
    let text = include_str!("../data/seeds.txt");
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap())
        .collect()
}

/// The first broken law that has no open finding, else the first of all.
fn first_held(verdict: &Verdict) -> Option<&'static str> {
    let laws = || verdict.broken.iter().map(|broken| broken.law);
    let held = laws().find(|law| OPEN.iter().all(|(open, _)| open != law));
    held.or_else(|| laws().next())
}

fn told(seed: u64) -> String {
    let case = Case::drawn(seed);
    let law = lived(&case)
        .broken
        .first()
        .map(|broken| broken.law)
        .unwrap_or_default();
    let least = shrunk(&case, law, |case| lived(case).broken);
    report(&least, &lived(&least))
}

#[test]
fn no_seed_breaks_a_law() {
    let first = number("SERIN_SEED_FIRST").unwrap_or(0);
    let sample = if crate::whole() { SEEDS } else { SEEDS_SAMPLE };
    let seeds = number("SERIN_SEEDS").unwrap_or(sample);
    let all: Vec<u64> = corpus().into_iter().chain(first..first + seeds).collect();
    let (count, virtual_ms, records) = (all.len(), AtomicU64::new(0), AtomicU64::new(0));
    let bites: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let began = Instant::now();
    let failed: Vec<(u64, &'static str)> = in_parallel(all, |seed| {
        let verdict = lived(&Case::drawn(seed));
        let lasted = u64::try_from(verdict.outcome.lasted.as_millis()).unwrap();
        virtual_ms.fetch_add(lasted, Ordering::Relaxed);
        records.fetch_add(verdict.outcome.tally.records, Ordering::Relaxed);
        let mut sum = bites.lock().unwrap();
        for (name, times) in &verdict.outcome.bites {
            *sum.entry(name).or_default() += times;
        }
        first_held(&verdict).map(|law| (seed, law))
    });
    let real = began.elapsed().as_secs_f64();
    let hours = virtual_ms.into_inner() as f64 / 3_600_000.0;
    let bites = bites.into_inner().unwrap();
    println!(
        "{count} seeds in {real:.0} s: {hours:.0} h of virtual time, {} records, {} kinds of faults bit {} times",
        records.into_inner(),
        bites.len(),
        bites.values().sum::<u64>()
    );
    judge(count, &failed);
}

/// Fails when a law without open findings was broken.
fn judge(count: usize, failed: &[(u64, &'static str)]) {
    let mut by_law: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, law) in failed {
        by_law.entry(law).or_default().push(*seed);
    }
    // One of each law first: they are rarely the same bug.
    let told: Vec<String> = by_law
        .iter()
        .filter(|(law, _)| open(law).is_none())
        .flat_map(|(_, seeds)| seeds.iter().take(2))
        .take(TOLD_MAX)
        .map(|seed| told(*seed))
        .collect();
    let held: Vec<u64> = failed
        .iter()
        .filter(|(_, law)| open(law).is_none())
        .map(|(seed, _)| *seed)
        .collect();
    for (law, seeds) in &by_law {
        if let Some((_, why)) = open(law) {
            println!(
                "open: {law} in {} seeds, {:?}: {why}",
                seeds.len(),
                &seeds[..seeds.len().min(12)]
            );
        }
    }
    let summary: Vec<String> = by_law
        .iter()
        .map(|(law, seeds)| {
            format!(
                "{law}: {} seeds, {:?}",
                seeds.len(),
                &seeds[..seeds.len().min(12)]
            )
        })
        .collect();
    assert!(
        held.is_empty(),
        "{} of {count} seeds break a law\n{}\n\n{}",
        held.len(),
        summary.join("\n"),
        told.join("\n\n")
    );
}

#[test]
fn equal_seeds_give_equal_transcripts() {
    let different = in_parallel((0..20).collect(), |seed: u64| {
        let (one, two) = (lived(&Case::drawn(seed)), lived(&Case::drawn(seed)));
        (one.outcome.hash != two.outcome.hash).then_some(seed)
    });
    assert!(different.is_empty(), "seeds {different:?} do not repeat");
}
