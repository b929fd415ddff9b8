//! What Slack takes as a message and what it refuses: forms and lengths of text, blocks and metadata.

use serde_json::{Map, Value};

/// Characters of all blocks together that Slack has been seen to refuse. It documents no such limit.
const ALL_BLOCKS_CHARS_MAX: usize = 13_000;

type Check = Result<(), String>;

fn refuse(code: &str) -> Check {
    Err(code.to_owned())
}

/// Checks the body of `chat.postMessage` or `chat.update`.
pub fn check_message(body: &Value) -> Check {
    let text = body["text"].as_str().unwrap_or_default();
    let blocks = body["blocks"].as_array();
    if text.is_empty() && blocks.is_none_or(Vec::is_empty) {
        return refuse("no_text");
    }
    // Slack cuts the text at 40,000 characters and asks for 4,000; the stand-in insists.
    if text.chars().count() > 4_000 {
        return refuse("msg_too_long");
    }
    if let Some(blocks) = blocks {
        check_blocks(blocks)?;
    } else if !body["blocks"].is_null() {
        return refuse("invalid_blocks_format");
    }
    check_metadata(&body["metadata"])
}

fn check_metadata(metadata: &Value) -> Check {
    if metadata.is_null() {
        return Ok(());
    }
    let event = metadata["event_type"].as_str().unwrap_or_default();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if event.is_empty() || !event.chars().all(word) || !metadata["event_payload"].is_object() {
        return refuse("invalid_metadata_format");
    }
    Ok(())
}

fn check_blocks(blocks: &[Value]) -> Check {
    if blocks.len() > 50 {
        return refuse("invalid_blocks");
    }
    for block in blocks {
        check_block(block)?;
    }
    let all = Value::Array(blocks.to_vec()).to_string();
    if all.chars().count() > ALL_BLOCKS_CHARS_MAX {
        refuse("msg_blocks_too_long")
    } else {
        Ok(())
    }
}

fn check_block(block: &Value) -> Check {
    let block = block.as_object().ok_or("invalid_blocks")?;
    if block
        .get("block_id")
        .is_some_and(|id| id.as_str().is_none_or(|id| id.chars().count() > 255))
    {
        return refuse("invalid_blocks");
    }
    match block.get("type").and_then(Value::as_str) {
        Some("header") => {
            only(block, &["type", "block_id", "text", "level"])?;
            check_text(block.get("text"), &["plain_text"], 150)
        }
        Some("section") => check_section(block),
        Some("divider") => only(block, &["type", "block_id"]),
        Some("context") => {
            only(block, &["type", "block_id", "elements"])?;
            check_texts(block.get("elements"), 3_000)
        }
        _ => refuse("invalid_blocks"),
    }
}

fn check_section(block: &Map<String, Value>) -> Check {
    only(block, &["type", "block_id", "text", "fields", "expand"])?;
    match (block.get("text"), block.get("fields")) {
        (None, None) => refuse("invalid_blocks"),
        (text, fields) => {
            if text.is_some() {
                check_text(text, &["plain_text", "mrkdwn"], 3_000)?;
            }
            if fields.is_some() {
                check_texts(fields, 2_000)
            } else {
                Ok(())
            }
        }
    }
}

/// Fields of a section or elements of a context: one to ten texts.
fn check_texts(texts: Option<&Value>, chars_max: usize) -> Check {
    let texts = texts.and_then(Value::as_array).ok_or("invalid_blocks")?;
    if texts.is_empty() || texts.len() > 10 {
        return refuse("invalid_blocks");
    }
    texts
        .iter()
        .try_for_each(|text| check_text(Some(text), &["plain_text", "mrkdwn"], chars_max))
}

fn check_text(text: Option<&Value>, kinds: &[&str], chars_max: usize) -> Check {
    let text = text.and_then(Value::as_object).ok_or("invalid_blocks")?;
    let kind = text.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kinds.contains(&kind) {
        return refuse("invalid_blocks");
    }
    only(
        text,
        if kind == "mrkdwn" {
            &["type", "text", "verbatim"]
        } else {
            &["type", "text", "emoji"]
        },
    )?;
    let length = text
        .get("text")
        .and_then(Value::as_str)
        .ok_or("invalid_blocks")?
        .chars()
        .count();
    if length == 0 || length > chars_max {
        refuse("invalid_blocks")
    } else {
        Ok(())
    }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Check {
    if object.keys().all(|key| known.contains(&key.as_str())) {
        Ok(())
    } else {
        refuse("invalid_blocks")
    }
}
