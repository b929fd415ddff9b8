//! A timeline as text: aligned columns, long lines broken, no line wider than a terminal.

use super::{Happening, Measured, Pods, Row, State, Summary, Timeline, Told};
use std::fmt::Write;

/// Columns of a line.
const WIDTH: usize = 120;
/// Columns before the last one.
const LEFT: usize = 60;

pub(super) fn text(timeline: &Timeline) -> String {
    let Told { head, rows, summary } = told(timeline);
    let rows: String = rows.into_iter().map(|(_, text)| text).collect();
    format!("{head}{rows}\n{summary}")
}

pub(super) fn told(timeline: &Timeline) -> Told {
    let mut head = format!("Rollout {}\n\n", timeline.rollout);
    line(
        &mut head,
        &left(["TIME", "STEP", "ASKED", "SERVED", "STABLE", "CANARY", "BAD"]),
        "WHAT",
    );
    let mut before: Option<&Row> = None;
    let mut rows = Vec::new();
    for row in &timeline.rows {
        let mut text = String::new();
        let cells = cells(row, before);
        let cells: [&str; 7] = std::array::from_fn(|at| cells[at].as_str());
        let mut left = left(cells);
        let mut told = tell(&row.what, &row.state);
        if before.is_some_and(|before| before.what == row.what && before.state == row.state) {
            told = vec!["the same again".into()];
        }
        for part in told.iter().flat_map(|one| broken(one, WIDTH - LEFT)) {
            line(&mut text, &left, &part);
            left = " ".repeat(LEFT);
        }
        rows.push((row.at, text));
        before = Some(row);
    }
    let mut summary = String::new();
    summarize(&mut summary, &timeline.summary);
    Told { head, rows, summary }
}

fn line(text: &mut String, left: &str, right: &str) {
    let whole = format!("{left}{right}");
    text.push_str(whole.trim_end());
    text.push('\n');
}

fn left([time, step, asked, served, stable, canary, bad]: [&str; 7]) -> String {
    format!(
        "{time:>8} {:<17} {asked:>5} {served:>6} {stable:>6} {canary:>6} {bad:>4}  ",
        clipped(step, 17)
    )
}

/// The time, and how things stand where that changed.
fn cells(row: &Row, before: Option<&Row>) -> [String; 7] {
    let mut time = clock(row.at);
    if before.is_some_and(|before| clock(before.at) == time) {
        time.clear();
    }
    let served = row
        .served
        .canary_percent()
        .filter(|share| *share > 0.0 || row.state.canary.is_some());
    let served = served.map(|share| format!("{share:.1}%")).unwrap_or_default();
    let bad = row.served.bad().round();
    let bad = if bad > 0.0 {
        format!("{bad:.0}")
    } else {
        String::new()
    };
    if before.is_some_and(|before| before.state == row.state) {
        let none = String::new;
        return [time, none(), none(), served, none(), none(), bad];
    }
    let state = &row.state;
    let step = state.step.as_ref().map(|step| match step.kind.as_str() {
        "aborted" => step.kind.clone(),
        _ if step.index >= step.count => "all steps done".to_owned(),
        kind => format!("{}/{} {kind}", step.index + 1, step.count),
    });
    let asked = state.asked.map(|asked| format!("{asked}%"));
    let pods = |pods: Option<Pods>| {
        pods.map(|pods| format!("{}/{}", pods.ready, pods.desired))
            .unwrap_or_default()
    };
    let canary = match state.others {
        0 => pods(state.canary),
        others => format!("{}+{others}", pods(state.canary)),
    };
    [
        time,
        step.unwrap_or_default(),
        asked.unwrap_or_default(),
        served,
        pods(state.stable),
        canary,
        bad,
    ]
}

/// `1:02:03`, without the hours below one.
fn clock(seconds: f64) -> String {
    let seconds = (seconds + 1e-6) as u64;
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % 60),
    }
}

/// A length of time, to the second.
fn length(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn clipped(text: &str, chars_max: usize) -> String {
    match text.chars().count() > chars_max {
        true => text.chars().take(chars_max - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// What happened, in lines.
fn tell(what: &Happening, state: &State) -> Vec<String> {
    match what {
        Happening::Measured { measurements } => measurements.iter().map(tell_measured).collect(),
        what => vec![tell_one(what, state)],
    }
}

fn tell_one(what: &Happening, state: &State) -> String {
    match what {
        Happening::Release {
            version, revision, ..
        } => match revision {
            Some(revision) => format!("release of {version} begins (revision {revision})"),
            None => format!("release of {version} begins"),
        },
        Happening::Phase { phase, message } => with(format!("phase {phase}"), message),
        Happening::Step { .. } => match &state.step {
            Some(step) if step.index < step.count => format!("step {}: {}", step.index + 1, step.kind),
            Some(_) => "all steps done".into(),
            None => "no step".into(),
        },
        Happening::Replicas { from, to } => format!("replicas wanted: {to} instead of {from}"),
        Happening::Route { weight, by } => match weight {
            Some(weight) => format!("{by}: the route gives the canary {weight} %"),
            None => format!("{by}: the route does not name the canary any more"),
        },
        Happening::Pods => "pods changed".into(),
        Happening::Analysis { name, phase, message } => with(format!("analysis {name} {phase}"), message),
        Happening::Measured { .. } => "measured".into(),
        Happening::Slack { thread, text, .. } => match thread {
            true => format!("Slack, in the thread: {text}"),
            false => format!("Slack: {text}"),
        },
        Happening::Event {
            reason,
            message,
            warning,
        } => match warning {
            true => format!("warning {reason}: {message}"),
            false => format!("note {reason}: {message}"),
        },
        Happening::Did { who, did } => format!(">> {who} {did}"),
        Happening::Fault { name, detail, before } => match before {
            0 => format!("!! fault {name}: {detail}"),
            before => format!("!! fault {name}: {detail} (and {before} times since the last line)"),
        },
        Happening::Controller { replica, did } => format!("!! controller {replica} {did}"),
        Happening::Object { object, gone } => match gone {
            true => format!("{object} is gone"),
            false => format!("{object} is created"),
        },
    }
}

fn with(head: String, message: &str) -> String {
    match message.is_empty() {
        true => head,
        false => format!("{head}: {message}"),
    }
}

fn tell_measured(one: &Measured) -> String {
    let mut text = format!("measured {}", one.metric);
    if !one.value.is_empty() {
        let _ = write!(text, " = {}", rounded(&one.value));
    }
    let _ = write!(text, " {}", one.verdict);
    if !one.message.is_empty() {
        let _ = write!(text, " ({})", one.message);
    }
    if one.dry_run {
        text.push_str(" (dry run)");
    }
    text
}

/// Numbers with as many digits as people compare.
fn rounded(value: &str) -> String {
    let inner = value.trim_start_matches('[').trim_end_matches(']');
    match inner.parse::<f64>() {
        Ok(number) if number.is_finite() && inner.len() > 6 => {
            let digits = 3 - (number.abs().max(1e-9).log10().floor() as i32).min(3);
            let short = format!("{number:.*}", usize::try_from(digits).unwrap_or(0));
            let short = match short.contains('.') {
                true => short.trim_end_matches('0').trim_end_matches('.'),
                false => &short,
            };
            value.replace(inner, short)
        }
        _ => value.to_owned(),
    }
}

/// Lines of at most this many characters, broken between words where that is possible.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is one from the beginning");
            let used = line.chars().count();
            let space = usize::from(used > 0);
            if used + space + word.len() <= width {
                line.extend(std::iter::repeat_n(' ', space).chain(word));
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            line.extend(word.drain(..width));
            lines.push(String::new());
        }
    }
    lines
}

fn summarize(text: &mut String, summary: &Summary) {
    let ended = match summary.message.is_empty() {
        true => summary.phase.clone(),
        false => format!("{}: {}", summary.phase, summary.message),
    };
    let mut lines = vec![format!("ended     {ended}")];
    if let Some(stable) = &summary.stable {
        lines.push(format!("stable    {stable}"));
    }
    if let Some(took) = summary.took {
        lines.push(format!(
            "took      {}, of {} in all",
            length(took),
            length(summary.lasted)
        ));
    }
    for version in &summary.versions {
        let mut line = format!(
            "version   {}: {:.0} requests, {:.0} errors",
            version.tag, version.requests, version.errors
        );
        if version.errors_as_canary >= 0.5 {
            let _ = write!(line, ", {:.0} of them as canary", version.errors_as_canary);
        }
        lines.push(line);
    }
    lines.push(format!(
        "refused   {:.0} requests found nobody to answer them",
        summary.refused
    ));
    lines.push(format!(
        "bad       {:.0} requests went wrong because of releases",
        summary.bad
    ));
    lines.push(format!(
        "besides   {} metric queries, {} Slack messages",
        summary.measurements, summary.messages
    ));
    for line in lines {
        for (number, part) in broken(&line[10..], WIDTH - 10).into_iter().enumerate() {
            let head = if number == 0 { &line[..10] } else { "          " };
            let _ = writeln!(text, "{head}{part}");
        }
    }
}
