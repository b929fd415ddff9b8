//! The record of a script, one line for each value, so that a difference is a line.

use std::collections::BTreeSet;

use serde_json::Value;

use super::mask::{Mask, collect_versions, is_collection, settle};
use super::run::Answer;
use super::script::{Script, Step};

/// Fields that say nothing that can be compared.
const HIDDEN: [&str; 1] = ["managedFields"];

/// The whole conversation.
pub fn transcript(script: &Script, answers: &[Answer], mask: &Mask) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for (step, answer) in script.steps.iter().zip(answers) {
        text += &format!("{}\n  {}\n", heading(step), answer.code);
        let show = step.show.as_ref().or(script.show.as_ref());
        for body in &answer.bodies {
            collect_versions(body, is_collection(body), &mut seen);
            let page = Page {
                mask,
                newest: seen.last().copied().unwrap_or_default(),
                show: show.filter(|_| !is_error(body)),
            };
            let mut lines = Vec::new();
            let collection = is_collection(body);
            let body = if answer.is_watch {
                event(body, &mut text)
            } else {
                body
            };
            page.lines(&settle(body), &mut Vec::new(), collection, &mut lines);
            lines.iter().for_each(|line| text += &format!("    {line}\n"));
        }
        if answer.is_watch && step.events.is_some_and(|wanted| answer.bodies.len() < wanted) {
            text += "  (silence)\n";
        }
    }
    text
}

/// The request as it is written in the script.
fn heading(step: &Step) -> String {
    let mut text = step.request.clone();
    if let Some(content) = &step.content {
        text += &format!(" ({content})");
    }
    for (name, value) in &step.query {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text += &format!(" {name}={value}");
    }
    text
}

/// The type of a watch event goes into `text`; the rest is its object.
fn event<'a>(body: &'a Value, text: &mut String) -> &'a Value {
    *text += &format!("  {}\n", body["type"].as_str().unwrap_or("no type"));
    &body["object"]
}

fn is_error(body: &Value) -> bool {
    body["status"] == "Failure" || body["object"]["status"] == "Failure"
}

struct Page<'a> {
    mask: &'a Mask,
    newest: u64,
    show: Option<&'a Vec<String>>,
}

impl Page<'_> {
    fn lines(&self, value: &Value, path: &mut Vec<String>, collection: bool, lines: &mut Vec<String>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                // Ordered by name: the order of fields is no part of an answer.
                let fields: std::collections::BTreeMap<_, _> = fields.iter().collect();
                for (name, field) in fields {
                    if HIDDEN.contains(&name.as_str()) {
                        continue;
                    }
                    path.push(self.mask.text(name));
                    self.lines(field, path, collection, lines);
                    path.pop();
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.lines(item, path, false, lines);
                    path.pop();
                }
            }
            leaf => {
                if path.is_empty() {
                    lines.push(self.leaf(leaf, path, collection));
                } else if self.shows(path) {
                    lines.push(format!(
                        "{}: {}",
                        path.join("."),
                        self.leaf(leaf, path, collection)
                    ));
                }
            }
        }
    }

    fn leaf(&self, leaf: &Value, path: &[String], collection: bool) -> String {
        match (leaf, path.last().map(String::as_str)) {
            (Value::String(text), Some("resourceVersion")) if collection => {
                self.mask.list_version(text, self.newest)
            }
            (Value::String(text), Some("resourceVersion")) => self.mask.version(text),
            (Value::String(token), Some("continue")) if !token.is_empty() => "{token}".to_owned(),
            (leaf, _) => self.mask.text(&leaf.to_string()),
        }
    }

    fn shows(&self, path: &[String]) -> bool {
        self.show
            .is_none_or(|show| show.iter().any(|wanted| matches(wanted, path)))
    }
}

/// Whether `path` is `wanted` or below it; `*` stands for any one segment.
fn matches(wanted: &str, path: &[String]) -> bool {
    let wanted: Vec<&str> = wanted.split('.').collect();
    wanted.len() <= path.len()
        && wanted
            .iter()
            .zip(path)
            .all(|(want, have)| *want == "*" || want == have)
}
