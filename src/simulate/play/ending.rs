//! What must be true at some moment, at the end, and of the whole run.

use super::{CALM, Play, SCENE};
use crate::api::phase::client_phase;
use crate::base::object::Kind;
use crate::simulate::people::id;
use crate::simulate::story::{Ends, Expect, duration};
use crate::simulate::timeline::Timeline;
use crate::simulate::world::Outcome;
use serde_json::Value;
use std::sync::Arc;

impl Play<'_> {
    /// Waits for the end that is told, and that it holds; what is not as told.
    /// A run with faults beside the story's own may come to it a second time.
    pub(super) async fn ending(&self, ends: &Ends, disturbed: bool) -> Vec<String> {
        let unmet = self.ending_once(ends).await;
        if unmet.is_empty() || !disturbed {
            return unmet;
        }
        self.ending_once(ends).await
    }

    async fn ending_once(&self, ends: &Ends) -> Vec<String> {
        let (limit, expect) = (duration(&ends.within).unwrap_or(SCENE), ends.expect());
        let reached = self
            .world
            .until(limit, |_| self.differences(&expect).is_empty())
            .await;
        if !reached {
            return self.differences(&expect);
        }
        self.world.wait(CALM).await;
        let mut unmet = self.differences(&expect);
        unmet
            .iter_mut()
            .for_each(|one| one.push_str(" (it was so for less than a minute)"));
        unmet
    }

    /// What is not as expected.
    pub(super) fn differences(&self, expect: &Expect) -> Vec<String> {
        let Some((object, rollout)) = self.rollout() else {
            return match expect.phase.as_deref() {
                Some("Gone") => {
                    let mut unmet = self.untold_events(&expect.events);
                    unmet.extend(self.unlike(&expect.objects));
                    unmet
                }
                _ => vec!["the Rollout is gone".into()],
            };
        };
        let (phase, message) = client_phase(&rollout, self.world.clock.now());
        let status = &object["status"];
        let number = |want: Option<i64>| want.map(|number| number.to_string());
        let of = |value: &Value| value.as_i64().unwrap_or(0).to_string();
        let mut unmet = Vec::new();
        let mut check = |what: &str, want: Option<String>, got: String| {
            if let Some(want) = want.filter(|want| *want != got) {
                unmet.push(format!("{what}: told {want:?}, is {got:?}"));
            }
        };
        check("phase", expect.phase.clone(), phase.to_owned());
        check(
            "stable",
            expect.stable.clone(),
            self.stable_tag().unwrap_or_default(),
        );
        check("weight", number(expect.weight), self.weight().to_string());
        check("step", number(expect.step), of(&status["currentStepIndex"]));
        // A blue-green status counts the active version alone.
        let pods = self
            .sets()
            .into_iter()
            .map(|set| set["status"]["availableReplicas"].as_i64().unwrap_or(0));
        let available = match rollout.spec.strategy.blue_green {
            Some(_) => pods.sum::<i64>().to_string(),
            None => of(&status["availableReplicas"]),
        };
        check("available", number(expect.available), available);
        for (kind, want) in &expect.conditions {
            check(kind, Some(want.clone()), condition(status, kind));
        }
        let revisions = expect.revisions.map(|count| count.to_string());
        check("revisions", revisions, self.revisions().to_string());
        for part in expect
            .message
            .iter()
            .filter(|part| !message.contains(part.as_str()))
        {
            unmet.push(format!("message: {part:?} is not in {message:?}"));
        }
        unmet.extend(self.untold_events(&expect.events));
        unmet.extend(self.unlike(&expect.objects));
        unmet
    }

    /// The objects that are not as told.
    fn unlike(&self, objects: &[Value]) -> Vec<String> {
        objects.iter().filter_map(|want| self.unlike_one(want)).collect()
    }

    fn unlike_one(&self, want: &Value) -> Option<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&want["kind"]), text(&want["metadata"]["name"]));
        let world = self.hand().cluster.world();
        let mut all = world.store.all();
        let found = all.find(|(key, object)| {
            object["kind"] == want["kind"] && key.name == name && key.namespace == self.namespace
        });
        match found {
            None => Some(format!("objects: there is no {kind} {name}")),
            Some((_, object)) => {
                missing(want, object, "").map(|why| format!("objects: {kind} {name}: {why}"))
            }
        }
    }

    fn sets(&self) -> Vec<Arc<Value>> {
        let mut sets = self.hand().list(&id(Kind::ReplicaSet), Some(&self.namespace));
        sets.retain(|set| set["metadata"]["ownerReferences"][0]["name"] == self.name);
        sets
    }

    /// How many ReplicaSets the Rollout has.
    fn revisions(&self) -> usize {
        self.sets().len()
    }

    fn untold_events(&self, parts: &[String]) -> Vec<String> {
        if parts.is_empty() {
            return Vec::new();
        }
        let events = self.hand().list("events", Some(&self.namespace));
        let told = |part: &&String| {
            let has = |event: &Arc<Value>| event["message"].as_str().is_some_and(|text| text.contains(*part));
            !events.iter().any(has)
        };
        parts
            .iter()
            .filter(told)
            .map(|part| format!("events: none says {part:?}"))
            .collect()
    }
}

/// The status of a condition, or `Absent`.
fn condition(status: &Value, kind: &str) -> String {
    let all = status["conditions"].as_array();
    let found = all.into_iter().flatten().find(|one| one["type"] == kind);
    found
        .and_then(|one| one["status"].as_str())
        .unwrap_or("Absent")
        .to_owned()
}

/// The first place at which an object has not what is told.
fn missing(want: &Value, got: &Value, path: &str) -> Option<String> {
    match (want, got) {
        (Value::Object(want), Value::Object(_)) => want.iter().find_map(|(name, value)| {
            let path = match path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            missing(value, &got[name], &path)
        }),
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            let pairs = want.iter().zip(got).enumerate();
            let mut found = pairs.map(|(at, (want, got))| missing(want, got, &format!("{path}[{at}]")));
            found.find_map(|one| one)
        }
        _ => (want != got).then(|| format!("{path}: told {want}, is {got}")),
    }
}

/// What can only be said when all is over.
pub(super) fn counts(ends: &Ends, outcome: &Outcome, (namespace, name): (&str, &str)) -> Vec<String> {
    let mut unmet = Vec::new();
    let tally = &outcome.tally;
    if let Some(max) = ends.refused_max.filter(|max| tally.refused > *max) {
        unmet.push(format!("refusedMax: told {max}, were {}", tally.refused));
    }
    let errors: f64 = tally.served.values().map(|(_, errors)| errors).sum();
    if let Some(max) = ends.errors_max.filter(|max| errors > *max) {
        unmet.push(format!("errorsMax: told {max}, were {errors}"));
    }
    if let Some(max) = ends.weight_max {
        let rows = Timeline::of_run(outcome, (namespace, name)).rows;
        let most = rows.iter().filter_map(|row| row.state.route).max().unwrap_or(0);
        if most > max {
            unmet.push(format!("weightMax: told {max}, was {most}"));
        }
    }
    unmet
}

/// What Slack was not told as told. Of a run with faults beside the story's own only the upper bound is asked.
pub(super) fn messages(ends: &Ends, outcome: &Outcome, disturbed: bool) -> Vec<String> {
    let (mut unmet, said) = (Vec::new(), &outcome.tally.said);
    let wrong = |count: &usize| match disturbed {
        true => said.len() > *count,
        false => said.len() != *count,
    };
    if let Some(count) = ends.slack_messages.filter(wrong) {
        unmet.push(format!("slackMessages: told {count}, were {}", said.len()));
    }
    let untold = |part: &&String| !said.iter().any(|text| text.contains(part.as_str()));
    for part in ends.slack.iter().filter(untold) {
        unmet.push(format!("slack: nothing says {part:?}"));
    }
    unmet
}
