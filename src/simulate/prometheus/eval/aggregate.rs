//! Aggregations: groups of series to one value each, or to some of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::super::labels::{Labels, NAME};
use super::super::query::{Aggregate, Grouping, Node, Reduce};
use super::over_time::{mean, variance};
use super::{Eval, Sample};

/// The series of one group, which has its labels from the first of them.
struct Group {
    labels: Labels,
    members: Vec<Sample>,
}

impl Eval<'_> {
    pub(super) fn aggregate(&self, expr: &Aggregate, now: i64) -> Result<Vec<Sample>, String> {
        let samples = self.vector(&expr.of, now)?;
        let parameter = match (&expr.parameter, expr.reduce) {
            (Some(Node::Text(label)), Reduce::CountValues) => {
                return Ok(count_values(samples, label, &expr.by));
            }
            (Some(parameter), _) => self.number(parameter, now)?,
            (None, _) => 0.0,
        };
        let groups = group(samples, &expr.by).into_iter();
        if let Some(descending) = ranked(expr.reduce) {
            return Ok(groups
                .flat_map(|one| best(one.members, parameter, descending))
                .collect());
        }
        let reduced = groups.map(|one| Sample {
            value: reduce(expr.reduce, &one.members, parameter),
            labels: one.labels,
        });
        Ok(reduced.collect())
    }
}

fn ranked(reduce: Reduce) -> Option<bool> {
    match reduce {
        Reduce::TopK => Some(true),
        Reduce::BottomK => Some(false),
        _ => None,
    }
}

/// Groups in the order in which each is first met.
fn group(samples: Vec<Sample>, by: &Grouping) -> Vec<Group> {
    let mut seen = BTreeMap::new();
    let place = |sample| {
        let next = seen.len();
        *seen.entry(Key::of(sample, by)).or_insert(next)
    };
    let places: Vec<usize> = samples.iter().map(place).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (sample, place) in samples.into_iter().zip(places) {
        if place == groups.len() {
            groups.push(Group {
                labels: project(&sample.labels, by),
                members: Vec::new(),
            });
        }
        groups[place].members.push(sample);
    }
    groups
}

/// What tells groups apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Values(Vec<&'a str>),
    All(Labels),
}

impl<'a> Key<'a> {
    fn of(sample: &'a Sample, by: &Grouping) -> Self {
        match by {
            Grouping::Only(names) => Self::Values(names.iter().map(|name| sample.labels.get(name)).collect()),
            Grouping::AllBut(_) => Self::All(project(&sample.labels, by)),
        }
    }
}

/// The labels that count.
pub(super) fn project(labels: &Labels, by: &Grouping) -> Labels {
    match by {
        Grouping::Only(names) => labels.filter(|name| names.iter().any(|one| one == name)),
        Grouping::AllBut(names) => labels.filter(|name| name != NAME && names.iter().all(|one| one != name)),
    }
}

fn reduce(reduce: Reduce, members: &[Sample], parameter: f64) -> f64 {
    let values = || members.iter().map(|one| one.value);
    match reduce {
        Reduce::Sum => values().sum(),
        Reduce::Avg => mean(values()),
        Reduce::Min => values().fold(f64::NAN, |a, b| if b < a || a.is_nan() { b } else { a }),
        Reduce::Max => values().fold(f64::NAN, |a, b| if b > a || a.is_nan() { b } else { a }),
        Reduce::Count => members.len() as f64,
        Reduce::Stddev => variance(values()).sqrt(),
        Reduce::Stdvar => variance(values()),
        Reduce::Quantile => quantile(parameter, values().collect()),
        Reduce::Group | Reduce::TopK | Reduce::BottomK | Reduce::CountValues => 1.0,
    }
}

/// The `count` greatest or least, best first; NaN is the worst.
fn best(mut members: Vec<Sample>, count: f64, descending: bool) -> Vec<Sample> {
    sort(&mut members, descending);
    // Not a number, and negative ones, are none.
    members.truncate(count as usize);
    members
}

/// By value, NaN last.
pub(super) fn sort(samples: &mut [Sample], descending: bool) {
    samples.sort_by(|a, b| match (a.value.is_nan(), b.value.is_nan()) {
        (false, false) => {
            let order = a.value.partial_cmp(&b.value).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
        (a, b) => a.cmp(&b),
    });
}

fn count_values(samples: Vec<Sample>, label: &str, by: &Grouping) -> Vec<Sample> {
    let mut counts: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in &samples {
        let value = super::super::answer::number(sample.value);
        let labels = project(&sample.labels, by).with(label, &value);
        *counts.entry(labels).or_default() += 1.0;
    }
    let sample = |(labels, value)| Sample { labels, value };
    counts.into_iter().map(sample).collect()
}

/// The φ-quantile of values, between two of them where it falls between.
pub(super) fn quantile(phi: f64, mut values: Vec<f64>) -> f64 {
    match phi {
        phi if phi.is_nan() || values.is_empty() => return f64::NAN,
        phi if phi < 0.0 => return f64::NEG_INFINITY,
        phi if phi > 1.0 => return f64::INFINITY,
        _ => {}
    }
    // NaN counts as the least.
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let last = values.len() - 1;
    let rank = phi * last as f64;
    let below = (rank.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let weight = rank - rank.floor();
    values[below] * (1.0 - weight) + values[above] * weight
}
