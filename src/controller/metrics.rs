//! What the process counts about itself, in Prometheus' format. Argo Rollouts' names are kept where both count the same thing.

use crate::api::rollout::Rollout;
use crate::base::names::{condition, reason};
use crate::base::object::Key;
use crate::controller::slack::Counts;
use crate::route::gateway_api;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use std::sync::Arc;

/// Label pairs that name an object.
const OBJECT: [&str; 2] = ["namespace", "name"];

pub struct Metrics {
    registry: Registry,
    pub passes: Passes,
    pub measurements: Measurements,
    pub writes: IntCounterVec,
    pub queue_depth: IntGaugeVec,
    pub leader: IntGauge,
    pub watch_errors: IntCounterVec,
    pub events: IntCounterVec,
    pub announcements: IntCounterVec,
    pub shadow_writes: IntGaugeVec,
    slack_messages: IntGaugeVec,
    rollout_info: IntGaugeVec,
}

/// Passes and what went wrong in them.
pub struct Passes {
    pub total: IntCounterVec,
    pub rollout_seconds: HistogramVec,
    pub rollout_errors: IntCounterVec,
    pub run_errors: IntCounterVec,
    pub errors: IntCounterVec,
    pub watermark_timeouts: IntCounter,
}

/// Questions to metric providers.
pub struct Measurements {
    pub total: IntCounterVec,
    pub late_seconds: Histogram,
    pub in_flight: IntGauge,
}

impl Passes {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let (rollout_errors, run_errors) = ("rollout_reconcile_error", "analysis_run_reconcile_error");
        let overdue = "Passes that went on before the cache showed the last write.";
        Ok(Self {
            total: counters(r, "serin_passes_total", "Passes by kind of object.", &["kind"])?,
            rollout_seconds: reconcile_seconds(r)?,
            rollout_errors: counters(r, rollout_errors, "Failed passes over a Rollout.", &OBJECT)?,
            run_errors: counters(r, run_errors, "Failed passes over an AnalysisRun.", &OBJECT)?,
            errors: counters(
                r,
                "serin_errors_total",
                "Failed passes by category.",
                &["category"],
            )?,
            watermark_timeouts: counter(r, "serin_watermark_timeouts_total", overdue)?,
        })
    }
}

impl Measurements {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let total = "Measurements that ended, by outcome: answered or error.";
        let in_flight = "Measurements asked for and not ended, waiting ones included.";
        Ok(Self {
            total: counters(r, "serin_measurements_total", total, &["outcome"])?,
            late_seconds: late_seconds(r)?,
            in_flight: gauge(r, "serin_measurements_in_flight", in_flight)?,
        })
    }
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let r = &registry;
        let writes = "Writes to the API server by resource, verb and HTTP status code.";
        let watches = "Errors of watches, each followed by a new attempt.";
        let events = "Events by outcome: published, counted, dropped or failed.";
        let shadow = "With --shadow: writes that would be made now.";
        let slack = "Messages for Slack since the start: sent, failed attempts, dropped; and waiting now.";
        let (said, info) = (
            "Announcements handed to Slack, by moment.",
            "Rollouts by strategy and phase.",
        );
        let info_labels = ["namespace", "name", "strategy", "traffic_router", "phase"];
        Ok(Self {
            passes: Passes::new(r)?,
            measurements: Measurements::new(r)?,
            writes: counters(r, "serin_writes_total", writes, &["resource", "verb", "code"])?,
            queue_depth: gauges(r, "serin_queue_depth", "Objects waiting for a pass.", &["kind"])?,
            leader: gauge(r, "serin_leader", "1 while this replica leads.")?,
            watch_errors: counters(r, "serin_watch_errors_total", watches, &["kind"])?,
            events: counters(r, "serin_events_total", events, &["outcome"])?,
            announcements: counters(r, "serin_announcements_total", said, &["moment"])?,
            shadow_writes: gauges(r, "serin_shadow_writes", shadow, &["namespace", "name"])?,
            slack_messages: gauges(r, "serin_slack_messages", slack, &["state"])?,
            rollout_info: gauges(r, "rollout_info", info, &info_labels)?,
            registry,
        })
    }

    /// Forgets the series of an object that is gone, so that the number of series follows the number of objects.
    pub fn forget(&self, key: &Key) {
        let labels = [key.namespace.as_str(), key.name.as_str()];
        // An error means that there was no such series.
        let _ = self.passes.rollout_seconds.remove_label_values(&labels);
        let _ = self.passes.rollout_errors.remove_label_values(&labels);
        let _ = self.passes.run_errors.remove_label_values(&labels);
    }

    pub fn set_slack(&self, counts: Counts) {
        let set = |state: &str, count: u64| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.slack_messages.with_label_values(&[state]).set(count);
        };
        set("sent", counts.sent);
        set("failed", counts.failed);
        set("dropped", counts.dropped);
        set("waiting", counts.waiting);
    }

    /// Everything in Prometheus' text format.
    pub fn text(&self, rollouts: &[Arc<Rollout>]) -> Result<Vec<u8>, prometheus::Error> {
        self.rollout_info.reset();
        for rollout in rollouts {
            let (meta, strategy) = (&rollout.metadata, strategy(rollout));
            let (router, phase) = (router(rollout), phase(rollout));
            let labels = [&meta.namespace, &meta.name, strategy.as_str(), router, phase];
            self.rollout_info.with_label_values(&labels).set(1);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The name of the strategy as the manifest spells it.
fn strategy(rollout: &Rollout) -> String {
    let named = serde_json::to_value(&rollout.spec.strategy).ok();
    let name = named
        .as_ref()
        .and_then(|named| named.as_object()?.keys().next().cloned());
    name.unwrap_or_else(|| "none".into())
}

/// The first router that divides the traffic, of those that are carried out, as Argo Rollouts names it; empty without one.
fn router(rollout: &Rollout) -> &'static str {
    let canary = rollout.spec.strategy.canary.as_ref();
    let Some(routing) = canary.and_then(|canary| canary.traffic_routing.as_ref()) else {
        return "";
    };
    let known = [
        (routing.istio.is_some(), "Istio"),
        (routing.nginx.is_some(), "Nginx"),
        (routing.alb.is_some(), "ALB"),
        (gateway_api::config(routing).is_some(), "GatewayAPI"),
    ];
    known.iter().find(|(used, _)| *used).map_or("", |(_, name)| name)
}

/// Argo Rollouts' phase label: an invalid spec wins, else the reason of the Progressing condition decides.
fn phase(rollout: &Rollout) -> &'static str {
    let conditions = &rollout.status.conditions;
    let of_type = |name: &str| conditions.iter().find(|condition| condition.type_ == name);
    if of_type(condition::INVALID_SPEC).is_some() {
        return "InvalidSpec";
    }
    match of_type(condition::PROGRESSING).map_or("", |progressing| progressing.reason.as_str()) {
        reason::NEW_REPLICA_SET_AVAILABLE => "Completed",
        reason::ROLLOUT_PAUSED => "Paused",
        reason::REPLICA_SET_CREATE_ERROR => "Error",
        reason::PROGRESS_DEADLINE_EXCEEDED => "Timeout",
        reason::ROLLOUT_ABORTED => "Abort",
        _ => "Progressing",
    }
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn reconcile_seconds(registry: &Registry) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new("rollout_reconcile", "Seconds of a pass over a Rollout.");
    let vec = HistogramVec::new(opts.buckets(vec![0.01, 0.15, 0.25, 0.5, 1.0]), &OBJECT)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn late_seconds(registry: &Registry) -> Result<Histogram, prometheus::Error> {
    let opts = HistogramOpts::new(
        "serin_measurement_late_seconds",
        "Seconds between the moment a measurement was due and the moment its request went out.",
    );
    let histogram =
        Histogram::with_opts(opts.buckets(vec![0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0]))?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rollouts_show_with_strategy_and_phase() {
        let metrics = Metrics::new().unwrap();
        let rollout: Rollout = serde_json::from_value(json!({
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"strategy": {"canary": {"trafficRouting": {"gatewayAPI": {"httpRoute": "web"}}}}},
            "status": {"conditions": [{"type": "Progressing", "status": "True", "reason": "RolloutPaused"}]}
        }))
        .unwrap();
        let text = String::from_utf8(metrics.text(&[Arc::new(rollout)]).unwrap()).unwrap();
        let line = r#"rollout_info{name="web",namespace="shop",phase="Paused",strategy="canary",traffic_router="GatewayAPI"} 1"#;
        assert!(text.contains(line), "{text}");
    }
}
