//! Measurements that are Jobs: the shell begins them, they stay open in the status until the Job has ended, and they end here.
//!
//! The name of a Job says which measurement it is, so one that was begun twice is one. Knows what the API server says of a Job, not
//! what runs in it.

use super::{Finished, Probe, RunObserved, Target, fold};
use crate::api::analysis::{JobMetric, Metric};
use crate::api::analysis_run::{AnalysisRunStatus, Measurement, MetricResult, completed};
use crate::base::gotime::Time;
use crate::base::limits::{JOB_UNSEEN_SECONDS_MAX, STATUS_MESSAGE_CHARS_MAX, clip};
use crate::base::names::annotation;
use crate::base::object::{Kind, Meta};
use crate::plan::{Action, Guard, Verb};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

/// Metadata of a measurement: which Job it is.
pub const JOB_NAME: &str = "job-name";
pub const JOB_NAMESPACE: &str = "job-namespace";

/// The part of a Job that decisions read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    pub metadata: Meta,
    /// Absent while it runs.
    pub end: Option<End>,
    /// Why one of its pods cannot start.
    pub stuck: Option<String>,
}

/// The part of a Job's pod that decisions read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPod {
    pub stuck: Option<String>,
}

impl JobPod {
    /// Why the pod cannot start: an image that cannot be had. A Job would wait for it for ever.
    pub fn stuck_in(pod: &Value) -> Option<String> {
        const REASONS: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"];
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let containers = lists.iter().filter_map(|list| pod.pointer(list)?.as_array());
        let stuck = |container: &Value| {
            let waiting = &container["state"]["waiting"];
            let reason = waiting["reason"]
                .as_str()
                .filter(|reason| REASONS.contains(reason))?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (pod, name) = (text(&pod["metadata"]["name"]), text(&container["name"]));
            let said = text(&waiting["message"]);
            let said = if said.is_empty() {
                said
            } else {
                format!(": {said}")
            };
            Some(format!(
                "pod \"{pod}\" waits for the image of container \"{name}\": {reason}{said}"
            ))
        };
        containers.flatten().find_map(stuck)
    }
}

/// How a Job ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    pub good: bool,
    /// Why it failed.
    pub message: String,
}

impl Job {
    /// The end that a Job's status tells of.
    pub fn end_in(status: &Value) -> Option<End> {
        let conditions = status["conditions"].as_array()?;
        let is = |type_: &str| {
            let holds = |condition: &&Value| condition["type"] == type_ && condition["status"] == "True";
            conditions.iter().find(holds)
        };
        if is("Complete").is_some() {
            return Some(End {
                good: true,
                message: String::new(),
            });
        }
        let failed = is("Failed")?;
        let text = |field: &str| failed[field].as_str().unwrap_or_default();
        let parts = [text("reason"), text("message")];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Some(End {
            good: false,
            message: parts.join(": "),
        })
    }
}

/// The Job that a probe begins, if it is one.
pub fn job_of(probe: &Probe) -> Option<JobMetric> {
    Metric::deserialize(&probe.spec).ok()?.provider.job
}

/// Which measurement of the metric comes next, counted from 1: the ones that counted, and those that erred.
pub fn attempt(status: &AnalysisRunStatus, metric: &str) -> i32 {
    let result = status.metric_results.iter().find(|result| result.name == metric);
    let number = |number: Option<i32>| number.unwrap_or(0);
    let before = result.map_or(0, |result| {
        number(result.count).saturating_add(number(result.error))
    });
    before.saturating_add(1)
}

/// Whether this measurement is the one that `begun` began.
pub fn is_begun(measurement: &Measurement, begun: &Finished) -> bool {
    let Ok(reading) = &begun.reading else {
        return false;
    };
    let name = reading.metadata.get(JOB_NAME);
    reading.begun && name.is_some() && measurement.metadata.get(JOB_NAME) == name
}

/// The measurement of a Job that has not ended, going by the status.
pub fn open<'r>(target: &Target, result: &'r MetricResult) -> Option<&'r Measurement> {
    let last = result.measurements.last()?;
    let open =
        last.finished_at.is_none() && !completed(&result.phase) && last.metadata.contains_key(JOB_NAME);
    (open && target.metric.provider.job.is_some()).then_some(last)
}

/// Until when a Job that is not seen may be on its way; `None` when it is seen, or nobody can look.
pub fn unseen_until(seen: &RunObserved, measurement: &Measurement) -> Option<DateTime<Utc>> {
    let jobs = seen.jobs.as_ref()?;
    let name = measurement.metadata.get(JOB_NAME)?;
    if jobs.iter().any(|job| job.metadata.name == *name) {
        return None;
    }
    let began = measurement.started_at?.get();
    Some(began + TimeDelta::seconds(JOB_UNSEEN_SECONDS_MAX))
}

/// Ends the measurements whose Jobs have ended, or are gone.
pub fn end(status: &mut AnalysisRunStatus, targets: &[Target], seen: &RunObserved, now: Time) {
    for result in &mut status.metric_results {
        let Some(target) = targets.iter().find(|target| target.metric.name == result.name) else {
            continue;
        };
        let Some((phase, message)) = open(target, result).and_then(|open| outcome(seen, open, now)) else {
            continue;
        };
        if let Some(last) = result.measurements.last_mut() {
            last.phase = phase.into();
            last.message = clip(&message, STATUS_MESSAGE_CHARS_MAX);
            last.finished_at = Some(now);
            last.resume_at = None;
        }
        fold::count(result, phase);
    }
}

fn outcome(seen: &RunObserved, open: &Measurement, now: Time) -> Option<(&'static str, String)> {
    let name = open.metadata.get(JOB_NAME)?;
    if let Some(until) = unseen_until(seen, open) {
        let gone = || {
            (
                "Error",
                format!("job.batch \"{name}\" not found: it was deleted before it ended"),
            )
        };
        return (until <= now.get()).then(gone);
    }
    let job = seen
        .jobs
        .as_ref()?
        .iter()
        .find(|job| job.metadata.name == *name)?;
    let Some(end) = &job.end else {
        return job.stuck.clone().map(|why| ("Inconclusive", why));
    };
    Some((
        if end.good { "Successful" } else { "Failed" },
        end.message.clone(),
    ))
}

/// Deletes the Jobs that still run: nobody waits for them any more.
pub fn stop(seen: &RunObserved) -> Vec<Action> {
    let jobs = seen.jobs.iter().flatten();
    jobs.filter(|job| job.end.is_none()).filter_map(delete).collect()
}

/// Deletes the oldest ended Jobs of each metric beyond the measurements that are kept.
pub fn surplus(seen: &RunObserved, targets: &[Target]) -> Vec<Action> {
    let mut deletes = Vec::new();
    for target in targets
        .iter()
        .filter(|target| target.metric.provider.job.is_some())
    {
        let of_metric = |job: &&Job| {
            let metric = job.metadata.annotation(annotation::RUN_METRIC);
            job.end.is_some() && metric == Some(&target.metric.name)
        };
        let mut ended: Vec<&Job> = seen.jobs.iter().flatten().filter(of_metric).collect();
        ended.sort_by_key(|job| (job.metadata.creation_timestamp, job.metadata.name.clone()));
        let surplus = ended.len().saturating_sub(target.kept);
        deletes.extend(ended[..surplus].iter().copied().filter_map(delete));
    }
    deletes
}

fn delete(job: &Job) -> Option<Action> {
    let metadata = &job.metadata;
    (!metadata.deleting()).then(|| Action {
        verb: Verb::Delete,
        kind: Kind::Job,
        key: metadata.key(),
        guard: Guard::Seen {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
        },
        body: Value::Null,
    })
}

#[cfg(test)]
mod tests;
