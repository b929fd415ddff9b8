//! The plain text of a rollout: header, tree, ages. One string per line, no terminal codes.

use crate::api::phase::client_phase;
use crate::api::template;
use crate::view::canary;
use crate::view::tree::{self, Family, Row};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// The whole of `serin get`.
pub fn lines(family: &Family, now: DateTime<Utc>) -> Vec<String> {
    let mut lines = header(family, now);
    lines.push(String::new());
    lines.extend(table(&tree::rows(family, now), now));
    lines
}

fn field(name: &str, value: impl ToString) -> String {
    format!("{name:<17}{}", value.to_string()).trim_end().to_owned()
}

fn header(family: &Family, now: DateTime<Utc>) -> Vec<String> {
    let rollout = &family.rollout;
    let (phase, message) = client_phase(rollout, now);
    let mut lines = vec![
        field("Name:", &rollout.metadata.name),
        field("Namespace:", &rollout.metadata.namespace),
        field("Status:", format!("{} {phase}", tree::symbol(phase))),
    ];
    lines.extend((!message.is_empty()).then(|| field("Message:", &message)));
    lines.extend(strategy(family));
    lines.extend(images(family));
    let status = &rollout.status;
    lines.push(field("Replicas:", ""));
    let counts = [
        ("  Desired:", Some(rollout.spec.replicas.unwrap_or(1))),
        ("  Current:", status.replicas),
        ("  Updated:", status.updated_replicas),
        ("  Ready:", status.ready_replicas),
        ("  Available:", status.available_replicas),
    ];
    lines.extend(counts.map(|(name, count)| field(name, count.unwrap_or(0))));
    lines
}

fn strategy(family: &Family) -> Vec<String> {
    let rollout = &family.rollout;
    if rollout.spec.strategy.canary.is_none() {
        let mut lines = vec![field("Strategy:", "BlueGreen")];
        lines.extend(canary::switch(rollout).map(|switch| field("  Switch:", switch)));
        return lines;
    }
    let step = canary::step(rollout).map(|(index, count)| format!("{index}/{count}"));
    vec![
        field("Strategy:", "Canary"),
        field("  Step:", step.unwrap_or_default()),
        field("  SetWeight:", canary::weight_wanted(rollout)),
        field(
            "  ActualWeight:",
            canary::weight_actual(rollout, &family.replica_sets),
        ),
    ]
}

/// Images that run somewhere, each with what its ReplicaSets are to the rollout.
fn images(family: &Family) -> Vec<String> {
    let mut roles: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for rs in family.replica_sets.iter().filter(|rs| rs.replicas > 0) {
        for (_, image) in template::images(&rs.template_json()) {
            roles
                .entry(image)
                .or_default()
                .extend(tree::roles(&family.rollout, rs));
        }
    }
    let titles = std::iter::once("Images:").chain(std::iter::repeat(""));
    let line = |(title, (image, roles)): (&str, (String, BTreeSet<&str>))| {
        let roles: Vec<_> = roles.into_iter().collect();
        let roles = if roles.is_empty() {
            String::new()
        } else {
            format!(" ({})", roles.join(", "))
        };
        field(title, format!("{image}{roles}"))
    };
    titles.zip(roles).map(line).collect()
}

/// The rows as columns, each as wide as its widest cell.
fn table(rows: &[Row], now: DateTime<Utc>) -> Vec<String> {
    let titles = ["NAME", "KIND", "STATUS", "AGE", "INFO"].map(str::to_owned);
    let mut cells = vec![titles];
    cells.extend(rows.iter().enumerate().map(|(index, row)| {
        let since = row.since.map(|since| age(now - since.get()));
        let name = format!("{}{}", branch(rows, index), row.name);
        [
            name,
            row.kind.to_owned(),
            row.status.clone(),
            since.unwrap_or_default(),
            row.info.join(","),
        ]
    }));
    let width = |column: usize| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |row: &[String; 5]| {
        let padded = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// The lines that connect a row with its parent.
fn branch(rows: &[Row], index: usize) -> String {
    let depth = rows[index].depth;
    let has_sibling_after = |level: usize| {
        let after = rows[index + 1..].iter().take_while(|row| row.depth >= level);
        after.into_iter().any(|row| row.depth == level)
    };
    let mut branch = String::new();
    for level in 1..depth {
        branch.push_str(if has_sibling_after(level) { "│  " } else { "   " });
    }
    if depth > 0 {
        branch.push_str(if has_sibling_after(depth) {
            "├──"
        } else {
            "└──"
        });
    }
    branch
}

/// An age or a delay the way `kubectl` rounds it: finer while it is short.
pub fn age(age: TimeDelta) -> String {
    let seconds = age.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |whole: i64, unit: &str, rest: i64, small: &str| match rest {
        0 => format!("{whole}{unit}"),
        _ => format!("{whole}{unit}{rest}{small}"),
    };
    match (minutes, hours, days) {
        (0..2, _, _) => format!("{seconds}s"),
        (2..10, _, _) => two(minutes, "m", seconds % 60, "s"),
        (_, 0..3, _) => format!("{minutes}m"),
        (_, 3..8, _) => two(hours, "h", minutes % 60, "m"),
        (_, 8..48, _) => format!("{hours}h"),
        (_, _, 2..8) => two(days, "d", hours % 24, "h"),
        (_, _, 8..730) => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::gotime::Time;
    use crate::view::metrics::tests::failed_run;
    use crate::view::pod::Pod;
    use serde_json::{Value, json};

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn replica_set(hash: &str, revision: &str, replicas: i32) -> crate::plan::ReplicaSet {
        crate::plan::ReplicaSet::from_json(json!({
            "metadata": {"name": format!("web-{hash}"), "uid": hash, "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"rollouts-pod-template-hash": hash}, "annotations": {"rollout.argoproj.io/revision": revision}},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": format!("app:{revision}")}]}}},
            "status": {"replicas": replicas, "availableReplicas": replicas},
        }))
        .unwrap()
    }

    fn pod(name: &str, owner: &str, state: Value) -> Pod {
        Pod::from_json(&json!({
            "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:59:00Z",
                "ownerReferences": [{"controller": true, "uid": owner}]},
            "spec": {"containers": [{}]},
            "status": {"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2, "state": state}]},
        }))
    }

    fn aborted() -> Family {
        let rollout = json!({
            "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": "2025-12-31T00:00:00Z", "generation": 2},
            "spec": {"replicas": 3, "strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}]}}},
            "status": {"observedGeneration": "2", "phase": "Degraded", "message": "RolloutAborted: m", "abort": true,
                "currentPodHash": "new", "stableRS": "old", "currentStepIndex": 0, "replicas": 4, "updatedReplicas": 1,
                "readyReplicas": 4, "availableReplicas": 4},
        });
        Family {
            rollout: serde_json::from_value(rollout).unwrap(),
            replica_sets: vec![replica_set("old", "1", 3), replica_set("new", "2", 1)],
            pods: vec![pod("web-new-x", "new", json!({"running": {}}))],
            runs: vec![failed_run()],
        }
    }

    #[test]
    fn an_aborted_rollout_reads_as_a_tree() {
        let text = lines(&aborted(), Time::parse(NOW).unwrap().get()).join("\n");
        let want = "\
Name:            web
Namespace:       shop
Status:          ✖ Degraded
Message:         RolloutAborted: m
Strategy:        Canary
  Step:          0/2
  SetWeight:     0
  ActualWeight:  25
Images:          app:1 (stable)
                 app:2 (canary)
Replicas:
  Desired:       3
  Current:       4
  Updated:       1
  Ready:         4
  Available:     4

NAME                   KIND         STATUS        AGE  INFO
⟳ web                  Rollout      ✖ Degraded    25h
├──# revision:2
│  ├──⧉ web-new        ReplicaSet   ✔ Healthy     60m  canary
│  │  └──□ web-new-x   Pod          ✔ Running     60s  ready:1/1,restarts:2
│  └──α web-5d-2-1     AnalysisRun  ✖ Failed           ✔ 6,✖ 1
│     ├──∿ latency     Metric       ✔ Successful       value [0.2], must be < 0.5
│     └──∿ error-rate  Metric       ✖ Failed           value [0.083], must be < 0.005, fails if >= 0.02, stable [0.002]
└──# revision:1
   └──⧉ web-old        ReplicaSet   ✔ Healthy     60m  stable";
        assert_eq!(text, want, "\n{text}");
    }

    #[test]
    fn ages_are_rounded_as_kubectl_does() {
        let check = |seconds: i64, want: &str| assert_eq!(age(TimeDelta::seconds(seconds)), want);
        check(-5, "0s");
        check(119, "119s");
        check(150, "2m30s");
        check(180, "3m");
        check(3 * 3600 - 1, "179m");
        check(4 * 3600 + 60, "4h1m");
        check(20 * 3600, "20h");
        check(3 * 86_400 + 7200, "3d2h");
        check(30 * 86_400, "30d");
        check(800 * 86_400, "2y70d");
    }

    #[test]
    fn a_kept_replica_set_says_how_long() {
        let mut family = aborted();
        let rs = &mut family.replica_sets[1];
        rs.metadata
            .annotations
            .insert("scale-down-deadline".into(), "2026-01-01T01:00:30Z".into());
        let now = Time::parse(NOW).unwrap().get();
        let info = |now| tree::rows(&family, now)[2].info.join(",");
        assert_eq!(info(now), "canary,delay:30s");
        assert_eq!(info(now + TimeDelta::seconds(31)), "canary,delay:passed");
    }
}
