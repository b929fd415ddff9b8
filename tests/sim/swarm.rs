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

/// In CI.
const SEEDS: u64 = 20_000;
/// How many failures are shrunk and told in full.
const TOLD_MAX: usize = 8;

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
    let seeds = number("SERIN_SEEDS").unwrap_or(SEEDS);
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
        verdict.broken.first().map(|broken| (seed, broken.law))
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
    let mut by_law: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, law) in &failed {
        by_law.entry(law).or_default().push(*seed);
    }
    // One of each law first: they are rarely the same bug.
    let told: Vec<String> = by_law
        .values()
        .flat_map(|seeds| seeds.iter().take(2))
        .take(TOLD_MAX)
        .map(|seed| told(*seed))
        .collect();
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
        failed.is_empty(),
        "{} of {count} seeds break a law\n{}\n\n{}",
        failed.len(),
        summary.join("\n"),
        told.join("\n\n")
    );
}

#[test]
fn equal_seeds_give_equal_transcripts() {
    let different = in_parallel((0..60).collect(), |seed: u64| {
        let (one, two) = (lived(&Case::drawn(seed)), lived(&Case::drawn(seed)));
        (one.outcome.hash != two.outcome.hash).then_some(seed)
    });
    assert!(different.is_empty(), "seeds {different:?} do not repeat");
}
