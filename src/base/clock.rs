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
    },
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
            Clock::Virtual { base, since } => {
                let passed = chrono::TimeDelta::from_std(since.elapsed());
                *base + passed.unwrap_or(chrono::TimeDelta::MAX)
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
