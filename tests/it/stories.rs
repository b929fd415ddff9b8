//! Every story in examples/stories, played to its end under all laws; its timeline is the golden one in tests/data/stories.
//!
//! `SERIN_UPDATE=1 cargo test --test it stories::` writes the golden timelines anew: read the difference before you commit it.

use serin::simulate::laws::{Facts, Laws};
use serin::simulate::play::{Played, Staging, play};
use serin::simulate::story::Story;
use serin::simulate::timeline::Timeline;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const SEED: u64 = 1;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn stories() -> Vec<(String, Story)> {
    let entries = fs::read_dir(folder("examples/stories")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, Story::read(path).unwrap_or_else(|error| panic!("{error}")))
    };
    paths.iter().map(read).collect()
}

fn played(story: &Story, seed: u64) -> Played {
    let mut staging = Staging::new(seed);
    staging.laws = Some(Laws::all(Facts::default()));
    play(story, staging)
}

fn timeline(story: &Story, played: &Played) -> Timeline {
    let (namespace, name) = story.rollout_key().unwrap();
    Timeline::of_run(&played.outcome, (&namespace, &name))
}

fn check(problems: &str) {
    assert!(problems.is_empty(), "\n{problems}");
}

/// The first lines in which two texts differ, with a little of what comes before; none when they are equal.
fn difference(golden: &str, text: &str) -> Option<String> {
    let (golden, text): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), text.lines().collect());
    let len = golden.len().max(text.len());
    let first = (0..len).find(|at| golden.get(*at) != text.get(*at))?;
    let mut shown = String::new();
    for line in &text[first.saturating_sub(3)..first.min(text.len())] {
        let _ = writeln!(shown, "      {line}");
    }
    for (mark, lines) in [('-', &golden), ('+', &text)] {
        for line in lines.iter().skip(first).take(6) {
            let _ = writeln!(shown, "    {mark} {line}");
        }
    }
    Some(format!("    from line {}:\n{shown}", first + 1))
}

#[test]
fn every_story_ends_as_told_breaks_no_law_and_has_its_golden_timeline() {
    let update = std::env::var("SERIN_UPDATE").is_ok_and(|set| set == "1");
    let only = std::env::var("SERIN_STORY").unwrap_or_default();
    let mut problems = String::new();
    for (name, story) in stories() {
        if !name.contains(&only) {
            continue;
        }
        let began = std::time::Instant::now();
        let played = played(&story, SEED);
        let text = timeline(&story, &played).text();
        println!(
            "{name}: {} records, {:?} virtual, {:?} real",
            played.outcome.tally.records,
            played.outcome.lasted,
            began.elapsed()
        );
        for one in &played.unmet {
            let _ = writeln!(problems, "{name}: {one}");
        }
        for broken in &played.outcome.broken {
            let _ = writeln!(problems, "{name}: {broken}");
        }
        if !only.is_empty() {
            println!("{text}");
        }
        let path = folder("tests/data/stories").join(format!("{name}.txt"));
        if update {
            fs::create_dir_all(folder("tests/data/stories")).unwrap();
            fs::write(&path, text).unwrap();
        } else if let Some(difference) = difference(&fs::read_to_string(&path).unwrap_or_default(), &text) {
            let _ = writeln!(
                problems,
                "{name}: its timeline is not tests/data/stories/{name}.txt (- there, + now); SERIN_UPDATE=1 writes it anew\n{difference}"
            );
        }
    }
    check(&problems);
}

/// Every story with its name.
pub fn all() -> Vec<(String, Story)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stories");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let named = |path: std::path::PathBuf| {
        (
            path.file_stem().unwrap().to_string_lossy().into_owned(),
            Story::read(&path).unwrap(),
        )
    };
    paths.into_iter().map(named).collect()
}

/// Does the work of all items on every core; what it yields, in the order of the items.
pub fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Option<R> + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let Some((number, item)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    if let Some(result) = work(item) {
                        found.lock().unwrap().push((number, result));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, result)| result).collect()
}
