//! Operators between two values: arithmetic, comparisons and sets, with the matching of series.

use std::collections::{BTreeMap, BTreeSet};

use super::super::labels::{Labels, NAME};
use super::super::query::{Binary, Grouping, Many, Op};
use super::aggregate::project;
use super::{Eval, Sample, Value, nameless, vector};

impl Eval<'_> {
    pub(super) fn binary(&self, expr: &Binary, now: i64) -> Result<Value, String> {
        let (left, right) = (self.value(&expr.left, now)?, self.value(&expr.right, now)?);
        let samples = match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                return Ok(Value::Scalar(
                    apply(expr.op, left, right).unwrap_or_else(f64::from),
                ));
            }
            (Value::Scalar(left), right) => {
                by_number(expr, vector(right), |value| apply(expr.op, left, value))?
            }
            (left, Value::Scalar(right)) => {
                by_number(expr, vector(left), |value| apply(expr.op, value, right))?
            }
            (left, right) => {
                let (left, right) = (vector(left), vector(right));
                match expr.op {
                    Op::And | Op::Or | Op::Unless => sets(expr, left, right),
                    _ => pairs(expr, left, right)?,
                }
            }
        };
        Ok(Value::Vector(samples))
    }
}

/// The result of arithmetic, or whether a comparison holds as the error.
fn apply(op: Op, left: f64, right: f64) -> Result<f64, bool> {
    match op {
        Op::Add => Ok(left + right),
        Op::Sub => Ok(left - right),
        Op::Mul => Ok(left * right),
        Op::Div => Ok(left / right),
        Op::Mod => Ok(left % right),
        Op::Pow => Ok(left.powf(right)),
        Op::Atan2 => Ok(left.atan2(right)),
        Op::Equal => Err(left == right),
        Op::NotEqual => Err(left != right),
        Op::Greater => Err(left > right),
        Op::GreaterEqual => Err(left >= right),
        Op::Less => Err(left < right),
        Op::LessEqual => Err(left <= right),
        Op::And | Op::Or | Op::Unless => Ok(f64::NAN),
    }
}

/// A vector and a number. A comparison keeps the vector's value, whichever side it is on.
fn by_number(
    expr: &Binary,
    samples: Vec<Sample>,
    apply: impl Fn(f64) -> Result<f64, bool>,
) -> Result<Vec<Sample>, String> {
    let comparison = samples.first().is_some_and(|one| apply(one.value).is_err());
    if comparison && !expr.returns_bool {
        let mut samples = samples;
        samples.retain(|one| apply(one.value) == Err(true));
        return Ok(samples);
    }
    nameless(samples, |value| apply(value).unwrap_or_else(f64::from))
}

fn sets(expr: &Binary, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let key = |sample: &Sample| project(&sample.labels, &expr.matching);
    let keys = |samples: &[Sample]| samples.iter().map(key).collect::<BTreeSet<Labels>>();
    match expr.op {
        Op::Or => {
            let there = keys(&left);
            let more = right.into_iter().filter(|one| !there.contains(&key(one)));
            left.into_iter().chain(more).collect()
        }
        op => {
            let there = keys(&right);
            let wanted = op == Op::And;
            let all = left.into_iter();
            all.filter(|one| there.contains(&key(one)) == wanted).collect()
        }
    }
}

/// Each series with its partner on the other side.
fn pairs(expr: &Binary, left: Vec<Sample>, right: Vec<Sample>) -> Result<Vec<Sample>, String> {
    let swapped = matches!(expr.many, Many::Right(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    if many.is_empty() || one.is_empty() {
        return Ok(Vec::new());
    }
    let side = if swapped { "left" } else { "right" };
    let partners = by_key(&one, &expr.matching, side)?;
    let mut matched: BTreeSet<Labels> = BTreeSet::new();
    let mut results = Vec::new();
    for sample in &many {
        let key = project(&sample.labels, &expr.matching);
        let Some(partner) = partners.get(&key) else {
            continue;
        };
        let (left, right) = if swapped {
            (partner.value, sample.value)
        } else {
            (sample.value, partner.value)
        };
        let value = match apply(expr.op, left, right) {
            Ok(value) => value,
            Err(holds) if expr.returns_bool => f64::from(holds),
            Err(true) => left,
            Err(false) => continue,
        };
        let labels = result_labels(expr, &sample.labels, &partner.labels);
        let unique = if matches!(expr.many, Many::None) {
            key
        } else {
            labels.clone()
        };
        if !matched.insert(unique) {
            return Err(ambiguous(expr));
        }
        results.push(Sample { labels, value });
    }
    Ok(results)
}

fn ambiguous(expr: &Binary) -> String {
    let advice = match expr.many {
        Many::None => "many-to-one matching must be explicit (group_left/group_right)",
        _ => "grouping labels must ensure unique matches",
    };
    format!("multiple matches for labels: {advice}")
}

fn by_key<'a>(
    samples: &'a [Sample],
    matching: &Grouping,
    side: &str,
) -> Result<BTreeMap<Labels, &'a Sample>, String> {
    let mut all: BTreeMap<Labels, &Sample> = BTreeMap::new();
    for sample in samples {
        let key = project(&sample.labels, matching);
        if let Some(other) = all.insert(key.clone(), sample) {
            return Err(format!(
                "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}]\
                 ;many-to-many matching not allowed: matching labels must be unique on one side",
                shown(&key),
                shown(&sample.labels),
                shown(&other.labels),
            ));
        }
    }
    Ok(all)
}

/// As people write a series.
fn shown(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != NAME)
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{}{{{}}}", labels.get(NAME), pairs.join(", "))
}

fn result_labels(expr: &Binary, many: &Labels, one: &Labels) -> Labels {
    let comparison = matches!(
        expr.op,
        Op::Equal | Op::NotEqual | Op::Greater | Op::GreaterEqual | Op::Less | Op::LessEqual
    );
    let labels = if comparison && !expr.returns_bool {
        many.clone()
    } else {
        many.without_name()
    };
    match (&expr.many, &expr.matching) {
        (Many::None, Grouping::Only(names)) => labels.filter(|label| names.iter().any(|name| name == label)),
        (Many::None, Grouping::AllBut(names)) => {
            labels.filter(|label| names.iter().all(|name| name != label))
        }
        (Many::Left(taken) | Many::Right(taken), _) => taken
            .iter()
            .fold(labels, |labels, name| labels.with(name, one.get(name))),
    }
}
