//! Functions of a window of samples.

use super::super::Edition;
use super::super::function::OverTime;
use super::super::series::Point;
use super::Window;
use super::aggregate::quantile;

/// None if the window holds too little.
pub(super) fn value(
    over: OverTime,
    window: &Window<'_>,
    parameter: f64,
    now: i64,
    edition: Edition,
) -> Option<f64> {
    let points = &*window.points;
    let values = || points.iter().map(|one| one.value);
    let (first, last) = (points.first()?, points.last()?);
    let count = points.len() as f64;
    Some(match over {
        OverTime::Rate => extrapolated(window, true, edition)? / seconds(window.to - window.from),
        OverTime::Increase => extrapolated(window, true, edition)?,
        OverTime::Delta => extrapolated(window, false, edition)?,
        OverTime::Irate | OverTime::Idelta => last_two(points, over)?,
        OverTime::Deriv => regression(points, first.at)?.0,
        OverTime::PredictLinear => {
            let (slope, intercept) = regression(points, now)?;
            slope * parameter + intercept
        }
        OverTime::Avg => mean(values()),
        OverTime::Min => values().fold(f64::NAN, |a, b| if b < a || a.is_nan() { b } else { a }),
        OverTime::Max => values().fold(f64::NAN, |a, b| if b > a || a.is_nan() { b } else { a }),
        OverTime::Sum => values().sum(),
        OverTime::Count => count,
        OverTime::Last => last.value,
        OverTime::Present => 1.0,
        OverTime::Quantile => quantile(parameter, values().collect()),
        OverTime::Stddev => variance(values()).sqrt(),
        OverTime::Stdvar => variance(values()),
        OverTime::Changes => {
            let changed = |pair: &&[Point]| {
                let (a, b) = (pair[0].value, pair[1].value);
                a != b && !(a.is_nan() && b.is_nan())
            };
            points.windows(2).filter(changed).count() as f64
        }
        OverTime::Resets => {
            let fell = |pair: &&[Point]| pair[1].value < pair[0].value;
            points.windows(2).filter(fell).count() as f64
        }
    })
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    sum / count
}

pub(super) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    squares / count
}

fn last_two(points: &[Point], over: OverTime) -> Option<f64> {
    let [.., before, last] = points else { return None };
    let rate = over == OverTime::Irate;
    let change = if rate && last.value < before.value {
        // The counter began again from zero.
        last.value
    } else {
        last.value - before.value
    };
    Some(if rate {
        change / seconds(last.at - before.at)
    } else {
        change
    })
}

/// The change over the whole window, estimated from the samples within it: the window is wider than what lies between its first and its
/// last sample. A gap at either end that is about as long as those between samples is bridged in full, of a longer one half a usual gap;
/// and a counter is never taken back to before it was zero.
fn extrapolated(window: &Window<'_>, counter: bool, edition: Edition) -> Option<f64> {
    let [first, .., last] = &*window.points else {
        return None;
    };
    let mut change = last.value - first.value;
    if counter {
        change += last.lost - first.lost;
    }
    let sampled = seconds(last.at - first.at);
    let gap = sampled / (window.points.len() - 1) as f64;
    let bridged = |open: f64| if open < gap * 1.1 { open } else { gap / 2.0 };
    let (before, after) = (seconds(first.at - window.from), seconds(window.to - last.at));
    let from_zero = if counter && change > 0.0 && first.value >= 0.0 {
        sampled * (first.value / change)
    } else {
        f64::INFINITY
    };
    let before = match edition {
        Edition::V2 => bridged(before.min(from_zero)),
        Edition::V3 => bridged(before).min(from_zero),
    };
    Some(change * ((sampled + before + bridged(after)) / sampled))
}

/// Slope per second, and the value at `at`, of the straight line nearest to the samples.
fn regression(points: &[Point], at: i64) -> Option<(f64, f64)> {
    if points.len() < 2 {
        return None;
    }
    let start = points.first()?;
    if points.iter().all(|point| point.value == start.value) {
        let slope = if start.value.is_finite() { 0.0 } else { f64::NAN };
        return Some((slope, if slope.is_nan() { slope } else { start.value }));
    }
    let count = points.len() as f64;
    let xs = || points.iter().map(|point| seconds(point.at - at));
    let mean_x = xs().sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.value).sum::<f64>() / count;
    let pairs = || xs().zip(points.iter().map(|point| point.value));
    let covariance: f64 = pairs().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let spread: f64 = xs().map(|x| (x - mean_x) * (x - mean_x)).sum();
    let slope = covariance / spread;
    Some((slope, mean_y - slope * mean_x))
}
