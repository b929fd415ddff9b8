//! S11: people are told once. The same message may come twice only when something happened between the two that could leave open
//! whether the first arrived, and never three times.

use super::{Found, Law, Sight};
use crate::simulate::record::{Sent, What};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

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
        "a message is told once, or twice when it is unknown whether the first arrived"
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
        let first = *times.first()?;
        let calm = &sight.picture.calm;
        let unknown = calm.disturbed.is_some_and(|at| at >= first) || calm.active().next().is_some();
        match times.len() {
            0 | 1 => None,
            2 if unknown => None,
            2 => Some(found(
                sent,
                "it was told before, and nothing was in the way of the first",
            )),
            times => Some(found(sent, &format!("it was told {times} times"))),
        }
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
