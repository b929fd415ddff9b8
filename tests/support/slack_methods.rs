//! Slack's methods, each on what the stand-in keeps.

use super::{Answer, Channel, Inner, Posted, Shared, blocks, run};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

fn json_body(headers: &HeaderMap, body: &Bytes) -> Result<Value, String> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err("invalid_post_type".into());
    }
    serde_json::from_slice(body).map_err(|_| "invalid_json".into())
}

pub async fn auth_test(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    run(shared, "auth.test", headers, |_| {
        Ok(json!({"team": "test", "user": "serin", "user_id": "U0SERIN"}))
    })
    .await
}

pub async fn post_message(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let parsed = json_body(&headers, &body);
    run(shared, "chat.postMessage", headers, |inner| {
        posted(inner, &parsed?)
    })
    .await
}

fn posted(inner: &mut Inner, body: &Value) -> Answer {
    let channel = body["channel"].as_str().ok_or("channel_not_found")?.to_owned();
    let named = |known: &&Channel| known.id == channel || known.name == channel.trim_start_matches('#');
    let channel = inner
        .channels
        .iter()
        .find(named)
        .ok_or("channel_not_found")?
        .clone();
    if channel.archived {
        return Err("is_archived".into());
    }
    if !channel.joined {
        return Err("not_in_channel".into());
    }
    blocks::check_message(body)?;
    let thread_ts = body["thread_ts"].as_str().map(str::to_owned);
    let is_root = |ts: &String| {
        inner
            .messages
            .iter()
            .any(|message| &message.ts == ts && message.thread_ts.is_none())
    };
    if thread_ts.as_ref().is_some_and(|ts| !is_root(ts)) {
        return Err("thread_not_found".into());
    }
    inner.count += 1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let message = Posted {
        ts: format!("{now}.{:06}", inner.count),
        channel: channel.id,
        thread_ts,
        text: body["text"].as_str().unwrap_or_default().into(),
        blocks: body["blocks"].as_array().cloned().unwrap_or_default(),
        metadata: body["metadata"].clone(),
        broadcast: body["reply_broadcast"] == true,
    };
    inner.messages.push(message.clone());
    Ok(json!({"channel": message.channel, "ts": message.ts, "message": listed(&message, true)}))
}

pub async fn update_message(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let parsed = json_body(&headers, &body);
    run(shared, "chat.update", headers, |inner| updated(inner, &parsed?)).await
}

fn updated(inner: &mut Inner, body: &Value) -> Answer {
    blocks::check_message(body)?;
    let (channel, ts) = (body["channel"].as_str(), body["ts"].as_str());
    let same =
        |message: &&mut Posted| Some(message.ts.as_str()) == ts && Some(message.channel.as_str()) == channel;
    let message = inner.messages.iter_mut().find(same).ok_or("message_not_found")?;
    message.text = body["text"].as_str().unwrap_or_default().into();
    message.blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    Ok(json!({"channel": message.channel, "ts": message.ts, "text": message.text}))
}

type Params = Query<BTreeMap<String, String>>;

pub async fn history(State(shared): State<Shared>, headers: HeaderMap, Query(params): Params) -> Response {
    run(shared, "conversations.history", headers, |inner| {
        let channel = readable(inner, &params)?;
        let in_channel = |message: &&Posted| message.thread_ts.is_none() || message.broadcast;
        let found = inner
            .messages
            .iter()
            .rev()
            .filter(|message| message.channel == channel)
            .filter(in_channel);
        page(found.collect(), &params)
    })
    .await
}

pub async fn replies(State(shared): State<Shared>, headers: HeaderMap, Query(params): Params) -> Response {
    run(shared, "conversations.replies", headers, |inner| {
        let channel = readable(inner, &params)?;
        let root = params.get("ts").cloned().unwrap_or_default();
        let in_thread = |message: &&Posted| message.ts == root || message.thread_ts.as_ref() == Some(&root);
        let found: Vec<&Posted> = inner
            .messages
            .iter()
            .filter(|message| message.channel == channel)
            .filter(in_thread)
            .collect();
        if found.is_empty() {
            Err("thread_not_found".into())
        } else {
            page(found, &params)
        }
    })
    .await
}

/// The channel, which lists take by id only.
fn readable(inner: &Inner, params: &BTreeMap<String, String>) -> Result<String, String> {
    if !inner.history_scope {
        return Err("missing_scope".into());
    }
    let id = params.get("channel").ok_or("channel_not_found")?;
    let channel = inner
        .channels
        .iter()
        .find(|channel| &channel.id == id)
        .ok_or("channel_not_found")?;
    if channel.joined {
        Ok(channel.id.clone())
    } else {
        Err("not_in_channel".into())
    }
}

fn page(found: Vec<&Posted>, params: &BTreeMap<String, String>) -> Answer {
    let number = |name: &str, default: f64| {
        params
            .get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (oldest, limit, skip) = (
        number("oldest", 0.0),
        number("limit", 100.0) as usize,
        number("cursor", 0.0) as usize,
    );
    let metadata = params
        .get("include_all_metadata")
        .is_some_and(|text| text == "true");
    let newer: Vec<&Posted> = found
        .into_iter()
        .filter(|message| message.ts.parse::<f64>().unwrap() > oldest)
        .collect();
    let rest = newer.len().saturating_sub(skip + limit);
    let messages: Vec<Value> = newer
        .into_iter()
        .skip(skip)
        .take(limit)
        .map(|message| listed(message, metadata))
        .collect();
    let cursor = if rest > 0 {
        (skip + limit).to_string()
    } else {
        String::new()
    };
    Ok(json!({"messages": messages, "has_more": rest > 0, "response_metadata": {"next_cursor": cursor}}))
}

fn listed(message: &Posted, with_metadata: bool) -> Value {
    let mut value = json!({"type": "message", "ts": message.ts, "text": message.text, "blocks": message.blocks, "bot_id": "B0SERIN"});
    if let Some(root) = &message.thread_ts {
        value["thread_ts"] = root.clone().into();
    }
    if with_metadata && !message.metadata.is_null() {
        value["metadata"] = message.metadata.clone();
    }
    value
}
