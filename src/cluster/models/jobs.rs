//! The Job controller: pods that run to their end, again after a failure, until enough have succeeded or too many failed.
//!
//! Real: parallelism, completions, backoff between failures and its limit, the deadline, suspension, the time to live,
//! the conditions in their order. Absent: indexed Jobs, failure and success policies, the finalizers by which the real
//! controller counts pods that somebody deletes (such a pod is made again and not counted).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::replica_sets::pod_of;
use super::{Models, Task, reading, writes};
use crate::cluster::store::Key;
use crate::cluster::world::World;

const BACKOFF: TimeDelta = TimeDelta::seconds(10);
const BACKOFF_MAX: TimeDelta = TimeDelta::minutes(10);

/// The pods of a Job, by what became of them.
#[derive(Default)]
struct Tally {
    active: Vec<(Key, Arc<Value>)>,
    terminating: usize,
    ready: usize,
    succeeded: i64,
    failed: i64,
    restarts: i64,
    last_failure: Option<DateTime<Utc>>,
}

impl Models {
    pub(super) fn sync_job(&mut self, world: &mut World, key: &Key, now: DateTime<Utc>) {
        if self.switches.jobs_paused {
            return;
        }
        let Some(job) = world.store.get(key).cloned() else {
            self.refusals.remove(key);
            return;
        };
        if reading::deleting(&job) {
            return;
        }
        if let Some(end) = ended_at(&job) {
            self.expire(world, key, &job, end, now);
            return;
        }
        let tally = self.tally(world, &job);
        let mut status = job["status"].clone();
        if status["startTime"].is_null() && job["spec"]["suspend"] != true {
            status["startTime"] = reading::stamp(now);
        }
        let verdict = match pending(&job) {
            Some(known) => Some(known),
            None => self.judge_job(key, &job["spec"], &status, &tally, now),
        };
        if verdict.is_some() || job["spec"]["suspend"] == true {
            for (pod, _) in &tally.active {
                writes::delete(world, pod, &Value::Null);
            }
        } else {
            self.fill_job(world, key, &job, &tally, now);
        }
        // The end is told when the last pod has gone.
        let over = tally.active.is_empty() && tally.terminating == 0;
        count(&mut status, &tally);
        if let Some((good, reason, message)) = verdict {
            conclude(&mut status, good, &reason, &message, over, now);
            if over {
                // Its time to live begins.
                self.agenda.add(Task::Job(key.clone()), now);
            }
        }
        self.write_status(world, key, status);
    }

    fn tally(&self, world: &World, job: &Value) -> Tally {
        let mut tally = Tally::default();
        let uid = reading::uid(job);
        let pods = self.index.children(uid).filter(|key| &*key.resource == "pods");
        for (key, pod) in pods.filter_map(|key| Some((key, world.store.get(key)?))) {
            if reading::controller(pod) != Some(uid) {
                continue;
            }
            tally.restarts += reading::restarts(pod);
            match pod["status"]["phase"].as_str() {
                Some("Succeeded") => tally.succeeded += 1,
                Some("Failed") => {
                    tally.failed += 1;
                    tally.last_failure = tally.last_failure.max(finished_at(pod));
                }
                _ if reading::deleting(pod) => tally.terminating += 1,
                _ => {
                    tally.ready += usize::from(reading::ready_since(pod).is_some());
                    tally.active.push((key.clone(), Arc::clone(pod)));
                }
            }
        }
        tally.succeeded = tally
            .succeeded
            .max(job["status"]["succeeded"].as_i64().unwrap_or(0));
        tally.failed = tally.failed.max(job["status"]["failed"].as_i64().unwrap_or(0));
        tally
    }

    /// Whether the Job has come to an end: well or not, with reason and message.
    fn judge_job(
        &mut self,
        key: &Key,
        spec: &Value,
        status: &Value,
        tally: &Tally,
        now: DateTime<Utc>,
    ) -> Option<(bool, String, String)> {
        let verdict = |good, reason: &str, message: &str| Some((good, reason.to_owned(), message.to_owned()));
        let limit = spec["backoffLimit"].as_i64().unwrap_or(6);
        let restarted =
            spec["template"]["spec"]["restartPolicy"] == "OnFailure" && tally.restarts >= limit.max(1);
        if tally.failed > limit || restarted {
            return verdict(
                false,
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            );
        }
        let started = reading::time(&status["startTime"]);
        if let (Some(seconds), Some(started)) = (spec["activeDeadlineSeconds"].as_i64(), started) {
            let deadline = started + TimeDelta::seconds(seconds);
            if now >= deadline {
                return verdict(
                    false,
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline",
                );
            }
            self.agenda.add(Task::Job(key.clone()), deadline);
        }
        if tally.succeeded >= spec["completions"].as_i64().unwrap_or(1) {
            return verdict(
                true,
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            );
        }
        None
    }

    /// Makes the pods that are missing and deletes those that are too many.
    fn fill_job(&mut self, world: &mut World, key: &Key, job: &Value, tally: &Tally, now: DateTime<Utc>) {
        let spec = &job["spec"];
        let left = spec["completions"].as_i64().unwrap_or(1) - tally.succeeded;
        let wanted = spec["parallelism"].as_i64().unwrap_or(1).min(left);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        for (pod, _) in tally.active.iter().skip(wanted) {
            writes::delete(world, pod, &Value::Null);
        }
        if let Some(last) = tally.last_failure {
            let times = 1_i32 << (tally.failed - 1).clamp(0, 20);
            let again = last + (BACKOFF * times).min(BACKOFF_MAX);
            if now < again {
                self.agenda.add(Task::Job(key.clone()), again);
                return;
            }
        }
        for _ in tally.active.len()..wanted {
            let pod = pod_of(job, &spec["template"], "batch/v1", "Job");
            if self.create_pod(world, &key.namespace, pod, now).is_err() {
                let wait = self.after_refusal(key);
                self.agenda.add(Task::Job(key.clone()), now + wait);
                return;
            }
        }
        self.refusals.remove(key);
    }

    /// Deletes a Job that ended long enough ago.
    fn expire(&mut self, world: &mut World, key: &Key, job: &Value, end: DateTime<Utc>, now: DateTime<Utc>) {
        let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else {
            return;
        };
        let at = end + TimeDelta::seconds(seconds);
        if now >= at {
            writes::delete_by(world, key, "Foreground");
        } else {
            self.agenda.add(Task::Job(key.clone()), at);
        }
    }
}

fn condition_since(job: &Value, kind: &str) -> Option<DateTime<Utc>> {
    let condition = reading::condition(job, kind).filter(|one| one["status"] == "True")?;
    reading::time(&condition["lastTransitionTime"])
}

/// When the Job ended, if it has.
fn ended_at(job: &Value) -> Option<DateTime<Utc>> {
    condition_since(job, "Complete").or_else(|| condition_since(job, "Failed"))
}

/// The verdict that was told and waits for the last pods.
fn pending(job: &Value) -> Option<(bool, String, String)> {
    [("SuccessCriteriaMet", true), ("FailureTarget", false)]
        .into_iter()
        .find_map(|(kind, good)| {
            let condition = reading::condition(job, kind)?;
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            Some((good, text("reason"), text("message")))
        })
}

fn finished_at(pod: &Value) -> Option<DateTime<Utc>> {
    let containers = reading::list(&pod["status"]["containerStatuses"]).iter();
    containers
        .filter_map(|one| reading::time(&one["state"]["terminated"]["finishedAt"]))
        .max()
}

fn count(status: &mut Value, tally: &Tally) {
    status["ready"] = tally.ready.into();
    status["terminating"] = tally.terminating.into();
    status["uncountedTerminatedPods"] = json!({});
    let active = i64::try_from(tally.active.len()).unwrap_or(0);
    for (field, count) in [
        ("active", active),
        ("succeeded", tally.succeeded),
        ("failed", tally.failed),
    ] {
        if count > 0 {
            status[field] = count.into();
        } else if let Value::Object(fields) = status {
            fields.remove(field);
        }
    }
}

fn conclude(status: &mut Value, good: bool, reason: &str, message: &str, over: bool, now: DateTime<Utc>) {
    let (first, last) = if good {
        ("SuccessCriteriaMet", "Complete")
    } else {
        ("FailureTarget", "Failed")
    };
    let told = reading::list(&status["conditions"])
        .iter()
        .any(|one| one["type"] == first);
    let stamp = reading::stamp(now);
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": stamp, "lastTransitionTime": stamp})
    };
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(list) = status["conditions"].as_array_mut() else {
        return;
    };
    if !told {
        list.push(condition(first));
    }
    if over {
        list.push(condition(last));
        if good {
            status["completionTime"] = stamp;
        }
    }
}
