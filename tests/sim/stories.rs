//! Every story in examples/stories, played to its end under all laws; its timeline is the golden one in tests/data/stories.
//!
//! `SERIN_UPDATE=1 cargo test --test it stories::` writes the golden timelines anew: read the difference before you commit it.

use serin::simulate::laws::{Facts, Laws};
use serin::simulate::play::{Played, Staging, play};
use serin::simulate::story::Story;
use serin::simulate::timeline::Timeline;
use serin::simulate::transcript::line;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

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

fn played(story: &Story, seed: u64) -> Played {
    let mut staging = Staging::new(seed);
    staging.laws = Some(Laws::all(Facts::default()));
    play(story, staging)
}

/// The stories whose names contain `SERIN_STORY`: all of them without it.
pub fn all() -> Vec<(String, Story)> {
    let part = std::env::var("SERIN_STORY").unwrap_or_default();
    let mut some = stories();
    some.retain(|(name, _)| name.contains(&part));
    some
}

fn all_played() -> Vec<(String, Story, Played)> {
    in_parallel(all(), |(name, story)| {
        let played = played(&story, SEED);
        Some((name, story, played))
    })
}

/// The first time that they are played: one for all tests.
pub fn first() -> &'static [(String, Story, Played)] {
    static FIRST: OnceLock<Vec<(String, Story, Played)>> = OnceLock::new();
    FIRST.get_or_init(all_played)
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

/// Laws that a story breaks.
fn against_laws(name: &str, played: &Played) -> String {
    let mut found = String::new();
    for broken in &played.outcome.broken {
        let _ = writeln!(found, "{name}: {broken}");
    }
    found
}

#[test]
fn every_story_ends_as_told_breaks_no_law_and_has_its_golden_timeline() {
    let update = std::env::var("SERIN_UPDATE").is_ok_and(|set| set == "1");
    let mut problems = String::new();
    for (name, story, played) in first() {
        let text = timeline(story, played).text();
        if first().len() < 3 {
            println!("{text}");
        }
        for one in &played.unmet {
            let _ = writeln!(problems, "{name}: {one}");
        }
        problems.push_str(&against_laws(name, played));
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

#[test]
fn one_seed_tells_one_story() {
    let mut problems = String::new();
    for ((name, _, one), (_, _, other)) in first().iter().zip(all_played()) {
        if one.outcome.hash == other.outcome.hash {
            continue;
        }
        let lines = |played: &Played| {
            played
                .outcome
                .transcript
                .records()
                .map(line)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let found = difference(&lines(one), &lines(&other)).unwrap_or_default();
        let _ = writeln!(problems, "{name}: two runs of seed {SEED} differ\n{found}");
    }
    check(&problems);
}

#[test]
fn every_story_says_what_it_is_about() {
    let mut problems = String::new();
    let all = stories();
    for (name, story) in &all {
        let mut say = |why: &str| problems.push_str(&format!("{name}: {why}\n"));
        if story.about.split_whitespace().count() < 10 {
            say("`about` tells too little: what happens in it, and why it matters");
        }
        if story.title.len() > 120 || story.title.ends_with('.') {
            say("`title` is one line without a full stop");
        }
        if !name.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            say("the name of the file is its rule in small letters with hyphens");
        }
    }
    let incidents = all
        .iter()
        .filter(|(_, story)| story.about.starts_with("Incident:"))
        .count();
    assert!(
        all.len() >= 30 && incidents >= 15,
        "{} stories, {incidents} incidents",
        all.len()
    );
    let golden = fs::read_dir(folder("tests/data/stories")).unwrap();
    for path in golden.map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !all.iter().any(|(known, _)| *known == name) {
            let _ = writeln!(
                problems,
                "tests/data/stories/{name}.txt belongs to no story: delete it"
            );
        }
    }
    check(&problems);
}

#[test]
fn a_story_that_is_wrong_says_where_and_what_to_do() {
    let check = |text: &str, parts: &[&str]| {
        let path = std::env::temp_dir().join(format!("serin-story-{}.yaml", std::process::id()));
        let head = "title: t\nobjects: [{kind: Rollout, metadata: {name: shop}}]\n";
        fs::write(&path, format!("{head}{text}")).unwrap();
        let error = Story::read(&path).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    };
    let ends = "ends: {phase: Healthy}\n";
    check("ends: {phase: Well}", &["ends.phase", "Well", "Healthy"]);
    check("ends: {phase: Healthy, stabel: v2}", &["stabel", "stable"]);
    check(&format!("{ends}timeline: [{{do: abrot}}]"), &["abrot", "abort"]);
    check(
        &format!("{ends}timeline: [{{when: {{stepp: 1}}}}]"),
        &["stepp", "step"],
    );
    check(
        &format!("{ends}timeline: [{{after: 3 minutes}}]"),
        &["timeline[0].after", "30s"],
    );
    check(
        &format!("{ends}timeline: [{{do: {{fault: {{name: prometheus-refused}}}}}}]"),
        &["timeline[0].do.fault.name", "prometheus-refuses"],
    );
    check(
        &format!("{ends}timeline: [{{do: {{crash: {{replica: serin-b}}}}}}]"),
        &["timeline[0].do.crash.replica", "serin-a"],
    );
    check(
        &format!("{ends}versions: {{v2: {{errors: 5}}}}"),
        &["versions.v2.errors", "0 to 1"],
    );
    check(
        &format!("{ends}versions: {{v2: {{pods: broken}}}}"),
        &["versions.v2.pods", "never-ready"],
    );
    check(
        &format!("{ends}traffic: [{{perSecond: 5}}]"),
        &["traffic[0]", "route", "service"],
    );
    check(
        &format!("{ends}metrics: [{{query: errors, value: many}}]"),
        &["metrics[0].value", "NaN"],
    );
    check(
        &format!("{ends}metrics: [{{query: errors}}]"),
        &["metrics[0]", "none: true"],
    );
    check(&format!("{ends}rollout: cart"), &["rollout", "cart"]);
}

#[test]
fn timelines_fit_a_terminal_and_their_json_has_every_number() {
    for (name, story, played) in first() {
        let timeline = timeline(story, played);
        for line in timeline.text().lines() {
            assert!(line.chars().count() <= 120, "{name}: {line}");
        }
        let json = timeline.json();
        let rows = json["rows"].as_array().unwrap();
        let requests: f64 = rows
            .iter()
            .map(|row| row["served"]["requests"].as_f64().unwrap())
            .sum();
        let tally = &played.outcome.tally;
        let served: f64 = tally.served.values().map(|(requests, _)| requests).sum();
        assert!(
            (requests - served - tally.refused).abs() < 0.01,
            "{name}: {requests}"
        );
        assert_eq!(json["summary"]["messages"], tally.said.len(), "{name}");
        assert!(rows.iter().all(|row| row["what"]["kind"].is_string()), "{name}");
    }
}
