//! Makes answers of two servers comparable: what differs by nature gets a name that keeps what must agree.
//!
//! Uids are numbered by first appearance. The resourceVersions of objects are numbered by size, so that the record
//! says which are equal and which are newer. A list's own version only says whether it is as new as what was seen.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use super::run::Answer;

/// The names for everything that one script has seen.
#[derive(Debug)]
pub struct Mask {
    namespace: String,
    versions: BTreeMap<u64, usize>,
    /// Texts to replace, in this order.
    names: Vec<(String, String)>,
    patterns: Vec<(Regex, &'static str)>,
}

/// What differs from run to run wherever it stands in a text.
const PATTERNS: [(&str, &str); 5] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "{time}"),
    (r"\b10\.0\.\d+\.\d+\b", "{ip}"),
    (r"resource version: \d+ \(\d+\)", "resource version: {n} ({n})"),
    (r#"resourceVersion(\\*":\\*")\d+"#, "resourceVersion${1}{n}"),
    (
        r"resource version: \d+, current: \d+",
        "resource version: {n}, current: {n}",
    ),
];
const UID: &str = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

impl Mask {
    /// Reads every answer of a script.
    pub fn new(namespace: &str, answers: &[Answer]) -> Self {
        let (mut versions, mut names) = (BTreeSet::new(), Vec::new());
        for body in answers.iter().flat_map(|answer| &answer.bodies) {
            collect_versions(body, is_collection(body), &mut versions);
            collect_generated(body, &mut names);
        }
        let texts: String = answers
            .iter()
            .flat_map(|answer| &answer.bodies)
            .map(Value::to_string)
            .collect();
        if let Ok(uid) = Regex::new(UID) {
            let mut seen = Vec::new();
            for found in uid.find_iter(&texts).map(|found| found.as_str()) {
                if !seen.contains(&found) {
                    seen.push(found);
                    names.push((found.to_owned(), format!("{{uid{}}}", seen.len())));
                }
            }
        }
        Self {
            namespace: namespace.to_owned(),
            versions: versions.into_iter().zip(1..).collect(),
            names,
            patterns: PATTERNS
                .iter()
                .filter_map(|(text, name)| Some((Regex::new(text).ok()?, *name)))
                .collect(),
        }
    }

    /// One text of an answer.
    pub fn text(&self, text: &str) -> String {
        let text = text.replace(&format!("{}-other", self.namespace), "{other}");
        let mut text = text.replace(&self.namespace, "{ns}");
        for (found, name) in &self.names {
            text = text.replace(found, name);
        }
        for (pattern, name) in &self.patterns {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        if text.contains("ResourceVersion in") {
            text = self.numbers(&text);
        }
        text
    }

    /// The numbers in a sentence about versions.
    fn numbers(&self, text: &str) -> String {
        let Ok(number) = Regex::new(r"\((\d+)\)") else {
            return text.to_owned();
        };
        let name = |found: &regex::Captures<'_>| format!("({})", self.version(&found[1]));
        number.replace_all(text, name).into_owned()
    }

    /// The resourceVersion of an object.
    pub fn version(&self, version: &str) -> String {
        let rank = version
            .parse()
            .ok()
            .and_then(|number: u64| self.versions.get(&number));
        rank.map_or_else(|| "{n}".to_owned(), |rank| format!("{{rv{rank}}}"))
    }

    /// The resourceVersion of a list or a bookmark, `newest` being the newest object seen until then.
    pub fn list_version(&self, version: &str, newest: u64) -> String {
        match version.parse::<u64>() {
            Ok(number) if number >= newest => "{now}".to_owned(),
            Ok(number) if self.versions.contains_key(&number) => self.version(version),
            Ok(_) => "{older}".to_owned(),
            Err(_) => version.to_owned(),
        }
    }
}

/// A refusal with its causes in order: a server that checks a schema names them in any.
pub fn settle(body: &Value) -> Value {
    let mut body = body.clone();
    let Some(causes) = body.pointer_mut("/details/causes").and_then(Value::as_array_mut) else {
        return body;
    };
    causes.sort_by_key(Value::to_string);
    let texts: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", text(cause, "field"), text(cause, "message")))
        .collect();
    let message = text(&body, "message").to_owned();
    if let Some((head, _)) = message.split_once(" is invalid: [") {
        let settled = format!("{head} is invalid: [{}]", texts.join(", "));
        // Of another length when a cause is told once and counted twice.
        if settled.len() == message.len() {
            body["message"] = settled.into();
        }
    }
    body
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Whether the version in a body is the store's and not an object's: lists and bookmarks.
pub fn is_collection(body: &Value) -> bool {
    body["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) || body["type"] == "BOOKMARK"
}

/// The versions of objects in `body`; those of the collection itself are left out.
pub fn collect_versions(body: &Value, is_collection: bool, found: &mut BTreeSet<u64>) {
    match body {
        Value::Array(items) => items.iter().for_each(|item| collect_versions(item, false, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().and_then(|text| text.parse().ok()) {
                    Some(version) if name == "resourceVersion" => _ = found.insert(version),
                    _ if is_collection && (name == "metadata" || name == "object") => {}
                    _ => collect_versions(field, false, found),
                }
            }
        }
        _ => {}
    }
}

/// Names that the server has made up.
fn collect_generated(body: &Value, names: &mut Vec<(String, String)>) {
    match body {
        Value::Array(items) => items.iter().for_each(|item| collect_generated(item, names)),
        Value::Object(fields) => {
            if let (Some(Value::String(prefix)), Some(Value::String(name))) =
                (fields.get("generateName"), fields.get("name"))
                && name.len() == prefix.len() + 5
                && name.starts_with(prefix.as_str())
                && !names.iter().any(|(known, _)| known == name)
            {
                names.push((name.clone(), format!("{prefix}{{made{}}}", names.len() + 1)));
            }
            fields.values().for_each(|field| collect_generated(field, names));
        }
        _ => {}
    }
}
