//! Slack messages: what on-call reads, as Block Kit JSON with a plain fallback.
//!
//! Decides every word, what is shown first and what is cut when Slack's limits bite. Knows no token, no channel, no network,
//! and nothing of when or whether a message is delivered.

mod blocks;
mod images;
mod metrics;
mod outcome;
mod render;
mod switch;
mod text;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

pub use render::render_text;

use crate::api::strategy::CanaryStep;
use crate::base::gotime::{human, parse_duration};
use crate::base::names::pause;
use crate::base::percent::IntOrString;
use crate::plan::analysis::shown;
use crate::plan::{Announcement, Moment};
use blocks::Blocks;
use chrono::TimeDelta;
use serde_json::Value;
use text::{code, escape_clipped, one_line};

/// Blocks in one message; Slack's limit.
pub const BLOCKS_MAX: usize = 50;
/// Characters of one text object; Slack's limit.
pub const SECTION_CHARS_MAX: usize = 3_000;
/// Characters of a header; Slack's limit.
pub const HEADER_CHARS_MAX: usize = 150;
/// Fields of a section and characters of each; Slack's limits.
pub const FIELDS_MAX: usize = 10;
pub const FIELD_CHARS_MAX: usize = 2_000;
/// Characters of the fallback text; Slack recommends this and cuts at ten times as many.
pub const FALLBACK_CHARS_MAX: usize = 4_000;
/// Bytes of all blocks as JSON. Slack documents no such limit but refuses messages above about 13,200 with `msg_blocks_too_long`.
pub const BLOCKS_BYTES_MAX: usize = 12_000;

/// A message ready to be posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What notifications and screen readers show; escaped like any Slack text.
    pub text: String,
    /// Block Kit blocks.
    pub blocks: Vec<Value>,
}

/// The message that tells `what`.
pub fn message(what: &Announcement) -> Message {
    let runs = what.runs.iter().map(shown).collect();
    let what = &Announcement { runs, ..what.clone() };
    let (icon, verb) = headline(what);
    let subject = format!("{verb}: {} {}", what.rollout, images::short(what));
    let mut blocks = Blocks::new(format!("{icon} {}", subject.trim_end()));
    match &what.moment {
        Moment::Started => started(what, &mut blocks),
        Moment::Verdict(run) => outcome::verdict(what, run, &mut blocks),
        Moment::Paused(reason) => paused(what, reason, &mut blocks),
        Moment::Promoted(reason) => outcome::promoted(what, reason, &mut blocks),
        Moment::Aborted(reason) => outcome::aborted(what, reason, &mut blocks),
        Moment::Invalid(problems) => invalid(what, problems, &mut blocks),
    }
    Message {
        text: fallback(what, subject.trim_end()),
        blocks: blocks.finish(),
    }
}

fn headline(what: &Announcement) -> (&'static str, &'static str) {
    match &what.moment {
        Moment::Started => ("🚀", "Started"),
        Moment::Paused(_) => ("⏸", "Paused"),
        Moment::Promoted(_) => ("✅", "Promoted"),
        Moment::Aborted(_) => ("❌", "Aborted"),
        Moment::Invalid(_) => ("⚠", "Not carried out"),
        Moment::Verdict(run) => match outcome::phase_of(what, run) {
            "Successful" => ("✅", "Analysis passed"),
            "Failed" => ("❌", "Analysis failed"),
            "Error" => ("⚠", "Analysis could not measure"),
            "Inconclusive" => ("❔", "Analysis inconclusive"),
            _ => ("⏳", "Analysis ended"),
        },
    }
}

/// What fits a lock screen: the headline, then why.
fn fallback(what: &Announcement, subject: &str) -> String {
    let subject = escape_clipped(&one_line(subject), 400);
    let detail = match &what.moment {
        Moment::Started => String::new(),
        Moment::Verdict(run) => format!(". Run {}", code(run, 253)),
        Moment::Paused(reason) => format!(" at {}. {}", share(what), pause_reason(reason)),
        Moment::Promoted(reason) => format!(". {}", prose(reason)),
        Moment::Aborted(reason) => {
            let decided = metrics::decided_sentence(what);
            let decided = decided.map_or_else(String::new, |sentence| format!("{sentence}. "));
            format!(" at {}. {decided}{}", share(what), prose(reason))
        }
        Moment::Invalid(problems) => format!(". {}", prose(problems)),
    };
    format!("{subject}{detail}")
}

fn started(what: &Announcement, blocks: &mut Blocks) {
    blocks.fields(identity(what));
    if let Some(strategy) = &what.switch {
        return blocks.lines("Plan", switch::plan(strategy), &more(what, "lines"));
    }
    if what.steps.is_empty() {
        return;
    }
    let lines = what.steps.iter().enumerate();
    let lines = lines.map(|(index, step)| format!("{}. {}", index + 1, step_line(what, step)));
    blocks.lines("Steps", lines.collect(), &more(what, "steps"));
}

fn step_line(what: &Announcement, step: &CanaryStep) -> String {
    if let Some(weight) = step.set_weight {
        let of = if what.weight_is_pods { "pods" } else { "requests" };
        return format!("{} of {of} to the canary", percent(weight, what.weight_max));
    }
    if let Some(wait) = &step.pause {
        return match &wait.duration {
            None => "wait until a person promotes".into(),
            Some(duration) => format!("wait {}", pause_text(duration)),
        };
    }
    if let Some(analysis) = &step.analysis {
        let names: Vec<String> = analysis
            .templates
            .iter()
            .map(|t| code(&t.template_name, 80))
            .collect();
        return format!("analysis {}", names.join(", "));
    }
    if let Some(scale) = &step.set_canary_scale {
        return match (scale.replicas, scale.weight) {
            (Some(replicas), _) => format!("canary of {replicas} pods"),
            (None, Some(weight)) => format!("canary of {weight} % of the pods"),
            (None, None) => "as many canary pods as its traffic needs".into(),
        };
    }
    other_step(step).into()
}

fn other_step(step: &CanaryStep) -> &'static str {
    if step.experiment.is_some() {
        "experiment"
    } else if step.set_header_route.is_some() {
        "header route"
    } else if step.set_mirror_route.is_some() {
        "mirror route"
    } else if step.plugin.is_some() {
        "plugin"
    } else {
        "nothing"
    }
}

/// A bare number is seconds.
fn pause_text(duration: &IntOrString) -> String {
    let seconds = duration.as_int().map(|s| TimeDelta::seconds(i64::from(s)));
    let length = match duration {
        IntOrString::String(text) => seconds.or_else(|| parse_duration(text)),
        IntOrString::Int(_) => seconds,
    };
    match (length, duration) {
        (Some(length), _) => human(length),
        (None, IntOrString::String(text)) => code(text, 40),
        (None, IntOrString::Int(number)) => number.to_string(),
    }
}

fn paused(what: &Announcement, reason: &str, blocks: &mut Blocks) {
    blocks.section(format!("*Waiting for a person:* {}", pause_reason(reason)));
    blocks.fields(identity(what));
    blocks.lines(
        "Metrics so far",
        metrics::of_all_runs(what),
        &more(what, "metrics"),
    );
    let verbs = [
        ("Go on", "promote", "promote"),
        ("Go back", "abort", "abort"),
        ("Look", "get", "get rollout"),
    ];
    commands(what, &verbs, blocks);
}

/// Why a person is needed, in words where the reason is a known one.
fn pause_reason(reason: &str) -> String {
    match reason {
        pause::CANARY_STEP => "this step waits until it is promoted".into(),
        pause::BLUE_GREEN => "the switch waits until it is promoted".into(),
        pause::INCONCLUSIVE_ANALYSIS => "an analysis came to no conclusion".into(),
        other => prose(other),
    }
}

fn invalid(what: &Announcement, problems: &str, blocks: &mut Blocks) {
    blocks.fields(identity(what));
    let lines = problems.lines().filter(|line| !line.trim().is_empty());
    blocks.lines(
        "Mend the manifest",
        lines.map(|line| format!("• {}", prose(line))).collect(),
        &more(what, "problems"),
    );
    commands(what, &[("Look", "get", "get rollout")], blocks);
}

/// Service, namespace, image tags and the canary's share: in every message.
fn identity(what: &Announcement) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("Service", code(&what.rollout.name, 253)),
        ("Namespace", code(&what.rollout.namespace, 63)),
        ("Image", images::full(what)),
    ];
    if what.moment != Moment::Started && !matches!(what.moment, Moment::Invalid(_)) {
        let label = if what.switch.is_some() {
            "New version"
        } else {
            "Canary"
        };
        fields.push((label, format!("{}{}", share(what), position(what))));
    }
    fields
}

/// `5 % of requests`, or of pods where no router divides requests.
fn share(what: &Announcement) -> String {
    let of = if what.weight_is_pods { "pods" } else { "requests" };
    format!("{} of {of}", percent(what.weight, what.weight_max))
}

fn percent(weight: i32, of: i32) -> String {
    let of = if of > 0 { of } else { 100 };
    let percent = f64::from(weight) * 100.0 / f64::from(of);
    format!("{} %", text::number(percent))
}

fn position(what: &Announcement) -> String {
    match what.step {
        Some((_, 0)) | None => String::new(),
        Some((index, count)) if index >= count => format!(" (all {count} steps done)"),
        Some((index, count)) => format!(" (step {} of {count})", index + 1),
    }
}

/// One line of free text from elsewhere: escaped, without line breaks, bounded.
fn prose(text: &str) -> String {
    escape_clipped(&one_line(text), 1_000)
}

/// The last line of a list that had to be cut; `{}` stands for how many entries are missing.
fn more(what: &Announcement, nouns: &str) -> String {
    format!("… and {{}} more {nouns}: {}", command(what, "serin get"))
}

fn command(what: &Announcement, verb: &str) -> String {
    code(
        &format!("{verb} {} -n {}", what.rollout.name, what.rollout.namespace),
        400,
    )
}

/// Commands to act or look further: ours, and the same with kubectl's plugin.
fn commands(what: &Announcement, verbs: &[(&str, &str, &str)], blocks: &mut Blocks) {
    let line = |(label, ours, theirs): &(&str, &str, &str)| {
        let ours = command(what, &format!("serin {ours}"));
        let theirs = command(what, &format!("kubectl argo rollouts {theirs}"));
        format!("*{label}:* {ours} or {theirs}")
    };
    blocks.section(verbs.iter().map(line).collect::<Vec<_>>().join("\n"));
}
