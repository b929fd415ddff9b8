//! Writes without an answer: the API server may have carried them out. What was to be told about one is kept until the object shows
//! whether it happened, so that a lost answer loses no news, and tells none twice.
//!
//! Knows patches and objects as JSON; decides nothing.

use crate::base::{json, limits};
use crate::plan::{Announcement, Note};
use serde_json::Value;
use std::collections::VecDeque;

/// What a plan has to tell once its writes are done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    pub notes: Vec<Note>,
    pub announcements: Vec<Announcement>,
}

/// The writes of one object that had no answer, oldest first.
#[derive(Default)]
pub struct Unsure(VecDeque<(Value, News)>);

impl Unsure {
    /// Keeps the news of a write whose merge patch was `patch`.
    pub fn keep(&mut self, patch: Value, news: News) {
        if self.0.len() >= limits::WRITES_UNSURE_MAX {
            self.0.pop_front();
        }
        self.0.push_back((patch, news));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The news of the write that `object` shows, if it shows one. The others did not happen then: each was made from the same state
    /// of the object, and only one of those can succeed.
    pub fn happened(&mut self, object: &Value) -> Option<News> {
        let at = self.0.iter().position(|(patch, _)| shows(object, patch))?;
        let (_, news) = self.0.swap_remove_back(at)?;
        self.0.clear();
        Some(news)
    }

    /// The object was written anew from a state that is known: whatever is still kept did not happen.
    pub fn settle(&mut self) {
        self.0.clear();
    }
}

/// True when the patch would change nothing.
fn shows(object: &Value, patch: &Value) -> bool {
    let mut patched = object.clone();
    json::merge_apply(&mut patched, patch);
    patched == *object
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn news(reason: &str) -> News {
        News {
            notes: vec![Note::normal(reason, "")],
            announcements: Vec::new(),
        }
    }

    #[test]
    fn news_are_told_when_the_object_shows_the_write_and_only_then() {
        let mut unsure = Unsure::default();
        unsure.keep(json!({"status": {"abort": true, "at": "08:00"}}), news("First"));
        unsure.keep(json!({"status": {"abort": true, "at": "08:01"}}), news("Second"));
        assert_eq!(unsure.happened(&json!({"status": {"abort": false}})), None);
        let written = json!({"status": {"abort": true, "at": "08:01", "phase": "Degraded"}});
        assert_eq!(unsure.happened(&written), Some(news("Second")));
        assert_eq!(unsure.happened(&written), None, "once");
    }

    #[test]
    fn what_was_written_over_is_not_told() {
        let mut unsure = Unsure::default();
        unsure.keep(json!({"status": {"phase": "Paused"}}), news("Paused"));
        unsure.settle();
        assert_eq!(unsure.happened(&json!({"status": {"phase": "Paused"}})), None);
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut unsure = Unsure::default();
        for number in 0..100 {
            unsure.keep(json!({"status": number}), News::default());
        }
        assert_eq!(unsure.0.len(), limits::WRITES_UNSURE_MAX);
    }
}
