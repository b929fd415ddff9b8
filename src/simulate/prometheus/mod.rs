//! A stand-in for Prometheus: scrapes the traffic's counters, evaluates recording rules and answers queries as the HTTP API does.
//! Everything is a function of what was scraped and when; it has no clock but the times it is given, and no network.

pub mod answer;
pub mod eval;
mod function;
pub mod labels;
mod query;
pub mod rules;
mod scrape;
pub mod scripted;
pub mod series;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use self::answer::Answer;
use self::eval::{Eval, Value};
use self::labels::Labels;
use self::query::{Kind, Node};
use self::scrape::Targets;
use self::scripted::{Say, Scripted};
use self::series::SeriesStore;
use super::traffic::Traffic;

/// How long Prometheus takes the last sample of a series for its value.
const LOOKBACK_MS: i64 = 5 * 60 * 1_000;

/// The step of subqueries that state none.
const STEP_MS: i64 = 60_000;

/// The longest range query that Prometheus answers.
const STEPS_MAX: i64 = 11_000;

/// Which Prometheus it stands for: they differ at the edge of windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// A sample at the very start of a window belongs to it.
    V2,
    /// It does not.
    #[default]
    V3,
}

impl Edition {
    /// The first time in a window that starts at `from`.
    fn first(self, from: i64) -> i64 {
        match self {
            Self::V2 => from,
            Self::V3 => from + 1,
        }
    }
}

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub scrape_every: TimeDelta,
    /// Older samples are forgotten.
    pub retention: TimeDelta,
    pub edition: Edition,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scrape_every: TimeDelta::seconds(5),
            retention: TimeDelta::minutes(30),
            edition: Edition::default(),
        }
    }
}

/// The stand-in.
#[derive(Clone, Debug)]
pub struct Prometheus {
    settings: Settings,
    series: SeriesStore,
    targets: Targets,
    rules: Vec<rules::Group>,
    scripted: Vec<Scripted>,
    next_scrape: i64,
    /// When each group of rules is evaluated next.
    next_rules: Vec<i64>,
    next_trim: i64,
    running: bool,
}

impl Prometheus {
    /// Without any sample. It is due first at the next whole multiple of its intervals since 1970.
    pub fn new(settings: Settings, now: DateTime<Utc>) -> Self {
        let every = settings.scrape_every.num_milliseconds().max(1);
        let next = next_multiple(every, now.timestamp_millis());
        Self {
            settings,
            series: SeriesStore::default(),
            targets: Targets::default(),
            rules: Vec::new(),
            scripted: Vec::new(),
            next_scrape: next,
            next_rules: Vec::new(),
            next_trim: next,
            running: true,
        }
    }

    /// Adds the recording rules of a rule file or of a `PrometheusRule`, as YAML, from `now` on. `Err` says what is wrong with it.
    pub fn add_rules(&mut self, text: &str, now: DateTime<Utc>) -> Result<(), String> {
        for group in rules::read(text)? {
            self.next_rules
                .push(next_multiple(group.interval, now.timestamp_millis()));
            self.rules.push(group);
        }
        Ok(())
    }

    /// Dictates answers. An earlier script wins over the later ones, but one for the same text takes the place of the one before.
    pub fn script(&mut self, scripted: Scripted) {
        match self
            .scripted
            .iter_mut()
            .find(|one| one.contains == scripted.contains)
        {
            Some(one) => *one = scripted,
            None => self.scripted.push(scripted),
        }
    }

    /// Whether it runs at all. While it does not, nothing is scraped, and what happens is not known afterwards either; it is the
    /// caller's part not to ask.
    pub fn set_running(&mut self, running: bool) {
        if running && !self.running {
            // One that starts does not know which series it had, so it does not end those that are gone by now.
            self.targets = Targets::default();
            self.rules.iter_mut().for_each(rules::Group::forget);
        }
        self.running = running;
    }

    /// When it has something to do: let the traffic flow until then and call [`Prometheus::tick`].
    pub fn due(&self) -> DateTime<Utc> {
        let next = self.next_rules.iter().fold(self.next_scrape, |a, b| a.min(*b));
        DateTime::from_timestamp_millis(next).unwrap_or_default()
    }

    /// Does what is due by now, the time until which the traffic has flowed: scrapes, then evaluates rules. Missed scrapes are not
    /// made up for.
    pub fn tick(&mut self, traffic: &Traffic) {
        let now = traffic.at().timestamp_millis();
        if self.next_scrape <= now {
            let every = self.settings.scrape_every.num_milliseconds().max(1);
            self.next_scrape = next_multiple(every, now + 1);
            if self.running {
                self.targets.scrape(traffic, &mut self.series, now);
            }
        }
        self.evaluate_rules(now);
        let retention = self.settings.retention.num_milliseconds();
        if self.next_trim <= now {
            self.next_trim = now + retention / 4;
            self.series.trim(now - retention);
        }
    }

    /// Evaluates the groups that are due.
    fn evaluate_rules(&mut self, now: i64) {
        let edition = self.settings.edition;
        for (group, next) in self.rules.iter_mut().zip(&mut self.next_rules) {
            if *next > now {
                continue;
            }
            *next = next_multiple(group.interval, now + 1);
            if self.running {
                group.evaluate(|series| eval(series, edition, now, now), &mut self.series, now);
            }
        }
    }

    /// Adds one sample of any series, the metric's name under `__name__`. Samples must come in the order of time.
    pub fn append(&mut self, labels: &Labels, at: DateTime<Utc>, value: f64) {
        let id = self.series.id(labels);
        self.series.append(id, at.timestamp_millis(), value);
    }

    /// Says that a series is gone since `at`, as a scrape does that no longer finds it.
    pub fn end(&mut self, labels: &Labels, at: DateTime<Utc>) {
        let id = self.series.id(labels);
        self.series.end(id, at.timestamp_millis());
    }

    /// The answer to `/api/v1/query`: HTTP status and body.
    pub fn instant(&self, query: &str, at: DateTime<Utc>) -> Answer {
        let now = at.timestamp_millis();
        match self.said(query, now) {
            Some(Say::Body(status, body)) => return (*status, body.clone()),
            Some(say) => return answer::instant(&say.value(), now),
            None => {}
        }
        let node = match query::parse(query) {
            Ok(node) => node,
            Err(error) => return answer::bad_data(&format!("invalid parameter \"query\": {error}")),
        };
        match eval(&self.series, self.settings.edition, now, now).value(&node, now) {
            Ok(value) => answer::instant(&value, now),
            Err(error) => answer::execution(&error),
        }
    }

    /// The answer to `/api/v1/query_range`: HTTP status and body.
    pub fn range(&self, query: &str, start: DateTime<Utc>, end: DateTime<Utc>, step: TimeDelta) -> Answer {
        let (start, end) = (start.timestamp_millis(), end.timestamp_millis());
        let step = step.num_milliseconds();
        if let Err(error) = check_range(start, end, step) {
            return answer::bad_data(&error);
        }
        if let Some(Say::Body(status, body)) = self.said(query, end) {
            return (*status, body.clone());
        }
        let node = match query::parse(query) {
            Ok(node) => node,
            Err(error) => return answer::bad_data(&format!("invalid parameter \"query\": {error}")),
        };
        let name = match node.kind() {
            Kind::Matrix => "range vector",
            Kind::Text => "string",
            Kind::Scalar | Kind::Vector => {
                return match self.steps(query, &node, (start, end, step)) {
                    Ok(all) => answer::range(&all),
                    Err(error) => answer::execution(&error),
                };
            }
        };
        answer::bad_data(&format!(
            "invalid parameter \"query\": invalid expression type \"{name}\" for range query, must be Scalar or instant Vector"
        ))
    }

    fn steps(&self, query: &str, node: &Node, (start, end, step): (i64, i64, i64)) -> Result<Matrix, String> {
        let eval = eval(&self.series, self.settings.edition, start, end);
        let mut all: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
        let mut now = start;
        while now <= end {
            let value = match self.said(query, now) {
                Some(say) => say.value(),
                None => eval.value(node, now)?,
            };
            match value {
                Value::Scalar(value) => all.entry(Labels::default()).or_default().push((now, value)),
                Value::Vector(samples) => {
                    for one in samples {
                        all.entry(one.labels).or_default().push((now, one.value));
                    }
                }
                Value::Matrix(_) | Value::Text(_) => {}
            }
            now += step;
        }
        Ok(all.into_iter().collect())
    }

    fn said(&self, query: &str, now: i64) -> Option<&Say> {
        self.scripted.iter().find_map(|one| one.at(query, now))
    }
}

type Matrix = Vec<(Labels, Vec<(i64, f64)>)>;

fn eval(series: &SeriesStore, edition: Edition, start: i64, end: i64) -> Eval<'_> {
    Eval {
        series,
        edition,
        lookback: LOOKBACK_MS,
        step: STEP_MS,
        start,
        end,
    }
}

/// The first multiple of `every` that is not before `from`.
fn next_multiple(every: i64, from: i64) -> i64 {
    -(-from).div_euclid(every) * every
}

fn check_range(start: i64, end: i64, step: i64) -> Result<(), String> {
    if end < start {
        return Err("invalid parameter \"end\": end timestamp must not be before start time".to_owned());
    }
    if step <= 0 {
        return Err(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"
                .to_owned(),
        );
    }
    if (end - start) / step > STEPS_MAX {
        return Err(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
                .to_owned(),
        );
    }
    Ok(())
}
