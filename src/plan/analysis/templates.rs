//! From references to templates: which are needed, and what all of them together ask for.

use crate::api::analysis::{AnalysisTemplate, Arg, Metric};
use crate::api::strategy::{DryRun, MeasurementRetention, RolloutAnalysis, TemplateRef};
use crate::plan::{Answer, Answers, Question};
use std::collections::BTreeSet;

/// What several templates together ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    pub metrics: Vec<Metric>,
    /// As declared; values of the Rollout are not in yet.
    pub args: Vec<Arg>,
    pub dry_run: Vec<DryRun>,
    pub measurement_retention: Vec<MeasurementRetention>,
}

/// The templates still to be asked for, nested ones included. Call again when they are answered, until it is empty.
pub fn templates_needed(refs: &[TemplateRef], namespace: &str, answers: &Answers) -> Vec<Question> {
    let question = |found: &Found| found.question(namespace);
    let questions = walk(refs, namespace, answers)
        .iter()
        .map(question)
        .collect::<Vec<_>>();
    questions
        .into_iter()
        .filter(|question| answers.get(question).is_none())
        .collect()
}

/// A reference, and the template if it is known.
pub struct Found<'a> {
    pub name: String,
    pub cluster_scope: bool,
    pub template: Option<&'a AnalysisTemplate>,
}

impl Found<'_> {
    fn question(&self, namespace: &str) -> Question {
        Question::template(namespace, &self.name, self.cluster_scope)
    }
}

/// All templates that `refs` mean, each once, those nested in a template after it. A cycle of references ends where it closes.
pub fn walk<'a>(refs: &[TemplateRef], namespace: &str, answers: &'a Answers) -> Vec<Found<'a>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut to_visit: Vec<TemplateRef> = refs.iter().rev().cloned().collect();
    while let Some(next) = to_visit.pop() {
        let cluster_scope = next.cluster_scope.unwrap_or(false);
        if !seen.insert((cluster_scope, next.template_name.clone())) {
            continue;
        }
        let template = answers.template(namespace, &next.template_name, cluster_scope);
        if let Some(template) = template {
            to_visit.extend(template.spec.templates.iter().rev().cloned());
        }
        found.push(Found {
            name: next.template_name,
            cluster_scope,
            template,
        });
    }
    found
}

/// Why a template cannot be used, in Argo Rollouts' words where it has them.
pub fn absence(found: &Found, namespace: &str, answers: &Answers) -> Option<String> {
    let kind = if found.cluster_scope {
        "ClusterAnalysisTemplate"
    } else {
        "AnalysisTemplate"
    };
    match answers.get(&found.question(namespace)) {
        Some(Answer::Template(_)) => None,
        Some(Answer::Unknown(why)) => Some(format!("{kind} '{}' cannot be read: {why}", found.name)),
        _ => Some(format!("{kind} '{}' not found", found.name)),
    }
}

/// Everything that the templates of an analysis ask for, and the analysis' own rules. `Err` when they contradict each other.
pub fn merge(analysis: &RolloutAnalysis, found: &[Found]) -> Result<Merged, String> {
    let mut merged = Merged {
        dry_run: analysis.dry_run.clone(),
        measurement_retention: analysis.measurement_retention.clone(),
        ..Merged::default()
    };
    // Templates of the namespace first, then those of the cluster: the order in which Argo Rollouts joins them.
    let (cluster, own): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|found| found.cluster_scope);
    for template in own.into_iter().chain(cluster).filter_map(|found| found.template) {
        let spec = &template.spec;
        merged.metrics.extend(spec.metrics.iter().cloned());
        merged.dry_run.extend(spec.dry_run.iter().cloned());
        merged
            .measurement_retention
            .extend(spec.measurement_retention.iter().cloned());
        for arg in &spec.args {
            add_arg(&mut merged.args, arg)?;
        }
    }
    check_unique(&merged)?;
    Ok(merged)
}

fn check_unique(merged: &Merged) -> Result<(), String> {
    let metrics = merged.metrics.iter().map(|metric| metric.name.as_str());
    let dry_run = merged.dry_run.iter().map(|rule| rule.metric_name.as_str());
    let retention = merged
        .measurement_retention
        .iter()
        .map(|rule| rule.metric_name.as_str());
    unique("metrics", metrics)?;
    unique("Dry-Run metric rules", dry_run)?;
    unique("Measurement Retention metric rules", retention)
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(format!("two {what} have the same name '{name}'"));
        }
    }
    Ok(())
}

/// Declares an argument; of several templates that declare it the first that gives a value counts.
fn add_arg(args: &mut Vec<Arg>, arg: &Arg) -> Result<(), String> {
    let Some(known) = args.iter_mut().find(|known| known.name == arg.name) else {
        args.push(arg.clone());
        return Ok(());
    };
    match (&known.value, &arg.value) {
        (Some(first), Some(second)) if first != second => Err(format!(
            "Argument `{}` specified multiple times with different values: '{first}', '{second}'",
            arg.name
        )),
        _ => {
            if known.value.is_none() && known.value_from.is_none() {
                *known = arg.clone();
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answers(templates: &[(&str, Value)]) -> Answers {
        let mut answers = Answers::default();
        for (name, spec) in templates {
            let question = Question::template(
                "d",
                name.trim_start_matches("cluster:"),
                name.starts_with("cluster:"),
            );
            let template = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
            answers.0.insert(question, Answer::Template(template));
        }
        answers
    }

    fn analysis(names: &[&str]) -> RolloutAnalysis {
        let templates = names.iter().map(|name| TemplateRef {
            template_name: name.trim_start_matches("cluster:").to_owned(),
            cluster_scope: Some(name.starts_with("cluster:")),
        });
        RolloutAnalysis {
            templates: templates.collect(),
            ..RolloutAnalysis::default()
        }
    }

    fn nested(metric: &str, templates: &[(&str, bool)]) -> Value {
        let refs = templates
            .iter()
            .map(|(name, cluster)| json!({"templateName": name, "clusterScope": cluster}));
        json!({"metrics": [{"name": metric, "provider": {}}], "templates": refs.collect::<Vec<_>>()})
    }

    #[test]
    fn nested_templates_are_asked_for_as_they_become_known() {
        let refs = analysis(&["a", "b"]).templates;
        let asked = |answers: &Answers| templates_needed(&refs, "d", answers);
        let own = |name| Question::template("d", name, false);
        assert_eq!(asked(&Answers::default()), [own("a"), own("b")]);
        let first = answers(&[
            ("a", nested("a", &[("c", true), ("a", false)])),
            ("b", nested("b", &[])),
        ]);
        assert_eq!(asked(&first), [Question::ClusterAnalysisTemplate("c".into())]);
        let mut second = first;
        second
            .0
            .insert(Question::ClusterAnalysisTemplate("c".into()), Answer::Missing);
        assert_eq!(asked(&second), []);
        let all = walk(&refs, "d", &second);
        let absences: Vec<String> = all
            .iter()
            .filter_map(|found| absence(found, "d", &second))
            .collect();
        assert_eq!(absences, ["ClusterAnalysisTemplate 'c' not found"]);
    }

    fn merged(analysis: RolloutAnalysis, templates: &[(&str, Value)]) -> Result<Merged, String> {
        let answers = answers(templates);
        merge(&analysis, &walk(&analysis.templates, "d", &answers))
    }

    #[test]
    fn metrics_are_joined_depth_first_and_each_template_counts_once() {
        let templates = [
            ("a", nested("a", &[("b", false), ("c", true)])),
            ("b", nested("b", &[("a", false)])),
            ("cluster:c", nested("c", &[])),
            ("d", nested("d", &[("b", false)])),
        ];
        let merged = merged(analysis(&["a", "d"]), &templates).unwrap();
        let names: Vec<&str> = merged.metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "d", "c"]);
    }

    #[test]
    fn contradictions_between_templates_are_errors() {
        let check = |a: Value, b: Value, want: &str| {
            let error = merged(analysis(&["a", "b"]), &[("a", a), ("b", b)]).unwrap_err();
            assert_eq!(error, want);
        };
        check(
            nested("m", &[]),
            nested("m", &[]),
            "two metrics have the same name 'm'",
        );
        let rule = json!({"dryRun": [{"metricName": "m"}]});
        check(
            rule.clone(),
            rule,
            "two Dry-Run metric rules have the same name 'm'",
        );
        let rule = json!({"measurementRetention": [{"metricName": "m", "limit": 1}]});
        check(
            rule.clone(),
            rule,
            "two Measurement Retention metric rules have the same name 'm'",
        );
        check(
            json!({"args": [{"name": "x", "value": "1"}]}),
            json!({"args": [{"name": "x", "value": "2"}]}),
            "Argument `x` specified multiple times with different values: '1', '2'",
        );
    }

    #[test]
    fn the_first_template_that_gives_an_argument_a_value_counts() {
        let templates = [
            ("a", json!({"args": [{"name": "x"}, {"name": "y", "value": "1"}]})),
            (
                "b",
                json!({"args": [{"name": "x", "value": "2"}, {"name": "y", "value": "1"}, {"name": "z"}]}),
            ),
        ];
        let args = merged(analysis(&["a", "b"]), &templates).unwrap().args;
        let args: Vec<(&str, Option<&str>)> = args
            .iter()
            .map(|arg| (arg.name.as_str(), arg.value.as_deref()))
            .collect();
        assert_eq!(args, [("x", Some("2")), ("y", Some("1")), ("z", None)]);
    }
}
