//! How an image answers: the share of errors and the spread of latencies, chosen by its tag. Pure.
//!
//! Outcomes are not drawn at random. What a pod has answered is a function of how many requests it got, so
//! that a release which errs in one request of a thousand does so in every run, evenly, and no test fails by
//! bad luck.

/// The upper bounds of the latency histogram, in seconds.
pub const BOUNDS_S: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The share of requests that took at most each bound: about 80 ms at the median, P99 below 250 ms.
const QUICK: [f64; 11] = [0.0, 0.01, 0.05, 0.20, 0.75, 0.992, 1.0, 1.0, 1.0, 1.0, 1.0];

/// A slow tail: the median is still 90 ms, P99 is 1.5 s.
const SLOW: [f64; 11] = [0.0, 0.01, 0.04, 0.15, 0.60, 0.85, 0.92, 0.985, 1.0, 1.0, 1.0];

/// How one image answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// The share of 5xx answers, from 0 to 1.
    pub errors: f64,
    /// The share of answers within each of [`BOUNDS_S`].
    pub within: [f64; 11],
    /// Whether it reports anything at all.
    pub silent: bool,
}

impl Profile {
    /// | the tag contains | the image |
    /// |---|---|
    /// | `errors` | answers 8 % with 5xx; `errorsN` (whole percents) another share |
    /// | `slow` | has a slow tail |
    /// | `silent` | reports no metrics |
    /// | none of these | is good: 0.1 % errors |
    pub fn of_tag(tag: &str) -> Self {
        let errors = tag.split_once("errors").map(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<f64>().unwrap_or(8.0) / 100.0
        });
        Self {
            errors: errors.unwrap_or(0.001),
            within: if tag.contains("slow") { SLOW } else { QUICK },
            silent: tag.contains("silent"),
        }
    }

    /// The shares within each of [`BOUNDS_S`] of a latency with this median and 99th percentile, in seconds: even up to the median,
    /// even from there to the percentile, and the rest within twice that.
    pub fn latency(median: f64, p99: f64) -> [f64; 11] {
        let median = median.max(1e-6);
        let p99 = p99.max(median * 1.000_001);
        let share = |bound: f64| match bound {
            bound if bound <= median => 0.5 * bound / median,
            bound if bound <= p99 => 0.5 + 0.49 * (bound - median) / (p99 - median),
            bound => (0.99 + 0.01 * (bound - p99) / p99).min(1.0),
        };
        BOUNDS_S.map(share)
    }

    /// How many of `requests` were errors.
    pub fn errors_of(&self, requests: u64) -> u64 {
        // Half a request ahead of zero: 0.29 of 100 shall be 29 although it is 28.999… as a float.
        (requests as f64 * self.errors + 1e-6) as u64
    }

    /// How many of `requests` took at most each bound.
    pub fn buckets_of(&self, requests: u64) -> [u64; 11] {
        self.within.map(|share| (requests as f64 * share + 1e-6) as u64)
    }

    /// The seconds that an average request takes, from the middle of each bucket.
    pub fn mean_s(&self) -> f64 {
        let (mut mean, mut below, mut share) = (0.0, 0.0, 0.0);
        for (bound, within) in BOUNDS_S.into_iter().zip(self.within) {
            mean += (within - share) * (below + bound) / 2.0;
            (below, share) = (bound, within);
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_chooses_errors_and_latency() {
        let check = |tag: &str, errors: f64, slow: bool| {
            let profile = Profile::of_tag(tag);
            assert_eq!((profile.errors, profile.within == SLOW), (errors, slow), "{tag}");
        };
        check("v1", 0.001, false);
        check("", 0.001, false);
        check("v3-errors", 0.08, false);
        check("v3-errors5", 0.05, false);
        check("v4-slow", 0.001, true);
        check("v5-errors10-slow", 0.10, true);
        assert!(Profile::of_tag("v6-silent").silent);
    }

    #[test]
    fn outcomes_follow_the_count_and_never_go_back() {
        let profile = Profile::of_tag("v3-errors5");
        assert_eq!(
            [0, 19, 20, 100, 1_000].map(|n| profile.errors_of(n)),
            [0, 0, 1, 5, 50]
        );
        let good = Profile::of_tag("v1");
        assert_eq!(good.errors_of(999), 0);
        assert_eq!(good.errors_of(1_000), 1);
        for n in 0..500 {
            let (now, next) = (good.buckets_of(n), good.buckets_of(n + 1));
            assert!(now.iter().zip(next).all(|(now, next)| *now <= next));
            assert_eq!(now[10], n);
            assert!(now.is_sorted());
        }
    }

    #[test]
    fn a_stated_latency_has_its_median_and_its_99th_percentile() {
        let within = Profile::latency(0.1, 0.5);
        assert_eq!((within[4], within[6]), (0.5, 0.99));
        assert!(within.is_sorted() && within[7] == 1.0, "{within:?}");
        assert!(Profile::latency(1.0, 30.0)[10] < 0.99);
    }

    #[test]
    fn quick_and_slow_are_on_both_sides_of_half_a_second() {
        let p99 = |within: [f64; 11]| {
            let at = within.iter().position(|&share| share >= 0.99).unwrap();
            let share = (0.99 - within[at - 1]) / (within[at] - within[at - 1]);
            BOUNDS_S[at - 1] + share * (BOUNDS_S[at] - BOUNDS_S[at - 1])
        };
        assert!((p99(QUICK) - 0.249).abs() < 0.01, "{}", p99(QUICK));
        assert!((p99(SLOW) - 1.5).abs() < 0.01, "{}", p99(SLOW));
        assert!(Profile::of_tag("v1").mean_s() < 0.15);
    }
}
