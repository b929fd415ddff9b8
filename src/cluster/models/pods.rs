//! What a pod does over time, as a function of what it says and of the clock: no cluster, no watch, no IO. The
//! same rules serve against a real API server and inside a cluster in memory.
//!
//! The image tag chooses the behaviour, because a release is an image tag:
//!
//! | tag starts with | the pod |
//! |---|---|
//! | `bad` | runs and never becomes ready |
//! | `crash` | starts, exits with 1, starts again: `CrashLoopBackOff` with a rising restart count |
//! | `nopull` | waits with `ErrImagePull` |
//! | anything else | is ready after `readinessProbe.initialDelaySeconds`, or the model's default |
//!
//! A pod that need not run for ever (`restartPolicy` other than `Always`: a Job's) runs the `sleep N` and
//! `exit M` of its command and arguments.

pub mod status;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// The default pace of pods. Short, because every test waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From running to ready, where the pod does not say.
    pub ready_after: TimeDelta,
    /// The longest termination that is played, whatever the pod's grace period.
    pub terminate_within: TimeDelta,
    /// Until the first crash; each next one takes twice as long, up to `crash_every_max`.
    pub crash_after: TimeDelta,
    pub crash_every_max: TimeDelta,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ready_after: TimeDelta::milliseconds(300),
            terminate_within: TimeDelta::milliseconds(1_000),
            crash_after: TimeDelta::milliseconds(500),
            crash_every_max: TimeDelta::seconds(8),
        }
    }
}

/// What the model reads of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub bound: bool,
    pub behaviour: Behaviour,
    /// `initialDelaySeconds` of the slowest readiness probe.
    pub ready_after: Option<TimeDelta>,
    /// Whether every readiness gate's condition is true. The model never sets one.
    pub gates_open: bool,
    /// The grace period of a pod that is being deleted.
    pub deleting: Option<TimeDelta>,
    /// Whether the pod has ended (`Succeeded`, `Failed`): nothing happens to it any more.
    pub ended: bool,
}

/// What kind of program the pod runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    Serve,
    NeverReady,
    Crash,
    NoImage,
    /// Is ready for half of the period and not ready for the other half, from the moment it would be ready.
    Flap {
        period: TimeDelta,
    },
    /// Serves for a time, crashes, is away for as long as a crashed container waits, and serves again.
    CrashAfter {
        time: TimeDelta,
    },
    /// Runs for a time and ends with a code.
    Finish {
        after: TimeDelta,
        code: i32,
    },
}

/// What only the model knows: pods carry times in whole seconds, which is too coarse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When its containers start; may lie ahead.
    pub started: DateTime<Utc>,
    pub deleted: Option<DateTime<Utc>>,
}

/// What a pod should look like now.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Not bound to a node yet: bind it.
    Unbound,
    /// Bound, and its containers do not run yet.
    Starting,
    NoImage,
    /// Its containers run and are not ready.
    Running,
    /// The containers are ready since then; the pod is too if its gates are open.
    Ready {
        since: DateTime<Utc>,
        gates_open: bool,
    },
    /// Its containers ended for the `restarts`th time at `since` and wait to be started again.
    Crashing {
        restarts: i32,
        since: DateTime<Utc>,
    },
    Finished {
        code: i32,
    },
    /// Nothing left to do but to delete it.
    Gone,
    /// As it is: it has ended, or is being ended.
    Unchanged,
}

/// What to show now, and when to look again though nothing has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    pub look: Look,
    pub again: Option<DateTime<Utc>>,
}

/// The whole model.
pub fn next(facts: &Facts, life: Life, pace: Pace, now: DateTime<Utc>) -> Next {
    if let Some(grace) = facts.deleting {
        let end = life.deleted.unwrap_or(now) + grace.min(pace.terminate_within);
        return if now >= end {
            Next::rest(Look::Gone)
        } else {
            Next::until(Look::Unchanged, end)
        };
    }
    if facts.ended {
        return Next::rest(Look::Unchanged);
    }
    if !facts.bound {
        return Next::rest(Look::Unbound);
    }
    if now < life.started {
        return Next::until(Look::Starting, life.started);
    }
    let ready_after = facts.ready_after.unwrap_or(pace.ready_after);
    match facts.behaviour {
        Behaviour::NoImage => Next::rest(Look::NoImage),
        Behaviour::NeverReady => Next::rest(Look::Running),
        Behaviour::Crash => crashing(life.started, pace, now),
        Behaviour::Finish { after, code } => finishing(life.started + after, code, now),
        Behaviour::Serve => serving(facts, life.started + ready_after, now),
        Behaviour::Flap { period } => flapping(facts, life.started + ready_after, period, now),
        Behaviour::CrashAfter { time } => crashing_at_times(facts, life.started, time, pace, now),
    }
}

fn serving(facts: &Facts, since: DateTime<Utc>, now: DateTime<Utc>) -> Next {
    if now < since {
        return Next::until(Look::Running, since);
    }
    Next::rest(Look::Ready {
        since,
        gates_open: facts.gates_open,
    })
}

fn flapping(facts: &Facts, first: DateTime<Utc>, period: TimeDelta, now: DateTime<Utc>) -> Next {
    if now < first {
        return Next::until(Look::Running, first);
    }
    let half_ms = (period.num_milliseconds() / 2).max(1);
    let halves = (now - first).num_milliseconds() / half_ms;
    let since = first + TimeDelta::milliseconds(halves * half_ms);
    let end = since + TimeDelta::milliseconds(half_ms);
    let mut next = if halves % 2 == 0 {
        serving(facts, since, now)
    } else {
        Next::rest(Look::Running)
    };
    next.again = Some(end);
    next
}

impl Next {
    fn rest(look: Look) -> Self {
        Self { look, again: None }
    }

    fn until(look: Look, again: DateTime<Utc>) -> Self {
        Self {
            look,
            again: Some(again),
        }
    }
}

fn finishing(end: DateTime<Utc>, code: i32, now: DateTime<Utc>) -> Next {
    if now >= end {
        Next::rest(Look::Finished { code })
    } else {
        Next::until(Look::Running, end)
    }
}

fn crashing(started: DateTime<Utc>, pace: Pace, now: DateTime<Utc>) -> Next {
    let (mut restarts, mut wait, mut next) = (0, pace.crash_after, started + pace.crash_after);
    let mut since = started;
    while now >= next {
        restarts += 1;
        wait = (wait * 2)
            .min(pace.crash_every_max)
            .max(TimeDelta::milliseconds(1));
        (since, next) = (next, next + wait);
    }
    let look = if restarts == 0 {
        Look::Running
    } else {
        Look::Crashing { restarts, since }
    };
    Next::until(look, next)
}

fn crashing_at_times(
    facts: &Facts,
    started: DateTime<Utc>,
    time: TimeDelta,
    pace: Pace,
    now: DateTime<Utc>,
) -> Next {
    let least = TimeDelta::milliseconds(1);
    let (time, mut begin, mut wait, mut restarts) =
        (time.max(least), started, pace.crash_after.max(least), 0);
    loop {
        let end = begin + time;
        if now < end {
            let ready_after = facts.ready_after.unwrap_or(pace.ready_after);
            let mut next = serving(facts, begin + ready_after, now);
            next.again = Some(next.again.map_or(end, |at| at.min(end)));
            return next;
        }
        restarts += 1;
        if now < end + wait {
            let look = Look::Crashing { restarts, since: end };
            return Next::until(look, end + wait);
        }
        begin = end + wait;
        wait = (wait * 2).min(pace.crash_every_max).max(least);
    }
}

impl Facts {
    /// Reads a pod in its JSON form.
    pub fn of(pod: &Value) -> Self {
        let spec = &pod["spec"];
        let containers: &[Value] = spec["containers"].as_array().map_or(&[], Vec::as_slice);
        let probes = containers
            .iter()
            .filter_map(|one| one["readinessProbe"]["initialDelaySeconds"].as_i64());
        let deleting = pod["metadata"]["deletionTimestamp"].is_string();
        let grace = pod["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or_default();
        Self {
            bound: spec["nodeName"].as_str().is_some_and(|node| !node.is_empty()),
            behaviour: Behaviour::of(spec, containers),
            ready_after: probes
                .max()
                .filter(|&seconds| seconds > 0)
                .map(TimeDelta::seconds),
            gates_open: gates_open(pod),
            deleting: deleting.then(|| TimeDelta::seconds(grace)),
            ended: matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")),
        }
    }
}

fn gates_open(pod: &Value) -> bool {
    let gates = pod["spec"]["readinessGates"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let conditions = pod["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    gates.iter().all(|gate| {
        conditions
            .iter()
            .any(|one| one["type"] == gate["conditionType"] && one["status"] == "True")
    })
}

impl Behaviour {
    fn of(spec: &Value, containers: &[Value]) -> Self {
        let tags: Vec<&str> = containers
            .iter()
            .filter_map(|one| Some(image_tag(one["image"].as_str()?)))
            .collect();
        let any = |prefix: &str| tags.iter().any(|tag| tag.starts_with(prefix));
        if any("nopull") {
            return Self::NoImage;
        }
        if any("crash") {
            return Self::Crash;
        }
        if !matches!(spec["restartPolicy"].as_str(), None | Some("Always")) {
            return Self::script(spec, containers);
        }
        if any("bad") { Self::NeverReady } else { Self::Serve }
    }

    /// A failing program under `OnFailure` is started again and again, as a kubelet does.
    fn script(spec: &Value, containers: &[Value]) -> Self {
        let words = containers.iter().flat_map(|one| {
            let lists =
                [&one["command"], &one["args"]].map(|list| list.as_array().cloned().unwrap_or_default());
            lists
                .into_iter()
                .flatten()
                .filter_map(|word| word.as_str().map(str::to_owned))
        });
        let (after, code) = parse_script(&words.collect::<Vec<_>>().join(" "));
        if code != 0 && spec["restartPolicy"] == "OnFailure" {
            Self::Crash
        } else {
            Self::Finish { after, code }
        }
    }
}

/// How long `sleep N; exit M` takes and how it ends. Everything else in a script takes no time.
pub fn parse_script(script: &str) -> (TimeDelta, i32) {
    let words: Vec<&str> = script
        .split([' ', ';', '&', '\n', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = || {
        words
            .windows(2)
            .map(|pair| (pair[0], pair[1].trim_end_matches('s')))
    };
    let sleeps = pairs()
        .filter(|(word, _)| *word == "sleep")
        .filter_map(|(_, time)| time.parse::<f64>().ok());
    let seconds: f64 = sleeps.sum();
    let code = pairs()
        .find(|(word, _)| *word == "exit")
        .and_then(|(_, code)| code.parse().ok())
        .unwrap_or(0);
    (TimeDelta::milliseconds((seconds * 1_000.0) as i64), code)
}

/// The tag of an image name; empty without one.
pub fn image_tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests;
