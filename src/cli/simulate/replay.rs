//! A seed of the swarm once more: what happened in it, and which laws broke.

use super::{Format, apart};
use crate::cli::exit::Exit;
use crate::cli::printer;
use crate::controller::pass::Core;
use crate::controller::probe::Provider;
use crate::simulate::swarm::{Case, live, report};
use crate::simulate::transcript::{Keep, line};
use serde_json::json;

/// Of its records, as many are shown.
const SHOWN: usize = 40;

pub async fn run(seed: u64, format: Format) -> Exit {
    let work = move || {
        let case = Case::drawn(seed);
        let verdict = live(&case, Core::default(), Provider::default(), Keep::All);
        (case, verdict)
    };
    let Some((case, verdict)) = apart(work).await else {
        return Exit::Failed;
    };
    match format {
        Format::Text => {
            printer::out(report(&case, &verdict).trim_end());
            if verdict.broken.is_empty() {
                printer::out("no law was broken");
            }
        }
        Format::Json => {
            let records: Vec<_> = verdict.outcome.transcript.records().rev().take(SHOWN).collect();
            let last: Vec<String> = records.into_iter().rev().map(line).collect();
            let broken = verdict.broken.iter().map(|one| {
                json!({"law": one.law, "says": one.says, "at": one.at, "evidence": one.evidence, "objects": one.objects})
            });
            let answer = json!({
                "seed": seed, "case": case.describe(), "objects": case.objects, "broken": broken.collect::<Vec<_>>(),
                "lastEvents": last, "transcriptHash": format!("{:016x}", verdict.outcome.hash),
                "lastedSeconds": verdict.outcome.lasted.as_secs(),
            });
            printer::out(&format!("{answer:#}"));
        }
    }
    match verdict.broken.is_empty() {
        true => Exit::Done,
        false => Exit::Unexpected,
    }
}
