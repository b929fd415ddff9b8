//! Functions of values of now.

use regex::Regex;

use super::super::function::Function;
use super::super::labels::{Labels, NAME};
use super::super::query::{Node, Selector, Test};
use super::aggregate::sort;
use super::{Eval, Sample, Value, check_unique, histogram, nameless};

impl Eval<'_> {
    pub(super) fn call(&self, function: Function, args: &[Node], now: i64) -> Result<Value, String> {
        let number = |index: usize, absent: f64| match args.get(index) {
            Some(arg) => self.number(arg, now),
            None => Ok(absent),
        };
        let samples = |index: usize| match args.get(index) {
            Some(arg) => self.vector(arg, now),
            None => Ok(Vec::new()),
        };
        Ok(match function {
            Function::Time => Value::Scalar(now as f64 / 1000.0),
            Function::Pi => Value::Scalar(std::f64::consts::PI),
            Function::Scalar => Value::Scalar(match samples(0)?.as_slice() {
                [one] => one.value,
                _ => f64::NAN,
            }),
            Function::Vector => Value::Vector(single(Labels::default(), number(0, f64::NAN)?)),
            Function::Math(change) => Value::Vector(nameless(samples(0)?, change)?),
            Function::Round => {
                // A multiple of 0.1 is not exact, but of 10 its inverse is.
                let per = 1.0 / number(1, 1.0)?;
                Value::Vector(nameless(samples(0)?, |value| (value * per + 0.5).floor() / per)?)
            }
            Function::Clamp => clamp(samples(0)?, number(1, 0.0)?, number(2, 0.0)?)?,
            Function::ClampMin => clamp(samples(0)?, number(1, 0.0)?, f64::INFINITY)?,
            Function::ClampMax => clamp(samples(0)?, f64::NEG_INFINITY, number(1, 0.0)?)?,
            Function::HistogramQuantile => {
                let phi = number(0, f64::NAN)?;
                Value::Vector(histogram::quantiles(phi, &samples(1)?, self.edition))
            }
            Function::Sort | Function::SortDesc => {
                let mut samples = samples(0)?;
                sort(&mut samples, matches!(function, Function::SortDesc));
                Value::Vector(samples)
            }
            Function::Absent | Function::AbsentOverTime => Value::Vector(self.absent(args.first(), now)?),
            Function::Timestamp => Value::Vector(self.timestamps(args.first(), now)?),
            Function::LabelReplace => Value::Vector(label_replace(samples(0)?, args)?),
            Function::LabelJoin => Value::Vector(label_join(samples(0)?, args)?),
            // Carried out where windows are.
            Function::OverTime(_) => Value::Vector(Vec::new()),
        })
    }

    fn absent(&self, arg: Option<&Node>, now: i64) -> Result<Vec<Sample>, String> {
        let Some(arg) = arg else { return Ok(Vec::new()) };
        let (empty, labels) = match arg {
            Node::Window(selector, _) => (self.windows(arg, now)?.is_empty(), stated(selector)),
            Node::Subquery { .. } => (self.windows(arg, now)?.is_empty(), Labels::default()),
            Node::Select(selector) => (self.select(selector, now).is_empty(), stated(selector)),
            other => (self.vector(other, now)?.is_empty(), Labels::default()),
        };
        Ok(if empty { single(labels, 1.0) } else { Vec::new() })
    }

    fn timestamps(&self, arg: Option<&Node>, now: i64) -> Result<Vec<Sample>, String> {
        match arg {
            Some(Node::Select(selector)) => {
                let points = self.last_points(selector, now).into_iter();
                let sample = |(series, point): (&super::Series, super::Point)| Sample {
                    labels: series.bare.clone(),
                    value: point.at as f64 / 1000.0,
                };
                Ok(points.map(sample).collect())
            }
            Some(other) => nameless(self.vector(other, now)?, |_| now as f64 / 1000.0),
            None => Ok(Vec::new()),
        }
    }
}

fn single(labels: Labels, value: f64) -> Vec<Sample> {
    vec![Sample { labels, value }]
}

/// The labels that a selector states with `=`, once each.
fn stated(selector: &Selector) -> Labels {
    let count = |wanted: &str| selector.matches.iter().filter(|(name, _)| name == wanted).count();
    let equal = selector.matches.iter().filter_map(|(name, test)| match test {
        Test::Is(value) if name != NAME && count(name) == 1 => Some((name.as_str(), value.as_str())),
        _ => None,
    });
    equal.collect()
}

fn clamp(samples: Vec<Sample>, min: f64, max: f64) -> Result<Value, String> {
    if max < min {
        return Ok(Value::Vector(Vec::new()));
    }
    let within = |value: f64| match value {
        // A bound that is no number makes none of every value.
        value if value.is_nan() || min.is_nan() || max.is_nan() => f64::NAN,
        value => value.min(max).max(min),
    };
    nameless(samples, within).map(Value::Vector)
}

fn text(args: &[Node], index: usize) -> &str {
    match args.get(index) {
        Some(Node::Text(text)) => text,
        _ => "",
    }
}

fn label_replace(samples: Vec<Sample>, args: &[Node]) -> Result<Vec<Sample>, String> {
    let (target, with, source) = (text(args, 1), text(args, 2), text(args, 3));
    let pattern = text(args, 4);
    let regex = Regex::new(&format!("^(?s:{pattern})$"))
        .map_err(|_| format!("invalid regular expression in label_replace(): {pattern}"))?;
    check_label(target, "label_replace")?;
    let replaced = samples.into_iter().map(|mut sample| {
        if let Some(found) = regex.captures(sample.labels.get(source)) {
            let mut value = String::new();
            found.expand(with, &mut value);
            sample.labels = sample.labels.with(target, &value);
        }
        sample
    });
    unique(replaced.collect())
}

fn label_join(samples: Vec<Sample>, args: &[Node]) -> Result<Vec<Sample>, String> {
    let (target, between) = (text(args, 1), text(args, 2));
    check_label(target, "label_join")?;
    let joined = samples.into_iter().map(|mut sample| {
        let values: Vec<&str> = (3..args.len())
            .map(|index| sample.labels.get(text(args, index)))
            .collect();
        let value = values.join(between);
        sample.labels = sample.labels.with(target, &value);
        sample
    });
    unique(joined.collect())
}

fn unique(samples: Vec<Sample>) -> Result<Vec<Sample>, String> {
    check_unique(&samples)?;
    Ok(samples)
}

fn check_label(name: &str, function: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let valid = letters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if valid {
        Ok(())
    } else {
        Err(format!("invalid destination label name in {function}(): {name}"))
    }
}
