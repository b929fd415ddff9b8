//! The answer of `serin simulate`: the timeline, and beneath it whether it ended as it should and who suffered.

use super::{Format, tell};
use crate::cli::connection::say;
use crate::cli::exit::Exit;
use crate::cli::printer;
use crate::simulate::play;
use crate::simulate::rehearsal::given::Given;
use crate::simulate::rehearsal::{Ended, Expected, Played, Profile, Staging, images};
use crate::simulate::story::Story;
use crate::simulate::timeline::Timeline;
use serde_json::{Value, json};
use std::time::Duration;

/// What there is to say.
pub struct Report<'a> {
    given: &'a Given,
    staging: &'a Staging,
    expected: Expected,
    played: &'a Played,
    timeline: Timeline,
}

impl<'a> Report<'a> {
    pub fn new(given: &'a Given, staging: &'a Staging, expected: Expected, played: &'a Played) -> Self {
        Self {
            given,
            staging,
            expected,
            played,
            timeline: Timeline::of_run(&played.outcome, (&given.namespace, &given.name)),
        }
    }

    fn as_expected(&self) -> bool {
        self.played.ended.is(self.expected)
    }

    pub fn exit(&self) -> Exit {
        match self.played.ended {
            Ended::NotInstalled => Exit::Failed,
            _ if self.as_expected() => Exit::Done,
            _ => Exit::Unexpected,
        }
    }

    /// Prints it for people.
    pub async fn tell(&self, speed: Option<f64>) {
        if self.played.ended == Ended::NotInstalled {
            self.not_installed();
            return;
        }
        self.head().iter().for_each(|line| printer::out(line));
        printer::out("");
        tell::timeline(&self.timeline.told(), speed).await;
        printer::out("");
        printer::out(&self.verdict());
        printer::out(&self.suffering());
        for note in &self.played.notes {
            printer::out(&format!("note: {note}"));
        }
        if let Some(hint) = self.hint() {
            printer::err(&format!("hint: {hint}"));
        }
    }

    fn head(&self) -> Vec<String> {
        let (from, to) = images(&self.given.rollout, self.staging.profile);
        let users = match self.staging.profile {
            Profile::LowTraffic => "users send one request in ten seconds".to_owned(),
            _ => format!("users send {} requests per second", self.staging.per_second),
        };
        let mut lines = vec![
            format!("{from} → {to}"),
            format!(
                "{}; {users}; seed {}",
                behaviour(self.staging.profile),
                self.staging.seed
            ),
        ];
        lines.extend(self.given.set.notes.iter().cloned());
        lines.extend(self.staging.faults.iter().map(|fault| {
            let lasts = fault
                .lasts
                .map_or("until the end".to_owned(), |lasts| format!("for {}", say(lasts)));
            format!(
                "fault {}: {} after the release begins, {lasts}",
                fault.name,
                say(fault.at)
            )
        }));
        lines
    }

    fn not_installed(&self) {
        let message = match self.played.message.is_empty() {
            true => "it never became Healthy",
            false => &self.played.message,
        };
        printer::err(&format!("failed to install the present version: {message}"));
        self.played
            .notes
            .iter()
            .for_each(|note| printer::err(&format!("  {note}")));
    }

    fn verdict(&self) -> String {
        let took = say(Duration::from_secs(self.played.took.as_secs()));
        let how = match self.played.ended {
            Ended::Promoted => format!("promoted after {took}"),
            Ended::Aborted => format!("aborted after {took}"),
            Ended::Waiting => format!("waits for a person since {took}"),
            Ended::Stuck => format!("stuck since {took}, and not taken back"),
            Ended::Unfinished => format!("not finished after {took}"),
            Ended::NotInstalled => "not installed".to_owned(),
        };
        match self.as_expected() {
            true => format!("{how}, as expected"),
            false => format!("{how}, but it should have been {}", wish(self.expected)),
        }
    }

    fn suffering(&self) -> String {
        let answered = self.played.answered;
        format!(
            "the new version answered {:.0} requests, {:.0} of them with 5xx and {:.0} later than 500 ms; {:.0} requests found nobody: \
             {:.0} bad in all",
            answered.requests,
            answered.errors,
            answered.slow,
            answered.refused,
            answered.bad()
        )
    }

    fn hint(&self) -> Option<&'static str> {
        if self.as_expected() {
            return None;
        }
        let strategy = &self.given.rollout.spec.strategy;
        let around = strategy.blue_green.as_ref().is_some_and(|switch| {
            switch.pre_promotion_analysis.is_some() || switch.post_promotion_analysis.is_some()
        });
        let analysed = around
            || strategy.canary.as_ref().is_some_and(|canary| {
                canary.analysis.is_some() || canary.steps.iter().any(|step| step.analysis.is_some())
            });
        match (self.played.ended, self.staging.profile) {
            (Ended::Promoted, _) if !analysed && strategy.blue_green.is_some() => Some(
                "nothing measures the new version: add prePromotionAnalysis to spec.strategy.blueGreen, see docs/blue-green.md",
            ),
            (Ended::Promoted, _) if !analysed => Some(
                "nothing measures the new version: add an analysis step, as in examples/canary-gateway.yaml",
            ),
            (Ended::Stuck, _) => {
                Some("progressDeadlineAbort: true takes a version back whose pods do not become available")
            }
            (Ended::Promoted, Profile::Errors | Profile::Slow) => Some(
                "the analysis saw nothing wrong: does it measure what went wrong, at the version that is new?",
            ),
            _ => None,
        }
    }

    /// For programs.
    pub fn json(&self) -> String {
        let (from, to) = images(&self.given.rollout, self.staging.profile);
        let notes: Vec<&String> = self.given.set.notes.iter().chain(&self.played.notes).collect();
        let answer = json!({
            "rollout": self.timeline.rollout, "from": from, "to": to, "profile": self.staging.profile.name(),
            "seed": self.staging.seed, "expected": wish(self.expected), "ended": self.played.ended.word(),
            "asExpected": self.as_expected(), "message": self.played.message,
            "tookSeconds": self.played.took.as_secs(), "newVersion": self.answered(), "notes": notes,
            "timeline": self.timeline.json(),
        });
        format!("{answer:#}")
    }

    fn answered(&self) -> Value {
        let answered = self.played.answered;
        let rounded = |number: f64| json!(number.round() as u64);
        json!({"requests": rounded(answered.requests), "errors": rounded(answered.errors), "slow": rounded(answered.slow),
            "refused": rounded(answered.refused), "bad": rounded(answered.bad())})
    }
}

fn behaviour(profile: Profile) -> &'static str {
    match profile {
        Profile::Good => "good: as few errors and as quick as the present version",
        Profile::Errors => "errors: the new version answers 8 % of its requests with 5xx",
        Profile::Slow => "slow: the new version's P99 is 1.5 s",
        Profile::CrashLooping => "crash-looping: the new version's pods start, crash and start again",
        Profile::LowTraffic => "low-traffic: the new version is good, but hardly anybody comes",
    }
}

fn wish(expected: Expected) -> &'static str {
    match expected {
        Expected::Promoted => "promoted",
        Expected::Aborted => "aborted",
        Expected::Held => "held",
    }
}

/// Prints a story that was played.
pub async fn story(story: &Story, played: &play::Played, format: Format, speed: Option<f64>) -> Exit {
    let (namespace, name) = story.rollout_key().unwrap_or_default();
    let timeline = Timeline::of_run(&played.outcome, (&namespace, &name));
    match format {
        Format::Json => {
            let answer = json!({"title": story.title, "asExpected": played.unmet.is_empty(), "unmet": played.unmet,
                "timeline": timeline.json()});
            printer::out(&format!("{answer:#}"));
        }
        Format::Text => {
            printer::out(&story.title);
            printer::out("");
            tell::timeline(&timeline.told(), speed).await;
            printer::out("");
            match played.unmet.is_empty() {
                true => printer::out("it ended as the story tells"),
                false => printer::out("it did not end as the story tells:"),
            }
            played
                .unmet
                .iter()
                .for_each(|unmet| printer::out(&format!("  {unmet}")));
        }
    }
    match played.unmet.is_empty() {
        true => Exit::Done,
        false => Exit::Unexpected,
    }
}
