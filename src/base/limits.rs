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
/// The same for a web metric.
pub const WEB_TIMEOUT_SECONDS_DEFAULT: i64 = 10;
/// Seconds until a Job that a measurement began and that is not seen counts as gone.
pub const JOB_UNSEEN_SECONDS_MAX: i64 = 15;
/// Seconds until a measurement that ended in an error is repeated, whatever the interval (Argo Rollouts' rule).
pub const MEASUREMENT_RETRY_SECONDS: i64 = 10;
/// Measurements in flight over all runs.
pub const PROBES_IN_FLIGHT_MAX: usize = 256;
/// Measurements in flight against one host.
pub const PROBES_PER_HOST_MAX: usize = 64;
/// Status writes that change nothing but replica counts are at most one per object in this time.
pub const COUNTER_STATUS_SECONDS_MIN: i64 = 5;
/// Pods that one pass edits at most; the next pass goes on.
pub const POD_EDITS_MAX: usize = 50;
/// Until pods that could not be listed are asked for again.
pub const PODS_RETRY_SECONDS: i64 = 10;
/// Until pods that a restart could not replace yet are tried again.
pub const RESTART_RETRY_SECONDS: i64 = 10;
/// How long a new Rollout waits for a ReplicaSet of the former Rollout of its name to be orphaned or deleted.
pub const INHERITANCE_SECONDS: i64 = 60;
/// How old a new Rollout must be before an object that it names and that does not exist makes it invalid: the manifests of one file
/// are created one after the other, in the file's order.
pub const REFERENCES_GRACE_SECONDS: i64 = 3;
/// How long a reading waits for the other metrics of its tick, so that one write, and the message about a verdict, carries them all. A
/// provider that hangs delays a verdict by no more than this.
pub const RUN_COMPANY_MS_MAX: u64 = 1_000;
/// One write to the API server, retries not included.
pub const WRITE_TIMEOUT_SECONDS: u64 = 15;
/// Messages waiting for Slack. Progress beyond it is dropped; final outcomes are not.
pub const OUTBOX_LEN_MAX: usize = 10_000;
/// Slack threads of which the controller remembers where they are.
pub const SLACK_THREADS_MAX: usize = 4_096;
/// Messages of one Slack thread that are remembered, to repeat none.
pub const SLACK_THREAD_MESSAGES_MAX: usize = 256;
/// The longest pause that a `Retry-After` of Slack is believed.
pub const SLACK_RETRY_AFTER_SECONDS_MAX: u64 = 3_600;

/// Passes over Rollouts at the same time; the same again over AnalysisRuns.
pub const PASSES_IN_FLIGHT_MAX: usize = 64;
/// First and longest wait of an object whose pass failed.
pub const RETRY_MILLIS_MIN: u64 = 10;
pub const RETRY_MILLIS_MAX: u64 = 30_000;
/// The longest wait that a `Retry-After` of the API server is believed.
pub const API_RETRY_AFTER_SECONDS_MAX: u64 = 120;
/// How far the clocks of replicas may differ; a time further ahead than this is not believed.
pub const CLOCKS_APART_SECONDS_MAX: i64 = 30;
/// After so many losses within [`CONTEST_MEMORY_SECONDS`], a write that somebody else undoes again and again waits.
pub const CONTEST_LOSSES_MAX: usize = 3;
/// Seconds between two equal writes to a contested object.
pub const CONTEST_SECONDS_MIN: u64 = 10;
/// For how long a loss is remembered, and a write that may be lost.
pub const CONTEST_MEMORY_SECONDS: u64 = 600;
/// Passes over one object: so many at once, then one per interval. Two actors that undo each other's work stay affordable.
pub const PASSES_BURST_MAX: u32 = 20;
pub const PASS_INTERVAL_MILLIS: u64 = 200;
/// Seconds that a pass waits for the caches to show what the last one wrote before it goes on regardless.
pub const WATERMARK_SECONDS_MAX: u64 = 10;
/// Seconds that a pass waits for the caches to show what a refused write did not know.
pub const OUTDATED_SECONDS_MAX: u64 = 2;
/// How long nothing is decided from a Rollout that a list shows as it was before: an API server that is behind catches up within it, and
/// after a restored backup it is no more than a pause.
pub const PAST_SECONDS_MAX: u64 = 30;
/// From so many failures in a row on, events bring an object's next pass no sooner than this after the last.
pub const FAILURES_PATIENT: u32 = 3;
pub const PATIENCE_MILLIS: u64 = 500;
/// Writes of one object whose outcome is unknown that are remembered until it is.
pub const WRITES_UNSURE_MAX: usize = 8;
/// Objects per page of a list.
pub const LIST_PAGE_LEN: u32 = 100;
/// Seconds after which a watch is opened anew.
pub const WATCH_SECONDS: u32 = 240;
/// Seconds after which a connection on which nothing comes any more is given up, with the watch that waits on it.
pub const SILENT_CONNECTION_SECONDS_MAX: u64 = WATCH_SECONDS as u64 + 15;
/// How often a cache is compared with the versions that the API server lists: a watch that lost an event says so never.
pub const CACHE_AUDIT_SECONDS: u64 = 240;
/// Between two comparisons because of doubts.
pub const CACHE_DOUBT_SECONDS_MIN: u64 = 5;
/// After so many refusals of an object's passes in a row that speak of another state than the cache shows, the cache is doubted.
pub const CACHE_DOUBT_REFUSALS: u32 = 4;
/// How long what an audit found may be just on its way.
pub const CACHE_AUDIT_GRACE_SECONDS: u64 = 5;
/// Waits between attempts to open a watch.
pub const WATCH_RETRY_MILLIS_MIN: u64 = 250;
pub const WATCH_RETRY_MILLIS_MAX: u64 = 5_000;
/// Seconds between looks for a kind that is not installed, and between log lines about it.
pub const KIND_PROBE_SECONDS: u64 = 30;
/// Events waiting to be published; more are dropped.
pub const EVENTS_LEN_MAX: usize = 2_000;
/// Repeats of an Event within this time count up the one that exists.
pub const EVENT_REPEAT_SECONDS: i64 = 600;
/// Events that are remembered for that; one more, and it starts over.
pub const EVENTS_REMEMBERED_MAX: usize = 10_000;
/// Characters of an Event's message (the API server refuses more than 1,024 bytes).
pub const EVENT_MESSAGE_BYTES_MAX: usize = 1_024;
/// Redirects that a metric provider may answer with, all to its own host.
pub const REDIRECTS_MAX: usize = 3;
/// Lease of the leader, time it may go on without renewing it, and pause between attempts (Argo Rollouts' defaults).
pub const LEASE_SECONDS: i64 = 15;
pub const LEASE_RENEW_SECONDS_MAX: u64 = 10;
pub const LEASE_RETRY_SECONDS: u64 = 2;
/// Seconds that passes in flight may take to finish after a stop was asked for.
pub const DRAIN_SECONDS_MAX: u64 = 10;
/// The same for Events, and for announcements, after that.
pub const EVENTS_DRAIN_SECONDS_MAX: u64 = 2;
pub const OUTBOX_DRAIN_SECONDS_MAX: u64 = 5;

const _: () = assert!((LEASE_RENEW_SECONDS_MAX as i64) < LEASE_SECONDS);
const _: () = assert!(RETRY_MILLIS_MIN < RETRY_MILLIS_MAX && WATCH_RETRY_MILLIS_MIN < WATCH_RETRY_MILLIS_MAX);
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
