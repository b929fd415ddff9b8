//! Planted bugs: at least 95 of 100 must be caught by stories and swarm, each by a law or by an end that is not as told.

mod plants;

use crate::stories::{all, in_parallel};
use plants::Mutant;
use serin::simulate::laws::{Facts, Laws};
use serin::simulate::play::{Staging, play};
use serin::simulate::story::Story;
use serin::simulate::swarm::{BLUE_GREEN_FROM, Case, live};
use serin::simulate::transcript::Keep;

/// One of so many bugs is planted when the whole is not run.
const SAMPLE: usize = 7;
/// Seeds of the swarm that a bug has to survive.
const SEEDS: u64 = 200;
const CAUGHT_PERCENT_MIN: usize = 95;

/// What caught a bug: a law or a story's end, and where.
fn caught(mutant: &Mutant, stories: &[(String, Story)]) -> Option<String> {
    for (name, story) in stories {
        let mut staging = Staging::new(1);
        staging.keep = Keep::Last(0);
        staging.laws = Some(Laws::all(Facts::default()));
        staging.core = mutant.core;
        staging.measures = mutant.measures;
        let played = play(story, staging);
        if let Some(broken) = played.outcome.broken.first() {
            return Some(format!("{} in story {name}", broken.law));
        }
        if let Some(unmet) = played.unmet.first() {
            return Some(format!(
                "the end of story {name} ({})",
                unmet.split(':').next().unwrap_or_default()
            ));
        }
    }
    let blue_green = BLUE_GREEN_FROM..BLUE_GREEN_FROM + SEEDS / 4;
    (0..SEEDS).chain(blue_green).find_map(|seed| {
        let verdict = live(&Case::drawn(seed), mutant.core, mutant.measures, Keep::Last(0));
        verdict
            .broken
            .first()
            .map(|broken| format!("{} in seed {seed}", broken.law))
    })
}

#[test]
fn planted_bugs_are_caught() {
    let stories = all();
    let all = plants::all();
    assert!(all.len() >= 40, "{} planted bugs", all.len());
    let mutants = crate::sample(all, SAMPLE);
    let count = mutants.len();
    let rows = in_parallel(mutants, |mutant| {
        let found = caught(&mutant, &stories);
        let row = format!(
            "| {} | {} | {} |",
            mutant.name,
            mutant.says,
            found.as_deref().unwrap_or("nothing")
        );
        Some((found.is_some(), row))
    });
    for (_, row) in &rows {
        println!("{row}");
    }
    let caught = rows.iter().filter(|(found, _)| *found).count();
    let missed: Vec<&str> = rows
        .iter()
        .filter(|(found, _)| !found)
        .map(|(_, row)| row.as_str())
        .collect();
    assert!(
        caught * 100 >= count * CAUGHT_PERCENT_MIN,
        "{caught} of {count} caught; missed\n{}",
        missed.join("\n")
    );
}

#[test]
fn every_planted_bug_is_in_the_table() {
    let table = include_str!("../../../docs/planted-bugs.md");
    let absent: Vec<&str> = plants::all()
        .iter()
        .map(|mutant| mutant.name)
        .filter(|name| !table.contains(&format!("| `{name}` |")))
        .collect();
    assert!(
        absent.is_empty(),
        "docs/planted-bugs.md knows nothing of {absent:?}"
    );
}
