//! The other way round: what we leave behind is what Argo Rollouts reads. Every member of every object of ours at the end of a life is
//! one that a controller of v1.9 was recorded writing, in some life, or one of the few that are told here.

use serde_json::Value;
use serin::base::object::Kind;
use serin::cluster::store::Store;
use serin::simulate::people::id;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Members that no recorded life has, and why the peer may meet them.
const BEYOND: [(&str, &str); 3] = [
    ("status.duration", "newer versions keep it; v1.9 leaves it alone"),
    ("annotations.serin.dev/", "ours, and nobody else's"),
    (".provider.prometheus", "the lives ask a web server"),
];

/// Members of our objects that Argo Rollouts would not know.
pub fn unknown(store: &Store) -> Vec<String> {
    let known = recorded();
    let mut unknown = BTreeSet::new();
    for (kind, part) in [
        (Kind::Rollout, "status"),
        (Kind::ReplicaSet, "metadata.annotations"),
        (Kind::AnalysisRun, "status"),
        (Kind::AnalysisRun, "spec"),
        (Kind::AnalysisRun, "metadata.labels"),
        (Kind::AnalysisRun, "metadata.annotations"),
    ] {
        let resource: Arc<str> = id(kind).into();
        for (_, object) in store.list(&resource, None) {
            let pointer = format!("/{}", part.replace('.', "/"));
            let Some(value) = object.pointer(&pointer) else {
                continue;
            };
            let mut found = BTreeSet::new();
            members(value, &format!("{}.{part}", kind.name()), &mut found);
            let beyond = |path: &String| BEYOND.iter().any(|(part, _)| path.contains(part));
            unknown.extend(
                found
                    .into_iter()
                    .filter(|path| !known.contains(path) && !beyond(path)),
            );
        }
    }
    let told = unknown.into_iter();
    told.map(|path| format!("Argo Rollouts was never seen writing {path}"))
        .collect()
}

/// The members of everything that was recorded.
fn recorded() -> &'static BTreeSet<String> {
    static RECORDED: OnceLock<BTreeSet<String>> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/argo/rollouts");
        let mut all = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let life: Value = serde_json::from_str(&text).unwrap();
            for moment in life["moments"].as_array().unwrap() {
                members(&moment["status"], "Rollout.status", &mut all);
                for set in moment["replicaSets"].as_array().into_iter().flatten() {
                    members(&set["annotations"], "ReplicaSet.metadata.annotations", &mut all);
                }
                for run in moment["analysisruns"].as_array().into_iter().flatten() {
                    members(&run["status"], "AnalysisRun.status", &mut all);
                    members(&run["spec"], "AnalysisRun.spec", &mut all);
                    members(&run["labels"], "AnalysisRun.metadata.labels", &mut all);
                    members(&run["annotations"], "AnalysisRun.metadata.annotations", &mut all);
                }
            }
        }
        assert!(all.len() > 60, "{}", all.len());
        all
    })
}

/// Paths of the members, with lists as if all their items were one.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, member) in all {
                let here = format!("{path}.{name}");
                members(member, &here, found);
                found.insert(here);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, path, found)),
        _ => {}
    }
}
