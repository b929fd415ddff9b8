//! Turns rows of the timeline into lines of a story: headings for releases, weights as the route has them, measurements in full once and
//! then in short, Slack messages whole.

use serin::simulate::timeline::{Happening, Measured, Pods, Row, State};

/// What each release is about, by its image tag.
pub const RELEASES: [(&str, &str); 4] = [
    (
        "1",
        "the first: nothing to compare with, so it is installed at once",
    ),
    ("2", "a good one, to be promoted step by step"),
    ("3-errors", "answers 8 % of its requests with 5xx, to be aborted"),
    ("4-slow", "few errors, but a P99 of 1.5 s, to be aborted"),
];

/// Where the text of a line begins.
const INDENT: &str = "         ";

/// Knows what was told already.
#[derive(Default)]
pub struct Teller {
    releases: usize,
    /// Measurements of this release that were told in full.
    measured: usize,
    pods: String,
}

impl Teller {
    /// The lines of a row; none when it says nothing that the story needs. `letter` is the next whole message.
    pub fn tell<'a>(&mut self, row: &Row, letter: impl FnOnce() -> &'a str) -> Vec<String> {
        let mut lines = Vec::new();
        match &row.what {
            Happening::Object { gone: false, .. } if self.releases == 0 => {
                lines.push(self.heading(row.at, "1"));
            }
            Happening::Release { version, .. } if self.releases > 0 => {
                lines.push(self.heading(row.at, version));
            }
            Happening::Step { .. } => lines.extend(step(&row.state).map(|text| line(row.at, &text))),
            Happening::Route {
                weight: Some(weight), ..
            } => {
                lines.extend(self.pods(row));
                lines.push(line(
                    row.at,
                    &format!(
                        "HTTPRoute: {} % to stable, {weight} % to the canary",
                        100 - weight
                    ),
                ));
            }
            Happening::Pods => lines.extend(self.pods(row)),
            Happening::Phase { phase, message } if phase == "Degraded" || phase == "Healthy" => {
                let text = if message.is_empty() {
                    phase.clone()
                } else {
                    format!("{phase}: {message}")
                };
                lines.push(line(row.at, &format!("the Rollout is {text}")));
            }
            Happening::Analysis { name, phase, message } if phase == "Running" || !message.is_empty() => {
                let text = if phase == "Running" {
                    "begins".to_owned()
                } else {
                    format!("is {phase}: {message}")
                };
                lines.push(line(row.at, &format!("AnalysisRun {name} {text}")));
            }
            Happening::Analysis { name, phase, .. } => {
                lines.push(line(row.at, &format!("AnalysisRun {name} is {phase}")));
            }
            Happening::Measured { measurements } => lines.extend(self.measurements(row.at, measurements)),
            Happening::Slack { thread, .. } => {
                let place = if *thread { ", in the thread" } else { "" };
                lines.push(line(row.at, &format!("Slack #releases{place}")));
                lines.extend(letter().lines().map(|text| format!("{INDENT}| {text}")));
            }
            _ => {}
        }
        lines
    }

    fn heading(&mut self, at: f64, tag: &str) -> String {
        self.releases += 1;
        self.measured = 0;
        let about = RELEASES
            .iter()
            .find(|(known, _)| *known == tag)
            .map_or("", |(_, about)| about);
        format!(
            "\n{:>8} == release {}, example.org/shop:{tag}: {about}",
            clock(at),
            self.releases
        )
    }

    fn pods(&mut self, row: &Row) -> Option<String> {
        let of = |name: &str, pods: Option<Pods>| {
            let pods = pods.filter(|pods| pods.ready + pods.desired > 0);
            pods.map(|pods| format!("{name} {} of {} ready", pods.ready, pods.desired))
        };
        let both = [of("stable", row.state.stable), of("canary", row.state.canary)];
        let text = both.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if text == self.pods || text.is_empty() {
            return None;
        }
        self.pods.clone_from(&text);
        Some(line(row.at, &format!("pods: {text}")))
    }

    /// The first of a release in full, and each that breaks a rule; the others in one line.
    fn measurements(&mut self, at: f64, measured: &[Measured]) -> Vec<String> {
        self.measured += 1;
        let good = measured.iter().all(|one| one.verdict == "Successful");
        if self.measured > 1 && good {
            let values: Vec<String> = measured
                .iter()
                .filter(|one| !one.dry_run)
                .map(|one| format!("{} {}", one.metric, plain(&one.value)))
                .collect();
            return vec![line(
                at,
                &format!("measurement {}: {}", self.measured, values.join(", ")),
            )];
        }
        let mut lines = vec![line(at, &format!("measurement {}:", self.measured))];
        lines.extend(measured.iter().map(|one| {
            let verdict = if one.dry_run {
                "for comparison"
            } else {
                one.verdict.as_str()
            };
            format!(
                "{INDENT}  {:<24} {:>10}  {verdict}",
                one.metric,
                plain(&one.value)
            )
        }));
        lines
    }
}

/// `[0.0799999]` is 0.08 for people.
fn plain(value: &str) -> String {
    let bare = value.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 => bare.to_owned(),
        Ok(number) if number.abs() >= 10.0 => format!("{number:.1}"),
        Ok(number) => format!("{number:.4}"),
        Err(_) => bare.to_owned(),
    }
}

fn step(state: &State) -> Option<String> {
    let step = state.step.as_ref()?;
    if step.index >= step.count {
        return Some("all steps are done".into());
    }
    Some(format!(
        "step {} of {}: {}",
        step.index + 1,
        step.count,
        step.kind
    ))
}

fn line(at: f64, text: &str) -> String {
    format!("{:>8} {text}", clock(at))
}

/// Minutes and seconds of the story.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}
