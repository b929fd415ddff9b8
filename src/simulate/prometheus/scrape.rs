//! From what pods count to series: the same metrics and labels as applications expose, and as the scrape configuration adds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::labels::{Labels, NAME};
use super::series::SeriesStore;
use crate::simulate::traffic::Traffic;
use crate::simulate::traffic::counter::{Counter, Reported};
use crate::simulate::traffic::profile::BOUNDS_S;

/// Series of one pod: good and bad requests, the buckets with the infinite one, sum and count.
const SERIES: usize = 2 + BOUNDS_S.len() + 1 + 2;

/// What the last scrape found.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    pods: BTreeMap<u64, Target>,
    refused: BTreeMap<(String, String), usize>,
}

#[derive(Clone, Debug)]
struct Target {
    /// The labels can change while the pod lives.
    hashes: (String, String),
    series: [usize; SERIES],
    seen: i64,
}

impl Targets {
    /// Reads every pod's metrics. The series of those that report no more end.
    pub fn scrape(&mut self, traffic: &Traffic, series: &mut SeriesStore, now: i64) {
        for counter in traffic.counters().filter(|counter| !counter.silent) {
            let target = self.target(counter, series, now);
            for (id, value) in target.into_iter().zip(values(&counter.reported())) {
                series.append(id, now, value);
            }
        }
        self.pods.retain(|_, target| {
            if target.seen != now {
                target.series.iter().for_each(|id| series.end(*id, now));
            }
            target.seen == now
        });
        for (key, count) in traffic.refused() {
            let id = *self.refused.entry(key.clone()).or_insert_with(|| {
                let labels = [
                    (NAME, "gateway_requests_refused_total"),
                    ("namespace", &key.0),
                    ("service", &key.1),
                ];
                series.id(&labels.into_iter().collect())
            });
            series.append(id, now, (count + 1e-6).floor());
        }
    }

    fn target(&mut self, counter: &Counter, series: &mut SeriesStore, now: i64) -> [usize; SERIES] {
        let known = self.pods.get_mut(&counter.id);
        if let Some(target) = known
            && target.hashes.0 == counter.rollouts_hash
            && target.hashes.1 == counter.deployment_hash
        {
            target.seen = now;
            return target.series;
        }
        let target = Target {
            hashes: (counter.rollouts_hash.clone(), counter.deployment_hash.clone()),
            series: make_series(counter, series),
            seen: now,
        };
        let ids = target.series;
        if let Some(before) = self.pods.insert(counter.id, target) {
            before.series.iter().for_each(|id| series.end(*id, now));
        }
        ids
    }
}

fn make_series(counter: &Counter, series: &mut SeriesStore) -> [usize; SERIES] {
    let pairs = [
        ("namespace", &counter.namespace),
        ("service", &counter.service),
        ("pod", &counter.pod),
        ("rollouts_pod_template_hash", &counter.rollouts_hash),
        ("pod_template_hash", &counter.deployment_hash),
    ];
    let pod: Labels = pairs
        .map(|(name, value)| (name, value.as_str()))
        .into_iter()
        .collect();
    let requests = pod.with(NAME, "http_requests_total");
    let duration = |suffix: &str| pod.with(NAME, &format!("http_request_duration_seconds_{suffix}"));
    let bucket = duration("bucket");
    let bounds: Vec<Arc<str>> = BOUNDS_S.iter().map(|bound| bound.to_string().into()).collect();
    let all = [requests.with("code", "200"), requests.with("code", "500")]
        .into_iter()
        .chain(bounds.iter().map(|bound| bucket.with("le", bound)))
        .chain([bucket.with("le", "+Inf"), duration("sum"), duration("count")]);
    let mut ids = [0; SERIES];
    for (id, labels) in ids.iter_mut().zip(all) {
        *id = series.id(&labels);
    }
    ids
}

/// In the order of [`make_series`].
fn values(reported: &Reported) -> impl Iterator<Item = f64> {
    [reported.good, reported.errors]
        .into_iter()
        .chain(reported.buckets)
        .chain([reported.count, reported.seconds, reported.count])
}
