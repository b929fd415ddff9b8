//! Quantiles of classic histograms: series with a bucket bound in `le`.

use std::collections::BTreeMap;

use super::super::labels::Labels;
use super::{Edition, Sample};

const BOUND: &str = "le";

#[derive(Clone, Copy, Debug)]
struct Bucket {
    bound: f64,
    /// Observations up to the bound.
    count: f64,
}

/// The φ-quantile of every histogram among the samples.
pub(super) fn quantiles(phi: f64, samples: &[Sample], edition: Edition) -> Vec<Sample> {
    let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
    let mut all: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    for sample in samples {
        // `+Inf` is a number too.
        let Ok(bound) = sample.labels.get(BOUND).parse() else {
            continue;
        };
        let labels = sample
            .labels
            .filter(|name| name != BOUND && name != super::super::labels::NAME);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            all.push((labels.clone(), Vec::new()));
            all.len() - 1
        });
        all[place].1.push(Bucket {
            bound,
            count: sample.value,
        });
    }
    let sample = |(labels, buckets)| Sample {
        labels,
        value: quantile(phi, buckets, edition),
    };
    all.into_iter().map(sample).collect()
}

/// Interpolated within the bucket that holds it.
fn quantile(phi: f64, mut buckets: Vec<Bucket>, edition: Edition) -> f64 {
    match phi {
        phi if phi.is_nan() => return f64::NAN,
        phi if phi < 0.0 => return f64::NEG_INFINITY,
        phi if phi > 1.0 => return f64::INFINITY,
        _ => {}
    }
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    join_equal_bounds(&mut buckets);
    make_rising(&mut buckets, edition);
    let [.., second_last, last] = &buckets[..] else {
        return f64::NAN;
    };
    if last.count == 0.0 || last.count.is_nan() {
        return f64::NAN;
    }
    let rank = phi * last.count;
    let at = buckets.partition_point(|bucket| bucket.count < rank);
    if at >= buckets.len() - 1 {
        // Beyond the last finite bound nothing is known but that it is beyond.
        return second_last.bound;
    }
    let bucket = buckets[at];
    if at == 0 && bucket.bound <= 0.0 {
        return bucket.bound;
    }
    let (start, below) = match at {
        0 => (0.0, 0.0),
        at => (buckets[at - 1].bound, buckets[at - 1].count),
    };
    start + (bucket.bound - start) * ((rank - below) / (bucket.count - below))
}

fn join_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// How far two counts may be apart by rounding alone.
const ROUNDING: f64 = 1e-12;

/// Counts of buckets never fall; those that do come from scrapes between two observations, or from rounding.
fn make_rising(buckets: &mut [Bucket], edition: Edition) {
    let mut most = f64::NEG_INFINITY;
    for bucket in buckets {
        let rounding = edition == Edition::V3
            && most.is_finite()
            && (bucket.count - most).abs() <= ROUNDING * (bucket.count.abs() + most.abs());
        if bucket.count > most && !rounding {
            most = bucket.count;
        } else if bucket.count < most || rounding {
            bucket.count = most;
        }
    }
}
