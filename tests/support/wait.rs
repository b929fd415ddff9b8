//! Waiting for a condition, with a deadline and a reason. The only place of the harness that polls.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How often a condition is looked at again.
pub const POLL: Duration = Duration::from_millis(50);

/// Waits until `check` gives a value; panics after `deadline` with the last reason why it did not.
///
/// `check` answers `Ok(value)` when the condition holds and `Err(what is still missing)` otherwise.
pub async fn eventually<T, E, F, Fut>(deadline: Duration, what: &str, check: F) -> T
where
    E: std::fmt::Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    match within(deadline, check).await {
        Ok(value) => value,
        Err(missing) => panic!("{what}: not within {deadline:?}; {missing}"),
    }
}

/// As [`eventually`], for callers that go on: the last reason as an error after `deadline`.
pub async fn within<T, E, F, Fut>(deadline: Duration, mut check: F) -> Result<T, String>
where
    E: std::fmt::Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + deadline;
    let mut missing = "the first look did not return".to_owned();
    loop {
        match tokio::time::timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(reason)) => missing = reason.to_string(),
            Err(_) => return Err(missing),
        }
        if Instant::now() + POLL >= end {
            return Err(missing);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Fails if `check` gives an error at any look during `span`: for "never happens" within reason.
pub async fn stays<E, F, Fut>(span: Duration, what: &str, mut check: F)
where
    E: std::fmt::Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    let end = Instant::now() + span;
    while Instant::now() < end {
        if let Err(reason) = check().await {
            panic!("{what}: did not stay so; {reason}");
        }
        tokio::time::sleep(POLL).await;
    }
}
