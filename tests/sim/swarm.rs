//! Seeds by the thousand: see `serin::simulate::swarm`.

use serin::controller::pass::Core;
use serin::controller::probe::Provider;
use serin::simulate::swarm::{Case, live, report};
use serin::simulate::transcript::Keep;

#[test]
fn no_seed_breaks_a_law() {
    let seeds: u64 = std::env::var("SERIN_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    let mut failed = Vec::new();
    for seed in 0..seeds {
        let case = Case::drawn(seed);
        let began = std::time::Instant::now();
        let verdict = live(&case, Core::default(), Provider::default(), Keep::Last(60));
        println!(
            "seed {seed}: {:?}, {:?} virtual, {} records, {} broken",
            began.elapsed(),
            verdict.outcome.lasted,
            verdict.outcome.tally.records,
            verdict.broken.len()
        );
        if !verdict.broken.is_empty() {
            failed.push(report(&case, &verdict));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {seeds}\n{}",
        failed.len(),
        failed.iter().take(5).cloned().collect::<Vec<_>>().join("\n\n")
    );
}
