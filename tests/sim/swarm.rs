//! Seeds by the thousand: see `serin::simulate::swarm`.
//!
//! `SERIN_SEEDS=N` sets how many, `SERIN_SEED_FIRST=N` the first of them, and then only those are run. A seed that breaks a law is shrunk and told with what a
//! person needs; put it into `tests/data/seeds.txt`, which is run before all others, once it is mended. Until then it is in
//! `tests/data/open-seeds.txt`, with the reason.

use crate::stories::in_parallel;
use serin::controller::pass::Core;
use serin::controller::probe::Provider;
use serin::simulate::swarm::{
    BLUE_GREEN_FROM, Case, OPTIONS_FROM, ROUTERS_FROM, Verdict, live, report, shrunk,
};
use serin::simulate::transcript::Keep;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SEEDS: u64 = 20_000;
const SEEDS_SAMPLE: u64 = 100;
/// How many failures are shrunk and told in full.
const TOLD_MAX: usize = 8;
/// How many seeds of each law are listed.
const LISTED_MAX: usize = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn lived(case: &Case, keep: Keep) -> Verdict {
    live(case, Core::default(), Provider::default(), keep)
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

/// Seeds that break a law still, each with the law.
fn open() -> BTreeMap<u64, String> {
    let text = include_str!("../data/open-seeds.txt");
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let of_line = |line: &str| {
        let (seed, law) = line.split_once(' ').unwrap();
        (seed.parse().unwrap(), law.trim().to_owned())
    };
    lines.filter(|line| !line.is_empty()).map(of_line).collect()
}

/// The commit that this tree is at, where git can tell.
fn commit() -> String {
    let git = std::process::Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let said = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok()
        .filter(|said| !said.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

fn told(seed: u64, law: &str) -> String {
    let least = shrunk(&Case::drawn(seed), law, |case| lived(case, Keep::Last(0)).broken);
    format!(
        "commit {}, {}",
        commit(),
        report(&least, &lived(&least, Keep::All))
    )
}

/// So many seeds: of a hundred 20 are blue-green, 3 behind routers of all kinds, 2 with three options and more at once, the others
/// canaries.
fn of_all(seeds: u64) -> impl Iterator<Item = u64> {
    let part = |from: u64, of_hundred: u64| from..from + seeds * of_hundred / 100;
    let others = part(BLUE_GREEN_FROM, 20)
        .chain(part(ROUTERS_FROM, 3))
        .chain(part(OPTIONS_FROM, 2));
    part(0, 75).chain(others)
}

#[test]
fn no_seed_breaks_a_law() {
    let sample = if crate::most() { SEEDS } else { SEEDS_SAMPLE };
    let seeds = number("SERIN_SEEDS").unwrap_or(sample);
    let all: Vec<u64> = match number("SERIN_SEED_FIRST") {
        Some(first) => (first..first + seeds).collect(),
        None => corpus().into_iter().chain(of_all(seeds)).collect(),
    };
    let ran = all.clone();
    let (count, virtual_ms, records) = (all.len(), AtomicU64::new(0), AtomicU64::new(0));
    let bites: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let began = Instant::now();
    let failed: Vec<(u64, &'static str)> = in_parallel(all, |seed| {
        let verdict = lived(&Case::drawn(seed), Keep::Last(0));
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
    let open = open();
    let is_open = |(seed, law): &&(u64, &str)| open.get(seed).is_some_and(|known| known == law);
    let known = failed.iter().filter(is_open).count();
    let mended: Vec<u64> = ran
        .iter()
        .filter(|seed| open.contains_key(seed) && failed.iter().all(|(one, _)| one != *seed))
        .copied()
        .collect();
    println!("{known} seeds break the law that tests/data/open-seeds.txt says");
    let new: Vec<_> = failed.iter().filter(|one| !is_open(one)).copied().collect();
    judge(count, &new);
    assert!(
        mended.is_empty(),
        "seeds {mended:?} break no law any more: take them out of tests/data/open-seeds.txt"
    );
}

/// Fails when a law was broken.
fn judge(count: usize, failed: &[(u64, &'static str)]) {
    let mut by_law: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, law) in failed {
        by_law.entry(law).or_default().push(*seed);
    }
    // One of each law first: they are rarely the same bug.
    let firsts = by_law.iter().map(|(law, seeds)| (seeds[0], *law));
    let seconds = by_law
        .iter()
        .filter_map(|(law, seeds)| Some((*seeds.get(1)?, *law)));
    let told: Vec<String> = firsts
        .chain(seconds)
        .take(TOLD_MAX)
        .map(|(seed, law)| told(seed, law))
        .collect();
    let sum = |(law, seeds): (&&str, &Vec<u64>)| {
        let some = &seeds[..seeds.len().min(LISTED_MAX)];
        format!("{law}: {} seeds, {some:?}", seeds.len())
    };
    let summary: Vec<String> = by_law.iter().map(sum).collect();
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
    let different = in_parallel((0..20).collect(), |seed: u64| {
        let (one, two) = (
            lived(&Case::drawn(seed), Keep::Last(0)),
            lived(&Case::drawn(seed), Keep::Last(0)),
        );
        (one.outcome.hash != two.outcome.hash).then_some(seed)
    });
    assert!(different.is_empty(), "seeds {different:?} do not repeat");
}
