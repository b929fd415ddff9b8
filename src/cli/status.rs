//! `serin status`: where a rollout stands, or how it ended, as a line, a JSON object and an exit code.

use crate::cli::connection::{Connection, duration, say};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::follow::{Follow, Followed};
use crate::cli::printer;
use crate::plan::ReplicaSet;
use crate::view::metrics::{self, Decision};
use crate::view::outcome::{Outcome, Wait};
use crate::view::report::Report;
use clap::{Args, ValueEnum};
use std::time::Duration;
use tokio::time::Instant;

/// What only makes an answer richer may cost this much, and never more than the time that is left.
const DETAILS_MAX: Duration = Duration::from_secs(5);

/// Show where a rollout stands; with --watch, wait until it is promoted, aborted, or needs a person
#[derive(Args, Clone, Debug)]
#[command(after_help = Exit::help(), after_long_help = long_help())]
pub struct Status {
    /// Name of the rollout
    pub name: String,
    /// Wait for the answer
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub watch: bool,
    /// The longest to wait, connecting included, for example 10m
    #[arg(short, long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
    /// Wait for this revision and not for the one that is current now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub revision: Option<i64>,
    /// Print one JSON object at the end instead of lines
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Json,
}

fn long_help() -> String {
    format!(
        "{}\nFields of -o json: name, namespace, outcome, exitCode; where known: phase, message, generation, revision,\n\
         stableRevision, step {{index, count}}, weight {{desired, actual, max}}, images [{{container, image}}], error, and\n\
         after an abort by an analysis decidedBy {{analysisRun, metric, phase, value, threshold, stable,\n\
         lastMeasurements, message}}.\n\n\
         In CI, right after the new image was applied:\n  serin status web -n shop --watch --timeout 20m",
        Exit::help()
    )
}

/// What is printed and how the process ends.
struct Answer {
    exit: Exit,
    /// Why the exit is not `Done`, and what to do.
    why: Option<Failure>,
    known: Followed,
    decision: Option<Decision>,
    replica_sets: Vec<ReplicaSet>,
}

pub async fn run(args: Status) -> Exit {
    let began = Instant::now();
    let deadline = began + args.timeout;
    let answer = look(&args, deadline).await;
    let exit = answer.exit;
    match args.output {
        Some(Format::Json) => print_json(&args, &answer),
        None => print_reason(&answer),
    }
    exit
}

async fn look(args: &Status, deadline: Instant) -> Answer {
    let quiet = args.output.is_some();
    let mut tell = |line: &str| {
        if !quiet {
            printer::out(line);
        }
    };
    let mut follow = Follow::new(&args.name, Wait::new(args.revision), &mut tell);
    let in_time = if args.watch {
        follow.until(&args.connection, deadline).await
    } else {
        let deadline = deadline.min(Instant::now() + args.connection.request_timeout);
        follow.once(&args.connection, deadline).await.map(|()| true)
    };
    let mut known = follow.state;
    let (exit, why) = match in_time {
        Err(failure) => (failure.exit, Some(failure)),
        Ok(true) => concluded(args, &known),
        Ok(false) => ran_out(args, &mut known),
    };
    let mut answer = Answer {
        exit,
        why,
        known,
        decision: None,
        replica_sets: Vec::new(),
    };
    add_details(args, &mut answer, deadline).await;
    answer
}

fn reason(exit: Exit, text: String, hint: Option<String>) -> (Exit, Option<Failure>) {
    let failure = Failure {
        exit,
        text,
        hint,
        unknown_kind: false,
        conflict: false,
    };
    (exit, Some(failure))
}

/// The wait ended by itself.
fn concluded(args: &Status, known: &Followed) -> (Exit, Option<Failure>) {
    let Some(sight) = &known.sight else {
        return reason(
            Exit::Failed,
            "failed to judge the rollout: nothing was seen".into(),
            None,
        );
    };
    let (name, namespace) = (&args.name, namespace(args, known));
    let at = format!("{name} -n {namespace}");
    let message = &sight.message;
    let exit = Exit::from(sight.outcome);
    match sight.outcome {
        Outcome::Healthy | Outcome::Progressing => (exit, None),
        Outcome::Degraded => {
            let hint = format!("to see more: serin get {at}; to try again: serin retry {at}");
            reason(
                exit,
                format!("rollout '{name}' is degraded: {message}"),
                Some(hint),
            )
        }
        Outcome::Paused => {
            let hint = format!("to go on: serin promote {at}; to go back: serin abort {at}");
            reason(
                exit,
                format!("rollout '{name}' waits for a person: {message}"),
                Some(hint),
            )
        }
        Outcome::Superseded => reason(exit, format!("rollout '{name}' was superseded: {message}"), None),
        Outcome::NotFound => {
            let text = format!("failed to find rollout '{name}' in namespace '{namespace}': {message}");
            reason(exit, text, Some("check the name and -n/--namespace".into()))
        }
    }
}

/// The deadline came first. When the cluster was silent at that moment, the rollout may well have finished.
fn ran_out(args: &Status, known: &mut Followed) -> (Exit, Option<Failure>) {
    if let Some(trouble) = known.trouble.take() {
        return (trouble.exit, Some(trouble));
    }
    let line = known
        .sight
        .as_ref()
        .map(super::super::view::outcome::Sight::line)
        .unwrap_or_default();
    let text = format!(
        "rollout '{}' was not finished after {}: {line}",
        args.name,
        say(args.timeout)
    );
    let hint = format!(
        "to see more: serin get {} -n {}",
        args.name,
        namespace(args, known)
    );
    reason(Exit::TimedOut, text, Some(hint))
}

fn namespace(args: &Status, known: &Followed) -> String {
    let opened = known.session.as_ref().map(|session| session.namespace.clone());
    opened
        .or_else(|| args.connection.namespace.clone())
        .unwrap_or_default()
}

/// Asks for what only ReplicaSets and AnalysisRuns know; without permission or time the answer is just shorter.
async fn add_details(args: &Status, answer: &mut Answer, deadline: Instant) {
    let limit = DETAILS_MAX.min(deadline.saturating_duration_since(Instant::now()));
    let (Some(session), Some(rollout)) = (&answer.known.session, &answer.known.rollout) else {
        return;
    };
    let owner = &rollout.metadata.uid;
    if answer.exit == Exit::Degraded {
        let runs = session.analysis_runs(owner, limit).await.unwrap_or_default();
        answer.decision = metrics::decision(&runs, &rollout.status.current_pod_hash);
    }
    if args.output.is_some() && !matches!(answer.exit, Exit::NotFound | Exit::Unreachable) {
        answer.replica_sets = session.replica_sets(owner, limit).await.unwrap_or_default();
    }
}

fn print_reason(answer: &Answer) {
    let Some(why) = &answer.why else {
        return;
    };
    printer::err(&why.text);
    if let Some(decision) = &answer.decision {
        printer::err(&format!(
            "decided by {}: {}",
            decision.run,
            decision.metric.text()
        ));
        printer::err(&format!("last measurements: {}", decision.metric.last.join(", ")));
    }
    if let Some(hint) = &why.hint {
        printer::err(&format!("hint: {hint}"));
    }
}

fn print_json(args: &Status, answer: &Answer) {
    let mut report = Report {
        name: args.name.clone(),
        namespace: namespace(args, &answer.known),
        outcome: answer.exit.word().to_owned(),
        exit_code: answer.exit.code(),
        ..Report::default()
    };
    let gone = answer.exit == Exit::NotFound;
    if let (Some(rollout), Some(sight), false) = (&answer.known.rollout, &answer.known.sight, gone) {
        report.describe(rollout, sight);
        if !answer.replica_sets.is_empty() {
            report.describe_pods(rollout, &answer.replica_sets);
        }
    }
    let own_trouble = !matches!(answer.exit, Exit::Degraded | Exit::Paused | Exit::Superseded);
    report.error = answer
        .why
        .as_ref()
        .filter(|_| own_trouble)
        .map(|why| why.text.clone());
    report.decided_by = answer.decision.clone().map(Into::into);
    match serde_json::to_string_pretty(&report) {
        Ok(json) => printer::out(&json),
        Err(e) => printer::err(&format!("failed to print the report: {e}")),
    }
}
