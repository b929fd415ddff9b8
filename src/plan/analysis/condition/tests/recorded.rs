//! 2,271 verdicts of Argo Rollouts.

use super::super::{Env, Program};
use super::{json, now};
use std::fmt::Write;

/// Conditions where we differ on purpose, with the reason. None.
const DIFFERENT: [(&str, &str); 0] = [];

#[test]
fn every_recorded_verdict_is_the_same() {
    let rows = include_str!("../../../../../tests/data/argo/conditions.jsonl");
    let (mut seen, mut wrong) = (0, String::new());
    for line in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let condition = row["condition"].as_str().unwrap();
        if DIFFERENT.iter().any(|(known, _)| *known == condition) {
            continue;
        }
        let result = json(&row["result"].to_string());
        let env = Env {
            result: &result,
            numeric: false,
            now: now(),
        };
        let verdict = Program::compile(condition).and_then(|program| program.holds(&env));
        seen += 1;
        if verdict.as_ref().ok().copied() != row["want"].as_bool() {
            let _ = writeln!(wrong, "{line} -> {verdict:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(seen, 2271);
}
