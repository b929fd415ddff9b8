//! Rollouts that a list shows as they were before. Lists of an API server that is behind do that, and so does a cluster that was put back
//! to a backup; which of the two it is only time can tell. Until then nothing is decided from such a Rollout: an abort that it does not
//! know yet would be undone.
//!
//! Knows versions and times; decides nothing.

use crate::base::limits;
use crate::base::object::Key;
use crate::controller::stores::older;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The Rollouts that are shown as they were, with the newest version that was seen of each.
#[derive(Default)]
pub struct Past(BTreeMap<Key, Newest>);

struct Newest {
    uid: String,
    version: String,
    since: Instant,
}

impl Past {
    /// A list shows version `to` of the object with this uid, of which version `from` is known.
    pub fn listed(&mut self, key: &Key, uid: &str, from: &str, to: &str) {
        if !older(to, from) {
            return;
        }
        let known = self.0.get(key).is_some_and(|newest| newest.uid == uid);
        if !known {
            let newest = Newest {
                uid: uid.to_owned(),
                version: from.to_owned(),
                since: Instant::now(),
            };
            self.0.insert(key.clone(), newest);
        }
    }

    /// This version is what is known from now on.
    pub fn shown(&mut self, key: &Key, uid: &str, version: &str) {
        let caught_up = |newest: &Newest| newest.uid != uid || !older(version, &newest.version);
        if self.0.get(key).is_some_and(caught_up) {
            self.0.remove(key);
        }
    }

    /// Until when nothing is decided from what is shown of this Rollout.
    pub fn until(&self, key: &Key) -> Option<Instant> {
        let until = self.0.get(key)?.since + Duration::from_secs(limits::PAST_SECONDS_MAX);
        (Instant::now() < until).then_some(until)
    }

    /// The Rollout is gone.
    pub fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("shop", "web")
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_that_a_list_shows_as_it_was_is_waited_for() {
        let mut past = Past::default();
        past.listed(&key(), "u1", "20", "21");
        assert_eq!(past.until(&key()), None, "newer is not the past");
        past.listed(&key(), "u1", "21", "9");
        past.shown(&key(), "u1", "9");
        past.shown(&key(), "u1", "15");
        assert!(past.until(&key()).is_some());
        past.shown(&key(), "u1", "21");
        assert_eq!(past.until(&key()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_past_that_stays_is_the_truth_after_a_time() {
        let mut past = Past::default();
        past.listed(&key(), "u1", "21", "9");
        past.shown(&key(), "u1", "9");
        tokio::time::advance(Duration::from_secs(limits::PAST_SECONDS_MAX)).await;
        assert_eq!(past.until(&key()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_made_anew_has_no_past() {
        let mut past = Past::default();
        past.listed(&key(), "u1", "21", "9");
        past.shown(&key(), "u2", "12");
        assert_eq!(past.until(&key()), None);
    }
}
