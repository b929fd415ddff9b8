//! The evaluation of one query at one time, over the series as they are. Follows Prometheus to the digit where templates can see it.

mod aggregate;
mod binary;
mod call;
mod histogram;
mod over_time;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::Edition;
use super::function::{Function, OverTime};
use super::labels::Labels;
use super::query::{At, Node, Selector, Shift};
use super::series::{Point, Series, SeriesStore, push};

/// A value of one series now.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub value: f64,
}

/// What a query gives at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(f64),
    Vector(Vec<Sample>),
    Matrix(Vec<(Labels, Vec<(i64, f64)>)>),
    Text(String),
}

/// The samples of one series in a span of time.
struct Window<'a> {
    labels: Labels,
    bare: Labels,
    points: Cow<'a, [Point]>,
    from: i64,
    to: i64,
}

/// What an evaluation stands on. Times in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Eval<'a> {
    pub series: &'a SeriesStore,
    pub edition: Edition,
    pub lookback: i64,
    /// The step of subqueries that state none.
    pub step: i64,
    /// The times of the whole query, for `@ start()` and `@ end()`.
    pub start: i64,
    pub end: i64,
}

impl Eval<'_> {
    /// The value at `now`. `Err` is why there is none.
    pub fn value(&self, node: &Node, now: i64) -> Result<Value, String> {
        Ok(match node {
            Node::Number(number) => Value::Scalar(*number),
            Node::Text(text) => Value::Text(text.clone()),
            Node::Select(selector) => Value::Vector(self.select(selector, now)),
            Node::Window(..) | Node::Subquery { .. } => {
                let windows = self.windows(node, now)?.into_iter();
                let samples = |points: &[Point]| points.iter().map(|one| (one.at, one.value)).collect();
                Value::Matrix(windows.map(|one| (one.labels, samples(&one.points))).collect())
            }
            Node::Negate(inner) => match self.value(inner, now)? {
                Value::Scalar(number) => Value::Scalar(-number),
                other => Value::Vector(nameless(vector(other), |value| -value)?),
            },
            Node::Binary(expr) => self.binary(expr, now)?,
            Node::Aggregate(expr) => Value::Vector(self.aggregate(expr, now)?),
            Node::Call(Function::OverTime(over), args) => Value::Vector(self.over_time(*over, args, now)?),
            Node::Call(function, args) => self.call(*function, args, now)?,
        })
    }

    fn vector(&self, node: &Node, now: i64) -> Result<Vec<Sample>, String> {
        self.value(node, now).map(vector)
    }

    /// A number; NaN from what is none.
    fn number(&self, node: &Node, now: i64) -> Result<f64, String> {
        Ok(match self.value(node, now)? {
            Value::Scalar(number) => number,
            _ => f64::NAN,
        })
    }

    fn shifted(&self, shift: &Shift, now: i64) -> i64 {
        let at = match shift.at {
            None => now,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
            Some(At::Time(at)) => at,
        };
        at - shift.offset
    }

    fn select(&self, selector: &Selector, now: i64) -> Vec<Sample> {
        let found = self.last_points(selector, now).into_iter();
        let sample = |(series, point): (&Series, Point)| Sample {
            labels: series.labels.clone(),
            value: point.value,
        };
        found.map(sample).collect()
    }

    fn last_points(&self, selector: &Selector, now: i64) -> Vec<(&Series, Point)> {
        let to = self.shifted(&selector.shift, now);
        let from = self.edition.first(to - self.lookback);
        let matching = self.matching(selector).into_iter();
        matching
            .filter_map(|series| Some((series, series.last(from, to)?)))
            .collect()
    }

    fn matching(&self, selector: &Selector) -> Vec<&Series> {
        let matches = |series: &&Series| {
            let mut tests = selector.matches.iter();
            tests.all(|(label, test)| test.holds(series.labels.get(label)))
        };
        match &selector.name {
            Some(name) => self.series.named(name).filter(matches).collect(),
            None => self.series.all().filter(matches).collect(),
        }
    }

    /// The windows of a range selector or a subquery that hold any sample.
    fn windows(&self, node: &Node, now: i64) -> Result<Vec<Window<'_>>, String> {
        match node {
            Node::Window(selector, range) => {
                let to = self.shifted(&selector.shift, now);
                let from = to - range;
                let all = self.matching(selector).into_iter();
                Ok(all.filter_map(|series| self.window(series, from, to)).collect())
            }
            Node::Subquery {
                inner,
                range,
                step,
                shift,
            } => {
                let to = self.shifted(shift, now);
                self.subquery(inner, to - range, to, step.unwrap_or(self.step))
            }
            _ => Err("expected a range vector".to_owned()),
        }
    }

    /// None without any sample.
    fn window<'b>(&self, series: &'b Series, from: i64, to: i64) -> Option<Window<'b>> {
        let points = series.points(self.edition.first(from), to);
        (!points.is_empty()).then(|| Window {
            labels: series.labels.clone(),
            bare: series.bare.clone(),
            points: Cow::Borrowed(points),
            from,
            to,
        })
    }

    fn subquery(&self, inner: &Node, from: i64, to: i64, step: i64) -> Result<Vec<Window<'_>>, String> {
        let mut all: Vec<(Labels, Vec<Point>)> = Vec::new();
        let mut places = BTreeMap::new();
        let first = self.edition.first(from);
        let mut at = first.div_euclid(step) * step;
        if at < first {
            at += step;
        }
        while at <= to {
            let samples = match self.value(inner, at)? {
                Value::Scalar(value) => vec![Sample {
                    labels: Labels::default(),
                    value,
                }],
                other => vector(other),
            };
            for sample in samples {
                let place = *places.entry(sample.labels.clone()).or_insert_with(|| {
                    all.push((sample.labels.clone(), Vec::new()));
                    all.len() - 1
                });
                push(&mut all[place].1, at, sample.value);
            }
            at += step;
        }
        let window = |(labels, points): (Labels, Vec<Point>)| Window {
            bare: labels.without_name(),
            labels,
            points: Cow::Owned(points),
            from,
            to,
        };
        Ok(all.into_iter().map(window).collect())
    }

    fn over_time(&self, over: OverTime, args: &[Node], now: i64) -> Result<Vec<Sample>, String> {
        // `quantile_over_time` has its number before the window, `predict_linear` after it.
        let is_window = |arg: &&Node| matches!(arg, Node::Window(..) | Node::Subquery { .. });
        let windows = match args.iter().find(is_window) {
            Some(window) => self.windows(window, now)?,
            None => return Err("expected a range vector".to_owned()),
        };
        let parameter = match args.iter().find(|arg| !is_window(arg)) {
            Some(arg) => self.number(arg, now)?,
            None => 0.0,
        };
        let keeps_name = over == OverTime::Last;
        let names_differ = !keeps_name && several_names(windows.iter().map(|one| &one.labels));
        let sample = |window: Window<'_>| {
            let value = over_time::value(over, &window, parameter, now, self.edition)?;
            let labels = if keeps_name { window.labels } else { window.bare };
            Some(Sample { labels, value })
        };
        let samples: Vec<Sample> = windows.into_iter().filter_map(sample).collect();
        if names_differ {
            check_unique(&samples)?;
        }
        Ok(samples)
    }
}

fn vector(value: Value) -> Vec<Sample> {
    match value {
        Value::Vector(samples) => samples,
        _ => Vec::new(),
    }
}

/// Each value changed, and the metric's name dropped.
fn nameless(mut samples: Vec<Sample>, change: impl Fn(f64) -> f64) -> Result<Vec<Sample>, String> {
    let names_differ = several_names(samples.iter().map(|one| &one.labels));
    for sample in &mut samples {
        sample.labels = sample.labels.without_name();
        sample.value = change(sample.value);
    }
    if names_differ {
        check_unique(&samples)?;
    }
    Ok(samples)
}

fn several_names<'a>(mut labels: impl Iterator<Item = &'a Labels>) -> bool {
    let name = labels.next().map(|one| one.get(super::labels::NAME));
    labels.any(|one| Some(one.get(super::labels::NAME)) != name)
}

fn check_unique(samples: &[Sample]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    if samples.iter().all(|one| seen.insert(&one.labels)) {
        Ok(())
    } else {
        Err("vector cannot contain metrics with the same labelset".to_owned())
    }
}
