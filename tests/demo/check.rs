//! Whether every release ended as it must: by the weights the route had, the metric that decided, and what Slack was told.

use crate::tell::RELEASES;
use serin::simulate::play::Played;
use serin::simulate::timeline::{Happening, Row, Timeline};

/// How the second, third and fourth release must go: the canary's weights in the route, and the metric that decides.
const MUST: [(&[i64], Option<&str>); 3] = [
    (&[5, 25, 50, 100, 0], None),
    (&[5, 0], Some("error-rate")),
    (&[5, 0], Some("p99-latency-ms")),
];
/// Virtual seconds from the measurement that failed to the route without weight for the canary.
const ABORTED_WITHIN: f64 = 5.0;

/// What is not as it must be.
pub fn problems(timeline: &Timeline, played: &Played) -> Vec<String> {
    let mut problems = played.unmet.clone();
    problems.extend(played.outcome.broken.iter().map(ToString::to_string));
    let begins = |row: &Row| matches!(row.what, Happening::Release { .. });
    let starts: Vec<usize> = (0..timeline.rows.len())
        .filter(|at| begins(&timeline.rows[*at]))
        .collect();
    // The first version is a release of its own in the timeline, or none.
    let starts = &starts[starts.len().saturating_sub(MUST.len())..];
    if starts.len() != MUST.len() {
        problems.push(format!(
            "{} releases after the first, not {}",
            starts.len(),
            MUST.len()
        ));
        return problems;
    }
    for (number, ((weights, metric), (tag, _))) in MUST.iter().zip(&RELEASES[1..]).enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(timeline.rows.len());
        let rows = &timeline.rows[starts[number]..end];
        problems.extend(
            release(rows, weights, *metric)
                .into_iter()
                .map(|problem| format!("release {tag}: {problem}")),
        );
    }
    problems.extend(slack(&timeline.rows));
    problems
}

fn release(rows: &[Row], wanted: &[i64], metric: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut weights: Vec<i64> = rows
        .iter()
        .filter_map(|row| match row.what {
            Happening::Route { weight, .. } => weight,
            _ => None,
        })
        .collect();
    weights.dedup();
    if weights != wanted {
        problems.push(format!(
            "the canary had the weights {weights:?} instead of {wanted:?}"
        ));
    }
    let Some(metric) = metric else { return problems };
    let failed = rows.iter().find(|row| match &row.what {
        Happening::Measured { measurements } => measurements
            .iter()
            .any(|one| one.metric == metric && one.verdict == "Failed"),
        _ => false,
    });
    let zero = rows
        .iter()
        .find(|row| matches!(row.what, Happening::Route { weight: Some(0), .. }));
    match (failed, zero) {
        (Some(failed), Some(zero)) if zero.at - failed.at <= ABORTED_WITHIN => {}
        (Some(failed), Some(zero)) => problems.push(format!(
            "{:.1} s from the failure to the abort",
            zero.at - failed.at
        )),
        _ => problems.push(format!("{metric} did not decide")),
    }
    problems
}

/// One thread for each update, and in it how it ended, once.
fn slack(rows: &[Row]) -> Option<String> {
    let count = |wanted: &dyn Fn(&str, bool) -> bool| {
        let is_it =
            |row: &&Row| matches!(&row.what, Happening::Slack { text, thread, .. } if wanted(text, *thread));
        rows.iter().filter(is_it).count()
    };
    let found = (
        count(&|text, _| text.starts_with("Promoted")),
        count(&|text, _| text.starts_with("Aborted")),
        count(&|_, thread| !thread),
    );
    let wanted = (1, 2, 3);
    (found != wanted)
        .then(|| format!("Slack has (promoted, aborted, threads) {found:?} instead of {wanted:?}"))
}
