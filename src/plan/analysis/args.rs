//! Arguments put into metrics: `{{args.name}}` becomes the argument's value.
//!
//! A metric is filled in as JSON, string by string, so a value can never change the structure around it and is never read again
//! for further tags. Values from Secrets are not known here: their tags stay, and [`fill_secrets`] replaces them just before the
//! measurement, so that no secret passes through a plan, a status or a log.

use super::Probe;
use crate::api::analysis::{Arg, Metric, SecretKeyRef};
use crate::api::analysis_run::AnalysisRun;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Arguments by name, ready to be put in.
#[derive(Debug, Default)]
pub struct Fillings<'a> {
    texts: BTreeMap<&'a str, &'a str>,
    secrets: BTreeMap<&'a str, &'a SecretKeyRef>,
}

/// A metric with every argument filled in but those from Secrets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    pub metric: Metric,
    pub spec: Value,
    /// The secrets that the metric names, by argument.
    pub secrets: BTreeMap<String, SecretKeyRef>,
}

impl<'a> Fillings<'a> {
    /// `Err` when an argument has neither a value nor a Secret to take it from.
    pub fn new(args: &'a [Arg]) -> Result<Self, String> {
        let mut fillings = Fillings::default();
        for arg in args {
            let secret = arg
                .value_from
                .as_ref()
                .and_then(|from| from.secret_key_ref.as_ref());
            match (&arg.value, secret) {
                (Some(value), _) => drop(fillings.texts.insert(&arg.name, value)),
                (None, Some(secret)) => drop(fillings.secrets.insert(&arg.name, secret)),
                (None, None) => return Err(format!("argument \"{}\" was not supplied", arg.name)),
            }
        }
        Ok(fillings)
    }

    /// Fills in one metric. `Err` names the tag that nothing fills, or the field that is no longer readable.
    pub fn fill(&self, metric: &Metric) -> Result<Filled, String> {
        let raw = serde_json::to_value(metric).map_err(|e| e.to_string())?;
        let mut secrets = BTreeMap::new();
        let spec = map_strings(&raw, &mut |text| self.fill_text(text, &mut secrets))?;
        let metric = Metric::deserialize_from(&spec)?;
        Ok(Filled {
            metric,
            spec,
            secrets,
        })
    }

    fn fill_text(&self, text: &str, secrets: &mut BTreeMap<String, SecretKeyRef>) -> Result<String, String> {
        let mut left_in = 0;
        let filled = replace_tags(text, &mut |tag| {
            let name = argument_of(tag).ok_or_else(|| unresolved(tag))?;
            if let Some(secret) = self.secrets.get(name) {
                secrets.insert(name.to_owned(), (*secret).clone());
                left_in += 1;
                return Ok(None);
            }
            let value = self.texts.get(name).ok_or_else(|| unresolved(tag))?;
            Ok(Some((*value).to_owned()))
        })?;
        // A value must not smuggle in the tag of a secret: it would be filled in with it later.
        if self.secret_tags(&filled) != left_in {
            return Err(format!(
                "a value put into {text:?} refers to a secret argument; values are inserted as they are"
            ));
        }
        Ok(filled)
    }

    fn secret_tags(&self, text: &str) -> usize {
        let mut count = 0;
        let counted = replace_tags(text, &mut |tag| {
            count += usize::from(argument_of(tag).is_some_and(|name| self.secrets.contains_key(name)));
            Ok(None)
        });
        debug_assert!(counted.is_ok());
        count
    }
}

fn unresolved(tag: &str) -> String {
    format!("failed to resolve {tag}")
}

/// The metric of a probe with the secrets' values put in, by argument name. `Err` is the message for the measurement.
pub fn fill_secrets(probe: &Probe, values: &BTreeMap<String, String>) -> Result<Metric, String> {
    let spec = map_strings(&probe.spec, &mut |text| {
        replace_tags(text, &mut |tag| {
            let Some((name, secret)) =
                argument_of(tag).and_then(|name| Some((name, probe.secrets.get(name)?)))
            else {
                return Ok(None);
            };
            let missing = || format!("key '{}' does not exist in secret '{}'", secret.key, secret.name);
            values.get(name).cloned().map(Some).ok_or_else(missing)
        })
    })?;
    Metric::deserialize_from(&spec)
}

impl Metric {
    /// Reads a metric whose arguments were filled in.
    fn deserialize_from(spec: &Value) -> Result<Self, String> {
        serde_json::from_value(spec.clone())
            .map_err(|e| format!("the metric cannot be read with its arguments filled in: {e}"))
    }
}

/// The run with its arguments put into its metrics, as people want to read them. The tags of secrets stay, and so does a metric that
/// cannot be filled in.
pub fn shown(run: &AnalysisRun) -> AnalysisRun {
    let mut shown = run.clone();
    if let Ok(fillings) = Fillings::new(&run.spec.args) {
        for metric in &mut shown.spec.metrics {
            if let Ok(filled) = fillings.fill(metric) {
                *metric = filled.metric;
            }
        }
    }
    shown
}

/// True when the text holds a tag, so that its value is not known yet.
pub fn has_tag(text: &str) -> bool {
    text.contains("{{")
}

/// The argument's name in `{{args.name}}`.
fn argument_of(tag: &str) -> Option<&str> {
    tag.strip_prefix("{{")?
        .strip_suffix("}}")?
        .trim()
        .strip_prefix("args.")
}

/// Replaces each `{{…}}` by what `on_tag` gives for it; `None` leaves it. A tag without end is given as the rest of the text.
fn replace_tags(
    text: &str,
    on_tag: &mut dyn FnMut(&str) -> Result<Option<String>, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let end = rest[start..].find("}}").map_or(rest.len(), |len| start + len + 2);
        let (before, tag) = (&rest[..start], &rest[start..end]);
        out.push_str(before);
        out.push_str(on_tag(tag)?.as_deref().unwrap_or(tag));
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The same JSON with every string in it, member names included, replaced.
fn map_strings(
    value: &Value,
    replace: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(replace(text)?),
        Value::Array(items) => {
            let items: Result<_, _> = items.iter().map(|item| map_strings(item, replace)).collect();
            Value::Array(items?)
        }
        Value::Object(members) => {
            let mut out = Map::new();
            for (name, member) in members {
                out.insert(replace(name)?, map_strings(member, replace)?);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::analysis::ValueFrom;
    use serde_json::json;

    fn arg(name: &str, value: &str) -> Arg {
        Arg {
            name: name.into(),
            value: Some(value.into()),
            value_from: None,
        }
    }

    fn secret(name: &str) -> Arg {
        let secret_key_ref = Some(SecretKeyRef {
            name: "creds".into(),
            key: "token".into(),
        });
        Arg {
            name: name.into(),
            value: None,
            value_from: Some(ValueFrom {
                secret_key_ref,
                field_ref: None,
            }),
        }
    }

    fn metric(query: &str) -> Metric {
        serde_json::from_value(json!({"name": "m", "provider": {"prometheus": {"query": query}}})).unwrap()
    }

    fn query(metric: &Metric) -> String {
        metric.provider.prometheus.clone().unwrap().query
    }

    #[test]
    fn people_read_conditions_with_their_arguments_and_without_secrets() {
        let condition = |text: &str| Metric {
            success_condition: Some(text.into()),
            ..Metric::default()
        };
        let mut run = AnalysisRun::default();
        run.spec.args = vec![arg("max", "0.005"), secret("token")];
        run.spec.metrics = vec![
            condition("result[0] < {{args.max}}"),
            condition("result == '{{args.token}}'"),
            condition("result < {{args.unknown}}"),
        ];
        let read = shown(&run);
        let conditions: Vec<_> = read
            .spec
            .metrics
            .iter()
            .map(|one| one.success_condition.as_deref())
            .collect();
        let wanted = [
            "result[0] < 0.005",
            "result == '{{args.token}}'",
            "result < {{args.unknown}}",
        ];
        assert_eq!(conditions, wanted.map(Some));
    }

    #[test]
    fn arguments_replace_their_tags() {
        let check = |text: &str, want: Result<&str, &str>| {
            let args = [
                arg("a", "x"),
                arg("quote", "say \"hi\"\\\n\u{7}"),
                arg("tag", "{{args.a}}"),
                arg("open", "{{"),
            ];
            let filled = Fillings::new(&args).unwrap().fill(&metric(text));
            let got = filled.as_ref().map(|filled| query(&filled.metric));
            assert_eq!(got.as_deref().map_err(|e| e.as_str()), want, "{text}");
        };
        check("up{v=\"{{args.a}}\"}", Ok("up{v=\"x\"}"));
        check("{{ args.a }}{{args.a}}", Ok("xx"));
        check("{{args.quote}}", Ok("say \"hi\"\\\n\u{7}"));
        check("{{args.tag}}", Ok("{{args.a}}"));
        check("{{args.open}}", Ok("{{"));
        check("{{args.b}}", Err("failed to resolve {{args.b}}"));
        check("{{inputs.a}}", Err("failed to resolve {{inputs.a}}"));
        check("{{args.a", Err("failed to resolve {{args.a"));
    }

    #[test]
    fn an_argument_without_a_value_is_an_error_even_when_unused() {
        let args = [Arg {
            name: "a".into(),
            ..Arg::default()
        }];
        let error = Fillings::new(&args).unwrap_err();
        assert_eq!(error, "argument \"a\" was not supplied");
    }

    #[test]
    fn limits_and_intervals_may_be_arguments() {
        let raw = json!({"name": "m", "interval": "{{args.i}}", "count": "{{args.n}}", "provider": {}});
        let args = [arg("i", "30s"), arg("n", "3")];
        let metric: Metric = serde_json::from_value(raw).unwrap();
        let filled = Fillings::new(&args).unwrap().fill(&metric).unwrap().metric;
        assert_eq!(filled.interval.as_deref(), Some("30s"));
        assert_eq!(filled.count.and_then(|count| count.as_int()), Some(3));
    }

    #[test]
    fn secrets_stay_tags_until_the_measurement() {
        let args = [secret("token"), arg("a", "x")];
        let filled = Fillings::new(&args)
            .unwrap()
            .fill(&metric("{{args.a}} {{ args.token }}"))
            .unwrap();
        assert_eq!(query(&filled.metric), "x {{ args.token }}");
        let probe = Probe {
            attempt: 1,
            metric: "m".into(),
            spec: filled.spec,
            secrets: filled.secrets,
        };
        let values = BTreeMap::from([("token".to_owned(), "s3\"{{args.a}}".to_owned())]);
        assert_eq!(query(&fill_secrets(&probe, &values).unwrap()), "x s3\"{{args.a}}");
        let error = fill_secrets(&probe, &BTreeMap::new()).unwrap_err();
        assert_eq!(error, "key 'token' does not exist in secret 'creds'");
    }

    #[test]
    fn a_value_cannot_ask_for_a_secret() {
        for (value, text) in [("{{args.token}}", "{{args.a}}"), ("{{", "{{args.a}}args.token}}")] {
            let args = [secret("token"), arg("a", value)];
            let filled = Fillings::new(&args).unwrap().fill(&metric(text));
            assert!(
                filled.unwrap_err().contains("refers to a secret argument"),
                "{text}"
            );
        }
    }
}
