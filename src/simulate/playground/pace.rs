//! Lets virtual time follow real time at a speed: event by event up to where it should be, and then not a step further.

use super::Control;
use crate::base::clock::Clock;
use chrono::TimeDelta;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// How often virtual time catches up.
const TICK: Duration = Duration::from_millis(10);
/// After a longer absence (a machine that slept) time goes on from where it was.
const ABSENCE_MAX: TimeDelta = TimeDelta::seconds(1);

/// Runs until it is told to end. On a paused clock only: while a blocking task runs, such a clock stands.
pub(super) async fn keep(mut speed: f64, mut heard: Receiver<Control>) {
    let mut due = Instant::now();
    let mut before = Clock::Wall.now();
    loop {
        let waited = spawn_blocking(move || (heard.recv_timeout(TICK), heard)).await;
        let Ok((said, back)) = waited else { return };
        heard = back;
        match said {
            Ok(Control::Speed(wanted)) => speed = wanted,
            Ok(Control::Skip(time)) => due += time,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Control::End) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Clock::Wall.now();
        let passed = (now - before).clamp(TimeDelta::zero(), ABSENCE_MAX);
        before = now;
        due += passed.to_std().unwrap_or_default().mul_f64(speed);
        sleep_until(due).await;
    }
}
