//! A message as plain text: for the terminal, and for people who review its wording.

use super::Message;
use serde_json::Value;

/// The message without markup, one line per fact.
pub fn render_text(message: &Message) -> String {
    let mut lines: Vec<String> = Vec::new();
    for block in &message.blocks {
        match block["type"].as_str() {
            Some("header") => lines.push(plain(&block["text"])),
            Some("divider") => lines.push("----".into()),
            Some("context") => lines.extend(block["elements"].as_array().into_iter().flatten().map(plain)),
            _ => section(block, &mut lines),
        }
    }
    lines.join("\n") + "\n"
}

fn section(block: &Value, lines: &mut Vec<String>) {
    if !block["text"].is_null() {
        lines.extend(plain(&block["text"]).lines().map(|line| format!("  {line}")));
    }
    for field in block["fields"].as_array().into_iter().flatten() {
        let text = plain(field);
        let (label, value) = text.split_once('\n').unwrap_or((&text, ""));
        lines.push(format!("  {label}: {}", value.replace('\n', ", ")));
    }
}

/// The text of a text object, unescaped, without marks for bold text and code blocks.
fn plain(text: &Value) -> String {
    let markup = text["text"].as_str().unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    let mut fenced = false;
    for line in markup.split('\n') {
        if line == "```" {
            fenced = !fenced;
        } else if fenced {
            lines.push(format!("  {line}"));
        } else {
            lines.push(without_bold(line));
        }
    }
    let text = lines.join("\n");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn without_bold(line: &str) -> String {
    let mut in_code = false;
    let kept = line.chars().filter(|&c| {
        in_code ^= c == '`';
        c != '*' || in_code
    });
    kept.collect()
}
