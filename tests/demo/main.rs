//! `make demo`: four releases of an application in memory, told as they happen. One is installed, one promoted, two are aborted;
//! anything else is a failure of the demo, and its exit code says so.
//!
//! Plays `tests/demo/story.yaml` with the real controller on virtual time, under all laws. Then tells it: slower than it was, and where
//! nothing happens faster.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the demo lives on the terminal and in real time"
)]

mod check;
mod tell;

use serin::simulate::laws::{Facts, Laws};
use serin::simulate::play::{Played, Staging, play};
use serin::simulate::record::What;
use serin::simulate::story::Story;
use serin::simulate::timeline::Timeline;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: demo [--fast]
  --fast   tell it at once, without pauses";

/// Virtual seconds in one of the telling.
const SPEED: f64 = 60.0;
/// The longest pause between two lines.
const PAUSE_MAX: Duration = Duration::from_millis(700);
/// The pause before a release.
const BREATH: Duration = Duration::from_millis(1_500);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let fast = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--fast"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo/story.yaml");
    let story = match Story::read(&path) {
        Ok(story) => story,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let mut staging = Staging::new(1);
    staging.laws = Some(Laws::all(Facts::default()));
    let played = play(&story, staging);
    let took = began.elapsed();
    let timeline = Timeline::of_run(&played.outcome, ("default", "shop"));
    println!(
        "Serin's demo: the real controller on virtual time, in a Kubernetes in memory, with a model of pods and users and a stand-in for \
         Prometheus.\n{:.0} minutes were played in {:.1} s. Now they are told, {}.",
        played.outcome.lasted.as_secs_f64() / 60.0,
        took.as_secs_f64(),
        if fast { "at once" } else { "with pauses" }
    );
    narrate(&timeline, &played, fast);
    let problems = check::problems(&timeline, &played);
    if problems.is_empty() {
        println!("\nevery release ended as it must, and no law was broken");
        println!(
            "next: cargo run -- simulate -f YOUR-ROLLOUT.yaml --profile errors rehearses a bad release of yours; docs/tutorial.md goes on"
        );
        return ExitCode::SUCCESS;
    }
    println!("\nthe demo FAILED:");
    problems.iter().for_each(|problem| println!("  {problem}"));
    ExitCode::FAILURE
}

fn narrate(timeline: &Timeline, played: &Played, fast: bool) {
    // The timeline has one row for each message; the whole message is in the record.
    let mut letters = played
        .outcome
        .transcript
        .records()
        .filter_map(|record| match &record.what {
            What::Slack(sent) => Some(sent.whole.as_str()),
            _ => None,
        });
    let mut teller = tell::Teller::default();
    let mut before = 0.0;
    for row in &timeline.rows {
        let told = teller.tell(row, || letters.next().unwrap_or_default());
        if told.is_empty() {
            continue;
        }
        if !fast {
            let gap = Duration::try_from_secs_f64((row.at - before) / SPEED).unwrap_or_default();
            std::thread::sleep(gap.min(PAUSE_MAX));
            if told[0].starts_with('\n') {
                std::thread::sleep(BREATH);
            }
        }
        before = row.at;
        told.iter().for_each(|line| println!("{line}"));
    }
    println!("\n== summary");
    for line in timeline.told().summary.lines() {
        println!("         {line}");
    }
}
