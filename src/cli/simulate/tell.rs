//! Prints what happened at a pace: as it would have been seen, so many times faster.

use crate::cli::printer;
use crate::simulate::timeline::Told;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Prints a timeline; without a speed at once.
pub async fn timeline(told: &Told, speed: Option<f64>) {
    printer::out(told.head.trim_end());
    let began = Instant::now();
    for (at, text) in &told.rows {
        if let Some(speed) = speed {
            let passed = Duration::try_from_secs_f64(at / speed).unwrap_or_default();
            sleep_until(began + passed).await;
        }
        printer::out(text.trim_end());
    }
    printer::out("");
    printer::out(told.summary.trim_end());
}
