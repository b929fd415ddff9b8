//! S4, second half: no success without evidence. A successful measurement needs an answer of the provider with at least one number (infinity is one, NaN is not)
//! in it, unless its condition deals with missing values itself; and where the condition is a plain comparison, the law makes it again.

use super::answers::{Answer, Metric, metrics};
use super::objects::Run;
use super::read::{list, shown, text};
use super::{Found, Law, Sight, write};
use crate::simulate::record::Requested;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Words by which a condition shows that it thought of values that are not there.
const AWARE: [&str; 8] = ["isNaN", "isNil", "isInf", "default", "len(", "nil", "??", "none("];

/// See the module's description.
#[derive(Default)]
pub struct Evidence;

impl Law for Evidence {
    fn id(&self) -> &'static str {
        "S4"
    }

    fn says(&self) -> &'static str {
        "no data, NaN, HTML, an error or a time-out is never a success"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        let request = write::done(sight)?;
        sight.picture.delta.runs.iter().find_map(|turn| {
            let (before, after) = (turn.before.as_deref(), turn.after.as_deref()?);
            metrics(after).find_map(|metric| unfounded(sight, request, before, after, &metric))
        })
    }
}

/// Whether a new success of this metric rests on nothing.
fn unfounded(
    sight: &Sight<'_>,
    request: &Requested,
    before: Option<&Run>,
    run: &Run,
    metric: &Metric<'_>,
) -> Option<Found> {
    let old = before.map_or(0, |run| successes(run, metric.name));
    let last = list(metric.result, "measurements").last()?;
    if metric.result["successful"].as_i64().unwrap_or(0) <= old || text(last, "phase") != "Successful" {
        return None;
    }
    let why = judged(sight, metric, last)?;
    let evidence = format!(
        "{}: metric {} of run {} was measured as a success (value {:?}), but {why}",
        write::told(request),
        metric.name,
        shown(&run.id),
        text(last, "value"),
    );
    Some(Found::new(evidence, [format!("analysisruns {}", shown(&run.id))]))
}

fn successes(run: &Run, metric: &str) -> i64 {
    let of = metrics(run).find(|known| known.name == metric);
    of.and_then(|known| known.result["successful"].as_i64())
        .unwrap_or(0)
}

/// What is wrong with the answers that this measurement can rest on.
fn judged(sight: &Sight<'_>, metric: &Metric<'_>, measurement: &Value) -> Option<String> {
    let (success, failure) = (
        text(metric.spec, "successCondition"),
        text(metric.spec, "failureCondition"),
    );
    if AWARE
        .iter()
        .any(|word| success.contains(word) || failure.contains(word))
    {
        return None;
    }
    let query = metric.query.as_ref()?;
    let Some(answers) = sight.picture.asked.to(query) else {
        return Some(format!("the query {query:?} was never answered"));
    };
    // Times in the status have whole seconds of a replica's clock.
    let began = super::read::time(&measurement["startedAt"]);
    let slack = TimeDelta::seconds(1) + sight.facts.clock_skew_max;
    let of_it = |answer: &&Answer| began.is_none_or(|began: DateTime<Utc>| answer.at >= began - slack);
    let own: Vec<&Answer> = answers.iter().filter(of_it).collect();
    let Some(latest) = own.last() else {
        return Some(format!("the query {query:?} was not answered since it was asked"));
    };
    if !own.iter().any(|answer| answer.measured()) {
        return Some(format!("the answer to {query:?} had no number: {}", told(latest)));
    }
    let passes = |answer: &&&Answer| {
        let numbers = answer.numbers.as_deref().unwrap_or_default();
        compare(success, numbers) != Some(false) && compare(failure, numbers) != Some(true)
    };
    let none = !own.iter().any(|answer| passes(&answer));
    none.then(|| {
        format!(
            "the answer was {}, success is {success:?} and failure {failure:?}",
            told(latest)
        )
    })
}

fn told(answer: &Answer) -> String {
    answer.numbers.as_ref().map_or_else(
        || "no answer of Prometheus".to_owned(),
        |numbers| format!("{numbers:?}"),
    )
}

/// The truth of `result[0] < 0.05` and the like, also joined by `&&`; none for conditions that say more.
fn compare(condition: &str, numbers: &[f64]) -> Option<bool> {
    let condition = condition.trim();
    if condition.is_empty() || condition.contains("||") {
        return None;
    }
    let mut all = true;
    for part in condition.split("&&") {
        let mut words = part.split_whitespace();
        let (left, operator, right) = (words.next()?, words.next()?, words.next()?);
        let index: usize = left.strip_prefix("result[")?.strip_suffix(']')?.parse().ok()?;
        let (value, limit): (f64, f64) = (*numbers.get(index)?, right.parse().ok()?);
        if words.next().is_some() {
            return None;
        }
        all &= match operator {
            "<" => value < limit,
            "<=" => value <= limit,
            ">" => value > limit,
            ">=" => value >= limit,
            "==" => value == limit,
            _ => return None,
        };
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_comparisons_are_made_again() {
        let check = |condition: &str, number: f64, want| {
            assert_eq!(compare(condition, &[number]), want, "{condition} {number}");
        };
        check("result[0] < 0.05", 0.01, Some(true));
        check("result[0] < 0.05", 0.07, Some(false));
        check("result[0] < 0.05", f64::NAN, Some(false));
        check("result[0] > 0.05", f64::NAN, Some(false));
        check("result[0] >= 1 && result[0] <= 2", 3.0, Some(false));
        check("result[1] > 0", 1.0, None);
        check("len(result) > 0", 1.0, None);
        check("", 1.0, None);
    }
}
