//! The cluster in memory answers as the real API server did: every script, every line, but for the differences that
//! `tests/data/conformance/differences.yaml` lists with their reasons.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::DateTime;
use futures::FutureExt;
use serin::base::clock::Clock;
use serin::cluster::Cluster;
use serin::cluster::models::Settings;
use serin::cluster::models::faults::Which;

#[path = "../support/conformance/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "only the end-to-end tier writes the record"
)]
mod suite;

use suite::{Runner, compare, crds, topics};

/// Scripts that are answered otherwise than by the real API server, with the reason.
fn listed() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/conformance/differences.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The recording was made with the garbage collector and without any other controller or node.
fn collector_alone() -> Settings {
    let settings = Settings {
        nodes: 0,
        ..Settings::default()
    };
    settings.faults.change(|switches| {
        switches.replica_sets_paused = true;
        switches.scheduler_paused = true;
        switches.kubelet_frozen = vec![Which::All];
        switches.endpoint_slices_paused = true;
        switches.jobs_paused = true;
        switches.budgets_paused = true;
        switches.autoscalers_paused = true;
        switches.namespaces_paused = true;
    });
    settings
}

#[tokio::test(start_paused = true)]
async fn the_cluster_in_memory_answers_like_the_api_server() {
    let cluster = Cluster::new(1, Clock::starting_at(DateTime::UNIX_EPOCH));
    for crd in crds().unwrap() {
        cluster.install_crd(crd).unwrap();
    }
    let models = tokio::spawn(cluster.start_models(collector_alone()));
    let runner = Runner {
        client: cluster.client(),
        prefix: "conf".to_owned(),
        pause: &|| tokio::time::sleep(std::time::Duration::from_millis(100)).boxed(),
    };
    let mut listed = listed();
    let mut unexpected = Vec::new();
    for topic in topics().unwrap() {
        let transcripts = runner.topic(&topic).await.unwrap();
        let differences = compare(&topic.name, &transcripts);
        let unlisted = |script: &str| listed.remove(script).is_none();
        unexpected.extend(only(differences, unlisted));
    }
    models.abort();
    assert!(
        unexpected.is_empty(),
        "{} scripts are answered otherwise\n{}",
        unexpected.len(),
        unexpected.join("\n")
    );
    assert!(
        listed.is_empty(),
        "no longer different, to be taken off differences.yaml: {:?}",
        listed.keys()
    );
}

fn only(differences: Vec<suite::Difference>, mut wanted: impl FnMut(&str) -> bool) -> Vec<String> {
    let unlisted = differences
        .into_iter()
        .filter(|difference| wanted(&difference.script));
    unlisted.map(|difference| difference.to_string()).collect()
}
