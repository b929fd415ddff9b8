//! Whether the templates that a Rollout names can be used by it, checked before anything is carried out.

use super::args::Fillings;
use super::build::{Purpose, RunWanted, run_spec};
use super::rules;
use super::schedule::effective_count;
use super::templates::{Found, absence, merge, walk};
use super::validity::{check_metrics, check_secrets};
use super::verdict::check_conditions;
use crate::api::analysis::Metric;
use crate::api::analysis_run::AnalysisRunSpec;
use crate::api::rollout::Rollout;
use crate::api::strategy::RolloutAnalysis;
use crate::plan::Answers;

/// Stands for a pod-template hash that is not known yet.
const HASH_TO_COME: &str = "0000000000";

/// All problems with the templates of a canary's steps and background analysis, or of those around a switch, as (field, message); empty when they can be used.
/// The templates must have been asked for: one that is not answered counts as missing.
pub fn validate_templates(rollout: &Rollout, answers: &Answers) -> Vec<(String, String)> {
    let strategy = &rollout.spec.strategy;
    let mut problems = Vec::new();
    if let Some(blue_green) = &strategy.blue_green {
        let around = [
            (
                "prePromotionAnalysis",
                &blue_green.pre_promotion_analysis,
                Purpose::PrePromotion,
            ),
            (
                "postPromotionAnalysis",
                &blue_green.post_promotion_analysis,
                Purpose::PostPromotion,
            ),
        ];
        for (name, analysis, purpose) in around {
            let field = format!("spec.strategy.blueGreen.{name}.templates");
            let checked = analysis
                .iter()
                .flat_map(|analysis| check(rollout, analysis, answers, purpose));
            problems.extend(checked.map(|message| (field.clone(), message)));
        }
    }
    let Some(canary) = &strategy.canary else {
        return problems;
    };
    for (index, step) in canary.steps.iter().enumerate() {
        if let (Some(analysis), Ok(step)) = (&step.analysis, i32::try_from(index)) {
            let field = format!("spec.strategy.canary.steps[{index}].analysis.templates");
            let checked = check(rollout, analysis, answers, Purpose::Step(step));
            problems.extend(checked.into_iter().map(|message| (field.clone(), message)));
        }
    }
    if let Some(background) = &canary.analysis {
        let field = "spec.strategy.canary.analysis.templates";
        let checked = check(rollout, &background.analysis(), answers, Purpose::Background);
        problems.extend(checked.into_iter().map(|message| (field.to_owned(), message)));
    }
    problems
}

fn check(rollout: &Rollout, analysis: &RolloutAnalysis, answers: &Answers, purpose: Purpose) -> Vec<String> {
    let namespace = &rollout.metadata.namespace;
    let found = walk(&analysis.templates, namespace, answers);
    let absent = found
        .iter()
        .filter_map(|found| Some(invalid(&found.name, &absence(found, namespace, answers)?)));
    let absent: Vec<String> = absent.collect();
    if !absent.is_empty() {
        return absent;
    }
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    let all = format!("templateNames: [{}]", names.join(" "));
    let merged = match merge(analysis, &found) {
        Ok(merged) => merged,
        Err(why) => return vec![invalid(&all, &why)],
    };
    let lacking = merged
        .args
        .iter()
        .any(|arg| arg.value.is_none() && arg.value_from.is_none());
    if lacking && analysis.args.is_empty() && purpose == Purpose::Background {
        return vec![invalid(&all, "missing analysis arguments in rollout spec")];
    }
    let wanted = RunWanted {
        rollout,
        analysis,
        answers,
        purpose,
        new_hash: HASH_TO_COME,
        stable_hash: HASH_TO_COME,
        revision: 0,
        instance_id: "",
    };
    match run_spec(&wanted) {
        Ok(spec) => check_spec(&spec, &found, &all, purpose),
        Err(_) if reads_the_status(analysis) => Vec::new(),
        Err(why) => vec![invalid(&all, &why)],
    }
}

/// Fields of the status may come to be later; only the run itself can tell.
fn reads_the_status(analysis: &RolloutAnalysis) -> bool {
    let fields = analysis
        .args
        .iter()
        .filter_map(|arg| arg.value_from.as_ref()?.field_ref.as_ref());
    fields
        .into_iter()
        .any(|field| field.field_path.starts_with("status"))
}

fn check_spec(spec: &AnalysisRunSpec, found: &[Found], all: &str, purpose: Purpose) -> Vec<String> {
    let fillings = match Fillings::new(&spec.args) {
        Ok(fillings) => fillings,
        Err(why) => return vec![invalid(all, &why)],
    };
    let mut problems = Vec::new();
    for found in found {
        let metrics = found.template.map_or(&[][..], |template| &template.spec.metrics);
        if !metrics.is_empty() {
            let complaints = check_metrics_of(&found.name, metrics, &fillings, purpose);
            problems.extend(complaints.iter().map(|why| invalid(&found.name, why)));
        }
    }
    if problems.is_empty() {
        problems.extend(check_whole(spec).err().map(|why| invalid(all, &why)));
    }
    problems
}

/// Problems with the metrics of one template, with the arguments of the Rollout.
fn check_metrics_of(name: &str, metrics: &[Metric], fillings: &Fillings, purpose: Purpose) -> Vec<String> {
    let fill = |metric| {
        let filled = fillings.fill(metric)?;
        check_secrets(&filled)?;
        Ok::<_, String>(filled.metric)
    };
    let filled = metrics.iter().map(fill).collect::<Result<Vec<_>, _>>();
    let filled = match filled.and_then(|metrics| check_metrics(&metrics).map(|()| metrics)) {
        Ok(filled) => filled,
        Err(why) => return vec![format!("AnalysisTemplate {name}: {why}")],
    };
    let mut complaints = Vec::new();
    for metric in &filled {
        if let Err(why) = check_conditions(metric) {
            complaints.push(format!(
                "AnalysisTemplate {name} has metric {} with {why}",
                metric.name
            ));
        }
        if purpose != Purpose::Background && effective_count(metric).is_none() {
            // A metric without an end has no count, or 0, which means the same.
            let count = metric.count.as_ref().map_or("<nil>", |_| "0");
            complaints.push(format!(
                "AnalysisTemplate {name} has metric {} which runs indefinitely. Invalid value for count: {count}",
                metric.name
            ));
        }
    }
    complaints
}

/// What would only fail when the run starts: nothing to measure, rules that match no metric.
fn check_whole(spec: &AnalysisRunSpec) -> Result<(), String> {
    if spec.metrics.is_empty() {
        return Err("no metrics specified".into());
    }
    rules::dry_run(&spec.metrics, &spec.dry_run)?;
    rules::measurements_kept(&spec.metrics, &spec.measurement_retention)?;
    Ok(())
}

/// A field error as Kubernetes words it, without the field.
fn invalid(value: &str, why: &str) -> String {
    format!("Invalid value: {value:?}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Answer, Question};
    use serde_json::{Value, json};

    fn problems(canary: Value, templates: &[(&str, Value)]) -> Vec<(String, String)> {
        let rollout = json!({
            "metadata": {"name": "web", "namespace": "d"},
            "spec": {"strategy": {"canary": canary}}
        });
        let mut answers = Answers::default();
        for (name, spec) in templates {
            let template = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
            answers
                .0
                .insert(Question::template("d", name, false), Answer::Template(template));
        }
        validate_templates(&serde_json::from_value(rollout).unwrap(), &answers)
    }

    fn metric(fields: Value) -> Value {
        let mut metric = json!({"name": "m", "provider": {"prometheus": {"query": "up"}}});
        crate::base::json::merge_apply(&mut metric, &fields);
        metric
    }

    #[track_caller]
    fn check_step(args: Value, template: Value, want: Option<&str>) {
        let analysis = json!({"templates": [{"templateName": "t"}], "args": args});
        let got = problems(
            json!({"steps": [{"setWeight": 5}, {"analysis": analysis}]}),
            &[("t", template)],
        );
        let field = "spec.strategy.canary.steps[1].analysis.templates".to_owned();
        assert_eq!(
            got,
            want.map(|want| (field, want.to_owned()))
                .into_iter()
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_template_must_exist() {
        let got = problems(
            json!({
                "steps": [{"analysis": {"templates": [{"templateName": "nope"}]}}],
                "analysis": {"templates": [{"templateName": "never", "clusterScope": true}]}
            }),
            &[],
        );
        let field = |field: &str| format!("spec.strategy.canary.{field}");
        let want = [
            (
                field("steps[0].analysis.templates"),
                "Invalid value: \"nope\": AnalysisTemplate 'nope' not found".to_owned(),
            ),
            (
                field("analysis.templates"),
                "Invalid value: \"never\": ClusterAnalysisTemplate 'never' not found".to_owned(),
            ),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_step_must_come_to_an_end() {
        check_step(json!([]), json!({"metrics": [metric(json!({}))]}), None);
        check_step(
            json!([]),
            json!({"metrics": [metric(json!({"interval": "1m", "count": 3}))]}),
            None,
        );
        let endless = "Invalid value: \"t\": AnalysisTemplate t has metric m which runs indefinitely. Invalid value for count: ";
        check_step(
            json!([]),
            json!({"metrics": [metric(json!({"interval": "1m"}))]}),
            Some(&format!("{endless}<nil>")),
        );
        let zero = json!({"metrics": [metric(json!({"interval": "1m", "count": 0}))]});
        check_step(json!([]), zero.clone(), Some(&format!("{endless}0")));
        let background = json!({"analysis": {"templates": [{"templateName": "t"}]}});
        assert_eq!(problems(background, &[("t", zero)]), []);
    }

    #[test]
    fn arguments_must_be_given() {
        let template = json!({"metrics": [metric(json!({"interval": "{{args.i}}", "count": 2}))], "args": [{"name": "i"}]});
        let given = |value: &str| json!([{"name": "i", "value": value}]);
        check_step(given("10s"), template.clone(), None);
        let unresolved = "Invalid value: \"templateNames: [t]\": args.i was not resolved";
        check_step(json!([]), template.clone(), Some(unresolved));
        let unreadable = "Invalid value: \"t\": AnalysisTemplate t: metrics[0]: invalid interval string: time: invalid duration \"soon\"";
        check_step(given("soon"), template.clone(), Some(unreadable));
        let background = json!({"analysis": {"templates": [{"templateName": "t"}]}});
        let missing =
            "Invalid value: \"templateNames: [t]\": missing analysis arguments in rollout spec".to_owned();
        assert_eq!(
            problems(background, &[("t", template)]),
            [("spec.strategy.canary.analysis.templates".to_owned(), missing)]
        );
    }

    #[test]
    fn arguments_known_only_later_are_no_problem() {
        let template = json!({"metrics": [metric(json!({"name": "{{args.i}}"}))], "args": [{"name": "i"}]});
        let from = |from: Value| json!([{"name": "i", "valueFrom": from}]);
        check_step(
            from(json!({"podTemplateHashValue": "Stable"})),
            template.clone(),
            None,
        );
        check_step(
            from(json!({"fieldRef": {"fieldPath": "status.canary.weights.canary.weight"}})),
            template,
            None,
        );
    }

    #[test]
    fn what_this_version_does_not_carry_out_is_named() {
        let foreign = json!({"provider": {"prometheus": null, "graphite": {"query": "x"}}});
        let foreign = json!({"metrics": [metric(foreign)]});
        let why = "Invalid value: \"t\": AnalysisTemplate t: spec.metrics[0].provider.graphite: this version of Serin does not measure with this provider yet: use prometheus, web or job";
        check_step(json!([]), foreign, Some(why));
        let rule = json!({"metrics": [metric(json!({}))], "dryRun": [{"metricName": "x"}]});
        let why = "Invalid value: \"templateNames: [t]\": dryRun[0]: Rule didn't match any metric name(s)";
        check_step(json!([]), rule, Some(why));
        check_step(
            json!([]),
            json!({}),
            Some("Invalid value: \"templateNames: [t]\": no metrics specified"),
        );
    }
}
