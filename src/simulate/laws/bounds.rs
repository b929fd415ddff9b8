//! S18: bounds. Whatever providers answer and people write, what the controller stores and tells stays small.

use super::read::{list, text};
use super::{Found, Law, Sight, write};
use crate::simulate::record::{Requested, What};
use serde_json::Value;

const BODY_BYTES_MAX: usize = 1024 * 1024;
const MESSAGE_CHARS_MAX: usize = 1024;
const CONDITION_CHARS_MAX: usize = 32 * 1024;
const EVENT_BYTES_MAX: usize = 1024;
const SLACK_CHARS_MAX: usize = 40_000;
const LOG_BYTES_MAX: usize = 64 * 1024;
const MEASUREMENTS_DEFAULT: i64 = 10;

/// See the module's description.
#[derive(Default)]
pub struct Bounded;

impl Law for Bounded {
    fn id(&self) -> &'static str {
        "S18"
    }

    fn says(&self) -> &'static str {
        "bodies, messages, values and histories stay within their limits"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Option<Found> {
        match &sight.record.what {
            What::Slack(sent) => {
                let len = sent.text.chars().count();
                let evidence = format!(
                    "message {} has {len} characters, at most {SLACK_CHARS_MAX}",
                    sent.id
                );
                (len > SLACK_CHARS_MAX).then(|| Found::new(evidence, [format!("message {}", sent.id)]))
            }
            What::Log { replica, line } => {
                let evidence = format!(
                    "{replica} logged a line of {} bytes, at most {LOG_BYTES_MAX}",
                    line.len()
                );
                (line.len() > LOG_BYTES_MAX).then(|| Found::new(evidence, ["the log".to_owned()]))
            }
            What::Request(_) => {
                let request = write::asked(sight)?;
                let why = too_much(request)?;
                let evidence = format!("{}: {why}", write::told(request));
                Some(Found::new(evidence, [write::object(request)]))
            }
            _ => None,
        }
    }
}

fn too_much(request: &Requested) -> Option<String> {
    let body = &request.body;
    let bytes = size(body);
    if bytes > BODY_BYTES_MAX {
        return Some(format!("its body has {bytes} bytes, at most {BODY_BYTES_MAX}"));
    }
    let status = &body["status"];
    match write::plural(request) {
        "events" => {
            let len = text(body, "message").len();
            (len > EVENT_BYTES_MAX).then(|| format!("its message has {len} bytes, at most {EVENT_BYTES_MAX}"))
        }
        "rollouts" => long("status.message", text(status, "message"), MESSAGE_CHARS_MAX).or_else(|| {
            let conditions = list(status, "conditions").iter();
            conditions
                .map(|one| text(one, "message"))
                .find_map(|message| long("a condition", message, CONDITION_CHARS_MAX))
        }),
        "analysisruns" => {
            let before = request.changes.first().and_then(|change| change.after.as_deref());
            let results = list(status, "metricResults");
            results
                .iter()
                .find_map(|result| of_metric(before.unwrap_or(&Value::Null), result))
        }
        _ => None,
    }
}

fn long(what: &str, text: &str, chars_max: usize) -> Option<String> {
    let len = text.chars().count();
    (len > chars_max).then(|| format!("{what} has {len} characters, at most {chars_max}"))
}

fn of_metric(run: &Value, result: &Value) -> Option<String> {
    let name = text(result, "name");
    let kept = list(&run["spec"], "measurementRetention").iter();
    let limits = kept
        .filter(|retention| text(retention, "metricName") == name)
        .map(|one| one["limit"].as_i64());
    let limit = limits.flatten().max().unwrap_or(MEASUREMENTS_DEFAULT).max(1);
    let measurements = list(result, "measurements");
    if i64::try_from(measurements.len()).is_ok_and(|len| len > limit) {
        return Some(format!(
            "metric {name} keeps {} measurements, at most {limit}",
            measurements.len()
        ));
    }
    let mut texts = measurements
        .iter()
        .flat_map(|one| ["value", "message"].map(|field| (field, text(one, field))));
    texts.find_map(|(field, value)| long(&format!("the {field} of metric {name}"), value, MESSAGE_CHARS_MAX))
}

/// About as many bytes as the value has as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(members) => {
            2 + members
                .iter()
                .map(|(name, member)| name.len() + 4 + size(member))
                .sum::<usize>()
        }
        _ => 4,
    }
}
