//! Every bound of the program, unit last. Relations between them are asserted at compile time.

use chrono::TimeDelta;

/// Nested pure steps that one plan may chain before it must wait for the world.
pub const PLAN_PASSES_MAX: usize = 64;
/// Rounds of questions that one pass may ask before it plans with what it has.
pub const SURVEY_ROUNDS_MAX: usize = 8;
/// Characters of a message that goes into a status field.
pub const STATUS_MESSAGE_CHARS_MAX: usize = 1024;
/// Characters of a measurement's value as stored in status.
pub const MEASUREMENT_VALUE_CHARS_MAX: usize = 1024;
/// Measurements kept per metric when no retention is asked for (Argo Rollouts' default).
pub const MEASUREMENTS_KEPT_DEFAULT: usize = 10;
/// Bytes read of a metric provider's answer.
pub const PROVIDER_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Seconds a Prometheus query may take when the metric does not say (Argo Rollouts' default).
pub const PROMETHEUS_TIMEOUT_SECONDS_DEFAULT: i64 = 30;
/// Seconds until a measurement that ended in an error is repeated, whatever the interval (Argo Rollouts' rule).
pub const MEASUREMENT_RETRY_SECONDS: i64 = 10;
/// Measurements in flight over all runs.
pub const PROBES_IN_FLIGHT_MAX: usize = 256;
/// Measurements in flight against one host.
pub const PROBES_PER_HOST_MAX: usize = 64;
/// Status writes that change nothing but replica counts are at most one per object in this time.
pub const COUNTER_STATUS_SECONDS_MIN: i64 = 5;
/// One write to the API server, retries not included.
pub const WRITE_TIMEOUT_SECONDS: u64 = 15;
/// Messages waiting for Slack.
pub const OUTBOX_LEN_MAX: usize = 10_000;
/// Bytes of a condition's source.
pub const CONDITION_BYTES_MAX: usize = 4096;
/// Nodes of a condition's syntax tree.
pub const CONDITION_NODES_MAX: usize = 10_000;
/// Levels of nesting in a condition, and in the values it builds.
pub const CONDITION_DEPTH_MAX: usize = 200;
/// Steps that one evaluation of a condition may take.
pub const CONDITION_STEPS_MAX: usize = 1_000_000;
/// List elements, map members and sixteen-byte pieces of text that one evaluation of a condition may build.
pub const CONDITION_ELEMENTS_MAX: usize = 1_000_000;

const _: () = assert!(CONDITION_BYTES_MAX <= CONDITION_NODES_MAX);
const _: () = assert!(PROBES_PER_HOST_MAX <= PROBES_IN_FLIGHT_MAX);

/// The longest time that a timer is trusted without looking at the world again (Argo Rollouts' resync period).
pub fn resync() -> TimeDelta {
    TimeDelta::seconds(900)
}

/// Cuts `text` to at most `chars` characters, marking the cut.
pub fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}
