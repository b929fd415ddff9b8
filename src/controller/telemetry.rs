//! Log lines: where they go and how they look.

use crate::controller::options::LogFormat;
use anyhow::Context;
use std::io;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. A second call changes nothing: the first one, a test's perhaps, wins.
///
/// # Errors
/// When `level` is not a filter.
pub fn start(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("{level:?} is not a log level; try info or debug"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    Ok(())
}
