//! The tree of a rollout: its revisions, beneath them ReplicaSets with their pods and AnalysisRuns with their metrics.
//!
//! Rows carry facts and the symbols that Argo Rollouts' users know; how wide a column is and what the time is, the text
//! decides.

use crate::api::analysis_run::{AnalysisRun, MetricResult};
use crate::api::phase::client_phase;
use crate::api::rollout::Rollout;
use crate::base::gotime::Time;
use crate::plan::ReplicaSet;
use crate::view::metrics;
use crate::view::pod::Pod;
use chrono::{DateTime, Utc};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Everything that belongs to one Rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub rollout: Rollout,
    pub replica_sets: Vec<ReplicaSet>,
    pub pods: Vec<Pod>,
    pub runs: Vec<AnalysisRun>,
}

/// One line of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// 0 for the rollout itself.
    pub depth: usize,
    /// Symbol of the kind and name.
    pub name: String,
    pub kind: &'static str,
    /// Symbol and word; empty for a revision.
    pub status: String,
    /// When the object was created; the text turns it into an age.
    pub since: Option<Time>,
    pub info: Vec<String>,
}

/// The symbol for a phase, a health or a pod's state.
pub fn symbol(state: &str) -> &'static str {
    match state {
        "Healthy" | "Successful" | "Running" | "Completed" => "✔",
        "Degraded" | "Failed" | "InvalidImageName" | "CrashLoopBackOff" | "OOMKilled" => "✖",
        "Paused" => "॥",
        "Pending" | "Progressing" | "Terminating" | "ContainerCreating" | "PodInitializing" => "◌",
        "ScaledDown" => "•",
        "Inconclusive" | "Unknown" => "?",
        "Error" | "ReplicaFailure" | "RegistryUnavailable" => "⚠",
        _ if state.starts_with("Signal:") || state.starts_with("ExitCode:") => "✖",
        _ if state.contains("Err") || state == "ImagePullBackOff" => "⚠",
        _ if state.starts_with("Init:") => "◌",
        _ => " ",
    }
}

/// The symbol of an analysis, for which `Running` is not the end.
fn analysis_symbol(phase: &str) -> &'static str {
    match phase {
        "" | "Pending" => "◷",
        "Running" => "◌",
        metrics::STOPPED => "⏹",
        _ => symbol(phase),
    }
}

/// What a ReplicaSet is to the rollout: `stable`, `canary`, `active`, `preview`.
pub fn roles(rollout: &Rollout, replica_set: &ReplicaSet) -> Vec<&'static str> {
    let (status, hash) = (&rollout.status, replica_set.hash());
    if hash.is_empty() {
        return Vec::new();
    }
    let stable = hash == status.stable_rs;
    let mut roles = Vec::from(if stable { &["stable"][..] } else { &[] });
    let canary = rollout.spec.strategy.canary.is_some();
    if canary && !stable && hash == status.current_pod_hash {
        roles.push("canary");
    } else if hash == status.blue_green.active_selector {
        roles.push("active");
    } else if hash == status.blue_green.preview_selector {
        roles.push("preview");
    }
    roles
}

/// The rows of the tree, newest revision first.
pub fn rows(family: &Family, now: DateTime<Utc>) -> Vec<Row> {
    let meta = &family.rollout.metadata;
    let (phase, _) = client_phase(&family.rollout, now);
    let mut rows = vec![Row {
        name: format!("⟳ {}", meta.name),
        kind: "Rollout",
        status: format!("{} {phase}", symbol(phase)),
        since: meta.creation_timestamp,
        ..Row::default()
    }];
    for revision in revisions(family).into_iter().rev() {
        rows.push(Row {
            depth: 1,
            name: format!("# revision:{revision}"),
            ..Row::default()
        });
        rows.extend(replica_set_rows(family, revision, now));
        rows.extend(run_rows(family, revision));
    }
    rows
}

fn revisions(family: &Family) -> BTreeSet<i64> {
    let of_sets = family.replica_sets.iter().map(|rs| rs.metadata.revision());
    of_sets
        .chain(family.runs.iter().map(|run| run.metadata.revision()))
        .collect()
}

fn replica_set_rows(family: &Family, revision: i64, now: DateTime<Utc>) -> Vec<Row> {
    let mut sets: Vec<_> = family
        .replica_sets
        .iter()
        .filter(|rs| rs.metadata.revision() == revision)
        .collect();
    sets.sort_by_key(|rs| rs.name());
    let mut rows = Vec::new();
    for rs in sets {
        let health = health(rs);
        let mut info: Vec<String> = roles(&family.rollout, rs)
            .into_iter()
            .map(str::to_owned)
            .collect();
        info.extend(delay(rs, now));
        rows.push(Row {
            depth: 2,
            name: format!("⧉ {}", rs.name()),
            kind: "ReplicaSet",
            status: format!("{} {health}", symbol(health)),
            since: rs.metadata.creation_timestamp,
            info,
        });
        rows.extend(pod_rows(family, &rs.metadata.uid));
    }
    rows
}

fn health(rs: &ReplicaSet) -> &'static str {
    if rs.failure.is_some() {
        "ReplicaFailure"
    } else if rs.observed_generation < rs.metadata.generation || rs.available < rs.replicas_desired {
        "Progressing"
    } else if rs.replicas_desired == 0 {
        "ScaledDown"
    } else {
        "Healthy"
    }
}

/// How long the ReplicaSet is kept although nothing needs it any more.
fn delay(rs: &ReplicaSet, now: DateTime<Utc>) -> Option<String> {
    let left = rs.scale_down_deadline()?.get() - now;
    if rs.replicas_desired == 0 {
        return None;
    }
    Some(match left.num_seconds() {
        1.. => format!("delay:{}", crate::view::text::age(left)),
        _ => "delay:passed".to_owned(),
    })
}

fn pod_rows(family: &Family, owner: &str) -> Vec<Row> {
    let mut pods: Vec<_> = family.pods.iter().filter(|pod| pod.owner == owner).collect();
    pods.sort_by_key(|pod| (pod.created, &pod.name));
    let row = |pod: &&Pod| {
        let mut info = vec![format!("ready:{}/{}", pod.ready, pod.containers)];
        info.extend((pod.restarts > 0).then(|| format!("restarts:{}", pod.restarts)));
        Row {
            depth: 3,
            name: format!("□ {}", pod.name),
            kind: "Pod",
            status: format!("{} {}", symbol(&pod.state), pod.state),
            since: pod.created,
            info,
        }
    };
    pods.iter().map(row).collect()
}

fn run_rows(family: &Family, revision: i64) -> Vec<Row> {
    let mut runs: Vec<_> = family
        .runs
        .iter()
        .filter(|run| run.metadata.revision() == revision)
        .collect();
    runs.sort_by_key(|run| (Reverse(run.metadata.creation_timestamp), &run.metadata.name));
    let mut rows = Vec::new();
    for run in runs {
        rows.push(Row {
            depth: 2,
            name: format!("α {}", run.metadata.name),
            kind: "AnalysisRun",
            status: format!("{} {}", analysis_symbol(&run.status.phase), run.status.phase),
            since: run.metadata.creation_timestamp,
            info: counts(&run.status.metric_results),
        });
        rows.extend(metrics::lines(run).iter().map(metric_row));
    }
    rows
}

fn counts(results: &[MetricResult]) -> Vec<String> {
    let sum = |of: fn(&MetricResult) -> Option<i32>| results.iter().filter_map(of).sum::<i32>();
    let sums = [
        ("✔", sum(|r| r.successful)),
        ("✖", sum(|r| r.failed)),
        ("?", sum(|r| r.inconclusive)),
        ("⚠", sum(|r| r.error)),
    ];
    let counted = sums.into_iter().filter(|(_, count)| *count > 0);
    counted
        .map(|(symbol, count)| format!("{symbol} {count}"))
        .collect()
}

fn metric_row(line: &metrics::MetricLine) -> Row {
    let mut info = Vec::new();
    info.extend((!line.value.is_empty()).then(|| format!("value {}", line.value)));
    info.extend((!line.threshold.is_empty()).then(|| line.threshold.clone()));
    info.extend(line.stable.as_ref().map(|value| format!("stable {value}")));
    info.extend(line.dry_run.then(|| "dry run".to_owned()));
    let phase = if line.phase.is_empty() {
        "Pending"
    } else {
        &line.phase
    };
    Row {
        depth: 3,
        name: format!("∿ {}", line.name),
        kind: "Metric",
        status: format!("{} {phase}", analysis_symbol(phase)),
        since: None,
        info: Vec::from_iter((!info.is_empty()).then(|| info.join(", "))),
    }
}
