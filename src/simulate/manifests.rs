//! Manifests as people keep them: files, folders, lists and several documents in one. Reads them; judges nothing.

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files of a folder that are read.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// An object, and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub object: Value,
    pub file: PathBuf,
}

impl Manifest {
    /// `file: Kind namespace/name`, for problems.
    pub fn place(&self) -> String {
        format!("{}: {}", self.file.display(), label(&self.object))
    }

    /// Recording rules are Prometheus' own, and no object of the cluster.
    pub fn is_rules(&self) -> bool {
        is_rules(&self.object)
    }
}

/// `Kind name`, with the namespace where one is named.
pub fn label(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = &object["metadata"];
    let (kind, name, namespace) = (
        text(&object["kind"]),
        text(&meta["name"]),
        text(&meta["namespace"]),
    );
    match namespace.as_str() {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// A rule file of Prometheus, or the operator's object around one.
pub fn is_rules(object: &Value) -> bool {
    object["kind"] == "PrometheusRule" || (object["kind"].is_null() && object["groups"].is_array())
}

/// Reads files, folders (their `.yaml`, `.yml` and `.json` files, without the folders in them) and, for `-`, standard input.
///
/// # Errors
/// All files that cannot be read or understood, each with the reason.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>, Vec<String>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match files(path) {
            Ok(files) => files.iter().for_each(|file| match read_file(file) {
                Ok(more) => found.extend(more),
                Err(problem) => problems.push(problem),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(found),
        false => Err(problems),
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if file.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(format!(
            "{}: no .yaml, .yml or .json file in this folder",
            path.display()
        )),
        false => Ok(files),
    }
}

fn read_file(file: &Path) -> Result<Vec<Manifest>, String> {
    let text = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        _ => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    parse(&text, file)
}

/// The objects of a text with YAML documents; `file` is where it is from.
///
/// # Errors
/// What of it cannot be understood.
pub fn parse(text: &str, file: &Path) -> Result<Vec<Manifest>, String> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut found = Vec::new();
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        add(document, file, &mut found)?;
    }
    Ok(found)
}

fn add(mut document: Value, file: &Path, to: &mut Vec<Manifest>) -> Result<(), String> {
    let kind = document["kind"].as_str().unwrap_or_default();
    if kind.ends_with("List") && document["items"].is_array() {
        let items = document["items"].take();
        let items = items.as_array().cloned().unwrap_or_default();
        return items.into_iter().try_for_each(|item| add(item, file, to));
    }
    let named = document["metadata"]["name"].is_string() && document["apiVersion"].is_string();
    if !is_rules(&document) && (kind.is_empty() || !named) {
        let place = file.display();
        return Err(format!(
            "{place}: a document is no object of Kubernetes: it needs apiVersion, kind and metadata.name (templates must be rendered first)"
        ));
    }
    to.push(Manifest {
        object: document,
        file: file.to_owned(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[&str], &str>) {
        let found = parse(text, Path::new("a.yaml"));
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                let labels: Vec<String> = found.iter().map(|one| label(&one.object)).collect();
                assert_eq!(labels, expect, "{text}");
            }
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, expect) => panic!("{text}: {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn documents_and_lists_are_taken_apart() {
        let service = "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}}";
        check(
            &format!("{service}\n---\n---\n{service}\n"),
            Ok(&["Service shop/a", "Service shop/a"]),
        );
        check(
            &format!("{{apiVersion: v1, kind: List, items: [{service}]}}"),
            Ok(&["Service shop/a"]),
        );
        check(
            &format!("{{apiVersion: v1, kind: ServiceList, items: [{service}]}}"),
            Ok(&["Service shop/a"]),
        );
        check("groups: []", Ok(&[" "]));
        check("", Ok(&[]));
    }

    #[test]
    fn what_is_no_object_is_refused_with_the_mend() {
        check("a: 1", Err("needs apiVersion, kind and metadata.name"));
        check(
            "{apiVersion: v1, kind: Service}",
            Err("needs apiVersion, kind and metadata.name"),
        );
        check("a: [", Err("a.yaml"));
    }

    #[test]
    fn all_unreadable_files_are_named() {
        let problems = read(&["/nowhere/a.yaml".into(), "/nowhere/b".into()]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].starts_with("cannot read /nowhere/a.yaml"),
            "{problems:?}"
        );
    }
}
