//! Runs on a virtual timeline: a small driver applies each plan, answers each probe from a script, and moves the clock to the next
//! thing that happens. After every pass the plan made again at the same instant must be empty.

mod endings;
mod verdicts;

use super::*;
use crate::base::gotime::parse_duration;
use crate::base::json::merge_apply;
use crate::base::reading;
use crate::plan::Guard;
use chrono::TimeDelta;

/// A run, the readings its metrics will give, and what happened to it.
struct Story {
    run: Value,
    /// Readings by metric, in order: a number, or `err`. The last one repeats.
    script: BTreeMap<&'static str, Vec<&'static str>>,
    /// How long a measurement takes.
    latency: TimeDelta,
    now: DateTime<Utc>,
    ending: Vec<Finished>,
    in_flight: BTreeMap<String, DateTime<Utc>>,
    asked: BTreeMap<String, usize>,
    notes: Vec<String>,
    /// Seconds since the start at which each probe began.
    probes: Vec<(String, i64)>,
    writes: usize,
    deleted: bool,
}

fn start() -> DateTime<Utc> {
    Time::parse("2026-11-21T08:00:00Z").unwrap().get()
}

impl Story {
    /// One metric `m` with `fields` over a sensible default.
    fn of(fields: Value, script: &'static str) -> Self {
        Self::many(json!([fields]), &[("m", script)])
    }

    fn many(metrics: Value, scripts: &[(&'static str, &'static str)]) -> Self {
        let filled = metrics.as_array().unwrap().iter().map(|fields| {
            let mut metric = json!({
                "name": "m",
                "successCondition": "result == 1",
                "provider": {"prometheus": {"query": "up"}}
            });
            merge_apply(&mut metric, fields);
            metric
        });
        let metrics: Vec<Value> = filled.collect();
        let script = scripts
            .iter()
            .map(|(metric, script)| (*metric, script.split_whitespace().collect()));
        Self {
            run: json!({
                "metadata": {"name": "r", "namespace": "d", "uid": "u", "resourceVersion": "1"},
                "spec": {"metrics": metrics}
            }),
            script: script.collect(),
            latency: TimeDelta::zero(),
            now: start(),
            ending: Vec::new(),
            in_flight: BTreeMap::new(),
            asked: BTreeMap::new(),
            notes: Vec::new(),
            probes: Vec::new(),
            writes: 0,
            deleted: false,
        }
    }

    fn with(mut self, spec: Value) -> Self {
        merge_apply(&mut self.run["spec"], &spec);
        self
    }

    fn latency(mut self, text: &str) -> Self {
        self.latency = parse_duration(text).unwrap();
        self
    }

    fn observed(&self) -> RunObserved {
        RunObserved {
            run: serde_json::from_value(self.run.clone()).unwrap(),
            finished: self.ending.clone(),
            in_flight: self.in_flight.keys().cloned().collect(),
            jobs: None,
        }
    }

    fn status(&self) -> AnalysisRunStatus {
        self.observed().run.status
    }

    fn seconds(&self) -> i64 {
        (self.now - start()).num_seconds()
    }

    /// Moves everything that ended by now into `ending`.
    fn deliver(&mut self) {
        let ended: Vec<String> = self
            .in_flight
            .iter()
            .filter(|(_, end)| **end <= self.now)
            .map(|(m, _)| m.clone())
            .collect();
        for metric in ended {
            let finished_at = self.in_flight.remove(&metric).unwrap();
            let reading = self.answer(&metric);
            self.ending.push(Finished {
                metric,
                started_at: Time::new(finished_at - self.latency),
                finished_at: Time::new(finished_at),
                reading,
            });
        }
    }

    fn answer(&mut self, metric: &str) -> Result<Reading, String> {
        let asked = self.asked.entry(metric.to_owned()).or_default();
        let script = &self.script[metric];
        let word = script[(*asked).min(script.len() - 1)];
        *asked += 1;
        let value: f64 = word.parse().map_err(|_| format!("no answer {asked}"))?;
        Ok(Reading {
            result: reading::Value::Float(value),
            value: word.to_owned(),
            ..Reading::default()
        })
    }

    /// One pass: plan, apply, start probes. Returns the next time that something happens.
    fn pass(&mut self) -> Option<DateTime<Utc>> {
        let seen = self.observed();
        let RunPlan { plan, probes } = plan_run(&seen, self.now);
        assert_eq!(
            plan_run(&seen, self.now).plan,
            plan,
            "the same input gives the same plan"
        );
        assert!(plan.actions.len() <= 1, "one write per pass");
        for action in &plan.actions {
            self.apply(action);
        }
        self.notes.extend(
            plan.notes
                .iter()
                .map(|note| format!("{}: {}", note.reason, note.message)),
        );
        self.ending.clear();
        for probe in &probes {
            self.probes.push((probe.metric.clone(), self.seconds()));
            let twice = self
                .in_flight
                .insert(probe.metric.clone(), self.now + self.latency);
            assert_eq!(twice, None, "one measurement of a metric at a time");
        }
        self.nothing_is_left();
        plan.wake_at
            .into_iter()
            .chain(self.in_flight.values().copied())
            .min()
    }

    fn apply(&mut self, action: &Action) {
        let Guard::Seen {
            uid,
            resource_version,
        } = &action.guard
        else {
            panic!("unguarded");
        };
        assert_eq!(
            (uid.as_str(), Some(resource_version.as_str())),
            ("u", self.run["metadata"]["resourceVersion"].as_str())
        );
        self.writes += 1;
        if action.verb == Verb::Delete {
            self.deleted = true;
            return;
        }
        assert_eq!(action.verb, Verb::Patch);
        merge_apply(&mut self.run, &action.body);
        self.run["metadata"]["resourceVersion"] = json!(format!("{}", self.writes + 1));
    }

    fn nothing_is_left(&self) {
        let again = plan_run(&self.observed(), self.now);
        if !self.deleted {
            assert_eq!(
                again.plan.actions,
                vec![],
                "a second pass at the same instant writes nothing"
            );
            assert_eq!(
                again.probes,
                vec![],
                "a second pass at the same instant measures nothing"
            );
            assert_eq!(again.plan.notes, vec![]);
        }
    }

    /// Lives until the run is final, or until `limit`.
    fn live(&mut self, limit: &str) -> &mut Self {
        let end = start() + parse_duration(limit).unwrap();
        loop {
            self.deliver();
            let next = self.pass();
            let done = self.deleted || (completed(&self.status().phase) && next.is_none());
            match next.filter(|next| *next <= end && !done) {
                Some(next) => self.now = next,
                None => return self,
            }
        }
    }

    fn outcome(&self) -> (String, String) {
        let status = self.status();
        (status.phase, status.message)
    }
}

#[track_caller]
fn check(mut story: Story, phase: &str, message: &str, seconds: i64) -> Story {
    story.live("1h");
    assert_eq!(story.outcome(), (phase.to_owned(), message.to_owned()));
    assert_eq!(story.seconds(), seconds, "seconds until the verdict");
    story
}
