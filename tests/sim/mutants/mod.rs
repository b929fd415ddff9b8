//! Planted bugs: at least 95 of 100 must be caught by stories and swarm, each by a law or by an end that is not as told. And real
//! incidents of other controllers: each is shown by a story, and would come back with a bug that its story catches.
//!
//! What caught a bug is in `docs/planted-bugs.md`, and is tried first; everything else is searched only when that fails.
//! `SERIN_UPDATE=1` writes the tables of the two documents anew.

#[macro_use]
mod tools;
mod documents;
mod incidents;
mod plants;

use crate::stories::{all, first, in_parallel};
use documents::Table;
use serin::simulate::laws::{Facts, Laws};
use serin::simulate::play::{Staging, play};
use serin::simulate::story::Story;
use serin::simulate::swarm::{BLUE_GREEN_FROM, Case, live};
use serin::simulate::transcript::Keep;
use std::sync::OnceLock;
use std::time::Duration;
use tools::Mutant;

/// Seeds of the swarm that a bug has to survive: canaries, and a quarter as many blue-green.
const SEEDS: u64 = 200;
const CAUGHT_PERCENT_MIN: usize = 95;
/// No scene of a story comes so late; where a bug keeps it from coming, the story is over.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
const INCIDENTS_MIN: usize = 44;

/// A bug with what caught it: a law or a story's end, and where.
struct Verdict {
    name: &'static str,
    says: &'static str,
    caught: Option<String>,
}

/// What of a story a bug breaks.
fn in_story(mutant: &Mutant, name: &str, story: &Story) -> Option<String> {
    tools::forget_all();
    let mut staging = Staging::new(1);
    staging.keep = Keep::Last(0);
    staging.laws = Some(Laws::all(Facts::default()));
    staging.core = mutant.core;
    staging.measures = mutant.measures;
    (staging.brief, staging.patience) = (true, PATIENCE);
    let played = play(story, staging);
    if let Some(broken) = played.outcome.broken.first() {
        return Some(format!("{} in story {name}", broken.law));
    }
    let unmet = played.unmet.first()?;
    let place = unmet.split(':').next().unwrap_or_default();
    Some(format!("the end of story {name} ({place})"))
}

fn in_seed(mutant: &Mutant, seed: u64) -> Option<String> {
    tools::forget_all();
    let verdict = live(&Case::drawn(seed), mutant.core, mutant.measures, Keep::Last(0));
    let broken = verdict.broken.first()?;
    Some(format!("{} in seed {seed}", broken.law))
}

/// Where a bug was caught the last time.
enum Hint {
    Story(String),
    Seed(u64),
    /// Of a bug that brings an incident back: where it has to be caught.
    Only(&'static str),
}

/// What catches a bug: where it was caught before, or wherever it is.
fn caught(mutant: &Mutant, stories: &[(String, Story)], hint: Option<&Hint>) -> Option<String> {
    let named = |name: &str| {
        let found = stories.iter().find(|(known, _)| known == name);
        found.and_then(|(name, story)| in_story(mutant, name, story))
    };
    let hinted = match hint {
        Some(Hint::Only(name)) => return named(name),
        Some(Hint::Seed(seed)) => in_seed(mutant, *seed),
        Some(Hint::Story(name)) => named(name),
        None => None,
    };
    if hinted.is_some() {
        return hinted;
    }
    let found = stories
        .iter()
        .find_map(|(name, story)| in_story(mutant, name, story));
    found.or_else(|| {
        let blue_green = BLUE_GREEN_FROM..BLUE_GREEN_FROM + SEEDS / 4;
        (0..SEEDS)
            .chain(blue_green)
            .find_map(|seed| in_seed(mutant, seed))
    })
}

/// Every planted bug, and what caught it: played once for all tests. Those that nothing caught the last time are searched for only
/// when the whole is run.
fn verdicts() -> &'static [Verdict] {
    static VERDICTS: OnceLock<Vec<Verdict>> = OnceLock::new();
    VERDICTS.get_or_init(|| {
        let stories = all();
        let known = documents::hints();
        let incidents = incidents::all();
        let of_incidents = incidents
            .into_iter()
            .map(|row| (row.mutant, Some(Hint::Only(row.story))));
        let others = plants::all().into_iter().map(|mutant| {
            let hint = known.get(mutant.name).and_then(|caught| documents::hint(caught));
            (mutant, hint)
        });
        let part = std::env::var("SERIN_MUTANT").unwrap_or_default();
        let mutants = others
            .chain(of_incidents)
            .filter(|(mutant, _)| part.split(',').any(|part| mutant.name.contains(part)));
        in_parallel(mutants.collect(), |(mutant, hint)| {
            let hopeless = known
                .get(mutant.name)
                .is_some_and(|place| place == documents::NOTHING);
            let began = std::time::Instant::now();
            let caught = match hopeless && !crate::whole() && !documents::update() {
                true => None,
                false => caught(&mutant, &stories, hint.as_ref()),
            };
            println!(
                "{:>6} ms {}: {}",
                began.elapsed().as_millis(),
                mutant.name,
                caught.as_deref().unwrap_or(documents::NOTHING)
            );
            Some(Verdict {
                name: mutant.name,
                says: mutant.says,
                caught,
            })
        })
    })
}

#[test]
fn planted_bugs_are_caught() {
    let verdicts = verdicts();
    let missed: Vec<&str> = verdicts
        .iter()
        .filter(|verdict| verdict.caught.is_none())
        .map(|verdict| verdict.name)
        .collect();
    let (all, caught) = (verdicts.len(), verdicts.len() - missed.len());
    println!("{caught} of {all} planted bugs are caught; missed: {missed:?}");
    assert!(all >= 100, "{all} planted bugs");
    assert!(
        caught * 100 >= all * CAUGHT_PERCENT_MIN,
        "{caught} of {all} caught; missed: {missed:?}"
    );
    documents::compare(Table::Planted, &documents::planted(verdicts));
}

#[test]
fn every_incident_is_shown_by_its_story_on_a_mutant() {
    let incidents = incidents::all();
    assert!(incidents.len() >= INCIDENTS_MIN, "{} incidents", incidents.len());
    let mut problems = String::new();
    for row in &incidents {
        let (name, story) = (row.mutant.name, row.story);
        let Some((_, told, truly)) = first().iter().find(|(known, ..)| known == story) else {
            problems.push_str(&format!("{name}: there is no story {story}\n"));
            continue;
        };
        if !told.about.starts_with("Incident:") {
            problems.push_str(&format!(
                "{story}: its `about` begins with what happened: Incident: …\n"
            ));
        }
        if !truly.unmet.is_empty() || !truly.outcome.broken.is_empty() {
            problems.push_str(&format!("{story}: the controller as it is does not pass it\n"));
        }
        let place = format!(" story {story}");
        let caught = verdicts().iter().find(|verdict| verdict.name == name);
        let caught = caught
            .and_then(|verdict| verdict.caught.as_deref())
            .unwrap_or("nothing");
        if !format!("{caught} ")
            .replace(" (", "  (")
            .contains(&format!("{place} "))
        {
            problems.push_str(&format!("{name}: {story} does not catch it, but {caught}\n"));
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
    documents::compare(Table::Incidents, &documents::incidents(&incidents));
}
