//! The manifests grant exactly what the code uses.

use crate::base::object::Kind;
use crate::controller::kinds::{
    OTHER_PERMISSIONS, OWN_NAMESPACE_PERMISSIONS, WATCHED, WRITES, group, resource_name, verb_name,
};
use serde_json::Value;
use std::collections::BTreeSet;

type Permission = (String, String, String);

fn read(path: &str) -> Vec<Value> {
    let path = format!("{}/deploy/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn granted(path: &str) -> BTreeSet<Permission> {
    let role = read(path).remove(0);
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for (group, resource) in pairs_of(&texts(&rule["apiGroups"]), &texts(&rule["resources"])) {
            for verb in texts(&rule["verbs"]) {
                let new = granted.insert((group.clone(), resource.clone(), verb));
                assert!(
                    new || path.contains("namespaced"),
                    "{path} grants {group}/{resource} twice"
                );
            }
        }
    }
    granted
}

fn pairs_of(groups: &[String], resources: &[String]) -> Vec<(String, String)> {
    let pairs = groups.iter().flat_map(|group| {
        resources
            .iter()
            .map(move |resource| (group.clone(), resource.clone()))
    });
    pairs.collect()
}

fn used(kinds: &[Kind]) -> BTreeSet<Permission> {
    let mut used = BTreeSet::new();
    for kind in kinds {
        for verb in ["list", "watch"] {
            used.insert((group(*kind).to_owned(), kind.plural().to_owned(), verb.to_owned()));
        }
    }
    for (kind, verb) in WRITES {
        used.insert((
            group(kind).to_owned(),
            resource_name(kind, verb),
            verb_name(verb).to_owned(),
        ));
    }
    used.extend(owned(&OTHER_PERMISSIONS));
    used
}

fn owned(table: &[(&str, &str, &str)]) -> Vec<Permission> {
    let owned = |(group, resource, verb): &(&str, &str, &str)| {
        ((*group).to_owned(), (*resource).to_owned(), (*verb).to_owned())
    };
    table.iter().map(owned).collect()
}

#[test]
fn the_cluster_role_grants_what_is_used_and_nothing_else() {
    assert_eq!(granted("20-cluster-role.yaml"), used(&WATCHED));
}

#[test]
fn the_role_of_the_own_namespace_grants_what_is_used_and_nothing_else() {
    assert_eq!(
        granted("22-role.yaml"),
        owned(&OWN_NAMESPACE_PERMISSIONS).into_iter().collect()
    );
}

#[test]
fn the_namespaced_role_grants_what_is_used_and_nothing_else() {
    let kinds: Vec<Kind> = WATCHED.into_iter().filter(|kind| kind.namespaced()).collect();
    let mut used = used(&kinds);
    used.extend(owned(&OWN_NAMESPACE_PERMISSIONS));
    assert_eq!(granted("namespaced/20-role.yaml"), used);
}

#[test]
fn secrets_are_never_listed_or_watched() {
    for path in ["20-cluster-role.yaml", "22-role.yaml", "namespaced/20-role.yaml"] {
        let verbs: Vec<_> = granted(path)
            .into_iter()
            .filter(|(_, resource, _)| resource == "secrets")
            .collect();
        assert!(
            verbs.iter().all(|(_, _, verb)| verb == "get"),
            "{path}: {verbs:?}"
        );
    }
}

#[test]
fn pods_run_restricted() {
    for path in ["30-deployment.yaml", "namespaced/30-deployment.yaml"] {
        let deployment = read(path).remove(0);
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{path}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{path}"
        );
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["readOnlyRootFilesystem"], true, "{path}");
        assert_eq!(container["allowPrivilegeEscalation"], false, "{path}");
        assert_eq!(container["capabilities"]["drop"][0], "ALL", "{path}");
        assert_eq!(deployment["spec"]["replicas"], 2, "{path}");
    }
}
