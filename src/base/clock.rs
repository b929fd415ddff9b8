//! Time: the only file that reads a clock. Decisions never call it; the shell reads it once per pass and hands the value in.

use chrono::{DateTime, Utc};
use std::time::SystemTime;

/// Where the time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The clock of the machine.
    #[default]
    Wall,
    /// Moves with the async runtime's clock, which tests may pause.
    #[cfg(feature = "shell")]
    Virtual {
        base: DateTime<Utc>,
        since: tokio::time::Instant,
        skew: Skew,
    },
}

/// How far a simulated clock is off, in milliseconds; may change at any time. Clones share it.
#[cfg(feature = "shell")]
#[derive(Clone, Debug, Default)]
pub struct Skew(std::sync::Arc<std::sync::atomic::AtomicI64>);

#[cfg(feature = "shell")]
impl Skew {
    pub fn set(&self, off: chrono::TimeDelta) {
        let millis = off.num_milliseconds();
        self.0.store(millis, std::sync::atomic::Ordering::Relaxed);
    }

    fn get(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::milliseconds(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Clock::Wall => SystemTime::now().into(),
            #[cfg(feature = "shell")]
            Clock::Virtual { base, since, skew } => {
                let passed = chrono::TimeDelta::from_std(since.elapsed());
                *base + passed.unwrap_or(chrono::TimeDelta::MAX) + skew.get()
            }
        }
    }
}

#[cfg(feature = "shell")]
impl Clock {
    /// A clock that shows `base` now and moves with the async runtime.
    pub fn starting_at(base: DateTime<Utc>) -> Self {
        Clock::Virtual {
            base,
            since: tokio::time::Instant::now(),
            skew: Skew::default(),
        }
    }

    /// The same clock as somebody sees it whose clock is off by `skew`.
    pub fn skewed(&self, skew: Skew) -> Self {
        match self {
            Clock::Wall => Clock::Wall,
            Clock::Virtual { base, since, .. } => Clock::Virtual {
                base: *base,
                since: *since,
                skew,
            },
        }
    }

    /// The runtime's instant at which this clock will show `at`, but no later than the resync time from now: a wall clock that
    /// jumps, or a machine that was suspended, must not make a timer miss its moment for good.
    pub fn instant_of(&self, at: DateTime<Utc>) -> tokio::time::Instant {
        let ahead = (at - self.now()).min(super::limits::resync());
        tokio::time::Instant::now() + ahead.to_std().unwrap_or_default()
    }
}

#[cfg(all(test, feature = "shell"))]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn timers_are_never_further_away_than_the_resync_time() {
        let clock = Clock::starting_at(DateTime::UNIX_EPOCH);
        let check = |ahead: TimeDelta, want_seconds: u64| {
            let instant = clock.instant_of(clock.now() + ahead);
            assert_eq!((instant - Instant::now()).as_secs(), want_seconds);
        };
        check(TimeDelta::seconds(30), 30);
        check(TimeDelta::seconds(-30), 0);
        check(TimeDelta::days(365), 900);
    }
}
