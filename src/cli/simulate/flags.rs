//! What the flags of `serin simulate` mean, and its help.

use crate::cli::connection::duration;
use crate::cli::exit::Exit;
use crate::simulate::fault::Fault;
use crate::simulate::faults::{self, CATALOGUE};
use crate::simulate::rehearsal::Strike;
use crate::simulate::world::beginning;
use chrono::TimeDelta;
use std::fmt::Write;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  serin simulate -f rollout.yaml -f template.yaml                      a good release: how long does it take?
  serin simulate -f deploy/ --profile errors                           a bad one: is it taken back, and how many suffer?
  serin simulate -f deploy/ --profile slow --speed 20                  watch it at 20 times real time
  serin simulate -f deploy/ --fault prometheus-hangs,at=1m,for=3m      a good one while Prometheus hangs
  serin simulate --story examples/stories/good-release.yaml            a story with an end of its own
  serin simulate --seed 4711                                           a world of the swarm once more, with the laws it broke";

/// Exit codes of this command.
const EXITS: [(Exit, &str); 4] = [
    (Exit::Done, "it ended as expected"),
    (Exit::Failed, "the manifests have problems, or cannot be read"),
    (Exit::Usage, "wrong command line"),
    (
        Exit::Unexpected,
        "it ended otherwise than expected, or a law was broken",
    ),
];

fn exits() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (exit, meaning) in EXITS {
        let _ = writeln!(text, "  {:<3} {meaning}", exit.code());
    }
    text
}

pub fn help() -> String {
    format!("{EXAMPLES}\n\n{}", exits())
}

pub fn long_help() -> String {
    format!(
        "{EXAMPLES}\n\n{}\nFields of -o json: rollout, from, to, profile, seed, expected, ended, asExpected, message, tookSeconds,\n\
         newVersion {{requests, errors, slow, refused, bad}}, notes, timeline {{rollout, rows, summary}}.",
        exits()
    )
}

/// A number above zero.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "write a number above zero, for example 10".to_owned())
}

/// `NAME[,at=TIME][,for=TIME]`
pub fn strike(text: &str) -> Result<Strike, String> {
    let mut parts = text.split(',').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let mut strike = Strike {
        name: known(name)?.to_owned(),
        at: Duration::ZERO,
        lasts: None,
    };
    for part in parts {
        match part.split_once('=') {
            Some(("at", time)) => strike.at = duration(time)?,
            Some(("for", time)) => strike.lasts = Some(duration(time)?),
            _ => return Err(format!("{part:?} is not understood; write at=1m or for=3m")),
        }
    }
    Ok(strike)
}

fn known(name: &str) -> Result<&str, String> {
    if faults::entry(name).is_some() {
        return Ok(name);
    }
    let words: Vec<&str> = name.split('-').filter(|word| word.len() > 2).collect();
    let near = CATALOGUE
        .iter()
        .filter(|entry| words.iter().any(|word| entry.name.contains(word)));
    let near: Vec<&str> = near.map(|entry| entry.name).take(8).collect();
    let mend = "serin simulate --list-faults lists all of them";
    Err(match near.is_empty() {
        true => format!("no fault is named {name:?}; {mend}"),
        false => format!(
            "no fault is named {name:?}; do you mean {}? {mend}",
            near.join(", ")
        ),
    })
}

/// The faults of a story that is not theirs: from its beginning on.
pub fn struck(strikes: &[Strike]) -> Vec<Box<dyn Fault>> {
    let made = strikes.iter().filter_map(|strike| {
        let from = beginning() + TimeDelta::from_std(strike.at).ok()?;
        faults::named(&strike.name, from, strike.lasts)
    });
    made.collect()
}

/// All faults, one a line.
pub fn catalogue() -> String {
    let width = CATALOGUE
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for entry in CATALOGUE {
        let _ = writeln!(text, "{:<width$}  {}", entry.name, entry.says);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_name_a_time_and_a_length() {
        let name = CATALOGUE[0].name;
        let read = strike(&format!("{name},at=1m,for=3m")).unwrap();
        let expect = Strike {
            name: name.into(),
            at: Duration::from_secs(60),
            lasts: Some(Duration::from_secs(180)),
        };
        assert_eq!(read, expect);
        let refused = |text: &str, part: &str| {
            let why = strike(text).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        refused("nonsense", "--list-faults");
        refused(&format!("{name},until=3m"), "for=3m");
        refused(&format!("{name},for=3"), "90s");
    }
}
