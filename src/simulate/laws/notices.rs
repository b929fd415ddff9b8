//! S11: people are told once. The same message may come again only when something happened since the last time that could leave open
//! whether it arrived.

use super::{Found, Law, Sight};
use crate::simulate::record::{Sent, What};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// So many doubts in a row are no accident.
const TIMES_MAX: usize = 3;

/// See the module's description.
#[derive(Default)]
pub struct ToldOnce {
    told: BTreeMap<(String, String), Vec<DateTime<Utc>>>,
}

impl Law for ToldOnce {
    fn id(&self) -> &'static str {
        "S11"
    }

    fn says(&self) -> &'static str {
        "a message is told once, and again only when it is unknown whether it arrived"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let What::Slack(sent) = &sight.record.what else {
            return None;
        };
        if sent.id.is_empty() {
            return Some(found(sent, "it carries no id, so nobody could tell a repeat"));
        }
        let times = self
            .told
            .entry((sent.channel.clone(), sent.id.clone()))
            .or_default();
        times.push(sight.now());
        let last = *times.iter().nth_back(1)?;
        let calm = &sight.picture.calm;
        let unknown = calm.disturbed.is_some_and(|at| at >= last) || calm.active().next().is_some();
        if !unknown {
            let why = "it was told before, and nothing was in the way of that";
            return Some(found(sent, why));
        }
        (times.len() > TIMES_MAX).then(|| found(sent, &format!("it was told {} times", times.len())))
    }
}

fn found(sent: &Sent, why: &str) -> Found {
    let text: String = sent.text.chars().take(120).collect();
    let evidence = format!(
        "{} told {}: {text:?} (id {}): {why}",
        sent.replica, sent.channel, sent.id
    );
    Found::new(evidence, [format!("message {}", sent.id)])
}
