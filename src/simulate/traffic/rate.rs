//! How many requests come in a span of time. Pure arithmetic without a library of angles, so that every machine gets the same digits.

use chrono::{DateTime, TimeDelta, Utc};

/// Requests per second over time.
#[derive(Clone, Debug, PartialEq)]
pub enum Rate {
    Constant(f64),
    /// Rises and falls evenly once a day around `mean`, by `swing` of it (0 to 1), highest at `peak` after midnight UTC.
    Daily {
        mean: f64,
        swing: f64,
        peak: TimeDelta,
    },
    /// `base`, but `peak` for the time `lasts` at `first` and then once in every `every`.
    Burst {
        base: f64,
        peak: f64,
        first: DateTime<Utc>,
        every: TimeDelta,
        lasts: TimeDelta,
    },
    /// The rate from each time on; nothing before the first. Sorted by time.
    Steps(Vec<(DateTime<Utc>, f64)>),
}

impl Rate {
    /// Hardly anything: one request in ten seconds.
    pub const LOW: Self = Self::Constant(0.1);

    /// The requests from `from` until `to`; 0 if that is no span. Never negative.
    pub fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        let seconds = seconds(to - from);
        if seconds <= 0.0 {
            return 0.0;
        }
        let requests = match self {
            Self::Constant(rate) => rate * seconds,
            Self::Daily { mean, swing, peak } => {
                let phase = |at: DateTime<Utc>| self::seconds(at - DateTime::UNIX_EPOCH - *peak) / DAY_S;
                let wave = wave_until(phase(to)) - wave_until(phase(from));
                mean * (seconds + swing.clamp(0.0, 1.0) * wave * DAY_S)
            }
            Self::Burst {
                base,
                peak,
                first,
                every,
                lasts,
            } => {
                let cycle = Cycle::new(*every, *lasts);
                let high = cycle.high_until(self::seconds(to - *first))
                    - cycle.high_until(self::seconds(from - *first));
                base * (seconds - high) + peak * high
            }
            Self::Steps(steps) => steps_between(steps, from, to),
        };
        requests.max(0.0)
    }
}

const DAY_S: f64 = 86_400.0;

pub(super) fn seconds(span: TimeDelta) -> f64 {
    span.num_microseconds()
        .map_or(f64::MAX, |micros| micros as f64 / 1e6)
}

/// The area under a wave of period 1 that is 1 at whole numbers, −1 half way, and straight between.
fn wave_until(phase: f64) -> f64 {
    let phase = phase - phase.floor();
    if phase <= 0.5 {
        phase - 2.0 * phase * phase
    } else {
        // From −1 back up: the second half mirrors the first.
        let rest = 1.0 - phase;
        2.0 * rest * rest - rest
    }
}

struct Cycle {
    every: f64,
    lasts: f64,
}

impl Cycle {
    fn new(every: TimeDelta, lasts: TimeDelta) -> Self {
        let every = seconds(every).max(1e-6);
        Self {
            every,
            lasts: seconds(lasts).clamp(0.0, every),
        }
    }

    /// Seconds of burst from the first one's start until `after` it.
    fn high_until(&self, after: f64) -> f64 {
        if after <= 0.0 {
            return 0.0;
        }
        let whole = (after / self.every).floor();
        whole * self.lasts + (after - whole * self.every).min(self.lasts)
    }
}

fn steps_between(steps: &[(DateTime<Utc>, f64)], from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    let ends = steps.iter().skip(1).map(|(at, _)| *at).chain([to]);
    let spans = steps.iter().zip(ends);
    spans
        .map(|((start, rate), end)| rate * seconds(end.min(to) - from.max(*start)).max(0.0))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn check(rate: &Rate, from: i64, to: i64, expect: f64) {
        let got = rate.between(at(from), at(to));
        assert!(
            (got - expect).abs() < 1e-6,
            "{rate:?} {from}..{to}: {got}, not {expect}"
        );
    }

    #[test]
    fn a_daily_wave_has_its_mean_over_a_day_and_its_extremes_half_a_day_apart() {
        let rate = Rate::Daily {
            mean: 10.0,
            swing: 0.5,
            peak: TimeDelta::hours(12),
        };
        check(&rate, 0, 86_400, 864_000.0);
        check(&rate, 43_200, 86_400, 432_000.0);
        // Around noon 15 per second, around midnight 5.
        assert!((rate.between(at(43_190), at(43_210)) / 20.0 - 15.0).abs() < 0.01);
        assert!((rate.between(at(86_390), at(86_410)) / 20.0 - 5.0).abs() < 0.01);
        check(&rate, 21_600, 21_600, 0.0);
    }

    #[test]
    fn bursts_repeat_and_count_only_while_they_last() {
        let rate = Rate::Burst {
            base: 1.0,
            peak: 11.0,
            first: at(100),
            every: TimeDelta::seconds(60),
            lasts: TimeDelta::seconds(10),
        };
        check(&rate, 0, 100, 100.0);
        check(&rate, 100, 110, 110.0);
        check(&rate, 105, 165, 5.0 * 11.0 + 50.0 + 5.0 * 11.0);
        check(&rate, 100, 220, 120.0 + 200.0);
    }

    #[test]
    fn steps_hold_from_their_time_on() {
        let rate = Rate::Steps(vec![(at(10), 2.0), (at(20), 0.0), (at(30), 5.0)]);
        check(&rate, 0, 10, 0.0);
        check(&rate, 5, 40, 20.0 + 50.0);
        check(&rate, 35, 36, 5.0);
        check(&Rate::Constant(3.0), 5, 4, 0.0);
    }

    #[test]
    fn many_small_spans_make_the_whole() {
        let rate = Rate::Daily {
            mean: 7.0,
            swing: 1.0,
            peak: TimeDelta::hours(3),
        };
        let parts: f64 = (0..1_000)
            .map(|n| rate.between(at(n * 50), at(n * 50 + 50)))
            .sum();
        assert!((parts - rate.between(at(0), at(50_000))).abs() < 1e-3);
    }
}
