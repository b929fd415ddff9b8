//! Builds blocks within Slack's limits: what does not fit is counted and said, never refused by Slack.

use super::text::{escape_clipped, one_line};
use super::{BLOCKS_BYTES_MAX, BLOCKS_MAX, FIELD_CHARS_MAX, FIELDS_MAX, HEADER_CHARS_MAX, SECTION_CHARS_MAX};
use serde_json::{Value, json};

/// Bytes kept free for what follows a list: the commands are worth more than the last rows.
const TAIL_BYTES: usize = 2_600;
/// Characters of one section of a list; short of the limit so that its title and the line about the cut fit.
const LIST_CHARS: usize = 2_000;

pub struct Blocks {
    list: Vec<Value>,
    bytes: usize,
}

impl Blocks {
    /// Blocks under a headline, which is given unescaped.
    pub fn new(headline: String) -> Self {
        let text = escape_clipped(&one_line(&headline), HEADER_CHARS_MAX);
        let mut blocks = Self {
            list: Vec::new(),
            bytes: 2,
        };
        blocks.push(json!({"type": "header", "text": {"type": "plain_text", "text": text, "emoji": true}}));
        blocks
    }

    /// One paragraph of escaped markup.
    pub fn section(&mut self, text: String) {
        self.push(json!({"type": "section", "text": markup(&text, SECTION_CHARS_MAX)}));
    }

    /// Small facts side by side: label and escaped value.
    pub fn fields(&mut self, fields: Vec<(&'static str, String)>) {
        let field = |(label, value): &(&str, String)| markup(&format!("*{label}*\n{value}"), FIELD_CHARS_MAX);
        let fields: Vec<Value> = fields.iter().take(FIELDS_MAX).map(field).collect();
        self.push(json!({"type": "section", "fields": fields}));
    }

    /// A titled list of escaped lines, over as many sections as it needs and the budget allows. When lines are left out, the
    /// last line is `more` with their number for `{}`.
    pub fn lines(&mut self, title: &str, lines: Vec<String>, more: &str) {
        let mut text = format!("*{title}*");
        let mut waiting = lines.len();
        for line in &lines {
            if !self.room_for(&text, line) {
                break;
            }
            if text.chars().count() + line.chars().count() >= LIST_CHARS {
                self.section(std::mem::take(&mut text));
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
            waiting -= 1;
        }
        if waiting > 0 {
            text.push('\n');
            text.push_str(&more.replace("{}", &waiting.to_string()));
        }
        if !lines.is_empty() {
            self.section(text);
        }
    }

    fn room_for(&self, text: &str, line: &str) -> bool {
        let wanted = self.bytes + json_bytes(text) + json_bytes(line) + TAIL_BYTES;
        wanted <= BLOCKS_BYTES_MAX && self.list.len() + 4 <= BLOCKS_MAX
    }

    fn push(&mut self, block: Value) {
        let bytes = block.to_string().len() + 1;
        if self.list.len() < BLOCKS_MAX && self.bytes + bytes <= BLOCKS_BYTES_MAX {
            self.bytes += bytes;
            self.list.push(block);
        }
    }

    pub fn finish(self) -> Vec<Value> {
        self.list
    }
}

fn json_bytes(text: &str) -> usize {
    Value::from(text).to_string().len() + 90
}

/// `verbatim` keeps Slack from turning channel names, user names and addresses in plain words into links and mentions.
fn markup(text: &str, chars_max: usize) -> Value {
    json!({"type": "mrkdwn", "text": clipped(text, chars_max), "verbatim": true})
}

/// Cuts escaped markup at a line end, so that neither an entity nor a code span is split. Every line we make is far shorter than
/// the limit.
fn clipped(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let head: String = text.chars().take(chars_max - 2).collect();
    let end = head.rfind('\n').unwrap_or(0);
    format!("{}\n…", &head[..end])
}
