//! A number and what it was a while ago. A controller decides from what its caches showed; a law therefore asks for the best and the
//! worst that the number was within the lag that the run allows.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::VecDeque;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Each value from its time on; the oldest may reach further back than anybody asks.
    samples: VecDeque<(DateTime<Utc>, i64)>,
}

impl Past {
    /// From `at` on the number is `value`. What ended before `at - keep` is forgotten.
    pub fn push(&mut self, at: DateTime<Utc>, value: i64, keep: TimeDelta) {
        if self.samples.back().is_some_and(|(_, last)| *last == value) {
            return;
        }
        self.samples.push_back((at, value));
        while self.samples.get(1).is_some_and(|(began, _)| *began < at - keep) {
            self.samples.pop_front();
        }
    }

    pub fn now(&self) -> i64 {
        self.samples.back().map_or(0, |(_, value)| *value)
    }

    /// The value before the last change.
    pub fn before(&self) -> i64 {
        let len = self.samples.len();
        if len < 2 {
            return 0;
        }
        self.samples.get(len - 2).map_or(0, |(_, value)| *value)
    }

    /// Whether the number is known to have been in this range at any time.
    pub fn had(&self, range: std::ops::RangeInclusive<i64>) -> bool {
        self.samples.iter().any(|(_, value)| range.contains(value))
    }

    /// When the number became what it is.
    pub fn since(&self) -> Option<DateTime<Utc>> {
        self.samples.back().map(|(at, _)| *at)
    }

    pub fn most(&self, since: DateTime<Utc>) -> i64 {
        self.within(since).max().unwrap_or(0)
    }

    pub fn least(&self, since: DateTime<Utc>) -> i64 {
        self.within(since).min().unwrap_or(0)
    }

    /// The values that were true at `since` or later; before the first sample the number was nothing.
    fn within(&self, since: DateTime<Utc>) -> impl Iterator<Item = i64> {
        let unborn = self.samples.front().is_none_or(|(began, _)| *began > since);
        let ended = move |index: usize| self.samples.get(index + 1).is_some_and(|(next, _)| *next < since);
        let samples = self.samples.iter().enumerate();
        let seen = samples
            .filter(move |(index, _)| !ended(*index))
            .map(|(_, (_, value))| *value);
        unborn.then_some(0).into_iter().chain(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_and_the_worst_are_those_of_the_window() {
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let mut past = Past::default();
        for (second, value) in [(0, 4), (10, 0), (20, 2)] {
            past.push(at(second), value, TimeDelta::seconds(60));
        }
        let check = |since, least, most| {
            assert_eq!(
                (past.least(at(since)), past.most(at(since))),
                (least, most),
                "{since}"
            );
        };
        check(-5, 0, 4);
        check(9, 0, 4);
        check(10, 0, 4);
        check(11, 0, 2);
        check(25, 2, 2);
        assert_eq!((past.before(), past.now()), (0, 2));
    }
}
